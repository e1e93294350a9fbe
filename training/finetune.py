"""Go on training a checkpoint with some cells of your own lab.

    python -m training.finetune CHECKPOINT --cells my-lab/                # 80 cells, 20 of each type, are a start
    python -m training.finetune CHECKPOINT --cells my-lab/ --data bccd/   # and what it learned from before, if at hand

The cells lie in a folder for each type: my-lab/eosinophil/*.png, my-lab/lymphocyte/... A fifth of them is held out (of
few slides a half, a third or a quarter), and the answers to these are scored before and after. Copies of a picture are
held out together; what is left out of the folders is named; a picture in the folders of two types is refused. Where
the earlier labs are at hand they are in half of every batch, or the network would forget them, and their TEST is scored
before and after too. For the same reason the result is the mean of the weights before and after.

The result is a checkpoint like any other. A run that was stopped goes on; see `training.train`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from pathlib import Path
from warnings import catch_warnings, simplefilter

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import LOCATOR_FILE
from leukoscope.scanning.classes import named_twice, share_slides
from training.data.sources import LABELS, DataError, class_folder_rows, to_dataset
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, where
from training.fitting.examples import training_rows
from training.fitting.loop import train
from training.fitting.run_folder import HALFWAY_FILE, KEPT_FILE, START_FILE, RunError, open_run, save_weights
from training.recipe.config import Config, ConfigError, checked, recorded, to_toml

ENOUGH = 20  # cells of a type, below which what is learned hangs on single cells
HELD_OUT_PARTS = 5
FIT = {"epochs": 16, "steps": 50, "learning_rate": 1.5e-3, "average": 0.99}
FIT |= {"precision": "auto"}  # of the processor at hand, not of the one that the checkpoint was trained on
RESTAIN = 0.3  # the lab's own stain is there to be seen: colours need to vary less than in a recipe for any lab


def cells_of(folder: Path, lab: str, group: str | None, notes: list[str] | None = None):
    """The table of a lab's own cells, all of them to train on or to hold out; copies of a picture share its slide.

    Args:
        folder: class folders.
        lab: what the lab is called.
        group: regular expression; files in whose names it matches the same text are of one slide.
        notes: is given a line for each kind of files that are left out, and for copies.

    Raises:
        DataError: if the folder is of another layout, the pattern is none, or does not match a name, or one picture
            has two labels.
    """
    notes = [] if notes is None else notes
    rows = class_folder_rows(folder, lab, notes)
    try:
        pattern = re.compile(group) if group else None
    except re.error as error:
        raise DataError(f"--group {group!r} is no regular expression: {error}") from None
    for row in rows:
        row["split"] = "train"
        if pattern:
            if not (match := pattern.search(Path(row["image"]).name)):
                raise DataError(f"--group {group!r} matches nothing in the name {Path(row['image']).name}")
            row["slide"] = f"{lab}/{match.group()}"
    if torn := share_slides(rows, []):  # those that one slide now holds are said already
        raise DataError(named_twice(torn))
    return to_dataset(rows)


def finetuning(recipe: Config, lab: str, labs: list[str], epochs: int, cell: float) -> Config:
    """The settings of a checkpoint, as it was trained, for going on with a new lab.

    Args:
        recipe: these settings.
        lab: the new one.
        labs: the earlier ones that are at hand.
        epochs: of 50 batches.
        cell: score from which the checkpoint's locator takes something for a cell.
    """
    values = recipe.model_dump()
    values["name"] = re.sub(r"[^a-z0-9]+", "-", f"{values['name']}-{lab}".lower()).strip("-")
    values["data"] |= {"labs": [*labs, lab], "folds": HELD_OUT_PARTS, "fold": 0, "drop_test_fields": bool(labs)}
    values["data"]["kind"] = "photo"  # copies of photos take minutes to read, and bring little to half an epoch
    values["augment"]["restain"] = min(RESTAIN, values["augment"]["restain"])
    values["locator"]["threshold"] = cell
    values["fit"] |= FIT | {
        "epochs": epochs,
        "attributes": 0.0,
        "schedule": "cosine",
        "balance": "sampling",
        "patience": 0,
    }
    return checked(values, "the checkpoint's settings")


def with_parts(config: Config, examples, lab: str) -> Config:
    """The settings with one of five parts held out, or of as many fewer as leave cells of each type to learn from.

    Raises:
        DataError: if there is no such part, as where all cells are of one slide.
    """
    for parts in range(HELD_OUT_PARTS, 1, -1):
        for fold in range(parts):
            values = config.model_dump()
            values["data"] |= {"folds": parts, "fold": fold}
            tried = checked(values, "the checkpoint's settings")
            if _leaves_enough(tried, examples, lab):
                return tried
    own = only_cell_types(where(examples, lab=lab))
    counts = Counter(LABELS[label] for label in own["label"])
    of_each = ", ".join(f"{name} {counts[name]}" for name in CELL_TYPES)
    raise DataError(
        "too few cells to hold some out and to learn each type from others: "
        f"{len(own):,} of {len(set(own['slide'])):,} slides or groups ({of_each}); "
        "give two cells of each type or more, from two slides or more"
    )


def _leaves_enough(config: Config, examples, lab: str) -> bool:
    """Whether some of a lab's cells are held out, and others of all types are not."""
    try:
        with catch_warnings():
            simplefilter("ignore")  # of a type with fewer cells than parts: that is what is tried here
            taught, held_out = training_rows(config, examples)
    except ValueError:  # of the splitter: fewer groups, or cells of a type, than parts
        return False
    own = labels_of(where(taught, lab=lab))
    return set(range(len(CELL_TYPES))) <= set(own) and len(only_cell_types(where(held_out, lab=lab))) > 0


