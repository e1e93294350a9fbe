import numpy as np
import pytest

from leukoscope.calibration import DOUBT, WIDEST, SizeEvidence, probabilities, unfamiliarity

LOGITS = np.array([[3.0, 1.0, 0.0, -1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 9.0]], np.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_types_share_out_what_is_one_of_them(temperature):
    given = probabilities(LOGITS, temperature)
    expected = np.exp(LOGITS[:, :4] / temperature)
    np.testing.assert_allclose(given, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(given, probabilities(LOGITS[:, :4], temperature), rtol=1e-12)


def test_unfamiliarity_is_the_share_of_none_of_the_four_and_some_of_the_doubt_between_them():
    all_five = np.exp(LOGITS.astype(float))
    none = (all_five / all_five.sum(axis=1, keepdims=True))[:, 4]
    doubt = 1 - (all_five[:, :4] / all_five[:, :4].sum(axis=1, keepdims=True)).max(axis=1)
    np.testing.assert_allclose(unfamiliarity(LOGITS, 1.0), 1 - (1 - none) * (1 - DOUBT * doubt))
    np.testing.assert_allclose(unfamiliarity(LOGITS[:, :4], 1.0), DOUBT * doubt, err_msg="not taught: doubt alone")
    even, sure = np.zeros((1, 5)), np.array([[60.0, 0, 0, 0, 0]])
    assert unfamiliarity(even, 1.0) == pytest.approx(0.2 + DOUBT * 0.8 * 0.75)
    assert unfamiliarity(sure, 1.0) == pytest.approx(0.0)
    assert unfamiliarity(sure[:, ::-1], 1.0) == pytest.approx(1.0)
    assert np.isfinite(unfamiliarity(1000 * LOGITS, 0.25)).all()


def test_a_wide_nucleus_speaks_for_a_monocyte_and_a_narrow_one_for_a_lymphocyte():
    evidence = SizeEvidence(weight=4.0, even=1.7)
    logits = np.zeros((7, 5))
    widths = np.array([1.7 * np.exp(0.25), 1.7 / np.exp(0.25), 1.7, 0.0, 0.1, WIDEST, WIDEST + 0.1])
    added = evidence.added(logits, widths)
    lymphocyte, monocyte = added[:, 1], added[:, 2]
    np.testing.assert_allclose(
        monocyte - lymphocyte, [1.0, -1.0, 0.0, 0.0, -4.0 * 0.6, 4 * np.log(3 / 1.7), 0.0], atol=1e-12
    )
    np.testing.assert_allclose(monocyte + lymphocyte, 0.0, atol=1e-12)
    assert not added[:, [0, 3, 4]].any(), "it says nothing of the others"
    assert not logits.any(), "what was given stays as it is"


def test_without_weight_size_says_nothing():
    np.testing.assert_array_equal(SizeEvidence().added(LOGITS, np.array([0.5, 3.0])), LOGITS)
