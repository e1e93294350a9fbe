"""What lies over photos or beside them, and which cells the locator loses or adds by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from leukoscope.smear.locate import Locator
from training.data.boxes import intersection_over_union

SAME_CELL = 0.5  # overlap from which a cell found without an overlay is found with it


def boxes_of(locator: Locator, photo: np.ndarray) -> list[tuple[int, int, int, int]]:
    """The boxes of what is found in a photo, the most prominent first."""
    return [cell.box for cell in locator.locate(photo)]


Overlay = Callable[[np.ndarray, list], np.ndarray]


def strip(photo: np.ndarray, boxes: list, high: int, colour: tuple[int, int, int]) -> np.ndarray:
    """An information strip below the photo."""
    below = np.full((high, photo.shape[1], 3), colour, np.uint8)
    if high >= 24:
        cv2.putText(below, "MicroCam 5.0  40x  2024-05-01", (8, high - 10), 0, 0.6, (255, 255, 255), 1)
    return np.vstack([photo, below])


def ring(photo: np.ndarray, boxes: list, colour: tuple[int, int, int]) -> np.ndarray:
    """A pen's ring in the middle of the photo."""
    middle = (photo.shape[1] // 2, photo.shape[0] // 2)
    return cv2.ellipse(photo.copy(), middle, (120, 120), 0, 0, 360, colour, 8)


def outlines(photo: np.ndarray, boxes: list, colour: tuple[int, int, int], label: bool) -> np.ndarray:
    """Boxes round the cells as a detector draws them, with labels or without."""
    drawn = photo.copy()
    for x0, y0, x1, y1 in boxes:
        cv2.rectangle(drawn, (x0 - 4, y0 - 4), (x1 + 4, y1 + 4), colour, 2)
        if label:
            cv2.rectangle(drawn, (x0 - 4, y0 - 24), (x0 + 56, y0 - 4), colour, -1)
    return drawn


def scale_bar(photo: np.ndarray, boxes: list) -> np.ndarray:
    """A scale bar with its length."""
    drawn = photo.copy()
    cv2.rectangle(drawn, (500, 455), (620, 463), (0, 0, 0), -1)
    return cv2.putText(drawn, "10 um", (525, 450), 0, 0.6, (0, 0, 0), 2)


def logo(photo: np.ndarray, boxes: list) -> np.ndarray:
    """A maker's mark in a corner."""
    drawn = photo.copy()
    cv2.circle(drawn, (30, 30), 18, (200, 20, 30), -1)
    return cv2.putText(drawn, "OptiCam", (54, 38), 0, 0.7, (20, 30, 140), 2)


OVERLAYS: dict[str, Overlay] = {
    "navy strip, 16 px": partial(strip, high=16, colour=(20, 30, 140)),
    "navy strip, 32 px": partial(strip, high=32, colour=(20, 30, 140)),
    "navy strip, 64 px": partial(strip, high=64, colour=(20, 30, 140)),
    "black strip": partial(strip, high=32, colour=(0, 0, 0)),
    "blue pen ring": partial(ring, colour=(40, 40, 160)),
    "thin blue boxes": partial(outlines, colour=(40, 40, 200), label=False),
    "yellow boxes with labels": partial(outlines, colour=(255, 255, 0), label=True),
    "green boxes with labels": partial(outlines, colour=(0, 255, 0), label=True),
    "scale bar": scale_bar,
    "logo": logo,
}


def overlaid(photos: list[np.ndarray], locator: Locator) -> dict[str, dict[str, int]]:
    """For each overlay: cells found without it, of these lost with it, and cells found only with it."""
    table = {name: {"cells": 0, "lost": 0, "added": 0} for name in OVERLAYS}
    for photo in photos:
        plain = boxes_of(locator, photo)
        for name, overlay in OVERLAYS.items():
            found = boxes_of(locator, overlay(photo, plain))
            same = [any(intersection_over_union(a, b) >= SAME_CELL for b in found) for a in plain]
            new = [all(intersection_over_union(a, b) < SAME_CELL for b in plain) for a in found]
            row = table[name]
            row["cells"] += len(plain)
            row["lost"] += len(plain) - sum(same)
            row["added"] += sum(new)
    return table
