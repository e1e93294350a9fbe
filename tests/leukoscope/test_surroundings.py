"""What a picture shows beside the photo, and what its edge cuts off."""

import cv2
import numpy as np
import pytest

from leukoscope import locate as module
from leukoscope.locate import locate
from leukoscope.preprocess import Framing, frame
from leukoscope.stain import glass_colour, without_frame
from leukoscope.synthetic import draw_photo

WHITE, GREY, BLACK = (255, 255, 255), (228, 228, 228), (0, 0, 0)


def under_yellow_light(photo: np.ndarray) -> np.ndarray:
    """Glass that is darker than paper, and not as blue."""
    return (photo * np.array([0.82, 0.80, 0.70])).astype(np.uint8)


def framed(photo: np.ndarray, colour, left: int = 90, top: int = 60) -> np.ndarray:
    return cv2.copyMakeBorder(photo, top, 2 * top, left, left // 2, cv2.BORDER_CONSTANT, value=colour)


def turned(photo: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about its middle: black where it does not reach, as copies of the Kaggle set are."""
    height, width = photo.shape[:2]
    return cv2.warpAffine(photo, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), (width, height))


@pytest.mark.parametrize("colour", [WHITE, GREY, BLACK], ids=["white", "grey", "black"])
@pytest.mark.parametrize("seed", range(3))
def test_a_frame_changes_nothing(colour, seed):
    photo = under_yellow_light(draw_photo(["monocyte", "neutrophil"], seed=seed)[0])
    picture = framed(photo, colour)
    np.testing.assert_array_equal(picture[without_frame(picture)], photo)
    np.testing.assert_array_equal(glass_colour(picture), glass_colour(photo))
    cells = locate(photo)
    assert cells
    assert locate(picture) == [cell.moved(90, 60) for cell in cells]


def test_a_frame_that_was_compressed_is_one():
    photo = under_yellow_light(draw_photo(["lymphocyte"], seed=1)[0])
    _, stored = cv2.imencode(".jpg", framed(photo, WHITE, left=93, top=61), [cv2.IMWRITE_JPEG_QUALITY, 75])
    found = locate(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    (cell,) = locate(photo)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].box, cell.moved(93, 61).box, atol=6)


def test_a_frame_at_one_side_is_one():
    photo = draw_photo([], seed=0)[0]
    rows, columns = without_frame(cv2.copyMakeBorder(photo, 40, 0, 0, 0, cv2.BORDER_CONSTANT, value=WHITE))
    assert (rows, columns) == (slice(40, 40 + photo.shape[0]), slice(0, photo.shape[1]))


@pytest.mark.parametrize("side", [(40, 0), (0, 40)], ids=["above", "left"])
def test_cells_below_and_beside_a_frame_are_where_they_are(side):
    photo = under_yellow_light(draw_photo(["monocyte"], seed=2)[0])
    down, right = side
    (cell,) = locate(photo)
    assert locate(cv2.copyMakeBorder(photo, down, 0, right, 0, cv2.BORDER_CONSTANT, value=WHITE)) == [
        cell.moved(right, down)
    ]


def test_a_drawing_on_paper_has_no_frame():
    """Else its outline's edges would be the picture's, and nothing would be left around it."""
    picture = np.full((200, 200, 3), (240, 235, 230), np.uint8)
    cv2.circle(picture, (100, 100), 60, (120, 60, 160), -1)
    assert without_frame(picture) == (slice(0, 200), slice(0, 200))


@pytest.mark.parametrize("picture", [np.full((40, 30, 3), 200, np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_what_is_of_one_colour_is_no_frame(picture):
    assert picture[without_frame(picture)].shape == picture.shape


@pytest.mark.parametrize("degrees", [12, 30])
@pytest.mark.parametrize("seed", range(3))
def test_black_beside_the_photo_leaves_red_cells_measurable(degrees, seed, monkeypatch):
    """The rim of the black would be taken for the densest red there is."""
    widths = []

    def watched(*args):
        widths.append(red_cell_width(*args))
        return widths[-1]

    red_cell_width = module.red_cell_width
    monkeypatch.setattr(module, "red_cell_width", watched)
    photo = draw_photo(["monocyte"], seed=seed)[0]
    assert len(locate(photo)) == len(locate(turned(photo, degrees))) == 1
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_the_only_cell_may_be_cut_by_the_edge(seed):
    photo = draw_photo(["lymphocyte"], seed=seed)[0]
    (cell,) = locate(photo)
    x0, _, x1, _ = cell.box
    (cut,) = locate(photo[:, round(x1 - 0.4 * (x1 - x0)) :])
    assert cut.cut(photo.shape)


def test_beside_a_whole_cell_what_the_edge_cuts_must_be_as_large():
    def with_a_piece_at_the_edge(photo):
        photo = photo.copy()
        cv2.circle(photo, (0, photo.shape[0] // 2), 37, (110, 60, 160), -1)
        return photo

    nothing_else, photo = (draw_photo(types, seed=0)[0] for types in ([], ["monocyte"]))
    assert len(locate(with_a_piece_at_the_edge(nothing_else))) == 1
    (cell,) = locate(with_a_piece_at_the_edge(photo))
    assert not cell.cut(photo.shape)


@pytest.mark.parametrize("cell_type", ["lymphocyte", "monocyte"])
@pytest.mark.parametrize("seed", range(3))
def test_a_nucleus_may_fill_the_picture(cell_type, seed):
    photo = draw_photo([cell_type], seed=seed)[0]
    (cell,) = locate(photo)
    x0, y0, x1, y1 = cell.box
    rim = round(0.18 * cell.nucleus_px)  # the box leaves 0.15 around the nucleus: a little of it is cut off, too
    (found,) = locate(photo[y0 + rim : y1 - rim, x0 + rim : x1 - rim])
    assert found.nucleus_px == pytest.approx(cell.nucleus_px, rel=0.15)


def test_real_photos_on_a_white_page(blood_cells):
    """As in a screenshot or a slide: the same cells are found, and framed the same."""
    from leukoscope.images import read_image

    framing = Framing("cell", 64, 2.2, glass=235.0, stain=True)
    files = sorted((blood_cells / "dataset-master/dataset-master/JPEGImages").glob("*.jpg"))[::20]
    assert len(files) > 15
    for file in files:
        photo = read_image(file)
        page = framed(photo, WHITE)
        cells = locate(photo)
        on_page = [cell.moved(-90, -60) for cell in locate(page)]
        # Where glass at a photo's edge is as white as the page, a line of it may go with the page.
        np.testing.assert_allclose([c.box for c in on_page], [c.box for c in cells], atol=2)
        for cell in cells:  # of what is cut by the photo's edge the page is no more part than what lies outside
            apart = frame(page, framing, cell.moved(90, 60)) - frame(photo, framing, cell).astype(int)
            assert np.median(np.abs(apart)) <= 1
            assert np.quantile(np.abs(apart), 0.9) <= 12
            given = frame(page, framing, cell.moved(90, 60), within=without_frame(page))
            np.testing.assert_array_equal(given, frame(page, framing, cell.moved(90, 60)))
