import cv2
import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.locate import locate, principal_cell
from leukoscope.stain import glass_colour, nucleus_density
from leukoscope.synthetic import draw_cell, draw_photo


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return width * height / (area(a) + area(b) - width * height)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_cell_is_found_where_it_is(cell_type, seed):
    photo, drawn = draw_photo([cell_type], seed=seed)
    found = locate(photo)
    assert len(found) == 1
    assert overlap(found[0].box, drawn[0].box) > 0.5


def test_several_cells_are_found_each_once():
    photo, drawn = draw_photo(["neutrophil", "lymphocyte", "monocyte"], seed=4, width=900, height=700)
    found = locate(photo)
    assert len(found) == 3
    assert all(max(overlap(cell.box, d.box) for cell in found) > 0.4 for d in drawn)


@pytest.mark.parametrize("seed", range(5))
def test_red_cells_alone_give_no_cell(seed):
    photo, _ = draw_photo([], seed=seed)
    assert locate(photo) == []
    assert principal_cell(photo) is None


@pytest.mark.parametrize(
    "picture",
    [
        np.full((100, 100, 3), 255, np.uint8),
        np.zeros((100, 100, 3), np.uint8),
        np.full((24, 24, 3), (230, 210, 200), np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8),
    ],
    ids=["white", "black", "flat", "noise"],
)
def test_pictures_without_any_cell_give_none(picture):
    assert locate(picture) == []


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.0])
def test_the_box_scales_with_the_picture(factor):
    photo, _ = draw_photo(["eosinophil"], seed=1)
    before = principal_cell(photo)
    scaled = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    after = principal_cell(scaled)
    assert overlap(tuple(v * factor for v in before.box), after.box) > 0.8
    assert after.nucleus_px == pytest.approx(before.nucleus_px * factor, rel=0.12)


def test_white_balance_does_not_move_the_box():
    photo = draw_cell("neutrophil", seed=3)
    yellow = np.clip(photo * np.array([1.0, 0.93, 0.75]), 0, 255).astype(np.uint8)
    assert overlap(principal_cell(photo).box, principal_cell(yellow).box) > 0.8


def test_boxes_stay_inside_the_picture():
    photo = draw_cell("monocyte", seed=0, size=240)[60:180, 60:180]
    x0, y0, x1, y1 = principal_cell(photo).box
    assert 0 <= x0 < x1 <= 120
    assert 0 <= y0 < y1 <= 120


def test_density_is_measured_against_the_glass():
    image = np.full((64, 64, 3), (240, 220, 200), np.uint8)
    image[20:44, 20:44] = (120, 60, 150)
    np.testing.assert_allclose(glass_colour(image), (240, 220, 200))
    density = nucleus_density(image)
    assert density[32, 32] == pytest.approx(np.log(220 / 60) - np.log(200 / 150), abs=0.02)
    assert abs(density[2, 2]) < 0.01


def test_real_photos_every_annotated_cell_is_hit(blood_cells):
    """The principal cell overlaps an annotated white cell in all but a few photos (some boxes are wrong)."""
    import xml.etree.ElementTree as ET

    root = blood_cells / "dataset-master/dataset-master"
    hits = []
    for file in sorted((root / "Annotations").glob("*.xml"))[::4]:
        boxes = [
            [int(obj.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax")]
            for obj in ET.parse(file).iter("object")
            if obj.find("name").text == "WBC"
        ]
        picture = cv2.imread(str(root / "JPEGImages" / f"{file.stem}.jpg"))
        if boxes and picture is not None:
            cell = principal_cell(picture[..., ::-1])
            hits.append(cell is not None and max(overlap(cell.box, box) for box in boxes) > 0.5)
    assert len(hits) > 80
    assert np.mean(hits) > 0.97


@pytest.mark.parametrize("types", [["neutrophil"], ["lymphocyte"], ["monocyte", "eosinophil"], []])
def test_a_glance_finds_what_a_closer_look_does(types, monkeypatch):
    """One plain nucleus is found on the smallest copy alone; where there is doubt the larger one is searched."""
    from leukoscope import locate as module

    searched = []
    search = module._search

    def watched(copies, *args, **kwargs):
        found = search(copies, *args, **kwargs)
        searched.append(max(copies[-1].shape))
        return found

    monkeypatch.setattr(module, "_search", watched)
    photo, _ = draw_photo(types, seed=3, width=640, height=480, red_cell_px=96.0)
    found = locate(photo)
    assert searched == ([80] if len(types) == 1 else [80, 160])
    monkeypatch.setattr(module, "_plain", lambda diameters, least: False)
    closer = locate(photo)
    assert len(found) == len(closer) == len(types)
    assert all(overlap(a.box, b.box) > 0.95 for a, b in zip(found, closer, strict=True))


def test_blurs_are_those_of_opencv():
    from leukoscope.stain import _gaussian

    noise = np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8)
    for sigma in (0.8, 1.2, 1.6, 2.4):
        kernel = _gaussian(sigma)
        ours = cv2.sepFilter2D(noise, -1, kernel, kernel).astype(int)
        difference = np.abs(ours - cv2.GaussianBlur(noise, (0, 0), sigma))
        assert difference.max() <= 1
        assert difference.mean() < 0.001
