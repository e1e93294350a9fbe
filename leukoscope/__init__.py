"""Leukoscope: tells eosinophil, lymphocyte, monocyte and neutrophil apart in a photo of a stained blood smear.

    from leukoscope import Classifier
    prediction = Classifier.from_pretrained().predict("smear.jpg")

For teaching and research; not a medical device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leukoscope.biology.cells import CELL_TYPES, CELLS
    from leukoscope.classifier import Classifier
    from leukoscope.counting.differential import Differential
    from leukoscope.errors import (
        CheckpointError,
        DifferentialError,
        ImageError,
        LeukoscopeError,
        ModelUnavailable,
        PublishError,
    )
    from leukoscope.model.prediction import Prediction

__version__ = "0.1.0"

__all__ = [
    "CELLS",
    "CELL_TYPES",
    "CheckpointError",
    "Classifier",
    "Differential",
    "DifferentialError",
    "ImageError",
    "LeukoscopeError",
    "ModelUnavailable",
    "Prediction",
    "PublishError",
    "__version__",
]

_HOMES = {
    "CELLS": "biology.cells",
    "CELL_TYPES": "biology.cells",
    "CheckpointError": "errors",
    "Classifier": "classifier",
    "Differential": "counting.differential",
    "DifferentialError": "errors",
    "ImageError": "errors",
    "LeukoscopeError": "errors",
    "ModelUnavailable": "errors",
    "Prediction": "model.prediction",
    "PublishError": "errors",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `leukoscope --help` must not wait for ONNX Runtime.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
