import cv2
import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.locate import Cell, principal_cell
from leukoscope.preprocess import FLAT_SHARE, Framing, Normalisation, frame, framed_square, is_flat, normalise
from leukoscope.restain import restain
from leukoscope.stain import empty_edge, glass_colour
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


@pytest.mark.parametrize("box", [(-500, 20, -480, 40), (20, -500, 40, -480)])
def test_where_nothing_of_the_photo_is_seen_there_is_glass(box):
    photo = np.full((50, 50, 3), (240, 220, 200), np.uint8)
    crop = frame(photo, Framing("cell", 40, 2.0, glass=235.0), Cell(box, 20.0))
    assert crop.dtype == np.uint8
    assert (crop == 235).all()


def test_of_a_photo_on_a_page_its_own_pixels_are_framed_and_glass_beyond():
    photo, _ = draw_photo(["lymphocyte"], seed=4)
    page = cv2.copyMakeBorder(photo, 9, 31, 23, 12, cv2.BORDER_CONSTANT, value=(40, 80, 40))
    cell = principal_cell(photo)
    corner = Cell((0, 0, 30, 30), 20.0)  # its square reaches out of the photo
    for each in (cell, corner):
        for stain in (False, True):
            framing = Framing("cell", 64, 2.2, glass=235.0, stain=stain)
            alone = frame(photo, framing, each, glass=glass_colour(photo))
            np.testing.assert_array_equal(frame(page, framing, each.moved(23, 9), glass=glass_colour(photo)), alone)


def test_black_beside_a_turned_photo_becomes_glass():
    photo, _ = draw_photo(["lymphocyte"], seed=4)
    cell = principal_cell(photo)
    framing = Framing("cell", 64, 2.2, glass=235.0)
    crop = frame(photo, framing, cell)
    left, top, reach = framed_square(framing, cell)
    dark = photo.copy()
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    dark[(x - left) + (y - top) < 0.35 * reach] = 0
    beside = frame(dark, framing, cell, glass=glass_colour(photo))
    row, column = np.mgrid[:64, :64]
    assert (beside[row + column < 20] == 235).all()
    np.testing.assert_array_equal(beside[row + column > 28], crop[row + column > 28])


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


