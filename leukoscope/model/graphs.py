"""The ONNX graphs of a checkpoint, opened and checked. Arithmetic is all that they can do: no other file is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from leukoscope.errors import CheckpointError
from leukoscope.smear.locate import MULTIPLE, STRIDE, Locator

EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"  # ONNX Runtime's name for a setting


def open_graph(path: str | os.PathLike[str], takes: str, gives: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a graph.

    Args:
        path: of the file.
        takes: name of its one input.
        gives: name of an output that it must have.
        threads: for one run.

    Raises:
        CheckpointError: if it cannot be run, or its inputs and outputs are others.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Never 0: left to itself ONNX Runtime pins its threads, which then wait for cores that others use.
    options.intra_op_num_threads = threads
    # A graph may name other files that hold its weights, to be looked for where the process was started.
    nowhere = os.fsencode(Path(path).parent / "no other files").decode(errors="replace")
    options.add_session_config_entry(EXTERNAL_FOLDER, nowhere)
    graph = Path(path).read_bytes()
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own kinds, one for each status
        raise CheckpointError(f"{path} is no graph that can be run: {error}") from None
    outputs = [output.name for output in session.get_outputs()]
    if [given.name for given in session.get_inputs()] != [takes] or gives not in outputs:
        raise CheckpointError(f"{path} must take `{takes}` and give `{gives}`")
    return session


def open_locator(path: str | os.PathLike[str], threshold: float, threads: int = 1) -> Locator:
    """The locator of a graph: `photo`, uint8 (1, H, W, 3), -> `cells`, float32 (1, H / 8, W / 8, 7).

    One that says nothing of red cells gives 5 instead of 7.

    Args:
        path: of `locator.onnx`.
        threshold: score, 0-1, from which something is a white cell: `Spec.thresholds.cell` of its checkpoint.
        threads: for one run of the network.

    Raises:
        CheckpointError: if it is no such graph.
    """
    session = open_graph(path, "photo", "cells", threads)

    def run(photo: np.ndarray) -> np.ndarray:
        cells: np.ndarray = session.run(["cells"], {"photo": photo})[0]
        return cells

    _try(run, path)
    return Locator(run, threshold)


def _try(run: Callable[[np.ndarray], np.ndarray], path: str | os.PathLike[str]) -> None:
    """Run a locator's graph on pictures of two sizes, the least there are."""
    for height, width in ((MULTIPLE, MULTIPLE), (MULTIPLE, 2 * MULTIPLE)):
        try:
            cells = run(np.zeros((1, height, width, 3), np.uint8))
        except Exception as error:  # as above
            raise CheckpointError(f"{path} cannot be run on a picture of {width} x {height} px: {error}") from None
        wanted = (1, height // STRIDE, width // STRIDE, 7)
        if cells.shape not in (wanted, (*wanted[:3], 5)) or cells.dtype != np.float32:
            raise CheckpointError(f"{path} must give float32 {wanted} here, or 5, not {cells.dtype} {cells.shape}")
