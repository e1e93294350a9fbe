import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from leukoscope import Classifier
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import (
    CARD_FILE,
    FORMAT_VERSION,
    GOLDEN_FILE,
    LOCATOR_FILE,
    ONNX_FILE,
    SPEC_FILE,
    check_files,
    check_size,
    copy_checkpoint,
    files_of,
    most_bytes,
    read_json,
    read_spec,
    replace_checkpoint,
    sha256,
    write_json,
    write_spec,
)
from leukoscope.model.hub import EMBEDDED
from leukoscope.smear.preprocess import Framing, Normalisation
from tests.refusal import refusal


@pytest.fixture
def copy(tmp_path):
    """A copy of the embedded checkpoint, to be damaged."""
    return shutil.copytree(EMBEDDED, tmp_path / "copy")


def edit(folder, **changes):
    path = folder / SPEC_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_embedded_checkpoint_is_small_and_proves_itself():
    size = sum(file.stat().st_size for file in EMBEDDED.rglob("*") if file.is_file())
    assert size < 10 * 2**20
    assert Classifier.from_pretrained().replay_golden() < 1e-4


def test_the_embedded_checkpoint_was_trained_on_photographs():
    trained = read_spec(EMBEDDED).trained
    assert trained["drawn"] is False
    assert "bccd" in trained["labs"]
    assert trained["parity"]["crops"] >= 200
    assert trained["parity"]["largest_difference"] <= 1e-4


def test_a_spec_survives_writing_and_reading(copy):
    spec = read_spec(copy)
    write_spec(copy, spec)
    assert read_spec(copy) == spec


@pytest.mark.parametrize("version", [1, 2])
def test_checkpoints_whose_cells_were_found_by_rules_are_refused(copy, version):
    edit(copy, format_version=version, size_evidence={"weight": 4.0, "even": 1.7})
    assert refusal(CheckpointError, Classifier.from_pretrained, copy) == (
        f"{copy / SPEC_FILE}: format {version} had cells found by rules that this version no longer has: "
        "train and export the model anew, or use the version of leukoscope that wrote it"
    )


def test_only_a_model_that_frames_cells_has_a_locator(copy):
    spec = read_spec(copy)
    without = {name: digest for name, digest in spec.files.items() if name != LOCATOR_FILE}
    assert refusal(CheckpointError, check_files, copy, replace(spec, files=without)) == (
        f"{copy / SPEC_FILE}: no hash for {LOCATOR_FILE}"
    )
    whole = replace(spec, framing=Framing("photo", spec.framing.size))
    said = f"{copy / LOCATOR_FILE}: a model that looks at the whole photo has no locator"
    assert refusal(CheckpointError, check_files, copy, whole) == said
    assert refusal(CheckpointError, check_files, copy, replace(whole, files=without)) == said
    (copy / LOCATOR_FILE).unlink()
    check_files(copy, replace(whole, files=without))
    write_spec(copy, replace(whole, files=without))
    classifier = Classifier.from_pretrained(copy)
    assert len(classifier.scan(np.zeros((50, 60, 3), np.uint8))) == 1
    with pytest.raises(ValueError, match="looks at the whole picture"):
        classifier.locate(np.zeros((50, 60, 3), np.uint8))


HASHES = {ONNX_FILE: "0", LOCATOR_FILE: "0"}


def test_a_moved_copy_answers_the_same(copy):
    assert Classifier.from_pretrained(copy).replay_golden() < 1e-6


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "newer than this library"),
        ({"format_version": None}, "not a checkpoint of Leukoscope"),
        ({"labels": ["cat", "dog"]}, "labels must be"),
        ({"labels": ["neutrophil", "monocyte", "lymphocyte", "eosinophil"]}, "in this order"),
        ({"temperature": 0}, "temperature"),
        ({"thresholds": {"confident": 3}}, "confident must be 0-1"),
        ({"thresholds": {"confidant": 0.5}}, "unknown key confidant in thresholds"),
        ({"framing": {"kind": "cell"}}, "size"),
        ({"framing": []}, "framing must be an object"),
        ({"framing": {"kind": "cell", "size": 64, "field": 2.0, "glass": 235.0}}, "unknown key glass in framing"),
        ({"speed": 1}, "unknown key speed"),
        ({"files": {}}, "no hash for model.onnx"),
        ({"files": {"model.onnx": "0"}}, "no hash for locator.onnx"),
        ({"files": HASHES | {"../model.onnx": "0"}}, "no plain file name|damaged"),
    ],
)
def test_a_wrong_spec_is_refused_by_name(copy, changes, reason):
    edit(copy, **changes)
    with pytest.raises(CheckpointError, match=reason):
        Classifier.from_pretrained(copy)


