import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.smear.locate import SIDE_UNIT, STRIDE, Cell, Locator, shared
from leukoscope.smear.preprocess import Framing
from training.data.negatives import draw_cartoon, draw_nonsense, empty_crops, empty_places
from training.data.table import load_examples

FRAMING = Framing("cell", 32, 1.4)


@pytest.fixture
def locator():
    """Finds one cell, 64 px of the copy that it is shown wide, in the middle of anything."""

    def run(copy: np.ndarray) -> np.ndarray:
        rows, columns = (side // STRIDE for side in copy.shape[1:3])
        answer = np.full((1, rows, columns, 5), -9.0, np.float32)
        answer[..., 1:] = np.log(32 / SIDE_UNIT)
        answer[0, rows // 2, columns // 2, 0] = 3.0
        return answer

    return Locator(run, 0.3)


def test_as_many_as_asked_for_and_the_same_each_time(locator):
    photos = load_examples("synthetic:24")
    crops = empty_crops(photos, FRAMING, 8, 30, 1, locator)
    assert crops.shape == (30, 48, 48, 3)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, empty_crops(photos, FRAMING, 8, 30, 1, locator))
    assert (crops != empty_crops(photos, FRAMING, 8, 30, 2, locator)).any()
    assert empty_crops(photos, FRAMING, 8, 0, 1, locator).shape == (0, 48, 48, 3)


def test_few_photos_are_made_up_for_with_nonsense(locator):
    photos = load_examples("synthetic:20").select(range(2))
    assert len(empty_crops(photos, FRAMING, 0, 40, 0, locator)) == 40


def test_where_nothing_is_found_nonsense_is_cut_all_the_same():
    blind = Locator(
        lambda copy: np.full((1, copy.shape[1] // STRIDE, copy.shape[2] // STRIDE, 5), -9.0, np.float32), 0.3
    )
    crops = empty_crops(load_examples("synthetic:20"), FRAMING, 0, 40, 0, blind)
    assert len({crop.tobytes() for crop in crops}) > 30


def test_empty_places_stay_away_from_the_cells():
    rng = np.random.default_rng(0)
    places = 0
    for seed in range(12):
        photo, drawn = draw_photo(["neutrophil", "lymphocyte"], seed=seed, width=640, height=480)
        cells = [Cell(cell.box, 0.9) for cell in drawn]
        for place in empty_places(photo, cells, rng):
            places += 1
            assert (shared(np.array(place.box), np.array([cell.box for cell in cells])) < 0.1).all()
            assert 0 < (place.box[0] + place.box[2]) / 2 < 640
            assert 0 < (place.box[1] + place.box[3]) / 2 < 480
    assert places >= 12


def test_a_platelet_is_found_where_it_lies():
    photo = np.full((200, 200, 3), (235, 225, 220), np.uint8)
    photo[120:132, 40:52] = (150, 110, 180)
    cells = [Cell((120, 20, 190, 90), 0.9)]
    at = [next(empty_places(photo, cells, np.random.default_rng(seed))) for seed in range(8)]
    for place in at:
        assert abs((place.box[0] + place.box[2]) / 2 - 46) <= 2
        assert abs((place.box[1] + place.box[3]) / 2 - 126) <= 2
    assert len({place.box for place in at}) > 2, "now tight about it, now as wide as a cell"


@pytest.mark.parametrize("draw", [lambda rng: draw_nonsense(40, rng), lambda rng: draw_cartoon(40, 40, rng)])
def test_what_is_drawn_differs_from_picture_to_picture(draw):
    rng = np.random.default_rng(0)
    pictures = [draw(rng) for _ in range(20)]
    assert all(p.shape == (40, 40, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 20
