"""Pictures that show no white cell: what "none of the four" is taught with, beside other cells.

Half of them are cut from the training photos, away from the located cells: at platelets and stain dirt, at red cells
and glass. The other half is what the locator may take for a cell in pictures that are no smear at all, drawn here:
coloured noise, blots, shapes and cartoons of cells.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from leukoscope.smear.locate import Cell, Locator, shared
from leukoscope.smear.preprocess import Framing, frame

DOUBTFUL = 0.08  # score from which something may be a white cell: nothing is cut there
SPECK = 0.1  # optical density of green above that of blue, over the photo's usual, that stands out
NONSENSE_SIDE = 200  # px
BESIDE = 0.05  # share of the smaller of two boxes that a cell and a place without one may have in common


def empty_crops(examples, framing: Framing, margin: int, count: int, seed: int, locator: Locator) -> np.ndarray:
    """Framed crops without a white cell.

    Args:
        examples: training rows; their photos are opened, from each lab in turn, until there are enough.
        framing, margin: as for the training crops.
        count: how many.
        seed: of the choice and the drawing.
        locator: that finds the cells.

    Returns:
        uint8 (count, S, S, 3), S = framing.size + 2 * margin.
    """
    from training.data.table import pictures

    rng = np.random.default_rng([seed, 1])
    side = framing.size + 2 * margin
    anything = Locator(locator.run, DOUBTFUL)
    crops: list[np.ndarray] = []
    if count:
        photos = pictures(examples.select(_each_lab_in_turn(np.asarray(examples["lab"]), rng)))
        while len(crops) < count // 2 and (photo := next(photos, None)) is not None:
            places = empty_places(photo, anything.locate(photo), rng)
            crops += [frame(photo, framing, place, margin) for place in places]
    crops = crops[: count // 2]
    while len(crops) < count:
        if rng.random() < 0.5:
            picture = draw_nonsense(NONSENSE_SIDE, rng)
        else:
            picture = draw_cartoon(*rng.integers(NONSENSE_SIDE // 2, 2 * NONSENSE_SIDE, 2).tolist(), rng)
        found = anything.locate(picture)[:1] or [_anywhere(*picture.shape[:2], rng)]
        crops += [frame(picture, framing, place, margin) for place in found]
    return np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8)


def _each_lab_in_turn(labs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every row once, in random order within its lab; the labs alternate for as long as each has rows."""
    order = rng.permutation(len(labs))
    turn = np.empty(len(labs), int)
    for lab in np.unique(labs):
        here = order[labs[order] == lab]
        turn[here] = np.arange(len(here))
    return np.argsort(turn, kind="stable")


def empty_places(photo: np.ndarray, cells: list[Cell], rng: np.random.Generator) -> Iterator[Cell]:
    """Up to one speck and one other place beside the cells of a photo, each as the cell that it is not."""
    height, width = photo.shape[:2]
    boxes = np.array([cell.box for cell in cells]).reshape(-1, 4)
    wide = float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1))) if cells else min(height, width) / 3

    def free(place: Cell) -> bool:
        return bool((shared(np.array(place.box), boxes) <= BESIDE).all())

    specks = [(x, y, size) for x, y, size in _specks(photo) if size < wide]
    for i in rng.permutation(len(specks)):
        x, y, size = specks[i]
        # Tight about it, as something taken for a cell would be, or as wide as the cells are.
        place = _square(x, y, rng.choice([size * rng.uniform(1.0, 1.5), wide]))
        if free(place):
            yield place
            break
    tries = [_beside(width, height, wide * np.exp(rng.uniform(np.log(0.3), np.log(1.3))), rng) for _ in range(20)]
    beside = [place for place in tries if free(place)][: rng.integers(1, 4)]
    if beside:
        yield max(beside, key=lambda place: _contrast(photo, place))  # bare glass is soon learned


def _beside(width: int, height: int, side: float, rng: np.random.Generator) -> Cell:
    """Somewhere, most of it within the photo."""
    x, y = (rng.uniform(min(side / 4, length / 2), max(length - side / 4, length / 2)) for length in (width, height))
    return _square(x, y, side)


