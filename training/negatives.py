"""Pictures that show no white cell: what "none of the four" is taught with, beside other cells.

Half of them are cut from the training photos, away from the located cells: at platelets and stain dirt, framed as if
they had been mistaken for a nucleus, and at red cells and glass. The other half is what is taken for a cell in pictures
that are no smear at all, drawn here: coloured noise, blots and shapes.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np





SPECK_DENSITY = 0.2  # of the nucleus stain, from which a speck is dark enough to be mistaken for a nucleus
NONSENSE_SIDE = 200  # px
BETWEEN = 1.0  # nucleus diameters from the middle of a cell to the middle of a crop beside it, at least


def empty_crops(examples, framing, margin: int, count: int, seed: int) -> np.ndarray:
    """Framed crops without a white cell.

    Args:
        examples: training rows; their photos are opened, from each lab in turn, until there are enough.
        framing, margin: as for the training crops.
        count: how many.
        seed: of the choice and the drawing.

    Returns:
        uint8 (count, S, S, 3), S = framing.size + 2 * margin.
    """
    from training.data import pictures

    rng = np.random.default_rng([seed, 1])
    side = framing.size + 2 * margin
    crops: list[np.ndarray] = []
    if count:
        photos = pictures(examples.select(_each_lab_in_turn(np.asarray(examples["lab"]), rng)))
        while len(crops) < count // 2 and (photo := next(photos, None)) is not None:
            crops += [frame(photo, framing, place, margin) for place in empty_places(photo, rng)]
    crops = crops[: count // 2]
    while len(crops) < count:
        nonsense = draw_nonsense(NONSENSE_SIDE, rng)
        crops += [frame(nonsense, framing, place, margin) for place in locate(nonsense)[: min(2, count - len(crops))]]
    return np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8)


def _each_lab_in_turn(labs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every row once, in random order within its lab; the labs alternate for as long as each has rows."""
    order = rng.permutation(len(labs))
    turn = np.empty(len(labs), int)
    for lab in np.unique(labs):
        here = order[labs[order] == lab]
        turn[here] = np.arange(len(here))
    return np.argsort(turn, kind="stable")


def empty_places(photo: np.ndarray, rng: np.random.Generator) -> Iterator:
    """Up to one speck and one place between the cells of a photo, each as the cell that it is not."""
    cells = locate(photo)
    height, width = photo.shape[:2]
    wide = cells[0].nucleus_px if cells else min(height, width) / 6

    def free(x: float, y: float, reach: float) -> bool:
        return all(
            np.hypot(x - (c.box[0] + c.box[2]) / 2, y - (c.box[1] + c.box[3]) / 2) > BETWEEN * c.nucleus_px + reach
            for c in cells
        )

    specks = (nucleus_density(photo) > SPECK_DENSITY).astype(np.uint8)
    _, _, stats, centres = cv2.connectedComponentsWithStats(specks)
    small = [
        (area, x, y)
        for (_, _, _, _, area), (x, y) in zip(stats[1:], centres[1:], strict=True)
        if area >= 12 and free(x, y, 0)
    ]
    if small:
        area, x, y = max(small)
        yield _at(x, y, 2 * np.sqrt(area / np.pi))
    for _ in range(20):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if free(x, y, wide / 2):
            yield _at(x, y, wide * rng.uniform(0.5, 1.2))
            return


def _at(x: float, y: float, diameter: float) :
    half = diameter / 2
    return Cell((round(x - half), round(y - half), round(x + half), round(y + half)), float(diameter))


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
