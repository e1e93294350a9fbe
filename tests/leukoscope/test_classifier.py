import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES, ImageError
from leukoscope.calibration import SizeEvidence
from leukoscope.classifier import BATCH, Classifier
from leukoscope.hub import EMBEDDED
from leukoscope.synthetic import draw_photo


def drawn(cell_type="neutrophil", seed=0) -> np.ndarray:
    return draw_photo([cell_type], seed=seed, width=320, height=240, red_cell_px=48.0)[0]


def test_a_prediction_holds_what_it_promises(classifier):
    picture = drawn()
    prediction = classifier.predict(picture)
    assert prediction.label in CELL_TYPES
    assert tuple(prediction.probabilities) == CELL_TYPES
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert prediction.probabilities[prediction.label] == prediction.confidence
    x0, y0, x1, y1 = prediction.box
    assert 0 <= x0 < x1 <= 320
    assert 0 <= y0 < y1 <= 240
    threshold = classifier.spec.thresholds.confident
    assert prediction.verdict == ("confident" if prediction.confidence >= threshold else "review")


def test_path_bytes_pil_and_array_give_the_same_answer(classifier, tmp_path):
    picture = drawn()
    path = tmp_path / "cell.png"
    Image.fromarray(picture).save(path)
    answers = {str(classifier.predict(s)) for s in (path, str(path), path.read_bytes(), Image.open(path), picture)}
    assert len(answers) == 1


def test_many_pictures_at_once_answer_as_one_by_one(classifier):
    pictures = [drawn(CELL_TYPES[i % 4], seed=i) for i in range(BATCH + 3)]
    pictures[5] = np.full((60, 60, 3), 240, np.uint8)
    together = list(classifier.predict_batch(iter(pictures)))
    for picture, prediction in zip(pictures, together, strict=True):
        alone = classifier.predict(picture)
        assert (alone.label, alone.box, alone.verdict) == (prediction.label, prediction.box, prediction.verdict)
        np.testing.assert_allclose(
            list(alone.probabilities.values()), list(prediction.probabilities.values()), atol=1e-6
        )


def test_batches_are_read_as_they_are_needed(classifier):
    taken = []

    def pictures():
        for i in range(10 * BATCH):
            taken.append(i)
            yield drawn(seed=0)

    next(classifier.predict_batch(pictures()))
    assert len(taken) == 2 * BATCH, "one batch answered, and one that is decoded meanwhile"


def test_how_wide_the_nucleus_is_in_red_cells_counts():
    """The same crop, among narrower red cells: likelier a monocyte, and as familiar."""
    classifier = Classifier.from_pretrained(EMBEDDED)
    weight = 3.0
    classifier.spec = replace(classifier.spec, size_evidence=SizeEvidence(weight, even=1.5))
    (cell,) = classifier.framed(drawn("lymphocyte"))
    assert cell.width == pytest.approx(1.1, abs=0.2)
    (unknown,), (narrow,), (wide,) = (
        classifier.answer([cell._replace(width=width)]) for width in (0.0, 1.5 / np.exp(0.5), 1.5 * np.exp(0.5))
    )
    odds = [np.log(a.probabilities["monocyte"] / a.probabilities["lymphocyte"]) for a in (narrow, unknown, wide)]
    np.testing.assert_allclose(np.diff(odds), 0.5 * weight / classifier.spec.temperature, rtol=1e-6)
    assert narrow.unfamiliarity == unknown.unfamiliarity == wide.unfamiliarity


def test_no_cell_is_said_not_guessed(classifier):
    empty, _ = draw_photo([], seed=1)
    prediction = classifier.predict(empty)
    assert prediction.label is None
    assert prediction.verdict == "no_cell"
    assert prediction.box is None
    assert prediction.confidence == 0.0
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)


def test_a_drawn_disc_is_no_cell_to_be_sure_of():
    """Brought to one stain, a violet disc has the very colour of a nucleus."""
    classifier = Classifier.from_pretrained(EMBEDDED)
    for radius in (30, 40):
        picture = np.full((200, 200, 3), (240, 235, 230), np.uint8)
        cv2.circle(picture, (100, 100), radius, (120, 60, 160), -1)
        answer = classifier.predict(picture)
        assert answer.verdict == "unfamiliar"
        assert answer.unfamiliarity == 1.0


def test_bad_pictures_raise_image_error(classifier):
    with pytest.raises(ImageError, match="known format"):
        classifier.predict(b"hello")
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="too small"):
        classifier.predict(buffer.getvalue())


def test_threads_may_share_a_classifier(classifier):
    pictures = [drawn(CELL_TYPES[i % 4], seed=i) for i in range(8)]
    alone = [classifier.predict(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(classifier.predict, pictures)) == alone


def test_temperature_softens_without_changing_the_order(classifier):
    logits = np.array([[3.0, 1.0, 0.0, -1.0]], np.float32)
    probabilities = classifier.probabilities(logits)
    expected = np.exp(logits / classifier.spec.temperature)
    np.testing.assert_allclose(probabilities, expected / expected.sum(), rtol=1e-6)


def test_info_says_which_model_answers(classifier):
    info = classifier.info()
    assert info["source"] == "embedded"
    assert info["labels"] == CELL_TYPES
    assert info["model_bytes"] > 100_000
    assert info["trained"]["parameters"] > 10_000


def test_training_and_serving_see_the_same_tensor(classifier, monkeypatch):
    """What training feeds its network unaugmented equals, bit for bit, what serving feeds the graph."""
    from leukoscope.preprocess import normalise
    from training.config import CONFIGS, read_config
    from training.data import load_examples, pictures
    from training.networks import NORMALISATION
    from training.train import framed, framing_of

    config = read_config(CONFIGS / "default.toml")
    examples = load_examples("synthetic:20")
    trained_on = normalise(framed(examples, framing_of(config), 0, "test")[0], NORMALISATION)

    served = []
    session = classifier._session

    class Spy:
        def run(self, outputs, feed):
            served.append(feed["image"])
            return session.run(outputs, feed)

    monkeypatch.setattr(classifier, "_session", Spy())
    list(classifier.predict_batch(pictures(examples)))
    np.testing.assert_array_equal(np.concatenate(served), trained_on)
