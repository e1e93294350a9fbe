"""Checkpoints and downloads are data: a malicious one is refused, and nothing in it is run or followed."""

import hashlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from leukoscope import Classifier
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import KERAS_FILES, LOCATOR_FILE, METRICS_FILE, ONNX_FILE, SPEC_FILE, read_json
from leukoscope.model.hub import EMBEDDED
from leukoscope.showing import about
from tests.hub.fixtures import LOAD
from tests.hub.server import Fault

pytest_plugins = ["tests.hub.fixtures"]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the embedded checkpoint, to be made malicious."""
    return shutil.copytree(EMBEDDED, tmp_path / "copy")


def spec_with(folder: Path, **changes) -> None:
    path = folder / SPEC_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and its hash in the spec: the hashes are the attacker's too."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / SPEC_FILE).read_text())["files"]
    spec_with(folder, files=files | {name: hashlib.sha256(content).hexdigest()})


# --- classifier.json -------------------------------------------------------------------------------------

HASHES = {ONNX_FILE: "0", LOCATOR_FILE: "0"}
FRAMING = json.loads((EMBEDDED / SPEC_FILE).read_text())["framing"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ["a"]}, "name must be text"),
        ({"name": 5}, "name must be text"),
        ({"format_version": True}, "not a checkpoint"),
        ({"format_version": "1"}, "not a checkpoint"),
        ({"temperature": "1"}, "temperature must be a number"),
        ({"temperature": True}, "temperature must be a number"),
        ({"temperature": [1]}, "temperature must be a number"),
        ({"temperature": float("nan")}, "temperature must be a number"),
        ({"temperature": float("inf")}, "temperature must be a number"),
        ({"temperature": 10**400}, "too large"),
        ({"thresholds": {"confident": "0.9"}}, "thresholds.confident must be a number"),
        ({"thresholds": {"confident": float("nan")}}, "thresholds.confident must be a number"),
        ({"thresholds": {"confident": 0.9, "cell": 2}}, "thresholds.cell must be 0-1"),
        ({"thresholds": None}, "thresholds must be an object"),
        ({"framing": FRAMING | {"size": 32.5}}, "framing.size must be a whole number"),
        ({"framing": FRAMING | {"size": 10**9}}, "size must be 8-1024"),
        ({"framing": FRAMING | {"size": 10**400}}, "size must be 8-1024"),
        ({"framing": FRAMING | {"field": float("inf")}}, "framing.field must be a number"),
        ({"framing": FRAMING | {"field": 1e308}}, "field must be above 0, 4.0 at most"),
        ({"framing": FRAMING | {"kind": {}}}, "framing.kind must be text"),
        ({"normalisation": {"mean": "abc", "std": [1, 1, 1]}}, "normalisation.mean must be three numbers"),
        ({"normalisation": {"mean": [0, 0], "std": [1, 1, 1]}}, "normalisation.mean must be three numbers"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [0, 1, 1]}}, "std must be above 0"),
        ({"normalisation": {"mean": [0, 0, [0]], "std": [1, 1, 1]}}, "normalisation.mean must be three numbers"),
        ({"labels": "eosinophil"}, "labels must be a list of texts"),
        ({"labels": [["eosinophil"]]}, "labels must be a list of texts"),
        ({"files": ["model.onnx"]}, "files must be an object of texts"),
        ({"files": {"model.onnx": 5}}, "files must be an object of texts"),
        ({"files": HASHES | {"/etc/passwd": "0"}}, "no plain file name|damaged"),
        ({"files": {"../../../etc/passwd": "0"} | HASHES}, "no plain file name"),
        ({"files": {"..": "0"} | HASHES}, "is missing"),
        ({"files": {"nul\0": "0"} | HASHES}, "is missing"),
        ({"trained": "yes"}, "trained must be an object"),
        ({"__class__": "os.system"}, "unknown key __class__"),
        ({"x" * 10_000: 1}, "unknown key x"),
    ],
)
def test_a_malicious_spec_is_refused_by_name(copy, changes, reason):
    spec_with(copy, **changes)
    with pytest.raises(CheckpointError, match=reason) as caught:
        Classifier.from_pretrained(copy)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ('{"format_version": ' + "9" * 10_000 + "}", "cannot be read"),
        ('{"format_version": 1, "name": "' + "x" * 2**21 + '"}', "larger than 1 MB"),
        ("\ufeff{}", "cannot be read"),
        ("null", "must hold an object"),
    ],
    ids=["lists", "objects", "digits", "long", "mark", "null"],
)
def test_json_that_would_break_a_parser_is_refused(copy, text, reason):
    (copy / SPEC_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=reason):
        Classifier.from_pretrained(copy)


def test_bytes_that_are_no_text_and_what_is_no_file_are_refused(copy):
    (copy / METRICS_FILE).write_bytes(b"\xff\xfe{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_json(copy / METRICS_FILE)
    (copy / METRICS_FILE).unlink()
    os.mkfifo(copy / METRICS_FILE)  # would be waited for without end
    with pytest.raises(CheckpointError, match="no plain file"):
        read_json(copy / METRICS_FILE)


SURE = {"share": 0.5, "accuracy": 0.5, "accuracy_95": [0, 1]}
SCORE = {"n": 1, "accuracy": 0.5, "accuracy_95": [0, 1], "macro_f1": 0.5, "macro_f1_95": [0, 1]}
SCORE |= {"balanced_accuracy": 0.5, "balanced_accuracy_95": [0, 1], "confident": SURE}


@pytest.mark.parametrize(
    "results",
    [
        {"../../../../etc": {"images": {"all": SCORE}}},
        {"/etc": {"images": {"all": SCORE}}},
        {"a": {"images": {"all": SCORE | {"n": "<script>"}}}},
        {"a": {"images": {"all": SCORE | {"accuracy": None}}}},
        {"a": {"images": {"all": SCORE | {"accuracy_95": [1]}}}},
        {"a": {"images": {"all": SCORE | {"balanced_accuracy": "<script>"}}}},
        {"a": {"images": {"all": SCORE | {"confident": SURE | {"share": "<script>"}}}}},
        {"a": {"images": {"all": SCORE | {"confident": SURE | {"accuracy_95": ["<script>", 1]}}}}},
        {"a": {"images": {"all": SCORE | {"confident": None}}}},
        {"a": {"images": []}},
        {"a": None},
        ["a"],
        "a",
    ],
)
def test_results_that_cannot_be_shown_are_left_out(copy, results):
    values = json.loads((copy / METRICS_FILE).read_text())
    (copy / METRICS_FILE).write_text(json.dumps(values | {"results": results}))
    spec_with(copy, trained={"labs": [["x"], "<script>alert(1)</script>"], "photos": "many"}, name="<b>x")
    classifier = Classifier.from_pretrained(copy)
    assert about.own_results(classifier) == {}
    html = about.model_html(classifier) + about.results_html(about.own_results(classifier))
    assert "holds no results" in html
    assert "<script" not in html
    assert "<b>" not in html


# --- the graph -------------------------------------------------------------------------------------------


def graph(nodes, weights=(), domains=(), given="image", out="logits") -> bytes:
    """An ONNX graph as bytes."""
    shape = ["N", 64, 64, 3]
    inputs = [helper.make_tensor_value_info(given, TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)]
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 1) for name in domains)]
    made = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()


def outside(location: str) -> onnx.TensorProto:
    """Four weights that lie in another file."""
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


USE_WEIGHTS = [
    helper.make_node("Shape", ["image"], ["shape"]),
    helper.make_node("Cast", ["shape"], ["numbers"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["numbers", "w"], ["logits"]),
]


@pytest.mark.parametrize("location", ["weights.bin", "{tmp}/secret.bin", "../secret.bin", "*/_ORT_MEM_ADDR_/*", ""])
@pytest.mark.parametrize("start", ["copy", "."])
def test_a_graph_whose_weights_lie_in_another_file_is_refused(copy, tmp_path, monkeypatch, location, start):
    for place in (copy / "weights.bin", tmp_path / "secret.bin", tmp_path / "weights.bin"):
        place.write_bytes(np.ones(4, np.float32).tobytes())
    monkeypatch.chdir(tmp_path / start)
    put(copy, ONNX_FILE, graph(USE_WEIGHTS, [outside(location.format(tmp=tmp_path))]))
    with pytest.raises(CheckpointError, match="no graph that can be run"):
        Classifier.from_pretrained(copy)


def test_a_graph_with_foreign_operators_is_refused(copy):
    for domain in ("evil.ops", "ai.onnx.contrib"):
        put(copy, ONNX_FILE, graph([helper.make_node("PyOp", ["image"], ["logits"], domain=domain)], domains=[domain]))
        with pytest.raises(CheckpointError, match="no graph that can be run"):
            Classifier.from_pretrained(copy)


@pytest.mark.parametrize("names", [{"given": "picture"}, {"out": "answer"}])
def test_a_graph_that_answers_something_else_is_refused(copy, names):
    given, out = names.get("given", "image"), names.get("out", "logits")
    put(copy, ONNX_FILE, graph([helper.make_node("Identity", [given], [out])], **names))
    with pytest.raises(CheckpointError, match="must take `image` and give `logits`"):
        Classifier.from_pretrained(copy)


# --- the locator -----------------------------------------------------------------------------------------


def locator(nodes, weights=(), given="photo", out="cells", kind=TensorProto.UINT8) -> bytes:
    """A locator's graph as bytes."""
    inputs = [helper.make_tensor_value_info(given, kind, ["N", "H", "W", 3])]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)]
    made = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()


