"""Which cells of a count a report pictures, and the small picture of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from leukoscope.biology.cells import CELL_TYPES, CELLS
from leukoscope.counting.differential import NOT_COUNTED, CountedCell, Differential
from leukoscope.showing.draw import resized

THUMBNAIL_PX = 150
THUMBNAIL_ROOM = 0.35  # around a cell's box, of its longer side
PER_ROW = 10
ROWS = 6
MOST_PICTURED = ROWS * PER_ROW

Key = tuple[str, int]
"""Photo and number of a cell."""


def thumbnail(image: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """The cell in a box and a little around it: RGB uint8 (H, W, 3) -> RGB uint8 (150, 150, 3), white outside."""
    height, width = image.shape[:2]
    room = THUMBNAIL_ROOM if box else 0.0
    x0, y0, x1, y1 = box or (0, 0, width, height)
    x0, x1 = min(x0, width - 1), min(x1, width)
    y0, y1 = min(y0, height - 1), min(y1, height)
    side = max(x1 - x0, y1 - y0) * (1 + 2 * room)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    part = image[max(0, top) : top + round(side), max(0, left) : left + round(side)]
    scale = THUMBNAIL_PX / side
    x, y = round(max(0, -left) * scale), round(max(0, -top) * scale)
    size = [min(max(1, round(n * scale)), THUMBNAIL_PX - at) for n, at in ((part.shape[1], x), (part.shape[0], y))]
    square = np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 255, np.uint8)
    square[y : y + size[1], x : x + size[0]] = resized(part, *size)
    return square


def cells_to_show(differential: Differential) -> list[CountedCell]:
    """The cells whose thumbnails the page has room for at most: of each group its share, from unsure to sure."""
    return [cell for _, _, _, shown in groups(differential) for cell in shown]


def groups(differential: Differential) -> list[tuple[str, str, int, list[CountedCell]]]:
    """(title, colour, number of cells, those to show) of each type, of what is undecided and what is none of them."""
    filled = _filled(differential)
    rows = [1] * len(filled)
    while sum(rows) < ROWS:
        crowd, index = max(((len(g[2]) / rows[i], i) for i, g in enumerate(filled)), default=(0, 0))
        if crowd <= PER_ROW:
            break
        rows[index] += 1
    return [(*g[:2], len(g[2]), _even(g[2], PER_ROW * n)) for g, n in zip(filled, rows, strict=True)]


def sampled(differential: Differential, most: int) -> list[tuple[str, str, int, list[CountedCell]]]:
    """As `groups`, but with all cells, or of more than `most` the same share of each group, evenly."""
    filled = _filled(differential)
    share = min(1.0, most / max(1, len(differential.cells)))
    return [
        (title, colour, len(cells), _even(cells, max(1, round(share * len(cells))))) for title, colour, cells in filled
    ]


def _filled(differential: Differential) -> list[tuple[str, str, list[CountedCell]]]:
    """(title, colour, cells from unsure to sure) of each group that has any."""
    groups: list[tuple[str, str, Callable[[CountedCell], bool]]] = [
        (name.capitalize(), CELLS[name].colour, partial(_counts_as, name)) for name in CELL_TYPES
    ]
    groups.append(("Undecided", "#777777", lambda c: c.undecided))
    groups.append((NOT_COUNTED.capitalize(), "#777777", lambda c: c.corrected == NOT_COUNTED))
    order = sorted(differential.cells, key=lambda cell: cell.prediction.confidence)
    return [(title, colour, cells) for title, colour, belongs in groups if (cells := list(filter(belongs, order)))]


def _counts_as(name: str, cell: CountedCell) -> bool:
    return cell.type == name


def _even(cells: list[CountedCell], count: int) -> list[CountedCell]:
    """At most `count` cells, taken evenly from the sorted list."""
    if len(cells) <= count:
        return cells
    return [cells[i] for i in np.linspace(0, len(cells) - 1, count).astype(int)]
