import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukoscope import Classifier
from leukoscope.model.checkpoint import LOCATOR_FILE, sha256
from leukoscope.pictures.images import read_image
from leukoscope.smear.preprocess import Framing, frame
from tests.training.conftest import ROOT, SMOKE, drawn_alone, run_here, run_module
from training.data.sources import DataError
from training.data.table import NONE, load_examples, sources, targets_of
from training.fitting.batches import Batches, even_labs
from training.fitting.examples import framed, framing_of, on_all, training_rows, with_negatives
from training.fitting.locator import FirstCells, locator_path
from training.fitting.run_folder import (
    KEPT_FILE,
    RunError,
    kept_epoch,
    load_state,
    open_run,
    read_history,
    stopped_early,
)
from training.recipe.config import ConfigError, read_config


def kept_weights(folder):
    import h5py

    arrays = []
    with h5py.File(folder / KEPT_FILE) as file:
        file.visititems(lambda name, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return arrays


def test_a_run_keeps_what_it_promises(smoke_run):
    history = read_history(smoke_run)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]
    assert (smoke_run / "config.toml").read_text() == SMOKE
    assert (smoke_run / KEPT_FILE).exists()
    assert list((smoke_run / "tensorboard").glob("events*"))


def test_a_run_learns_the_drawn_cells(smoke_run):
    assert max(row["val_accuracy"] for row in read_history(smoke_run)) > 0.6


