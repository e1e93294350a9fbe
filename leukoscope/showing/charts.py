"""The differential as HTML: a table with exact intervals and a bar chart, for every page.

Plain functions from a `Differential` to strings; style.css holds the rules that they need. What a colour says also
stands there in words.
"""

from __future__ import annotations

from html import escape

from leukoscope.biology.cells import CELLS, RANGE_NOTE
from leukoscope.counting.differential import Differential, Share
from leukoscope.counting.tally import FEW
from leukoscope.showing.wording import span

FLAGS = {
    "below": "↓ below",
    "within": "within",
    "above": "↑ above",
    "open": "open",
}
"""What stands beside the adult range: where the whole interval lies, or that it reaches over an end of the range."""

FLAG_NOTE = (
    "Below, within, above: where the whole interval lies, whatever the undecided cells are. Open: it reaches over an "
    "end of the range, so that more cells must be counted, or decided on, to tell."
)
OPEN_NOTE = (
    f"More than {100 * FEW:g} % of the cells are undecided: decide on them first. Until then each share is given as "
    "the least and the most that it can be."
)
NOTHING_COUNTED = "Nothing counted yet."


def table_html(differential: Differential) -> str:
    """Count, share with its interval, adult range and where the interval lies, one line a type.

    While many cells are undecided: the least and the most that each share can be, and no verdict.
    """
    tally = differential.tally
    rows = "".join(_row(row, tally.settled) for row in tally.rows())
    what = "95 % confidence interval" if tally.settled else "at least – at most"
    return (
        f'<table class="lk lk-table" data-settled="{str(tally.settled).lower()}">'
        f"<caption>Differential of white cells</caption>"
        '<thead><tr><th scope="col">Type</th><th scope="col">Cells</th>'
        f'<th scope="col">Share<br><small>{what}</small></th>'
        f'<th scope="col">Adults</th></tr></thead><tbody>{rows}</tbody>'
        f'<tfoot><tr><th scope="row">Counted</th><td>{tally.counted:,}</td><td></td><td></td></tr>'
        f'<tr><th scope="row">Undecided</th><td>{tally.undecided:,}</td><td></td><td></td></tr></tfoot>'
        f'</table><p class="lk lk-note">{FLAG_NOTE if tally.settled else OPEN_NOTE}</p>'
    )


def _row(row: Share, settled: bool) -> str:
    cell = CELLS[row.cell_type]
    share, limits = (f"{row.percent:.1f} %", _interval(row)) if row.total else ("–", "–")
    if not settled:
        share, limits = f"{row.least:.1f}–{row.most:.1f} %", "until decided"
    flag = FLAGS[row.flag] if row.total and settled else "–"
    return (
        f'<tr data-type="{escape(cell.name)}" style="--lk-colour:{escape(cell.colour)}">'
        f'<th scope="row"><span class="lk-swatch"></span>{escape(cell.name.capitalize())}</th>'
        f"<td>{row.count:,}</td>"
        f"<td><strong>{share}</strong><br><small>{limits}</small></td>"
        f'<td>{span(row.reference)} %<br><small data-flag="{escape(row.flag)}">{escape(flag)}</small></td></tr>'
    )


def chart_html(differential: Differential) -> str:
    """A bar a type from 0 to 100 %, a line across it for the interval, a band behind it for the adult range.

    While many cells are undecided the bar is the least that the share can be, and the line reaches to the most.
    """
    settled = differential.tally.settled
    rows = "".join(_bar(row, settled) for row in differential.rows())
    line = "95 % confidence interval of the count" if settled else "from the least to the most that the share can be"
    ticks = "".join(f'<span style="left:{tick}%">{tick}</span>' for tick in range(0, 101, 25))
    return (
        f'<figure class="lk lk-chart"><div role="img" aria-label="{escape(chart_text(differential))}">{rows}'
        f'<div class="lk-axis" aria-hidden="true"><span></span><div>{ticks}</div></div></div>'
        f"<figcaption>Share of cells in %. Line: {line}. Hatched: adult range.</figcaption>"
        "</figure>"
    )


def _bar(row: Share, settled: bool) -> str:
    cell = CELLS[row.cell_type]
    low, high = row.reference
    marks = f'<span class="lk-range" style="left:{low:g}%;width:{high - low:g}%"></span>'
    bar, least, most = (row.percent, row.low, row.high) if settled else (row.least, row.least, row.most)
    if row.total or not settled:
        marks += (
            f'<span class="lk-share" style="width:{bar:.2f}%"></span>'
            f'<span class="lk-limits" style="left:{least:.2f}%;width:{most - least:.2f}%"></span>'
        )
    return (
        f'<div class="lk-row" data-type="{escape(cell.name)}" style="--lk-colour:{escape(cell.colour)}">'
        f"<span>{escape(cell.name.capitalize())}</span><div>{marks}</div></div>"
    )


def chart_text(differential: Differential) -> str:
    """The chart in words, for those who do not see it."""
    if not differential.tally.settled:
        parts = [f"{row.cell_type} {row.least:.1f} to {row.most:.1f} %" for row in differential.rows()]
        return f"Bar chart of what the shares can be while many cells are undecided: {', '.join(parts)}."
    if not differential.counted:
        return f"Bar chart. {NOTHING_COUNTED}"
    parts = [f"{row.cell_type} {row.percent:.1f} % (interval {_interval(row)})" for row in differential.rows()]
    return f"Bar chart of the shares: {', '.join(parts)}."


def _interval(row: Share) -> str:
    return f"{row.low:.1f}–{row.high:.1f} %"


def sentences_html(differential: Differential) -> str:
    """What a reader of the table must know, in words."""
    lines = [*differential.sentences(), RANGE_NOTE] if differential.photos else [NOTHING_COUNTED, RANGE_NOTE]
    return f'<ul class="lk lk-sentences">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'
