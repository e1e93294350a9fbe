"""How sure an answer must be to be `confident`: fitted on labs that the answering model never saw.

    python -m training.studies.compare --variants default --trials unseen       # first, a model without each lab
    python -m training.studies.verdicts --locators DIR                          # -> training/results/verdicts.json
    python -m training.export runs/default CHECKPOINT --verdicts training/results/verdicts.json

On photos of its own labs a model is right more often than elsewhere, and surer. So each model answers the lab that was
left out of its training, on cells that DIR/without-LAB.onnx finds and measures, which never saw it either, and from
these answers come

    sizes           how wide cells of each type are, in widths of red cells; each lab whose red cells were measured
                    counts the same
    weight          of what that says, and
    temperature     those with which the mean of the labs' log losses is lowest
    unfamiliar      the score that 2 % of the cells of the four types exceed, in the mean of the labs
    sure_cell       the locator's score that 5 % of them fall short of, in the mean of the labs
    confident       the lowest probability from which on answers to cells found so surely are right in 97 % or more on
                    every one of the labs

A lab that is only scored has no part in it, nor has a photo whose label is doubtful: nothing can be right there. What
such verdicts are worth elsewhere is told by each lab's answers under those that were fitted on the other labs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import LOCATOR_FILE, Thresholds, read_spec, write_json
from leukoscope.model.graphs import open_locator
from leukoscope.model.hub import EMBEDDED
from training.data.labs import SCORED_ONLY
from training.data.sources import DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, where
from training.recipe.config import Config, ConfigError, recorded
from training.scoring.thresholds import Answered, Fitted, as_marked, fit, of_the_recipe
from training.studies.compare import RESULTS, UNSEEN, add_runs_argument, checkpoint_folder, found_share, held_out

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier

VERDICTS_FILE = RESULTS / "verdicts.json"
SCORED = ("n", "accuracy", "accuracy_95", "balanced_accuracy", "balanced_accuracy_95")


class UnseenModel(NamedTuple):
    """A model that never saw a lab.

    trial: of `training.studies.compare`, that trained it. lab: that it never saw.
    locator: the file of the locator that never saw it either; empty: its cells are found by one that did.
    measured: whether its red cells are told by a locator that never saw them, as of `Answered`.
    """

    trial: str
    lab: str
    config: Config
    classifier: Classifier
    locator: str
    measured: bool


def add_locators_argument(parser: argparse.ArgumentParser) -> None:
    """`--locators`, as `unseen_models` takes it."""
    parser.add_argument(
        "--locators",
        type=Path,
        metavar="DIR",
        help="find cells with DIR/without-LAB.onnx, which never saw the lab (training.locating.train --without LAB), "
        "instead of the checkpoints' own locators; in a lab without one, of whose red cells nothing is then learned, "
        "with the embedded one",
    )


def unseen_models(runs: Path, variant: str, locators: Path | None) -> Iterator[UnseenModel]:
    """The models of `training.studies.compare` that each never saw a lab.

    Args:
        runs: where they lie.
        variant: of the recipe.
        locators: folder of locators, as of `add_locators_argument`.

    Raises:
        DataError: if there are fewer than two.
    """
    folders = {trial: checkpoint_folder(runs, variant, trial) for trial in UNSEEN}
    there = {trial: folder for trial, folder in folders.items() if folder.is_dir()}
    if len(there) < 2:
        missing = [trial for trial in UNSEEN if trial not in there]
        raise DataError(
            f"{runs} lacks {', '.join(missing)}: python -m training.studies.compare --variants {variant} "
            f"--trials {' '.join(missing)}; two labs at least are needed"
        )
    for trial, folder in there.items():
        own = locators / f"{trial}.onnx" if locators else None
        left_out = own is None or own.is_file()
        classifier = opened(folder, own if left_out else EMBEDDED / LOCATOR_FILE)
        config = recorded(read_spec(folder).trained, str(folder))
        yield UnseenModel(trial, UNSEEN[trial], config, classifier, own.name if own and left_out else "", left_out)


def opened(checkpoint: Path, locator: Path | None) -> Classifier:
    """The model of a trial, with another locator if one is given."""
    from leukoscope.classifier import Classifier

    classifier = Classifier.from_pretrained(checkpoint)
    if locator:
        classifier._locator = open_locator(locator, classifier.spec.thresholds.cell)
    return classifier


def answers_of(classifier: Classifier, photos, measured: bool = True) -> Answered:
    """Ask a model about photos that it was not trained on, but for those whose label is doubtful.

    Args:
        classifier: the model.
        photos: of one lab.
        measured: whether the lab's red cells were ever measured, as of `Answered`.
    """
    from training.scoring.answers import graph_output

    asked = where(only_cell_types(photos), doubt="")
    logits, framed, seen = graph_output(classifier, asked, "logits", classifier.folder.name)
    scores, widths = np.array([cell.score for cell in framed]), [(cell.wide, cell.doubt) for cell in framed]
    return Answered(logits, labels_of(asked)[seen], len(asked) - len(seen), scores, widths, measured)


def scores_by(classifier: Classifier, photos, fitted: Fitted) -> dict[str, Any]:
    """Ask a model again, doubtful photos included, as it answers with what was fitted on other labs.

    Returns:
        Of `training.scoring.scores.scores` those in `SCORED`, and in what share of the photos a cell was found.
    """
    from training.scoring.answers import ask
    from training.scoring.scores import scores

    cell = classifier.spec.thresholds.cell
    thresholds = Thresholds(fitted.confident, fitted.unfamiliar, cell, fitted.sure_cell)
    classifier.spec = replace(
        classifier.spec, temperature=fitted.temperature, thresholds=thresholds, sizes=fitted.sizes
    )
    given = scores(ask(classifier, only_cell_types(photos)))
    return {name: given[name] for name in SCORED} | {"found": found_share(given)}


def fitted_on_others() -> dict[str, dict[str, Any]]:
    """Of each lab that verdicts were fitted on, scores and confident (share, accuracy) by those of the other labs, and
    the file of the locator that never saw it, if there was one."""
    if not VERDICTS_FILE.exists():
        return {}
    others = {lab: row["by_the_others"] for lab, row in json.loads(VERDICTS_FILE.read_text())["labs"].items()}
    return {
        lab: {name: row[name] for name in (*SCORED, "found", "locator")}
        | {"confident": {"share": row["share"], "accuracy": row["right"]}}
        for lab, row in others.items()
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.verdicts",
        description="Fit temperature and thresholds on labs that the answering models never saw.",
        epilog="next: python -m training.export RUN CHECKPOINT --verdicts training/results/verdicts.json",
    )
    add_data_arguments(parser)
    add_runs_argument(parser)
    add_locators_argument(parser)
    parser.add_argument("--variant", default="default", help="of training.studies.compare; default %(default)s")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        models = list(unseen_models(args.runs, args.variant, args.locators))
        examples = examples_of(args, kinds=["photo"])
        labs, asked, recipes, locators = {}, {}, [], {}
        for model in models:
            recipes.append(of_the_recipe(model.config))
            locators[model.lab] = model.locator
            asked[model.lab] = model.classifier, held_out(model.trial, model.config, examples)
            labs[model.lab] = answers_of(*asked[model.lab], model.measured)
        if any(recipe != recipes[0] for recipe in recipes):
            raise DataError(
                f"the checkpoints in {args.runs} are of unlike recipes: python -m training.studies.compare --again"
            )
    except (ConfigError, DataError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    fitted = fit(labs)
    rows = {}
    for lab, own in labs.items():
        others = fit({other: answers for other, answers in labs.items() if other != lab})
        theirs = as_marked(own, others) | scores_by(*asked[lab], others) | {"locator": locators[lab]}
        scored = [(name, where(examples, lab=name)) for name in SCORED_ONLY]
        theirs["also"] = {name: scores_by(asked[lab][0], photos, others) for name, photos in scored if len(photos)}
        rows[lab] = as_marked(own, fitted) | {"by_the_others": theirs}
    sizes = fitted.sizes and asdict(fitted.sizes)
    write_json(VERDICTS_FILE, fitted._asdict() | {"sizes": sizes, "labs": rows, "recipe": recipes[0]})
    print(
        f"temperature {fitted.temperature}, confident from {fitted.confident} and a cell's score of "
        f"{fitted.sure_cell} on, unfamiliar above {fitted.unfamiliar}"
    )
    if fitted.sizes:
        widths = ", ".join(
            f"{name} {np.exp(mean):.2f}" for name, mean in zip(CELL_TYPES, fitted.sizes.mean, strict=True)
        )
        print(f"widths in red cells: {widths}; these count {fitted.sizes.weight}")
    for lab, row in rows.items():
        for words, marked in (("", row), ("  by the others", row["by_the_others"])):
            said = f"confident {marked['share']:.1%}, of these right {marked['right']:.1%}"
            if "balanced_accuracy" in marked:
                said += f", balanced accuracy {marked['balanced_accuracy']:.3f}"
            said += "".join(
                f", {name} {other['balanced_accuracy']:.3f}" for name, other in marked.get("also", {}).items()
            )
            print(f"{lab + words:<32}n {marked['n']:>6,}   {said}")
    if missing := set(UNSEEN.values()) - set(labs):
        print(f"without {', '.join(sorted(missing))}: {args.runs} has no model that never saw it")
    print(f"-> {VERDICTS_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
