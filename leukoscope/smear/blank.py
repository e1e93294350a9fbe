"""Why no white cell is found in a picture, where the picture is the reason. Rules, on a sample of its pixels."""

from __future__ import annotations

import numpy as np

SAMPLE = 200  # px; of longer sides every so many are looked at
MOST = 99  # % of the pixels must be so: dust, a hot pixel or a date in the corner do not count
BLACK = 40  # level; nothing is brighter in any colour: nearly black
EVEN = 12  # levels; nothing lies further from the median in any colour: one colour
GREY = 10  # levels; red, green and blue lie no further apart in any pixel: no colour


def why_blank(image: np.ndarray) -> str | None:
    """Say what is wrong with a picture in which no cell can be seen.

    Args:
        image: RGB uint8 (H, W, 3); what was transparent is white.

    Returns:
        Words that follow "no white cell found:", or None if the picture might well show one.
    """
    rows, columns = (max(1, length // SAMPLE) for length in image.shape[:2])
    pixels = image[::rows, ::columns].reshape(-1, 3).astype(np.int16)
    if _most(pixels.max(axis=1)) < BLACK:
        return "the picture is nearly black"
    if _most(abs(pixels - np.median(pixels, axis=0)).max(axis=1)) <= EVEN:
        return "the picture is blank, of one colour or transparent"
    if _most(pixels.max(axis=1) - pixels.min(axis=1)) <= GREY:
        return "the picture is grey: without the colours of the stain no cell can be told"
    return None


def _most(values: np.ndarray) -> float:
    """What nearly all values do not exceed."""
    return float(np.percentile(values, MOST))
