"""Compare recipes where it counts: on labs never seen, and on fields held out of TRAIN. TEST has no part in it.

    python -m training.studies.compare                                   # every variant and trial not done yet (hours)
    python -m training.studies.compare --variants default --trials folds # the five folds of the default recipe
    python -m training.studies.compare --jobs 2                          # two trials at once, each on one processor
    python -m training.studies.compare --list                            # what there is to run, and what is done

A variant is training/recipe/configs/default.toml with the changes that training/recipe/configs/variants.toml names. A
trial trains it, exports it, and asks the checkpoint about photos that it never saw:

    without-LAB          trained without one of the labs, scored on all of its photos, and on LISC, which nothing is
                         trained on: bccd (the Kaggle set's 348 photos), barcelona (PBC), raabin, munich_marrow
    fold-0 ... fold-4    all labs, one fold held out by slide; scored on that fold's photos of the Kaggle set's TRAIN,
                         and on their copies

The locator is the recipe's, which saw all labs but LISC; with --locators DIR it is DIR/without-LAB.onnx, where that is
there, trained by `training.locating.train --without LAB`. What was answered to each photo is kept in the run folder,
answers-LAB.npz, to be looked at. Results go to training/results/comparison.json and comparison.md; a run
that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from leukoscope.biology.cells import CELL_TYPES, HOW_MANY
from leukoscope.model.checkpoint import write_json
from training.data.labs import SCORED_ONLY
from training.data.sources import DataError
from training.data.table import add_data_arguments, labels_of, load_examples, where
from training.recipe.config import CONFIGS, Config, ConfigError, checked, to_toml
from training.scoring import tables

VARIANTS_FILE = CONFIGS / "variants.toml"
RESULTS = Path(__file__).parents[1] / "results"
TABLE_FILE = RESULTS / "comparison.json"
FOLDS = tuple(f"fold-{i}" for i in range(5))
UNSEEN = {f"without-{lab}": lab for lab in ("barcelona", "bccd", "raabin", "munich_marrow")}
TRIALS = (*UNSEEN, *FOLDS)


def variants() -> dict[str, dict[str, Any]]:
    """Name -> changes to the default recipe, with its "why"; the first is the recipe itself."""
    return {"default": {"why": "the recipe as it is"}} | tomllib.loads(VARIANTS_FILE.read_text())


def configured(variant: str, trial: str, locators: Path | None = None) -> Config:
    """The settings of one trial.

    Args:
        variant: its name.
        trial: one of `TRIALS`.
        locators: folder of locators that never saw a lab, without-LAB.onnx.

    Raises:
        ConfigError: if the variant changes something that does not exist.
    """
    values = tomllib.loads((CONFIGS / "default.toml").read_text())
    for section, changes in variants()[variant].items():
        if section != "why":
            values.setdefault(section, {}).update(changes)
    values["name"] = f"{variant}-{trial}".replace("_", "-")
    if trial in FOLDS:
        values["data"]["fold"] = FOLDS.index(trial)
        values["data"]["folds"] = len(FOLDS)
    else:
        values["data"]["labs"] = [lab for lab in values["data"]["labs"] if lab != UNSEEN[trial]]
    if locators and (locators / f"{trial}.onnx").exists():
        values.setdefault("locator", {})["file"] = str(locators / f"{trial}.onnx")
    return checked(values, f"variant {variant}")


def run_folder(runs: Path, variant: str, trial: str) -> Path:
    """Where the run of a trial is kept."""
    return runs / f"{variant}-{trial}"


def checkpoint_folder(runs: Path, variant: str, trial: str) -> Path:
    """Where its checkpoint is kept."""
    return runs / f"{variant}-{trial}-checkpoint"


def add_runs_argument(parser: argparse.ArgumentParser) -> None:
    """Where the run folders of the trials are, or are to be."""
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/compare"), help="run folders of the trials; default %(default)s"
    )


def held_out(trial: str, config: Config, examples):
    """The photos that a trial is scored on, cells of other kinds included."""
    from training.fitting.examples import training_rows

    if trial in FOLDS:
        return where(training_rows(config, examples)[1], lab="bccd")
    return where(examples, lab=UNSEEN[trial], kind="photo")


def copies_of(photos, examples):
    """The rows of the copies that were made from some photos."""
    copies = where(examples, kind="copy")
    return copies.select(np.flatnonzero(np.isin(copies["photo"], photos["photo"])))


def run_trial(variant: str, trial: str, examples, runs: Path, locators: Path | None = None) -> dict[str, Any]:
    """Train, export and score one trial; what was done of it before is not done again."""
    from leukoscope.classifier import Classifier
    from training.export import export
    from training.fitting.loop import train
    from training.fitting.run_folder import open_run
    from training.scoring.answers import ask
    from training.scoring.scores import scores

    config = configured(variant, trial, locators)
    run = run_folder(runs, variant, trial)
    open_run(run, to_toml(config), config, examples)
    began = time.perf_counter()
    train(config, examples, run)
    checkpoint = checkpoint_folder(runs, variant, trial)
    export(run, checkpoint, examples)
    classifier = Classifier.from_pretrained(checkpoint)
    photos = held_out(trial, config, examples)
    copies = copies_of(photos, examples) if trial in FOLDS else ()
    unseen = [] if trial in FOLDS else [(lab, where(examples, lab=lab)) for lab in SCORED_ONLY]
    return {
        "variant": variant,
        "trial": trial,
        **scored(classifier, photos, run / f"answers-{UNSEEN.get(trial, 'bccd')}.npz"),
        "copies_accuracy": scores(ask(classifier, copies))["accuracy"] if len(copies) else None,
        "also": {lab: scored(classifier, rows, run / f"answers-{lab}.npz") for lab, rows in unseen if len(rows)},
        "parameters": json.loads((checkpoint / "classifier.json").read_text())["trained"]["parameters"],
        "epochs": config.fit.epochs,
        "locator": config.locator.file,
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }


def scored(classifier, photos, kept: Path) -> dict[str, Any]:
    """Ask a classifier about photos, cells of other kinds included, and keep its answers in a file."""
    from training.scoring.answers import ask
    from training.scoring.scores import scores, unfamiliarity_aurocs

    answers = ask(classifier, photos)
    np.savez(kept, **asdict(answers))
    known = answers.where(labels_of(photos) < len(CELL_TYPES))
    result = scores(known)
    return {
        **{key: result[key] for key in ("n", "slides", "accuracy", "balanced_accuracy", "balanced_accuracy_95")},
        **{key: result[key] for key in ("macro_f1", "confident")},
        "found": found_share(result),
        "recall": {name: row["recall"] for name, row in result["per_class"].items()},
        "unfamiliarity_auroc": unfamiliarity_aurocs(answers),
    }


def found_share(scored: dict[str, Any]) -> float:
    """In what share of the pictures a cell was found, of what `training.scoring.scores.scores` gives."""
    return 1 - scored["no_cell_found"] / scored["n"]


def run_all(
    todo: list[tuple[str, str]], data: dict[str, Any], runs: Path, jobs: int, locators: Path | None
) -> Iterator[dict[str, Any]]:
    """The results of (variant, trial) pairs as they come; where `jobs` run at once, each in a process of its own.

    data: what `load_examples` is to load. Others: as for `run_trial`.
    """
    if jobs == 1:
        examples = load_examples(**data)
        yield from (run_trial(variant, trial, examples, runs, locators) for variant, trial in todo)
        return
    # One thread each: TensorFlow gains little from a second at these sizes, and two would wait for each other.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    spawned = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=spawned, max_tasks_per_child=1) as pool:
        futures = [pool.submit(_in_process, variant, trial, data, runs, locators) for variant, trial in todo]
        for future in as_completed(futures):
            yield future.result()


def _in_process(variant: str, trial: str, data: dict[str, Any], runs: Path, locators: Path | None) -> dict[str, Any]:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    print(f"begun: {variant}, {trial}", flush=True)
    return run_trial(variant, trial, load_examples(**data), runs, locators)


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, or it would train on and write into the folder of the next run."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


# --- the table -------------------------------------------------------------------------------------------


def read_table() -> list[dict[str, Any]]:
    """The results so far, in the order they were made."""
    return json.loads(TABLE_FILE.read_text())["trials"] if TABLE_FILE.exists() else []


def add_to_table(row: dict[str, Any]) -> None:
    """Keep a result, in place of an older one of the same trial, and write the table anew."""
    rows = [r for r in read_table() if (r["variant"], r["trial"]) != (row["variant"], row["trial"])] + [row]
    RESULTS.mkdir(exist_ok=True)
    write_json(TABLE_FILE, {"trials": rows})
    TABLE_FILE.with_suffix(".md").write_text("\n".join(markdown(rows)) + "\n")


def markdown(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The tables to read: a line a variant, and a line a lab that was left out."""
    yield "# Recipes compared\n"
    yield "Written by `python -m training.studies.compare`; each number is explained there. Balanced accuracy unless"
    yield "said otherwise; `confident` is the share of cells so marked and how many of these are right. Folds: mean"
    yield "accuracy ± standard deviation. Intervals are over slides, or fields where no slide is known. The networks"
    yield "alone: what cells' widths add is fitted, and told, by `python -m training.studies.verdicts`.\n"
    known = variants()
    by_variant = {name: {} for name in [*known, *(r["variant"] for r in rows)]}
    for row in rows:
        by_variant[row["variant"]][row["trial"]] = row
    by_variant = {name: trials for name, trials in by_variant.items() if trials}
    never = [f"{lab}, mean" for lab in SCORED_ONLY]
    yield from _table(
        ("variant", "epochs", "labs left out, mean", "worst of them", *never, "TRAIN folds", "copies"),
        [[name, *_line(trials)] for name, trials in by_variant.items()],
    )
    yield "\n## Each lab, by a model that never saw it\n"
    types = f"the {HOW_MANY} types"
    yield f"Found: a white cell in so many. Other kinds: AUROC of the unfamiliarity score against {types}; some"
    yield "of them were taught, on cells of other labs.\n"
    yield from _table(
        ("variant", "lab", "cells", "found", "balanced accuracy", "confident", "other kinds"),
        [
            [name, lab, f"{row['n']:,}", *_lab_line(row)]
            for name, trials in by_variant.items()
            for trial, left_out in UNSEEN.items()
            if trial in trials
            for lab, row in [(left_out, trials[trial]), *_also(left_out, trials[trial])]
        ],
    )
    yield "\n## What each changes\n"
    for name in by_variant:
        yield f"- **{name}**: {known.get(name, {'why': 'no longer a variant; kept to be compared with'})['why']}"


