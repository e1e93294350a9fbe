"""The differential on one page of A4: table, bar chart, thumbnails. Needs `pip install 'leukoscope[report]'`."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from leukoscope import __version__
from leukoscope.biology.cells import CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.counting.differential import NOT_COUNTED, CountedCell, Differential, Share
from leukoscope.files import write_whole
from leukoscope.showing.draw import jpeg
from leukoscope.showing.letters import ESCAPE, is_spelled, printable, written
from leukoscope.showing.pictured import PER_ROW, Key, groups
from leukoscope.showing.wording import percent

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN = 15  # mm, as all sizes on the page
WIDTH, FOOT = 210 - 2 * MARGIN, 297 - 18
LABELS = 30  # room for names, left of the chart and of the pictures
GREY = 90
COLUMNS = (
    *((36, "Type", "L"), (17, "Cells", "R"), (22, "Share", "R"), (46, "95 % confidence interval", "R")),
    *((28, "Adults", "R"), (31, "Against adults", "R")),
)

THUMBNAIL, ROW = 13, 16


class Notes(NamedTuple):
    """What a person says of a count, each on a line of the page: the sample's name, who read it, a comment."""

    sample: str = ""
    reader: str = ""
    comment: str = ""


NO_NOTES = Notes()


def write_report(
    target: str | os.PathLike[str] | IO[bytes],
    differential: Differential,
    thumbnails: Mapping[Key, np.ndarray],
    *,
    model: str,
    made_on: date,
    notes: Notes = NO_NOTES,
    overview: np.ndarray | None = None,
) -> None:
    """Write the page.

    Args:
        target: a path, or a file open for bytes.
        differential: what was counted.
        thumbnails: RGB uint8 pictures by (photo, number), at least of `cells_to_show`; others are not shown.
        model: which model answered.
        made_on: the day that stands on the page.
        notes: what a person says of the sample.
        overview: of a slide, RGB uint8 (H, W, 3): a second page shows where its cells were taken.

    Raises:
        ImportError: if fpdf2 is not installed.
    """
    try:
        from fpdf import FPDF
    except ImportError:
        raise ImportError("a PDF report needs fpdf2: pip install 'leukoscope[report]'") from None

    page = FPDF(format="A4")
    page.set_title("Differential of white blood cells")
    page.set_lang("en")
    page.set_creator(f"Leukoscope {__version__}")
    page.set_creation_date(datetime.combine(made_on, time(), UTC))
    page.set_margin(MARGIN)
    page.c_margin = 0
    page.set_auto_page_break(False)
    page.add_page()
    _heading(page, differential, model, made_on)
    _notes(page, notes)
    _table(page, differential)
    _chart(page, differential.rows(), differential.tally.settled)
    _sentences(page, differential)
    _thumbnails(page, differential, thumbnails)
    _foot(page)
    if overview is not None:
        page.add_page()
        _overview(page, overview)
        _foot(page)
    content = bytes(page.output())
    if hasattr(target, "write"):
        target.write(content)
    else:
        write_whole(Path(target), content)


def to_bytes(
    differential: Differential,
    thumbnails: Mapping[Key, np.ndarray],
    *,
    model: str,
    made_on: date,
    notes: Notes = NO_NOTES,
) -> bytes:
    """The page as bytes, for a download."""
    buffer = io.BytesIO()
    write_report(buffer, differential, thumbnails, model=model, made_on=made_on, notes=notes)
    return buffer.getvalue()


class _Next(TypedDict):
    new_x: str
    new_y: str


_NEXT: _Next = {"new_x": "LMARGIN", "new_y": "NEXT"}  # the next cell begins a line


def _heading(page: FPDF, differential: Differential, model: str, made_on: date) -> None:
    page.set_font("helvetica", "B", 18)
    page.cell(WIDTH, 9, "Differential of white blood cells", **_NEXT)
    page.set_font("helvetica", "", 9)
    page.set_text_color(GREY)
    names = ", ".join(differential.photos[:3]) + (", ..." if len(differential.photos) > 3 else "")
    title = f"{differential.of.capitalize()}s: {names or 'none'}"
    page.cell(WIDTH, 5, _fitting(page, f"{made_on.isoformat()}   {title}"), **_NEXT)
    page.set_font("helvetica", "", 9)
    page.cell(WIDTH, 5, _fitting(page, f"Leukoscope {__version__}, model {model}"), **_NEXT)
    if is_spelled(names) or is_spelled(model):
        page.set_font("helvetica", "", 7)
        page.cell(
            WIDTH, 3, f"{ESCAPE} in a name: a letter that this page's fonts lack, by its Unicode number.", **_NEXT
        )
    else:
        page.ln(3)
    page.set_text_color(0)


