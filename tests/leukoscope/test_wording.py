"""What the apps say: numbers, words, and HTML in which nothing stands unescaped."""

import dataclasses
from html.parser import HTMLParser

import pytest

from leukoscope.biology.cells import CELL_TYPES, CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.biology.references import REFERENCES
from leukoscope.model.prediction import Prediction
from leukoscope.showing import wording

VOID = {"br"}


def answer(*shares, verdict="confident"):
    probabilities = dict(zip(CELL_TYPES, shares, strict=True))
    label = max(probabilities, key=probabilities.get)
    return Prediction(label, probabilities, probabilities[label], (1, 2, 30, 40), verdict)


SURE = answer(0.01, 0.02, 0.0004, 0.9696)
CLOSE = answer(0.05, 0.40, 0.50, 0.05, verdict="review")
NONE = Prediction(None, dict.fromkeys(CELL_TYPES, 0.25), 0.0, None, "no_cell")
ALL = pytest.mark.parametrize("prediction", [SURE, CLOSE, NONE], ids=["confident", "review", "no_cell"])


class Outline(HTMLParser):
    """Tags in their order, text, and whether every tag is closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.links = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def find(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0"), (0.0004, "<0.1"), (0.001, "0.1"), (0.5, "50.0"), (0.9696, "97.0"), (0.9991, ">99.9"), (1, "100.0")],
)
def test_percent_never_claims_certainty_it_has_not(share, text):
    assert wording.percent(share) == text + "\u00a0%"


def test_headline_and_explanation():
    assert wording.headline(SURE) == "Neutrophil"
    assert "97.0\u00a0% sure" in wording.explanation(SURE)
    assert "lymphocyte with 2.0\u00a0%" in wording.explanation(SURE)
    assert wording.headline(CLOSE) == "Monocyte or lymphocyte?"
    for part in ("monocyte 50.0\u00a0%", "lymphocyte 40.0\u00a0%", "Look yourself"):
        assert part in wording.explanation(CLOSE)
    assert wording.headline(NONE) == "No white cell found"
    assert wording.explanation(NONE) == f"{wording.NOTHING_LIKE_IT} {wording.NO_CELL_ADVICE}"
    dark = dataclasses.replace(NONE, reason="the picture is nearly black")
    assert wording.explanation(dark) == f"The picture is nearly black. {wording.NO_CELL_ADVICE}"


def test_an_unknown_verdict_is_an_error_and_no_guess():
    with pytest.raises(KeyError):
        wording.verdict_html(dataclasses.replace(SURE, verdict="unheard-of"))


@ALL
def test_verdict_html_holds_the_words(prediction):
    text = "".join(Outline(wording.verdict_html(prediction)).text)
    assert wording.headline(prediction) in text
    assert wording.explanation(prediction) in text
    assert ("not a diagnosis" in text) == (prediction.verdict != "no_cell")


@pytest.mark.parametrize("prediction", [SURE, CLOSE], ids=["confident", "review"])
def test_bars_have_name_number_and_meter_in_order(prediction):
    outline = Outline(wording.bars_html(prediction))
    assert [row["data-type"] for row in outline.find("li")] == list(CELL_TYPES)
    meters = [attrs for attrs in outline.find("span") if attrs.get("role") == "meter"]
    assert [meter["aria-label"].lower() for meter in meters] == list(CELL_TYPES)
    assert sum(float(meter["aria-valuenow"]) for meter in meters) == pytest.approx(100, abs=0.02)
    numbers = [wording.percent(share) for share in prediction.probabilities.values()]
    assert [meter["aria-valuetext"] for meter in meters] == numbers
    assert [text for text in outline.text if text.endswith("%")] == numbers


@pytest.mark.parametrize("prediction", [None, NONE], ids=["no picture", "no cell"])
def test_bars_are_empty_without_a_cell(prediction):
    html = wording.bars_html(prediction)
    assert "meter" not in html
    assert "%" not in "".join(Outline(html).text)
    assert html == wording.bars_html()


def test_cards_belong_to_the_answer():
    def names(prediction):
        return [text for text in Outline(wording.cards_html(prediction)).text if text.lower() in CELL_TYPES]

    assert names(SURE) == ["Neutrophil"]
    assert names(CLOSE) == ["Monocyte", "Lymphocyte"]
    assert wording.cards_html(NONE) == wording.cards_html(None) == ""


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_card_holds_every_fact_and_source(cell):
    outline = Outline(wording.card_html(cell))
    text = "".join(outline.text)
    facts = [cell.summary, cell.role, cell.nucleus, cell.cytoplasm, cell.granules, cell.lifespan, RANGE_NOTE]
    for fact in [*facts, *cell.raised_in, *cell.lowered_in]:
        assert fact in text
    assert f"{cell.size_um[0]:g}–{cell.size_um[1]:g} µm" in text
    assert f"{cell.share_percent[0]:g}–{cell.share_percent[1]:g} %" in text
    assert f"{cell.absolute_per_litre[0]:g}–{cell.absolute_per_litre[1]:g} × 10⁹ per litre" in text
    assert [link["href"] for link in outline.find("a")] == [
        REFERENCES[key].url for key in cell.references if REFERENCES[key].url
    ]
    assert all(link["rel"] == "noopener noreferrer" for link in outline.find("a"))
    assert all(REFERENCES[key].title in text for key in cell.references)


def test_nothing_gets_through_unescaped():
    evil = "<img src=x onerror=alert(1)>\"'&"
    fields = {field.name: evil for field in dataclasses.fields(CELLS["monocyte"]) if field.type is str}
    cell = dataclasses.replace(CELLS["monocyte"], **fields, raised_in=(evil,), lowered_in=(evil,))
    for html in (wording.card_html(cell), wording.message_html(evil, evil, evil, evil, evil)):
        assert Outline(html).find("img") == []
        assert "<img" not in html


def test_the_disclaimer_is_whole():
    assert NOT_A_MEDICAL_DEVICE in "".join(Outline(wording.disclaimer_html()).text)


@ALL
def test_picture_text_says_what_is_marked(prediction):
    text = wording.picture_text(prediction)
    assert ("box" in text) == (prediction.box is not None)
    assert all(name in text for name in wording.shown_types(prediction))


def test_a_cell_among_many_in_few_words():
    assert wording.short(SURE) == "neutrophil 97.0\u00a0%"
    assert wording.short(CLOSE) == "monocyte or lymphocyte? 50.0\u00a0%"
    assert wording.short(dataclasses.replace(SURE, verdict="unfamiliar")) == "unfamiliar, nearest to neutrophil"
    assert wording.short(NONE) == "no white cell"


def test_a_cut_cell_is_told():
    for prediction in (SURE, CLOSE):
        assert wording.CUT_NOTE not in wording.explanation(prediction)
        assert wording.CUT_NOTE in wording.explanation(dataclasses.replace(prediction, cut=True))
