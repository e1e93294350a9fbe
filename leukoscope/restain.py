"""One stain for all photos: a framed cell as if it had been dyed and photographed like any other.

How strongly nuclei and red cells absorb red, green and blue light differs between labs more than anything else: one
lab's nuclei are three times as dense as another's. Both can be measured around every cell. By Beer-Lambert densities of
dyes add up, so the linear map that takes the two measured colours to two fixed ones takes every mixture of them along
(the idea of Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291, with the dyes' colours measured in the picture
itself, where it is known what is a nucleus).
"""

from __future__ import annotations

from math import sqrt

import cv2
import numpy as np

from leukoscope.stain import compared, empty_edge, optical_density

NUCLEUS = np.array([0.70, 1.10, 0.15])  # densities of red, green and blue light, between those of the labs at hand
RED_CELL = np.array([0.17, 0.29, 0.20])

CORE = 0.5  # of the densest place: from there on it is nucleus ...
LEAST_CORE = 0.28  # ... but not below this difference of green and blue density
LEAST_NUCLEUS = 0.01  # of the crop, else there is nothing to measure
LEAST_NUCLEUS_DENSITY = 0.3  # of green light, for the same reason
AROUND_NUCLEUS = 0.15  # of the crop's side: so far around the nucleus lies cytoplasm, and no red cell
RED_GREEN = 0.15  # least density of green light in a red cell ...
RED_DIFFERENCE = 0.2  # ... and largest difference of its green and blue densities, or ...
RED_SHARE = 0.2  # ... of that of the nucleus, where that is more: all may be deep
LEAST_RED = 0.025  # of the crop, else the red cells are taken to be as in any other photo
ALIKE = 0.985  # cosine of the two colours from which on they cannot be told apart


def restain(crop: np.ndarray, glass: np.ndarray, level: float, margin: int = 0) -> np.ndarray:
    """Bring the stain of a framed cell to the one that all are brought to.

    Args:
        crop: RGB uint8 (S, S, 3), the nucleus near its middle.
        glass: colour of the photo's glass, float (3,), 0-255.
        level: 0-255, what the glass is brought to.
        margin: px on each side that are not measured, so that a wider crop of the same cell has the same colours.

    Returns:
        RGB uint8 (S, S, 3). Where no nucleus stands out only the glass is changed. Where there is nothing but black it
        is glass.
    """
    densities = optical_density(crop, glass)
    edge = empty_edge(crop)
    if edge is not None:
        densities[edge > 0] = 0.0
    inner = slice(margin, crop.shape[0] - margin)
    mixing = _mixing(densities[inner, inner])
    light = cv2.exp(cv2.transform(densities, -mixing.astype(np.float32)))
    return cv2.convertScaleAbs(light, alpha=level)


def dyes(densities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The colours of a framed cell's nucleus and of the red cells around it.

    Args:
        densities: `optical_density` of the crop, float32 (S, S, 3).

    Returns:
        uint8 (S, S), 255 in what is nucleus, else 0; the two colours, as densities, float64 (3,). Where too few red
        cells are to be seen theirs is the usual one. None if no nucleus stands out.
    """
    side, area = densities.shape[0], densities.shape[0] * densities.shape[1]
    green = cv2.extractChannel(densities, 1)
    difference = cv2.subtract(green, cv2.extractChannel(densities, 2))
    densest = cv2.resize(difference, (side // 4, side // 4), interpolation=cv2.INTER_AREA).max()
    nucleus = compared(difference, max(LEAST_CORE, CORE * float(densest)), cv2.CMP_GT)
    if cv2.countNonZero(nucleus) < LEAST_NUCLEUS * area:
        return None
    measured = _median(densities, nucleus)
    if measured[1] < LEAST_NUCLEUS_DENSITY:
        return None
    reach = 2 * round(AROUND_NUCLEUS * side) + 1
    away = cv2.bitwise_not(cv2.dilate(nucleus, np.ones((reach, reach), np.uint8)))
    red = cv2.bitwise_and(away, compared(green, RED_GREEN, cv2.CMP_GT))
    most = max(RED_DIFFERENCE, RED_SHARE * float(measured[1] - measured[2]))
    red = cv2.bitwise_and(red, compared(difference, most, cv2.CMP_LT))
    red_cell = _median(densities, red) if cv2.countNonZero(red) >= LEAST_RED * area else RED_CELL
    return nucleus, measured, red_cell


def _mixing(densities: np.ndarray) -> np.ndarray:
    """Matrix (3, 3) from measured to wanted densities, float32 (H, W, 3)."""
    found = dyes(densities)
    if found is None:
        return np.eye(3)
    _, measured, red_cell = found
    if measured @ red_cell > ALIKE * sqrt(measured @ measured) * sqrt(red_cell @ red_cell):
        return np.eye(3) * float(NUCLEUS[1] / measured[1])
    mixing: np.ndarray = _WANTED @ np.linalg.inv(_basis(measured, red_cell))
    return mixing


def _median(densities: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Median colour (3,) of a mask: dirt is dark enough to shift a mean."""
    chosen = densities.reshape(-1, 3)[np.flatnonzero(mask)]
    middle = len(chosen) // 2
    median: np.ndarray = np.partition(chosen, middle, axis=0)[middle].astype(np.float64)
    return median


def _basis(nucleus: np.ndarray, red_cell: np.ndarray) -> np.ndarray:
    """The two colours and what neither has, as columns (3, 3)."""
    (a, b, c), (d, e, f) = nucleus.tolist(), red_cell.tolist()
    neither = np.array([b * f - c * e, c * d - a * f, a * e - b * d])  # np.cross takes fifty microseconds
    return np.array([nucleus, red_cell, neither / sqrt(neither @ neither)]).T


_WANTED = _basis(NUCLEUS, RED_CELL)
