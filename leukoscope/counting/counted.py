"""One cell of a count, and its row in a CSV file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from leukoscope.biology.cells import CELL_TYPES, HOW_MANY
from leukoscope.errors import DifferentialError
from leukoscope.model.prediction import VERDICTS, Prediction

NOT_COUNTED = f"none of the {HOW_MANY}"
"""What a person may call a cell beside the types."""

BOX_COLUMNS = ("x0", "y0", "x1", "y1")
CSV_COLUMNS = (
    *("photo", "cell", *BOX_COLUMNS, "label"),
    *(f"p_{name}" for name in CELL_TYPES),
    *("confidence", "verdict", "unfamiliarity", "cut", "corrected"),
    *("model", "sha256"),
)
OLD_COLUMNS = CSV_COLUMNS[:-2]
"""Of files that were written before photos were told by their bytes."""

_Value = TypeVar("_Value")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: full width


@dataclass(frozen=True)
class Origin:
    """What a photo's cells come from.

    model: which model answered, as `leukoscope.showing.about.model_identity` names it. sha256: of the photo's file, in
    hex.
    """

    model: str
    sha256: str


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
    def undecided(self) -> bool:
        """Whether a person should decide on it and has not."""
        return self.corrected is None and self.prediction.verdict != "confident"


def to_row(cell: CountedCell, origin: Origin | None = None) -> dict[str, Any]:
    """A cell's row: a value for each of `CSV_COLUMNS`."""
    p = cell.prediction
    return {
        "photo": neutral(cell.photo),
        "cell": cell.number,
        **dict(zip(BOX_COLUMNS, p.box or ("",) * 4, strict=True)),
        "label": p.label,
        **{f"p_{name}": repr(float(p.probabilities[name])) for name in CELL_TYPES},
        "confidence": repr(float(p.confidence)),
        "verdict": p.verdict,
        "unfamiliarity": repr(float(p.unfamiliarity)),
        "cut": int(p.cut),
        "corrected": cell.corrected or "",
        **_origin_values(origin),
    }


def empty_row(photo: str, origin: Origin | None = None) -> dict[str, Any]:
    """The row of a photo without a cell."""
    return {"photo": neutral(photo), "verdict": "no_cell", **_origin_values(origin)}


def _origin_values(origin: Origin | None) -> dict[str, str]:
    return {"model": neutral(origin.model) if origin else "", "sha256": origin.sha256 if origin else ""}


def origin_of(row: dict[str | None, Any], where: str) -> Origin | None:
    """What a row says of where its cell comes from; None if it says nothing, as those of older files.

    Raises:
        DifferentialError: if it says half of it.
    """
    model, sha256 = restore(row.get("model") or ""), (row.get("sha256") or "").lower()
    if not (model or sha256):
        return None
    if not model:
        raise DifferentialError(f"{where}: model: '' must be the name of one beside a sha256")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise DifferentialError(f"{where}: sha256: {sha256[:80]!r} must be 64 hex digits")
    return Origin(model, sha256)


def from_row(row: dict[str | None, Any], where: str) -> CountedCell | None:
    """A row's cell; None for a photo without one.

    Args:
        row: as `csv.DictReader` gives it: a value for each of `CSV_COLUMNS`, or of `OLD_COLUMNS`.
        where: file and line, for the error.

    Raises:
        DifferentialError: naming the column that is wrong and what is valid there.
    """

    def value(column: str, convert: Callable[[str], _Value], valid: str, check: Callable[[_Value], bool]) -> _Value:
        try:
            converted = convert(row[column].strip())
            if check(converted):
                return converted
        except (ValueError, OverflowError):
            pass
        raise DifferentialError(f"{where}: {column}: {row[column][:80]!r} must be {valid}")

    def name(column: str, *valid: str) -> str:
        words = ", ".join(v or "empty" for v in valid)
        return value(column, str.lower, f"one of {words}", lambda v: v in valid)

    def share(column: str) -> float:
        return value(column, float, "0-1", lambda v: 0 <= v <= 1)

    def edge(column: str) -> int:
        return value(column, _whole, "a whole number of px", lambda v: v >= 0)

    if None in row or None in row.values():
        columns = sum(column is not None for column in row)
        raise DifferentialError(f"{where}: it has not {columns} columns")
    verdict = name("verdict", *VERDICTS)
    if verdict == "no_cell":
        return None
    box = None
    if any(row[column] for column in BOX_COLUMNS):
        x0, y0, x1, y1 = (edge(column) for column in BOX_COLUMNS)
        box = x0, y0, x1, y1
        for low, high in (("x0", "x1"), ("y0", "y1")):
            value(high, _whole, f"more than {low}, {row[low]}", _whole(row[low]).__lt__)
    prediction = Prediction(
        label=name("label", *CELL_TYPES),
        probabilities={cell_type: share(f"p_{cell_type}") for cell_type in CELL_TYPES},
        confidence=share("confidence"),
        box=box,
        verdict=verdict,
        cut=value("cut", _whole, "one of 0, 1", lambda v: v in (0, 1)) == 1,
        unfamiliarity=share("unfamiliarity"),
    )
    number = value("cell", _whole, "a number from 1", lambda v: v >= 1)
    return CountedCell(
        restore(row["photo"]), number, prediction, name("corrected", *CELL_TYPES, NOT_COUNTED, "") or None
    )


def _whole(text: str) -> int:
    """A whole number, also as "342.0": pandas writes so what stands in a column with gaps."""
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


def neutral(text: str) -> str:
    """A name that no spreadsheet takes for a formula. A quote in front marks it; names that begin with one get one."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def restore(text: str) -> str:
    """What `neutral` was given."""
    return text.removeprefix("'")
