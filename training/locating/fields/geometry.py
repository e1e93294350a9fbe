"""Boxes as arrays: float (N, 4), each (x0, y0, x1, y1), px, x1 and y1 exclusive."""

from __future__ import annotations

import numpy as np


def cut(boxes: np.ndarray, frame: tuple[float, float, float, float]) -> np.ndarray:
    """Boxes (N, 4) cut to a frame (x0, y0, x1, y1): one outside of it is left without width or height."""
    x0, y0, x1, y1 = frame
    return np.clip(boxes, [x0, y0, x0, y0], [x1, y1, x1, y1])


def cut_to_picture(boxes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) cut to what a picture covers of a canvas: to its bounds, if it lies there turned. Where the picture
    reaches the canvas's edge a box may reach beyond.

    Args:
        boxes: px of the canvas.
        inside: where the picture is, (H, W), not 0 there.
    """
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows) or not len(boxes):
        return boxes[:0]
    high, wide = inside.shape
    low, last = np.array([columns[0], rows[0]]), np.array([columns[-1] + 1, rows[-1] + 1])
    left_top = np.maximum(boxes[:, :2], np.where(low > 0, low, -np.inf))
    right_bottom = np.minimum(boxes[:, 2:], np.where(last < [wide, high], last, np.inf))
    return np.concatenate([left_top, right_bottom], axis=1)


def moved(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) after an affine transformation (2, 3): of the ellipses in them, as cells are round."""
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = middle @ matrix[:, :2].T + matrix[:, 2]
    reach = np.sqrt((half**2) @ (matrix[:, :2] ** 2).T)
    return np.concatenate([middle - reach, middle + reach], axis=1)


def turned(boxes: np.ndarray, wide: int, high: int, turns: int, mirrored: bool) -> np.ndarray:
    """Boxes (N, 4) of a picture `wide` x `high` px after a mirroring, left to right, and quarter turns as `np.rot90`
    makes them."""
    x0, y0, x1, y1 = boxes.T
    if mirrored:
        x0, x1 = wide - x1, wide - x0
    for _ in range(turns):
        x0, y0, x1, y1 = y0, wide - x1, y1, wide - x0
        wide, high = high, wide
    return np.stack([x0, y0, x1, y1], axis=1)


def share(a: np.ndarray, b: np.ndarray) -> float:
    """What part of the smaller of two boxes (4,) lies in the other, 0-1; of one below 1 px² its px²."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high) / max(1.0, min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])))