def test_missing_damaged_and_foreign_files_are_refused_by_name(copy, tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint folder: .*nowhere"):
        Classifier.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=f"is not a checkpoint: it has no {SPEC_FILE}"):
        Classifier.from_pretrained(tmp_path / "empty")

    graph = (copy / ONNX_FILE).read_bytes()
    (copy / ONNX_FILE).write_bytes(graph[:-1] + bytes([graph[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=f"{ONNX_FILE} is damaged"):
        Classifier.from_pretrained(copy)
    (copy / ONNX_FILE).unlink()
    with pytest.raises(CheckpointError, match=f"{ONNX_FILE} is missing"):
        Classifier.from_pretrained(copy)
    (copy / SPEC_FILE).write_text("{")
    with pytest.raises(CheckpointError, match=f"{SPEC_FILE} cannot be read"):
        Classifier.from_pretrained(copy)


def test_a_file_that_is_no_graph_is_refused(copy):
    (copy / ONNX_FILE).write_bytes(b"not a graph")
    files = json.loads((copy / SPEC_FILE).read_text())["files"]
    edit(copy, files=files | {ONNX_FILE: hashlib.sha256(b"not a graph").hexdigest()})
    with pytest.raises(CheckpointError, match="no graph that can be run"):
        Classifier.from_pretrained(copy)


def test_a_golden_pair_that_does_not_replay_is_told(copy):
    golden = json.loads((copy / GOLDEN_FILE).read_text())
    label = golden["label"]
    golden["probabilities"][label] -= 0.01
    (copy / GOLDEN_FILE).write_text(json.dumps(golden))
    with pytest.raises(CheckpointError, match="off by 0.01"):
        Classifier.from_pretrained(copy).replay_golden()


# --- word for word ---------------------------------------------------------------------------------------


EMBEDDED_SPEC = read_spec(EMBEDDED)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"normalisation": Normalisation(std=(1.0, 0.0, 1.0))},
            "normalisation.std must be above 0, not [1.0, 0.0, 1.0]",
        ),
        (
            {"labels": CELL_TYPES[::-1]},
            f"labels must be {list(CELL_TYPES)} in this order, not {list(CELL_TYPES[::-1])}",
        ),
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
        ({"temperature": -1.0}, "temperature must be above 0, not -1.0"),
        ({"temperature": float("inf")}, "temperature must be above 0, not inf"),
        ({"temperature": float("nan")}, "temperature must be above 0, not nan"),
        (
            {"thresholds": replace(EMBEDDED_SPEC.thresholds, confident=1.01)},
            "thresholds.confident must be 0-1, not 1.01",
        ),
        (
            {"thresholds": replace(EMBEDDED_SPEC.thresholds, unfamiliar=-0.1)},
            "thresholds.unfamiliar must be 0-1, not -0.1",
        ),
        ({"thresholds": replace(EMBEDDED_SPEC.thresholds, cell=1.5)}, "thresholds.cell must be 0-1, not 1.5"),
        (
            {"thresholds": replace(EMBEDDED_SPEC.thresholds, sure_cell=-1.0)},
            "thresholds.sure_cell must be 0-1, not -1.0",
        ),
    ],
)
def test_values_with_which_nothing_can_be_answered(changes, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        replace(EMBEDDED_SPEC, **changes)


def test_the_least_and_the_most_that_a_spec_may_hold():
    changes = {"framing": replace(EMBEDDED_SPEC.framing, field=4.0), "temperature": 1e-9}
    for value in (0.0, 1.0):
        thresholds = replace(EMBEDDED_SPEC.thresholds, confident=value, unfamiliar=value, cell=value, sure_cell=value)
        assert replace(EMBEDDED_SPEC, thresholds=thresholds, **changes).thresholds == thresholds


WIDE = {"mean": [0.6, 0.3, 0.7, 0.5], "spread": [0.1, 0.1, 0.1, 0.1], "weight": 0.5}
NORMALISATION = {"mean": [0, 0, 0], "std": [1, 1, 1]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 8}, "format 8 is newer than this library reads (7): upgrade leukoscope"),
        ({"sizes": 5}, "sizes must be an object"),
        ({"sizes": WIDE | {"b": 1}}, "unknown key b in sizes"),
        ({"sizes": WIDE | {"mean": 5}}, "sizes.mean must be a list of numbers, not 5"),
        ({"sizes": WIDE | {"weight": "x"}}, "sizes.weight must be a number, not x"),
        ({"sizes": WIDE | {"spread": [1, 1]}}, "sizes.mean and sizes.spread must have a number for each type"),
        ({"sizes": WIDE | {"spread": [], "mean": []}}, "sizes.mean and sizes.spread must have a number for each type"),
        (
            {"sizes": WIDE | {"spread": [1, 1], "mean": [1, 1]}},
            "sizes.mean must have a number for each of eosinophil, lymphocyte, monocyte, neutrophil",
        ),
        ({"sizes": WIDE | {"spread": [0, 1, 1, 1]}}, "sizes must be finite, spread and weight above 0"),
        ({"sizes": WIDE | {"weight": 0}}, "sizes must be finite, spread and weight above 0"),
        ({"format_version": None}, "no format_version: not a checkpoint of Leukoscope"),
        ({"b": 1, "a": 1}, "unknown key a, b"),
        ({"x" * 300: 1}, f"unknown key {'x' * 200}"),
        ({"framing": {"kind": "cell", "b": 1, "a": 1}}, "unknown key a, b in framing"),
        ({"thresholds": 5}, "thresholds must be an object"),
        ({"normalisation": None}, "normalisation must be an object"),
        ({"normalisation": NORMALISATION | {"mean": [0, 0]}}, "normalisation.mean must be three numbers, not [0, 0]"),
        ({"name": 5}, "name must be text, not 5"),
        ({"labels": [5]}, "labels must be a list of texts, not [5]"),
        ({"trained": "x" * 99}, f"trained must be an object, not {'x' * 80}"),
        ({"thresholds": {"confident": True}}, "thresholds.confident must be a number, not True"),
        ({"labels": ["cat"]}, f"labels must be {list(CELL_TYPES)} in this order, not ['cat']"),
    ],
)
def test_a_spec_is_refused_word_for_word(copy, changes, said):
    edit(copy, **changes)
    assert refusal(CheckpointError, read_spec, copy) == f"{copy / SPEC_FILE}: {said}"


