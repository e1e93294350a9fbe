"""Photo -> its white cells, whatever its size, magnification and stain.

A small network looks at a copy of the photo some 160 px long and says, for each 8 x 8 px of it, whether the middle of
a white cell lies there, how far away the cell's four sides are, and how wide red cells are around there. Cells that are
small on that copy are looked for on one twice as fine, as are all if there is none, down to the photo itself. On a
finer copy nothing counts that is so wide that it would have been seen on the coarser one: a red cell, large enough, has
the size of a white one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

STRIDE = 8  # px of a copy to one place of the network's map
SIDE_UNIT = 16.0  # px; the network gives the logarithms of distances in this unit
MULTIPLE = 32  # px; a copy is filled up to multiples of this ...
MOST_RED = 4.0  # no logarithm of what is said of red cells counts for more: they are 0.3 to 870 px wide
LARGE = 60.0  # no logit or logarithm counts for more: its exponential would be beyond float32
FILL = 128  # ... with this level, which is nothing to the network

COPY_SIDE = 160  # px, about: the longer side of the copy that is looked at first
AT_EDGE = 1.5  # px of a copy; a side that ends so near the photo's edge ends at it: the network is no more exact
SMALL_CELL = 26.0  # px of a copy; a narrower cell is looked for on a copy twice as fine, and so it is if there is none
MEASURED = 1.15  # times as wide as it seemed on the coarser copy may a cell be on the finer one: it was measured badly
MOST_PIXELS = 4_000_000  # of a copy; the network was not shown cells so small that more would be needed
AS_SURE = 0.75  # of the surest cell's score, from which one in the photo's middle is the one that is meant
ONE_CELL = 0.6  # share of the smaller of two boxes that lies in the other, from which they are of one cell


class Cell(NamedTuple):
    """One white cell.

    box: (x0, y0, x1, y1) of the whole cell, cytoplasm included, px of the photo, x1 and y1 exclusive; what the photo's
        edge cuts away is not in it.
    score: 0-1, how surely it is a white cell.
    wide: its width, the square root of its box's area, in widths of the red cells of the photo; None if the network
        says nothing of these.
    doubt: by how much that may be wrong, as a part of it, about; 0 if nothing is said.
    """

    box: tuple[int, int, int, int]
    score: float
    wide: float | None = None
    doubt: float = 0.0

    @property
    def area(self) -> int:
        """Of the box, px."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    def cut(self, shape: tuple[int, ...]) -> bool:
        """Whether the box reaches the edge of a picture of this shape (H, W, ...)."""
        x0, y0, x1, y1 = self.box
        return x0 == 0 or y0 == 0 or x1 == shape[1] or y1 == shape[0]


class Seen(NamedTuple):
    """What is seen at one scale alone.

    boxes: of white cells, float (N, 4), px of the copy. scores: theirs, 0-1, float (N,).
    red: how wide red cells are, px of the copy; None if the network says nothing of them.
    doubt: by how much that may be wrong, as a part of it, about.
    """

    boxes: np.ndarray
    scores: np.ndarray
    red: float | None = None
    doubt: float = 0.0


