"""The differential on one page of A4: table, bar chart, thumbnails. Needs `pip install 'leukoscope[report]'`."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from PIL import Image

from leukoscope import __version__
from leukoscope.cells import CELL_TYPES, CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.differential import CountedCell, Differential, Share
from leukoscope.files import write_whole

MARGIN = 15  # mm
WIDTH = 210 - 2 * MARGIN
THUMBNAIL = 15  # mm
THUMBNAIL_PX = 150
THUMBNAIL_ROOM = 0.35  # around a cell's box, of its longer side
ROWS_OF_THUMBNAILS = 5
MOST_THUMBNAILS = ROWS_OF_THUMBNAILS * (WIDTH // THUMBNAIL)

Key = tuple[str, int]  # photo and number of a cell


def thumbnail(image: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """The cell in a box and a little around it: RGB uint8 (H, W, 3) -> RGB uint8 (150, 150, 3), black outside."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box or (0, 0, width, height)
    side = round(max(x1 - x0, y1 - y0) * (1 + 2 * THUMBNAIL_ROOM))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    square = np.zeros((side, side, 3), np.uint8)
    part = image[max(0, top) : top + side, max(0, left) : left + side]
    y, x = max(0, -top), max(0, -left)
    square[y : y + part.shape[0], x : x + part.shape[1]] = part
    shrink = side > THUMBNAIL_PX
    return cv2.resize(
        square, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    )


def write_report(
    target: str | os.PathLike | IO[bytes],
    differential: Differential,
    thumbnails: Mapping[Key, np.ndarray],
    *,
    model: str,
    made_on: date,
) -> None:
    """Write the page.

    Args:
        target: a path, or a file open for bytes.
        differential: what was counted.
        thumbnails: RGB uint8 pictures by (photo, number), at least of `cells_to_show`; others are not shown.
        model: which model answered.
        made_on: the day that stands on the page.

    Raises:
        ImportError: if fpdf2 is not installed.
    """
    try:
        from fpdf import FPDF
    except ImportError:
        raise ImportError("a PDF report needs fpdf2: pip install 'leukoscope[report]'") from None

    page = FPDF(format="A4")
    page.set_title("Differential of white blood cells")
    page.set_creator(f"Leukoscope {__version__}")
    page.set_margin(MARGIN)
    page.set_auto_page_break(False)
    page.add_page()
    _heading(page, differential, model, made_on)
    _table(page, differential.rows())
    _chart(page, differential.rows())
    _sentences(page, differential)
    _thumbnails(page, differential, thumbnails)
    _foot(page)
    content = bytes(page.output())
    if hasattr(target, "write"):
        target.write(content)
    else:
        write_whole(Path(target), content)


def _heading(page, differential: Differential, model: str, made_on: date) -> None:
    page.set_font("helvetica", "B", 18)
    page.cell(WIDTH, 9, "Differential of white blood cells", new_x="LMARGIN", new_y="NEXT")
    page.set_font("helvetica", "", 9)
    page.set_text_color(80)
    names = ", ".join(differential.photos[:3]) + (", ..." if len(differential.photos) > 3 else "")
    page.cell(WIDTH, 5, _fitting(page, f"{made_on.isoformat()}   Photos: {names or 'none'}"), **_NEXT)
    page.cell(WIDTH, 5, _fitting(page, f"Model: {model}, Leukoscope {__version__}"), **_NEXT)
    page.set_text_color(0)
    page.ln(3)


_NEXT = {"new_x": "LMARGIN", "new_y": "NEXT"}
COLUMNS = ((44, "Type", "L"), (22, "Cells", "R"), (24, "Share", "R"), (36, "95 % limits", "R"))
COLUMNS += ((32, "Adults", "R"), (22, "", "R"))


def _table(page, rows: list[Share]) -> None:
    page.set_font("helvetica", "B", 10)
    for width, title, align in COLUMNS:
        page.cell(width, 7, title, align=align, border="B")
    page.ln()
    for row in rows:
        page.set_fill_color(CELLS[row.cell_type].colour)
        page.rect(page.get_x() + 1, page.get_y() + 2, 3, 3, style="F")
        page.set_font("helvetica", "", 10)
        values = (
            f"     {row.cell_type.capitalize()}",
            f"{row.count:,}",
            f"{row.percent:.1f} %" if row.total else "-",
            f"{row.low:.1f} - {row.high:.1f} %" if row.total else "-",
            f"{row.reference[0]:g} - {row.reference[1]:g} %",
            "" if row.flag == "undecided" else row.flag,
        )
        for (width, title, align), value in zip(COLUMNS, values, strict=True):
            page.set_font("helvetica", "B" if not title and row.flag in ("below", "above") else "", 10)
            page.cell(width, 7, value, align=align)
        page.ln()
    page.set_font("helvetica", "B", 10)
    page.cell(COLUMNS[0][0], 7, "     Counted", border="T")
    page.cell(COLUMNS[1][0], 7, f"{rows[0].total:,}", align="R", border="T")
    page.cell(sum(width for width, _, _ in COLUMNS[2:]), 7, "", border="T", **_NEXT)
    page.ln(2)


