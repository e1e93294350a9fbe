import json
import os
import shutil

import keras
import numpy as np
import pytest
from scipy.special import softmax

from leukoscope import Classifier
from leukoscope.model.checkpoint import HISTORY_FILE, KERAS_FILES, LOCATOR_FILE, read_spec, sha256
from leukoscope.smear.preprocess import normalise
from tests.leukoscope.test_checkpoint import edit
from tests.training.conftest import run_here
from training.data.table import load_examples, only_cell_types, pictures
from training.export import (
    ONNX_OUTPUTS,
    ROUNDED_TOLERANCE,
    differences,
    export_onnx,
    run_onnx,
)
from training.recipe.config import CONFIGS, read_config
from training.recipe.networks import answering, build


@pytest.fixture(scope="module")
def drawn_crops(smoke_checkpoint):
    classifier = Classifier.from_pretrained(smoke_checkpoint)
    framed = [classifier.framed(picture, first=True) for picture in pictures(load_examples("synthetic:200"))]
    return np.stack([cells[0].crop for cells in framed if cells])


def test_onnx_and_keras_agree(smoke_checkpoint, drawn_crops):
    model = keras.saving.load_model(smoke_checkpoint)
    assert len(drawn_crops) >= 190
    assert differences(model, smoke_checkpoint / "model.onnx", drawn_crops).mean() <= ROUNDED_TOLERANCE


def test_embedded_onnx_and_keras_agree_on_real_crops(blood_cells, classifier):
    from leukoscope.model.hub import EMBEDDED

    photos = only_cell_types(load_examples(blood_cells, kinds=("photo",))).select(range(200))
    crops = np.stack([cell.crop for photo in pictures(photos) for cell in classifier.framed(photo, first=True)])
    assert len(crops) >= 190
    model = keras.saving.load_model(EMBEDDED)
    assert differences(model, EMBEDDED / "model.onnx", crops).mean() <= 0.015
    named = model.predict(normalise(crops, read_spec(EMBEDDED).normalisation), verbose=0).argmax(axis=1)
    assert (run_onnx(EMBEDDED / "model.onnx", crops).argmax(axis=1) == named).mean() >= 0.98


def test_other_weights_are_noticed(smoke_checkpoint, drawn_crops):
    model = keras.saving.load_model(smoke_checkpoint)
    weights = model.get_weights()
    model.set_weights([w + 0.05 for w in weights])
    assert differences(model, smoke_checkpoint / "model.onnx", drawn_crops[:20]).mean() > ROUNDED_TOLERANCE


@pytest.mark.parametrize("name", ["reference", "default"])
def test_both_networks_export_with_a_free_batch_axis(name, tmp_path):
    import onnxruntime

    config = read_config(CONFIGS / f"{name}.toml")
    size = config.framing.size
    model = build(config)
    export_onnx(answering(model, config), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for batch in (1, 3):
        inputs = np.random.default_rng(0).random((batch, size, size, 3), np.float32)
        logits, features, feature_map = session.run(["logits", *ONNX_OUTPUTS], {"image": inputs})
        assert logits.shape == (batch, config.data.classes)
        assert features.shape == (batch, {"reference": 128, "default": 128}[name])
        assert feature_map.ndim == 4
        assert feature_map.shape[0] == batch
        ways = [inputs, inputs[:, ::-1, ::-1]] if config.network.half_turn else [inputs]
        wanted = np.mean([model.predict(way, verbose=0)[:, : config.data.classes] for way in ways], axis=0)
        np.testing.assert_allclose(logits, wanted, atol=1e-4)
    if name == "default":
        assert model.count_params() <= 2_500_000
        assert min(feature_map.shape[1:3]) >= 8


def test_checkpoint_is_whole(smoke_run, smoke_checkpoint):
    spec = read_spec(smoke_checkpoint)
    assert spec.name == "smoke"
    assert spec.trained["drawn"] is True
    assert set(spec.files) == {"model.onnx", LOCATOR_FILE, *KERAS_FILES}
    assert spec.files[LOCATOR_FILE] == sha256(smoke_run / LOCATOR_FILE)
    assert spec.thresholds.cell == read_config(smoke_run / "config.toml").locator.threshold
    assert (smoke_checkpoint / HISTORY_FILE).read_bytes() == (smoke_run / "history.csv").read_bytes()
    assert Classifier.from_pretrained(smoke_checkpoint).replay_golden() < 1e-6
    assert {f.suffix for f in smoke_checkpoint.iterdir()} <= {".json", ".h5", ".onnx", ".csv", ".png", ""}, "no code"


def test_keras_opens_the_folder_and_agrees_with_the_classifier(smoke_checkpoint, drawn_crops):
    spec = read_spec(smoke_checkpoint)
    logits = keras.saving.load_model(smoke_checkpoint).predict(
        normalise(drawn_crops[:8], spec.normalisation), verbose=0
    )
    classifier = Classifier.from_pretrained(smoke_checkpoint)
    np.testing.assert_allclose(
        softmax(logits / spec.temperature, axis=1),
        classifier.probabilities(classifier.logits(drawn_crops[:8])),
        atol=1e-4,
    )


def test_exporting_again_gives_the_same_answers(smoke_run, smoke_checkpoint, tmp_path, drawn_crops):
    done = run_here("training.export", smoke_run, tmp_path / "again", "--data", "synthetic:80")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        run_onnx(tmp_path / "again" / "model.onnx", drawn_crops[:8]),
        run_onnx(smoke_checkpoint / "model.onnx", drawn_crops[:8]),
    )
    assert read_spec(tmp_path / "again").temperature == read_spec(smoke_checkpoint).temperature


