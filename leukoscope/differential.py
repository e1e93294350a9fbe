"""The differential: how many cells of each type were counted, and how far that count can be trusted.

Only cells whose label stands are counted: those with the verdict `confident`, and those that a person decided. Cells
with the verdict `review` or `unfamiliar` are kept apart until somebody does. Limits are those of counting alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from leukoscope.cells import CELL_TYPES, CELLS
from leukoscope.classifier import VERDICTS, Prediction
from leukoscope.errors import DifferentialError
from leukoscope.files import write_whole

NOT_COUNTED = "none of the four"
"""What a person may call a cell beside the four types."""

CSV_COLUMNS = (
    *("photo", "cell", "x0", "y0", "x1", "y1", "label"),
    *(f"p_{name}" for name in CELL_TYPES),
    *("confidence", "verdict", "unfamiliarity", "cut", "corrected"),
)


@dataclass(frozen=True)
class CountedCell:
    """One cell of a count.

    photo: its photo's name, as given. number: its place in the photo, from 1. prediction: what the model says.
    corrected: what a person says: a cell type or `NOT_COUNTED`; None if nobody decided.
    """

    photo: str
    number: int
    prediction: Prediction
    corrected: str | None = None

    @property
    def type(self) -> str | None:
        """The type that it counts as; None if it does not count."""
        if self.corrected:
            return self.corrected if self.corrected in CELL_TYPES else None
        return self.prediction.label if self.prediction.verdict == "confident" else None

    @property
    def kept_apart(self) -> bool:
        """Whether a person should decide on it and has not."""
        return self.corrected is None and self.prediction.verdict != "confident"


@dataclass(frozen=True)
class Share:
    """One line of the differential.

    percent, low, high: the share of all counted cells and its Clopper-Pearson 95 % limits, in %. reference: of adults,
    in %. flag: "below", "within" or "above" the reference where both limits say so, else "undecided".
    """

    cell_type: str
    count: int
    total: int
    percent: float
    low: float
    high: float
    reference: tuple[float, float]
    flag: str


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
        return cls().add(*photos)

    def add(self, *photos: tuple[str, list[Prediction]]) -> Differential:
        """A count with more photos, each given as its name and its `Classifier.scan`.

        Raises:
            ValueError: if a photo of this name was counted before.
        """
        names = dict.fromkeys(self.photos)
        cells = list(self.cells)
        for photo, predictions in photos:
            if photo in names:
                raise ValueError(f"{photo!r} was counted before: each photo needs a name of its own")
            names[photo] = None
            found = [p for p in predictions if p.verdict != "no_cell"]
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
        types = [cell.type for cell in self.cells]
        return {name: types.count(name) for name in CELL_TYPES}

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

    def rows(self) -> list[Share]:
        """The table: one line a type, in the order of `CELL_TYPES`, over the cells that count."""
        total = self.counted
        return [_share(name, count, total) for name, count in self.counts.items()]

    def sentences(self) -> list[str]:
        """What a reader of the table must know, in words."""
        photos, total = len(self.photos), self.counted
        lines = [f"Counted {_many(total, 'cell')} in {_many(photos, 'photo')}."]
        apart = [(self.in_review, "to review"), (self.unfamiliar, "unfamiliar")]
        if kept := [f"{n} {what}" for n, what in apart if n]:
            cells = _many(self.in_review + self.unfamiliar, "cell")
            lines.append(f"{cells} kept apart and not counted: {' and '.join(kept)}. Look and decide.")
        if self.corrected:
            none = f", {self.not_counted} of them as none of the four" if self.not_counted else ""
            lines.append(f"A person decided on {_many(self.corrected, 'cell')}{none}.")
        if total:
            few = round(0.03 * total)
            low, high = (100 * limit for limit in clopper_pearson(few, total))
            cells = f"{_many(few, 'cell')} ({100 * few / total:.2g} %)"
            line = f"With n = {total:,} the 95 % limits for {cells} are {low:.1f}-{high:.1f} %"
            lines.append(line + ("." if total == 100 else "; at n = 100 the limits for 3 % are 0.6-8.5 %."))
        lines.append(
            "The limits hold the error of counting alone: not wrong labels, a poor smear or an uneven choice of fields."
        )
        return lines

    # --- files -------------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """One row a cell, and one for each photo without any, after a row of column names."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, CSV_COLUMNS)
        writer.writeheader()
        writer.writerows(_csv_rows(self))
        return text.getvalue()

    def write_csv(self, path: str | os.PathLike) -> None:
        """Write `to_csv` to a file, in one step: the file is whole, or it is the old one."""
        write_whole(Path(path), self.to_csv().encode())

    @classmethod
    def read_csv(cls, path: str | os.PathLike) -> Differential:
        """Read back what `write_csv` or `append_csv` wrote.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        try:
            with open(path, newline="", encoding="utf-8") as file:
                return cls._from_csv(file, str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise DifferentialError(f"{path} cannot be read: {error}") from None

    @classmethod
    def from_csv(cls, text: str) -> Differential:
        """Read back what `to_csv` gave.

        Raises:
            DifferentialError: naming the line and the column that is wrong.
        """
        return cls._from_csv(io.StringIO(text, newline=""), "the file")

    @classmethod
    def _from_csv(cls, lines: Iterable[str], source: str) -> Differential:
        reader = csv.DictReader(lines, strict=True)
        try:
            if tuple(reader.fieldnames or ()) != CSV_COLUMNS:
                raise DifferentialError(f"{source}: line 1: the columns must be {', '.join(CSV_COLUMNS)}")
            photos: dict[str, None] = {}
            cells: dict[tuple[str, int], CountedCell] = {}
            for row in reader:
                cell = _read_row(row, f"{source}: line {reader.line_num}")
                photos[_restore(row["photo"])] = None
                if cell and (cell.photo, cell.number) in cells:
                    raise DifferentialError(f"{source}: line {reader.line_num}: cell: {cell.number} is there twice")
                if cell:
                    cells[cell.photo, cell.number] = cell
        except csv.Error as error:
            raise DifferentialError(f"{source}: line {reader.line_num}: {error}") from None
        return cls(tuple(photos), tuple(cells.values()))

    def to_json(self) -> str:
        """The table, the sentences and every cell, as a JSON object."""
        values = {
            "counted": self.counted,
            "in_review": self.in_review,
            "unfamiliar": self.unfamiliar,
            "corrected_by_a_person": self.corrected,
            "shares": [asdict(row) for row in self.rows()],
            "notes": self.sentences(),
            "photos": list(self.photos),
            "cells": [
                {"photo": c.photo, "cell": c.number, **asdict(c.prediction), "corrected": c.corrected, "type": c.type}
                for c in self.cells
            ],
        }
        return json.dumps(values, indent=1, ensure_ascii=False)


def clopper_pearson(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Exact limits of a share that was counted (Clopper and Pearson, Biometrika 1934, 26:404-413).

    The same limits stand in the tables for differentials of 100 and 200 cells (Rümke 1979, taken up by CLSI H20).

    Args:
        count: cells of the type, 0 to `total`.
        total: cells counted; 0 gives (0, 1).
        level: how often the limits hold the true share, at least; between 0 and 1.

    Returns:
        (low, high), shares of 0-1.

    Raises:
        ValueError: if the count is not within 0 and the total, or the level not between 0 and 1.
    """
    from scipy.special import betaincinv  # a quarter of a second that a single picture need not wait for

    if not 0 <= count <= total:
        raise ValueError(f"the count must be 0 to {total}, not {count}")
    if not 0 < level < 1:
        raise ValueError(f"the level must be between 0 and 1, not {level}")
    tail = (1 - level) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def append_csv(path: str | os.PathLike, photo: str, predictions: list[Prediction]) -> None:
    """Add one photo's rows to a CSV file, new or written before, and see them onto the disk."""
    path = Path(path)
    text = Differential().add((photo, predictions)).to_csv()
    if path.exists() and path.stat().st_size:
        text = text.partition("\r\n")[2]
    with open(path, "ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def resume_csv(path: str | os.PathLike) -> Differential:
    """What a scan that was stopped has counted so far, ready to append to.

    The last photo may not have been written whole, so it is taken off the file, to be done again, unless a person has
    decided on one of its cells: then the file was written in one step.

    Returns:
        An empty count if there is no such file.

    Raises:
        DifferentialError: if the file is something else.
    """
    path = Path(path)
    if not path.exists():
        return Differential()
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DifferentialError(f"{path} cannot be read: {error}") from None
    if text.count(",") < len(CSV_COLUMNS) and ",".join(CSV_COLUMNS).startswith(text.rstrip("\r\n")):
        path.unlink()  # stopped in the first line
        return Differential()
    counted = _whole_lines(text)
    if counted.photos and not any(c.corrected for c in counted.cells if c.photo == counted.photos[-1]):
        last = counted.photos[-1]
        counted = Differential(counted.photos[:-1], tuple(c for c in counted.cells if c.photo != last))
    counted.write_csv(path)
    return counted


def _whole_lines(text: str) -> Differential:
    """Read a CSV up to its last whole line. A line may end within a name that holds a line end: then one before it."""
    ends = [match.end() for match in re.finditer("\r\n", text)][-10:] or [len(text)]
    errors = []
    for end in reversed(ends):
        try:
            return Differential.from_csv(text[:end])
        except DifferentialError as error:
            errors.append(error)
    raise errors[0]


def _share(name: str, count: int, total: int) -> Share:
    low, high = (100 * limit for limit in clopper_pearson(count, total))
    reference = CELLS[name].share_percent
    if total == 0:
        flag = "undecided"
    elif high < reference[0]:
        flag = "below"
    elif low > reference[1]:
        flag = "above"
    elif low >= reference[0] and high <= reference[1]:
        flag = "within"
    else:
        flag = "undecided"
    return Share(name, count, total, 100 * count / total if total else 0.0, low, high, reference, flag)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _csv_rows(differential: Differential) -> Iterator[dict]:
    by_photo: dict[str, list[CountedCell]] = {photo: [] for photo in differential.photos}
    for cell in differential.cells:
        by_photo[cell.photo].append(cell)
    for photo, cells in by_photo.items():
        if not cells:
            yield {"photo": _neutral(photo), "verdict": "no_cell"}
        for cell in cells:
            p = cell.prediction
            yield {
                "photo": _neutral(photo),
                "cell": cell.number,
                **dict(zip(("x0", "y0", "x1", "y1"), p.box or ("",) * 4, strict=True)),
                "label": p.label,
                **{f"p_{name}": repr(p.probabilities[name]) for name in CELL_TYPES},
                "confidence": repr(p.confidence),
                "verdict": p.verdict,
                "unfamiliarity": repr(p.unfamiliarity),
                "cut": int(p.cut),
                "corrected": cell.corrected or "",
            }


def _read_row(row: dict[str, str], where: str) -> CountedCell | None:
    """A row's cell, or None for a photo without one."""

    def value(column: str, convert, valid: str, check=lambda v: True):
        try:
            converted = convert(row[column])
            if check(converted):
                return converted
        except (TypeError, ValueError):
            pass
        raise DifferentialError(f"{where}: {column}: {row[column]!r} must be {valid}")

    if None in row or None in row.values():
        raise DifferentialError(f"{where}: it has not {len(CSV_COLUMNS)} columns")
    verdict = value("verdict", str, f"one of {', '.join(VERDICTS)}", lambda v: v in VERDICTS)
    if verdict == "no_cell":
        return None
    share = lambda column: value(column, float, "0-1", lambda v: 0 <= v <= 1)  # noqa: E731
    box = None
    if any(row[c] for c in ("x0", "y0", "x1", "y1")):
        box = tuple(value(c, int, "a whole number of px", lambda v: v >= 0) for c in ("x0", "y0", "x1", "y1"))
    choices = (*CELL_TYPES, NOT_COUNTED, "")
    return CountedCell(
        _restore(row["photo"]),
        value("cell", int, "a number from 1", lambda v: v >= 1),
        Prediction(
            label=value("label", str, f"one of {', '.join(CELL_TYPES)}", lambda v: v in CELL_TYPES),
            probabilities={name: share(f"p_{name}") for name in CELL_TYPES},
            confidence=share("confidence"),
            box=box,
            verdict=verdict,
            cut=bool(value("cut", int, "0 or 1", lambda v: v in (0, 1))),
            unfamiliarity=share("unfamiliarity"),
        ),
        value("corrected", str, f"one of {', '.join(choices[:-1])}, or empty", lambda v: v in choices) or None,
    )


def _neutral(text: str) -> str:
    """A name that no spreadsheet takes for a formula. A quote in front marks it; names that begin with one get one."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "'") else text


def _restore(text: str) -> str:
    return text[1:] if text[:1] == "'" else text
