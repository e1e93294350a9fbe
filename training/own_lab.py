"""What do 80 cells of a lab bring? A model that never saw PBC is fine-tuned with 20 PBC cells of each type.

    python -m training.compare --variants default --trials without-barcelona    # first, the model
    python -m training.own_lab                                                  # -> training/results/own_lab.json

It is scored before and after on all other PBC cells, and on TEST of the lab that it learned from.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import write_json
from leukoscope.errors import LeukoscopeError
from training.compare import checkpoint_folder
from training.config import ConfigError
from training.data import add_data_arguments, labels_of, load_examples, only_cell_types, where
from training.finetune import ENOUGH, FIT, finetune
from training.sources import DataError
from training.train import RunError

RESULT_FILE = Path(__file__).parent / "results" / "own_lab.json"
NEW_LAB = "barcelona"


def drawn_cells(examples, count: int, seed: int):
    """(chosen, others): `count` cells of each type at random, to learn from, and the rest, to be scored on."""
    rows, rng = only_cell_types(where(examples, lab=NEW_LAB)), np.random.default_rng(seed)
    labels = labels_of(rows)
    chosen = np.concatenate([rng.choice(np.flatnonzero(labels == t), count, False) for t in range(len(CELL_TYPES))])
    taught = rows.select(chosen)
    taught = taught.remove_columns("split").add_column("split", ["train"] * len(taught)).cast(rows.features)
    return taught, rows.select(np.setdiff1d(np.arange(len(rows)), chosen))


def measure(checkpoint: Path, examples, runs: Path, seed: int) -> dict:
    """Fine-tune and score.

    Returns:
        cells, seed, and balanced accuracy before and after: new_lab {n, before, after}, old_lab {n, before, after}.
    """
    from leukoscope.classifier import Classifier
    from training.evaluate import ask, scores

    cells, others = drawn_cells(examples, ENOUGH, seed)
    out = runs / f"own-lab-{seed}-checkpoint"
    earlier = where(examples, lab="bccd")
    asked = finetune(checkpoint, cells, earlier, runs / f"own-lab-{seed}", out, FIT["epochs"])
    before, after = (
        scores(ask(Classifier.from_pretrained(folder), others))["balanced_accuracy"] for folder in (checkpoint, out)
    )
    _, count, old_before, old_after = asked[-1]
    return {
        "cells": len(cells),
        "seed": seed,
        "new_lab": {"n": len(others), "before": before, "after": after},
        "old_lab": {"n": count, "before": old_before, "after": old_after},
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.own_lab",
        description="Fine-tune a model that never saw PBC with 80 of its cells, and score it before and after.",
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/compare"), help="of training.compare; default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of cells; default %(default)s")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    checkpoint = checkpoint_folder(args.runs, "default", "without-barcelona")
    try:
        if not checkpoint.is_dir():
            raise DataError(
                f"there is no {checkpoint}: python -m training.compare --variants default --trials without-barcelona"
            )
        examples = load_examples(args.data, pbc=args.pbc)
        if NEW_LAB not in set(examples["lab"]):
            raise DataError("give the PBC set with --pbc or PBC_DIR")
        result = measure(checkpoint, examples, args.runs, args.seed)
    except (ConfigError, DataError, RunError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_json(RESULT_FILE, result)
    for name, what in (("new_lab", "PBC, other cells"), ("old_lab", "Kaggle TEST")):
        row = result[name]
        print(f"{what:<20}n {row['n']:>6,}   balanced accuracy {row['before']:.3f} -> {row['after']:.3f}")
    print(f"-> {RESULT_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
