import io
from datetime import date

import numpy as np
import pytest
from pypdf import PdfReader

from leukoscope.cells import CELL_TYPES, NOT_A_MEDICAL_DEVICE
from leukoscope.classifier import Prediction
from leukoscope.differential import NOT_COUNTED, Differential
from leukoscope.report import MOST_THUMBNAILS, THUMBNAIL_PX, cells_to_show, thumbnail, to_bytes, write_report

DAY = date(2024, 2, 29)


def cell(label, verdict="confident") -> Prediction:
    return Prediction(label, {n: 0.97 if n == label else 0.01 for n in CELL_TYPES}, 0.97, (0, 0, 9, 9), verdict)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def page_of(content: bytes):
    (page,) = PdfReader(io.BytesIO(content)).pages
    assert [round(float(v)) for v in page.mediabox[2:]] == [595, 842], "A4"
    return page


def test_the_page_holds_the_count(tmp_path):
    counted = Differential.from_predictions(
        [("one.png", [cell("neutrophil")] * 60 + [cell("lymphocyte")] * 37), ("two.png", [cell("monocyte", "review")])]
    ).reclassify("two.png", 1, NOT_COUNTED)
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
        "Counted 97 cells in 2 photos.",
        "none of the four",
        "none *",
        " ".join(NOT_A_MEDICAL_DEVICE.split()),
    ):
        assert expected in words, expected
    assert len(page.images) == len(shown)


def test_no_cells_and_no_pictures_still_make_a_page():
    page = page_of(to_bytes(Differential(("a.png",)), {}, model="embedded", made_on=DAY))
    assert "Counted 0 cells in 1 photo." in page.extract_text()
    assert not page.images


def test_ten_thousand_cells_stay_on_one_page():
    names = [f"photo-{i}.png" for i in range(1000)]
    counted = Differential.from_predictions((n, [cell(CELL_TYPES[i % 4]) for i in range(10)]) for n in names)
    chosen = cells_to_show(counted)
    assert len(chosen) == MOST_THUMBNAILS
    assert {c.type for c in chosen} == set(CELL_TYPES), "every type keeps its share of the thumbnails"
    shown = {(c.photo, c.number): picture(i) for i, c in enumerate(chosen)}
    page = page_of(to_bytes(counted, shown, model="embedded", made_on=DAY))
    assert "10,000" in page.extract_text()
    assert 30 < len(page.images) <= MOST_THUMBNAILS
    assert "of 10,000 cells" in page.extract_text()


@pytest.mark.parametrize("name", ["血液 🩸.png", "a\x00\x1b[31m\nb.png", "x" * 3000, "\u202egnp.exe", "Müller.png"])
def test_any_name_goes_on_the_page(name):
    counted = Differential.from_predictions([(name, [cell("neutrophil")])])
    page_of(to_bytes(counted, {(name, 1): picture(0)}, model=name, made_on=DAY))


def test_a_thumbnail_shows_the_cell_in_its_middle():
    image = np.full((300, 400, 3), 200, np.uint8)
    image[100:160, 50:110] = (90, 40, 150)
    small = thumbnail(image, (50, 100, 110, 160))
    assert small.shape == (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    middle = THUMBNAIL_PX // 2
    assert tuple(small[middle, middle]) == (90, 40, 150)
    assert tuple(small[3, 3]) == (200, 200, 200)
    assert tuple(thumbnail(image, (0, 0, 60, 60))[3, 3]) == (0, 0, 0), "black where the photo ends"
    assert thumbnail(image, None).shape == small.shape
