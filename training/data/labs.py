"""The folder of further laboratories: `labs.csv` says what each picture shows, `boxes.csv` where.

`labs.csv` has the columns file, lab, cell, slide_group, field, of which the last two may be empty; `boxes.csv`, which
only the locator's training reads, file, object ("WBC", "RBC", ...), x0, y0, x1, y1 in px. Anyone's own labs may lie
there too, in the same form.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from training.data.sources import LABELS, DataError, held_out_quarter

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, px
LABS_TABLE, BOXES_TABLE = "labs.csv", "boxes.csv"
SCORED_ONLY = ("lisc",)  # research only by its terms: no released network may learn from it


def labs_folder_rows(folder: Path) -> list[dict]:
    """Rows of every lab in the folder, for the one table.

    Of a lab with slides whole slides are "test", of one without a quarter of its pictures; of one that is scored only,
    all.

    Raises:
        DataError: as `lab_rows`, or if a cell is of a kind, or a lab of a name, that cannot be.
    """
    given = lab_rows(folder)
    if strange := {row["cell"] for row in given} - set(LABELS):
        raise DataError(
            f"{folder / LABS_TABLE}: cell {', '.join(sorted(map(repr, strange)))}: valid are {', '.join(LABELS)}"
        )
    if taken := {row["lab"] for row in given} & {"", "bccd", "barcelona", "synthetic"}:
        raise DataError(f"{folder / LABS_TABLE}: no lab of its own may be named {', '.join(map(repr, sorted(taken)))}")
    kept_back = set()
    for lab in {row["lab"] for row in given}:
        kept_back |= held_out([slide for row in given if row["lab"] == lab and (slide := _slide(row))])

    def split(row: dict[str, str]) -> str:
        if row["lab"] in SCORED_ONLY or _slide(row) in kept_back:
            return "test"
        return "train" if _slide(row) else held_out_quarter(row["name"])

    rows = []
    for row in given:
        field = f"{row['lab']}/{row['field']}" if row["field"] else row["name"]
        rows.append(
            {
                "image": row["file"],
                "label": row["cell"],
                "photo": row["name"],
                "field": field,
                "slide": _slide(row) or field,
                "lab": row["lab"],
                "split": split(row),
                "kind": "photo",
                "doubt": "",
            }
        )
    return rows


def _slide(row: dict[str, str]) -> str:
    """Its slide under a name that no other lab has; "" where it is not known."""
    return row["slide_group"] and f"{row['lab']}/{row['slide_group']}"


def lab_rows(folder: Path) -> list[dict[str, str]]:
    """Rows of labs.csv, `file` made a path; what it was is `name`.

    Raises:
        DataError: if it is missing, lacks columns, or names a file that is not there.
    """
    rows = _rows(folder / LABS_TABLE, {"file", "lab", "cell", "slide_group", "field"})
    for row in rows:
        row["name"] = row["file"]
        row["file"] = str(folder / row["file"])
    missing = [row["file"] for row in rows if not Path(row["file"]).is_file()]
    if missing:
        raise DataError(f"{folder / LABS_TABLE} names {len(missing):,} files that are not there, first {missing[0]}")
    return rows


def annotated_boxes(folder: Path, names: tuple[str, ...] = ("WBC",)) -> dict[str, list[Box]]:
    """File, as boxes.csv names it, relative to the folder above this one -> its boxes with these names ("WBC", "RBC",
    "Platelet").

    Raises:
        DataError: if it is missing or lacks columns.
    """
    boxes: dict[str, list[Box]] = {}
    for row in _rows(folder / BOXES_TABLE, {"file", "object", "x0", "y0", "x1", "y1"}):
        found = boxes.setdefault(row["file"], [])
        if row["object"] in names:
            found.append((float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"])))
    return boxes


def held_out(groups: Sequence[str]) -> set[str]:
    """Groups that are never trained on, given each picture's: in the order of their hashes, until they hold a quarter
    of the pictures. It follows from the names alone."""
    chosen: set[str] = set()
    counts = Counter(groups)
    for group in sorted(counts, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        if sum(counts[name] for name in chosen) >= len(groups) / 4:
            break
        chosen.add(group)
    return chosen


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"there is no {path}: the folder of labs (--labs, LABS_DIR) must hold it")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not columns <= rows[0].keys():
        raise DataError(f"{path} must have rows and the columns {', '.join(sorted(columns))}")
    return rows
