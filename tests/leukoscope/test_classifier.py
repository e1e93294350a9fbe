import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES, ImageError
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.ahead import BATCH
from leukoscope.model.checkpoint import LOCATOR_FILE, ONNX_FILE
from leukoscope.model.graphs import open_graph, open_locator
from leukoscope.model.prediction import judged
from leukoscope.pictures.images import read_image
from leukoscope.smear.preprocess import frame


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
    assert prediction.reason is None


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


def test_answers_are_those_of_the_steps_one_by_one(classifier):
    """Decode, locate, frame, run, calibrate, decide: each step on its own, a cell at a time."""
    spec, folder = classifier.spec, classifier.folder
    locator = open_locator(folder / LOCATOR_FILE, spec.thresholds.cell)
    session = open_graph(folder / ONNX_FILE, "image", "logits")
    photos = [draw_photo(types, seed=seed)[0] for seed, types in enumerate([["monocyte"], list(CELL_TYPES), []])]
    for photo in photos:
        answers = []
        for cell in locator.locate(read_image(photo)):
            crop = frame(photo, spec.framing, cell).astype(np.float64) / 255
            inputs = ((crop - spec.normalisation.mean) / spec.normalisation.std)[None].astype(np.float32)
            logits = session.run(["logits"], {"image": inputs})[0][0].astype(np.float64)
            if not cell.cut(photo.shape):
                logits[:4] += spec.sizes.evidence([cell.wide], [cell.doubt])[0]
            powers = np.exp((logits[:4] - logits[:4].max()) / spec.temperature)
            answers.append((cell.box, cell.cut(photo.shape), cell.score, powers / powers.sum()))
        scanned = classifier.scan(photo)
        assert [(p.box, p.cut) for p in scanned] == [answer[:2] for answer in answers]
        for prediction, (_, _, score, probabilities) in zip(scanned, answers, strict=True):
            np.testing.assert_allclose(list(prediction.probabilities.values()), probabilities, atol=1e-4)
            if prediction.unfamiliarity > spec.thresholds.unfamiliar:
                assert prediction.verdict == "unfamiliar"
            else:
                sure = prediction.confidence >= spec.thresholds.confident and score >= spec.thresholds.sure_cell
                assert prediction.verdict == ("confident" if sure else "review")
        first = classifier.predict(photo)
        assert first.box == (scanned[0].box if scanned else None)


def test_a_label_stands_only_for_what_was_surely_found(classifier):
    """A platelet on a red cell was an eosinophil with 0.99; the locator took it for a cell with 0.58 alone."""
    spec = classifier.spec
    assert 0.6 < spec.thresholds.sure_cell < 0.8
    for score, verdict in ((spec.thresholds.sure_cell, "confident"), (0.58, "review")):
        given = judged(spec, (1, 2, 30, 40), False, score, 1.8, np.array([0.997, 0.001, 0.001, 0.001]), 0.01, {})
        assert (given.label, given.verdict, given.wide) == ("eosinophil", verdict, 1.8)


def test_no_cell_is_said_not_guessed(classifier):
    empty, _ = draw_photo([], seed=1)
    prediction = classifier.predict(empty)
    assert prediction.label is None
    assert prediction.verdict == "no_cell"
    assert prediction.box is None
    assert prediction.confidence == 0.0
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.full((60, 60, 3), 255, np.uint8), "blank"),
        (np.zeros((60, 60, 3), np.uint8), "nearly black"),
        (np.zeros((60, 60, 4), np.uint8), "nearly black"),  # alpha that is 0 everywhere is none
        (draw_photo([], seed=1)[0], None),
    ],
    ids=["white", "black", "transparent", "red cells"],
)
def test_why_there_is_no_cell_is_said_where_the_picture_is_the_reason(classifier, picture, reason):
    alone, together = classifier.predict(picture), list(classifier.predict_batch([drawn(), picture]))[1]
    assert alone == together
    assert alone.verdict == "no_cell"
    assert (reason in alone.reason) if reason else alone.reason is None
    assert classifier.predict(drawn()).reason is None


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
    from leukoscope.smear.preprocess import normalise
    from training.data.table import load_examples, pictures
    from training.fitting.examples import framed
    from training.fitting.locator import FirstCells
    from training.recipe.networks import NORMALISATION

    examples = load_examples("synthetic:20")
    spec = classifier.spec
    cells = FirstCells(classifier.folder / LOCATOR_FILE, spec.thresholds.cell)
    trained_on = normalise(framed(examples, spec.framing, 0, "test", cells)[0], NORMALISATION)

    served = []
    session = classifier._session

    class Spy:
        def run(self, outputs, feed):
            served.append(feed["image"])
            return session.run(outputs, feed)

    monkeypatch.setattr(classifier, "_session", Spy())
    list(classifier.predict_batch(pictures(examples)))
    np.testing.assert_array_equal(np.concatenate(served), trained_on)
