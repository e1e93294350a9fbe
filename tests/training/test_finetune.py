"""Cells of one's own lab: learned from, held out by group, and what was known before still known."""

import re
import shutil
from dataclasses import asdict, replace

import cv2
import datasets
import numpy as np
import pytest

from leukoscope import Classifier
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_cell
from leukoscope.model.checkpoint import LOCATOR_FILE, read_spec, sha256
from tests.leukoscope.test_checkpoint import edit
from tests.training.conftest import run_here, run_module
from tests.training.test_train import kept_weights
from training.data.sources import DataError
from training.data.table import load_examples, where
from training.finetune import ENOUGH, cells_of, finetune, finetuning, warnings, with_parts
from training.fitting.examples import training_rows
from training.fitting.run_folder import KEPT_FILE, START_FILE, read_history, save_state
from training.recipe.config import read_config, recorded
from training.recipe.networks import build
from training.studies.own_lab import drawn_cells

LAMP = (1.0, 0.72, 0.5)  # another white balance: the smoke checkpoint does not divide it out
DATA = ("--data", "synthetic:80", "--pbc", "", "--labs", "")


def write_lab(folder, count: int):
    for t, cell_type in enumerate(CELL_TYPES):
        (folder / cell_type).mkdir(parents=True)
        for i in range(count):
            cell = draw_cell(cell_type, seed=9000 + 100 * t + i, size=160) * np.array(LAMP)
            cv2.imwrite(str(folder / cell_type / f"slide{i % 6}-{i:02d}.png"), cell.astype(np.uint8)[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return write_lab(tmp_path_factory.mktemp("labs") / "yellow", 24)


SIZES = {"mean": [0.6, 0.3, 0.7, 0.5], "spread": [0.1, 0.1, 0.1, 0.1], "weight": 0.5}


@pytest.fixture(scope="module")
def tuned(smoke_checkpoint, lab, tmp_path_factory):
    """(what was printed, run folder, new checkpoint)"""
    run = tmp_path_factory.mktemp("tuned") / "run"
    out, begun = run.with_name("checkpoint"), run.with_name("begun")
    shutil.copytree(smoke_checkpoint, begun)
    edit(begun, thresholds=asdict(replace(read_spec(begun).thresholds, sure_cell=0.55)), sizes=SIZES)
    words = ("training.finetune", begun, "--cells", lab, *DATA, "--epochs", 4, "--run", run, "--out", out)
    done = run_module(*words)
    assert done.returncode == 0, done.stderr
    return done, run, out


def test_a_new_lab_is_learned_and_the_old_one_scored_beside_it(tuned, smoke_checkpoint):
    done, _, out = tuned
    rows = dict(re.findall(r"^(yellow, held out|synthetic, TEST) +(\d.*)$", done.stdout, re.MULTILINE))
    count, before, after = map(float, rows["yellow, held out"].split())
    assert 16 <= count <= 24  # about a fifth of 96
    assert after > before + 0.1
    count, before, after = map(float, rows["synthetic, TEST"].split())
    assert count == 16
    assert after > before - 0.1
    spec = Classifier.from_pretrained(out).spec
    assert spec.trained["labs"] == ["synthetic", "yellow"]
    assert sha256(out / LOCATOR_FILE) == sha256(smoke_checkpoint / LOCATOR_FILE)
    assert spec.thresholds.cell == read_spec(smoke_checkpoint).thresholds.cell
    assert spec.thresholds.sure_cell == 0.55, "the locator is the same, and what it says"
    assert asdict(spec.sizes) == {name: tuple(v) if isinstance(v, list) else v for name, v in SIZES.items()}
    assert "cells of type" not in done.stderr


def test_the_result_lies_halfway_between_what_was_known_and_what_was_learned(tuned):
    _, run, out = tuned
    weights = []
    model = build(read_config(run / "config.toml"))
    for file in (START_FILE, KEPT_FILE):
        model.load_weights(run / file)
        weights.append(model.get_weights())
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(*weights, strict=True))
    kept = Classifier.from_pretrained(out).load_keras().get_weights()
    for start, end, given in zip(*weights, kept, strict=True):
        np.testing.assert_allclose(given, (start + end) / 2, rtol=1e-5, atol=1e-6)


def test_it_starts_from_the_checkpoint_and_not_from_chance(tuned):
    history = (tuned[1] / "history.csv").read_text().splitlines()
    accuracy = float(history[1].split(",")[2])
    assert accuracy > 0.6  # of the first epoch, training: chance is 0.25


def test_done_already_the_same_command_only_scores_again(tuned, smoke_checkpoint, lab):
    done, run, out = tuned
    begun = run.with_name("begun")
    words = ("training.finetune", begun, "--cells", lab, *DATA, "--epochs", 4, "--run", run, "--out", out)
    again = run_here(*words)
    assert again.returncode == 0, again.stderr
    assert "nothing is left to train" in again.stdout
    assert again.stdout.splitlines()[-4:] == done.stdout.splitlines()[-4:]


def test_stopped_after_an_epoch_it_goes_on_and_ends_as_if_never_stopped(smoke_checkpoint, lab, tmp_path, monkeypatch):
    """Dropout's draws go on where they were: with the first epoch's drawn again the weights would be others."""
    cells = cells_of(lab, "yellow", None)

    def tune(run):
        finetune(smoke_checkpoint, cells, None, run, run.with_name(f"{run.name}-checkpoint"), 2)
        return kept_weights(run)

    straight = tune(tmp_path / "straight")
    with monkeypatch.context() as stopped:

        def save_and_stop(*state):
            save_state(*state)
            raise KeyboardInterrupt

        stopped.setattr("training.fitting.loop.save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            tune(tmp_path / "stopped")
    assert len(read_history(tmp_path / "stopped")) == 1
    for resumed, weights in zip(tune(tmp_path / "stopped"), straight, strict=True):
        np.testing.assert_array_equal(resumed, weights)


def test_files_of_one_slide_stay_on_one_side(lab, smoke_checkpoint):
    cells = cells_of(lab, "yellow", r"slide\d+")
    assert len(set(cells["slide"])) == 6
    recipe = recorded(read_spec(smoke_checkpoint).trained, "it")
    config = finetuning(recipe, "yellow", [], 4, 0.4)
    assert config.locator.threshold == 0.4
    train, held_out = training_rows(config, cells)
    assert set(train["slide"]).isdisjoint(held_out["slide"])
    assert len(train) + len(held_out) == len(cells)


def test_too_few_cells_are_said(tmp_path):
    few = cells_of(write_lab(tmp_path / "few", 3), "few", None)
    assert len(warnings(few)) == 4
    assert f"only 3 cells of type {CELL_TYPES[0]}: {ENOUGH}" in warnings(few)[0]


def settings(smoke_checkpoint, lab: str, labs=()):
    return finetuning(recorded(read_spec(smoke_checkpoint).trained, "it"), lab, list(labs), 4, 0.5)


def test_copies_of_a_picture_are_held_out_together(tmp_path, smoke_checkpoint):
    folder = write_lab(tmp_path / "own", 6)
    for place in list(folder.glob("*/*.png")):
        for copy in range(4):
            shutil.copy(place, place.with_name(f"copy{copy}-{place.name}"))
    cells = cells_of(folder, "own", None, notes := [])
    assert notes == ["96 pictures are copies of others, byte for byte: all of a kind are held out, or none"]
    assert len(set(cells["slide"])) == 24
    train, held_out = training_rows(with_parts(settings(smoke_checkpoint, "own"), cells, "own"), cells)
    same = [{re.sub(r"copy\d-", "", photo) for photo in rows["photo"]} for rows in (train, held_out)]
    assert same[0].isdisjoint(same[1])
    assert len(train) + len(held_out) == 120
    grouped = cells_of(folder, "own", "slide1|copy0-slide2|.+", [])
    assert len(set(grouped["slide"])) < 24, "groups with a picture in common are one"


def test_a_picture_of_two_types_is_named(tmp_path):
    folder = write_lab(tmp_path / "own", 3)
    shutil.copy(folder / "monocyte" / "slide1-01.png", folder / "eosinophil" / "other.png")
    with pytest.raises(DataError, match="two types: eosinophil/other.png is monocyte/slide1-01.png: leave each"):
        cells_of(folder, "own", None)


def test_capitals_lose_no_cell_and_what_is_left_out_is_named(tmp_path):
    folder = write_lab(tmp_path / "own", 3)
    (folder / "Eosinophil").mkdir()
    others = [draw_cell("eosinophil", seed=i, size=160) for i in range(3)]
    for i, cell in enumerate(others):
        cv2.imwrite(str(folder / "Eosinophil" / f"slide{i}-0{i}.png"), cell[..., ::-1])
    shutil.copy(folder / "monocyte" / "slide1-01.png", folder / "monocyte" / ".hidden.png")
    cv2.imwrite(str(folder / "monocyte" / "new.png"), others[0][..., ::-1] // 2)
    (folder / "monocyte" / "new.png").rename(folder / "monocyte" / "new.jfif")
    for place in ("platelet", "monocyte/more", ".ipynb_checkpoints", "monocyte/.thumbnails"):
        (folder / place).mkdir()
    for place in ("notes.txt", "monocyte/list.xyz", "Thumbs.db", "loose.png"):
        (folder / place).write_bytes(b"x")
    cells = cells_of(folder, "own", None, notes := [])
    assert np.bincount(cells["label"]).tolist()[:4] == [6, 3, 4, 3]
    assert len(set(cells["photo"])) == len(set(cells["slide"])) == 16
    assert notes[0].startswith("not in the folder of a class, and left out: loose.png, platelet/; classes are eosin")
    assert notes[1:] == [
        "folders in a class folder are left out: monocyte/more/",
        "2 files were not taken for photos: 1 .txt, 1 .xyz",
    ]


@pytest.mark.parametrize(("count", "group", "parts"), [(24, None, 5), (3, None, 3), (2, None, 2), (6, "slide[012]", 3)])
def test_of_few_cells_or_slides_there_are_fewer_parts(tmp_path, smoke_checkpoint, count, group, parts):
    folder = write_lab(tmp_path / "own", count)
    if group:
        for file in folder.glob("*/slide[345]*"):
            file.unlink()
    cells = cells_of(folder, "own", group)
    config = with_parts(settings(smoke_checkpoint, "own"), cells, "own")
    assert config.data.folds == parts
    train, held_out = training_rows(config, cells)
    assert set(train["label"]) == {0, 1, 2, 3}
    assert len(held_out) > 0


def test_one_slide_beside_earlier_labs_is_neither_held_out_nor_learned_from_as_a_whole(tmp_path, smoke_checkpoint):
    earlier = load_examples("synthetic:80", pbc="", labs="")
    folder = write_lab(tmp_path / "own", 12)
    for group, said in (("slide", "48 of 1 slides or groups"), ("slide[0-5]", None)):
        cells = cells_of(folder, "own", group)
        examples = datasets.concatenate_datasets([earlier, cells])
        config = settings(smoke_checkpoint, "own", ["synthetic"])
        if said:
            with pytest.raises(DataError, match=said):
                with_parts(config, examples, "own")
        else:
            train, held_out = training_rows(with_parts(config, examples, "own"), examples)
            assert len(where(train, lab="own")) > 0
            assert len(where(held_out, lab="own")) > 0


def test_one_cell_of_each_type_is_refused_in_one_line(tmp_path, smoke_checkpoint):
    folder = write_lab(tmp_path / "own", 1)
    done = run_module(
        "training.finetune", smoke_checkpoint, "--cells", folder, "--run", tmp_path / "run", "--epochs", 1
    )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: too few cells to hold some out and to learn each type from others: 4 of 4 slides")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("group", "said"), [("(", "no regular expression"), ("patient", "matches nothing in the name")]
)
def test_a_pattern_that_groups_nothing_is_refused(lab, group, said):
    with pytest.raises(DataError, match=said):
        cells_of(lab, "yellow", group)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lab", "synthetic"), "trained on a lab called 'synthetic' already"),
        (("--epochs", "0"), "--epochs 0: at least 1"),
        (("--cells", "nowhere"), "no such folder: nowhere"),
    ],
)
def test_what_cannot_be_used_is_named(smoke_checkpoint, lab, tmp_path, words, said):
    done = run_here("training.finetune", smoke_checkpoint, "--cells", lab, *DATA, "--run", tmp_path / "run", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run-checkpoint").exists()


def test_a_checkpoint_that_does_not_say_how_it_was_trained_is_refused(smoke_checkpoint, lab, tmp_path):
    silent = tmp_path / "silent"
    shutil.copytree(smoke_checkpoint, silent)
    edit(silent, trained={})
    done = run_here("training.finetune", silent, "--cells", lab, *DATA, "--run", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: {silent} does not say with what settings it was trained"


def test_cells_to_learn_from_are_not_scored_on(pbc, labs_folder):
    examples = load_examples("synthetic:20", pbc=pbc, labs=labs_folder)
    for lab, held_out in (("barcelona", 1144), ("raabin", 832)):
        taught, others = drawn_cells(examples, lab, 20, seed=1)
        assert set(taught["split"]) == {"train"}
        assert sorted(np.bincount(taught["label"])) == [20] * 4
        assert set(taught["slide"]).isdisjoint(others["slide"])
        assert len(others) == held_out