def test_a_folder_that_is_no_checkpoint_is_not_replaced(smoke_run, tmp_path):
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1.txt").write_text("years of work")
    done = run_here("training.export", smoke_run, target, "--data", "synthetic:80")
    assert done.returncode == 2
    assert "not replaced" in done.stderr
    assert os.listdir(target) == ["chapter1.txt"]
    assert os.listdir(tmp_path) == ["thesis"], "nothing half-made is left beside it"


def test_a_run_without_weights_is_refused(smoke_run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_bytes((smoke_run / "config.toml").read_bytes())
    done = run_here("training.export", tmp_path / "run", tmp_path / "out", "--data", "synthetic:80")
    assert done.returncode == 2
    assert "no epoch was completed" in done.stderr


def test_a_run_on_all_photos_takes_the_verdicts_of_one_that_held_some_out(
    smoke_config, smoke_run, smoke_checkpoint, tmp_path
):
    run, final, data = tmp_path / "all", tmp_path / "final", ("--data", "synthetic:80")
    done = run_here("training.train", smoke_config, *data, "--all", "--out", run)
    assert done.returncode == 0, done.stderr
    assert "val_loss" not in done.stdout

    other = tmp_path / "other"
    shutil.copytree(smoke_checkpoint, other)
    edit(other, trained={**read_spec(other).trained, "config": other_recipe(smoke_run)})
    silent = tmp_path / "silent"
    shutil.copytree(smoke_checkpoint, silent)
    edit(silent, trained={})
    for words, why in (
        ([run], "a checkpoint of the same recipe that did"),
        ([run, "--verdicts", silent], f"{silent} does not say with what settings it was trained"),
        ([run, "--verdicts", other], "differs in network, augment"),
        ([smoke_run, "--verdicts", smoke_checkpoint], "are not needed"),
    ):
        refused = run_here("training.export", words[0], final, *words[1:], *data)
        assert refused.returncode == 2
        assert why in refused.stderr
        assert not final.exists()

    done = run_here("training.export", run, final, "--verdicts", smoke_checkpoint, *data)
    assert done.returncode == 0, done.stderr
    spec, lent = read_spec(final), read_spec(smoke_checkpoint)
    assert (spec.temperature, spec.thresholds) == (lent.temperature, lent.thresholds)
    assert spec.trained["on_all"]
    assert not lent.trained["on_all"]
    assert spec.trained["pictures"] == lent.trained["pictures"] + lent.trained["validation_pictures"]
    refused = run_here("training.export", run, tmp_path / "third", "--verdicts", final, *data)
    assert refused.returncode == 2
    assert "held no fold out either" in refused.stderr

    done = run_here("training.evaluate", final, *data, "--lab", "synthetic")
    assert done.returncode == 0, done.stderr
    assert (final / "figures" / "synthetic-test-photo" / "curves.png").exists()


def other_recipe(run):
    config = read_config(run / "config.toml").model_dump()
    return {**config, "network": {**config["network"], "dropout": [0.2]}, "augment": {**config["augment"], "zoom": 0.2}}


def test_spec_json_is_readable(smoke_checkpoint):
    spec = json.loads((smoke_checkpoint / "classifier.json").read_text())
    assert spec["labels"] == ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
    assert spec["trained"]["versions"].keys() == {"keras", "tensorflow", "onnxruntime", "numpy"}
