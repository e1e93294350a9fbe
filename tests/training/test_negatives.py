import numpy as np

from leukoscope.locate import locate
from leukoscope.preprocess import Framing
from leukoscope.synthetic import draw_photo
from training.data import load_examples
from training.negatives import draw_nonsense, empty_crops, empty_places

FRAMING = Framing("cell", 32, 2.2)


def test_as_many_as_asked_for_and_the_same_each_time():
    photos = load_examples("synthetic:24")
    crops = empty_crops(photos, FRAMING, 8, 30, seed=1)
    assert crops.shape == (30, 48, 48, 3)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, empty_crops(photos, FRAMING, 8, 30, seed=1))
    assert (crops != empty_crops(photos, FRAMING, 8, 30, seed=2)).any()
    assert empty_crops(photos, FRAMING, 8, 0, seed=1).shape == (0, 48, 48, 3)


def test_few_photos_are_made_up_for_with_nonsense():
    photos = load_examples("synthetic:20").select(range(2))
    assert len(empty_crops(photos, FRAMING, 0, 40, seed=0)) == 40


def test_empty_places_stay_away_from_the_cells():
    rng = np.random.default_rng(0)
    places = 0
    for seed in range(12):
        photo, _ = draw_photo(["neutrophil", "lymphocyte"], seed=seed, width=640, height=480)
        for place in empty_places(photo, rng):
            places += 1
            x, y = (place.box[0] + place.box[2]) / 2, (place.box[1] + place.box[3]) / 2
            for cell in locate(photo):
                x0, y0, x1, y1 = cell.box
                assert not (x0 < x < x1 and y0 < y < y1)
    assert places >= 12


def test_nonsense_differs_from_picture_to_picture():
    rng = np.random.default_rng(0)
    pictures = [draw_nonsense(40, rng) for _ in range(20)]
    assert all(p.shape == (40, 40, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 20
