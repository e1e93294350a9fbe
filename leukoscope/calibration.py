"""Logits -> probabilities and unfamiliarity, the same in training and in serving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leukoscope.cells import CELL_TYPES

LYMPHOCYTE, MONOCYTE = map(CELL_TYPES.index, ("lymphocyte", "monocyte"))
DOUBT = 0.25  # so much of the doubt between the four types counts as unfamiliar
WIDEST = 3.0  # red cells, some 22 um: no nucleus is wider; if it seems so, what was measured were pieces of red cells
CLEAR = 0.6  # of the logarithm of a width over the one that speaks for neither; what is clearer counts no more


@dataclass(frozen=True)
class SizeEvidence:
    """What the width of a nucleus says, which the network does not see: it is shown every nucleus equally wide.

    A lymphocyte's nucleus is little wider than a red cell, a monocyte's twice as wide, whatever the lab and the camera.

    weight: what the logit of a monocyte gains on that of a lymphocyte where the nucleus is e times as wide; 0: nothing.
    even: the width, in red cells, that speaks for neither.
    """

    weight: float = 0.0
    even: float = 1.7

    def added(self, logits: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """Logits with this evidence.

        Args:
            logits: (N, 4 or 5).
            widths: of the nuclei, in red cells, (N,); 0 where it is not known, which changes nothing, nor does what is
                above `WIDEST`.

        Returns:
            float (N, 4 or 5).
        """
        ratio = np.where((widths > 0) & (widths <= WIDEST), widths, self.even) / self.even
        half = self.weight * np.log(ratio).clip(-CLEAR, CLEAR) / 2
        with_sizes = logits.copy()
        with_sizes[:, MONOCYTE] += half
        with_sizes[:, LYMPHOCYTE] -= half
        return with_sizes


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
