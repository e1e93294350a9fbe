"""Clocks and scales: times of a call, and time and memory of a whole process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]

# The kernel's own mark for this program: getrusage would tell that of the process it was forked from.
_PEAK = """
import re
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each call, after one that is not counted."""
    return timed_over(lambda _: call(), range(repeats + 1))[1:]


def timed_over(call: Callable, items: Iterable, budget: float = float("inf")) -> list[float]:
    """Seconds of `call(item)` for each item, as many as fit into a budget of seconds, at least one."""
    times, end = [], time.perf_counter() + budget
    for item in items:
        began = time.perf_counter()
        call(item)
        times.append(time.perf_counter() - began)
        if times[-1] + began > end:
            break
    return times


def spread(values: list[float]) -> dict:
    """{median, low, high, n}: the middle, and the limits between which 80 % of the values lie."""
    low, median, high = np.percentile(values, [10, 50, 90])
    return {"median": float(median), "low": float(low), "high": float(high), "n": len(values)}


def process(
    code: str, repeats: int = 1, env: dict | None = None, python: str | Path = sys.executable, cwd: Path = ROOT
) -> tuple[list[float], list[float]]:
    """Seconds and peak megabytes of `python -c code`, each from start to end of a fresh process."""
    seconds, megabytes = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        done = subprocess.run(
            [python, "-c", f"{code}\n{_PEAK}"], capture_output=True, text=True, cwd=cwd, env=env, check=True
        )
        seconds.append(time.perf_counter() - began)
        megabytes.append(float(done.stdout.splitlines()[-1]))
    return seconds, megabytes


def gemm_peak(size: int = 1536, repeats: int = 8) -> float:
    """The most multiply-adds a second of a float32 matrix product that this machine shows."""
    a = np.random.default_rng(0).random((size, size), np.float32)
    return size**3 / min(timed(lambda: a @ a, repeats))


def multiply_adds(path: Path, height: int, width: int) -> int:
    """Multiply-adds of an ONNX graph for one picture of this size: its convolutions and matrix products."""
    import onnx

    graph = onnx.load(path)
    dims = graph.graph.input[0].type.tensor_type.shape.dim
    for dim, value in zip(dims, (1, height, width, 3), strict=True):
        dim.dim_value = value
    graph = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    weights = {w.name: list(w.dims) for w in graph.initializer}
    for node in graph.node:  # a kernel in integers reaches its convolution by way of a node that gives it its scale
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    total = 0
    for node in graph.node:
        given = shapes.get(node.output[0])
        if not given or len(node.input) < 2 or node.input[1] not in weights:
            continue
        kernel = weights[node.input[1]]
        if node.op_type == "Conv":
            total += int(np.prod(given) * np.prod(kernel[1:]))
        elif node.op_type in ("MatMul", "Gemm"):
            total += int(np.prod(given) * (kernel[1] if _transposed(node) else kernel[0]))
    return total


def _transposed(node) -> bool:
    return any(a.name == "transB" and a.i for a in node.attribute)
