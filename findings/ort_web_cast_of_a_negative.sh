#!/usr/bin/env bash
# One graph, two runtimes of one maker: the last step to bytes makes -5 nearly white in Python and black in the browser.
#
# Most would guess: Cast to uint8 ends at 0 and 255, as pictures are clipped; and both runtimes do the same with it.
# What happens: 300 is 44 in both, wrapped around. -5 is 251 in Python, wrapped as well, and 0 in the browser, where
# WebAssembly's conversion stops at 0. ONNX leaves what is out of range open, so neither is wrong. A Clip before the Cast
# makes both equal.
# Why it matters: a picture that a graph gives back, its stain normalised or its contrast raised, has values beyond both
# ends: the darkest nuclei and the brightest glass. They become specks in the one place and not in the other, and a golden
# picture taken in Python says nothing about the browser.
#
# seen with onnxruntime 1.32.0, onnx 1.23.2, onnxruntime-web 1.30.0 on Node 20.20.2, x86-64, on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room"
python3 -m venv venv
venv/bin/python -m pip install -qq --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts onnxruntime-web@1.30.0
cat > look.py <<'PYTHON'
import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

values = [-5.0, 0.0, 254.6, 300.0]
graph = helper.make_graph(
    [helper.make_node("Cast", ["density"], ["pixels"], to=TensorProto.UINT8)],
    "to_bytes",
    [helper.make_tensor_value_info("density", TensorProto.FLOAT, [4])],
    [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [4])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "cast.onnx")
session = onnxruntime.InferenceSession("cast.onnx", providers=["CPUExecutionProvider"])
(seen,) = session.run(None, {"density": np.array(values, np.float32)})
print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__, values, "->", seen.tolist())
with open("seen.json", "w") as file:
    json.dump({"values": values, "seen": seen.tolist()}, file)
PYTHON
cat > look.mjs <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
const { InferenceSession, Tensor, env } = await import("onnxruntime-web");
const { values, seen } = JSON.parse(readFileSync("seen.json"));
const session = await InferenceSession.create("cast.onnx");
const { pixels } = await session.run({ density: new Tensor("float32", values, [4]) });
const here = Array.from(pixels.data);
console.log("onnxruntime-web", env.versions.web, "node", process.version, values, "->", here);
process.exit(String(seen) === "251,0,254,44" && String(here) === "0,0,254,44" ? 0 : 1);
JAVASCRIPT
venv/bin/python look.py
node look.mjs
