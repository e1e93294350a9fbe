import numpy as np
import pytest

from leukoscope.model.calibration import DOUBT, ODD, Sizes, probabilities, unfamiliarity, with_evidence

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


SIZES = Sizes(mean=tuple(np.log([1.8, 1.4, 2.1, 1.7])), spread=(0.1, 0.1, 0.1, 0.1), weight=0.5)


def test_a_width_speaks_for_the_type_that_has_it():
    evidence = SIZES.evidence([1.4, 2.1, 1.8], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(evidence.argmax(axis=1), [1, 2, 0])
    np.testing.assert_array_equal(evidence.max(axis=1), [0, 0, 0])
    peak, away = 1 / (0.1 * np.sqrt(2 * np.pi)), np.exp(-((np.log(2.1 / 1.4) / 0.1) ** 2) / 2)
    assert evidence[0, 2] == pytest.approx(0.5 * np.log((peak * away + ODD) / (peak + ODD)))


def test_what_is_not_known_says_nothing_and_what_is_doubtful_little():
    evidence = SIZES.evidence([None, 1.4, 1.4, 50.0, 0.0], [0.0, 0.0, 0.5, 0.0, 0.0])
    assert not evidence[0].any()
    assert np.abs(evidence[2]).max() < np.abs(evidence[1]).max() / 3
    assert np.abs(evidence[3:]).max() == 0, "a width that no type has speaks against none"


def test_evidence_moves_the_four_types_and_not_what_is_none_of_them():
    evidence = SIZES.evidence([1.4, 2.1], [0.0, 0.0])
    moved = with_evidence(LOGITS, evidence)
    np.testing.assert_allclose(moved[:, :4], LOGITS[:, :4] + evidence)
    np.testing.assert_array_equal(moved[:, 4], LOGITS[:, 4])
    assert with_evidence(LOGITS[:, :4], evidence).shape == (2, 4)
