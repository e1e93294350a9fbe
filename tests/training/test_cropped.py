import numpy as np
import pytest

from leukoscope.locate import principal_cell
from leukoscope.stain import glass_colour
from leukoscope.synthetic import draw_photo
from training import cropped
from training.data import load_examples


def drawn(kind: str = "monocyte", seed: int = 2):
    photo, _ = draw_photo([kind], seed=seed)
    return photo, principal_cell(photo)


@pytest.mark.parametrize("nuclei", cropped.NUCLEI)
def test_a_cut_is_so_many_nuclei_wide(nuclei):
    photo, cell = drawn()
    part = cropped.cut(photo, cell, nuclei)
    assert max(part.shape[:2]) == cropped.SIDE
    if nuclei > 1.2:
        assert principal_cell(part).nucleus_px == pytest.approx(cropped.SIDE / nuclei, rel=0.15)


def test_a_quick_stain_is_yellow_between_cells_and_leaves_red_cells_pale_and_the_nucleus_dark():
    photo, cell = drawn()
    quick = cropped.quickly_stained(photo, cell)
    np.testing.assert_allclose(glass_colour(quick), cropped.YELLOW, atol=6)
    x, y = cropped.middle(cell)
    green = [np.log(glass_colour(each)[1] / each[..., 1].astype(float).clip(1)) for each in (photo, quick)]
    near = np.s_[y - 5 : y + 5, x - 5 : x + 5]
    np.testing.assert_allclose(green[1][near], green[0][near], atol=0.1)
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    red = (np.hypot(columns - x, rows - y) > cell.nucleus_px) & (green[0] > 0.2)
    assert red.sum() > 500
    assert np.median(green[1][red] / green[0][red]) == pytest.approx(cropped.PALE, abs=0.08)


def test_each_way_is_asked_of_each_cell(classifier):
    rows = load_examples("synthetic:20")
    counts = cropped.measure(classifier, rows)
    assert list(counts) == list(cropped.WAYS)
    assert len(counts) == 2 * (1 + len(cropped.NUCLEI))
    for row in counts.values():
        assert row["n"] == 20 >= row["found"] >= row["right"] >= row["confident_right"] <= row["confident"] <= 20
    answers = list(classifier.predict_batch(cropped.pictures(rows)))
    right = sum(
        a.label == rows.features["label"].int2str(label) for a, label in zip(answers, rows["label"], strict=True)
    )
    assert counts["whole photo"]["right"] == right


def test_without_pictures_it_says_what_to_give(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("PBC_DIR", raising=False)
    assert cropped.main([str(tmp_path)]) == 2
    assert "--pbc DIR or set PBC_DIR" in capsys.readouterr().err
