"""Photos that are paler or darker than most: by their stain, their exposure, a screen, or the eyepiece around them."""

import cv2
import numpy as np
import pytest

from leukoscope import CELL_TYPES
from leukoscope.locate import PALE, STRENGTHS, locate
from leukoscope.preprocess import Framing, frame
from leukoscope.redcells import red_cell_density
from leukoscope.restain import RED_CELL
from leukoscope.stain import BLACK, Stain, glass_colour, strengthened
from leukoscope.synthetic import draw_photo

FRAMING = Framing("cell", 64, 2.2, glass=235.0, stain=True)


def hazy(photo: np.ndarray, left: float) -> np.ndarray:
    """As behind mist, or through a lens that light falls into: so much of the contrast is left."""
    return (255 - (255 - photo.astype(float)) * left).astype(np.uint8)


def brightened(photo: np.ndarray) -> np.ndarray:
    return (255 * (photo / 255.0) ** 0.5).astype(np.uint8)


def in_an_eyepiece(photo: np.ndarray, level: int, radius: int) -> np.ndarray:
    """As a telephone sees it: a round field, and around it what is dark but not black."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width]
    outside = np.hypot(y - height / 2, x - width / 2) > radius
    picture = photo.copy()
    picture[outside] = (level + np.random.default_rng(0).normal(0, 3, (int(outside.sum()), 3))).clip(0, 255)
    return picture


def red_density(photo: np.ndarray) -> float | None:
    return red_cell_density(*Stain(glass_colour(photo)).measure(photo, 1.0))


@pytest.mark.parametrize("cell_type", CELL_TYPES)
@pytest.mark.parametrize("seed", range(2))
def test_the_cell_of_a_pale_photo_is_found_and_framed_as_if_it_were_not(cell_type, seed):
    photo, _ = draw_photo([cell_type], seed=seed)
    (cell,) = locate(photo)
    assert cell.strength == 1.0
    pale = hazy(photo, 0.4)
    (found,) = locate(pale)
    assert PALE < found.strength <= STRENGTHS[1]
    np.testing.assert_allclose(found.box, cell.box, atol=6)
    assert found.nucleus_px == pytest.approx(cell.nucleus_px, rel=0.08)
    seen, usual = (frame(each, FRAMING, one).astype(int) for each, one in ((pale, found), (photo, cell)))
    assert np.abs(seen - usual).mean() < 12
    weak, double = (frame(pale, FRAMING, found._replace(strength=strength)) for strength in (1.0, 2.0))
    assert np.abs(weak.astype(int) - usual).mean() > 12
    assert (weak != double).any()


def test_most_cells_of_pale_photos_get_the_same_answer(classifier):
    photos = [draw_photo([cell_type], seed=seed)[0] for cell_type in CELL_TYPES for seed in range(10)]
    pairs = zip(classifier.predict_batch(photos), classifier.predict_batch(hazy(p, 0.4) for p in photos), strict=True)
    assert sum(usual.label == pale.label for usual, pale in pairs) >= 0.75 * len(photos)


def test_what_a_pale_photo_lacks_is_not_found():
    for seed in range(10):
        assert locate(hazy(draw_photo([], seed=seed)[0], 0.4)) == []


def test_a_photo_in_which_something_is_found_is_left_as_it_is():
    both, _ = draw_photo(["neutrophil", "monocyte"], seed=1)
    assert {cell.strength for cell in locate(both)} == {1.0}


@pytest.mark.parametrize("level", [20, 35, 50])
@pytest.mark.parametrize("seed", range(3))
def test_around_an_eyepieces_field_it_is_seldom_quite_black(level, seed):
    photo, _ = draw_photo(["lymphocyte"], seed=seed)
    (cell,) = locate(photo)
    (x0, y0, x1, y1), (height, width) = cell.box, photo.shape[:2]
    photo = np.roll(photo, (height // 2 - (y0 + y1) // 2, width // 2 - (x0 + x1) // 2), axis=(0, 1))
    (black,), (dark,) = (locate(in_an_eyepiece(photo, each, height * 2 // 5)) for each in (0, level))
    np.testing.assert_allclose(dark.box, black.box, atol=3)
    assert dark.red_cell_px == pytest.approx(black.red_cell_px, rel=0.2)


def test_the_density_of_red_cells_does_not_count_nuclei_and_falls_with_the_contrast():
    alone, with_white = draw_photo([], seed=3)[0], draw_photo(["neutrophil", "monocyte", "lymphocyte"], seed=3)[0]
    usual = red_density(alone)
    assert 0.15 < usual < 0.5
    assert red_density(with_white) == pytest.approx(usual, rel=0.3)  # cytoplasm counts
    assert red_density(hazy(alone, 0.4)) < 0.5 * usual


def test_where_nothing_is_red_no_density_is_known():
    assert red_density(np.full((100, 120, 3), 220, np.uint8)) is None
    assert red_density(np.zeros((100, 120, 3), np.uint8)) is None
    blue = np.full((100, 120, 3), 230, np.uint8)
    cv2.circle(blue, (60, 50), 20, (110, 60, 160), -1)
    assert red_density(blue) is None


def test_haze_is_taken_away_by_as_much_as_there_is():
    glass = np.full(3, 255.0)
    photo = np.random.default_rng(0).integers(BLACK, 256, (20, 30, 3)).astype(np.uint8)
    assert np.abs(strengthened(hazy(photo, 0.4), glass, 2.5).astype(int) - photo).max() <= 3
    assert np.abs(strengthened(photo, glass, 1.0).astype(int) - photo).max() == 0
    photo[:2] = 5
    stronger = strengthened(photo, glass, 2.5)
    np.testing.assert_array_equal(stronger[:2], photo[:2])
    assert stronger[2:].min() == BLACK, "what is black is taken for no stain"


@pytest.mark.parametrize("paler", [brightened, lambda photo: hazy(photo, 0.4)], ids=["brightened", "hazy"])
def test_real_photos_that_are_pale(blood_cells, paler, classifier):
    from leukoscope.images import read_image

    files = sorted((blood_cells / "dataset-master/dataset-master/JPEGImages").glob("*.jpg"))[::3]
    photos = [photo for photo in map(read_image, files) if len(locate(photo)) == 1]
    assert len(photos) > 100
    answers = [(classifier.predict(photo), classifier.predict(paler(photo))) for photo in photos]
    assert all(pale.label for _, pale in answers)
    same = [usual.label == pale.label for usual, pale in answers]
    assert sum(same) >= 0.9 * len(same)


def test_red_cells_alone_stay_nothing_when_they_are_pale(blood_cells):
    from training.rejection import patches

    pale = [hazy(patch, 0.4) for patch, _ in zip(patches(blood_cells), range(60), strict=False)]
    assert sum(bool(locate(patch)) for patch in pale) <= 1
    strengths = [RED_CELL[1] / density for patch in pale if (density := red_density(patch))]
    assert np.median(strengths) > 2