def _chart(page, rows: list[Share]) -> None:
    """A bar a type from 0 to 100 %, its limits as a line across, the adult share as a band behind."""
    left, scale, height = MARGIN + 30, (WIDTH - 32) / 100, 6.5
    top = page.get_y()
    for index, row in enumerate(rows):
        y = top + index * (height + 2)
        page.set_font("helvetica", "", 9)
        page.set_xy(MARGIN, y)
        page.cell(28, height, row.cell_type.capitalize(), align="R")
        low, high = row.reference
        page.set_fill_color(228)
        page.rect(left + low * scale, y - 0.6, (high - low) * scale, height + 1.2, style="F")
        page.set_fill_color(CELLS[row.cell_type].colour)
        page.rect(left, y + 1, row.percent * scale, height - 2, style="F")
        if row.total:
            page.set_draw_color(0)
            page.set_line_width(0.35)
            middle, a, b = y + height / 2, left + row.low * scale, left + row.high * scale
            page.line(a, middle, b, middle)
            for x in (a, b):
                page.line(x, middle - 1.3, x, middle + 1.3)
    bottom = top + len(rows) * (height + 2)
    page.set_draw_color(120)
    page.set_line_width(0.2)
    page.line(left, bottom, left + 100 * scale, bottom)
    page.set_font("helvetica", "", 8)
    page.set_text_color(80)
    for tick in range(0, 101, 20):
        page.line(left + tick * scale, bottom, left + tick * scale, bottom + 1)
        page.set_xy(left + tick * scale - 8, bottom + 1)
        page.cell(16, 4, f"{tick} %", align="C")
    page.set_xy(MARGIN, bottom + 6)
    page.cell(WIDTH, 4, "Lines: 95 % limits of the count. Grey: adult reference share.", align="R", **_NEXT)
    page.set_text_color(0)
    page.ln(2)


def _sentences(page, differential: Differential) -> None:
    page.set_font("helvetica", "", 9.5)
    for line in [*differential.sentences(), RANGE_NOTE]:
        page.multi_cell(WIDTH, 4.6, _plain(line), align="L", **_NEXT)
    page.ln(3)


def cells_to_show(differential: Differential) -> list[CountedCell]:
    """The cells whose thumbnails the page has room for at most: those to decide on first, then each type."""
    order = {None: 0} | {name: i for i, name in enumerate(CELL_TYPES, 1)}
    cells = sorted(differential.cells, key=lambda cell: (order[cell.type], cell.prediction.confidence))
    return _even(cells, MOST_THUMBNAILS)


def _thumbnails(page, differential: Differential, thumbnails: Mapping[Key, np.ndarray]) -> None:
    """A line under each says what it counts as."""
    shown = [cell for cell in cells_to_show(differential) if (cell.photo, cell.number) in thumbnails]
    per_row = WIDTH // THUMBNAIL
    room = int((297 - 26 - page.get_y()) // (THUMBNAIL + 4.5))
    fitting = _even(shown, max(0, room) * per_row)
    if not fitting:
        return
    page.set_font("helvetica", "", 6.5)
    top = page.get_y()
    for index, cell in enumerate(fitting):
        x = MARGIN + index % per_row * THUMBNAIL
        y = top + index // per_row * (THUMBNAIL + 4.5)
        picture = Image.fromarray(thumbnails[cell.photo, cell.number])
        page.image(picture, x, y, THUMBNAIL - 1, THUMBNAIL - 1, alt_text=_caption(cell))
        page.set_xy(x, y + THUMBNAIL - 1)
        page.cell(THUMBNAIL - 1, 3, _caption(cell), align="C")
    page.set_xy(MARGIN, top + -(-len(fitting) // per_row) * (THUMBNAIL + 4.5))
    page.set_font("helvetica", "", 8)
    hidden = f"{len(fitting)} of {len(differential.cells):,} cells; " if len(fitting) < len(differential.cells) else ""
    page.cell(WIDTH, 4, f"{hidden}*: decided by a person; ?: to review; ??: unfamiliar.", **_NEXT)


def _even(cells: list[CountedCell], count: int) -> list[CountedCell]:
    """At most `count` cells, taken evenly from the sorted list, so that every group keeps its share."""
    if len(cells) <= count:
        return cells
    return [cells[i] for i in np.linspace(0, len(cells) - 1, count).astype(int)] if count else []


def _caption(cell: CountedCell) -> str:
    if cell.corrected:
        return f"{cell.type or 'none'} *"
    return f"{cell.prediction.label}{ {'review': ' ?', 'unfamiliar': ' ??'}.get(cell.prediction.verdict, '') }"


def _foot(page) -> None:
    page.set_font("helvetica", "B", 9)
    page.set_xy(MARGIN, 297 - 20)
    page.multi_cell(WIDTH, 4.5, NOT_A_MEDICAL_DEVICE, align="C", border="T")


def _fitting(page, text: str) -> str:
    """A line cut to the width of the page."""
    text = _plain(text)
    while page.get_string_width(text) > WIDTH - 2:
        text = text[: -max(4, len(text) // 20)].rstrip(". ") + "..."
    return text


def _plain(text: str) -> str:
    """What the PDF's built-in fonts can show: other letters become a question mark, controls go."""
    kept = "".join(c for c in text.replace("\u2013", "-") if c.isprintable())
    return kept.encode("latin-1", "replace").decode("latin-1")


def to_bytes(differential: Differential, thumbnails: Mapping[Key, np.ndarray], *, model: str, made_on: date) -> bytes:
    """The page as bytes, for a download."""
    buffer = io.BytesIO()
    write_report(buffer, differential, thumbnails, model=model, made_on=made_on)
    return buffer.getvalue()
