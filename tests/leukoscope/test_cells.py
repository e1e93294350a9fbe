"""The cards: order, ranges, references, colours and wording."""

import ast
import dataclasses
import inspect
import re

import pytest

from leukoscope.biology import cells
from leukoscope.biology.cells import CELL_TYPES, CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.biology.references import REFERENCES

ALL = pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
# Of the first palette four can be seen on white and on black; of Tol's "bright" one, one more keeps apart from these.
COLOUR_BLIND_SAFE = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#AA3377"}
PROSE = ("summary", "role", "nucleus", "cytoplasm", "granules", "lifespan")
NO_FACT = {"name", "plural", "fitting", "colour", "sources"}


def texts(cell):
    """Every piece of text on a card."""
    return [getattr(cell, name) for name in PROSE] + [*cell.raised_in, *cell.lowered_in]


def sentences(text):
    return [part for part in re.split(r"(?<=\.)\s+", text) if part]


def contrast(colour, other):
    """WCAG 2 contrast ratio of two hex colours."""

    def luminance(code):
        channels = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_order_and_names():
    assert CELL_TYPES == ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
    assert tuple(CELLS) == CELL_TYPES
    assert tuple(cell.name for cell in CELLS.values()) == CELL_TYPES
    assert [cell.plural for cell in CELLS.values()] == [name + "s" for name in CELL_TYPES]


def test_module_is_data_only():
    tree = ast.parse(inspect.getsource(cells))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert imported <= {"dataclasses", "typing"}


def test_cards_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CELLS["monocyte"].share_percent = (0, 100)
    with pytest.raises(dataclasses.FrozenInstanceError):
        REFERENCES["orfanakis"].url = None
    assert len(set(CELLS.values())) == len(CELLS)


@pytest.mark.parametrize(
    ("name", "size", "share", "absolute"),
    [
        ("eosinophil", (10, 17), (1, 4), (0, 0.70)),
        ("lymphocyte", (7, 10), (20, 40), (1.5, 4.0)),
        ("monocyte", (12, 20), (2, 8), (0.20, 0.95)),
        ("neutrophil", (12, 15), (40, 60), (1.83, 7.25)),
    ],
)
def test_ranges_are_the_published_ones(name, size, share, absolute):
    cell = CELLS[name]
    assert cell.size_um == size
    assert cell.share_percent == share
    assert cell.absolute_per_litre == absolute


def test_each_type_has_a_first_letter_of_its_own_that_is_its_key_on_the_page():
    letters = {name[0] for name in CELLS}
    assert len(letters) == len(CELLS)
    assert "u" not in letters, "U takes a decision back"


@ALL
def test_low_is_below_high(cell):
    for low, high in (cell.size_um, cell.share_percent, cell.absolute_per_litre):
        assert 0 <= low < high


def test_shares_leave_room_for_a_whole_and_rank_as_the_counts_do():
    assert sum(cell.share_percent[0] for cell in CELLS.values()) <= 100
    assert sum(cell.share_percent[1] for cell in CELLS.values()) >= 100
    by_share = sorted(CELLS, key=lambda name: CELLS[name].share_percent)
    by_count = sorted(CELLS, key=lambda name: CELLS[name].absolute_per_litre)
    assert by_share == by_count == ["eosinophil", "monocyte", "lymphocyte", "neutrophil"]


@ALL
def test_no_field_is_empty(cell):
    for item in dataclasses.fields(cell):
        assert getattr(cell, item.name), item.name
    assert all(text.strip() == text != "" for text in texts(cell))


@ALL
def test_every_fact_names_a_source(cell):
    facts = {item.name for item in dataclasses.fields(cell)} - NO_FACT
    assert set(cell.sources) == facts
    assert all(cell.sources.values())


@ALL
def test_every_reference_key_resolves(cell):
    assert set(cell.references) <= set(REFERENCES)
    assert len(set(cell.references)) == len(cell.references)
    assert set(cell.references) == {key for keys in cell.sources.values() for key in keys}


def test_every_reference_is_used():
    assert {key for cell in CELLS.values() for key in cell.references} == set(REFERENCES)


@pytest.mark.parametrize("key", REFERENCES)
def test_reference_is_complete(key):
    reference = REFERENCES[key]
    assert reference.title.strip()
    assert sentences(reference.supports) == [reference.supports]
    assert reference.url is None or re.fullmatch(r"https://[\w.-]+\.\w+/\S+", reference.url)


def test_addresses_are_distinct():
    urls = [reference.url for reference in REFERENCES.values() if reference.url]
    assert len(set(urls)) == len(urls)


def test_colours_are_distinct_and_colour_blind_safe():
    colours = [cell.colour for cell in CELLS.values()]
    assert len(set(colours)) == len(CELLS)
    assert set(colours) <= COLOUR_BLIND_SAFE


@ALL
def test_colour_is_visible_on_white_and_on_black(cell):
    assert re.fullmatch(r"#[0-9A-F]{6}", cell.colour)
    assert contrast(cell.colour, "#FFFFFF") >= 3
    assert contrast(cell.colour, "#000000") >= 3


@ALL
def test_every_number_in_the_text_has_its_unit(cell):
    number = r"\d+(?:\.\d+)?(?: to \d+(?:\.\d+)?)?"
    for text in texts(cell):
        for found in re.finditer(rf"(?<![\w.]){number}", text):
            assert re.match(r" (µm|hours|days|years|lobes)\b", text[found.end() :]), text


@ALL
def test_lifespan_is_a_time(cell):
    assert re.search(r"\b(hours|days|years)\b", cell.lifespan)


@ALL
def test_units_are_spelled_one_way(cell):
    for text in [*texts(cell), cells.CellType.__doc__]:
        # The Greek mu looks like the micro sign and breaks a search for it.
        assert "\u03bc" not in text
        assert not re.search(r"\d ?(um|microns?|mcL|hrs?|h|d)\b", text)


def test_ranges_document_their_units():
    for unit in ("µm", "%", "10^9/L"):
        assert unit in cells.CellType.__doc__


@ALL
def test_prose_is_sentences(cell):
    for name in PROSE:
        text = getattr(cell, name)
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
    assert len(sentences(cell.summary)) == 1
    assert 2 <= len(sentences(cell.role)) <= 3
    assert cell.role.count(cell.plural) >= 1 or cell.plural.capitalize() in cell.role
    assert not any("!" in text for text in texts(cell))


@ALL
def test_no_cause_both_raises_and_lowers(cell):
    assert not set(cell.raised_in) & set(cell.lowered_in)
    for causes in (cell.raised_in, cell.lowered_in):
        assert len(set(causes)) == len(causes)
        assert not any(cause.endswith(".") for cause in causes)


def test_notes_say_what_they_must():
    assert len(sentences(RANGE_NOTE)) == 1
    assert "adults" in RANGE_NOTE
    assert "every laboratory uses its own ranges" in RANGE_NOTE
    assert len(sentences(NOT_A_MEDICAL_DEVICE)) <= 2
    for words in ("teaching and research", "not a medical device", "Do not use it for diagnosis"):
        assert words in NOT_A_MEDICAL_DEVICE
