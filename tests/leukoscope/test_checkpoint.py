import json
import shutil

import pytest

from leukoscope import Classifier
from leukoscope.checkpoint import (
    FORMAT_VERSION,
    GOLDEN_FILE,
    ONNX_FILE,
    SPEC_FILE,
    read_spec,
    write_spec,
)
from leukoscope.errors import CheckpointError
from leukoscope.hub import EMBEDDED


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


def test_a_spec_of_the_first_format_knew_no_size_evidence(copy):
    values = json.loads((copy / SPEC_FILE).read_text()) | {"format_version": 1}
    values.pop("size_evidence", None)
    (copy / SPEC_FILE).write_text(json.dumps(values))
    assert Classifier.from_pretrained(copy).spec.size_evidence.weight == 0


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
        ({"speed": 1}, "unknown key speed"),
        ({"size_evidence": [4.0]}, "size_evidence must be an object"),
        ({"size_evidence": {"weigth": 4.0}}, "unknown key weigth in size_evidence"),
        ({"size_evidence": {"weight": "4"}}, "size_evidence.weight must be a number"),
        ({"size_evidence": {"weight": -1.0}}, "size_evidence.weight must be 0-100, not -1.0"),
        ({"size_evidence": {"even": 0.0}}, "size_evidence.even must be above 0"),
        ({"files": {}}, "no hash for model.onnx"),
        ({"files": {"../model.onnx": "0", "model.onnx": "0"}}, "no plain file name|damaged"),
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
    import hashlib

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
