"""A trained locator as an ONNX graph.

    python -m training.locating.export runs/locator locator.onnx

The averaged weights are what is exported. The graph must answer as Keras does, to a hundredth of a logit, and nearly so
once it is in integers of 8 bits. How far the values of its maps reach is seen on drawn photos, with colours, overlays
and everyday pictures as in training, so that no data set is needed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from leukoscope.errors import CheckpointError
from leukoscope.model.graphs import open_locator
from training.data.sources import DRAWN
from training.fitting.integers import in_integers
from training.fitting.run_folder import RunError
from training.locating.fields.pictures import drawn, everyday
from training.locating.recipe import read_recipe
from training.locating.run import CONFIG, WEIGHTS
from training.locating.train import batches
from training.recipe.config import ConfigError

INPUT, OUTPUT = "photo", "cells"
TOLERANCE = 1e-2  # of logits and of logarithms of sides, between Keras and ONNX Runtime
ROUNDED_TOLERANCE = 0.05  # of scores, between float32 and integers, in the mean of canvases of their largest difference
PHOTOS, CANVASES = 60, 9  # drawn photos, and batches of canvases of them: all but one show how far the maps reach


class ExportError(RuntimeError):
    """A graph that does not answer as the network that it was made from."""


def export(run: Path, path: Path) -> tuple[float, float]:
    """Write the averaged weights of a run as a graph: `photo` uint8 (N, H, W, 3) -> `cells` float32 (N, H/8, W/8, 7).

    Args:
        run: a run folder of `training.locating.train`.
        path: of the graph.

    Returns:
        The largest difference from what Keras answers in float32, on noise; and, of canvases as in training, the mean
        of the largest difference of a score in integers.

    Raises:
        RunError: if the run has no weights yet.
        ConfigError: if its recipe is not valid.
        ExportError: if these are above `TOLERANCE` and `ROUNDED_TOLERANCE`.
        CheckpointError: if the graph cannot be run.
    """
    if not (run / WEIGHTS).is_file():
        raise RunError(f"{run} holds no weights: python -m training.locating.train makes them")
    recipe = read_recipe(run / CONFIG)
    from training.locating.network import build

    model = build(recipe.filters, recipe.seed)
    model.load_weights(run / WEIGHTS)
    model(np.zeros((1, 64, 64, 3), np.uint8))  # Keras exports only what has been called
    model.export(path, format="onnx", verbose=False)
    _rename(path)
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 160, 3), np.uint8)
    answer = open_locator(path, threshold=0.5).run(noise)
    worst = float(np.abs(answer - model.predict(noise, verbose=0)).max())
    if worst > TOLERANCE:
        raise ExportError(f"{path} differs from the Keras model by {worst:.2g}")
    others = everyday(np.random.default_rng(recipe.seed))
    canvases = [batch[0] for batch in batches({DRAWN: drawn(PHOTOS, recipe.seed)}, others, recipe, 0, CANVASES)]
    before = _scores(path, canvases[-1])
    in_integers(path, INPUT, canvases[:-1])
    rounded = float(np.abs(_scores(path, canvases[-1]) - before).max(axis=(1, 2)).mean())
    if rounded > ROUNDED_TOLERANCE:
        raise ExportError(f"in integers {path} differs by {rounded:.2g} of a score in the mean")
    return worst, rounded


def _scores(path: Path, canvases: np.ndarray) -> np.ndarray:
    """What a graph answers: scores, 0-1, (N, H/8, W/8), of canvases, uint8 (N, H, W, 3)."""
    from scipy.special import expit

    return expit(open_locator(path, threshold=0.5).run(canvases)[..., 0])


def _rename(path: Path) -> None:
    """Give a graph's input and output the names that serving knows, whatever Keras called them."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    names = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.input[0].name, graph.output[0].name = INPUT, OUTPUT
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.locating.export",
        description="Write a trained locator as an ONNX graph, and check it against Keras.",
        epilog="next: python -m training.locating.score GRAPH --threshold T",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of training.locating.train")
    parser.add_argument("graph", type=Path, metavar="GRAPH", help="the .onnx file to write")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        if not args.graph.parent.is_dir():
            raise RunError(f"no such folder: {args.graph.parent}")
        worst, rounded = export(args.run, args.graph)
    except (CheckpointError, ConfigError, ExportError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{args.graph}: {args.graph.stat().st_size:,} bytes, off by at most {worst:.2g} from Keras in float32, "
        f"and by {rounded:.2g} of a score in integers"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
