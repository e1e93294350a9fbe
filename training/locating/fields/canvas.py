"""Examples for the locator, composed anew each time: fields of one lab at any magnification, in other colours, with
what lies over and beside photos; and pictures without a white cell.

Whatever is drawn for an example is drawn in one order from one generator: a change of the order is another training.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.smear.locate import FILL
from training.locating.fields.geometry import cut, cut_to_picture, moved, share, turned
from training.locating.fields.overlays import overlaid
from training.locating.fields.pictures import Picture
from training.locating.fields.scene import SIDE, Scene, forget, half_covered, known_around, targets
from training.recipe.colours import as_photographed, recoloured

SMALLEST, LARGEST = 18.0, 140.0  # px; widths that cells are shown at
NO_CELLS = 0.12  # share of canvases without a white cell
CLOSE_BY = 0.25  # share of canvases that show what is beside the cells, so large that a red cell has a white one's size
TEXTURE = 0.03  # share of those of a lab whose cells are specks, too small to be found
NEIGHBOUR = 0.2  # share of those of a lab to which another cell is added
RECOLOURED, MIXED = 0.9, 0.9  # share of canvases in other dyes, and how much these may be mixed
OVERLAID = 0.3  # share of canvases
TOUCHING = 0.25  # share of the smaller of two boxes that a neighbour and another cell may have in common


def example(
    by_lab: dict[str, list[Picture]], others: list[np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """One example.

    Args:
        by_lab: pictures of each lab; every lab is drawn equally often.
        others: pictures that show no smear, RGB uint8 (H, W, 3).
        rng: what is drawn from.

    Returns:
        canvas, RGB uint8 (S, S, 3), and the five of `scene.Targets`.
    """
    if rng.random() < NO_CELLS:
        scene = _without_cells(others, rng)
    else:
        labs = list(by_lab)
        pictures = by_lab[labs[rng.integers(len(labs))]]
        scene = _field(pictures, rng)
        if rng.random() < NEIGHBOUR:
            add_neighbour(scene, pictures, rng)
    if rng.random() < RECOLOURED:
        scene.canvas = recoloured(scene.canvas, rng, mixed=MIXED)
    visible = cut(scene.boxes, (0, 0, SIDE, SIDE))
    if rng.random() < OVERLAID:
        scene.canvas = np.ascontiguousarray(scene.canvas)
        scene.unknown |= half_covered(visible, overlaid(scene.canvas, scene.boxes, rng))
    canvas = as_photographed(scene.canvas, rng)
    return (np.ascontiguousarray(canvas), *targets(scene, visible))


def _field(pictures: list[Picture], rng: np.random.Generator) -> Scene:
    """Cells of one lab, at a width drawn evenly among magnifications."""
    picture = pictures[rng.integers(len(pictures))]
    width = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
    if rng.random() < CLOSE_BY:
        return _close_by(picture, rng)
    if rng.random() < TEXTURE:
        width = rng.uniform(6, 10)
    scale = width / picture.cell_width
    if max(picture.image.shape[:2]) * scale < 0.75 * SIDE and rng.random() < 0.9:
        return _mosaic(pictures, width, rng)
    return part_of(picture, scale, rng)


# --- a part of one picture -------------------------------------------------------------------------------


def _close_by(picture: Picture, rng: np.random.Generator) -> Scene:
    """A red cell, a platelet or something else beside the cells, as large as a white cell is seen."""
    wide = np.exp(rng.uniform(np.log(24), np.log(110)))
    if not len(picture.decoys):
        scale = rng.uniform(110, 280) / picture.cell_width
        return part_of(picture, scale, rng, near=rng.random(2) * picture.image.shape[1::-1])
    sizes = (picture.decoys[:, 2:] - picture.decoys[:, :2]).max(axis=1)
    # The small ones, platelets, are as rare as they are easily taken for cells.
    chances = 1 / sizes.clip(4) ** 2
    x0, y0, x1, y1 = picture.decoys[rng.choice(len(sizes), p=chances / chances.sum())]
    scale = min(wide / max(4.0, x1 - x0, y1 - y0), 5.0)
    return part_of(picture, scale, rng, near=np.array([x0 + x1, y0 + y1]) / 2)


def part_of(picture: Picture, scale: float, rng: np.random.Generator, near: np.ndarray | None = None) -> Scene:
    """A part of one picture, or all of it with emptiness beside it.

    Args:
        picture: which.
        scale: px of the canvas to one of the picture.
        rng: what is drawn from.
        near: a point (x, y) of the picture that is to be seen; None: mostly a cell is.
    """
    matrix = _placed(picture, scale, rng, near)
    beside = _beside(picture.image, rng)
    image = cv2.blur(picture.image, (round(1 / scale),) * 2) if scale < 0.6 else picture.image
    canvas = cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=beside
    )
    whole = np.ones(image.shape[:2], np.uint8)
    inside = cv2.warpAffine(whole, matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    boxes = moved(picture.boxes, matrix)
    unknown = np.zeros((SIDE, SIDE), bool)
    if not picture.complete:
        unknown = inside > 0
        known_around(unknown, boxes)
    forget(unknown, moved(picture.doubtful, matrix))
    boxes = cut_to_picture(boxes, inside)  # none, where all of the picture lies beside the canvas
    red = np.float32(picture.red_width * scale) * inside
    return Scene(canvas, boxes, np.full(len(boxes), picture.measured), unknown, red)


def _placed(picture: Picture, scale: float, rng: np.random.Generator, near: np.ndarray | None) -> np.ndarray:
    """How a picture comes to lie on a canvas: turned, mirrored, a little stretched, a point of it somewhere; (2, 3)."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.4 else rng.integers(4) * np.pi / 2
    cos, sin = np.cos(angle), np.sin(angle)
    flip = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    stretch = np.diag(np.exp(rng.normal(0, 0.05, 2)))
    linear = scale * np.array([[cos, -sin], [sin, cos]]) @ flip @ stretch
    height, width = picture.image.shape[:2]
    if near is not None:
        point, reach = near, 0.4
    elif len(picture.boxes) and rng.random() < 0.7:
        x0, y0, x1, y1 = picture.boxes[rng.integers(len(picture.boxes))]
        point, reach = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), 0.5
    else:
        point, reach = rng.random(2) * [width, height], 0.5
    target = SIDE / 2 + rng.uniform(-reach, reach, 2) * SIDE
    if near is None and rng.random() < 0.25:  # as pictures of one cell show it
        target = SIDE / 2 + rng.normal(0, 0.05, 2) * SIDE
    return np.column_stack([linear, target - linear @ point])


