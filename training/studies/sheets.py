"""What is special about the Kaggle set, drawn from your own copy of it. docs/data.md says what to see.

python -m training.studies.sheets OUT      # -> OUT/copies.png, fields.png, doubtful.png; needs BLOOD_CELLS_DIR
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from textwrap import fill

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from training.data.sources import LABELS, DataError
from training.data.table import add_data_arguments, load_examples, only_cell_types, pictures, where

COPIES = 5  # of each photo that is shown
COLUMNS = 6  # of the doubtful photos

Line = list[tuple[int, str]]  # rows of the table, and what stands above each


def copies(examples) -> list[Line]:
    """A TEST photo of each type, the one with most copies, and the first of these."""
    test = np.flatnonzero(np.asarray(examples["split"]) == "test")
    kinds, photos, labels = (np.asarray(examples[column]) for column in ("kind", "photo", "label"))
    lines = []
    for index, name in enumerate(CELL_TYPES):
        made = [i for i in test if labels[i] == index and kinds[i] == "copy"]
        original = {photos[i]: i for i in test if kinds[i] == "photo" and labels[i] == index}
        names, counts = np.unique(photos[made], return_counts=True)
        if not len(names) or names[counts.argmax()] not in original:
            continue
        photo = names[counts.argmax()]
        shown = [i for i in made if photos[i] == photo][:COPIES]
        lines.append(
            [(int(original[photo]), f"photo {photo}, {name}\n{counts.max()} copies in TEST")]
            + [(int(i), f"copy of {photo}") for i in shown]
        )
    return lines


def fields(examples) -> list[Line]:
    """The photos of every field that lies on both sides of the official split."""
    rows = np.flatnonzero(np.asarray(examples["kind"]) == "photo")
    field_of, split_of = examples["field"], examples["split"]
    together: dict[str, list[int]] = {}
    for i in rows.tolist():
        together.setdefault(field_of[i], []).append(i)
    crossing = [line for line in together.values() if len({split_of[i] for i in line}) > 1]
    return [[(i, _caption(examples[i])) for i in line] for line in crossing]


def doubtful(examples) -> list[Line]:
    """The photos whose label was doubted by eye."""
    kinds, doubts = examples["kind"], examples["doubt"]
    rows = [i for i in range(len(examples)) if kinds[i] == "photo" and doubts[i]]
    captions = [(i, f"{_caption(examples[i])}\n{fill(examples[i]['doubt'], 32)}") for i in rows]
    return [captions[start : start + COLUMNS] for start in range(0, len(captions), COLUMNS)]


def _caption(row: dict) -> str:
    return f"{row['photo']} · {row['split'].upper()}\n{LABELS[row['label']]}"


def draw(examples, lines: list[Line], out: Path) -> None:
    """Draw the pictures of each line beside each other, with what stands above them."""
    from matplotlib.figure import Figure

    columns = max(map(len, lines))
    figure = Figure((2.2 * columns, 2.2 * len(lines)), layout="constrained")
    axes = figure.subplots(len(lines), columns, squeeze=False)
    for ax in axes.ravel():
        ax.axis("off")
    places = [
        (ax, text) for line, row in zip(lines, axes, strict=True) for (_, text), ax in zip(line, row, strict=False)
    ]
    shown = pictures(examples.select([i for line in lines for i, _ in line]))
    for (ax, text), picture in zip(places, shown, strict=True):
        ax.imshow(picture)
        ax.set_title(text, fontsize=7)
    figure.savefig(out, dpi=110)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.sheets",
        description="Draw copies of photos, fields on both sides of the split, and doubtful labels of the Kaggle set.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures; made if it is not there")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    try:
        examples = where(only_cell_types(load_examples(args.data)), lab="bccd")
        args.out.mkdir(parents=True, exist_ok=True)
        for make in (copies, fields, doubtful):
            lines = make(examples)
            if not lines:
                raise DataError(f"nothing to draw for {make.__name__}.png: this is not the Kaggle set with its photos")
            draw(examples, lines, args.out / f"{make.__name__}.png")
            print(f"{args.out / make.__name__}.png: {len(lines)} lines, {sum(map(len, lines))} pictures")
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