FIELD = "framing field must be above 0 for kind 'cell' and 0 for kind 'photo'"
STAIN = "framing stain needs kind 'cell' and a glass above 0"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "oval"}, "framing kind must be one of cell, photo, not 'oval'"),
        ({"size": 7}, "framing size must be 8-1024 px, not 7"),
        ({"size": 1025}, "framing size must be 8-1024 px, not 1025"),
        ({"field": 0.0}, FIELD),
        ({"field": -1.0}, FIELD),
        ({"kind": "photo", "field": 0.5}, FIELD),
        ({"glass": -0.5}, "framing glass must be 0-255, not -0.5"),
        ({"glass": 255.5}, "framing glass must be 0-255, not 255.5"),
        ({"kind": "photo", "field": 0.0, "glass": 235.0, "stain": True}, STAIN),
        ({"stain": True}, STAIN),
    ],
)
def test_impossible_framings_are_refused(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        Framing(**({"kind": "cell", "size": 64, "field": 2.0} | wrong))


def test_the_least_and_the_most_of_a_framing():
    for size, field, glass in ((8, 0.01, 0.0), (1024, 0.5, 255.0)):
        assert Framing("cell", size, field, glass).size == size
    assert Framing("cell", 8, 0.5, 1.0, True).stain
    assert Framing("photo", 8).field == 0.0


def test_kind_cell_needs_the_cell():
    with pytest.raises(ValueError, match="^framing kind 'cell' needs the cell to frame$"):
        frame(noise(), Framing("cell", 64, 2.0))


def test_a_square_lies_around_the_middle_of_the_box():
    framing = Framing("cell", 40, 2.0)
    assert framed_square(framing, Cell((10, 20, 40, 60), 30.0)) == (-5, 10, 60)
    assert framed_square(framing, Cell((10, 20, 40, 60), 30.0), margin=10) == (-20, -5, 90)
    assert framed_square(framing, Cell((10, 20, 11, 21), 0.2)) == (10, 20, 1)


@pytest.mark.parametrize("nucleus_px", [12.0, 20.0, 30.0, 39.5, 40.0, 50.5, 57.0])
def test_a_crop_is_resized_by_area_and_by_halves_first(nucleus_px):
    """Interpolated where it grows, averaged where it shrinks: to less than half, by halves first."""
    image, framing = noise(200, 300), Framing("cell", 40, 2.0)
    left, top, reach = framed_square(framing, Cell((130, 80, 170, 120), nucleus_px))
    cut = image[top : top + reach, left : left + reach]
    assert cut.shape == (reach, reach, 3)
    if reach >= 80:
        half = cut[: reach // 2 * 2, : reach // 2 * 2].astype(float)
        half = (half[::2, ::2] + half[1::2, ::2] + half[::2, 1::2] + half[1::2, 1::2]) / 4
        cut = np.floor(half + 0.5).astype(np.uint8)
    expected = cv2.resize(cut, (40, 40), interpolation=cv2.INTER_AREA if reach > 40 else cv2.INTER_LINEAR)
    crop = frame(image, framing, Cell((130, 80, 170, 120), nucleus_px))
    assert np.abs(crop.astype(int) - expected).max() <= 1


def test_a_photo_as_a_whole_gets_its_glass_and_a_margin_of_its_edge():
    image = (noise(240, 320) // 2 + 100).astype(np.uint8)
    level, framing = glass_colour(image), Framing("photo", 64, glass=200.0)
    plain = frame(image, Framing("photo", 64))
    crop = frame(image, framing)
    assert np.abs(crop - np.minimum(plain * (200 / level), 255)).max() <= 0.51
    wide = frame(image, framing, margin=8)
    assert wide.shape == (80, 80, 3)
    np.testing.assert_array_equal(wide, np.pad(crop, ((8, 8), (8, 8), (0, 0)), "edge"))
    given = frame(image, framing, glass=np.full(3, 200.0))
    np.testing.assert_array_equal(given, plain)


def test_levels_are_rounded_and_end_at_white():
    image = np.full((20, 20, 3), (100, 101, 200), np.uint8)
    crop = frame(image, Framing("cell", 8, 1.0, glass=150.0), Cell((6, 6, 14, 14), 8.0), glass=np.full(3, 100.0))
    assert (crop == (150, 152, 255)).all()
    same = frame(image, Framing("cell", 8, 1.0), Cell((6, 6, 14, 14), 8.0), glass=np.full(3, 100.0))
    assert (same == (100, 101, 200)).all()


def test_the_stain_is_mapped_with_the_glass_that_is_given():
    photo, _ = draw_photo(["monocyte"], seed=2)
    photo = np.pad(photo, ((100, 100), (100, 100), (0, 0)), "symmetric")  # nothing beyond it comes into the margin
    cell, framing = principal_cell(photo), Framing("cell", 64, 2.2, glass=235.0, stain=True)
    crop = frame(photo, framing, cell, 16)
    np.testing.assert_array_equal(frame(photo, framing, cell, 16, glass_colour(photo)), crop)
    assert (frame(photo, framing, cell, 16, glass_colour(photo) - 40) != crop).any()
    np.testing.assert_array_equal(
        restain(frame(photo, Framing("cell", 64, 2.2), cell, 16), glass_colour(photo), 235.0, 16), crop
    )


def test_normalise():
    crops = np.array([[[[0, 128, 255]]]], np.uint8)
    np.testing.assert_allclose(normalise(crops, Normalisation()), [[[[0, 128 / 255, 1]]]], atol=1e-6)
    shifted = normalise(crops, Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.5)))
    np.testing.assert_allclose(shifted, [[[[-1, (128 / 255 - 0.5) / 0.25, 1]]]], atol=1e-6)
    assert shifted.dtype == np.float32


def test_the_glass_is_brought_to_one_level():
    photo = np.full((120, 160, 3), (220, 200, 150), np.uint8)
    photo[40:80, 60:100] = (110, 50, 75)
    framing = Framing("cell", 32, 2.0, glass=235.0)
    crop = frame(photo, framing, Cell((60, 40, 100, 80), 40.0))
    assert np.abs(crop[1, 1].astype(int) - 235).max() <= 1
    expected = np.array([110, 50, 75]) * 235 / np.array([220, 200, 150])
    assert np.abs(crop[16, 16] - expected).max() <= 1
    with pytest.raises(ValueError, match="glass must be 0-255"):
        Framing("cell", 32, 2.0, glass=300.0)


@pytest.mark.parametrize("stain", [False, True], ids=["as dyed", "restained"])
def test_beyond_the_photo_there_is_glass_and_so_there_is_in_the_black_beside_it(stain):
    photo, _ = draw_photo(["neutrophil"], seed=3)
    x0, y0, x1, y1 = principal_cell(photo).box
    middle, reach = (x0 + x1) // 2, int(x1 - x0)
    cut = np.ascontiguousarray(photo[:, max(0, middle - reach) : middle])  # through the nucleus
    beside = np.pad(cut, ((0, 0), (0, 100), (0, 0)))
    cell, framing = Cell((cut.shape[1] - 20, y0, cut.shape[1] + 20, y1), 60.0), Framing("cell", 64, 2.2, 235.0, stain)
    crop, black = (frame(each, framing, cell, glass=glass_colour(cut)).astype(int) for each in (cut, beside))
    assert np.abs(crop[:, 36:] - 235).max() <= 1
    assert crop[:, :30].min() < 120, "nucleus"
    # Of the black a rim goes with it, and no dark line is left between.
    assert np.abs(black[:, 36:] - 235).max() <= 1
    assert np.median(np.abs(black - crop)[:, :28]) <= 2


def test_a_dark_speck_is_not_taken_for_what_lies_beside_a_photo():
    crop = np.full((64, 64, 3), 120, np.uint8)
    assert empty_edge(crop) is None
    crop[30:32, 30:32] = 5
    assert not empty_edge(crop).any()
    crop[:, :10] = 5
    np.testing.assert_array_equal(empty_edge(crop)[20:40] > 0, np.arange(64)[None].repeat(20, 0) < 11)


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


@pytest.mark.parametrize(("size", "field", "half"), [(64, 2.0, 11), (64, 2.8, 8), (65, 2.0, 11), (64, 2.24, 10)])
def test_more_than_a_share_of_one_colour_in_the_middle_is_flat(size, field, half):
    framing = Framing("cell", size, field)
    middle, side = size // 2, 2 * half
    crop = np.random.default_rng(0).integers(0, 100, (size, size, 3)).astype(np.uint8)
    crop[::2] += 150  # so that nothing else is near the median
    least = int(FLAT_SHARE * side * side)
    for flat, levels in ((False, least), (True, least + 1)):
        square = crop[middle - half : middle + half, middle - half : middle + half].reshape(-1, 3).copy()
        square[:levels] = (120, 121, 122)
        square[:5] += np.uint8(1)
        square[5:9] -= np.uint8(1)
        patch = crop.copy()
        patch[middle - half : middle + half, middle - half : middle + half] = square.reshape(side, side, 3)
        assert is_flat(patch, framing) is flat
        patch[middle - half, middle - half, 1] += 1  # two levels away in one channel
        assert not is_flat(patch, framing)
    inside, outside = crop.copy(), np.full_like(crop, 7)
    inside[middle - half : middle + half, middle - half : middle + half] = 7
    outside[middle - half : middle + half, middle - half : middle + half] = crop[:side, :side]
    assert is_flat(inside, framing)
    assert not is_flat(outside, framing)


def test_what_is_two_levels_below_the_median_is_another_colour():
    levels = np.repeat(np.array([90, 118, 120, 200], np.uint8), [60, 80, 130, 130])  # of the 400 px in the middle
    crop = np.zeros((64, 64, 3), np.uint8)
    crop[22:42, 22:42] = levels.reshape(20, 20, 1)
    assert not is_flat(crop, Framing("cell", 64, 2.2))


def recompressed(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)