@pytest.mark.parametrize("key", ["framing", "normalisation", "thresholds", "labels"])
def test_what_a_spec_lacks_is_named(copy, key):
    values = json.loads((copy / SPEC_FILE).read_text())
    del values[key]
    (copy / SPEC_FILE).write_text(json.dumps(values))
    words = refusal(CheckpointError, read_spec, str(copy))
    assert words.startswith(f"{copy / SPEC_FILE}: {key} must be ")


def test_a_spec_of_the_least_is_read(copy):
    values = json.loads((copy / SPEC_FILE).read_text())
    for key in ("files", "trained"):
        del values[key]
    values["normalisation"] = {}
    values["thresholds"] = {"confident": 1}
    (copy / SPEC_FILE).write_text(json.dumps(values))
    spec = read_spec(copy)
    assert (spec.files, spec.trained) == ({}, {})
    limits = spec.thresholds
    assert (limits.confident, limits.unfamiliar, limits.cell, limits.sure_cell) == (1, 1.0, 0.5, 0.0)
    assert spec.normalisation == Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert isinstance(spec.labels, tuple)


def test_a_file_that_is_missing_damaged_or_elsewhere_is_named(copy):
    spec = read_spec(copy)
    check_files(str(copy), spec)
    place = copy / SPEC_FILE
    without = replace(spec, files={"config.json": spec.files["config.json"]})
    assert refusal(CheckpointError, check_files, copy, without) == f"{place}: no hash for {ONNX_FILE}"
    outside = replace(spec, files={"../x": "0"} | spec.files)
    assert refusal(CheckpointError, check_files, copy, outside) == f"{place}: '../x' is no plain file name"
    (copy / ONNX_FILE).write_bytes(b"x")
    assert refusal(CheckpointError, check_files, copy, spec) == (
        f"{copy / ONNX_FILE} is damaged: its SHA-256 differs from the one in {SPEC_FILE}"
    )
    (copy / ONNX_FILE).unlink()
    assert refusal(CheckpointError, check_files, copy, spec) == f"{copy / ONNX_FILE} is missing"
    with open(copy / ONNX_FILE, "wb") as file:
        file.truncate(512 * 2**20 + 1)
    assert refusal(CheckpointError, check_files, copy, spec) == f"{copy / ONNX_FILE} is larger than 512 MB"