def _beside(image: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """What stands beside a photo: nothing, black, white, its glass, or any colour."""
    kind = rng.integers(5)
    if kind == 4:
        return tuple(rng.integers(0, 256, 3).tolist())
    glass = tuple(int(v) for v in np.percentile(image[::8, ::8].reshape(-1, 3), 90, axis=0))
    return ((FILL,) * 3, (0, 0, 0), (255, 255, 255), glass)[kind]


# --- many pictures side by side --------------------------------------------------------------------------


class Tile(NamedTuple):
    """A picture at the size at which it is laid beside others: its image, cells (N, 4), doubtful places (N, 4), and
    how wide its red cells are, px."""

    image: np.ndarray
    boxes: np.ndarray
    doubtful: np.ndarray
    red: float


def _mosaic(pictures: list[Picture], width: float, rng: np.random.Generator) -> Scene:
    """Pictures of one lab side by side, as a field with many small cells."""
    scene = Scene(
        np.full((SIDE, SIDE, 3), FILL, np.uint8),
        np.empty((0, 4)),
        np.empty(0, bool),
        np.zeros((SIDE, SIDE), bool),
    )
    y, start = (-rng.integers(0, SIDE // 4, 2)).tolist()
    while y < SIDE:
        x, lowest = start, SIDE
        while x < SIDE:
            picture = pictures[rng.integers(len(pictures))]
            tile = _tile(picture, width, rng)
            _lay(scene, tile, x, y, picture)
            high, wide = tile.image.shape[:2]
            lowest = min(lowest, high)
            x += wide
        y += max(4, lowest)
    return scene


def _tile(picture: Picture, width: float, rng: np.random.Generator) -> Tile:
    """A picture whose cells are `width` px wide, or nearly, mirrored and turned by quarters."""
    scale = width / picture.cell_width * np.exp(rng.normal(0, 0.05))
    copy = picture.copies[min(int(np.log2(max(1.0, 0.75 / scale))), len(picture.copies) - 1)]
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    high, wide = (max(8, round(side * scale)) for side in picture.image.shape[:2])
    image = resized(copy, wide, high)
    boxes, doubtful = (turned(some * scale, wide, high, turns, mirrored) for some in (picture.boxes, picture.doubtful))
    image = np.rot90(image[:, ::-1] if mirrored else image, turns)
    return Tile(image, boxes, doubtful, picture.red_width * scale)


def _lay(scene: Scene, tile: Tile, x: int, y: int, picture: Picture) -> None:
    """Put a picture's tile onto a canvas, its left top corner at (x, y), which may lie outside."""
    high, wide = tile.image.shape[:2]
    top, left = max(0, y), max(0, x)
    bottom, right = min(SIDE, y + high), min(SIDE, x + wide)
    if bottom <= top or right <= left:
        return
    scene.canvas[top:bottom, left:right] = tile.image[top - y : bottom - y, left - x : right - x]
    scene.red[top:bottom, left:right] = tile.red
    corner = np.array([x, y, x, y])
    boxes = tile.boxes + corner
    unknown = np.zeros((SIDE, SIDE), bool)
    if not picture.complete:
        unknown[top:bottom, left:right] = True
        known_around(unknown, boxes)
    forget(unknown, tile.doubtful + corner)
    scene.unknown |= unknown
    scene.boxes = np.concatenate([scene.boxes, cut(boxes, (x, y, x + wide, y + high))])
    scene.measured = np.append(scene.measured, np.full(len(boxes), picture.measured))


def resized(image: np.ndarray, wide: int, high: int) -> np.ndarray:
    """A picture of `wide` x `high` px."""
    smaller = wide < image.shape[1]
    return cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


# --- a neighbour, and no cells at all --------------------------------------------------------------------


def add_neighbour(scene: Scene, pictures: list[Picture], rng: np.random.Generator) -> None:
    """Put another whole cell of the lab beside one that is there, touching it or nearly so, if there is room."""
    known = [p for p in (pictures[i] for i in rng.integers(len(pictures), size=12)) if p.measured and len(p.boxes)]
    whole = [b for b, m in zip(scene.boxes, scene.measured, strict=True) if m and b.min() > 0 and b.max() < SIDE]
    if not known or not whole:
        return
    x0, y0, x1, y1 = whole[rng.integers(len(whole))]
    other = known[0]
    a0, b0, a1, b1 = other.boxes[rng.integers(len(other.boxes))]
    height, width = other.image.shape[:2]
    if a0 <= 1 or b0 <= 1 or a1 >= width - 1 or b1 >= height - 1:
        return
    cell = other.image[int(b0) : int(np.ceil(b1)), int(a0) : int(np.ceil(a1))]
    scale = max(x1 - x0, y1 - y0) / max(cell.shape[:2]) * rng.uniform(0.75, 1.25)
    wide, high = max(8, round(cell.shape[1] * scale)), max(8, round(cell.shape[0] * scale))
    cell = cv2.resize(cell, (wide, high), interpolation=cv2.INTER_AREA)
    angle = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(0.9, 1.25) / 2
    cx = (x0 + x1) / 2 + np.cos(angle) * (x1 - x0 + wide) * away
    cy = (y0 + y1) / 2 + np.sin(angle) * (y1 - y0 + high) * away
    left, top = round(cx - wide / 2), round(cy - high / 2)
    if left < 0 or top < 0 or left + wide > SIDE or top + high > SIDE:
        return
    new = np.array([left, top, left + wide, top + high], float)
    if any(share(new, box) > TOUCHING for box in scene.boxes):
        return
    part = np.s_[top : top + high, left : left + wide]
    mask = _soft_ellipse(wide, high)
    scene.canvas[part] = (mask * cell + (1 - mask) * scene.canvas[part]).astype(np.uint8)
    scene.unknown[part] = False
    scene.boxes = np.concatenate([scene.boxes, new[None]])
    scene.measured = np.append(scene.measured, True)


def _soft_ellipse(wide: int, high: int) -> np.ndarray:
    """1 in the ellipse that fills a box, 0 outside, soft between: float32 (high, wide, 1)."""
    mask = np.zeros((high, wide), np.float32)
    cv2.ellipse(mask, (wide // 2, high // 2), (wide // 2, high // 2), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), max(0.5, wide / 40))[..., None]


def _without_cells(others: list[np.ndarray], rng: np.random.Generator) -> Scene:
    """A part of a picture that shows no smear."""
    picture = others[rng.integers(len(others))]
    height, width = picture.shape[:2]
    kept = rng.uniform(0.3, 1.0)
    high, wide = max(16, int(height * kept)), max(16, int(width * kept))
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    part = picture[top : top + high, left : left + wide]
    canvas = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if high > SIDE else cv2.INTER_LINEAR)
    canvas = np.rot90(canvas, int(rng.integers(4)))
    return Scene(np.ascontiguousarray(canvas), np.empty((0, 4)), np.empty(0, bool), np.zeros((SIDE, SIDE), bool))
