"""The benchmarks run, give every row, and judge by the numbers they measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import before
from benchmarks.bars import Bar, bars, recorded_training, training_bar
from benchmarks.measure import multiply_adds, process, spread, timed_over
from benchmarks.peers import NAMES, SOONEST
from benchmarks.pictures import files
from leukoscope.model.hub import EMBEDDED


def rows(**medians) -> dict:
    return {name: {"median": value} for name, value in medians.items()}


def test_a_quick_run_gives_every_row_and_every_bar(tmp_path, capsys):
    assert command.main(["--quick", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["rows"]) == set(command.LABELS) - set(NAMES) | set(SOONEST)
    for name, row in results["rows"].items():
        assert 0 < row["low"] <= row["median"] <= row["high"], name
    assert sum(row["median"] for name, row in results["rows"].items() if name.startswith("share_")) == pytest.approx(1)
    assert results["pictures"] == "drawn"
    undecided = {bar["what"] for bar in results["bars"][:-1] if bar["value"] is None}  # the last hangs on records
    assert undecided == {"ResNet-50 by ONNX Runtime, of one picture"}
    assert (tmp_path / "results.png").stat().st_size > 5000
    printed = capsys.readouterr().out
    assert all(command.LABELS[name] in printed for name in results["rows"])


def test_two_builds_are_asked_in_turns_and_compared(tmp_path):
    """Here both are the same: every row has both, and none is far from the other."""
    pythons = {"before": Path(sys.executable), "now": Path(sys.executable)}
    given = before.compare(pythons, files(None, 3, tmp_path / "pictures"), tmp_path, quick=True)
    assert len(given) == 7
    for what, row in given.items():
        assert 0.1 < row["now"]["median"] / row["before"]["median"] < 10, what
        assert row["now"]["n"] == row["before"]["n"]
    assert given["installed, without TensorFlow"]["now"] == given["installed, without TensorFlow"]["before"]
    lines = before.table(given, "0123456789abcdef").splitlines()
    assert "0123456789ab" in lines[0]
    assert len(lines) == 8


def test_versions_are_named_as_pip_takes_them(tmp_path):
    """`pip install -c` refuses extras; what this project asks for has some."""
    made = before.versions(before.ROOT, tmp_path / "versions.txt")
    given = (before.ROOT / "requirements.txt").read_text()
    assert "ray[data]==" in given
    assert "\nray==" in made.read_text()
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "pip", "-c", made]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_build_that_ends_is_named(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\npwd > where\nread line\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="the build 'now' ended at predict"):
        before.in_turns({"now": broken}, "predict", [tmp_path / "a.jpg"], tmp_path)
    assert (tmp_path / "where").read_text().strip() == str(tmp_path), "not where this checkout would be imported"


def test_an_unknown_commit_is_named(capsys):
    assert before.main(["no-such-commit"]) == 2
    assert "no-such-commit" in capsys.readouterr().err


def test_bars_compare_medians():
    given = {bar.what: bar for bar in bars(rows(predict=0.004, decode=0.001, resnet_50=0.05), {})}
    decoding = given["one picture, of decoding it alone"]
    assert decoding.value == pytest.approx(4.0)
    assert decoding.met is False
    assert "NOT MET" in str(decoding)
    resnet = given["ResNet-50 by ONNX Runtime, of one picture"]
    assert resnet.value == pytest.approx(12.5)
    assert resnet.met is True
    assert given["cold start, s"].met is None
    assert Bar("x", 1.0, 1.0, False).met is True
    assert Bar("x", 1.0, 1.0, True).met is True


def test_training_is_judged_only_as_far_as_the_records_tell():
    ran = {"seconds": 100.0, "epochs": 3, "accuracy": 0.87}
    slow = {"seconds": 1000.0, "epochs": 3, "accuracy": 0.85}
    assert training_bar({"default": ran, "reference": slow}).value == pytest.approx(0.1)
    assert training_bar({"default": slow, "reference": ran}).met is None
    assert training_bar({"default": ran}).met is None
    recorded = recorded_training()
    assert set(recorded) == {"default", "reference"}
    assert all(run["seconds"] > 60 for run in recorded.values())


def test_clocks():
    assert spread([1.0, 2.0, 3.0])["median"] == 2.0
    assert len(timed_over(lambda _: None, range(5))) == 5
    assert len(timed_over(lambda _: None, range(5), budget=0)) == 1
    seconds, megabytes = process("x = bytearray(80_000_000)")
    assert seconds[0] > 0
    assert 80 < megabytes[0] < 200


def test_multiply_adds_are_counted_layer_by_layer(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.zeros((5, 3, 3, 3), "float32"), "w")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, None, None, 3])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["t", "w"], ["out"], pads=[1, 1, 1, 1]),
        ],
        "one",
        [image],
        [out],
        [weights],
    )
    onnx.save(helper.make_model(graph), tmp_path / "one.onnx")
    assert multiply_adds(tmp_path / "one.onnx", 8, 8) == 8 * 8 * 5 * 27
    assert 1e7 < multiply_adds(EMBEDDED / "model.onnx", 72, 72) < 1e9
