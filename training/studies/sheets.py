"""What is special about the Kaggle set, and what training makes of colours, drawn from your own copies of the data.

    python -m training.studies.sheets OUT      # -> OUT/copies.png, fields.png, doubtful.png; needs BLOOD_CELLS_DIR
                                               # and colours.png: of each lab that is at hand ($PBC_DIR, $LABS_DIR)

docs/data.md says what to see. The last has a cell of each type and lab as it is, and beside it as the network meets it.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from textwrap import fill

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.smear.preprocess import frame
from training.data.sources import LABELS, DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, pictures, where
from training.fitting.examples import framing_of, margin_of
from training.fitting.locator import FirstCells, locator_path
from training.recipe.augment import augment
from training.recipe.config import CONFIGS, Config, read_config

COPIES = 5  # of each photo that is shown
COLUMNS = 6  # of the doubtful photos
VARIANTS = 9  # of each cell as training has it
TRIED = 5  # photos of a type, until a cell is found in one

Line = list[tuple[int, str]]  # rows of the table, and what stands above each
Pictures = list[list[tuple[np.ndarray, str]]]  # lines of pictures, and what stands above each


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


def colours(examples, config: Config) -> Pictures:
    """A line for each type of each lab of a recipe: a cell as it is, and as the network meets it in training."""
    rng = np.random.default_rng(config.seed)
    labs, labels = np.asarray(examples["lab"]), labels_of(examples)
    photos = (np.asarray(examples["kind"]) == "photo") & (np.asarray(examples["split"]) == "train")
    margin, framing = margin_of(config), framing_of(config)
    cells, inside = FirstCells(locator_path(config.locator), config.locator.threshold), slice(margin, -margin)
    lines: Pictures = []
    for lab in config.data.labs:
        for label, name in enumerate(CELL_TYPES):
            rows = examples.select(rng.permutation(np.flatnonzero(photos & (labs == lab) & (labels == label)))[:TRIED])
            found = ((image, cell) for image in pictures(rows) if (cell := cells.of(image)))
            for image, cell in islice(found, 1):
                crop = frame(image, framing, cell, margin)
                met = [augment(crop, framing.size, config.augment, rng) for _ in range(VARIANTS)]
                lines.append([(crop[inside, inside], f"{lab},\n{name}"), *((picture, "") for picture in met)])
    return lines


def shown(examples, lines: list[Line]) -> Pictures:
    """The pictures of lines of rows."""
    seen = iter(pictures(examples.select([i for line in lines for i, _ in line])))
    return [[(next(seen), text) for _, text in line] for line in lines]


def draw(lines: Pictures, out: Path) -> None:
    """Draw the pictures of each line beside each other, with what stands above them."""
    from matplotlib.figure import Figure

    columns = max(map(len, lines))
    figure = Figure((2.2 * columns, 2.2 * len(lines)), layout="constrained")
    for line, row in zip(lines, figure.subplots(len(lines), columns, squeeze=False), strict=True):
        for ax in row:
            ax.axis("off")
        for (picture, text), ax in zip(line, row, strict=False):
            ax.imshow(picture)
            ax.set_title(text, fontsize=7)
    figure.savefig(out, dpi=110)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.sheets",
        description="Draw copies of photos, fields on both sides of the split, and doubtful labels of the Kaggle set; "
        "and cells of each lab beside what training makes of their colours.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures; made if it is not there")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    try:
        everything = only_cell_types(examples_of(args))
        examples = where(everything, lab="bccd")
        args.out.mkdir(parents=True, exist_ok=True)
        sheets: dict[str, Pictures] = {}
        for make in (copies, fields, doubtful):
            sheets[make.__name__] = shown(examples, make(examples))
            if not sheets[make.__name__]:
                raise DataError(f"nothing to draw for {make.__name__}.png: this is not the Kaggle set with its photos")
        sheets["colours"] = colours(everything, read_config(CONFIGS / "default.toml"))
        for name, lines in sheets.items():
            draw(lines, args.out / f"{name}.png")
            print(f"{args.out / name}.png: {len(lines)} lines, {sum(map(len, lines))} pictures")
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
