import numpy as np
import pytest

from leukoscope.calibration import probabilities, unfamiliarity

LOGITS = np.array([[3.0, 1.0, 0.0, -1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 9.0]], np.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_types_share_out_what_is_one_of_them(temperature):
    given = probabilities(LOGITS, temperature)
    expected = np.exp(LOGITS[:, :4] / temperature)
    np.testing.assert_allclose(given, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(given, probabilities(LOGITS[:, :4], temperature), rtol=1e-12)


def test_unfamiliarity_is_the_share_of_none_of_the_four():
    all_five = np.exp(LOGITS.astype(float))
    np.testing.assert_allclose(unfamiliarity(LOGITS, 1.0), (all_five / all_five.sum(axis=1, keepdims=True))[:, 4])
    assert unfamiliarity(LOGITS[:, :4], 1.0).tolist() == [0.0, 0.0], "never, from a network that was not taught it"
    assert np.isfinite(unfamiliarity(1000 * LOGITS, 0.25)).all()
