import numpy as np
import pytest

from leukoscope.calibration import SizeEvidence
from training import sizes

MARGIN = 1.0  # by which the network takes every cell for a monocyte


def cells(count: int = 40):
    """Lymphocytes and monocytes that the network takes for monocytes all, and whose widths tell them apart at 1.7."""
    labels = np.arange(count) % 2 + 1
    logits = np.tile([0.0, 1.0, 1.0 + MARGIN, 0.0], (count, 1))
    return logits, np.where(labels == 1, 1.2, 2.4), labels


def test_what_no_cell_was_found_in_is_never_right():
    logits, widths, labels = cells()
    logits[:10] = np.nan
    right = sizes.right(SizeEvidence(8.0, 1.7), logits, widths, labels)
    assert not right[:10].any()
    assert right[10:].all()


def test_the_grid_shows_what_the_evidence_brings():
    part = cells()
    rows = list(sizes.grid([part, part], [part], {"without-barcelona": part, "without-bccd": part}))
    assert len(rows) == 1 + (len(sizes.WEIGHTS) - 1) * len(sizes.MIDDLES)
    alone = rows[0]
    assert (alone["weight"], alone["mean"]) == (0.0, 0.5)
    by_setting = {(row["weight"], row["even"]): row for row in rows}
    assert by_setting[4.0, 1.7]["mean"] == 1.0
    # At 2.0 and 1.5 the narrow ones gain 2 * log(1.5 / 1.2) = 0.45, less than the network's margin.
    assert by_setting[2.0, 1.5]["folds"] == 0.5
    text = "\n".join(sizes.markdown(rows, SizeEvidence(4.0, 1.7)))
    assert "| 0 | – | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 |" in text
    assert "The recipe: weight 4,\neven 1.7." in text


def test_without_the_models_it_says_what_makes_them(tmp_path, capsys):
    assert sizes.main(["--data", "synthetic:40", "--runs", str(tmp_path)]) == 2
    assert "python -m training.compare --variants default" in capsys.readouterr().err


@pytest.mark.parametrize("count", [20, 40])
def test_what_the_network_says_is_kept_by_row(classifier, count):
    from training.data import load_examples

    rows = load_examples(f"synthetic:{count}")
    logits, widths, labels = sizes.said(classifier, rows)
    assert logits.shape == (count, 4)
    assert labels.tolist() == rows["label"]
    assert (widths[np.isfinite(logits[:, 0])] > 0).all()