def test_killed_mid_epoch_it_goes_on_and_ends_as_if_never_stopped(smoke_config, smoke_run, tmp_path):
    """SIGKILL in the second epoch, then the same command: the same weights as the undisturbed run's."""
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "training.train", smoke_config, "--data", "synthetic:80", "--out", folder]
    process = subprocess.Popen(
        [*map(str, command)],
        cwd=ROOT,
        env=drawn_alone(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen = ""
    deadline = time.monotonic() + 240
    # The bar of the second epoch has moved: the epoch is in flight.
    while not re.search(r"epoch 2/3:[^\r]*\| [1-9]\d*/40", seen) and time.monotonic() < deadline:
        seen += os.read(process.stdout.fileno(), 4096).decode(errors="replace")
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(read_history(folder)) == 1, "one epoch was whole, the next was in flight"

    again = run_module("training.train", smoke_config, "--data", "synthetic:80", "--out", folder)
    assert again.returncode == 0, again.stderr
    assert "going on after epoch 1" in again.stdout
    assert [line.split(",")[0] for line in (folder / "history.csv").read_text().split()] == ["epoch", "1", "2", "3"]
    for resumed, straight in zip(read_history(folder), read_history(smoke_run), strict=True):
        assert {**resumed, "seconds": 0} == {**straight, "seconds": 0}
    for resumed, straight in zip(kept_weights(folder), kept_weights(smoke_run), strict=True):
        np.testing.assert_array_equal(resumed, straight)


def test_a_recipe_that_is_shipped_trains_on_drawn_cells_and_each_next_command_is_whole(tmp_path):
    text = (ROOT / "training" / "recipe" / "configs" / "default.toml").read_text()
    for before, after in (
        ("epochs = 30", "epochs = 1"),
        ("steps = 100", "steps = 2"),
        ("batch = 64", "batch = 8"),
        ("empty = 1400", "empty = 8"),
    ):
        assert before in text
        text = text.replace(before, after)
    recipe = tmp_path / "default.toml"
    recipe.write_text(text)
    assert "barcelona" in text, "it names labs that drawn cells are not of"
    few = run_module("training.train", recipe, "--data", "synthetic:40", "--out", tmp_path / "few")
    assert few.returncode == 2
    assert few.stderr.splitlines()[-1].endswith("10 folds need as many photos of a type; the data has 8 at most")
    done = run_module("training.train", recipe, "--data", "synthetic:80", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    for module in ("training.export", "training.evaluate"):
        (line,) = re.findall(r"^next: python -m (.*)$", done.stdout, re.MULTILINE)
        assert line.startswith(module)
        done = run_module(*shlex.split(line))
        assert done.returncode == 0, done.stderr
    assert read_config(tmp_path / "run" / "config.toml").data.labs == ["synthetic"]


def test_a_finished_run_started_again_trains_no_more(smoke_config, smoke_run):
    before = (smoke_run / "history.csv").read_bytes()
    again = run_here("training.train", smoke_config, "--data", "synthetic:80", "--out", smoke_run)
    assert again.returncode == 0, again.stderr
    assert (smoke_run / "history.csv").read_bytes() == before
    assert "nothing is left to train" in again.stdout
    assert "reading" not in again.stderr, "nor does it read a picture"


def test_a_folder_of_another_run_is_not_touched(smoke_config, smoke_run, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(SMOKE.replace("seed = 3", "seed = 4"))
    refused = run_here("training.train", other, "--data", "synthetic:80", "--out", smoke_run)
    assert refused.returncode == 2
    assert "another config" in refused.stderr
    refused = run_here("training.train", smoke_config, "--data", "synthetic:40", "--out", smoke_run)
    assert refused.returncode == 2
    assert "another pictures and data_sha256" in refused.stderr


def test_bad_settings_and_data_end_with_2(smoke_config, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text(SMOKE.replace("epochs", "epoch"))
    refused = run_here("training.train", bad, "--data", "synthetic:80")
    assert refused.returncode == 2
    assert "unknown key 'fit.epoch'" in refused.stderr
    refused = run_here("training.train", smoke_config, "--data", str(tmp_path / "none" / "x"))
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_interrupt_says_how_to_go_on(smoke_config, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "training.train", smoke_config, "--data", "synthetic:80", "--out", tmp_path / "run"],
        cwd=ROOT,
        env=drawn_alone(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A job in the background is born with Ctrl-C ignored; this one is to take it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    seen = ""
    while "epoch 1/3:" not in seen:
        seen += os.read(process.stdout.fileno(), 4096).decode(errors="replace")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in rest


def test_training_and_validation_share_no_field_and_spare_test(smoke_config):
    config = read_config(smoke_config)
    examples = load_examples("synthetic:80")
    train, validation = training_rows(config, examples)
    assert not set(train["field"]) & set(validation["field"])
    assert set(train["split"]) == set(validation["split"]) == {"train"}


@pytest.mark.parametrize(("balance", "steps"), [("sampling", 25), ("class-weights", 0), ("none", 7)])
def test_batches(smoke_config, balance, steps):
    config = read_config(smoke_config)
    config = config.model_copy(update={"fit": config.fit.model_copy(update={"balance": balance, "steps": steps})})
    labels = np.repeat([0, 1, 2, 3], [30, 6, 4, 60])
    crops = np.zeros((100, 32, 32, 3), np.uint8)
    crops[:, :, :, 0] = labels[:, None, None] * 50
    batches = Batches(crops, labels, np.full(100, "one"), config)
    epoch = list(batches.epoch(0))
    assert len(epoch) == batches.steps == (steps or 7)
    shown = np.concatenate([one_hot.argmax(axis=1) for _, one_hot, _ in epoch])
    weights = np.concatenate([w for _, _, w in epoch])
    for inputs, one_hot, _ in epoch:
        np.testing.assert_allclose(inputs[:, 16, 16, 0] * 255, one_hot.argmax(axis=1) * 50, atol=0.01)
    if balance == "sampling":
        assert np.bincount(shown).tolist() == [100, 100, 100, 100]
        assert (weights == 1).all()
    if balance == "class-weights":
        assert len(shown) == 100
        totals = [weights[shown == c].sum() for c in range(4)]
        np.testing.assert_allclose(totals, 25, rtol=1e-5)
    for one, two in zip(epoch, batches.epoch(0), strict=True):
        np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(epoch[0][1], next(batches.epoch(1))[1])


@pytest.fixture(scope="module")
def cells(smoke_config):
    """The locator of the recipe, which remembers nothing."""
    settings = read_config(smoke_config).locator
    return FirstCells(locator_path(settings), settings.threshold)


def test_none_of_the_four_is_taught_with_what_photos_lack(smoke_config, cells):
    config = read_config(smoke_config)
    config = config.model_copy(update={"data": config.data.model_copy(update={"empty": 6})})
    crops, rows = framed(load_examples("synthetic:40"), framing_of(config), 8, "drawn", cells)
    types = targets_of(rows)
    taught, targets, labs = with_negatives(crops, rows, config, 8, cells)
    np.testing.assert_array_equal(taught[:-6], crops)
    np.testing.assert_array_equal(targets, np.append(types, [NONE] * 6))
    assert labs.tolist() == ["synthetic"] * len(types) + ["empty"] * 6


def test_training_frames_what_serving_frames_bit_for_bit(smoke_config, smoke_checkpoint, cells):
    rows = load_examples("synthetic:40")
    crops, kept = framed(rows, framing_of(read_config(smoke_config)), 0, "drawn", cells)
    served = Classifier.from_pretrained(smoke_checkpoint)
    assert len(crops) == len(kept) > 30
    for crop, source in zip(crops, sources(kept), strict=True):
        (given,) = served.framed(source, first=True)
        np.testing.assert_array_equal(given.crop, crop)


def test_what_was_found_is_remembered_by_the_picture(smoke_config, tmp_path):
    settings = read_config(smoke_config).locator
    path = locator_path(settings)
    framing, rows = Framing("cell", 32, 1.4), load_examples("synthetic:20")
    first = FirstCells(path, settings.threshold, tmp_path)
    crops, _ = framed(rows, framing, 4, "drawn", first)
    (file,) = tmp_path.iterdir()
    again = FirstCells(path, settings.threshold, tmp_path)
    again.locator = replace(again.locator, run=None)  # it cannot be asked again
    others, _ = framed(rows.select([3, 1]), framing, 4, "drawn", again)
    np.testing.assert_array_equal(others, crops[[3, 1]])
    written = file.stat().st_mtime_ns
    again.keep()
    assert file.stat().st_mtime_ns == written, "nothing is new"
    with pytest.raises(TypeError):
        framed(load_examples("synthetic:20", seed=1), framing, 4, "drawn", again)
    other = FirstCells(path, settings.threshold + 0.1, tmp_path)
    framed(rows, framing, 4, "drawn", other)
    assert len(list(tmp_path.iterdir())) == 2, "another threshold may find others"


def test_a_run_records_its_locator_and_keeps_a_copy(smoke_run, smoke_config, tmp_path):
    config, rows = read_config(smoke_config), load_examples("synthetic:80", seed=3)
    path = locator_path(config.locator)
    assert sha256(smoke_run / LOCATOR_FILE) == sha256(path)
    assert json.loads((smoke_run / "run.json").read_text())["locator_sha256"] == sha256(path)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another")
    open_run(smoke_run, SMOKE, config, rows)
    with pytest.raises(RunError, match="another locator_sha256"):
        open_run(smoke_run, SMOKE, config, rows, other)
    settings = config.locator.model_copy(update={"file": str(tmp_path / "none.onnx")})
    with pytest.raises(DataError, match=r"locator.file: there is no .*none\.onnx"):
        open_run(tmp_path / "run", SMOKE, config.model_copy(update={"locator": settings}), rows)
    assert not (tmp_path / "run").exists()


def test_labs_are_drawn_in_equal_parts(smoke_config):
    config = read_config(smoke_config)
    labels = np.repeat([0, 1, 2, 3, 0, 1, 2, 3], [5, 6, 4, 9, 200, 200, 200, 200])
    labs = np.repeat(["small", "large"], [24, 800])
    crops = np.zeros((824, 32, 32, 3), np.uint8)
    crops[labs == "small"] = 255
    batches = Batches(crops, labels, labs, config)
    inputs = np.concatenate([x for x, _, _ in batches.epoch(0)])
    assert (inputs[:, 16, 16, 0] == 1).mean() == pytest.approx(0.5, abs=0.03)


def test_pictures_without_a_cell_are_left_out_and_counted(cells, capsys):
    rows = load_examples("synthetic:40")
    framing = Framing("cell", 32, 1.4)
    blank = BytesIO()
    Image.fromarray(np.full((120, 160, 3), 230, np.uint8)).save(blank, "PNG")

    def blanked(some):
        return rows.map(lambda row, i: {"image": {"bytes": blank.getvalue()}} if i in some else row, with_indices=True)

    crops, kept = framed(blanked({3}), framing, 0, "training", cells)
    assert len(crops) == len(kept) == 39
    assert kept["photo"] == [photo for i, photo in enumerate(rows["photo"]) if i != 3]
    assert "no white cell found in 1 of 40 training pictures" in capsys.readouterr().out
    with pytest.raises(DataError, match="no white cell found in 3 of 40 test pictures, first in"):
        framed(blanked({1, 2, 3}), framing, 0, "test", cells)


def test_whole_photos_are_framed_without_a_locator():
    rows, framing = load_examples("synthetic:20"), Framing("photo", 32)
    crops, kept = framed(rows, framing, 0, "training", None)
    assert len(kept) == 20
    np.testing.assert_array_equal(crops[5], frame(read_image(list(sources(rows))[5]), framing))


def test_a_recipe_names_the_kinds_it_trains_on(smoke_config):
    config = read_config(smoke_config)
    examples = load_examples("synthetic:80")
    kinds = ["photo" if i % 3 else "copy" for i in range(len(examples))]
    examples = examples.remove_columns("kind").add_column("kind", kinds)
    for kind, wanted in (("photo", {"photo"}), ("copy", {"copy"}), ("both", {"photo", "copy"})):
        data = config.data.model_copy(update={"kind": kind})
        train, validation = training_rows(config.model_copy(update={"data": data}), examples)
        assert set(train["kind"]) == wanted
        assert set(validation["kind"]) == ({"copy"} if kind == "copy" else {"photo"})


def test_of_all_photos_none_is_held_out(smoke_config):
    config, examples = read_config(smoke_config), load_examples("synthetic:80")
    train, validation = training_rows(on_all(config), examples)
    assert len(validation) == 0
    assert len(train) == sum(map(len, training_rows(config, examples)))
    by_validation = config.model_copy(update={"fit": config.fit.model_copy(update={"patience": 2})})
    with pytest.raises(ConfigError, match="nothing is held out to stop by"):
        on_all(by_validation)


def test_validation_counts_labs_evenly():
    weights = even_labs(np.repeat(["a", "b"], [10, 90]))
    assert weights[:10].sum() == pytest.approx(50)
    assert weights[10:].sum() == pytest.approx(50)


def test_the_last_epoch_is_kept_unless_a_run_may_stop_early():
    history = [{"epoch": float(i + 1), "val_loss": loss} for i, loss in enumerate((0.9, 0.4, 0.5))]
    assert kept_epoch(history, patience=0) == 3
    assert kept_epoch(history, patience=6) == 2


def test_early_stop():
    losses = lambda *values: [{"val_loss": v} for v in values]  # noqa: E731
    assert not stopped_early(losses(3, 2, 1), 2)
    assert not stopped_early(losses(3, 1, 2), 2)
    assert stopped_early(losses(3, 1, 2, 2), 2)
    assert not stopped_early(losses(3, 1, 2, 2), 0)


def test_history_is_plain_csv(smoke_run):
    with (smoke_run / "history.csv").open(newline="") as file:
        assert next(iter(csv.DictReader(file))).keys() >= {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}


def test_pickled_arrays_of_a_run_are_refused(smoke_run, tmp_path):
    run = shutil.copytree(smoke_run, tmp_path / "run")
    (state,) = run.glob("state-*")
    kept = dict(np.load(state / "arrays.npz"))
    np.savez(state / "arrays.npz", **{name: np.array([Spring(tmp_path / "was run")], object) for name in kept})
    with pytest.raises(ValueError, match="allow_pickle"):
        load_state(run)
    assert not (tmp_path / "was run").exists()


class Spring:
    """Its pickle makes a file where it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)
