"""Logits, and a cell's width -> probabilities, unfamiliarity and attributes, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leukoscope.biology.attributes import ATTRIBUTES, JOINED, VALUES, Attribute, parts
from leukoscope.biology.cells import CELL_TYPES

DOUBT = 0.25  # so much of the doubt between the four types counts as unfamiliar
ODD = 0.2  # a width that a type shows more seldom, per unit of its logarithm, speaks no more against it


@dataclass(frozen=True)
class Sizes:
    """How wide cells of each of the four types are, counted in widths of the red cells beside them.

    The network sees each cell as large as any other; a monocyte of two red cells' width and a lymphocyte of one and a
    half differ in that more than in colours, which are the lab's.

    mean, spread: of each type, of the logarithm of the width. weight: what one unit of the logarithm of their odds adds
        to a logit.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weight: float

    def __post_init__(self) -> None:
        """Refuse values with which nothing can be answered, by a ValueError."""
        if len(self.mean) != len(self.spread) or not self.mean:
            raise ValueError("sizes.mean and sizes.spread must have a number for each type")
        if not (np.isfinite([*self.mean, *self.spread, self.weight]).all() and min(*self.spread, self.weight) > 0):
            raise ValueError("sizes must be finite, spread and weight above 0")

    def evidence(self, wide: Sequence[float | None], doubt: Sequence[float]) -> np.ndarray:
        """What widths say of the types, to be added to logits: float64 (N, 4), 0 for the type that fits best.

        Args:
            wide: of each cell, in widths of red cells; None: not known, so nothing is said.
            doubt: by how much each may be wrong, as a part of it: the scale of a Laplace distribution.
        """
        known = np.array([value is not None for value in wide], bool)
        logarithms = np.log([1.0 if value is None else max(value, 1e-6) for value in wide])[:, None]
        variance = np.square(self.spread) + 2 * np.square(np.asarray(doubt, float))[:, None]
        density = np.exp(-np.square(logarithms - self.mean) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        said = np.log(density + ODD)
        evidence: np.ndarray = self.weight * (said - said.max(axis=1, keepdims=True)) * known[:, None]
        return evidence


def with_evidence(logits: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Logits (N, 4 or 5) with what something else (N, 4), or (4,) of every cell, says of the four types."""
    return np.concatenate([logits[:, : len(CELL_TYPES)] + evidence, logits[:, len(CELL_TYPES) :]], axis=1)


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
        sure: of each attribute that is to be given, the probability from which its value is said.
    """
    shares = {name: part for name, part in attribute_shares(logits).items() if name in sure}
    best = np.stack([part.argmax(axis=1) for part in shares.values()], axis=1).tolist()
    most = np.stack([part.max(axis=1) for part in shares.values()], axis=1).tolist()
    cells = []
    for chosen, probable in zip(best, most, strict=True):
        values = [VALUES[name][place] for name, place in zip(shares, chosen, strict=True)]
        said = [probability >= sure[name] for name, probability in zip(shares, probable, strict=True)]
        cells.append(dict(zip(shares, map(Attribute, values, probable, said), strict=True)))
    return cells


def attribute_shares(logits: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of the attributes, float (N, `WIDTH`) -> attribute -> the probabilities of its `VALUES`, float (N, V)."""
    shares = {name: softmax(part, 1.0) for name, part in parts(logits).items()}
    for name, (of, joins) in JOINED.items():
        places = [[ATTRIBUTES[of].index(value) for value in joined] for joined in joins.values()]
        shares[name] = np.stack([shares[of][:, some].sum(axis=1) for some in places], axis=1)
    return shares