def _notes(page: FPDF, notes: Notes) -> None:
    """A line for each thing that a person said; a long comment is cut, so that the page stays one."""
    page.set_font("helvetica", "", 9.5)
    for title, text in (("Sample", notes.sample), ("Reader", notes.reader), ("Comment", notes.comment)):
        if text.strip():
            page.cell(WIDTH, 4.5, _fitting(page, f"{title}: {' '.join(text.split())}"), **_NEXT)


def _table(page: FPDF, differential: Differential) -> None:
    settled = differential.tally.settled
    page.set_font("helvetica", "B", 9.5)
    for width, title, align in COLUMNS:
        page.cell(width, 6, title if settled or "95" not in title else "Least - most", align=align)
    page.ln()
    _rule(page)
    for row in differential.rows():
        page.set_fill_color(CELLS[row.cell_type].colour)
        page.rect(MARGIN, page.get_y() + 1.5, 3, 3, style="F")
        values = (
            f"      {row.cell_type.capitalize()}",
            f"{row.count:,}",
            *_share_and_interval(row, settled),
            f"{row.reference[0]:g} - {row.reference[1]:g} %",
            row.flag if row.total and settled else "-",
        )
        for (width, title, align), value in zip(COLUMNS, values, strict=True):
            flagged = title == "Against adults" and row.flag in ("below", "above")
            page.set_font("helvetica", "B" if flagged or title == "Share" else "", 10)
            page.cell(width, 6, value, align=align)
        page.ln()
    _rule(page)
    page.set_font("helvetica", "B", 10)
    page.cell(COLUMNS[0][0], 6, "      Counted")
    page.cell(COLUMNS[1][0], 6, f"{differential.counted:,}", align="R")
    page.set_font("helvetica", "", 9)
    kept = f"undecided: {differential.in_review:,} to review, {differential.unfamiliar:,} unfamiliar"
    page.cell(0, 6, f"{kept}; {differential.not_counted:,} {NOT_COUNTED}", align="R", **_NEXT)
    page.ln(3)


def _share_and_interval(row: Share, settled: bool) -> tuple[str, str]:
    """What stands in two columns: share and interval, or what the share can be while many cells are undecided."""
    if not settled:
        return "open", f"{row.least:.1f} - {row.most:.1f} %"
    return (f"{row.percent:.1f} %", f"{row.low:.1f} - {row.high:.1f} %") if row.total else ("-", "-")


def _rule(page: FPDF) -> None:
    page.set_draw_color(0)
    page.set_line_width(0.25)
    page.line(MARGIN, page.get_y(), MARGIN + WIDTH, page.get_y())


def _chart(page: FPDF, rows: list[Share], settled: bool) -> None:
    """A bar a type from 0 to 100 %, its interval as a line across, the adult share as a band behind.

    While many cells are undecided the bar is the least that the share can be, and the line reaches to the most.
    """
    left, scale, height = MARGIN + LABELS, (WIDTH - LABELS - 4) / 100, 7
    top = page.get_y()
    bottom = top + len(rows) * height
    page.set_line_width(0.15)
    page.set_font("helvetica", "", 8)
    page.set_text_color(GREY)
    for tick in range(0, 101, 20):
        page.set_draw_color(120 if tick == 0 else 225)
        page.line(left + tick * scale, top, left + tick * scale, bottom + 1)
        page.set_xy(left + tick * scale - 8, bottom + 1.5)
        page.cell(16, 4, f"{tick} %", align="C")
    page.set_text_color(0)
    page.set_font("helvetica", "", 9.5)
    for index, row in enumerate(rows):
        y = top + index * height
        page.set_xy(MARGIN, y)
        page.cell(LABELS - 3, height, row.cell_type.capitalize(), align="L")
        low, high = row.reference
        page.set_fill_color(222)
        page.rect(left + low * scale, y + 0.6, (high - low) * scale, height - 1.2, style="F")
        bar, low, high = (row.percent, row.low, row.high) if settled else (row.least, row.least, row.most)
        if row.total or not settled:
            page.set_fill_color(CELLS[row.cell_type].colour)
            page.rect(left, y + 1.8, bar * scale, height - 3.6, style="F")
            _interval(page, left + low * scale, left + high * scale, y + height / 2)
    page.set_xy(left, bottom + 6)
    page.set_font("helvetica", "", 8)
    page.set_text_color(GREY)
    lines = "95 % confidence intervals of the count" if settled else "from the least to the most that a share can be"
    note = f"Lines: {lines}. Grey bands: adult shares. {RANGE_NOTE}"
    page.multi_cell(WIDTH - LABELS, 3.8, printable(note), align="L", **_NEXT)
    page.set_text_color(0)
    page.ln(3)


