"""Examples for the locator, composed anew each time: fields of one lab at any magnification, in other colours, with
what lies over and beside photos; and pictures without a white cell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from leukoscope.locate import FILL, SIDE_UNIT, STRIDE
from training.colours import as_photographed, recoloured
from training.locating.overlays import overlaid
from training.locating.pictures import Picture

SIDE = 160  # px of a canvas
PLACES = SIDE // STRIDE
SMALLEST, LARGEST = 18.0, 140.0  # px; widths that cells are shown at
TOO_SMALL = 15.0  # px; what is narrower need not be found: a finer copy will be looked at
NO_CELLS = 0.12  # share of canvases without a white cell
CLOSE_BY = 0.25  # share of canvases that show what is beside the cells, so large that a red cell has a white one's size
TEXTURE = 0.03  # share of those of a lab whose cells are specks, too small to be found
MIDDLE = 0.3  # of a box's sides: so far from its middle places tell of its sides


@dataclass
class Scene:
    """A canvas in the making: RGB uint8 (S, S, 3); boxes of whole cells (N, 4), px, before anything is cut; how each is
    known; and where nothing is known, bool (S, S)."""

    canvas: np.ndarray
    boxes: np.ndarray
    measured: np.ndarray
    unknown: np.ndarray


def example(by_lab: dict[str, list[Picture]], others: list[np.ndarray], rng: np.random.Generator):
    """One example.

    Args:
        by_lab: pictures of each lab; every lab is drawn equally often.
        others: pictures that show no smear.
        rng: what is drawn from.

    Returns:
        canvas uint8 (S, S, 3), heat (P, P), sides (P, P, 4), weight of each place's heat (P, P), weight of its sides.
    """
    if rng.random() < NO_CELLS:
        scene = _without_cells(others, rng)
    else:
        labs = list(by_lab)
        pictures = by_lab[labs[rng.integers(len(labs))]]
        scene = _field(pictures, rng)
        if rng.random() < 0.2:
            _add_neighbour(scene, pictures, rng)
    if rng.random() < 0.9:
        scene.canvas = recoloured(scene.canvas, rng, mixed=0.9)
    visible = _visible(scene.boxes)
    if rng.random() < 0.3:
        scene.canvas = np.ascontiguousarray(scene.canvas)
        covered = overlaid(scene.canvas, scene.boxes, rng)
        scene.unknown |= _half_covered(visible, covered)
    canvas = as_photographed(scene.canvas, rng)
    return (np.ascontiguousarray(canvas), *_targets(scene, visible))


# --- fields ----------------------------------------------------------------------------------------------


def _field(pictures: list[Picture], rng: np.random.Generator) -> Scene:
    picture = pictures[rng.integers(len(pictures))]
    width = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
    if rng.random() < CLOSE_BY:
        return _close_by(picture, rng)
    if rng.random() < TEXTURE:
        width = rng.uniform(6, 10)
    scale = width / picture.cell_width
    if max(picture.image.shape[:2]) * scale < 0.75 * SIDE and rng.random() < 0.9:
        return _mosaic(pictures, width, rng)
    return _part(picture, scale, rng)


def _close_by(picture: Picture, rng: np.random.Generator) -> Scene:
    """A red cell, a platelet or something else beside the cells, as large as a white cell is seen."""
    wide = np.exp(rng.uniform(np.log(24), np.log(110)))
    if not len(picture.decoys):
        return _part(
            picture, rng.uniform(110, 280) / picture.cell_width, rng, near=rng.random(2) * picture.image.shape[1::-1]
        )
    sizes = (picture.decoys[:, 2:] - picture.decoys[:, :2]).max(axis=1)
    # The small ones, platelets, are as rare as they are easily taken for cells.
    chances = 1 / sizes.clip(4) ** 2
    x0, y0, x1, y1 = picture.decoys[rng.choice(len(sizes), p=chances / chances.sum())]
    return _part(picture, min(wide / max(4.0, x1 - x0, y1 - y0), 5.0), rng, near=np.array([x0 + x1, y0 + y1]) / 2)


def _part(picture: Picture, scale: float, rng: np.random.Generator, near: np.ndarray | None = None) -> Scene:
    """A part of one picture, or all of it with emptiness beside it: with this point in it, or mostly with a cell."""
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
    offset = target - linear @ point
    matrix = np.column_stack([linear, offset])
    beside = _beside(picture.image, rng)
    image = picture.image
    if scale < 0.6:
        image = cv2.blur(image, (round(1 / scale),) * 2)
    canvas = cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=beside
    )
    inside = cv2.warpAffine(np.ones((height, width), np.uint8), matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    measured = np.full(len(picture.boxes), picture.measured)
    unknown = np.zeros((SIDE, SIDE), bool)
    if not picture.complete:
        unknown = inside > 0
        _known_around(unknown, _moved(picture.boxes, matrix))
    _forget(unknown, _moved(picture.doubtful, matrix))
    scene = Scene(canvas, _moved(picture.boxes, matrix), measured, unknown)
    if not inside.any():  # what the picture shows lies beside the canvas, and so do its cells
        scene.boxes, scene.measured = scene.boxes[:0], scene.measured[:0]
    scene.boxes = _within(scene.boxes, inside)
    return scene


def _mosaic(pictures: list[Picture], width: float, rng: np.random.Generator) -> Scene:
    """Pictures of one lab side by side, as a field with many small cells."""
    canvas = np.full((SIDE, SIDE, 3), FILL, np.uint8)
    unknown = np.zeros((SIDE, SIDE), bool)
    boxes, measured = [np.empty((0, 4))], [np.empty(0, bool)]
    start = -rng.integers(0, SIDE // 4, 2)
    y = int(start[0])
    while y < SIDE:
        x, lowest = int(start[1]), SIDE
        while x < SIDE:
            picture = pictures[rng.integers(len(pictures))]
            scale = width / picture.cell_width * np.exp(rng.normal(0, 0.05))
            image, cells = picture.image, picture.boxes
            copy = picture.copies[min(int(np.log2(max(1.0, 0.75 / scale))), len(picture.copies) - 1)]
            turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
            high, wide = max(8, round(image.shape[0] * scale)), max(8, round(image.shape[1] * scale))
            image = cv2.resize(
                copy, (wide, high), interpolation=cv2.INTER_AREA if wide < copy.shape[1] else cv2.INTER_LINEAR
            )
            turned = lambda b: _turned(b * scale, wide, high, turns, mirrored)  # noqa: E731, B023
            image = np.rot90(image[:, ::-1] if mirrored else image, turns)
            cells, doubtful = turned(cells), turned(picture.doubtful)
            high, wide = image.shape[:2]
            top, left = max(0, y), max(0, x)
            bottom, right = min(SIDE, y + high), min(SIDE, x + wide)
            if bottom > top and right > left:
                canvas[top:bottom, left:right] = image[top - y : bottom - y, left - x : right - x]
                here = np.zeros((SIDE, SIDE), bool)
                if not picture.complete:
                    here[top:bottom, left:right] = True
                    _known_around(here, cells + [x, y, x, y])
                _forget(here, doubtful + [x, y, x, y])
                unknown |= here
                moved = np.clip(cells + [x, y, x, y], [x, y, x, y], [x + wide, y + high] * 2)
                boxes.append(moved)
                measured.append(np.full(len(cells), picture.measured))
            lowest = min(lowest, high)
            x += wide
        y += max(4, lowest)
    return Scene(canvas, np.concatenate(boxes), np.concatenate(measured), unknown)


def _turned(boxes: np.ndarray, wide: int, high: int, turns: int, mirrored: bool) -> np.ndarray:
    """Boxes of a picture `wide` x `high` after a mirroring and quarter turns as `np.rot90` makes them."""
    x0, y0, x1, y1 = boxes.T
    if mirrored:
        x0, x1 = wide - x1, wide - x0
    for _ in range(turns):
        x0, y0, x1, y1 = y0, wide - x1, y1, wide - x0
        wide, high = high, wide
    return np.stack([x0, y0, x1, y1], axis=1)


def _add_neighbour(scene: Scene, pictures: list[Picture], rng: np.random.Generator) -> None:
    """Put another whole cell of the lab beside one that is there, touching it or nearly so."""
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
    if any(_share(new, box) > 0.25 for box in scene.boxes):
        return
    mask = np.zeros((high, wide), np.float32)
    cv2.ellipse(mask, (wide // 2, high // 2), (wide // 2, high // 2), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, wide / 40))[..., None]
    part = scene.canvas[top : top + high, left : left + wide]
    part[:] = (mask * cell + (1 - mask) * part).astype(np.uint8)
    scene.unknown[top : top + high, left : left + wide] = False
    scene.boxes = np.concatenate([scene.boxes, new[None]])
    scene.measured = np.append(scene.measured, True)


def _beside(image: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """What stands beside a photo: nothing, black, white, its glass, or any colour."""
    kind = rng.integers(5)
    if kind == 4:
        return tuple(rng.integers(0, 256, 3).tolist())
    glass = tuple(int(v) for v in np.percentile(image[::8, ::8].reshape(-1, 3), 90, axis=0))
    return ((FILL,) * 3, (0, 0, 0), (255, 255, 255), glass)[kind]


def _without_cells(others: list[np.ndarray], rng: np.random.Generator) -> Scene:
    picture = others[rng.integers(len(others))]
    height, width = picture.shape[:2]
    share = rng.uniform(0.3, 1.0)
    h, w = max(16, int(height * share)), max(16, int(width * share))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = picture[top : top + h, left : left + w]
    canvas = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if h > SIDE else cv2.INTER_LINEAR)
    canvas = np.rot90(canvas, int(rng.integers(4)))
    return Scene(np.ascontiguousarray(canvas), np.empty((0, 4)), np.empty(0, bool), np.zeros((SIDE, SIDE), bool))


# --- boxes -----------------------------------------------------------------------------------------------


def _moved(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes after an affine transformation: of the ellipses in them."""
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = middle @ matrix[:, :2].T + matrix[:, 2]
    reach = np.sqrt((half**2) @ (matrix[:, :2] ** 2).T)
    return np.concatenate([middle - reach, middle + reach], axis=1)