def test_the_files_of_a_checkpoint_are_listed_and_no_others(copy):
    before = files_of(copy)
    assert before == sorted(before)
    assert {SPEC_FILE, ONNX_FILE, LOCATOR_FILE, CARD_FILE} <= {*before, CARD_FILE}
    for stranger in ("notes.txt", "figures/one.png", "figures/a/b.txt", "figures/a/b/c.png"):
        (copy / stranger).parent.mkdir(parents=True, exist_ok=True)
        (copy / stranger).touch()
    (copy / "figures/a/b.png").touch()
    assert files_of(str(copy)) == sorted([*before, "figures/a/b.png"])


def test_a_copy_is_made_beside_its_place(copy, tmp_path, monkeypatch):
    """All of it lies on the target's own disk before anything there is replaced."""
    seen = []

    def watched(source, target):
        seen.append((Path(source), Path(target)))
        assert files_of(source) == files_of(copy)
        return move(source, target)

    move = os.replace
    monkeypatch.setattr("os.replace", watched)
    target = tmp_path / "deep" / "down" / "mine"
    (copy / "stranger.txt").touch()
    copy_checkpoint(str(copy), str(target))
    ((fresh, place),) = seen
    assert place == target
    assert fresh.parent.parent == target.parent
    assert fresh.parent.name.startswith(".mine-"), "hidden, and named for what it is"
    assert list(target.parent.iterdir()) == [target], "nothing is left over"
    assert files_of(target) == files_of(copy)
    assert not (target / "stranger.txt").exists()
    copy_checkpoint(copy, target)
    assert files_of(target) == files_of(copy)


def test_only_a_checkpoint_or_nothing_is_replaced(copy, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    copy_checkpoint(copy, target)
    (target / "figures" / "old").mkdir(parents=True)
    (target / "figures" / "old" / "curves.png").touch()
    (target / "notes").mkdir()
    fresh = shutil.copytree(copy, tmp_path / "fresh")
    (target / "notes" / "mine.txt").touch()
    said = f"{target} holds notes/mine.txt, which is of no checkpoint: not replaced"
    assert refusal(CheckpointError, replace_checkpoint, fresh, target) == said
    assert (target / "notes" / "mine.txt").exists()
    (target / "notes" / "mine.txt").unlink()
    replace_checkpoint(fresh, target)
    assert not fresh.exists()
    assert not (target / "figures" / "old").exists()
    fresh = shutil.copytree(copy, tmp_path / "fresh")
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.txt").touch()
    (tmp_path / "file").write_text("mine")
    for place in (thesis, tmp_path / "file"):
        said = f"{place} holds something that is no checkpoint: not replaced"
        assert refusal(CheckpointError, replace_checkpoint, fresh, place) == said
    assert (thesis / "chapter1.txt").exists()
    assert (tmp_path / "file").read_text() == "mine"
    assert fresh.exists()


def test_json_is_written_to_be_read_by_people(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"ä": [1]})
    assert path.read_bytes() == b'{\n "\\u00e4": [\n  1\n ]\n}\n'
    assert read_json(path) == {"ä": [1]}
    write_spec(str(tmp_path), EMBEDDED_SPEC)
    assert json.loads((tmp_path / SPEC_FILE).read_text()) == json.loads(json.dumps(asdict(EMBEDDED_SPEC)))
    assert sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_no_json_of_ours_is_named(tmp_path):
    path = tmp_path / "metrics.json"
    assert refusal(CheckpointError, read_json, path) == f"{tmp_path} is not a checkpoint: it has no metrics.json"
    path.write_text("[]")
    assert refusal(CheckpointError, read_json, path) == f"{path} must hold an object"
    path.write_text("{")
    assert refusal(CheckpointError, read_json, path).startswith(f"{path} cannot be read: Expecting property name")
    path.write_text("[" * 100_000)
    assert refusal(CheckpointError, read_json, path) == f"{path} cannot be read: it is nested too deep"
    path.unlink()
    path.mkdir()
    assert refusal(CheckpointError, read_json, path) == f"{path} is no plain file"


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [
        (ONNX_FILE, 512),
        (LOCATOR_FILE, 64),
        ("model.weights.h5", 512),
        (SPEC_FILE, 1),
        ("metrics.json", 8),
        ("confusion.png", 8),
    ],
)
def test_a_file_may_be_so_large_and_no_larger(tmp_path, name, megabytes):
    assert most_bytes(name) == megabytes * 2**20
    path = tmp_path / name
    with open(path, "wb") as file:
        file.truncate(megabytes * 2**20)
        check_size(path)
        file.truncate(megabytes * 2**20 + 1)
    assert refusal(CheckpointError, check_size, path) == f"{path} is larger than {megabytes} MB"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        check_size(path)