FLOATS = helper.make_node("Cast", ["photo"], ["cells"], to=TensorProto.FLOAT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a graph", "no graph that can be run"),
        (locator([FLOATS]), "must give float32 (1, 4, 4, 7) here, or 5, not float32 (1, 32, 32, 3)"),
        (
            locator([helper.make_node("Cast", ["a"], ["cells"], to=TensorProto.FLOAT)], given="a"),
            "must take `photo` and give `cells`",
        ),
        (
            locator([helper.make_node("Cast", ["photo"], ["b"], to=TensorProto.FLOAT)], out="b"),
            "must take `photo` and give `cells`",
        ),
        (
            locator([helper.make_node("Identity", ["photo"], ["cells"])], kind=TensorProto.FLOAT),
            "cannot be run on a picture of 32 x 32 px",
        ),
        (
            locator([FLOATS, helper.make_node("Mul", ["cells", "w"], ["x"])], [outside("weights.bin")]),
            "no graph that can be run",
        ),
    ],
    ids=["no graph", "shape", "input", "output", "type", "other file"],
)
def test_a_locator_that_is_none_is_refused(copy, content, reason):
    put(copy, LOCATOR_FILE, content)
    with pytest.raises(CheckpointError, match=re.escape(reason)) as caught:
        Classifier.from_pretrained(copy)
    assert LOCATOR_FILE in str(caught.value)


