"""Compare recipes where it counts: on fields held out of TRAIN, and on a lab never seen. TEST has no part in it.

    python -m training.compare                                   # every variant, every trial not done yet (hours)
    python -m training.compare --variants default --trials folds # the five folds of the default recipe
    python -m training.compare --jobs 2                          # two trials at once, each on one processor
    python -m training.compare --list                            # what there is to run, and what is done

A variant is training/configs/default.toml with the changes that training/configs/variants.toml names. A trial trains
it, exports it, and asks the checkpoint about photos that it never saw:

    fold-0 ... fold-4    both labs, one fold held out by field; scored on that fold's photos of the Kaggle set's TRAIN,
                         and on their copies
    without-barcelona    trained without PBC, scored on all of PBC
    without-bccd         trained without the Kaggle set, scored on its 348 photos

Results go to training/results/comparison.json and comparison.md; a run that was stopped goes on.
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
from pathlib import Path
from typing import Any

import numpy as np

from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import write_json
from training.config import CONFIGS, Config, ConfigError, checked, to_toml
from training.data import add_data_arguments, labels_of, load_examples, where
from training.sources import OTHER_CELLS, DataError

VARIANTS_FILE = CONFIGS / "variants.toml"
RESULTS = Path(__file__).parent / "results"
TABLE_FILE = RESULTS / "comparison.json"
FOLDS = tuple(f"fold-{i}" for i in range(5))
UNSEEN = {"without-barcelona": "barcelona", "without-bccd": "bccd"}
TRIALS = (*FOLDS, *UNSEEN)


def variants() -> dict[str, dict[str, Any]]:
    """Name -> changes to the default recipe, with its "why"; the first is the recipe itself."""
    return {"default": {"why": "the recipe as it is"}} | tomllib.loads(VARIANTS_FILE.read_text())


def configured(variant: str, trial: str) -> Config:
    """The settings of one trial.

    Raises:
        ConfigError: if the variant changes something that does not exist.
    """
    values = tomllib.loads((CONFIGS / "default.toml").read_text())
    for section, changes in variants()[variant].items():
        if section != "why":
            values.setdefault(section, {}).update(changes)
    values["name"] = f"{variant}-{trial}"
    if trial in FOLDS:
        values["data"]["fold"] = FOLDS.index(trial)
        values["data"]["folds"] = len(FOLDS)
    else:
        values["data"]["labs"] = [lab for lab in values["data"]["labs"] if lab != UNSEEN[trial]]
    return checked(values, f"variant {variant}")


def run_folder(runs: Path, variant: str, trial: str) -> Path:
    """Where the run of a trial is kept."""
    return runs / f"{variant}-{trial}"


def checkpoint_folder(runs: Path, variant: str, trial: str) -> Path:
    """Where its checkpoint is kept."""
    return runs / f"{variant}-{trial}-checkpoint"


def held_out(trial: str, config: Config, examples):
    """The photos that a trial is scored on, cells of other kinds included."""
    from training.train import training_rows

    if trial in FOLDS:
        return where(training_rows(config, examples)[1], lab="bccd")
    return where(examples, lab=UNSEEN[trial], kind="photo")


def copies_of(photos, examples):
    """The rows of the copies that were made from some photos."""
    copies = where(examples, kind="copy")
    return copies.select(np.flatnonzero(np.isin(copies["photo"], photos["photo"])))


def run_trial(variant: str, trial: str, examples, runs: Path) -> dict[str, Any]:
    """Train, export and score one trial; what was done of it before is not done again."""
    from leukoscope.classifier import Classifier
    from training.evaluate import ask, scores, unfamiliarity_aurocs
    from training.export import export
    from training.train import open_run, train

    config = configured(variant, trial)
    run = run_folder(runs, variant, trial)
    open_run(run, to_toml(config), config, examples)
    began = time.perf_counter()
    train(config, examples, run)
    checkpoint = checkpoint_folder(runs, variant, trial)
    export(run, checkpoint, examples)
    classifier = Classifier.from_pretrained(checkpoint)
    photos = held_out(trial, config, examples)
    answers = ask(classifier, photos)
    known = answers.where(labels_of(photos) < len(CELL_TYPES))
    result = scores(known)
    copies = copies_of(photos, examples) if trial in FOLDS else ()
    return {
        "variant": variant,
        "trial": trial,
        **{key: result[key] for key in ("n", "accuracy", "balanced_accuracy", "macro_f1", "confident")},
        "copies_accuracy": scores(ask(classifier, copies))["accuracy"] if len(copies) else None,
        "recall": {name: row["recall"] for name, row in result["per_class"].items()},
        "unfamiliarity_auroc": unfamiliarity_aurocs(answers),
        "parameters": json.loads((checkpoint / "classifier.json").read_text())["trained"]["parameters"],
        "epochs": config.fit.epochs,
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }


def run_all(todo: list[tuple[str, str]], data, pbc, runs: Path, jobs: int) -> Iterator[dict[str, Any]]:
    """The results of (variant, trial) pairs as they come; where `jobs` run at once, each in a process of its own."""
    if jobs == 1:
        examples = load_examples(data, pbc=pbc)
        yield from (run_trial(variant, trial, examples, runs) for variant, trial in todo)
        return
    # One thread each: TensorFlow gains little from a second at these sizes, and two would wait for each other.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    spawned = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=spawned, max_tasks_per_child=1) as pool:
        futures = [pool.submit(_in_process, variant, trial, data, pbc, runs) for variant, trial in todo]
        for future in as_completed(futures):
            yield future.result()


def _in_process(variant: str, trial: str, data, pbc, runs: Path) -> dict[str, Any]:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    print(f"begun: {variant}, {trial}", flush=True)
    return run_trial(variant, trial, load_examples(data, pbc=pbc), runs)


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
    """The table to read: a line a variant."""
    yield "# Recipes compared\n"
    yield "Written by `python -m training.compare`; each number is explained there. Balanced accuracy unless said"
    yield "otherwise; `confident` is the share of cells so marked and how many of these are right. Folds: mean accuracy"
    yield "± standard deviation. Other kinds: AUROC of the unfamiliarity score for PBC's basophils, erythroblasts and"
    yield "immature granulocytes against its four types, where PBC was not trained on.\n"
    columns = ("variant", "epochs", "TRAIN folds", "copies", "PBC never seen", "confident", "other kinds")
    columns += ("Kaggle never seen", "confident")
    yield f"| {' | '.join(columns)} |"
    yield "|" + len(columns) * "---|"
    known = variants()
    for name in [v for v in known if any(r["variant"] == v for r in rows)]:
        mine = {r["trial"]: r for r in rows if r["variant"] == name}
        folds = [mine[f] for f in FOLDS if f in mine]
        cells = [str(max(r["epochs"] for r in mine.values()))]
        cells += [_spread([r[key] for r in folds]) for key in ("accuracy", "copies_accuracy")]
        for trial in UNSEEN:
            cells += [_balanced(mine.get(trial)), _confident(mine.get(trial))]
            cells += [_other_kinds(mine.get(trial))] if trial == "without-barcelona" else []
        yield f"| {name} | {' | '.join(cells)} |"
    yield "\n## What each changes\n"
    for name, changes in known.items():
        yield f"- **{name}**: {changes['why']}"


def _spread(folds: list[float]) -> str:
    return f"{np.mean(folds):.3f} ± {np.std(folds):.3f} ({len(folds)} folds)" if folds else "–"


def _balanced(row: dict[str, Any] | None) -> str:
    return f"{row['balanced_accuracy']:.3f}" if row else "–"


def _confident(row: dict[str, Any] | None) -> str:
    return f"{row['confident']['share']:.0%}, right {row['confident']['accuracy']:.1%}" if row else "–"


def _other_kinds(row: dict[str, Any] | None) -> str:
    found = row["unfamiliarity_auroc"] if row else {}
    return " / ".join(f"{found[kind]['auroc']:.2f}" if kind in found else "–" for kind in OTHER_CELLS) if found else "–"


# --- command ---------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description="Compare recipes on unseen data.")
    add_data_arguments(parser)
    parser.add_argument("--variants", nargs="+", metavar="NAME", help=f"of {VARIANTS_FILE.name}; default all")
    parser.add_argument("--trials", nargs="+", metavar="TRIAL", help=f"{', '.join(TRIALS)}, or folds, or unseen")
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"), help="run folders; default runs/compare")
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
        for index, row in enumerate(run_all(todo, args.data, args.pbc, args.runs, args.jobs), 1):
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
