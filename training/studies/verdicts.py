"""How sure an answer must be to be `confident`: fitted on labs that the answering model never saw.

    python -m training.studies.compare --variants default --trials unseen       # first, a model without each lab
    python -m training.studies.verdicts                                         # -> training/results/verdicts.json
    python -m training.export runs/default CHECKPOINT --verdicts training/results/verdicts.json

On photos of its own labs a model is right more often than elsewhere, and surer. So each model answers the lab that was
left out of its training, and from these answers come

    temperature     the one with which the mean of the labs' log losses is lowest
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
from pathlib import Path

from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import read_spec, write_json
from training.data.sources import DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, where
from training.recipe.config import ConfigError, recorded
from training.scoring.thresholds import Answered, as_marked, fit, of_the_recipe
from training.studies.compare import RESULTS, UNSEEN, add_runs_argument, checkpoint_folder, held_out

VERDICTS_FILE = RESULTS / "verdicts.json"


def answers_of(checkpoint: Path, photos) -> Answered:
    """Ask the model of a trial about photos that it was not trained on, but for those whose label is doubtful."""
    from leukoscope.classifier import Classifier
    from training.scoring.answers import graph_output

    asked = where(only_cell_types(photos), doubt="")
    logits, seen, scores = graph_output(Classifier.from_pretrained(checkpoint), asked, "logits", checkpoint.name)
    return Answered(logits, labels_of(asked)[seen], len(asked) - len(seen), scores)


def fitted_on_others() -> dict[str, dict[str, dict[str, float]]]:
    """Of each lab that verdicts were fitted on, {"confident": share and accuracy} by those of the other labs alone."""
    if not VERDICTS_FILE.exists():
        return {}
    others = {lab: row["by_the_others"] for lab, row in json.loads(VERDICTS_FILE.read_text())["labs"].items()}
    return {lab: {"confident": {"share": row["share"], "accuracy": row["right"]}} for lab, row in others.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.verdicts",
        description="Fit temperature and thresholds on labs that the answering models never saw.",
        epilog="next: python -m training.export RUN CHECKPOINT --verdicts training/results/verdicts.json",
    )
    add_data_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument("--variant", default="default", help="of training.studies.compare; default %(default)s")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        folders = {trial: checkpoint_folder(args.runs, args.variant, trial) for trial in UNSEEN}
        there = {trial: folder for trial, folder in folders.items() if folder.is_dir()}
        missing = [trial for trial in UNSEEN if trial not in there]
        if len(there) < 2:
            raise DataError(
                f"{args.runs} lacks {', '.join(missing)}: python -m training.studies.compare --variants {args.variant} "
                f"--trials {' '.join(missing)}; two labs at least are needed"
            )
        examples = examples_of(args, kinds=["photo"])
        labs, recipes = {}, []
        for trial, folder in there.items():
            config = recorded(read_spec(folder).trained, str(folder))
            recipes.append(of_the_recipe(config))
            labs[UNSEEN[trial]] = answers_of(folder, held_out(trial, config, examples))
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
        rows[lab] = as_marked(own, fitted) | {"by_the_others": as_marked(own, others)}
    write_json(VERDICTS_FILE, fitted._asdict() | {"labs": rows, "recipe": recipes[0]})
    print(
        f"temperature {fitted.temperature}, confident from {fitted.confident} and a cell's score of "
        f"{fitted.sure_cell} on, unfamiliar above {fitted.unfamiliar}"
    )
    for lab, row in rows.items():
        for words, marked in (("", row), ("  by the others", row["by_the_others"])):
            said = f"confident {marked['share']:.1%}, of these right {marked['right']:.1%}"
            print(f"{lab + words:<32}n {marked['n']:>6,}   {said}")
    if missing:
        print(f"without {', '.join(missing)}, which {args.runs} lacks")
    print(f"-> {VERDICTS_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