def _table(head: tuple[str, ...], lines: list[list[str]]) -> Iterator[str]:
    yield from tables.head(*head)
    yield from (tables.row(*line) for line in lines)


def _line(trials: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Epochs, mean and worst of the labs left out, mean on labs that are scored only, folds and their copies."""
    yield str(max(row["epochs"] for row in trials.values()))
    unseen = {lab: trials[trial]["balanced_accuracy"] for trial, lab in UNSEEN.items() if trial in trials}
    yield f"{np.mean(list(unseen.values())):.3f} of {len(unseen)}" if unseen else "–"
    worst = min(unseen, key=lambda lab: unseen[lab], default="")
    yield f"{unseen[worst]:.3f} ({worst})" if worst else "–"
    for lab in SCORED_ONLY:
        also = [row["also"][lab]["balanced_accuracy"] for row in trials.values() if lab in row.get("also", {})]
        yield f"{np.mean(also):.3f}" if also else "–"
    folds = [trials[fold] for fold in FOLDS if fold in trials]
    for key in ("accuracy", "copies_accuracy"):
        yield _spread([row[key] for row in folds])


def _also(left_out: str, row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{lab}, without {left_out}", other) for lab, other in row.get("also", {}).items()]


def _lab_line(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['found']:.1%}" if "found" in row else "–"
    interval = row.get("balanced_accuracy_95")
    yield f"{row['balanced_accuracy']:.3f}" + (f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else "")
    yield f"{row['confident']['share']:.0%}, right {row['confident']['accuracy']:.1%}"
    yield ", ".join(f"{kind} {found['auroc']:.2f}" for kind, found in row["unfamiliarity_auroc"].items()) or "–"


def _spread(folds: list[float]) -> str:
    return f"{np.mean(folds):.3f} ± {np.std(folds):.3f} ({len(folds)} folds)" if folds else "–"


# --- command ---------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.compare", description="Compare recipes on unseen data."
    )
    add_data_arguments(parser)
    parser.add_argument("--variants", nargs="+", metavar="NAME", help=f"of {VARIANTS_FILE.name}; default all")
    parser.add_argument("--trials", nargs="+", metavar="TRIAL", help=f"{', '.join(TRIALS)}, or folds, or unseen")
    add_runs_argument(parser)
    parser.add_argument("--locators", type=Path, metavar="DIR", help="locators that never saw a lab, without-LAB.onnx")
    parser.add_argument(
        "--again", action="store_true", help="also run trials that are done: their run folders are gone"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="trials at once, one processor each; default 1"
    )
    parser.add_argument("--list", action="store_true", help="list the trials and whether they are done, and stop")
    args = parser.parse_args(argv)
    try:
        names, trials = _chosen(args.variants, args.trials)
        done = {(r["variant"], r["trial"]) for r in read_table()}
        todo = [(v, t) for v in names for t in trials if args.list or args.again or (v, t) not in done]
        if args.list:
            for variant, trial in todo:
                print(f"{variant:<24}{trial:<20}{'done' if (variant, trial) in done else ''}")
            return 0
        data = {"data": args.data, "pbc": args.pbc, "labs": args.labs}
        for index, row in enumerate(run_all(todo, data, args.runs, args.jobs, args.locators), 1):
            add_to_table(row)
            print(f"--- {index} of {len(todo)}: {json.dumps(row)}", flush=True)
    except (ConfigError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(markdown(read_table())))
    return 0


def _chosen(names: list[str] | None, trials: list[str] | None) -> tuple[list[str], list[str]]:
    groups = {"folds": FOLDS, "unseen": tuple(UNSEEN)}
    chosen = [t for given in trials or TRIALS for t in groups.get(given, (given,))]
    for what, given, valid in (("variant", names or [], variants()), ("trial", chosen, TRIALS)):
        unknown = [g for g in given if g not in valid]
        if unknown:
            raise ConfigError(f"unknown {what} {', '.join(unknown)}: valid are {', '.join(valid)}")
    return names or list(variants()), chosen


if __name__ == "__main__":
    sys.exit(main())
