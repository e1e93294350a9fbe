"""Logits -> probabilities and unfamiliarity, the same in training and in serving."""

from __future__ import annotations

import numpy as np

from leukoscope.cells import CELL_TYPES


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
    """Probability of "none of the four": logits (N, 4 or 5) -> float64 (N,); 0 from a network not taught it."""
    if logits.shape[1] == len(CELL_TYPES):
        return np.zeros(len(logits))
    return softmax(logits, temperature)[:, len(CELL_TYPES)]
