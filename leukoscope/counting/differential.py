"""The differential: how many cells of each type were counted, and how far that count can be trusted.

Only cells whose label stands are counted: those with the verdict `confident`, and those that a person decided. Cells
with the verdict `review` or `unfamiliar` are undecided until somebody does. Limits are those of counting alone.
"""

from __future__ import annotations

import codecs
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting.counted import CSV_COLUMNS, NOT_COUNTED, CountedCell, Origin
from leukoscope.counting.csv_text import HEADER, is_own_form, read_rows, write_rows
from leukoscope.counting.limits import clopper_pearson
from leukoscope.counting.tally import Share, Tally
from leukoscope.errors import DifferentialError
from leukoscope.files import write_whole
from leukoscope.model.prediction import Prediction

__all__ = [
    "CSV_COLUMNS",
    "NOT_COUNTED",
    "CountedCell",
    "Differential",
    "Origin",
    "Share",
    "append_csv",
    "clopper_pearson",
    "resume_csv",
]

LINES_IN_A_NAME = 10  # how many line ends a photo's name may hold for a torn file to be mended


@dataclass(frozen=True)
class Differential:
    """A count over photos. It never changes: what adds or corrects gives a new one.

    photos: names of the photos looked at, those without a cell included. cells: in the order found. origins: by photo's
    name, where that is known. of: what the photos are in words, "photo" or "slide"; files do not keep it.
    """

    photos: tuple[str, ...] = ()
    cells: tuple[CountedCell, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    of: str = "photo"

    @classmethod
    def from_predictions(cls, photos: Iterable[tuple[str, list[Prediction]]]) -> Differential:
        """A count from each photo's name and its `Classifier.scan`."""
        return cls().extend(photos)

    def add(self, photo: str, predictions: list[Prediction], origin: Origin | None = None) -> Differential:
        """A count with one more photo, given as its name and its `Classifier.scan`.

        Raises:
            ValueError: if a photo of this name was counted before.
        """
        return self.extend([(photo, predictions)], {photo: origin} if origin else {})

    def extend(
        self, photos: Iterable[tuple[str, list[Prediction]]], origins: Mapping[str, Origin] | None = None
    ) -> Differential:
        """A count with more photos, in one step.

        Args:
            photos: each photo's name and its `Classifier.scan`.
            origins: of these photos, by name, as far as known.

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
        return replace(self, photos=tuple(names), cells=tuple(cells), origins={**self.origins, **(origins or {})})

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
        return sum(c.undecided and c.prediction.verdict == "review" for c in self.cells)

    @property
    def unfamiliar(self) -> int:
        """Cells with the verdict `unfamiliar` that nobody has decided on."""
        return sum(c.undecided and c.prediction.verdict == "unfamiliar" for c in self.cells)

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
        nearest = Counter(cell.prediction.label for cell in self.cells if cell.undecided)
        return Tally(
            len(self.photos),
            self.counts,
            self.in_review,
            self.unfamiliar,
            self.corrected,
            self.not_counted,
            {name: nearest[name] for name in CELL_TYPES},
            self.of,
        )

    def rows(self) -> list[Share]:
        """The table: one line a type, in the order of `CELL_TYPES`, over the cells that count."""
        return self.tally.rows()

    def sentences(self) -> list[str]:
        """What a reader of the table must know, in words."""
        return self.tally.sentences()

    # --- files -------------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """One row a cell, and one for each photo without any, after a row of column names."""
        return write_rows(self.photos, self.cells, self.origins)

    def csv_bytes(self) -> bytes:
        """`to_csv` as a file holds it: UTF-8 with the mark by which Excel knows it."""
        return codecs.BOM_UTF8 + self.to_csv().encode()

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `csv_bytes` to a file, in one step: the file is whole, or it is the old one."""
        write_whole(Path(path), self.csv_bytes())

    @classmethod
    def read_csv(cls, path: str | os.PathLike[str]) -> Differential:
        """Read back what `write_csv` or `append_csv` wrote, also as Excel or pandas saved it anew.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        return cls.from_csv(_read_text(path), str(path))

    @classmethod
    def from_csv(cls, text: str, source: str = "the file") -> Differential:
        """Read back what `to_csv` gave, photo after photo and each photo's cells by number; `source` stands in errors.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        return cls(*read_rows(text, source))

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
                {"photo": c.photo, "cell": c.number, **_kept(c), "corrected": c.corrected, "type": c.type}
                for c in self.cells
            ],
        }
        return json.dumps(values, indent=1)


def append_csv(
    path: str | os.PathLike[str], photo: str, predictions: list[Prediction], origin: Origin | None = None
) -> None:
    """Add one photo's rows to a CSV file, new or written before, and see them onto the disk.

    The rows go last cell first. So a photo whose cell 1 is there is there as a whole, wherever a crash cut the file.

    Raises:
        DifferentialError: if the file is torn, and not only in its last photo.
    """
    if not _can_grow(Path(path)):
        resume_csv(path)
    counted = Differential().add(photo, predictions, origin)
    content = replace(counted, cells=counted.cells[::-1]).csv_bytes()
    with open(path, "ab") as file:
        file.write(content.split(b"\r\n", 1)[1] if file.tell() else content)
        file.flush()
        os.fsync(file.fileno())


def resume_csv(path: str | os.PathLike[str]) -> Differential:
    """What a scan that was stopped has counted so far; its file is made ready to append to.

    What a crash left of a photo that was being written is taken off the file: that photo is to be done again. A file of
    another form (an older one, or as a spreadsheet or pandas saved it) is written anew.

    Returns:
        An empty count if there is no such file, or nothing in it.

    Raises:
        DifferentialError: if the file is something else, or damaged; it is left as it is.
    """
    path = Path(path)
    if not path.exists():
        return Differential()
    text = _read_text(path, torn=True)
    if f"{HEADER}\r\n".startswith(text):  # nothing, or stopped in the first line
        write_whole(path, b"")
        return Differential()
    counted, torn = _whole_lines(text, str(path))
    last = counted.photos[-1:]
    numbers = {cell.number for cell in counted.cells if cell.photo in last}
    if numbers and 1 not in numbers:
        origins = {photo: origin for photo, origin in counted.origins.items() if photo not in last}
        counted = Differential(counted.photos[:-1], tuple(c for c in counted.cells if c.photo not in last), origins)
        torn = True
    if torn or not is_own_form(text):
        counted.write_csv(path)
    return counted


def _can_grow(path: Path) -> bool:
    """Whether another line can be written to a file as it is: it begins as ours do, and ends with a line."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with open(path, "rb") as file:
        if not is_own_form(file.read(len(HEADER) + 8).decode(errors="replace")):
            return False
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
    """A file's text without its mark; of a torn one, with a sign for a last character that is not whole."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DifferentialError(f"{path} cannot be read: {error.strerror or error}") from None
    if torn and codecs.BOM_UTF8.startswith(content):
        return ""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if torn and error.reason == "unexpected end of data":
            return content.decode(errors="replace")
        raise DifferentialError(f"{path} cannot be read: {error}") from None


def _kept(cell: CountedCell) -> dict[str, Any]:
    """What a count keeps of an answer: what answers are compared by, and not what is seen in the cell, as in a CSV."""
    given = asdict(cell.prediction)
    return {part.name: given[part.name] for part in fields(Prediction) if part.compare}
