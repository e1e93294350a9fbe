#!/usr/bin/env bash
# Brought to 8 bits, a network whose input is level / 127.5 - 1 sees 129 of a photo's 256 levels, elsewhere others.
#
# Most would guess: 256 levels of a photo are 256 steps of 8 bits, so the first layer sees each as it is.
# What happens: the range found by calibration is [-1, 1], and 0 must be one of the steps, but no level is 0: each level
# lies half-way between two steps. Half-way goes to the even neighbour, so levels become one by twos; and which way one
# goes hangs on the last bit of a product, so that with ONNX Runtime's optimisations and without them other levels are
# told apart. With level / 255 all 256 are kept.
# Why it matters: [-1, 1] is what MobileNet and others of Keras and of timm take. Pale granules on pale cytoplasm differ by
# a few levels. And the same cell gets another answer from another build: two of three cells that a network found had
# other boxes in the browser than on the server, by a pixel or more.
#
# seen with onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, x86-64, on 28 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

LEVELS = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)


class Levels(CalibrationDataReader):
    def __init__(self):
        self.left = [{"picture": LEVELS}]

    def get_next(self):
        return self.left.pop() if self.left else None


def told_apart(scale, shift):
    """How many of the 256 levels a convolution of one weight tells apart, with all optimisations and with none."""
    weights = {"scale": np.float32(scale), "shift": np.float32(shift), "kernel": np.ones((1, 1, 1, 1), np.float32)}
    nodes = [
        helper.make_node("Mul", ["picture", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["moved"]),
        helper.make_node("Conv", ["moved", "kernel"], ["map"]),
    ]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 16, 16])  # noqa: E731
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "first_layer", [value("picture")], [value("map")], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "float.onnx")
    quantize_static(
        "float.onnx", "int8.onnx", Levels(), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8
    )
    maps = []
    for level in ("ORT_ENABLE_ALL", "ORT_DISABLE_ALL"):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        session = ort.InferenceSession("int8.onnx", options, providers=["CPUExecutionProvider"])
        maps.append(session.run(None, {"picture": LEVELS})[0].ravel())
    return len(np.unique(maps[0])), len(np.unique(maps[1])), int((np.abs(maps[0] - maps[1]) > 1e-4).sum())


print("onnxruntime", ort.__version__, "onnx", onnx.__version__)
centred, plain = told_apart(1 / 127.5, -1), told_apart(1 / 255, 0)
for words, (with_all, with_none, unlike) in (("level / 127.5 - 1", centred), ("level / 255", plain)):
    print(f"{words}: {with_all} of 256 told apart, {with_none} without optimisations; {unlike} levels otherwise")
sys.exit(not (centred[0] < 200 and centred[2] > 0 and plain == (256, 256, 0)))
PYTHON
