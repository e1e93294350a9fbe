"""Logits -> probabilities, unfamiliarity and attributes, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from leukoscope.biology.attributes import ATTRIBUTES, Attribute, parts
from leukoscope.biology.cells import CELL_TYPES

DOUBT = 0.25  # so much of the doubt between the four types counts as unfamiliar


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of logits (N, C) over the temperature: float64 (N, C), rows summing to 1."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of the four types, given that it is one of them: logits (N, 4 or 5) -> float64 (N, 4)."""
    return softmax(logits[:, : len(CELL_TYPES)], temperature)


def unfamiliarity(logits: np.ndarray, temperature: float) -> np.ndarray:
    """How little each cell looks like any of the four types: logits (N, 4 or 5) -> float64 (N,), 0-1.

    The probability of "none of the four", where that was taught, and a part of the doubt between the four: a kind of
    cell that was never taught is seldom taken for none of them, but it is doubted more (after Hendrycks and Gimpel
    2017, arXiv 1610.02136).
    """
    shares = softmax(logits, temperature)
    none, named = shares[:, len(CELL_TYPES) :].sum(axis=1), shares[:, : len(CELL_TYPES)].max(axis=1)
    score: np.ndarray = none + DOUBT * (1 - none - named)
    return score


def attributes_of(logits: np.ndarray, sure: Mapping[str, float]) -> list[dict[str, Attribute]]:
    """The attributes of each cell.

    Args:
        logits: of the attributes, float (N, `WIDTH`).
        sure: of each attribute, the probability from which its value is said.
    """
    shares = [softmax(part, 1.0) for part in parts(logits).values()]
    best = np.stack([part.argmax(axis=1) for part in shares], axis=1).tolist()
    most = np.stack([part.max(axis=1) for part in shares], axis=1).tolist()
    cells = []
    for chosen, probable in zip(best, most, strict=True):
        values = [of[place] for of, place in zip(ATTRIBUTES.values(), chosen, strict=True)]
        said = [probability >= sure[name] for name, probability in zip(ATTRIBUTES, probable, strict=True)]
        cells.append(dict(zip(ATTRIBUTES, map(Attribute, values, probable, said), strict=True)))
    return cells
