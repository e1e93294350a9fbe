"""The answer for one white cell, and the answer where there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from leukoscope.biology.attributes import Attribute
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.model.checkpoint import Spec
from leukoscope.smear.blank import why_blank

VERDICTS = ("confident", "review", "unfamiliar", "no_cell")


@dataclass(frozen=True)
class Prediction:
    """The answer for one white cell.

    label: one of `CELL_TYPES`, or None if no white cell was found.
    probabilities: of all four types, calibrated, summing to 1; without a cell all are alike: 0.25.
    confidence: probability of the label; 0 without a cell.
    box: (x0, y0, x1, y1) of the whole cell, cytoplasm included, px of the picture as given, after EXIF, x1 and y1
        exclusive; None without a cell or for a model that looks at the whole picture.
    verdict: one of `VERDICTS`: "confident" (the label stands), "review" (not sure enough: look yourself),
        "unfamiliar" (it does not look like any of the four types; the label is only the nearest) or "no_cell".
    cut: whether the box reaches the edge of the picture, so that part of the cell may be missing.
    unfamiliarity: 0-1, how little it looks like any of the four types; 0 without a cell.
    reason: why no white cell was found, where the picture is the reason, such as a black one; else None.
    attributes: what is seen in the cell, by the names of `leukoscope.biology.attributes.VALUES`; empty without a
        cell, for a model that was not taught them, and in a count that was kept in a file. Not compared, nor shown by
        `repr`.
    wide: the cell's width in widths of the red cells beside it; None without a cell, for one that the edge cuts, for a
        model that does not tell, and in a count that was kept in a file. Not compared, nor shown by `repr`.
    """

    label: str | None
    probabilities: dict[str, float]
    confidence: float
    box: tuple[int, int, int, int] | None
    verdict: str
    cut: bool = False
    unfamiliarity: float = 0.0
    reason: str | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict, compare=False, repr=False)
    wide: float | None = field(default=None, compare=False, repr=False)


def judged(
    spec: Spec,
    box: tuple[int, int, int, int] | None,
    cut: bool,
    score: float,
    wide: float | None,
    shares: np.ndarray,
    unfamiliarity: float,
    attributes: dict[str, Attribute],
) -> Prediction:
    """The answer for a cell by the thresholds of a checkpoint.

    Args:
        spec: of the checkpoint.
        box: of the cell, as of a `Prediction`.
        cut: likewise.
        score: the locator's, 0-1.
        wide: in red cells, as of a `Prediction`.
        shares: its probabilities in the order of the spec's labels, float (4,).
        unfamiliarity: 0-1.
        attributes: what is seen in it.
    """
    confidence = float(shares.max())
    limits = spec.thresholds
    sure = "confident" if confidence >= limits.confident and score >= limits.sure_cell else "review"
    return Prediction(
        label=spec.labels[int(shares.argmax())],
        probabilities=dict(zip(spec.labels, map(float, shares), strict=True)),
        confidence=confidence,
        box=box,
        verdict="unfamiliar" if unfamiliarity > limits.unfamiliar else sure,
        cut=cut,
        unfamiliarity=float(unfamiliarity),
        attributes=attributes,
        wide=wide,
    )


def no_cell(image: np.ndarray | None = None) -> Prediction:
    """The answer where no white cell was found in a picture, RGB uint8 (H, W, 3); with None its reason is not asked."""
    reason = None if image is None else why_blank(image)
    return Prediction(None, dict.fromkeys(CELL_TYPES, 1 / len(CELL_TYPES)), 0.0, None, "no_cell", reason=reason)
