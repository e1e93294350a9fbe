"""Samples of more than 8 bits, or floating-point ones, as the levels 0-255 that a screen shows."""

from __future__ import annotations

import numpy as np

from leukoscope.errors import ImageError

DEPTHS = (8, 10, 12, 14)  # bits that a camera may use of 16
QUARTER = 2**14  # of 16 bits: a picture whose samples are all below it would be nearly black
STRIP = 2**22  # pixels that are scaled at once
SAVE_AS = "save it as TIFF of 8 bits without compression, or as PNG"


def white_level(values: np.ndarray, told: int = 0) -> float:
    """The number that stands for white.

    Of 16 bits `white_of_16` says it. Of 32 bits, 16 are taken to be in use where no sample needs more. Floating-point
    samples go up to 1, to 255 or to 65,535: the lowest of these that holds all.

    Args:
        values: samples of any shape.
        told: the highest level as the file says it; 0: it does not.

    Raises:
        ImageError: if floating-point numbers are none, are negative or are higher.
    """
    if values.dtype == np.uint8:
        return 255.0
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f":
        white = next((level for level in (1.0, 255.0, 65_535.0) if high <= level), None)
        if white is None or not low >= 0:
            raise ImageError(f"floating-point pictures with levels beyond 0-1 or 0-255 are not supported: {SAVE_AS}")
        return white
    return 2.0**32 - 1 if high > 65_535 else white_of_16(int(high), told)


def white_of_16(high: int, told: int = 0) -> float:
    """The number that stands for white, of samples of 16 bits of which a camera may use fewer.

    If the file says the highest level, white is the full range of 8, 10, 12, 14 or 16 bits that this needs. If it says
    none, and no sample reaches a quarter of the range, so that the picture would be nearly black, white is that of the
    fewest bits that hold all samples.

    Args:
        high: the highest sample.
        told: the highest level as the file says it; it is not believed where a sample is higher.
    """
    if not high <= told <= 65_535:
        told = 0
    needed = told or high
    if told or needed < QUARTER:
        return float(next((2**bits - 1 for bits in DEPTHS if needed < 2**bits), 65_535))
    return 65_535.0


def eight_bits(values: np.ndarray, white: float) -> np.ndarray:
    """Samples (H, W, ...) as levels: uint8, `white` and what is above it 255."""
    if values.dtype == np.uint8:
        return values
    out: np.ndarray = np.empty(values.shape, np.uint8)
    rows = max(1, STRIP // values.shape[1])
    table = np.minimum(np.arange(65_536) * (255 / white) + 0.5, 255).astype(np.uint8)  # of 16 bits
    for top in range(0, len(values), rows):
        strip = values[top : top + rows]
        if values.dtype == np.uint16:
            out[top : top + rows] = table[strip]
        else:
            out[top : top + rows] = np.clip(strip.astype(np.float64) * (255 / white) + 0.5, 0, 255)
    return out
