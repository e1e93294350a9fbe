"""What one person saw in cells of other labs, to hold what a checkpoint sees against it.

    python -m training.attributes.by_eye sheets/              # the cells to read, numbered, without their types
    python -m training.attributes.by_eye --score CHECKPOINT   # how often it sees the same

tables/by_eye.csv holds the reading of 60 cells of Raabin and 40 of LISC, four attributes of each, by one person who is
no haematologist, from these sheets, before any answer was looked at. Attributes are taught on PBC's cells alone, so
both labs are new to them; a checkpoint that was to see none of Raabin at all is one of `training.studies.compare`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from leukoscope.biology.attributes import JOINED, joined
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Classifier
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import write_json
from leukoscope.showing.draw import crop
from training.data.sources import TABLES, DataError
from training.data.table import add_data_arguments, examples_of, labels_of, pictures

TABLE = TABLES / "by_eye.csv"
OF_EACH_TYPE = {"raabin": 15, "lisc": 10}
ON_A_SHEET, COLUMNS = 25, 5


def chosen(examples) -> list[int]:
    """Rows to read: of each lab and type those whose name's hash comes first, lab by lab, types mixed."""
    labels, labs, splits = labels_of(examples), np.asarray(examples["lab"]), np.asarray(examples["split"])
    hashes = np.array([hashlib.sha256(photo.encode()).hexdigest() for photo in examples["photo"]])
    rows: list[int] = []
    for lab, count in OF_EACH_TYPE.items():
        of_lab = [
            row
            for label in range(len(CELL_TYPES))
            for row in sorted(
                np.flatnonzero((labs == lab) & (splits == "test") & (labels == label)), key=lambda row: hashes[row]
            )[:count]
        ]
        rows += sorted(map(int, of_lab), key=lambda row: hashes[row])
    if len(rows) < len(CELL_TYPES) * sum(OF_EACH_TYPE.values()):
        raise DataError(f"the data lacks cells of {' or '.join(OF_EACH_TYPE)}: pass --labs")
    return rows


def draw(examples, rows: list[int], folder: Path) -> list[Path]:
    """Draw the cells, each as the embedded locator finds it, with some surroundings."""
    from matplotlib.figure import Figure

    locator = Classifier.from_pretrained()
    files = []
    for start in range(0, len(rows), ON_A_SHEET):
        part = rows[start : start + ON_A_SHEET]
        figure = Figure((3 * COLUMNS, 3 * -(-len(part) // COLUMNS)), layout="constrained")
        axes = figure.subplots(-(-len(part) // COLUMNS), COLUMNS, squeeze=False).ravel()
        for number, (ax, picture) in enumerate(zip(axes, pictures(examples.select(part)), strict=False), start + 1):
            cells = locator.locate(picture)
            ax.imshow(crop(picture, cells[0].box if cells else None))
            ax.set_title(str(number), fontsize=9)
        for ax in axes:
            ax.axis("off")
        files.append(folder / f"by-eye-{start // ON_A_SHEET + 1}.png")
        figure.savefig(files[-1], dpi=110)
    return files


def with_joined(read: dict[str, str]) -> dict[str, str]:
    """What was read in a cell, and what is joined of it."""
    return read | {name: joined(name, read[of]) for name, (of, _) in JOINED.items() if of in read}


def agreement(classifier: Classifier, examples) -> dict[str, dict[str, dict[str, float]]]:
    """Lab -> attribute -> how many cells, share seen alike, and share of the value that was read most often."""
    with open(TABLE, newline="") as file:
        read = {row.pop("photo"): row for row in csv.DictReader(file)}
    rows = [row for row, photo in enumerate(examples["photo"]) if photo in read]
    if len(rows) < len(read):
        raise DataError(f"{len(read) - len(rows)} of the {len(read)} cells that were read are not there: pass --labs")
    part = examples.select(rows)
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for photo, lab, answer in zip(part["photo"], part["lab"], classifier.predict_batch(pictures(part)), strict=True):
        for name, by_eye in with_joined(read[photo]).items():
            if name in answer.attributes:
                found.setdefault(lab, {}).setdefault(name, []).append((by_eye, answer.attributes[name].value))
    return {
        lab: {
            name: {
                "cells": len(pairs),
                "alike": sum(by_eye == seen for by_eye, seen in pairs) / len(pairs),
                "constant": Counter(by_eye for by_eye, _ in pairs).most_common(1)[0][1] / len(pairs),
            }
            for name, pairs in attributes.items()
        }
        for lab, attributes in found.items()
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.attributes.by_eye",
        description="Attributes of other labs' cells: sheets to read, and agreement.",
    )
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="folder for the sheets")
    parser.add_argument("--score", type=Path, metavar="CHECKPOINT", help="hold this checkpoint against what was read")
    parser.add_argument("--json", type=Path, metavar="FILE", help="with --score: keep the numbers here, too")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    if (args.out is None) == (args.score is None):
        parser.error("give a folder for the sheets, or --score CHECKPOINT")
    try:
        examples = examples_of(args, kinds=["photo"])
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            for file in draw(examples, chosen(examples), args.out):
                print(file)
            return 0
        classifier = Classifier.from_pretrained(args.score)
        if not classifier.spec.attributes:
            raise DataError(f"{args.score} sees no attributes")
        found = agreement(classifier, examples)
        for lab, attributes in found.items():
            for name, row in attributes.items():
                shares = f"alike {row['alike']:>6.1%}  constant {row['constant']:>6.1%}"
                print(f"{lab:<10}{name:<28}{row['cells']:>4} cells  {shares}")
        if args.json:
            write_json(args.json, found)
    except (DataError, LeukoscopeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