@dataclass(frozen=True)
class Locator:
    """Finds white cells with a network.

    run: uint8 (1, H, W, 3), H and W multiples of 32 -> float32 (1, H / 8, W / 8, 7 or 5): the logit that the middle of
        a white cell lies there, and logarithms: of the distances to its left, top, right and bottom, of the width of
        red cells around there, all in `SIDE_UNIT` px, and of how doubtful that width is. The last two need not be.
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
            puts it there, unless another is far surer; then the larger and surer before the smaller. Empty if there is
            none.
        """
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        step = max(1, round(max(height, width) / COPY_SIDE))
        boxes, scores, widest = np.empty((0, 4)), np.empty(0), np.inf
        red: list[tuple[float | None, float]] = []  # of each box: of the copy on which it was seen
        while True:
            seen = self.found(np.asarray(picture.reduce(step)))
            sides = (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1)
            finer, fits, small = step // 2, sides < widest, sides < SMALL_CELL
            last = not finer or (height // finer) * (width // finer) > MOST_PIXELS
            kept = fits & (~small | last)
            boxes, scores = np.concatenate([boxes, seen.boxes[kept] * step]), np.append(scores, seen.scores[kept])
            red += [(seen.red and seen.red * step, seen.doubt)] * int(kept.sum())
            if last or (len(boxes) and not (fits & small).any()):
                break
            widest = MEASURED * SMALL_CELL * step / finer
            step = finer
        limits = np.array([width, height, width, height])
        whole = np.clip(np.rint(boxes), 0, limits).astype(int)
        cells = [cell_of(boxes[i], whole[i].tolist(), float(scores[i]), *red[i]) for i in one_each(boxes, scores)]
        middle = (width / 2, height / 2)
        surest = max((cell.score for cell in cells), default=0.0)

        def prominence(cell: Cell) -> tuple[bool, float]:
            meant = covers(cell.box, middle) and cell.score >= AS_SURE * surest
            return meant, cell.area * cell.score

        return sorted(cells, key=prominence, reverse=True)

    def found(self, copy: np.ndarray) -> Seen:
        """What is seen at one scale alone: on a copy of the photo, RGB uint8 (H, W, 3)."""
        height, width = copy.shape[:2]
        filled = np.full((1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE, 3), FILL, np.uint8)
        filled[0, :height, :width] = copy
        answer = self.run(filled)[0]
        logits = answer[..., 0]
        around = np.pad(logits, 1, constant_values=-np.inf)
        rows, columns = logits.shape
        highest = np.max([around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
        scores = 1 / (1 + np.exp(-logits.clip(-LARGE, LARGE)))
        y, x = np.nonzero((logits == highest) & (scores >= self.threshold))
        left, top, right, bottom = (np.exp(answer[y, x, 1:5].clip(-LARGE, LARGE)) * SIDE_UNIT).T
        x0, y0 = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
        boxes = np.stack([x0 - left, y0 - top, x0 + right, y0 + bottom], axis=1)
        edges = np.array([0, 0, width, height])
        boxes = np.where(np.abs(boxes - edges) <= AT_EDGE, edges, boxes).clip(0, [width, height, width, height])
        found = scores[y, x]
        real = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 2
        boxes, found = boxes[real], found[real]
        kept = one_each(boxes, found)
        return Seen(boxes[kept], found[kept], *red_cells(answer[: -(-height // STRIDE), : -(-width // STRIDE), 5:]))


def red_cells(said: np.ndarray) -> tuple[float | None, float]:
    """How wide red cells are, px, and how doubtful that is, as of `Seen`.

    The mean of the logarithms, each with the weight that an error as large as it may be gives it.

    Args:
        said: of them at each place of a copy, float (h, w, 2), or (h, w, 0) by a network that says nothing.
    """
    if not said.shape[-1]:
        return None, 0.0
    width, doubt = said.reshape(-1, 2).astype(np.float64).clip(-MOST_RED, MOST_RED).T
    weights = np.exp(-2 * doubt)
    mean, doubtful = (float((weights * each).sum() / weights.sum()) for each in (width, doubt))
    if not math.isfinite(mean + doubtful):  # of a graph that somebody else made
        return None, 0.0
    return math.exp(mean) * SIDE_UNIT, math.exp(doubtful)


def cell_of(box: np.ndarray, whole: Sequence[int], score: float, red: float | None, doubt: float) -> Cell:
    """A cell with its width in red cells.

    Args:
        box: as it was measured, float (4,), px.
        whole: the same in whole px.
        score: 0-1.
        red: how wide red cells are, px.
        doubt: about that, as of `Seen`.
    """
    x0, y0, x1, y1 = whole
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    return Cell((x0, y0, x1, y1), score, math.sqrt(area) / red if red else None, doubt)


def one_each(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Which boxes (N, 4) are left, the highest score (N,) first, without those that mostly share a surer one's cell."""
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        kept.append(int(left[0]))
        left = left[1:][shared(boxes[left[0]], boxes[left[1:]]) < ONE_CELL]
    return kept


def shared(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What share of the smaller of two boxes (x0, y0, x1, y1) lies in the other: of one (4,) and each of (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (box, others)]
    shares: np.ndarray = sides.clip(0).prod(axis=1) / np.minimum(*areas).clip(1e-9)
    return shares


def covers(box: Sequence[float], point: tuple[float, float]) -> bool:
    """Whether a point (x, y) lies in a box (x0, y0, x1, y1)."""
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]
