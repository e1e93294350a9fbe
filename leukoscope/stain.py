"""Optical density: how much light of each colour a stain takes, relative to the glass of the same photo."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

GLASS_SAMPLE = 20_000  # px of a large photo that tell the colour of its glass
FLAT = 6  # levels; so much may a frame of one colour vary where it was compressed ...
COMPRESSED = 8  # ... px; so far into it reaches what is compressed with the photo's edge
BLACK = 12  # level below which the logarithm would only show noise; what is darker in all colours is no stain ...
DARK = 0.25  # ... nor what is below this share of the glass: around the field of an eyepiece it is seldom quite black
STEPS = 64  # levels to one unit of density, where density is kept in a byte ...
ZERO = 40.5  # ... the level of the glass, noise goes below it; the half puts thresholds between two levels ...
BRIGHTER = 24  # ... and levels kept for what is brighter than the glass

_LEVELS = np.arange(256).clip(BLACK)
_LOG = np.log(_LEVELS)
_NO_STAIN = np.array([[ZERO + BRIGHTER], [BRIGHTER]]) + 0.5  # levels of green and of blue


def without_frame(image: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the photo within a picture: RGB uint8 (H, W, 3).

    Lines of one colour at its edges, where another begins all along, are the page or the screen that it was taken from.
    """
    rows = _between_flat(image)
    return rows, _between_flat(image[rows].transpose(1, 0, 2))


def _between_flat(lines: np.ndarray) -> slice:
    """The lines (N, M, 3) less those of a frame."""
    return slice(_of_a_frame(lines), len(lines) - _of_a_frame(lines[::-1]))


