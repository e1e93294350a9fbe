"""Photo -> its white cells, whatever its size, magnification and stain.

A small network looks at a copy of the photo some 160 px long and says, for each 8 x 8 px of it, whether the middle of a
white cell lies there and how far away the cell's four sides are. Where cells are small on that copy, or none is found,
a copy twice as fine is looked at instead, down to the photo itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

STRIDE = 8  # px of a copy to one place of the network's map
SIDE_UNIT = 16.0  # px; the network gives the logarithms of distances in this unit
MULTIPLE = 32  # px; a copy is filled up to multiples of this ...
FILL = 128  # ... with this level, which is nothing to the network

COPY_SIDE = 160  # px, about: the longer side of the copy that is looked at first
SMALL_CELL = 26.0  # px of a copy; if the smallest cell on it is narrower, a copy twice as fine is looked at
MOST_PIXELS = 4_000_000  # of a copy; the network was not shown cells so small that more would be needed
ONE_CELL = 0.6  # share of the smaller of two boxes that lies in the other, from which they are of one cell


class Cell(NamedTuple):
    """One white cell.

    box: (x0, y0, x1, y1) of the whole cell, cytoplasm included, px of the photo, x1 and y1 exclusive; what the photo's
        edge cuts away is not in it.
    score: 0-1, how surely it is a white cell.
    """

    box: tuple[int, int, int, int]
    score: float

    @property
    def area(self) -> int:
        """Of the box, px."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    def cut(self, shape: tuple[int, ...]) -> bool:
        """Whether the box reaches the edge of a picture of this shape (H, W, ...)."""
        x0, y0, x1, y1 = self.box
        return x0 == 0 or y0 == 0 or x1 == shape[1] or y1 == shape[0]


@dataclass(frozen=True)
class Locator:
    """Finds white cells with a network.

    run: uint8 (1, H, W, 3), H and W multiples of 32 -> float32 (1, H / 8, W / 8, 5): the logit that the middle of a
        white cell lies there, and the logarithms of the distances to its left, top, right and bottom in `SIDE_UNIT` px.
    threshold: score from which something is a white cell.
    """

    run: Callable[[np.ndarray], np.ndarray]
    threshold: float

    def locate(self, image: np.ndarray) -> list[Cell]:
        """Find the white cells of a photo.

        Args:
            image: RGB uint8 (H, W, 3).

        Returns:
            The cells, the most prominent first: one that lies in the photo's middle, as who takes a picture of one cell
            puts it there; then the larger and surer before the smaller. Empty if there is none.
        """
        height, width = image.shape[:2]
        step = max(1, round(max(height, width) / COPY_SIDE))
        while True:
            copy = reduced(image, step)
            boxes, scores = self._found(copy)
            small = len(boxes) == 0 or (boxes[:, 2:] - boxes[:, :2]).max(axis=1).min() < SMALL_CELL
            finer = step // 2
            if not small or not finer or (height // finer) * (width // finer) > MOST_PIXELS:
                break
            step = finer
        limits = np.array([width, height, width, height])
        boxes = np.clip(np.rint(boxes * step), 0, limits).astype(int)
        cells = [Cell((*box,), float(score)) for box, score in zip(boxes.tolist(), scores, strict=True)]  # type: ignore[arg-type]
        middle = (width / 2, height / 2)
        return sorted(cells, key=lambda cell: (_covers(cell.box, middle), cell.area * cell.score), reverse=True)

    def _found(self, copy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) of a copy, px of it, and their scores (N,)."""
        height, width = copy.shape[:2]
        filled = np.full((1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE, 3), FILL, np.uint8)
        filled[0, :height, :width] = copy
        answer = self.run(filled)[0]
        scores = 1 / (1 + np.exp(-answer[..., 0]))
        around = np.pad(scores, 1)
        rows, columns = scores.shape
        highest = np.max([around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
        y, x = np.nonzero((scores == highest) & (scores >= self.threshold))
        left, top, right, bottom = (np.exp(answer[y, x, 1:]) * SIDE_UNIT).T
        x0, y0 = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        boxes = np.stack([x0 - left, y0 - top, x0 + right, y0 + bottom], axis=1)
        boxes = np.clip(boxes, 0, [width, height, width, height])
        found = scores[y, x]
        real = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 2
        return one_each(boxes[real], found[real])


def one_each(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (N, 4) less those that mostly share another's cell whose score is higher; with their scores (N,)."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(shared(boxes[i], boxes[j]) < ONE_CELL for j in kept):
            kept.append(int(i))
    return boxes[kept], scores[kept]


def shared(a: np.ndarray, b: np.ndarray) -> float:
    """What share of the smaller of two boxes (x0, y0, x1, y1) lies in the other."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return float(wide * high / max(smaller, 1e-9))


def reduced(image: np.ndarray, step: int) -> np.ndarray:
    """A copy whose pixels are the means of squares of `step` px: uint8 (ceil(H / step), ceil(W / step), 3)."""
    return image if step == 1 else np.asarray(Image.fromarray(image).reduce(step))


def _covers(box: tuple[int, int, int, int], point: tuple[float, float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]
