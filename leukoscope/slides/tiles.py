"""Which part of a slide is answered at which level, in which tiles, and how a cell on a seam counts once.

Tiles overlap by a margin on each side, wide enough for a whole cell. A cell is of the tile whose core its middle lies
in. So near a seam that the two tiles might place its middle on either side, both keep it, and of two boxes that mostly
share one cell the surer stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leukoscope.errors import SlideError
from leukoscope.model.prediction import Prediction
from leukoscope.pictures.slide import Box, Slide
from leukoscope.smear.locate import ONE_CELL, shared

ANSWERED_AT = 0.25  # µm a pixel at most: a neutrophil of 13 µm is as wide there as the network sees it
SOUGHT_AT = 0.4  # µm a pixel: as fine as the copies on which the search through a photo ends
SOUGHT_ON = 0.42  # µm a pixel at most of a level that such a copy is made of: docs/slides.md says what that changes
SIDE = 3072  # px from one tile to the next: a multiple of the file's own tiles, so that few are decoded twice
MARGIN = 12.8  # µm around a core: half of a cell that is 20 µm wide, and somewhat more
LEAST_MARGIN = 64  # px
EITHER = 3.0  # µm; so near a seam both tiles keep a cell ...
NEAR = 3 * EITHER  # ... and so near may one lie for its own tile that the other still keeps: they see it a little apart
FINER = 1.01  # a level's step may be rounded by so much


class Found(NamedTuple):
    """A cell of a tile: its tile's number, how surely it is a white cell (0-1), the answer, its box px of level 0."""

    tile: int
    score: float
    prediction: Prediction


@dataclass(frozen=True)
class Plan:
    """How a slide is answered.

    level: from which the network sees cells; step: how many px of level 0 a pixel of it is. microns: of a pixel of the
    level, µm. area: the part of the level that is answered, px of it. margin: px. told: where the microns come from, in
    words. sought: the level on which cells are looked for, the same or a coarser one; coarser: how many times.
    """

    level: int
    step: float
    microns: float
    area: Box
    margin: int
    told: str
    sought: int
    coarser: float

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return _tiles(self.area.width, self.margin)

    @property
    def rows(self) -> int:
        """Tiles in a column."""
        return _tiles(self.area.height, self.margin)

    @property
    def count(self) -> int:
        """All tiles."""
        return self.columns * self.rows

    def core(self, tile: int) -> Box:
        """The part of a tile whose cells are its own, px of the level."""
        row, column = divmod(tile, self.columns)
        x, width = _core(column, self.columns, self.area.width, self.margin)
        y, height = _core(row, self.rows, self.area.height, self.margin)
        return Box(self.area.x + x, self.area.y + y, width, height)

    def window(self, tile: int) -> Box:
        """What is read of a tile, px of the level: its core and the margin, as far as the area reaches."""
        row, column = divmod(tile, self.columns)
        x, y = column * SIDE, row * SIDE
        over = SIDE + 2 * self.margin
        width, height = min(over, self.area.width - x), min(over, self.area.height - y)
        return Box(self.area.x + x, self.area.y + y, width, height)

    def sought_in(self, tile: int) -> Box:
        """What is read of a tile to look for cells, px of the level `sought`: its window, to the nearest pixel."""
        x, y, width, height = self.window(tile)
        x0, y0, x1, y1 = (round(edge / self.coarser) for edge in (x, y, x + width, y + height))
        return Box(x0, y0, max(1, x1 - x0), max(1, y1 - y0))

    def at_level_0(self, box: Sequence[float]) -> tuple[int, int, int, int]:
        """A box (x0, y0, x1, y1), px of the level, in px of level 0."""
        x0, y0, x1, y1 = (round(edge * self.step) for edge in box)
        return x0, y0, x1, y1

    def holds(self, tile: int, box: Sequence[float], either: float = 0.0) -> bool:
        """Whether the middle of a box (x0, y0, x1, y1), px of the level, lies in a tile's core.

        Args:
            tile: which.
            box: of the cell.
            either: µm by which the core is wider, where there is a tile beyond it; below 0 it is narrower.
        """
        core, room = self.core(tile), either / self.microns
        x, y = (box[0] + box[2]) / 2 - core.x, (box[1] + box[3]) / 2 - core.y
        row, column = divmod(tile, self.columns)
        left, right = room * (column > 0), room * (column < self.columns - 1)
        top, bottom = room * (row > 0), room * (row < self.rows - 1)
        return -left <= x < core.width + right and -top <= y < core.height + bottom


