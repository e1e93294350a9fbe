import numpy as np
import pytest
from PIL import Image

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.smear.locate import Cell
from leukoscope.smear.preprocess import MOST_SIDE, Framing, Normalisation, frame, framed_square, normalise


def noise(height=100, width=120) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, (height, width, 3), dtype=np.uint8)


def at(x0, y0, x1, y1) -> Cell:
    return Cell((x0, y0, x1, y1), 0.9)


def test_a_cell_framed_at_its_own_scale_is_copied_unchanged():
    image = noise()
    crop = frame(image, Framing("cell", 40, 2.0), at(40, 30, 60, 50))
    np.testing.assert_array_equal(crop, image[20:60, 30:70])


@pytest.mark.parametrize("box", [(40, 35, 60, 45), (45, 30, 55, 50)])
def test_the_longer_side_of_the_box_tells_the_scale(box):
    image = noise()
    np.testing.assert_array_equal(frame(image, Framing("cell", 40, 2.0), at(*box)), image[20:60, 30:70])


def test_scale_follows_the_cell():
    """A photo twice as large gives the same crop, but for resampling."""
    photo, (drawn,) = draw_photo(["monocyte"], seed=2)
    height, width = photo.shape[:2]
    large = np.asarray(Image.fromarray(photo).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
    framing = Framing("cell", 64, 1.4)
    double = at(*(2 * edge for edge in drawn.box))
    difference = np.abs(frame(photo, framing, at(*drawn.box)).astype(int) - frame(large, framing, double))
    assert difference.mean() < 2


def test_what_lies_outside_the_photo_is_black():
    photo = np.full((50, 50, 3), 200, np.uint8)
    crop = frame(photo, Framing("cell", 40, 2.0), at(-10, -10, 10, 10))
    assert not crop[:20].any()
    assert not crop[:, :20].any()
    assert (crop[20:, 20:] == 200).all()
    right = frame(photo, Framing("cell", 40, 2.0), at(40, 40, 60, 60))
    assert (right[:20, :20] == 200).all()
    assert not right[20:].any()
    for box in ((500, 500, 520, 520), (-500, 20, -480, 40), (20, -500, 40, -480)):
        elsewhere = frame(photo, Framing("cell", 40, 2.0), at(*box))
        assert elsewhere.shape == (40, 40, 3)
        assert elsewhere.dtype == np.uint8
        assert not elsewhere.any()


def test_a_margin_adds_surroundings_at_the_same_scale():
    image, framing = noise(), Framing("cell", 40, 2.0)
    wide = frame(image, framing, at(40, 30, 60, 50), margin=10)
    assert wide.shape == (60, 60, 3)
    np.testing.assert_array_equal(wide[10:-10, 10:-10], frame(image, framing, at(40, 30, 60, 50)))
    np.testing.assert_array_equal(wide, image[10:70, 20:80])


@pytest.mark.parametrize(("side", "size"), [(20, 40), (41, 40), (64, 40), (150, 40), (100, 64)])
def test_a_crop_is_resized_so_that_every_pixel_has_its_share(side, size):
    """As bilinear resampling with a support that grows with the scale; sharp steps of a large cut come first."""
    image = np.kron(noise(20, 30), np.ones((16, 16, 1), np.uint8))
    cell, framing = at(200, 100, 200 + side, 100 + side), Framing("cell", size, 1.0)
    left, top, reach = framed_square(framing, cell)
    cut = Image.fromarray(image[top : top + reach, left : left + reach])
    expected = np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    crop = frame(image, framing, cell)
    assert np.abs(crop - expected).max() <= (1 if side < 2 * size else 24)
    assert abs(crop.mean() - np.asarray(cut).mean()) < 2


def test_a_crop_far_larger_than_the_input_is_first_reduced_by_whole_steps():
    """To the pixel: a checkpoint learned from crops made so."""
    image = noise(320, 320)
    resized = {
        gap: np.asarray(Image.fromarray(image).resize((40, 40), Image.Resampling.BILINEAR, reducing_gap=gap))
        for gap in (2.0, None, 3.0)
    }
    crop = frame(image, Framing("photo", 40))
    assert [gap for gap, expected in resized.items() if np.array_equal(crop, expected)] == [2.0]


def test_a_photo_as_a_whole_is_squeezed_and_its_margin_is_its_edge():
    image = noise(240, 320)
    crop = frame(image, Framing("photo", 64))
    assert crop.shape == (64, 64, 3)
    assert np.abs(crop.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 1
    np.testing.assert_array_equal(frame(image[:64, :64], Framing("photo", 64)), image[:64, :64])
    wide = frame(image, Framing("photo", 64), margin=8)
    np.testing.assert_array_equal(wide, np.pad(crop, ((8, 8), (8, 8), (0, 0)), "edge"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "nucleus"}, "framing kind must be one of cell, photo, not 'nucleus'"),
        ({"size": 7}, "framing size must be 8-1024 px, not 7"),
        ({"size": 1025}, "framing size must be 8-1024 px, not 1025"),
        ({"field": 0.0}, "framing field must be above 0, 4.0 at most, for kind 'cell', not 0.0"),
        ({"field": -1.0}, "framing field must be above 0, 4.0 at most, for kind 'cell', not -1.0"),
        ({"field": 4.1}, "framing field must be above 0, 4.0 at most, for kind 'cell', not 4.1"),
        ({"field": float("nan")}, "framing field must be above 0, 4.0 at most, for kind 'cell', not nan"),
        ({"kind": "photo"}, "framing field must be 0 for kind 'photo'"),
    ],
)
def test_impossible_framings_are_refused(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        Framing(**({"kind": "cell", "size": 64, "field": 2.0} | wrong))


def test_the_least_and_the_most_of_a_framing():
    for size, field in ((8, 0.01), (1024, 4.0)):
        assert Framing("cell", size, field).size == size
    assert Framing("photo", 8).field == 0.0


def test_kind_cell_needs_the_cell():
    with pytest.raises(ValueError, match="^framing kind 'cell' needs the cell to frame$"):
        frame(noise(), Framing("cell", 64, 2.0))


def test_a_square_lies_around_the_middle_of_the_box():
    framing = Framing("cell", 40, 1.5)
    assert framed_square(framing, at(10, 20, 40, 60)) == (-5, 10, 60)
    assert framed_square(framing, at(10, 20, 40, 60), margin=10) == (-20, -5, 90)
    assert framed_square(Framing("cell", 40, 0.1), at(10, 20, 11, 21)) == (10, 20, 1)


def test_a_cell_that_fills_a_huge_photo_takes_little_memory():
    """Beyond a side every second pixel is taken, beyond twice that every third: what is seen stays the same."""
    photo = np.zeros((3000, 3000, 3), np.uint8)
    photo[1000:2000, 1500:] = 200
    framing = Framing("cell", 64, 1.4)
    assert framed_square(framing, at(0, 0, 3000, 3000))[2] > 2 * MOST_SIDE
    crop, small = frame(photo, framing, at(0, 0, 3000, 3000)), frame(photo[::10, ::10], framing, at(0, 0, 300, 300))
    assert np.abs(crop.astype(int) - small).mean() < 1
    strip = np.full((24, 500_000, 3), 100, np.uint8)
    assert frame(strip, Framing("cell", 64, 4.0), at(0, 0, 500_000, 24)).shape == (64, 64, 3)


def test_normalise():
    crops = np.array([[[[0, 128, 255]]]], np.uint8)
    np.testing.assert_allclose(normalise(crops, Normalisation()), [[[[0, 128 / 255, 1]]]], atol=1e-6)
    shifted = normalise(crops, Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5)))
    np.testing.assert_allclose(shifted, [[[[-1, (128 / 255 - 0.5) / 0.25, 1]]]], atol=1e-6)
    assert shifted.dtype == np.float32