def _interval(page: FPDF, low: float, high: float, y: float) -> None:
    page.set_draw_color(0)
    page.set_line_width(0.35)
    page.line(low, y, high, y)
    for x in (low, high):
        page.line(x, y - 1.2, x, y + 1.2)


def _sentences(page: FPDF, differential: Differential) -> None:
    page.set_font("helvetica", "", 8)
    for line in differential.sentences():
        page.multi_cell(WIDTH, 3.6, printable(line), align="L", **_NEXT)
    page.ln(2)


def _thumbnails(page: FPDF, differential: Differential, thumbnails: Mapping[Key, np.ndarray]) -> None:
    """A group a type, its name on the left; below each cell what the model or a person said."""
    for title, colour, total, cells in groups(differential):
        pictures = [
            (cell, thumbnails[cell.photo, cell.number]) for cell in cells if (cell.photo, cell.number) in thumbnails
        ]
        rows = -(-len(pictures) // PER_ROW)
        top = page.get_y()
        if not pictures or top + rows * ROW > FOOT - 5:
            continue
        page.set_fill_color(colour)
        page.rect(MARGIN, top, 1.5, rows * ROW - 4, style="F")
        page.set_xy(MARGIN + 3, top)
        page.set_font("helvetica", "B", 9)
        page.cell(LABELS - 4, 4, title, new_x="LEFT", new_y="NEXT")
        page.set_font("helvetica", "", 8)
        page.cell(LABELS - 4, 4, f"{total:,}" if total == len(pictures) else f"{len(pictures)} of {total:,} shown")
        for index, (cell, picture) in enumerate(pictures):
            _picture(page, cell, picture, index % PER_ROW, top + index // PER_ROW * ROW)
        page.set_xy(MARGIN, top + rows * ROW)
    page.set_font("helvetica", "", 8)
    page.set_text_color(GREY)
    if thumbnails:
        words = "Below each cell: how sure the model is; what it may be, with ?, or unfamiliar where it is undecided"
        page.cell(WIDTH, 4, f"{words}; or that a person decided.", **_NEXT)
    page.set_text_color(0)


def _picture(page: FPDF, cell: CountedCell, picture: np.ndarray, column: int, y: float) -> None:
    x = MARGIN + LABELS + column * (THUMBNAIL + 1)
    words = f"{cell.type or 'not counted'}, {_caption(cell)}"
    page.image(io.BytesIO(jpeg(picture, 92)), x, y, THUMBNAIL, THUMBNAIL, alt_text=words)
    page.set_font("helvetica", "B" if cell.corrected else "", 6.5)
    page.set_xy(x, y + THUMBNAIL)
    page.cell(THUMBNAIL, 3, _caption(cell), align="C")


def _caption(cell: CountedCell) -> str:
    if cell.corrected:
        return "by a person"
    if cell.prediction.verdict == "confident":
        return percent(cell.prediction.confidence)
    return f"{cell.prediction.label}?" if cell.prediction.verdict == "review" else "unfamiliar"


def _overview(page: FPDF, overview: np.ndarray) -> None:
    page.set_font("helvetica", "B", 12)
    page.cell(WIDTH, 8, "Where the cells were taken", **_NEXT)
    height, width = overview.shape[:2]
    scale = min(WIDTH / width, (FOOT - page.get_y() - 14) / height)
    words = "The slide with the tiles that were answered and a dot for each white cell"
    page.image(io.BytesIO(jpeg(overview, 90)), MARGIN, page.get_y(), scale * width, scale * height, alt_text=words)
    page.set_y(page.get_y() + scale * height + 2)
    page.set_font("helvetica", "", 8)
    page.set_text_color(GREY)
    page.cell(WIDTH, 4, f"{words}, in the colour of its type; grey where it is undecided.", **_NEXT)
    page.set_text_color(0)


def _foot(page: FPDF) -> None:
    page.set_y(FOOT)
    _rule(page)
    page.set_font("helvetica", "B", 8.5)
    page.multi_cell(WIDTH, 6, NOT_A_MEDICAL_DEVICE, align="C")


def _fitting(page: FPDF, text: str) -> str:
    """A line cut to the width of the page."""
    text = written(page, text[:1000])
    while page.get_string_width(text) > WIDTH - 2:
        text = text[: -max(4, len(text) // 20)].rstrip(". ") + "..."
    return text