def _contrast(photo: np.ndarray, place: Cell) -> float:
    x0, y0, x1, y1 = place.box
    return float(photo[max(0, y0) : y1, max(0, x0) : x1, 1].std())


def _specks(photo: np.ndarray) -> list[tuple[float, float, float]]:
    """(x, y, width) px of what absorbs green more than blue, as platelets and stain dirt do: in a photo of some stain
    red cells, which do as well."""
    _, green, blue = cv2.split(cv2.LUT(photo, _DENSITY))
    purple = cv2.blur(green - blue, (3, 3))
    marked = (purple > np.median(purple[::4, ::4]) + SPECK).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(marked)
    return [
        (float(x), float(y), float(max(w, h)))
        for (_, _, w, h, area), (x, y) in zip(stats[1:], centres[1:], strict=True)
        if area >= 12 and min(w, h) >= 4
    ]


_DENSITY = -np.log(np.arange(256).clip(4) / 255.0).astype(np.float32).reshape(1, 256)


def _square(x: float, y: float, side: float) -> Cell:
    half = max(side, 4.0) / 2
    return Cell((round(x - half), round(y - half), round(x + half), round(y + half)), 1.0)


def _anywhere(height: int, width: int, rng: np.random.Generator) -> Cell:
    side = min(height, width) * np.exp(rng.uniform(np.log(0.1), np.log(0.8)))
    return _square(rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height, side)


def draw_nonsense(side: int, rng: np.random.Generator) -> np.ndarray:
    """RGB uint8 (side, side, 3): a ground, clouds of one random fineness, now and then shapes, lines or letters, mostly
    in the colours that are taken for a nucleus: less green than blue."""
    ground = rng.integers(0, 256, 3)
    cells = int(np.clip(2 ** rng.uniform(1, 6.5), 2, side))
    clouds = rng.normal(size=(cells, cells, 3 if rng.random() < 0.5 else 1)).astype(np.float32)
    clouds = cv2.resize(clouds, (side, side), interpolation=cv2.INTER_CUBIC).reshape(side, side, -1)
    picture = np.clip(ground + clouds * rng.uniform(0, 70), 0, 255).astype(np.uint8)
    for _ in range(rng.integers(0, 6)):
        red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
        colour = (red, min(green, blue), max(green, blue)) if rng.random() < 0.7 else (red, green, blue)
        a, b = rng.integers(0, side, (2, 2)).tolist()
        kind = rng.choice(5, p=[0.15, 0.1, 0.15, 0.4, 0.2])
        if kind == 0:
            cv2.rectangle(picture, a, b, colour, -1)
        elif kind == 1:
            cv2.line(picture, a, b, colour, int(rng.integers(1, 6)))
        elif kind == 2:
            cv2.putText(picture, "Rx0#"[: rng.integers(1, 5)], a, cv2.FONT_HERSHEY_SIMPLEX, 1.0, colour, 2)
        elif kind == 3:
            axes = rng.integers(3, side // 2, 2).tolist()
            width = -1 if rng.random() < 0.7 else int(rng.integers(2, 9))
            axes = axes if rng.random() < 0.5 else axes[:1] * 2
            cv2.ellipse(picture, a, axes, float(rng.uniform(0, 180)), 0, 360, colour, width)
        else:
            cv2.fillPoly(picture, [rng.integers(0, side, (int(rng.integers(3, 8)), 2))], colour)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.5))


def draw_cartoon(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """RGB uint8 (height, width, 3): discs, rings and faces in flat colours."""
    picture = np.full((height, width, 3), rng.integers(150, 256, 3), np.uint8)
    for _ in range(rng.integers(1, 9)):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        radius = int(rng.integers(5, max(6, min(height, width) // 4)))
        cv2.circle(picture, centre, radius, colour, -1 if rng.random() < 0.6 else 3)
        if rng.random() < 0.4:
            for side in (-1, 1):
                cv2.circle(picture, (centre[0] + side * radius // 3, centre[1]), max(1, radius // 6), (0, 0, 0), -1)
    return picture