def _tiles(length: int, margin: int) -> int:
    return max(1, -(-(length - 2 * margin) // SIDE))


def _core(index: int, count: int, length: int, margin: int) -> tuple[int, int]:
    """Begin and length of a core along one side; the first and the last reach to the edge."""
    begin = index * SIDE + margin if index else 0
    end = (index + 1) * SIDE + margin if index < count - 1 else length
    return begin, end - begin


def plan(slide: Slide, microns: float, region: Box | None = None, told: str = "") -> Plan:
    """How to answer a slide.

    Args:
        slide: which.
        microns: of a pixel of level 0, µm.
        region: the part to answer, px of level 0; None: all that was scanned.
        told: where the microns come from, in words.

    Raises:
        SlideError: if the region lies outside the slide.
    """
    whole = slide.levels[0]
    part = region or slide.bounds
    left, top = max(0, part.x), max(0, part.y)
    right, bottom = min(whole.width, part.x + part.width), min(whole.height, part.y + part.height)
    if right <= left or bottom <= top:
        size = f"{whole.width:,} x {whole.height:,} px"
        raise SlideError(f"the region {','.join(map(str, part))} lies outside the slide, which is {size}")
    chosen, sought = _coarsest(slide, ANSWERED_AT / microns), _coarsest(slide, SOUGHT_ON / microns)
    step = slide.levels[chosen].step
    x, y = int(left / step), int(top / step)
    limits = slide.levels[chosen]
    area = Box(x, y, min(limits.width, -int(-right // step)) - x, min(limits.height, -int(-bottom // step)) - y)
    margin = max(LEAST_MARGIN, round(MARGIN / (microns * step)))
    return Plan(chosen, step, microns * step, area, margin, told, sought, slide.levels[sought].step / step)


def _coarsest(slide: Slide, step: float) -> int:
    """The coarsest level that is at most so many times smaller than level 0; else level 0."""
    fit = [k for k, level in enumerate(slide.levels) if level.step <= step * FINER]
    return max(fit, key=lambda k: slide.levels[k].step, default=0)


def once_each(plan: Plan, cells: Iterable[Found]) -> list[Found]:
    """The cells of several tiles, each once: in the order of tiles, and from top to bottom in each."""
    kept: list[Found] = []
    near: list[Found] = []
    for cell in cells:
        box = _box(cell) / plan.step
        (kept if plan.holds(cell.tile, box.tolist(), -NEAR) else near).append(cell)
    near.sort(key=lambda cell: (-cell.score, cell.tile, cell.prediction.box))
    boxes, tiles = np.array([_box(cell) for cell in near]).reshape(-1, 4), np.array([cell.tile for cell in near])
    stays = np.ones(len(near), bool)
    for i in range(len(near)):
        if stays[i]:
            same = shared(boxes[i], boxes[i + 1 :]) >= ONE_CELL
            stays[i + 1 :] &= ~(same & (tiles[i + 1 :] != tiles[i]))
    kept += [cell for cell, stay in zip(near, stays.tolist(), strict=True) if stay]
    return sorted(kept, key=lambda cell: (cell.tile, _box(cell)[[1, 0]].tolist()))


def _box(cell: Found) -> np.ndarray:
    return np.array(cell.prediction.box, float)
