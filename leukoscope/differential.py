"""The differential: how many cells of each type were counted, and how far that count can be trusted.

Only cells whose label stands are counted: those with the verdict `confident`, and those that a person decided. Cells
with the verdict `review` or `unfamiliar` are kept apart until somebody does. Limits are those of counting alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path

from leukoscope.cells import CELL_TYPES
from leukoscope.classifier import Prediction
from leukoscope.counted import CSV_COLUMNS, NOT_COUNTED, CountedCell, empty_row, from_row, restore, to_row
from leukoscope.errors import DifferentialError
from leukoscope.files import write_whole
from leukoscope.limits import clopper_pearson
from leukoscope.tally import Share, Tally

__all__ = [
    "CSV_COLUMNS",
    "NOT_COUNTED",
    "CountedCell",
    "Differential",
    "Share",
    "append_csv",
    "clopper_pearson",
    "resume_csv",
]

LINES_IN_A_NAME = 10  # how many line ends a photo's name may hold for a torn file to be mended


@dataclass(frozen=True)
class Differential:
    """A count over photos. It never changes: what adds or corrects gives a new one.

    photos: names of the photos looked at, those without a cell included. cells: in the order found.
    """

    photos: tuple[str, ...] = ()
    cells: tuple[CountedCell, ...] = ()

    @classmethod
    def from_predictions(cls, photos: Iterable[tuple[str, list[Prediction]]]) -> Differential:
        """A count from each photo's name and its `Classifier.scan`."""
        return cls().extend(photos)

    def add(self, photo: str, predictions: list[Prediction]) -> Differential:
        """A count with one more photo, given as its name and its `Classifier.scan`.

        Raises:
            ValueError: if a photo of this name was counted before.
        """
        return self.extend([(photo, predictions)])

    def extend(self, photos: Iterable[tuple[str, list[Prediction]]]) -> Differential:
        """A count with more photos, in one step.

        Raises:
            ValueError: if a photo of the same name was counted before.
        """
        names = dict.fromkeys(self.photos)
        cells = list(self.cells)
        for photo, predictions in photos:
            if photo in names:
                raise ValueError(f"{photo!r} was counted before: each photo needs a name of its own")
            names[photo] = None
            found = (p for p in predictions if p.verdict != "no_cell")
            cells += [CountedCell(photo, number, p) for number, p in enumerate(found, 1)]
        return Differential(tuple(names), tuple(cells))

    def reclassify(self, photo: str, number: int, to: str | None) -> Differential:
        """A count in which a person has decided on a cell; `None` takes the decision back.

        Raises:
            ValueError: if there is no such cell, or `to` is no cell type, `NOT_COUNTED` or None.
        """
        if to is not None and to not in (*CELL_TYPES, NOT_COUNTED):
            raise ValueError(f"unknown cell type {to!r}: valid are {', '.join((*CELL_TYPES, NOT_COUNTED))}, None")
        cells = [replace(c, corrected=to) if (c.photo, c.number) == (photo, number) else c for c in self.cells]
        if not any((c.photo, c.number) == (photo, number) for c in cells):
            raise ValueError(f"no cell {number} in a photo {photo!r}")
        return replace(self, cells=tuple(cells))

    # --- numbers -----------------------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """Counted cells of each type, in the order of `CELL_TYPES`."""
        types = Counter(cell.type for cell in self.cells)
        return {name: types[name] for name in CELL_TYPES}

    @property
    def counted(self) -> int:
        """Cells that count."""
        return sum(self.counts.values())

    @property
    def in_review(self) -> int:
        """Cells with the verdict `review` that nobody has decided on."""
        return sum(c.kept_apart and c.prediction.verdict == "review" for c in self.cells)

    @property
    def unfamiliar(self) -> int:
        """Cells with the verdict `unfamiliar` that nobody has decided on."""
        return sum(c.kept_apart and c.prediction.verdict == "unfamiliar" for c in self.cells)

    @property
    def not_counted(self) -> int:
        """Cells that a person called none of the four."""
        return sum(c.corrected == NOT_COUNTED for c in self.cells)

    @property
    def corrected(self) -> int:
        """Cells that a person has decided on."""
        return sum(c.corrected is not None for c in self.cells)

    @property
    def tally(self) -> Tally:
        """What it adds up to."""
        return Tally(len(self.photos), self.counts, self.in_review, self.unfamiliar, self.corrected, self.not_counted)

    def rows(self) -> list[Share]:
        """The table: one line a type, in the order of `CELL_TYPES`, over the cells that count."""
        return self.tally.rows()

    def sentences(self) -> list[str]:
        """What a reader of the table must know, in words."""
        return self.tally.sentences()

    # --- files -------------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """One row a cell, and one for each photo without any, after a row of column names."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, CSV_COLUMNS)
        writer.writeheader()
        by_photo: dict[str, list[CountedCell]] = {photo: [] for photo in self.photos}
        for cell in self.cells:
            by_photo[cell.photo].append(cell)
        for photo, cells in by_photo.items():
            writer.writerows(map(to_row, cells) if cells else [empty_row(photo)])
        return text.getvalue()

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_csv` to a file, in one step: the file is whole, or it is the old one."""
        write_whole(Path(path), self.to_csv().encode())

    @classmethod
    def read_csv(cls, path: str | os.PathLike[str]) -> Differential:
        """Read back what `write_csv` or `append_csv` wrote, photo after photo and each photo's cells by number.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        return cls.from_csv(_read_text(path), str(path))

    @classmethod
    def from_csv(cls, text: str, source: str = "the file") -> Differential:
        """Read back what `to_csv` gave; `source` is what errors call it.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
        photos: dict[str, dict[int, CountedCell]] = {}
        try:
            _check_header(list(reader.fieldnames or ()), source)
            for row in reader:
                where = f"{source}: line {reader.line_num}"
                cell = from_row(row, where)
                cells = photos.setdefault(restore(row["photo"]), {})
                if cell and cell.number in cells:
                    raise DifferentialError(f"{where}: cell: {cell.number} is there twice")
                if cell:
                    cells[cell.number] = cell
        except csv.Error as error:  # of a row that DictReader has not counted yet
            raise DifferentialError(f"{source}: line {reader.reader.line_num}: {error}") from None
        return cls(tuple(photos), tuple(cells[number] for cells in photos.values() for number in sorted(cells)))

    def to_json(self) -> str:
        """The table, the sentences and every cell, as a JSON object."""
        values = {
            "counted": self.counted,
            "in_review": self.in_review,
            "unfamiliar": self.unfamiliar,
            "not_counted": self.not_counted,
            "corrected_by_a_person": self.corrected,
            "shares": [asdict(row) for row in self.rows()],
            "notes": self.sentences(),
            "photos": list(self.photos),
            "cells": [
                {"photo": c.photo, "cell": c.number, **asdict(c.prediction), "corrected": c.corrected, "type": c.type}
                for c in self.cells
            ],
        }
        return json.dumps(values, indent=1)


def append_csv(path: str | os.PathLike[str], photo: str, predictions: list[Prediction]) -> None:
    """Add one photo's rows to a CSV file, new or written before, and see them onto the disk.

    The rows go last cell first. So a photo whose cell 1 is there is there as a whole, wherever a crash cut the file.

    Raises:
        DifferentialError: if the file is torn, and not only in its last photo.
    """
    if not _ends_whole(Path(path)):
        resume_csv(path)
    counted = Differential.from_predictions([(photo, predictions)])
    header, rows = replace(counted, cells=counted.cells[::-1]).to_csv().split("\r\n", 1)
    with open(path, "ab") as file:
        file.write((rows if file.tell() else f"{header}\r\n{rows}").encode())
        file.flush()
        os.fsync(file.fileno())


def resume_csv(path: str | os.PathLike[str]) -> Differential:
    """What a scan that was stopped has counted so far; its file is made ready to append to.

    What a crash left of a photo that was being written is taken off the file: that photo is to be done again.

    Returns:
        An empty count if there is no such file, or nothing in it.

    Raises:
        DifferentialError: if the file is something else, or damaged; it is left as it is.
    """
    path = Path(path)
    if not path.exists():
        return Differential()
    text = _read_text(path, torn=True)
    if f"{','.join(CSV_COLUMNS)}\r\n".startswith(text):  # nothing, or stopped in the first line
        write_whole(path, b"")
        return Differential()
    counted, torn = _whole_lines(text, str(path))
    last = counted.photos[-1:]
    numbers = {cell.number for cell in counted.cells if cell.photo in last}
    if numbers and 1 not in numbers:
        counted = Differential(counted.photos[:-1], tuple(c for c in counted.cells if c.photo not in last))
        torn = True
    if torn:
        counted.write_csv(path)
    return counted


def _ends_whole(path: Path) -> bool:
    """Whether another line can be written to a file as it is."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _whole_lines(text: str, source: str) -> tuple[Differential, bool]:
    """Read a CSV whose last line may be torn, and say whether it was."""
    try:
        return Differential.from_csv(text, source), not text.endswith("\n")
    except DifferentialError:
        if text.endswith("\n") and text.count('"') % 2 == 0:
            raise  # not torn but wrong
        end = len(text)
        for _ in range(LINES_IN_A_NAME + 1):
            end = text.rfind("\n", 0, max(0, end - 1)) + 1
            with suppress(DifferentialError):
                return Differential.from_csv(text[:end], source), True
        raise


def _read_text(path: str | os.PathLike[str], torn: bool = False) -> str:
    """A file's text; of a torn one, with a mark for a last character that is not whole."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DifferentialError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if torn and error.reason == "unexpected end of data":
            return content.decode(errors="replace")
        raise DifferentialError(f"{path} cannot be read: {error}") from None


def _check_header(given: list[str], source: str) -> None:
    for number, (name, wanted) in enumerate(zip_longest(given, CSV_COLUMNS, fillvalue=""), 1):
        if name != wanted:
            what = f"must be {wanted!r}, not {name[:80]!r}" if wanted else f"{name[:80]!r} is one too many"
            raise DifferentialError(f"{source}: line 1: column {number} {what}; valid are {', '.join(CSV_COLUMNS)}")
