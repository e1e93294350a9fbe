import numpy as np
import pytest

from leukoscope.model.calibration import DOUBT, probabilities, unfamiliarity

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
