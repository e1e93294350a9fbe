"""Other stains, lamps and cameras move no box: drawn photos made paler, deeper, hazy, tinted."""

from collections.abc import Callable

import numpy as np
import pytest

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_photo
from tests.leukoscope.test_locate import overlap


def levels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A change of levels from 0-1 to 0-1, as one of photos."""
    return lambda photo: (255 * change(photo / 255.0)).clip(0, 255).astype(np.uint8)


WAYS = {
    "half the stain": levels(lambda light: light**0.5),
    "twice the stain": levels(lambda light: light**2.0),
    "hazy": levels(lambda light: 0.55 * light + 0.4),
    "brightened": levels(lambda light: 0.7 * light + 0.3),
    "dark": levels(lambda light: 0.5 * light),
    "yellow glass": levels(lambda light: light * np.array([1.0, 0.93, 0.7])),
    "blue glass": levels(lambda light: light * np.array([0.8, 0.9, 1.0])),
    "half the colour": levels(lambda light: (light + light.mean(axis=2, keepdims=True)) / 2),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_cell_is_found_where_it_is(classifier, way, cell_type):
    for seed in range(2):
        photo, (drawn,) = draw_photo([cell_type], seed=seed)
        (cell,) = classifier.locate(WAYS[way](photo))
        assert overlap(cell.box, drawn.box) > 0.7


@pytest.mark.parametrize("way", WAYS)
def test_red_cells_alone_stay_nothing(classifier, way):
    for seed in range(3):
        assert classifier.locate(WAYS[way](draw_photo([], seed=seed)[0])) == []


@pytest.mark.parametrize("way", ["hazy", "brightened", "half the stain"])
def test_real_photos_that_are_pale(blood_cells, way, classifier):
    from leukoscope.pictures.images import read_image

    files = sorted((blood_cells / "dataset-master/dataset-master/JPEGImages").glob("*.jpg"))[::6]
    photos = [photo for photo in map(read_image, files) if len(classifier.locate(photo)) == 1]
    assert len(photos) > 50
    answers = [(classifier.predict(photo), classifier.predict(WAYS[way](photo))) for photo in photos]
    found = [overlap(usual.box, pale.box) > 0.7 for usual, pale in answers if pale.box]
    assert sum(found) >= 0.98 * len(photos)
    same = [usual.label == pale.label for usual, pale in answers]
    assert sum(same) >= 0.88 * len(same)
    sure = [usual.label == pale.label for usual, pale in answers if "confident" in (usual.verdict, pale.verdict)]
    assert all(sure)
    assert len(sure) >= 4


def test_real_red_cells_alone_stay_nothing_when_they_are_pale(blood_cells, classifier):
    from training.studies.rejection import patches

    pale = [WAYS["hazy"](patch) for patch, _ in zip(patches(blood_cells), range(60), strict=False)]
    assert sum(bool(classifier.locate(patch)) for patch in pale) <= 1
