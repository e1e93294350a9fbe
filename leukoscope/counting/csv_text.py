"""The CSV of a count, as text: written in one form, and read as spreadsheets and pandas write it back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from leukoscope.counting.counted import (
    CSV_COLUMNS,
    OLD_COLUMNS,
    CountedCell,
    Origin,
    empty_row,
    from_row,
    origin_of,
    restore,
    to_row,
)
from leukoscope.errors import DifferentialError

BOM = "\ufeff"  # in front of a file it tells Excel that it is UTF-8
HEADER = ",".join(CSV_COLUMNS)

_TEXTS = ("photo", "model")  # columns in which a comma is no decimal point

Parts = tuple[tuple[str, ...], tuple[CountedCell, ...], dict[str, Origin]]


def write_rows(photos: Iterable[str], cells: Iterable[CountedCell], origins: Mapping[str, Origin]) -> str:
    """One row a cell, and one for each photo without any, after a row of column names."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS)
    writer.writeheader()
    by_photo: dict[str, list[CountedCell]] = {photo: [] for photo in photos}
    for cell in cells:
        by_photo[cell.photo].append(cell)
    for photo, inside in by_photo.items():
        origin = origins.get(photo)
        writer.writerows((to_row(cell, origin) for cell in inside) if inside else [empty_row(photo, origin)])
    return text.getvalue()


def read_rows(text: str, source: str) -> Parts:
    """What `write_rows` was given, photo after photo and each photo's cells by number.

    Columns may be parted by commas, semicolons or tabs, with decimal commas beside the latter two; a first column
    without a name, as pandas numbers its rows, and rows of empty values are passed over; the last two columns may be
    missing, as in older files.

    Args:
        text: of the file.
        source: what errors call it.

    Raises:
        DifferentialError: naming the line and the column that is wrong.
    """
    text = text.removeprefix(BOM)
    delimiter = _delimiter(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    photos: dict[str, dict[int, CountedCell]] = {}
    origins: dict[str, Origin] = {}
    try:
        given = list(reader.fieldnames or ())
        numbered = given[:2] == ["", "photo"]
        _check_header(given[1:] if numbered else given, source)
        for row in reader:
            if not any(row.values()):
                continue  # a spreadsheet's last rows
            where = f"{source}: line {reader.line_num}"
            if numbered:
                row.pop("")
            cell = from_row(_with_points(row) if delimiter != "," else row, where)
            photo = restore(row["photo"])
            origin = origin_of(row, where)
            if origin and origins.setdefault(photo, origin) != origin:
                raise DifferentialError(f"{where}: sha256: {row['photo'][:80]!r} has another in a line before")
            cells = photos.setdefault(photo, {})
            if cell and cell.number in cells:
                raise DifferentialError(f"{where}: cell: {cell.number} is there twice")
            if cell:
                cells[cell.number] = cell
    except csv.Error as error:  # of a row that DictReader has not counted yet
        raise DifferentialError(f"{source}: line {reader.reader.line_num}: {error}") from None
    return tuple(photos), tuple(cells[number] for cells in photos.values() for number in sorted(cells)), origins


def is_own_form(text: str) -> bool:
    """Whether rows of `write_rows` can be added to a text that begins so."""
    return text.removeprefix(BOM).startswith((f"{HEADER}\r", f"{HEADER}\n"))


def _delimiter(text: str) -> str:
    """What parts the columns of a text: what stands behind its first name."""
    after = text[:8].lstrip(",;\t").removeprefix('"').removeprefix("photo").removeprefix('"')[:1]
    return after if after in (";", "\t") else ","


def _with_points(row: dict[Any, Any]) -> dict[Any, Any]:
    """A row with decimal points, as it was before a spreadsheet that speaks German, French, ... saved it."""
    return {
        column: value.replace(",", ".") if isinstance(value, str) and column not in _TEXTS else value
        for column, value in row.items()
    }


def _check_header(given: list[str], source: str) -> None:
    if tuple(given) == OLD_COLUMNS:
        return
    for number, (name, wanted) in enumerate(zip_longest(given, CSV_COLUMNS, fillvalue=""), 1):
        if name != wanted:
            what = f"must be {wanted!r}, not {name[:80]!r}" if wanted else f"{name[:80]!r} is one too many"
            raise DifferentialError(f"{source}: line 1: column {number} {what}; valid are {', '.join(CSV_COLUMNS)}")