# --- Keras and numpy -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trap(tmp_path_factory) -> tuple[dict[str, bytes], Path]:
    """Keras files of a model with code in a layer, and the file that the code makes where it is run."""
    import keras

    folder = tmp_path_factory.mktemp("trap")
    mark = folder / "was run"
    inputs = keras.Input((8, 8, 3))
    spring = eval(f"lambda x: [open({str(mark)!r}, 'w').close(), x][1]")  # Keras keeps a lambda's code itself
    keras.Model(inputs, keras.layers.Lambda(spring)(inputs)).save(folder / "trap.keras")
    with zipfile.ZipFile(folder / "trap.keras") as archive:
        return {name: archive.read(name) for name in KERAS_FILES}, mark


def test_a_keras_config_with_code_in_it_is_refused_and_not_run(copy, trap):
    import keras

    files, mark = trap
    for name, content in files.items():
        put(copy, name, content)
    mark.unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="is no Keras model that can be opened: .*[Ll]ambda"):
        Classifier.from_pretrained(copy).load_keras()
    assert not mark.exists()
    keras.saving.load_model(copy, safe_mode=False)
    assert mark.exists(), "the trap works where it is let"


@pytest.mark.parametrize("named", [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval")])
def test_a_keras_config_that_names_other_code_is_refused(copy, named):
    module, name = named
    config = {"module": module, "class_name": name, "config": {"command": "touch x"}, "registered_name": name}
    put(copy, "config.json", json.dumps(config).encode())
    with pytest.raises(CheckpointError, match="is no Keras model that can be opened"):
        Classifier.from_pretrained(copy).load_keras()


# --- downloads -------------------------------------------------------------------------------------------

ASK = f"""
from leukoscope.model import hub
hub.MOST_BYTES = {{most}}
{LOAD}
"""


def stored(home: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())


def test_a_repo_that_announces_too_much_is_not_downloaded(hub, model, client, tmp_path):
    assert client(ASK.format(most=2**30), home="roomy") == f"tester/cells@{model}"
    error, words = client(ASK.format(most=2**20), home="tight")
    assert error == "CheckpointError"
    assert "has more than 1 MB: no checkpoint of Leukoscope has" in words
    assert stored(tmp_path / "tight") < 2**20


def test_a_download_that_does_not_end_is_ended(hub, model, client, tmp_path):
    hub.fail(Fault(method="GET", path="/model.onnx", flood=200 * 2**20, times=99))
    error, words = client(ASK.format(most=20 * 2**20))
    assert error == "CheckpointError"
    assert "has more than 20 MB" in words
    assert stored(tmp_path / "home") < 10 * 2**20, "what had arrived is gone again"
    hub.heal()
    assert client(ASK.format(most=20 * 2**20)) == f"tester/cells@{model}"


def test_a_single_file_that_is_too_large_is_dropped(hub, model, client, tmp_path):
    hub.repo("tester/cells").commit({"golden.json": b" " * (9 * 2**20)}, "larger")
    error, words = client(ASK.format(most=2**30))
    assert error == "CheckpointError"
    assert "golden.json is larger than 8 MB" in words
    assert stored(tmp_path / "home") < 9 * 2**20


def test_names_that_lead_out_of_the_cache_are_not_followed(hub, model, client, tmp_path):
    names = ("../../../../outside.png", "figures/../../outside/confusion.png", "figures/a/../../../../x.png")
    hub.repo("tester/cells").commit(dict.fromkeys(names, b"mine"), "slip")
    before = {path for path in tmp_path.rglob("*") if "home" not in path.parts}
    error, words = client(ASK.format(most=2**30))
    assert error == "CheckpointError"
    assert "cannot contain a '..' path segment" in words
    assert {path for path in tmp_path.rglob("*") if "home" not in path.parts} == before
    inside = [path for path in (tmp_path / "home").rglob("*") if path.name in ("outside.png", "x.png")]
    assert inside == []
