import cv2
import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.smear.locate import Cell
from training.data.table import load_examples
from training.studies import altered
from training.studies.altered import glass_colour, optical_density, width


def drawn(kind: str = "monocyte", seed: int = 2):
    photo, (cell,) = draw_photo([kind], seed=seed)
    return photo, Cell(cell.box, 0.9)


@pytest.mark.parametrize("cells", altered.CELLS)
def test_a_cut_is_so_many_cells_wide(cells):
    photo, cell = drawn()
    x, y = altered.middle(cell)
    marked = photo.copy()
    half = width(cell) // 2
    marked[y - half : y + half, x - half : x + half] = 0
    part = altered.cut(marked, cell, cells)
    assert max(part.shape[:2]) == altered.SIDE
    assert (part.max(axis=2) < 60).mean() == pytest.approx(1 / cells**2, rel=0.1)


def test_a_quick_stain_is_yellow_between_cells_and_leaves_red_cells_pale_and_the_nucleus_dark():
    photo, cell = drawn()
    quick = altered.quickly_stained(photo, cell)
    np.testing.assert_allclose(glass_colour(quick), altered.YELLOW, atol=6)
    x, y = altered.middle(cell)
    green = [np.log(glass_colour(each)[1] / each[..., 1].astype(float).clip(1)) for each in (photo, quick)]
    near = np.s_[y - 5 : y + 5, x - 5 : x + 5]
    np.testing.assert_allclose(green[1][near], green[0][near], atol=0.1)
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    red = (np.hypot(columns - x, rows - y) > 0.6 * width(cell)) & (green[0] > 0.2)
    assert red.sum() > 500
    assert np.median(green[1][red] / green[0][red]) == pytest.approx(altered.PALE, abs=0.08)


def test_other_stains_are_as_dense_as_they_say():
    photo, cell = drawn()
    glass = glass_colour(photo)
    green = [optical_density(each, glass) for each in (photo, altered.dyed(photo, cell, (0.5, 1.0, 1.7)))]
    strong = (green[0] > 0.2) & (green[0] < 0.8)
    for channel, factor in enumerate((0.5, 1.0, 1.7)):
        ratios = green[1][..., channel][strong[..., channel]] / green[0][..., channel][strong[..., channel]]
        assert np.median(ratios) == pytest.approx(factor, abs=0.03)


def test_other_cameras_do_what_they_say():
    photo, cell = drawn()
    assert altered.exposed(photo, cell, 1.7).mean() < photo.mean() < altered.exposed(photo, cell, 0.6).mean()
    np.testing.assert_array_equal(altered.exposed(photo, cell, 1.0), photo)
    spread = lambda picture: np.ptp(picture.astype(float), axis=2).mean()  # noqa: E731
    assert spread(altered.saturated(photo, cell, 0.5)) == pytest.approx(spread(photo) / 2, rel=0.1)
    edges = lambda picture: np.abs(cv2.Laplacian(picture, cv2.CV_32F)).mean()  # noqa: E731
    assert edges(altered.blurred(photo, cell, 0.1)) < edges(photo) < edges(altered.sharpened(photo, cell, 1.5))
    noise = altered.noisy(np.full_like(photo, 128), cell, 20.0).astype(float)
    assert (noise.mean(), noise.std()) == (pytest.approx(128, abs=0.5), pytest.approx(20, rel=0.02))
    np.testing.assert_array_equal(altered.noisy(photo, cell, 20.0), altered.noisy(photo, cell, 20.0))
    coarse = altered.compressed(photo, cell, 10)
    assert coarse.shape == photo.shape
    assert 1 < np.abs(coarse.astype(float) - photo).mean() < 15, "and no channels are exchanged"


@pytest.mark.parametrize("px", [25.0, 300.0])
def test_at_another_magnification_the_cell_is_as_wide_as_it_says(px):
    photo, cell = drawn()
    shown = altered.scaled(photo, cell, px)
    assert shown.shape[0] / photo.shape[0] * width(cell) == pytest.approx(px, rel=0.02)


def test_each_way_is_asked_of_each_cell(classifier):
    rows = load_examples("synthetic:20")
    counts = altered.measure(classifier, rows)
    assert tuple(counts) == altered.WAYS
    assert len(altered.CUTS) == 2 * (1 + len(altered.CELLS))
    for row in counts.values():
        assert row["n"] == 20 >= row["found"] >= row["right"] >= row["confident_right"] <= row["confident"] <= 20
    answers = list(classifier.predict_batch(altered.pictures(rows)))
    right = sum(
        a.label == rows.features["label"].int2str(label) for a, label in zip(answers, rows["label"], strict=True)
    )
    assert counts["whole photo"]["right"] == right


def test_without_pictures_it_says_what_to_give(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("PBC_DIR", raising=False)
    assert altered.main([str(tmp_path)]) == 2
    assert "--pbc DIR or set PBC_DIR" in capsys.readouterr().err
