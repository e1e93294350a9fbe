"""Cells of one's own lab: learned from, held out by group, and what was known before still known."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from leukoscope import Classifier
from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import LOCATOR_FILE, read_spec, sha256
from leukoscope.synthetic import draw_cell
from tests.leukoscope.test_checkpoint import edit
from tests.training.conftest import ROOT, run_module
from training.config import recorded
from training.data import load_examples
from training.finetune import ENOUGH, cells_of, finetuning, warnings
from training.own_lab import RESULTS, drawn_cells
from training.sources import DataError
from training.train import training_rows

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


@pytest.fixture(scope="module")
def tuned(smoke_checkpoint, lab, tmp_path_factory):
    """(what was printed, run folder, new checkpoint)"""
    run = tmp_path_factory.mktemp("tuned") / "run"
    out = run.with_name("checkpoint")
    words = ("training.finetune", smoke_checkpoint, "--cells", lab, *DATA, "--epochs", 4, "--run", run, "--out", out)
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
    assert "cells of type" not in done.stderr


def test_it_starts_from_the_checkpoint_and_not_from_chance(tuned):
    history = (tuned[1] / "history.csv").read_text().splitlines()
    accuracy = float(history[1].split(",")[2])
    assert accuracy > 0.6  # of the first epoch, training: chance is 0.25


def test_done_already_the_same_command_only_scores_again(tuned, smoke_checkpoint, lab):
    done, run, out = tuned
    words = ("training.finetune", smoke_checkpoint, "--cells", lab, *DATA, "--epochs", 4, "--run", run, "--out", out)
    again = run_module(*words)
    assert again.returncode == 0, again.stderr
    assert "nothing is left to train" in again.stdout
    assert again.stdout.splitlines()[-4:] == done.stdout.splitlines()[-4:]


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
    done = run_module("training.finetune", smoke_checkpoint, "--cells", lab, *DATA, "--run", tmp_path / "run", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run-checkpoint").exists()


def test_a_checkpoint_that_does_not_say_how_it_was_trained_is_refused(smoke_checkpoint, lab, tmp_path):
    silent = tmp_path / "silent"
    shutil.copytree(smoke_checkpoint, silent)
    edit(silent, trained={})
    done = run_module("training.finetune", silent, "--cells", lab, *DATA, "--run", tmp_path / "run")
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


def test_the_readme_says_what_eighty_cells_brought():
    result = json.loads((RESULTS / "own_lab.json").read_text())
    text = " ".join((ROOT / "README.md").read_text().split())
    new, old = (
        f"from {row['before']:.3f} to {row['after']:.3f}"
        for row in (result["new_lab"], result["old_labs"]["bccd, TEST"])
    )
    assert f"{new} on the {result['new_lab']['n']:,} held-out cells, and {old} on TEST" in text