def warnings(cells) -> list[str]:
    """What there is too little of, one line each."""
    counts = Counter(LABELS[label] for label in cells["label"])
    return [
        f"only {counts[name]} cells of type {name}: {ENOUGH} or more tell a lab's cells from one patient's"
        for name in CELL_TYPES
        if counts[name] < ENOUGH
    ]


def finetune(
    checkpoint: Path, cells, earlier, run: Path, out: Path, epochs: int
) -> list[tuple[str, int, float, float]]:
    """Train, export, and compare before and after.

    Args:
        checkpoint: folder to start from.
        cells: table of the new lab.
        earlier: table of what the checkpoint was trained on, or None.
        run: run folder.
        out: checkpoint folder to write.
        epochs: of 50 batches.

    Returns:
        (what was asked, number of pictures, balanced accuracy before, after).

    Raises:
        ConfigError, DataError, RunError, LeukoscopeError: saying what cannot be used.
    """
    import datasets

    from leukoscope.classifier import Classifier
    from training.export import export
    from training.recipe.networks import build
    from training.scoring.answers import ask
    from training.scoring.scores import scores

    before = Classifier.from_pretrained(checkpoint)
    lab = cells["lab"][0]
    recipe = recorded(before.spec.trained, str(checkpoint))
    labs = [name for name in recipe.data.labs if earlier is not None and name in set(earlier["lab"])]
    if lab in recipe.data.labs:
        raise DataError(f"the checkpoint was trained on a lab called {lab!r} already: give another --lab")
    config = finetuning(recipe, lab, labs, epochs, before.spec.thresholds.cell)
    examples = datasets.concatenate_datasets([earlier, cells]) if labs else cells
    config = with_parts(config, examples, lab)
    open_run(run, to_toml(config), config, examples, checkpoint / LOCATOR_FILE)
    if not (run / START_FILE).exists():
        start = build(config)
        start.set_weights(before.load_keras().get_weights())  # their order is the same with a half turn and without
        save_weights(run / START_FILE, start)
    train(config, examples, run)
    go_halfway(run, config)
    export(run, out, examples, before=before.spec)  # the locator is the same
    after = Classifier.from_pretrained(out)

    asked = [(f"{lab}, held out", where(training_rows(config, examples)[1], lab=lab))]
    for name in labs:
        test = where(earlier, lab=name, split="test")
        kind = "copy" if "copy" in test["kind"] else "photo"
        asked.append((f"{name}, TEST", where(test, kind=kind)))
    results = []
    for what, rows in asked:
        rows = only_cell_types(rows)
        if len(rows):
            values = [scores(ask(classifier, rows))["balanced_accuracy"] for classifier in (before, after)]
            results.append((what, len(rows), *values))
    return results


def go_halfway(run: Path, config: Config) -> None:
    """Write the mean of the weights that a run started from and of those that it ended with: about as right in the new
    lab as the latter, and in the earlier ones as the former (Wortsman et al. 2022, arXiv 2109.01903)."""
    from training.recipe.networks import build

    model, weights = build(config), []
    for file in (START_FILE, KEPT_FILE):
        model.load_weights(run / file)
        weights.append(model.get_weights())
    model.set_weights([(start + end) / 2 for start, end in zip(*weights, strict=True)])
    save_weights(run / HALFWAY_FILE, model)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.finetune",
        description="Go on training a checkpoint with some cells of your own lab.",
        epilog="Not a medical device: for teaching and research.",
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder, such as leukoscope/pretrained")
    parser.add_argument("--cells", type=Path, required=True, metavar="DIR", help="your cells, a folder for each type")
    parser.add_argument("--lab", help="what your lab is called; default: the name of the folder")
    parser.add_argument(
        "--group",
        metavar="REGEX",
        help="files in whose names it matches the same text, such as the slide's number, are kept together; "
        "default: each by itself",
    )
    add_data_arguments(parser)
    parser.add_argument("--epochs", type=int, default=FIT["epochs"], help="of 50 batches; default %(default)s")
    parser.add_argument("--run", type=Path, help="run folder; default runs/<checkpoint's name>-<lab>")
    parser.add_argument("--out", type=Path, help="checkpoint folder to write; default <run>-checkpoint")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    lab = args.lab or args.cells.resolve().name
    run = args.run or Path("runs") / f"{args.checkpoint.resolve().name}-{lab}"
    out = args.out or run.with_name(f"{run.name}-checkpoint")
    try:
        if args.epochs < 1:
            raise ConfigError(f"--epochs {args.epochs}: at least 1")
        notes: list[str] = []
        cells = cells_of(args.cells, lab, args.group, notes)
        for line in notes + warnings(cells):
            print(f"warning: {line}", file=sys.stderr)
        at_hand = args.data or os.environ.get("BLOOD_CELLS_DIR")
        earlier = examples_of(args) if at_hand else None
        if earlier is None:
            print("warning: without --data nothing keeps it from forgetting the labs it knows", file=sys.stderr)
        results = finetune(args.checkpoint, cells, earlier, run, out, args.epochs)
    except (ConfigError, DataError, RunError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on after the last whole epoch", file=sys.stderr)
        return 130
    print(f"{'balanced accuracy':<28}{'pictures':>10}{'before':>9}{'after':>9}")
    for what, count, old, new in results:
        print(f"{what:<28}{count:>10,}{old:>9.3f}{new:>9.3f}")
    print(f"checkpoint: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
