"""A checkpoint's metrics.json: what was scored and counted with its weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from leukoscope.model.checkpoint import METRICS_FILE, ONNX_FILE, read_spec, sha256, write_json
from leukoscope.showing.about import hash_of_answers

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier


class MetricsError(ValueError):
    """Metrics that are missing, or of other weights; the message says what to run."""


def record(folder: Path, name: str, result: dict) -> None:
    """Put a result into metrics.json; results of other weights that stand there are dropped."""
    path = folder / METRICS_FILE
    weights = hash_of_answers(read_spec(folder), sha256(folder / ONNX_FILE))
    metrics = json.loads(path.read_text()) if path.exists() else {}
    if metrics.get("model_sha256") != weights:
        metrics = {"model_sha256": weights, "results": {}}
    metrics["results"][name] = result
    write_json(path, metrics)


def read_metrics(checkpoint: Path) -> dict:
    """The checkpoint's metrics.json.

    Raises:
        MetricsError: if there is none, or it belongs to other weights.
    """
    path = checkpoint / METRICS_FILE
    if not path.exists():
        raise MetricsError(f"{path} is missing: run python -m training.evaluate {checkpoint}")
    metrics = json.loads(path.read_text())
    if metrics.get("model_sha256") != hash_of_answers(read_spec(checkpoint), sha256(checkpoint / ONNX_FILE)):
        raise MetricsError(f"{path} belongs to other weights: run python -m training.evaluate {checkpoint}")
    if not metrics.get("results"):
        raise MetricsError(f"{path} holds no result: run python -m training.evaluate {checkpoint}")
    return metrics


def add_counts(checkpoint: Path, name: str, count: Callable[[Classifier], dict]) -> dict:
    """Count with a checkpoint, and add what was counted to its metrics.json under a name.

    Raises:
        MetricsError: as `read_metrics`, before anything is counted.
        CheckpointError: if the checkpoint cannot be loaded.
    """
    from leukoscope.classifier import Classifier

    classifier, metrics = Classifier.from_pretrained(checkpoint), read_metrics(checkpoint)
    metrics[name] = count(classifier)
    write_json(checkpoint / METRICS_FILE, metrics)
    return metrics[name]
