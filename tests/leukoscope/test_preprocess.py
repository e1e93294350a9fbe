import cv2
import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.locate import Cell, principal_cell
from leukoscope.preprocess import Framing, Normalisation, frame, is_flat, normalise
from leukoscope.synthetic import draw_photo


def noise(height=100, width=120) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, (height, width, 3), dtype=np.uint8)


def test_a_cell_framed_at_its_own_scale_is_copied_unchanged():
    image = noise()
    crop = frame(image, Framing("cell", 40, 2.0), Cell((40, 30, 60, 50), 20.0))
    np.testing.assert_array_equal(crop, image[20:60, 30:70])


def test_scale_follows_the_nucleus():
    """A photo twice as large gives the same crop, but for resampling."""
    photo, _ = draw_photo(["monocyte"], seed=2)
    cell = principal_cell(photo)
    double = Cell(tuple(2 * v for v in cell.box), 2 * cell.nucleus_px)
    large = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    framing = Framing("cell", 64, 2.4)
    difference = np.abs(frame(photo, framing, cell).astype(int) - frame(large, framing, double))
    assert difference.mean() < 4


def test_what_lies_outside_the_photo_is_black():
    crop = frame(np.full((50, 50, 3), 200, np.uint8), Framing("cell", 40, 2.0), Cell((-5, -5, 5, 5), 20.0))
    assert (crop[:20] == 0).all()
    assert (crop[:, :20] == 0).all()
    assert (crop[20:, 20:] == 200).all()
    elsewhere = frame(np.full((50, 50, 3), 200, np.uint8), Framing("cell", 40, 2.0), Cell((500, 500, 520, 520), 20.0))
    assert not elsewhere.any()


def test_a_margin_adds_surroundings_at_the_same_scale():
    image = noise()
    framing, cell = Framing("cell", 20, 2.0), Cell((50, 40, 60, 50), 10.0)
    wide = frame(image, framing, cell, margin=10)
    assert wide.shape == (40, 40, 3)
    np.testing.assert_array_equal(wide[10:30, 10:30], frame(image, framing, cell))


def test_the_whole_photo_is_squeezed():
    image = noise(240, 320)
    crop = frame(image, Framing("photo", 128))
    np.testing.assert_array_equal(crop, cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "oval", "size": 64, "field": 2.0}, "cell, photo"),
        ({"kind": "cell", "size": 4, "field": 2.0}, "8-1024"),
        ({"kind": "cell", "size": 64, "field": 0.0}, "above 0"),
        ({"kind": "photo", "size": 64, "field": 2.0}, "0 for kind"),
    ],
)
def test_impossible_framings_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Framing(**wrong)
    with pytest.raises(ValueError, match="needs the cell"):
        frame(noise(), Framing("cell", 64, 2.0))


def test_normalise():
    crops = np.array([[[[0, 128, 255]]]], np.uint8)
    np.testing.assert_allclose(normalise(crops, Normalisation()), [[[[0, 128 / 255, 1]]]], atol=1e-6)
    shifted = normalise(crops, Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5)))
    np.testing.assert_allclose(shifted, [[[[-1, (128 / 255 - 0.5) / 0.25, 1]]]], atol=1e-6)
    assert shifted.dtype == np.float32


def test_the_glass_is_brought_to_one_level_and_black_stays_black():
    photo = np.full((120, 160, 3), (220, 200, 150), np.uint8)
    photo[40:80, 60:100] = (110, 50, 75)
    framing = Framing("cell", 32, 2.0, glass=235.0)
    crop = frame(photo, framing, Cell((60, 40, 100, 80), 40.0))
    assert np.abs(crop[1, 1].astype(int) - 235).max() <= 1
    expected = np.array([110, 50, 75]) * 235 / np.array([220, 200, 150])
    assert np.abs(crop[16, 16] - expected).max() <= 1
    corner = frame(photo, framing, Cell((0, 0, 40, 40), 80.0))
    assert (corner[0, 0] == 0).all()
    with pytest.raises(ValueError, match="glass must be 0-255"):
        Framing("cell", 32, 2.0, glass=300.0)


def test_a_nucleus_of_one_colour_is_told_from_one_that_was_photographed():
    framing = Framing("cell", 64, 2.2, 235.0, True)
    for seed, cell_type in enumerate(CELL_TYPES * 5):
        photo, _ = draw_photo([cell_type], seed=seed)
        for sharpness in (photo, cv2.GaussianBlur(photo, (0, 0), 2.0)):
            assert not is_flat(frame(sharpness, framing, principal_cell(sharpness)), framing)
    picture = np.full((200, 200, 3), (240, 235, 230), np.uint8)
    cv2.circle(picture, (100, 100), 30, (120, 60, 160), -1)
    for drawing in (picture, recompressed(picture)):
        assert is_flat(frame(drawing, framing, principal_cell(drawing)), framing)


def recompressed(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)