def _of_a_frame(lines: np.ndarray) -> int:
    """How many lines (N, M, 3) from the first on are of a frame."""
    edge = lines[0]
    first, *some = edge[:: len(edge) // 16 + 1].tolist()  # of most photos a few show that it is not of one colour
    if any(abs(level - own) > FLAT for pixel in some for level, own in zip(pixel, first, strict=True)):
        return 0
    for start in range(0, len(lines), 8):  # most frames are narrow: few lines tell
        textured = np.flatnonzero(_spread(lines[start : start + 8]) > FLAT)
        if len(textured):
            first = start + int(textured[0])
            return first if _unlike(lines[min(first + COMPRESSED, len(lines) - 1)], edge[0]) else 0
    return 0


def _unlike(line: np.ndarray, colour: np.ndarray) -> bool:
    """Whether most of a line (M, 3) has another colour."""
    return bool((np.abs(line.astype(np.int16) - colour).max(axis=1) > FLAT).mean() > 0.5)


def _spread(lines: np.ndarray) -> np.ndarray:
    """How far the levels of each line (N, M, 3) lie apart, in the channel where they do most: (N,)."""
    highest = lowest = lines
    while (length := highest.shape[1]) > 1:  # in halves: numpy is slow along an axis of pixels
        half = (length + 1) // 2
        highest = np.maximum(highest[:, :half], highest[:, length - half :])
        lowest = np.minimum(lowest[:, :half], lowest[:, length - half :])
    spread: np.ndarray = (highest - lowest)[:, 0].max(axis=1)
    return spread


def glass_colour(image: np.ndarray, within: tuple[slice, slice] | None = None) -> np.ndarray:
    """Colour of the bright background: float32 (3,), 0-255. The median of the brightest tenth by green.

    within: `without_frame` of the picture, where it is known already.
    """
    image = image[within or without_frame(image)]
    step = max(4, round((image.shape[0] * image.shape[1] / GLASS_SAMPLE) ** 0.5))
    sample = np.ascontiguousarray(image[::step])[:, ::step].reshape(-1, 3)
    green = np.ascontiguousarray(sample[:, 1])
    light = green >= BLACK
    if not light.all():
        light |= (sample[:, 0] >= BLACK) | (sample[:, 2] >= BLACK)
        sample, green = sample[light], green[light]
    if len(green) < 10:
        return np.full(3, 255.0, np.float32)
    rank = -(-9 * (len(green) - 1) // 10)  # of the least level at or above the 90th percentile
    bright = sample[np.flatnonzero(green >= np.partition(green, rank)[rank])]
    colour: np.ndarray = median_colour(bright).clip(32)
    return colour


def median_colour(colours: np.ndarray) -> np.ndarray:
    """The median of each channel: uint8 (N, 3) -> float32 (3,). What `np.median` gives, sooner."""
    half, odd = divmod(len(colours), 2)
    ordered = np.partition(np.ascontiguousarray(colours.T), half if odd else (half - 1, half))
    median: np.ndarray = ordered[:, half - 1 + odd : half + 1].mean(axis=1, dtype=np.float32)
    return median


def optical_density(image: np.ndarray, glass: np.ndarray | float) -> np.ndarray:
    """-log of the transmitted light: uint8 (H, W) or (H, W, 3) -> float32 of that shape, 0 on glass.

    glass: level of the glass in this channel, or (3,) in each.
    """
    table = np.log(glass) - _LOG.reshape(256, 1, 1)
    return cv2.LUT(image, table.astype(np.float32))


def nucleus_density(image: np.ndarray) -> np.ndarray:
    """Optical density of green minus that of blue, relative to the photo's glass, lightly blurred.

    Returns:
        float32 (H, W); about 1 in nuclei, 0.1 in red cells, 0 on glass, 0 in black borders.
    """
    glass = glass_colour(image)
    density: np.ndarray = optical_density(image[..., 1], glass[1]) - optical_density(image[..., 2], glass[2])
    density[image.max(axis=2) < BLACK] = 0.0
    return cv2.GaussianBlur(density, (0, 0), float(np.clip(max(image.shape[:2]) / 200, 1.0, 2.4)))


def strengthened(image: np.ndarray, glass: np.ndarray, strength: float) -> np.ndarray:
    """A pale photo with so many times its difference from the glass: RGB uint8 (H, W, 3) of that shape.

    What makes photos pale is light that was added, by haze, a screen or the exposure; multiplied densities would shift
    the colours of what is dense against those of what is thin. Black stays black, and nothing else becomes it.

    glass: its colour, float (3,), 0-255.
    """
    levels = np.arange(256.0)[:, None]
    stronger = (glass - strength * (glass - levels)).clip(BLACK, 255)
    stronger[:BLACK] = levels[:BLACK]
    return cv2.LUT(image, (stronger + 0.5).astype(np.uint8)[:, None, :])


def empty_edge(crop: np.ndarray) -> np.ndarray | None:
    """Where a crop shows nothing but black, as beside a turned photo or around the field of an eyepiece.

    Returns:
        uint8 (H, W), 255 in the black and on its rim, which is darkened by it; None if there is none. A dark speck, as
        in a dense nucleus, is not meant.
    """
    black = cv2.inRange(crop, (0, 0, 0), (BLACK - 1,) * 3)
    if not cv2.countNonZero(black):
        return None
    return cv2.dilate(cv2.erode(black, np.ones((3, 3), np.uint8)), np.ones((5, 5), np.uint8))


def compared(values: np.ndarray, level: float, how: int) -> np.ndarray:
    """`cv2.compare` with a number, of which its type stubs do not know: uint8, 255 where it holds, else 0."""
    return cv2.compare(values, level, how)  # type: ignore[call-overload, no-any-return]


def to_level(density: float) -> int:
    """The byte that stands for a density; what is above it is denser."""
    return int(density * STEPS + ZERO)


def to_density(level: float) -> float:
    """What such a byte stands for."""
    return (level - ZERO) / STEPS


def times(density: np.ndarray, factor: float) -> np.ndarray:
    """So many times the densities, which are kept in bytes: uint8 of that shape."""
    levels = ZERO + factor * (np.arange(256) - ZERO)
    return cv2.LUT(density, levels.clip(0, 255).astype(np.uint8))


class Stain:
    """The densities of one photo, in bytes: `STEPS` levels to a unit, `ZERO` for the glass.

    Bytes are what OpenCV is quickest with, and a step is below what noise adds.
    """

    def __init__(self, glass: np.ndarray, strength: float = 1.0) -> None:
        """Take the photo's `glass_colour`, and how many times its densities to measure."""
        self.strength = strength
        self._glass = glass
        levels = _NO_STAIN + STEPS * strength * (np.log(glass[1:, None]) - _LOG)
        self._green, self._blue = levels.clip(0, 255).astype(np.uint8)
        self._least = max(BLACK, round(DARK * float(glass[1:].max())))

    def times(self, factor: float) -> Stain:
        """The same photo with so many times the densities."""
        return Stain(self._glass, self.strength * factor)

    def measure(self, image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Measure a picture or a part of it.

        Args:
            image: RGB uint8 (H, W, 3).
            sigma: of the blur against noise, px.

        Returns:
            uint8 (H, W) each: `nucleus_density`; the density of green; 255 where there is
            green or blue light to measure, else 0.
        """
        green, blue = cv2.extractChannel(image, 1), cv2.extractChannel(image, 2)
        brightest = cv2.max(green, blue)
        _, seen = cv2.threshold(brightest, self._least - 1, 255, cv2.THRESH_BINARY)
        _, unseen = cv2.threshold(brightest, self._least - 1, int(ZERO), cv2.THRESH_BINARY_INV)
        absorbed = cv2.LUT(green, self._green)
        difference = cv2.subtract(absorbed, cv2.LUT(blue, self._blue))
        density = cv2.max(cv2.min(difference, seen), unseen)
        kernel = _gaussian(sigma)
        return cv2.sepFilter2D(density, -1, kernel, kernel), absorbed, seen


@lru_cache(maxsize=64)
def _gaussian(sigma: float) -> np.ndarray:
    """What `cv2.GaussianBlur` weighs bytes with, in 256ths: float64 (N,). It takes three times as long to do so."""
    exact = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma).ravel() * 256
    middle = len(exact) // 2
    half = np.diff(np.rint(exact[:middle].cumsum()), prepend=0)  # what rounding one takes, the next is given
    return np.concatenate([half, [256 - 2 * half.sum()], half[::-1]]) / 256
