"""What do a few cells of a lab bring to a model that never saw it?

    python -m training.studies.compare --variants default --trials unseen               # first, the models
    python -m training.studies.own_lab --tune                    # every lab -> training/results/tuned.json
    python -m training.studies.own_lab                           # PBC, fine-tuned -> training/results/own_lab.json
    python -m training.studies.own_lab --lab raabin              # -> own_lab-raabin.json

`--tune` learns offsets as `leukoscope tune` does, from 3 to 20 cells of each type, in 20 draws of each number, and
scores the lab's other cells, by the thresholds that were fitted on the other labs (`training.studies.verdicts`).

Else a model is fine-tuned with 20 cells of each type, drawn from the lab's "train" rows. It is scored before and after
on the lab's held-out quarter, of other slides where they are known, and on TEST of the labs that it learned from.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import LeukoscopeError
from leukoscope.model.calibration import with_evidence
from leukoscope.model.checkpoint import write_json
from leukoscope.tuning import balanced_accuracy, fit_offsets
from training.data.labs import SCORED_ONLY
from training.data.sources import DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, where
from training.finetune import ENOUGH, FIT, finetune
from training.fitting.run_folder import RunError
from training.recipe.config import ConfigError
from training.scoring.thresholds import Answered, Fitted, as_marked, fit
from training.studies.compare import UNSEEN, add_runs_argument, checkpoint_folder, held_out
from training.studies.verdicts import UnseenModel, add_locators_argument, answers_of, unseen_models

RESULTS = Path(__file__).parents[1] / "results"
FIRST_LAB = "barcelona"
TUNED_FILE = RESULTS / "tuned.json"
TRIED, DRAWS = (3, 5, 10, 20), 20  # cells of each type to tune with, and how often they are drawn


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


def tuned(own: Answered, others: Fitted, seed: int) -> dict:
    """What offsets bring, on the cells that are found and that they were not learned from.

    Args:
        own: answers of a model that never saw the lab.
        others: what was fitted on other labs.
        seed: of the draws.

    Returns:
        n, and of the untuned model and by the number of cells of each type: balanced_accuracy, the mean of the draws,
        and the lowest; share of confident answers, and of these right. A number is left out of which not as many again
        would be left to be scored.
    """
    own = own.weighed(others.sizes)
    types, places = own.labels, np.arange(len(own.labels))
    of_type = [np.flatnonzero(types == each) for each in range(len(CELL_TYPES))]

    def scored(rest: np.ndarray, offsets: np.ndarray) -> tuple[float, float, float]:
        logits = with_evidence(own.logits[rest], offsets)
        marked = as_marked(Answered(logits, types[rest], scores=own.scores[rest]), others)
        right = balanced_accuracy(logits[:, : len(CELL_TYPES)].argmax(axis=1), types[rest])
        return right, marked["share"], marked["share"] * marked["right"]

    def in_the_mean(draws: list[tuple[float, float, float]]) -> dict:
        right, share, hits = np.array(draws).T
        return {
            "balanced_accuracy": right.mean(),
            "lowest": right.min(),
            "confident": {"share": share.mean(), "accuracy": hits.mean() / max(share.mean(), 1e-9)},
        }

    rows = {"n": len(types), "untuned": in_the_mean([scored(places, np.zeros(len(CELL_TYPES)))])}
    for count in TRIED:
        if min(map(len, of_type)) < 2 * count:
            continue
        draws = []
        for draw in range(DRAWS):
            rng = np.random.default_rng([seed, count, draw])
            chosen = np.concatenate([rng.choice(found, count, False) for found in of_type])
            offsets = fit_offsets(own.logits[chosen, : len(CELL_TYPES)], types[chosen], others.temperature)
            draws.append(scored(np.setdiff1d(places, chosen), offsets))
        rows[str(count)] = in_the_mean(draws)
    return rows


def tuned_labs(models: list[UnseenModel], examples, seed: int) -> dict[str, dict]:
    """`tuned` by lab, and of labs that are only scored by "lab, without another"; each with its `locator`."""
    answers = {}
    for model in models:
        photos = held_out(model.trial, model.config, examples)
        answers[model.lab] = answers_of(model.classifier, photos, model.measured)
    rows = {}
    for model in models:
        others = fit({lab: own for lab, own in answers.items() if lab != model.lab})
        rows[model.lab] = tuned(answers[model.lab], others, seed) | {"locator": model.locator}
        for lab in SCORED_ONLY:
            if len(photos := where(examples, lab=lab)):
                own = answers_of(model.classifier, photos)
                rows[f"{lab}, without {model.lab}"] = tuned(own, others, seed) | {"locator": model.locator}
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.own_lab",
        description="Tune or fine-tune models that never saw a lab with a few of its cells, and score them before and "
        "after.",
    )
    add_data_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument(
        "--lab", choices=sorted(UNSEEN.values()), default=FIRST_LAB, help="the new lab; default %(default)s"
    )
    parser.add_argument("--tune", action="store_true", help="tune, on every lab; default: fine-tune, on one")
    add_locators_argument(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of cells; default %(default)s")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    trial = f"without-{args.lab}"
    checkpoint = checkpoint_folder(args.runs, "default", trial)
    try:
        if args.tune:
            models = list(unseen_models(args.runs, "default", args.locators))
            rows = tuned_labs(models, examples_of(args, kinds=["photo"]), args.seed)
            write_json(TUNED_FILE, {"draws": DRAWS, "labs": rows})
            for lab, row in rows.items():
                said = (f"{name} {row[name]['balanced_accuracy']:.3f}" for name in row if name not in ("n", "locator"))
                print(f"{lab:<28}n {row['n']:>6,}   {', '.join(said)}")
            print(f"-> {TUNED_FILE}")
            return 0
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