def _within(boxes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Boxes cut to what the upright picture covers of the canvas; of a turned one to its bounds."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows) or not len(boxes):
        return boxes[:0]
    low, high = np.array([columns[0], rows[0]] * 2), np.array([columns[-1] + 1, rows[-1] + 1] * 2)
    whole = boxes.copy()
    whole[:, :2] = np.maximum(boxes[:, :2], np.where(low[:2] > 0, low[:2], -np.inf))
    whole[:, 2:] = np.minimum(boxes[:, 2:], np.where(high[:2] < SIDE, high[:2], np.inf))
    return whole


def _share(a: np.ndarray, b: np.ndarray) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high) / max(1.0, min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])))


def _visible(boxes: np.ndarray) -> np.ndarray:
    """Boxes cut to the canvas."""
    return np.clip(boxes, 0, SIDE)


def _known_around(unknown: np.ndarray, boxes: np.ndarray) -> None:
    """Mark what is near the middles of boxes as known: a cell in the middle, no second one on it."""
    for x0, y0, x1, y1 in boxes:
        _disc(unknown, (x0 + x1) / 2, (y0 + y1) / 2, 0.55 * max(x1 - x0, y1 - y0), False)


def _forget(unknown: np.ndarray, boxes: np.ndarray) -> None:
    for x0, y0, x1, y1 in boxes:
        _disc(unknown, (x0 + x1) / 2, (y0 + y1) / 2, 0.5 * max(x1 - x0, y1 - y0), True)


