"""A trained locator as an ONNX graph.

python -m training.locating.export runs/locator locator.onnx
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from pathlib import Path

import numpy as np

from training.locating.train import WEIGHTS, Recipe

INPUT, OUTPUT = "photo", "cells"
TOLERANCE = 1e-2  # of logits and of logarithms of sides, between Keras and ONNX Runtime


def export(run: Path, path: Path) -> float:
    """Write the averaged weights of a run as a graph: `photo` uint8 (N, H, W, 3) -> `cells` float32 (N, H/8, W/8, 5).

    Returns:
        The largest difference from what Keras answers, on noise.

    Raises:
        RuntimeError: if it is above `TOLERANCE`.
    """
    import onnx
    import onnxruntime

    from training.locating.network import build

    recipe = Recipe(**tomllib.loads((run / "config.toml").read_text()))
    model = build(tuple(recipe.filters), recipe.seed)
    model.load_weights(run / WEIGHTS)
    model(np.zeros((1, 64, 64, 3), np.uint8))  # Keras exports only what has been called
    model.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    renamed = {graph.graph.input[0].name: INPUT, graph.graph.output[0].name: OUTPUT}
    for node in graph.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    graph.graph.input[0].name, graph.graph.output[0].name = INPUT, OUTPUT
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 160, 3), np.uint8)
    worst = float(np.abs(session.run([OUTPUT], {INPUT: noise})[0] - model.predict(noise, verbose=0)).max())
    if worst > TOLERANCE:
        raise RuntimeError(f"{path} differs from the Keras model by {worst:.2g}")
    return worst


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.locating.export", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder of training.locating.train")
    parser.add_argument("graph", type=Path, help="the .onnx file to write")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    worst = export(args.run, args.graph)
    print(f"{args.graph}: {args.graph.stat().st_size:,} bytes, off by at most {worst:.2g} from Keras")
    return 0


if __name__ == "__main__":
    sys.exit(main())
