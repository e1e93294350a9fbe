import json
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.model.checkpoint import sha256
from leukoscope.model.hub import EMBEDDED
from training import evaluate
from training.scoring.answers import Answers, ask, by_photo
from training.scoring.metrics import record
from training.scoring.scores import calibration_error, results, scores


def answers(labels, predicted, confidence=None, slides=None, photos=None, doubtful=None, **more) -> Answers:
    n = len(labels)
    confidence = np.full(n, 0.9) if confidence is None else np.asarray(confidence, float)
    return Answers(
        np.asarray(labels),
        np.asarray(predicted),
        confidence,
        confidence >= 0.8,
        np.asarray(more.get("unfamiliarity", np.zeros(n))),
        np.arange(n).astype(str) if slides is None else np.asarray(slides),
        np.arange(n).astype(str) if photos is None else np.asarray(photos),
        np.zeros(n, bool) if doubtful is None else np.asarray(doubtful),
    )


@pytest.fixture
def noisy() -> Answers:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    predicted = np.where(rng.random(400) < 0.8, labels, rng.integers(0, 4, 400))
    return answers(labels, predicted, rng.random(400), slides=rng.integers(0, 50, 400).astype(str))


def test_scores_agree_with_scikit_learn(noisy):
    ours = scores(noisy)
    truth, given = noisy.labels, noisy.predicted
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, given))
    assert ours["macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))
    np.testing.assert_array_equal(np.array(ours["confusion"])[:, :4], confusion_matrix(truth, given))
    precision, recall, f1, support = precision_recall_fscore_support(truth, given)
    for i, row in enumerate(ours["per_class"].values()):
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx((precision[i], recall[i], f1[i]))
        assert row["support"] == support[i]


def test_no_cell_found_counts_as_wrong():
    ours = scores(answers([0, 1, 2, 3], [0, 1, 2, 4], [0.9, 0.9, 0.9, 0.0]))
    assert ours["accuracy"] == 0.75
    assert ours["no_cell_found"] == 1
    assert ours["per_class"]["neutrophil"]["recall"] == 0.0


def test_intervals_are_of_fields_not_of_copies():
    """A hundred copies of each picture are no more evidence than one."""
    rng = np.random.default_rng(2)
    labels, hit = rng.integers(0, 4, 40), rng.random(40) < 0.8
    predicted = np.where(hit, labels, (labels + 1) % 4)
    fields = np.arange(40).astype(str)
    once = scores(answers(labels, predicted, slides=fields))
    copied = scores(answers(*(np.repeat(a, 100) for a in (labels, predicted)), slides=np.repeat(fields, 100)))
    np.testing.assert_allclose(copied["accuracy_95"], once["accuracy_95"], atol=1e-9)
    low, high = once["accuracy_95"]
    assert low < once["accuracy"] < high
    # Of 40 independent pictures the interval has about the width of the normal approximation.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(hit.mean() * (1 - hit.mean()) / 40), rel=0.25)


def test_cells_of_one_slide_are_no_independent_evidence():
    rng = np.random.default_rng(3)
    slides = np.repeat(np.arange(10), 40)
    labels = rng.integers(0, 4, 400)
    hit = rng.random(10)[slides] > rng.random(400) * 0.7  # some slides are harder than others
    given = np.where(hit, labels, (labels + 1) % 4)
    by_slide = scores(answers(labels, given, slides=slides.astype(str)))
    by_cell = scores(answers(labels, given))
    assert by_slide["slides"] == 10
    for key in ("accuracy_95", "balanced_accuracy_95"):
        assert np.ptp(by_slide[key]) > 2 * np.ptp(by_cell[key])
        assert by_slide[key][0] < by_slide[key.removesuffix("_95")] < by_slide[key][1]


def test_calibration_error_of_known_answers():
    assert calibration_error(answers([0] * 10, [0] * 8 + [1] * 2, [0.8] * 10)) == pytest.approx(0.0)
    assert calibration_error(answers([0] * 10, [0] * 5 + [1] * 5, [0.9] * 10)) == pytest.approx(0.4)
    mixed = answers([0] * 20, [0] * 10 + [1] * 10, [0.95] * 10 + [0.35] * 10)
    assert calibration_error(mixed) == pytest.approx(0.5 * 0.05 + 0.5 * 0.35)


def test_a_photo_gets_what_most_of_its_copies_get():
    copies = answers(
        labels=[0, 0, 0, 1, 1, 2],
        predicted=[0, 0, 3, 1, 2, 4],
        confidence=[0.6, 0.8, 0.99, 0.5, 0.9, 0.0],
        photos=["a", "a", "a", "b", "b", "c"],
    )
    photos = by_photo(copies)
    assert photos.photos.tolist() == ["a", "b", "c"]
    assert photos.predicted.tolist() == [0, 2, 4], "most votes; of equals the more confident; no cell stays none"
    np.testing.assert_allclose(photos.confidence, [0.7, 0.9, 0.0])


def test_confident_answers_are_counted_by_themselves():
    ours = scores(answers([0, 0, 0, 1], [0, 1, 1, 1], [0.9, 0.85, 0.5, 0.9]))
    assert (ours["confident"]["share"], ours["confident"]["accuracy"]) == (0.75, pytest.approx(2 / 3))
    assert ours["confident"]["accuracy_95"] == [0.0, 1.0]
    none = scores(answers([0], [0], [0.1]))["confident"]
    assert none == {"share": 0.0, "accuracy": 0.0, "accuracy_95": [0.0, 0.0]}
    assert ours["balanced_accuracy"] == pytest.approx((1 / 3 + 1) / 2)
    most = by_photo(answers([0] * 4, [0] * 4, [0.9, 0.9, 0.1, 0.1], photos=["a", "a", "a", "b"]))
    assert most.confident.tolist() == [True, False]


def test_other_cells_tell_by_their_unfamiliarity_and_not_in_the_accuracy():
    result = results(
        answers([0, 1, 2, 3, 4, 4, 6], [0, 1, 2, 3, 0, 0, 0], unfamiliarity=[0.1, 0.2, 0.3, 0.4, 0.9, 0.25, 0.0])
    )
    assert result["images"]["all"]["n"] == 4
    assert result["images"]["all"]["accuracy"] == 1.0
    assert result["unfamiliarity"] == {
        "basophil": {"auroc": 0.75, "n": 2},
        "immature_granulocyte": {"auroc": 0.0, "n": 1},
    }


def test_doubtful_photos_are_left_out_of_the_second_set_only():
    given = answers([0, 1, 2, 3], [1, 1, 2, 3], doubtful=[True, False, False, False])
    result = results(given)
    assert result["images"]["all"]["accuracy"] == 0.75
    assert result["images"]["without_doubtful"]["accuracy"] == 1.0
    assert result["images"]["without_doubtful"]["n"] == 3
    assert result["photos_missed"] == ["0"]
    assert result["doubtful_photos"] == ["0"]


def test_metrics_belong_to_the_weights(smoke_checkpoint, tmp_path):
    folder = shutil.copytree(smoke_checkpoint, tmp_path / "c")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["model_sha256"] == sha256(folder / "model.onnx")
    assert set(metrics["results"]) == {"synthetic-test-photo"}
    record(folder, "more", {"n": 1})
    assert set(json.loads((folder / "metrics.json").read_text())["results"]) == {"synthetic-test-photo", "more"}
    (folder / "model.onnx").write_bytes(b"other weights")
    record(folder, "new", {"n": 2})
    assert set(json.loads((folder / "metrics.json").read_text())["results"]) == {"new"}


def test_figures_are_drawn(smoke_checkpoint):
    folder = smoke_checkpoint / "figures" / "synthetic-test-photo"
    for name in ("confusion", "report", "reliability", "curves"):
        with Image.open(folder / f"{name}.png") as image:
            assert image.width > 400
            assert len(set(image.convert("L").resize((50, 50)).tobytes())) > 5, "not blank"


def test_the_command_says_what_is_wrong(smoke_checkpoint, tmp_path, capsys):
    assert evaluate.main([str(tmp_path), "--data", "synthetic:20"]) == 2
    assert "is not a checkpoint" in capsys.readouterr().err
    assert evaluate.main([str(smoke_checkpoint), "--data", "synthetic:20", "--lab", "mars"]) == 2
    assert "no pictures of lab 'mars': is --pbc or --labs missing?" in capsys.readouterr().err
    assert evaluate.main([str(smoke_checkpoint), "--data", "synthetic:20", "--lab", "synthetic", "--kind", "copy"]) == 2
    assert "kind 'copy'" in capsys.readouterr().err


def test_pictures_trained_on_are_not_scored(smoke_checkpoint, tmp_path, capsys):
    """Of a lab that the checkpoint was trained on only the held-out photos are."""
    folder = shutil.copytree(smoke_checkpoint, tmp_path / "c")
    spec = json.loads((folder / "classifier.json").read_text())
    spec["trained"]["labs"] = ["ward"]
    (folder / "classifier.json").write_text(json.dumps(spec))
    for number, name in enumerate(CELL_TYPES):
        (tmp_path / "ward" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (40, 40), (i, number, 0)).save(tmp_path / "ward" / name / f"{i}.png")
    words = [str(folder), "--data", str(tmp_path / "ward"), "--lab", "ward"]
    for split in ("all", "train"):
        assert evaluate.main([*words, "--split", split]) == 2
        assert "was trained on lab 'ward': only its split 'test'" in capsys.readouterr().err
    assert evaluate.main(words) == 0
    held_out = json.loads((folder / "metrics.json").read_text())["results"]["ward-test-photo"]["images"]["all"]
    assert 0 < held_out["n"] < 30


def test_embedded_results_are_those_of_the_real_test_set(blood_cells, classifier):
    """The kept numbers come out again; of the photos nine in ten are right, of those with a sure label nearly all."""
    from training.data.table import load_examples, where

    kept = json.loads((EMBEDDED / "metrics.json").read_text())
    assert kept["model_sha256"] == sha256(EMBEDDED / "model.onnx")
    test = where(load_examples(blood_cells, kinds=("copy",)), split="test")
    fresh = results(ask(classifier, test))
    before = kept["results"]["bccd-test-copy"]
    assert fresh["images"]["all"]["n"] == 2487
    for key in ("accuracy", "macro_f1"):
        assert fresh["images"]["all"][key] == pytest.approx(before["images"]["all"][key], abs=0.002)
    assert fresh["photos"]["all"]["n"] == 71
    assert fresh["photos"]["all"]["accuracy"] >= 0.90
    assert fresh["photos"]["without_doubtful"]["accuracy"] >= 0.95
    # Temperature is fitted on four labs; of this one the answers are righter than their probabilities say.
    assert fresh["images"]["without_doubtful"]["expected_calibration_error"] <= 0.08
