"""The red cells of a photo are its yardsticks.

How wide they are tells a nucleus from a platelet, and one from two; how dense they are tells a pale photo.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import cv2
import numpy as np

from leukoscope.stain import BRIGHTER, STEPS, ZERO

LEAST_USABLE = 0.0065  # of the picture, that is neither nucleus nor black, to look for red cells in
LEAST_DEPTH = 2.0  # px from the edge of the widest red cell to its middle; below it nothing can be measured
SMALL_HOLE = 8  # px; filled whatever its shape
RED_COVERED = 0.75  # of the red area, by discs in the middles of the red cells
RED_DIFFERENCE = 0.5  # of the density of green light, by which that of blue is lower in nuclei, and not in red cells
LEAST_RED = 0.025  # of the picture, to measure their density in


def red_cell_width(absorbed: np.ndarray, usable: np.ndarray, nucleus: float) -> float | None:
    """Width of the red cells around, px: the short way across, which overlap does not hide.

    Each red cell, its pale middle filled, has a deepest point half a width from its edge; the widths found there are
    weighed by area, so that dirt and slivers count little.

    Args:
        absorbed: density of green, uint8 (H, W).
        usable: uint8 (H, W), above 0 where red cells may lie: not in nuclei, cytoplasm or black.
        nucleus: about how wide the nuclei are, px.

    Returns:
        The width, or None where no red cell can be measured.
    """
    values = cv2.blur(absorbed, (3, 3))
    inside = values[usable > 0]
    if len(inside) < LEAST_USABLE * usable.size:
        return None
    threshold, _ = cv2.threshold(inside.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    body = cv2.min(cv2.threshold(values, threshold, 1, cv2.THRESH_BINARY)[1], usable)
    fill_pale_middles(body)
    body = cv2.morphologyEx(body, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    body = cv2.copyMakeBorder(body, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(body, cv2.DIST_L2, 5)
    # Red cells are seldom twice as wide as nuclei: what is, is a clump or dark glass. But if so little remains that the
    # rest covers but a part of the red, then the nuclei are none, such as platelets, and the red cells tell the truth.
    depths = _peaks(depth, body, 0.8 * nucleus)
    plausible = depths[(depths > 0.15 * nucleus) & (depths < 0.9 * nucleus)]
    if len(plausible) and np.pi * (plausible**2).sum() > RED_COVERED * cv2.countNonZero(body):
        return typical((2 * plausible).tolist())
    deepest = depth.max()
    if deepest < LEAST_DEPTH:
        return None
    depths = _peaks(depth, body, 0.7 * deepest)
    return typical((2 * depths[depths > 0.35 * deepest]).tolist())


def red_cell_density(density: np.ndarray, absorbed: np.ndarray, seen: np.ndarray) -> float | None:
    """How dense the red cells are in green light: about 0.3, less in a pale photo.

    Args:
        density: what `Stain.measure` gave first, uint8 (H, W) ...
        absorbed: ... second ...
        seen: ... and third.

    Returns:
        The median, or None where too little is red.
    """
    green = cv2.blur(absorbed, (3, 3)) - (ZERO + BRIGHTER)
    not_nucleus = (density - ZERO < np.maximum(RED_DIFFERENCE * green, 1)) & (seen > 0)
    levels = green[not_nucleus].clip(0).astype(np.uint8)
    if len(levels) < LEAST_RED * density.size:
        return None
    threshold, _ = cv2.threshold(levels.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    red = levels[levels > threshold]
    return float(np.median(red)) / STEPS if len(red) >= LEAST_RED * density.size else None


def _peaks(depth: np.ndarray, body: np.ndarray, apart: float) -> np.ndarray:
    """Depths in a mask, float32 (H, W) and uint8 (H, W), that are the greatest within a distance, px."""
    # The greatest within the square inside the disc are few and quickly found; among them the distance decides.
    inside = 2 * int(apart / 2**0.5) + 1
    highest = cv2.dilate(depth, np.ones((inside, inside), np.uint8))
    places = cv2.findNonZero(cv2.min(cv2.compare(depth, highest, cv2.CMP_EQ), body))
    if places is None:
        return np.empty(0, np.float32)
    columns, rows = places.reshape(-1, 2).T
    depths: np.ndarray = depth[rows, columns]
    if len(depths) > 2000:  # noise, not cells: the distances of all pairs would not fit
        return depths
    order = np.argsort(-depths, kind="stable")
    columns, rows, depths = columns[order], rows[order], depths[order]
    near = (columns[:, None] - columns) ** 2 + (rows[:, None] - rows) ** 2 <= apart**2
    first = near.argmax(axis=1) == np.arange(len(depths))  # of those that are near, it is itself
    highest_near: np.ndarray = depths[first]
    return highest_near


def fill_pale_middles(body: np.ndarray) -> None:
    """Fill, in place, the holes of a mask that are round and small against what surrounds them.

    Glass that clumps enclose is neither.
    """
    contours, nesting = cv2.findContours(body, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return
    parents: list[int] = nesting[0, :, 3].tolist()
    filled = []
    for contour, parent in zip(contours, parents, strict=True):
        if parent < 0:
            continue
        area = cv2.contourArea(contour)
        if area > 0.02 * body.size or area > 0.4 * cv2.contourArea(contours[parent]):
            continue
        if area < SMALL_HOLE or 4 * np.pi * area > 0.5 * cv2.arcLength(contour, True) ** 2:
            filled.append(contour)
    cv2.drawContours(body, filled, -1, 1, -1)


def typical(diameters: list[float]) -> float:
    """The diameter at which half of the total area is reached: many specks weigh little."""
    ordered = sorted(diameters)
    areas = list(accumulate(diameter * diameter for diameter in ordered))
    return ordered[bisect_left(areas, areas[-1] / 2)]
