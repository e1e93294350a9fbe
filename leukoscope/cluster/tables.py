"""The tables that a scan on a cluster writes: cells and bad pictures as Parquet, and what they add up to.

A study may have more rows than memory: sums are made batch by batch, and only one slide is ever read as a whole.
Needs `pip install 'leukoscope[cluster]'`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.cluster.ledger import BAD, CELLS, REPORT, Ledger, slide_key
from leukoscope.cluster.stores import open_place
from leukoscope.counting.counted import BOX_COLUMNS, neutral
from leukoscope.counting.differential import Differential
from leukoscope.counting.tally import Tally
from leukoscope.errors import DifferentialError
from leukoscope.model.prediction import Prediction

SCHEMAS = {
    CELLS: pa.schema(
        [
            ("photo", pa.string()),
            ("sha256", pa.string()),
            ("folder", pa.string()),
            ("cell", pa.int32()),  # from 1; null in the one row of a photo without a cell
            *((column, pa.int32()) for column in BOX_COLUMNS),
            ("label", pa.string()),
            *((f"p_{name}", pa.float64()) for name in CELL_TYPES),
            ("confidence", pa.float64()),
            ("verdict", pa.string()),
            ("unfamiliarity", pa.float64()),
            ("cut", pa.bool_()),
        ]
    ),
    BAD: pa.schema(
        [
            ("photo", pa.string()),
            ("sha256", pa.string()),  # null if its bytes could not be had
            ("folder", pa.string()),
            ("reason", pa.string()),
        ]
    ),
}
"""Columns of each table. `photo`: path or URL. `sha256`: of its bytes. `folder`: the slide that it belongs to."""

FEW = 2  # batches and files that are read ahead: a sum needs no more


def cell_rows(photo: str, sha256: str | None, folder: str, predictions: list[Prediction]) -> list[dict[str, Any]]:
    """A row for each cell of a photo, or one for a photo without any."""
    key = {"photo": photo, "sha256": sha256, "folder": folder}
    if not predictions:
        return [key | {"verdict": "no_cell"}]
    return [
        {
            **key,
            "cell": number,
            **dict(zip(BOX_COLUMNS, p.box or (None,) * 4, strict=True)),
            "label": p.label,
            **{f"p_{name}": p.probabilities[name] for name in CELL_TYPES},
            "confidence": p.confidence,
            "verdict": p.verdict,
            "unfamiliarity": p.unfamiliarity,
            "cut": p.cut,
        }
        for number, p in enumerate(predictions, 1)
    ]


@dataclass(frozen=True)
class Slide:
    """What one folder of photos adds up to.

    bad: files that could not be read. copies: photos that are not counted, since their bytes are those of another.
    """

    folder: str
    tally: Tally
    bad: int = 0
    copies: int = 0


def copies(out: str) -> dict[str, str]:
    """The photos of an output folder whose bytes are those of another that comes before them by its path: {copy: it}.

    Of every hash 8 bytes are held, of what may be a copy the whole.

    Raises:
        DifferentialError: if there is no such output.
    """
    begun = [
        np.array([int(digest[:16], 16) for digest in _of_first_rows(batch).column(0).to_pylist()], np.uint64)
        for batch in _batches(out, CELLS, ["sha256", "cell"])
    ]
    marks, times = np.unique(np.concatenate([np.empty(0, np.uint64), *begun]), return_counts=True)
    twice = set(marks[times > 1].tolist())
    same: dict[str, list[str]] = defaultdict(list)
    for batch in _batches(out, CELLS, ["sha256", "cell", "photo"]) if twice else ():
        of_photos = _of_first_rows(batch)
        for digest, photo in zip(of_photos.column(0).to_pylist(), of_photos.column(2).to_pylist(), strict=True):
            if int(digest[:16], 16) in twice:
                same[digest].append(photo)
    return {copy: photos[0] for photos in map(sorted, same.values()) for copy in photos[1:]}


def slides(out: str, left_out: Mapping[str, str] | None = None) -> list[Slide]:
    """What each slide of an output folder adds up to, by folder: a sum over the Parquet files as they stream by.

    Args:
        out: the output of a scan.
        left_out: photos that are not counted; None: its `copies`; {}: equal bytes count for each of their names.

    Raises:
        DifferentialError: if there is no such output.
    """
    sums: dict[str, Counter[Any]] = defaultdict(Counter)
    left = pa.array(list(copies(out) if left_out is None else left_out), pa.string())
    for batch in _batches(out, CELLS, ["folder", "label", "verdict", "cell", *(["photo"] if len(left) else [])]):
        if len(left):
            copied = pc.is_in(batch.column("photo"), left)
            for folder in _of_first_rows(batch.filter(copied)).column(0).to_pylist():
                sums[folder]["copies"] += 1
            batch = batch.filter(pc.invert(copied))
        grouped = pa.table(
            [*batch.columns[:3], _first(batch.column(3)).cast(pa.int64())], ["folder", "label", "verdict", "first"]
        )
        for row in (
            grouped.group_by(["folder", "label", "verdict"])
            .aggregate([("first", "sum"), ([], "count_all")])
            .to_pylist()
        ):
            slide = sums[row["folder"]]
            slide["photos"] += row["first_sum"]
            slide[row["label"] if row["verdict"] == "confident" else row["verdict"]] += row["count_all"]
            if row["verdict"] in ("review", "unfamiliar"):
                slide["nearest", row["label"]] += row["count_all"]
    for batch in _batches(out, BAD, ["folder"]):
        for row in pa.table(batch).group_by("folder").aggregate([([], "count_all")]).to_pylist():
            sums[row["folder"]]["bad"] += row["count_all"]
    return [
        Slide(
            folder,
            Tally(
                some["photos"],
                {name: some[name] for name in CELL_TYPES},
                some["review"],
                some["unfamiliar"],
                nearest={name: some["nearest", name] for name in CELL_TYPES},
            ),
            some["bad"],
            some["copies"],
        )
        for folder, some in sorted(sums.items())
    ]


def total(parts: Iterable[Slide]) -> Slide:
    """What several slides add up to; its folder is empty."""
    parts = list(parts)
    tally = Tally(
        sum(p.tally.photos for p in parts),
        {name: sum(p.tally.counts[name] for p in parts) for name in CELL_TYPES},
        sum(p.tally.in_review for p in parts),
        sum(p.tally.unfamiliar for p in parts),
        nearest={name: sum(p.tally.nearest[name] for p in parts) for name in CELL_TYPES},
    )
    return Slide("", tally, sum(p.bad for p in parts), sum(p.copies for p in parts))


def write_slides(out: str, left_out: Mapping[str, str] | None = None) -> list[Slide]:
    """Write `slides_csv` of an output folder into it, as slides.csv, and return what it was made of: see `slides`."""
    parts = slides(out, left_out)
    Ledger.at(out).write(REPORT, slides_csv(parts).encode())
    return parts


def to_json(parts: list[Slide]) -> str:
    """The count of all slides and of each, as a JSON object. Cells are in the tables."""
    values = [
        {
            "folder": part.folder,
            **asdict(part.tally),
            "counted": part.tally.counted,
            "bad": part.bad,
            "copies": part.copies,
            "shares": [asdict(row) for row in part.tally.rows()],
        }
        for part in [total(parts), *parts]
    ]
    whole = values[0] | {"notes": total(parts).tally.sentences()}
    del whole["folder"]
    return json.dumps(whole | {"slides": values[1:]}, indent=1)


def slides_csv(parts: Iterable[Slide]) -> str:
    """One row a slide: photos, cells of each type with share and 95 % confidence interval in %, what is undecided."""
    text = io.StringIO(newline="")
    limits = [f"{name}_{what}" for name in CELL_TYPES for what in ("cells", "percent", "low", "high", "flag")]
    writer = csv.writer(text)
    writer.writerow(["folder", "photos", "bad_photos", "counted", *limits, "in_review", "unfamiliar", "copies"])
    for part in parts:
        tally = part.tally
        shares = [
            value
            for row in tally.rows()
            for value in (row.count, f"{row.percent:.2f}", f"{row.low:.2f}", f"{row.high:.2f}", row.flag)
        ]
        undecided = (tally.in_review, tally.unfamiliar)
        writer.writerow([neutral(part.folder), tally.photos, part.bad, tally.counted, *shares, *undecided, part.copies])
    return text.getvalue()


def slide(out: str, folder: str, left_out: Mapping[str, str] | None = None) -> Differential:
    """One slide as a count whose cells can be corrected and written as CSV or PDF; its rows are held in memory.

    Args:
        out: the output of a scan.
        folder: the slide, as the column `folder` has it.
        left_out: as of `slides`.

    Raises:
        DifferentialError: if there is no such output or no such slide.
    """
    cells = _dataset(out, CELLS, slide_key(folder)) if folder else None
    rows = cells.to_table().sort_by([("photo", "ascending"), ("cell", "ascending")]).to_pylist() if cells else []
    if not rows:
        raise DifferentialError(f"{out} has no slide {folder!r}")
    photos: dict[str, list[Prediction]] = {}
    left = copies(out) if left_out is None else left_out
    for row in rows:
        if row["photo"] in left:
            continue
        photos.setdefault(row["photo"], []).extend([_prediction(row)] if row["cell"] else [])
    return Differential.from_predictions(photos.items())


def bad_pictures(out: str) -> Iterator[tuple[str, str]]:
    """(photo, reason) of each file that could not be read."""
    for batch in _batches(out, BAD, ["photo", "reason"]):
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def _prediction(row: dict[str, Any]) -> Prediction:
    box = tuple(row[column] for column in BOX_COLUMNS)
    return Prediction(
        label=row["label"],
        probabilities={name: row[f"p_{name}"] for name in CELL_TYPES},
        confidence=row["confidence"],
        box=None if None in box else box,
        verdict=row["verdict"],
        cut=row["cut"],
        unfamiliarity=row["unfamiliarity"],
    )


def _first(cells: pa.Array) -> pa.Array:
    """Whether a row is the first of its photo; so that photos are counted without remembering them."""
    return pc.equal(cells, 1).fill_null(True)


def _of_first_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The first row of each photo."""
    return batch.filter(_first(batch.column("cell")))


def _batches(out: str, table: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    dataset = _dataset(out, table)
    if dataset is not None:
        yield from dataset.to_batches(columns=columns, batch_readahead=FEW, fragment_readahead=FEW)


def _dataset(out: str, table: str, slide: str = "") -> ds.Dataset | None:
    """A table, or one slide of it; None if nothing was written to it."""
    fs, root = open_place(out)
    if not fs.isdir(root):
        raise DifferentialError(f"{out} is not the output of a scan: there is no such folder")
    place = "/".join(filter(None, (root, table, slide)))
    return ds.dataset(place, SCHEMAS[table], format="parquet", filesystem=fs) if fs.isdir(place) else None
