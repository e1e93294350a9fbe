import io
import re
from datetime import date

import numpy as np
import pytest
from pypdf import PdfReader

from leukoscope.biology.cells import CELL_TYPES, CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.counting.differential import NOT_COUNTED, Differential
from leukoscope.model.prediction import Prediction
from leukoscope.showing.pictured import MOST_PICTURED, THUMBNAIL_PX, cells_to_show, thumbnail
from leukoscope.showing.report import LABELS, WIDTH, Notes, to_bytes, write_report

DAY = date(2024, 2, 29)


def cell(label, verdict="confident", confidence=0.97) -> Prediction:
    rest = (1 - confidence) / 3
    return Prediction(
        label, {n: confidence if n == label else rest for n in CELL_TYPES}, confidence, (0, 0, 9, 9), verdict
    )


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def page_of(content: bytes):
    (page,) = PdfReader(io.BytesIO(content)).pages
    assert [round(float(v)) for v in page.mediabox[2:]] == [595, 842], "A4"
    return page


def test_the_page_holds_the_count(tmp_path):
    fields = [
        ("one.png", [cell("neutrophil")] * 60 + [cell("lymphocyte")] * 37),
        ("two.png", [cell("monocyte", "review", 0.6), cell("monocyte", "unfamiliar"), cell("eosinophil", "review")]),
    ]
    counted = Differential.from_predictions(fields).reclassify("two.png", 3, NOT_COUNTED)
    shown = {(c.photo, c.number): picture(i) for i, c in enumerate(cells_to_show(counted))}
    write_report(tmp_path / "out.pdf", counted, shown, model="tester/name@abc", made_on=DAY)
    page = page_of((tmp_path / "out.pdf").read_bytes())
    words = " ".join(page.extract_text().split())
    for expected in (
        "2024-02-29",
        "one.png, two.png",
        "tester/name@abc",
        "61.9 %",  # 60 of 97
        "51.4 - 71.5 %",  # its Clopper-Pearson limits
        "40 - 60 %",
        "undecided: 1 to review, 1 unfamiliar; 1 none of the four",
        *counted.sentences(),
        "Undecided 2 monocyte? unfamiliar",
        "None of the four 1 by a person",
        "97.0 %",
        RANGE_NOTE,
        NOT_A_MEDICAL_DEVICE,
    ):
        assert " ".join(expected.split()) in words, expected
    assert len(page.images) == len(shown)
    assert [row.flag for row in counted.rows()] == ["open", "open", "open", "open"]


def test_what_a_person_says_stands_on_the_page_and_a_long_comment_leaves_it_one():
    counted = Differential.from_predictions([("a.png", [cell("neutrophil")])])
    notes = Notes("Smear 12\nB", "A. Reader", "thick " * 400)
    words = page_of(to_bytes(counted, {}, model="m", made_on=DAY, notes=notes)).extract_text()
    assert "Sample: Smear 12 B" in words
    assert "Reader: A. Reader" in words
    assert "Comment: thick thick" in words
    assert NOT_A_MEDICAL_DEVICE in words
    plain = page_of(to_bytes(counted, {}, model="m", made_on=DAY)).extract_text()
    assert not any(title in plain for title in ("Sample:", "Reader:", "Comment:"))


def test_many_undecided_cells_leave_shares_open_on_the_page():
    counted = Differential.from_predictions(
        [("a.png", [cell("lymphocyte")] * 300 + [cell("monocyte", "review")] * 100)]
    )
    words = " ".join(page_of(to_bytes(counted, {}, model="m", made_on=DAY)).extract_text().split())
    assert "75.0 - 100.0 %" in words
    assert "Least - most" in words
    assert "95 %" not in words.split("Lines:")[0]
    assert not {"above", "below", "within"} & set(words.split())


def test_a_share_outside_the_adult_range_is_flagged():
    counted = Differential.from_predictions([("a.png", [cell("lymphocyte")] * 400)])
    words = page_of(to_bytes(counted, {}, model="embedded", made_on=DAY)).extract_text().split()
    assert words.count("below") == 3, "no cell in 400 is too few of all three other types"
    assert words.count("above") == 1


def test_bars_limits_and_bands_are_drawn_where_they_belong():
    """The rectangles of the page, read back: as long as the shares, in each type's own colour."""
    counted = Differential.from_predictions([("a.png", [cell("neutrophil")] * 60 + [cell("lymphocyte")] * 40)])
    content = page_of(to_bytes(counted, {}, model="embedded", made_on=DAY)).get_contents().get_data().decode("latin-1")
    scale = (WIDTH - LABELS - 4) / 100 * 72 / 25.4  # pt for one percent
    for row in counted.rows():
        colour = " ".join(f"{int(CELLS[row.cell_type].colour[i : i + 2], 16) / 255:.3f}"[:5] for i in (1, 3, 5))
        widths = [
            float(width)
            for red, green, blue, width in re.findall(
                r"([\d.]+) ([\d.]+) ([\d.]+) rg\s+[\d.]+ [\d.]+ ([\d.]+) -?[\d.]+ re", content
            )
            if all(abs(float(a) - float(b)) < 0.006 for a, b in zip((red, green, blue), colour.split(), strict=True))
        ]
        assert len(widths) == 2, "the swatch in the table and the bar"
        assert widths[1] == pytest.approx(row.percent * scale, abs=0.1)


def test_no_cells_and_no_pictures_still_make_a_page():
    page = page_of(to_bytes(Differential(("a.png",)), {}, model="embedded", made_on=DAY))
    assert "Counted 0 cells in 1 photo." in page.extract_text()
    assert not page.images


