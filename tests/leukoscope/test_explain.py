import numpy as np
import pytest

from leukoscope import CELL_TYPES
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.showing.draw import crop
from leukoscope.showing.explain import _over_picture, enlarged, evidence, heatmap
from leukoscope.smear.locate import Cell
from leukoscope.smear.preprocess import Framing, framed_square


def test_the_class_map_adds_up_to_the_logits(classifier):
    crops = np.random.default_rng(0).integers(0, 256, (3, *[classifier.spec.framing.size] * 2, 3), dtype=np.uint8)
    logits, maps = classifier.run(crops, ["logits", "class_map"])
    assert maps.shape[0] == 3
    assert min(maps.shape[1:3]) >= 8, "fine enough to show a place"
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), logits, atol=1e-3)


def test_heat_lies_over_the_cell_in_the_picture_as_given(classifier):
    for seed, cell_type in enumerate(CELL_TYPES):
        photo, (cell,) = draw_photo([cell_type], seed=seed)
        heat = heatmap(classifier, photo)
        assert heat.shape == photo.shape[:2]
        assert heat.dtype == np.float32
        assert 0 <= heat.min() <= heat.max() <= 1
        x0, y0, x1, y1 = cell.box
        assert heat[y0:y1, x0:x1].sum() > 0.7 * heat.sum()
        left, top, side = framed_square(classifier.spec.framing, classifier.locate(photo)[0])
        outside = np.ones(heat.shape, bool)
        outside[max(0, top) : top + side, max(0, left) : left + side] = False
        assert not heat[outside].any()


def test_what_is_predicted_is_explained_and_of_the_cell_that_was_chosen(classifier):
    photo, _ = draw_photo(["neutrophil", "lymphocyte"], seed=0)
    first, second = classifier.scan(photo)
    np.testing.assert_array_equal(heatmap(classifier, photo), heatmap(classifier, photo, label=first.label))
    np.testing.assert_array_equal(heatmap(classifier, photo), heatmap(classifier, photo, box=first.box))
    other = heatmap(classifier, photo, box=second.box)
    x0, y0, x1, y1 = second.box
    assert other[y0:y1, x0:x1].sum() > 0.7 * other.sum()
    with pytest.raises(ValueError, match=r"no cell of this picture has the box \(1, 2, 3, 4\)"):
        heatmap(classifier, photo, box=(1, 2, 3, 4))


def test_heat_is_laid_where_the_crop_was_cut_also_where_it_reaches_outside():
    """A place of the crop's map lies where its pixels do."""
    heat = np.zeros((8, 8), np.float32)
    heat[5, 2] = 1.0
    for box in ((40, 30, 80, 70), (-20, -10, 20, 30), (90, 60, 130, 100)):
        cell, framing = Cell(box, 1.0), Framing("cell", 64, 2.0)
        left, top, side = framed_square(framing, cell)
        laid = _over_picture(heat, (100, 120), framing, cell)
        assert laid.dtype == np.float32
        assert laid.shape == (100, 120)
        x, y = round(left + 2.5 * side / 8), round(top + 5.5 * side / 8)
        if 0 <= x < 120 and 0 <= y < 100:
            assert laid[y, x] == laid.max() > 0.8
        else:
            assert laid.max() < 0.5
        outside = np.ones(laid.shape, bool)
        outside[max(0, top) : top + side, max(0, left) : left + side] = False
        assert not laid[outside].any()


def test_an_empty_field_stays_cold(classifier):
    assert not heatmap(classifier, draw_photo([], seed=0)[0]).any()


def test_another_type_has_its_own_heat(classifier):
    photo, _ = draw_photo(["monocyte"], seed=3)
    assert not np.array_equal(heatmap(classifier, photo), heatmap(classifier, photo, "eosinophil"))
    with pytest.raises(ValueError, match="unknown cell type 'platelet'"):
        heatmap(classifier, photo, "platelet")


def test_an_enlarged_cell_glows_only_where_the_model_can_say_why(classifier, monkeypatch):
    photo, _ = draw_photo(["eosinophil", "lymphocyte"], seed=4)
    predictions = classifier.scan(photo)
    index = [prediction.label for prediction in predictions].index("eosinophil")
    plain, text = enlarged(classifier, photo, predictions, index, heated=False)
    np.testing.assert_array_equal(plain, crop(photo, predictions[index].box))
    assert text == f"Cell {index + 1} of {len(predictions)}, enlarged."
    glowing, text = enlarged(classifier, photo, predictions, index, heated=True)
    assert (glowing != plain).any()
    assert text.endswith("what speaks for an eosinophil.")
    monkeypatch.setattr(type(classifier), "outputs", ["logits"])
    np.testing.assert_array_equal(enlarged(classifier, photo, predictions, index, heated=True)[0], plain)


def test_a_model_without_a_class_map_says_so(classifier, monkeypatch):
    monkeypatch.setattr(type(classifier), "outputs", ["logits"])
    with pytest.raises(ValueError, match="has no class_map"):
        heatmap(classifier, draw_photo([], seed=0)[0])


def test_evidence_is_what_speaks_against_the_others():
    maps = np.zeros((2, 2, 4), np.float32)
    maps[0, 0] = 5.0  # all types alike: no evidence
    maps[1, 1, 2] = 3.0
    heat = evidence(maps, 2)
    assert heat[1, 1] == 1.0
    assert heat[0, 0] == 0.0


def drop_after_blanking(classifier, crop: np.ndarray, cells: np.ndarray) -> float:
    """How much the winning probability falls when these places (h, w) of the crop turn to its median colour."""
    before = classifier.probabilities(classifier.logits(crop[None]))[0]
    blank = np.kron(cells, np.ones([n // m for n, m in zip(crop.shape[:2], cells.shape, strict=True)])).astype(bool)
    blanked = np.where(blank[..., None], np.median(crop.reshape(-1, 3), axis=0).astype(np.uint8), crop)
    after = classifier.probabilities(classifier.logits(blanked[None]))[0]
    return float(before.max() - after[before.argmax()])


def test_blanking_the_hottest_fifth_hurts_more_than_a_random_fifth(classifier):
    rng = np.random.default_rng(0)
    hottest, random = [], []
    for seed in range(24):
        photo, _ = draw_photo([CELL_TYPES[seed % 4]], seed=seed)
        crop = classifier.framed(photo, first=True)[0].crop
        logits, maps = classifier.run(crop[None], ["logits", "class_map"])
        heat = evidence(maps[0][..., :4], int(logits[0, :4].argmax()))
        fifth = round(heat.size / 5)
        hottest.append(drop_after_blanking(classifier, crop, heat >= np.sort(heat, axis=None)[-fifth]))
        for _ in range(5):
            chosen = np.zeros(heat.size, bool)
            chosen[rng.choice(heat.size, fifth, replace=False)] = True
            random.append(drop_after_blanking(classifier, crop, chosen.reshape(heat.shape)))
    assert np.mean(hottest) > np.mean(random) + 0.05
