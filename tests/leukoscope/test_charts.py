"""The differential as HTML: the numbers are those of the count, in a table and in bars of the right length."""

import re

import pytest

from leukoscope.biology.cells import CELL_TYPES, CELLS, RANGE_NOTE
from leukoscope.counting.differential import Differential
from leukoscope.model.prediction import Prediction
from leukoscope.showing import STYLE_SHEET, charts
from tests.leukoscope.test_wording import Outline


def counted(**counts):
    """A count of so many cells of each type."""
    cells = [
        Prediction(name, {other: 0.97 if other == name else 0.01 for other in CELL_TYPES}, 0.97, None, "confident")
        for name, count in counts.items()
        for _ in range(count)
    ]
    return Differential.from_predictions([("field.png", cells)])


EMPTY = Differential()
SMEAR = counted(eosinophil=3, lymphocyte=30, monocyte=6, neutrophil=61)
SKEWED = counted(neutrophil=400, lymphocyte=10)
ALL = pytest.mark.parametrize("differential", [EMPTY, SMEAR, SKEWED], ids=["empty", "smear", "skewed"])


def rows(html):
    """Type -> the row's text."""
    found = re.findall(r'<tr data-type="(\w+)".*?</tr>', html)
    texts = [re.sub("<[^>]+>", " ", row) for row in re.findall(r"<tr data-type=.*?</tr>", html)]
    return dict(zip(found, (" ".join(text.split()) for text in texts), strict=True))


def test_the_table_holds_the_numbers():
    table = rows(charts.table_html(SMEAR))
    assert list(table) == list(CELL_TYPES)
    assert table["neutrophil"] == "Neutrophil 61 61.0 % 50.7–70.6 % 40–60 % open"
    assert table["eosinophil"] == "Eosinophil 3 3.0 % 0.6–8.5 % 1–4 % open"
    assert "Counted</th><td>100</td>" in charts.table_html(SMEAR)


def test_flags_stand_in_words():
    table = rows(charts.table_html(SKEWED))
    assert table["neutrophil"].endswith("↑ above")
    assert table["lymphocyte"].endswith("↓ below")
    assert "within" in charts.table_html(counted(neutrophil=1000, lymphocyte=600, monocyte=100, eosinophil=40))


def test_bars_are_as_long_as_the_shares():
    html = charts.chart_html(SMEAR)
    for row in SMEAR.rows():
        (part,) = re.findall(rf'<div class="lk-row" data-type="{row.cell_type}".*?</div></div>', html)
        assert f'class="lk-share" style="width:{row.percent:.2f}%"' in part
        assert f'class="lk-limits" style="left:{row.low:.2f}%;width:{row.high - row.low:.2f}%"' in part
        low, high = row.reference
        assert f'class="lk-range" style="left:{low}%;width:{high - low}%"' in part
        assert CELLS[row.cell_type].colour in part
    assert "neutrophil 61.0 % (interval 50.7–70.6 %)" in html


def test_nothing_counted_claims_no_share():
    assert set(rows(charts.table_html(EMPTY)).values()) == {
        f"{name.capitalize()} 0 – – {low}–{high} % –"
        for name, (low, high) in ((n, CELLS[n].share_percent) for n in CELL_TYPES)
    }
    assert "lk-share" not in charts.chart_html(EMPTY)
    assert charts.NOTHING_COUNTED in charts.chart_text(EMPTY)


def test_while_many_cells_are_undecided_there_is_no_share_and_no_verdict():
    doubted = Prediction("monocyte", dict.fromkeys(CELL_TYPES, 0.25), 0.25, None, "unfamiliar")
    half = SKEWED.add("b.png", [doubted] * 90)
    html = charts.table_html(half)
    table = rows(html)
    assert table["neutrophil"] == "Neutrophil 400 80.0–98.0 % until decided 40–60 % –"
    assert "above" not in html.replace(charts.OPEN_NOTE, "")
    assert charts.OPEN_NOTE in html
    assert "at least – at most" in html
    assert "Undecided</th><td>90</td>" in html
    chart = charts.chart_html(half)
    assert 'class="lk-share" style="width:80.00%"' in chart
    assert 'class="lk-limits" style="left:80.00%;width:18.00%"' in chart
    assert "neutrophil 80.0 to 98.0 %" in chart


@ALL
def test_html_is_well_formed_and_says_whose_ranges_these_are(differential):
    for html in (charts.table_html(differential), charts.chart_html(differential)):
        Outline(html)
    text = " ".join(Outline(charts.sentences_html(differential)).text)
    assert RANGE_NOTE in text
    assert all(sentence in text for sentence in differential.sentences()) or not differential.photos


def test_every_class_has_its_rule():
    html = "".join(f(SMEAR) for f in (charts.table_html, charts.chart_html, charts.sentences_html))
    classes = {name for names in re.findall(r'class="([^"]+)"', html) for name in names.split()}
    assert classes <= set(re.findall(r"\.(lk[\w-]*)", STYLE_SHEET.read_text()))