def _disc(mask: np.ndarray, x: float, y: float, radius: float, value: bool) -> None:
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    mask[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = value


def _half_covered(boxes: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Where boxes lie that are half covered: whether such a cell counts is nobody's to say."""
    unknown = np.zeros_like(covered)
    for x0, y0, x1, y1 in boxes.astype(int):
        part = covered[y0:y1, x0:x1]
        if part.size and part.mean() > 0.4:
            unknown[y0:y1, x0:x1] = True
    return unknown


# --- targets ---------------------------------------------------------------------------------------------


def _targets(scene: Scene, visible: np.ndarray):
    heat, sides = np.zeros((PLACES, PLACES), np.float32), np.zeros((PLACES, PLACES, 4), np.float32)
    telling = np.zeros((PLACES, PLACES), np.float32)
    unknown = cv2.resize(scene.unknown.astype(np.uint8), (PLACES, PLACES), interpolation=cv2.INTER_AREA) > 0
    sure = np.zeros((PLACES, PLACES), bool)
    at = (np.arange(PLACES) + 0.5) * STRIDE
    nearest = np.full((PLACES, PLACES), np.inf)
    for whole, box, measured in zip(scene.boxes, visible, scene.measured, strict=True):
        x0, y0, x1, y1 = box
        wide, high = x1 - x0, y1 - y0
        full = max(1e-6, (whole[2] - whole[0]) * (whole[3] - whole[1]))
        left = max(0, wide) * max(0, high) / full
        if left <= 0.02 or wide < 2 or high < 2:
            continue
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        dx, dy = (at - cx)[None, :], (at - cy)[:, None]
        if left < 0.3 or max(wide, high) < TOO_SMALL:
            unknown |= (np.abs(dx) < wide / 2 + STRIDE) & (np.abs(dy) < high / 2 + STRIDE) & ~sure
            continue
        bump = np.exp(-0.5 * ((dx / (0.14 * wide)) ** 2 + (dy / (0.14 * high)) ** 2))
        heat = np.maximum(heat, np.minimum(bump, 0.95)).astype(np.float32)
        column, row = min(PLACES - 1, int(cx // STRIDE)), min(PLACES - 1, int(cy // STRIDE))
        heat[row, column] = 1.0
        around = (np.abs(dx) <= max(0.25 * wide, STRIDE)) & (np.abs(dy) <= max(0.25 * high, STRIDE))
        unknown &= ~around
        sure |= around
        if measured:
            distance = np.hypot(dx / wide, dy / high)
            mine = (
                (np.abs(dx) < max(MIDDLE * wide, STRIDE / 2))
                & (np.abs(dy) < max(MIDDLE * high, STRIDE / 2))
                & (distance < nearest)
            )
            reach = np.stack(np.broadcast_arrays(dx + cx - x0, dy + cy - y0, x1 - cx - dx, y1 - cy - dy), axis=-1)
            mine &= reach.min(axis=-1) > 1
            sides[mine] = np.log(reach[mine] / SIDE_UNIT)
            nearest[mine] = distance[mine]
            telling[mine] = 1.0 / max(1, mine.sum())
    return heat, sides, (~unknown).astype(np.float32), telling
