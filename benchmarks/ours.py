"""Leukoscope's own rows: one picture end to end, many, the start of a process, its memory, and the network's work."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import gemm_peak, multiply_adds, process, spread, timed
from leukoscope import Classifier
from leukoscope.model.bulk import run
from leukoscope.model.checkpoint import LOCATOR_FILE, ONNX_FILE
from leukoscope.pictures.images import read_image
from leukoscope.smear.locate import COPY_SIDE

COLD = "from leukoscope import Classifier; Classifier.from_pretrained().predict({path!r})"
SERVING = """
from leukoscope import Classifier
classifier = Classifier.from_pretrained()
paths = {paths!r}
for path in paths:
    classifier.predict(path)
    classifier.scan(path)
list(classifier.predict_batch(paths))
"""

STEPS = ("share_read", "share_locate", "share_frame", "share_classify", "share_read_out")


def decode(data: bytes) -> None:
    """The least that reading a picture costs."""
    read_image(data)


def _decode_chunk(classifier: Classifier, paths: list[Path]) -> list[None]:
    return [decode(path.read_bytes()) for path in paths]


def throughput(classifier: Classifier, paths: list[Path], total: int, workers: int, decode_only: bool = False) -> float:
    """Pictures a second, once the workers run: from the first answer to the last."""
    many = (paths * (total // len(paths) + 1))[:total]
    if decode_only:
        answers = run(classifier.opener, _decode_chunk, many, workers)
    else:
        # One worker is one process too, so that two are compared with the same thing.
        from leukoscope.model.bulk import answers as ask

        answers = ask(classifier.opener, "predict", many, workers)
    next(answers)
    began = time.perf_counter()
    rest = sum(1 for _ in answers)
    return rest / (time.perf_counter() - began)


def bulk(classifier: Classifier, paths: list[Path], total: int, repeats: int) -> dict[str, dict]:
    """Pictures a second with 1 and 2 workers, decoding alone too, each in turn."""
    ways = {
        "bulk_1": partial(throughput, workers=1),
        "bulk_2": partial(throughput, workers=2),
        "decode_bulk_2": partial(throughput, workers=2, decode_only=True),
    }
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seen[name].append(way(classifier, paths, total))
    return {name: spread(values) | {"unit": "pictures/s"} for name, values in seen.items()}


def cold_start(paths: list[Path], repeats: int) -> dict[str, dict]:
    """Whole processes: ours to its first answer, its memory when serving, and importing TensorFlow alone, in turn."""
    ours, tensorflow, memory_tensorflow = [], [], []
    for index in range(repeats):
        ours += process(COLD.format(path=str(paths[0])))[0]
        if index % 2 == 0:
            seconds, megabytes = process("import tensorflow")
            tensorflow += seconds
            memory_tensorflow += megabytes
    memory = process(SERVING.format(paths=[str(path) for path in paths]))[1]
    return {
        "cold_start": spread(ours) | {"unit": "s"},
        "import_tensorflow": spread(tensorflow) | {"unit": "s"},
        "memory": spread(memory) | {"unit": "MB"},
        "memory_import_tensorflow": spread(memory_tensorflow) | {"unit": "MB"},
    }


class Clocked(Classifier):
    """A classifier that remembers for how many seconds its network ran last."""

    def run(self, crops: np.ndarray, outputs: list[str]) -> list[np.ndarray]:
        began = time.perf_counter()
        given = super().run(crops, outputs)
        self.ran = time.perf_counter() - began
        return given


def steps(data: list[bytes], repeats: int) -> dict[str, dict]:
    """The time of each step of a picture as a share of what all steps take, of those in which a cell is found; the
    medians add up to 1."""
    classifier = Clocked.from_pretrained()
    times = []
    for picture in data * repeats:
        clock = [time.perf_counter()]
        image = read_image(picture)
        clock.append(time.perf_counter())
        cells = classifier.locate(image)
        clock.append(time.perf_counter())
        if not cells:
            continue
        framed = classifier.framed_cell(image, cells[0])
        clock.append(time.perf_counter())
        classifier.answer([framed])
        clock.append(time.perf_counter())
        read, located, cut, answered = np.diff(clock)
        times.append((read, located, cut, classifier.ran, answered - classifier.ran))
    # Medians of shares in single pictures need not add up to 1, and of a few pictures they are far from it.
    shares = np.array(times) / np.median(times, axis=0).sum()
    return {name: spread(own) | {"unit": "of a picture"} for name, own in zip(STEPS, shares.T, strict=True)}


def network(classifier: Classifier, repeats: int) -> dict[str, dict]:
    """The network alone, one crop, the share of this machine's float32 peak that it reaches, and the locator's work."""
    size = classifier.spec.framing.size
    crop = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    alone = spread(timed(lambda: classifier.logits(crop), repeats))
    work, peak = multiply_adds(classifier.folder / ONNX_FILE, size, size), gemm_peak()
    located = multiply_adds(classifier.folder / LOCATOR_FILE, 128, COPY_SIDE)  # of 640x480 it sees so much at first
    return {
        "network": alone | {"unit": "s"},
        "multiply_adds": spread([work / 1e6]) | {"unit": "million"},
        "multiply_adds_locator": spread([located / 1e6]) | {"unit": "million"},
        "gemm_peak": spread([peak / 1e9]) | {"unit": "billion multiply-adds/s"},
        "network_of_peak": spread([work / alone["median"] / peak]) | {"unit": "of peak"},
    }