def test_ten_thousand_cells_stay_on_one_page():
    names = [f"photo-{i}.png" for i in range(1000)]
    counted = Differential.from_predictions((n, [cell(CELL_TYPES[i % 4]) for i in range(10)]) for n in names)
    chosen = cells_to_show(counted)
    assert len(chosen) == MOST_PICTURED
    assert {c.type for c in chosen} == set(CELL_TYPES), "every type keeps its share of the thumbnails"
    shown = {(c.photo, c.number): picture(i) for i, c in enumerate(chosen)}
    page = page_of(to_bytes(counted, shown, model="embedded", made_on=DAY))
    assert "10,000" in page.extract_text()
    assert len(page.images) == MOST_PICTURED
    assert "20 of 3,000 shown" in page.extract_text()


def test_groups_share_the_rows_and_none_is_left_out():
    predictions = [cell("neutrophil")] * 500 + [cell("lymphocyte")] * 30 + [cell("eosinophil")] * 2
    predictions += [cell("monocyte")] * 9 + [cell("monocyte", "review")] * 40 + [cell("monocyte", "unfamiliar")]
    counted = Differential.from_predictions([("a.png", predictions)]).reclassify("a.png", 1, NOT_COUNTED)
    shown = cells_to_show(counted)
    types = [c.type for c in shown]
    assert [types.count(name) for name in CELL_TYPES] == [2, 10, 9, 10]
    assert sum(c.undecided for c in shown) == 10
    assert sum(c.corrected == NOT_COUNTED for c in shown) == 1
    pictures = {(c.photo, c.number): picture(i) for i, c in enumerate(shown)}
    page = page_of(to_bytes(counted, pictures, model="embedded", made_on=DAY))
    assert len(page.images) == len(shown), "six groups fit on the page"
    noted = page_of(to_bytes(counted, pictures, model="m", made_on=DAY, notes=Notes("a", "b", "c")))
    assert len(noted.images) == len(shown), "with notes, too"
    assert len(page_of(to_bytes(counted, dict(list(pictures.items())[:5]), model="m", made_on=DAY)).images) == 5


@pytest.mark.parametrize(
    "name",
    [
        "血液 🩸.png",
        "دم.png",
        "क्षि.png",
        "a\x00\x1b[31m\nb.png",
        "x" * 3000,
        "\u202egnp.exe",
        "\udce9.png",
        "(\\) Tj",
        "",
    ],
)
def test_any_name_goes_on_the_page(name):
    counted = Differential.from_predictions([(name, [cell("neutrophil")])])
    page = page_of(to_bytes(counted, {(name, 1): picture(0)}, model=name, made_on=DAY))
    text = page.extract_text()
    assert "Counted 1 cell in 1 photo." in text
    assert not [c for c in text if ord(c) < 32 and c != "\n"], "no control character"
    assert len(page.images) == 1


def test_letters_of_other_scripts_are_told_apart_and_explained():
    counted = Differential.from_predictions([("血液 🩸.png", [cell("neutrophil")])])
    page = page_of(to_bytes(counted, {}, model="m", made_on=DAY))
    text = page.extract_text()
    assert r"Photos: \u8840\u6db2 \U0001fa78.png" in text
    assert r"\u.... in a name: a letter that this page's fonts lack, by its Unicode number." in text
    named = page_of(to_bytes(counted, {}, model="模型", made_on=DAY)).extract_text()
    assert r"model \u6a21\u578b" in named


def test_names_in_scripts_of_its_font_are_written_out():
    names = ["Γρηγόρης", "Лейкоцит", "Žluťoučký", "Nguyễn", "Հայ", "ქართ"]
    counted = Differential.from_predictions([(f"{' '.join(names)}.png", [cell("neutrophil")])])
    content = to_bytes(counted, {}, model="модель", made_on=DAY)
    text = page_of(content).extract_text()
    for name in (*names, "model модель"):
        assert name in text
    assert "in a name" not in text
    assert content == to_bytes(counted, {}, model="модель", made_on=DAY)
    assert len(content) < len(to_bytes(counted, {}, model="m", made_on=DAY)) + 40_000, "the letters in use alone"


def test_letters_that_its_font_lacks_stand_beside_those_that_it_has():
    counted = Differential.from_predictions([("Кровь 血.png", [cell("neutrophil")])])
    text = page_of(to_bytes(counted, {}, model="m", made_on=DAY)).extract_text()
    assert r"Кровь \u8840.png" in text
    assert "a letter that this page's fonts lack" in text


def test_a_name_of_the_west_is_written_out():
    counted = Differential.from_predictions([("Müller \u2013 (1).png", [cell("neutrophil")])])
    text = page_of(to_bytes(counted, {}, model="m", made_on=DAY)).extract_text()
    assert "Müller - (1).png" in text
    assert "in a name" not in text


def test_a_thumbnail_shows_the_cell_in_its_middle():
    image = np.full((300, 400, 3), 200, np.uint8)
    image[100:160, 50:110] = (90, 40, 150)
    small = thumbnail(image, (50, 100, 110, 160))
    assert small.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    middle = THUMBNAIL_PX // 2
    assert tuple(small[middle, middle]) == (90, 40, 150)
    assert tuple(small[3, 3]) == (200, 200, 200)
    assert tuple(thumbnail(image, (0, 0, 60, 60))[3, 3]) == (255, 255, 255), "white where the photo ends"
    assert tuple(thumbnail(image, (0, 0, 60, 60))[middle, middle]) == (200, 200, 200)


@pytest.mark.parametrize(
    "box", [None, (0, 0, 400, 300), (0, 0, 1, 1), (399, 299, 400, 300), (0, 0, 10**9, 10**9), (900, 900, 950, 950)]
)
def test_a_thumbnail_of_any_box_has_one_size(box):
    image = np.full((300, 400, 3), 200, np.uint8)
    small = thumbnail(image, box)
    assert small.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    assert (small == 200).any()
