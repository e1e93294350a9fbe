"""A cell's width in red cells: told by the locator, weighed with what the network sees, said beside the answer."""

from dataclasses import replace

import numpy as np
import pytest

from leukoscope import Classifier
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import Stain, draw_photo
from leukoscope.model.calibration import Sizes
from leukoscope.showing import wording
from leukoscope.showing.explain import heatmap


@pytest.fixture(scope="module")
def classifier():
    """One of its own: the tests change its spec."""
    return Classifier.from_pretrained()


def saying(classifier: Classifier, sizes: Sizes | None) -> Classifier:
    classifier.spec = replace(classifier.spec, sizes=sizes)
    return classifier


@pytest.mark.parametrize("magnified", [0.5, 1.0, 2.0])
def test_it_is_that_of_the_drawing_at_any_magnification(classifier, magnified):
    off = []
    for seed in range(12):
        kinds, red = ["neutrophil", "lymphocyte"], 48.0 * magnified
        side = round(640 * magnified), round(480 * magnified)
        stain = Stain.random(np.random.default_rng(seed))
        photo, drawn = draw_photo(kinds, seed=seed, width=side[0], height=side[1], red_cell_px=red, stain=stain)
        for prediction in classifier.scan(photo):
            for cell in drawn:
                x0, y0, x1, y1 = cell.box
                middle = (prediction.box[0] + prediction.box[2]) / 2, (prediction.box[1] + prediction.box[3]) / 2
                if prediction.wide and x0 < middle[0] < x1 and y0 < middle[1] < y1:
                    off.append(np.log(prediction.wide * red / np.sqrt((x1 - x0) * (y1 - y0))))
    assert len(off) >= 20
    assert abs(np.median(off)) < 0.15
    assert np.quantile(np.abs(off), 0.9) < 0.35


def test_it_speaks_for_the_type_that_is_so_wide(classifier):
    photo, _ = draw_photo(["monocyte"], seed=0)
    (alone,) = saying(classifier, None).scan(photo)
    assert alone.wide, "it is told, though nothing is made of it"
    for name in CELL_TYPES:  # as if cells of this type alone were so wide
        mean = tuple(np.log(alone.wide) + (0.0 if other == name else 1.0) for other in CELL_TYPES)
        (weighed,) = saying(classifier, Sizes(mean, (0.05,) * 4, 1.0)).scan(photo)
        assert weighed.probabilities[name] > alone.probabilities[name] + 1e-4
        assert weighed.box == alone.box
        (strong,) = saying(classifier, Sizes(mean, (0.05,) * 4, 30.0)).scan(photo)
        assert strong.label == name
        np.testing.assert_array_equal(heatmap(classifier, photo), heatmap(classifier, photo, name))


def test_of_a_cell_that_the_edge_cuts_it_is_not_told(classifier):
    photo, (cell,) = draw_photo(["neutrophil"], seed=3)
    x0, _, x1, _ = cell.box
    cut = photo[:, (x0 + x1) // 2 - (x1 - x0) // 5 :]
    sizes = Sizes((0.0, 1.0, 1.0, 1.0), (0.05,) * 4, 5.0)
    answers = [saying(classifier, each).predict(cut) for each in (None, sizes)]
    assert answers[0].cut
    assert answers[0].wide is None
    assert answers[0] == answers[1]


def test_it_is_said(classifier):
    photo, _ = draw_photo(["monocyte"], seed=0)
    prediction = classifier.predict(photo)
    assert wording.seen_text(prediction).startswith(f"Size: about {prediction.wide:.1f} red cells wide.")
    assert "Size" not in wording.seen_text(replace(prediction, wide=None))
