"""What do 80 cells of a lab bring? A model that never saw it is fine-tuned with 20 of its cells of each type.

    python -m training.studies.compare --variants default --trials without-barcelona    # first, the model
    python -m training.studies.own_lab                           # PBC -> training/results/own_lab.json
    python -m training.studies.own_lab --lab raabin              # -> own_lab-raabin.json

The cells are drawn from the lab's "train" rows. It is scored before and after on the lab's held-out quarter, of other
slides where they are known, and on TEST of the labs that it learned from.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import write_json
from training.data.sources import DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, where
from training.finetune import ENOUGH, FIT, finetune
from training.fitting.run_folder import RunError
from training.recipe.config import ConfigError
from training.studies.compare import UNSEEN, add_runs_argument, checkpoint_folder

RESULTS = Path(__file__).parents[1] / "results"
FIRST_LAB = "barcelona"


def drawn_cells(examples, lab: str, count: int, seed: int):
    """(chosen, others): `count` photos of each type at random, to learn from, and what is held out of the lab."""
    rows, rng = only_cell_types(where(examples, lab=lab, kind="photo")), np.random.default_rng(seed)
    train = where(rows, split="train")
    of_type = [np.flatnonzero(labels_of(train) == t) for t in range(len(CELL_TYPES))]
    chosen = np.concatenate([rng.choice(found, min(count, len(found)), False) for found in of_type])
    return train.select(chosen), where(rows, split="test")


def measure(checkpoint: Path, examples, lab: str, runs: Path, seed: int) -> dict:
    """Fine-tune and score.

    Returns:
        lab, cells, seed, and balanced accuracy before and after: new_lab {n, before, after}, and old_labs, {n, before,
        after} by what was asked.
    """
    from leukoscope.classifier import Classifier
    from training.scoring.answers import ask
    from training.scoring.scores import scores

    cells, others = drawn_cells(examples, lab, ENOUGH, seed)
    run = runs / f"own-{lab}-{seed}"
    out = run.with_name(f"{run.name}-checkpoint")
    earlier = examples.select([i for i, name in enumerate(examples["lab"]) if name != lab])
    asked = finetune(checkpoint, cells, earlier, run, out, FIT["epochs"])
    before, after = (
        scores(ask(Classifier.from_pretrained(folder), others))["balanced_accuracy"] for folder in (checkpoint, out)
    )
    return {
        "lab": lab,
        "cells": len(cells),
        "seed": seed,
        "new_lab": {"n": len(others), "before": before, "after": after},
        "old_labs": {what: {"n": n, "before": old, "after": new} for what, n, old, new in asked if "TEST" in what},
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.own_lab",
        description="Fine-tune a model that never saw a lab with 80 of its cells, and score it before and after.",
    )
    add_data_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument(
        "--lab", choices=sorted(UNSEEN.values()), default=FIRST_LAB, help="the new lab; default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of cells; default %(default)s")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    trial = f"without-{args.lab}"
    checkpoint = checkpoint_folder(args.runs, "default", trial)
    try:
        if not checkpoint.is_dir():
            raise DataError(
                f"there is no {checkpoint}: python -m training.studies.compare --variants default --trials {trial}"
            )
        examples = examples_of(args)
        if args.lab not in set(examples["lab"]):
            raise DataError(f"the data has no lab {args.lab!r}: is --pbc or --labs missing?")
        result = measure(checkpoint, examples, args.lab, args.runs, args.seed)
    except (ConfigError, DataError, RunError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    file = RESULTS / ("own_lab.json" if args.lab == FIRST_LAB else f"own_lab-{args.lab}.json")
    write_json(file, result)
    for what, row in {f"{args.lab}, held out": result["new_lab"], **result["old_labs"]}.items():
        print(f"{what:<24}n {row['n']:>6,}   balanced accuracy {row['before']:.3f} -> {row['after']:.3f}")
    print(f"-> {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
