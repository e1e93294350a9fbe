"""What people saw in PBC's cells (WBCAtt, Tsutsui et al. 2023): columns of the table of examples, and who is taught
them.

The table is attributes.csv of $LABS_DIR. Its own test part is never taught.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from leukoscope.biology.attributes import ATTRIBUTES
from training.data.sources import DataError

TABLE = "attributes.csv"
UNNAMED = -1


def add_attributes(rows: list[dict], folder: Path) -> None:
    """Give PBC's rows their attributes, where the folder of labs has the table of them.

    Raises:
        DataError: if it lacks columns, or has values that WBCAtt has not.
    """
    path = folder / TABLE
    if not path.is_file():
        return
    with open(path, newline="") as file:
        table = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    columns = {"file", "wbcatt_split", *ATTRIBUTES}
    for row in rows:
        seen = table.get(Path(row["image"]).stem)
        if seen is None:
            continue
        if missing := columns - seen.keys():
            raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}")
        for name, values in ATTRIBUTES.items():
            if seen[name] not in values:
                raise DataError(f"{path}: {name} {seen[name]!r} of {seen['file']}: valid are {', '.join(values)}")
        row["attributes"] = "; ".join(f"{name}={seen[name]}" for name in ATTRIBUTES)
        row["attributes_split"] = seen["wbcatt_split"]


def numbers(examples) -> np.ndarray:
    """Each row's attributes as numbers of their values: int (N, 10), `UNNAMED` where nobody named them."""
    found = np.full((len(examples), len(ATTRIBUTES)), UNNAMED)
    for row, text in enumerate(examples["attributes"]):
        if text:
            given = dict(pair.split("=") for pair in text.split("; "))
            found[row] = [values.index(given[name]) for name, values in ATTRIBUTES.items()]
    return found


def attributes_taught(config, rows, count: int) -> np.ndarray | None:
    """What a run is taught of attributes: int (count, 10), `UNNAMED` for WBCAtt's test part and beyond the rows; None
    if it is taught none."""
    if not config.fit.attributes:
        return None
    found = np.full((count, len(ATTRIBUTES)), UNNAMED)
    found[: len(rows)] = numbers(rows)
    found[: len(rows)][np.asarray(rows["attributes_split"]) == "test"] = UNNAMED
    return found


def taught_rows(rows):
    """The training rows whose attributes are taught."""
    return rows.select(np.flatnonzero(np.isin(rows["attributes_split"], ("train", "val"))))


def fitting_rows(examples):
    """The rows on which `fit_sure` fits: of neither the types' nor the attributes' training, nor of WBCAtt's test."""
    split, own = np.asarray(examples["split"]), np.asarray(examples["attributes_split"])
    return examples.select(np.flatnonzero((split == "test") & np.isin(own, ("train", "val"))))
