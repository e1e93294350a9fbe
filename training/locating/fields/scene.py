"""A canvas with cells, and what the network is taught of it at each of its places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.smear.locate import SIDE_UNIT, STRIDE

SIDE = 160  # px of a canvas
PLACES = SIDE // STRIDE
TOO_SMALL = 15.0  # px; what is narrower need not be found: a finer copy will be looked at
HARDLY = 0.02  # share of a cell's box from which it is in the picture at all ...
ENOUGH = 0.3  # ... and from which it is to be found
BUMP = 0.14  # of a box's sides: standard deviations of the heat round its middle
AROUND = 0.25  # of a box's sides: so far from its middle it is known that a cell is there
MIDDLE = 0.3  # of a box's sides: so far from its middle places tell of its sides
COVERED = 0.4  # share of a box beyond which it is nobody's to say whether the cell below counts
_MIDDLES = (np.arange(PLACES) + 0.5) * STRIDE  # px, of places


@dataclass
class Scene:
    """A canvas in the making.

    canvas: RGB uint8 (S, S, 3).
    boxes: of whole cells (N, 4), px, before anything is cut.
    measured: whether each box was measured, bool (N,); otherwise only its middle is known.
    unknown: where nothing is known, bool (S, S).
    red: how wide the red cells are in the picture that lies there, px, float32 (S, S); 0 where it is not known.
    """

    canvas: np.ndarray
    boxes: np.ndarray
    measured: np.ndarray
    unknown: np.ndarray
    red: np.ndarray = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.float32))


class Targets(NamedTuple):
    """What is taught at each place of the network's map, float32 (P, P), P = S / 8.

    heat: 0-1, 1 where the middle of a cell lies.
    sides: (P, P, 4), how far a cell's left, top, right and bottom are, as logarithms of `SIDE_UNIT` px.
    known: 1 where the heat is known, else 0.
    telling: weight of the sides; those of one cell sum to 1, or less where another is nearer; 0 where there are none.
    red: how wide the red cells are there, px; 0 where it is not known.
    """

    heat: np.ndarray
    sides: np.ndarray
    known: np.ndarray
    telling: np.ndarray
    red: np.ndarray


def known_around(unknown: np.ndarray, boxes: np.ndarray) -> None:
    """Mark what is near the middles of boxes (N, 4) as known: a cell in the middle, no second one on it."""
    for x0, y0, x1, y1 in boxes:
        _disc(unknown, (x0 + x1) / 2, (y0 + y1) / 2, 0.55 * max(x1 - x0, y1 - y0), False)


def forget(unknown: np.ndarray, boxes: np.ndarray) -> None:
    """Mark what lies in boxes (N, 4) as unknown."""
    for x0, y0, x1, y1 in boxes:
        _disc(unknown, (x0 + x1) / 2, (y0 + y1) / 2, 0.5 * max(x1 - x0, y1 - y0), True)


def _disc(mask: np.ndarray, x: float, y: float, radius: float, value: bool) -> None:
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    mask[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = value


def half_covered(boxes: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Where boxes (N, 4) lie of which more than `COVERED` is covered; both are bool (S, S)."""
    unknown = np.zeros_like(covered)
    for x0, y0, x1, y1 in boxes.astype(int):
        part = covered[y0:y1, x0:x1]
        if part.size and part.mean() > COVERED:
            unknown[y0:y1, x0:x1] = True
    return unknown


def targets(scene: Scene, visible: np.ndarray) -> Targets:
    """What is taught of a scene.

    A cell is a bump of heat, as wide as it is, with 1 at the place of its middle (CenterNet, Zhou et al. 2019, arXiv
    1904.07850); places near the middle tell of the nearest cell's sides (FCOS, Tian et al. 2019, arXiv 1904.01355). Of
    cells that are too small, or hardly in the picture, nothing is taught.

    Args:
        scene: with boxes of whole cells.
        visible: what can be seen of each of these boxes (N, 4), px.
    """
    heat, telling = np.zeros((PLACES, PLACES), np.float32), np.zeros((PLACES, PLACES), np.float32)
    sides = np.zeros((PLACES, PLACES, 4), np.float32)
    unknown = cv2.resize(scene.unknown.astype(np.uint8), (PLACES, PLACES), interpolation=cv2.INTER_AREA) > 0
    sure = np.zeros((PLACES, PLACES), bool)
    nearest = np.full((PLACES, PLACES), np.inf)
    for whole, box, measured in zip(scene.boxes, visible, scene.measured, strict=True):
        x0, y0, x1, y1 = box
        wide, high = x1 - x0, y1 - y0
        left = max(0, wide) * max(0, high) / max(1e-6, (whole[2] - whole[0]) * (whole[3] - whole[1]))
        if left <= HARDLY or wide < 2 or high < 2:
            continue
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        dx, dy = (_MIDDLES - cx)[None, :], (_MIDDLES - cy)[:, None]
        if left < ENOUGH or max(wide, high) < TOO_SMALL:
            unknown |= (np.abs(dx) < wide / 2 + STRIDE) & (np.abs(dy) < high / 2 + STRIDE) & ~sure
            continue
        bump = np.exp(-0.5 * ((dx / (BUMP * wide)) ** 2 + (dy / (BUMP * high)) ** 2))
        heat = np.maximum(heat, np.minimum(bump, 0.95)).astype(np.float32)
        heat[min(PLACES - 1, int(cy // STRIDE)), min(PLACES - 1, int(cx // STRIDE))] = 1.0
        around = (np.abs(dx) <= max(AROUND * wide, STRIDE)) & (np.abs(dy) <= max(AROUND * high, STRIDE))
        unknown &= ~around
        sure |= around
        if measured:
            distance = np.hypot(dx / wide, dy / high)
            reach = np.stack(np.broadcast_arrays(dx + cx - x0, dy + cy - y0, x1 - cx - dx, y1 - cy - dy), axis=-1)
            near = (np.abs(dx) < max(MIDDLE * wide, STRIDE / 2)) & (np.abs(dy) < max(MIDDLE * high, STRIDE / 2))
            mine = near & (distance < nearest) & (reach.min(axis=-1) > 1)
            sides[mine] = np.log(reach[mine] / SIDE_UNIT)
            nearest[mine] = distance[mine]
            telling[mine] = 1.0 / max(1, mine.sum())
    red = scene.red[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]  # in the places' middles
    return Targets(heat, sides, (~unknown).astype(np.float32), telling, red)
