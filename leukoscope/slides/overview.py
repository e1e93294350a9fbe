"""Slide -> a small picture of it, and for each tile how good a place to count it is, 0-1.

The score of a tile is the product of three parts, each 0-1, and of none that tells one type of white cell from another:

layer   Red cells side by side: of the tile's pixels, at low power, 35 to 85 % are covered (less is glass or the thin
        edge, more is thick), and few are darker than one layer is, as where cells lie over each other.
white   Some white cells: nuclei absorb red light, which red cells let through. The area of what does, in nuclei of
        50 µm²; one is enough for 1, none gives 0.2, so that a dense place has no more than a common one. Without a
        pyramid it is 1: a window says little of its tile.
focus   How much fine detail a window in the tile's middle shows, against the sharpest tenth of the windows. Only the
        best tiles by the first two are looked at so; the others have none and come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from leukoscope.errors import SlideError
from leukoscope.pictures.slide import Box, Slide
from leukoscope.slides.tiles import SIDE, Plan

MOST_LOW = 64_000_000  # px at low power
STRIP = 2**22  # px that are held at once
SHOWN = 1200  # px, the longer side of the picture
GRAINS = 24  # places of a tile's side at low power, at least, for its parts to be told
MOST_SHARP = 400  # tiles whose focus is looked at
WINDOW = 512  # px of the level that is answered
DETAIL = 0.3  # µm a pixel, at which detail is looked for: finer there is the camera's noise
LEAST = 0.1  # score of a tile that is worth counting in

COVERED = 0.12  # optical density, natural, in green: a third of a red cell's
DARKER = 1.7  # times one layer's density: cells over each other
NUCLEUS = 0.5  # optical density in red; a red cell has a third of that, one with a platelet on it somewhat less
NUCLEUS_AREA = 50.0  # µm²
NO_WHITE = 0.2
SHARP_ENOUGH = 0.5  # of the sharpest tenth


@dataclass(frozen=True)
class Overview:
    """What a slide looks like from afar.

    Attributes:
        picture: RGB uint8 (H, W, 3), the scanned part of the slide, at most `SHOWN` px long.
        scale: px of level 0 that a pixel of it is.
        origin: (x, y) of its corner, px of level 0.
        layer: float (tiles,), as `white`, `focus` and `score`.
        white: see above.
        focus: see above; 0 where it was not looked at.
    """

    picture: np.ndarray
    scale: float
    origin: tuple[int, int]
    layer: np.ndarray
    white: np.ndarray
    focus: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """How good a place to count each tile is, 0-1."""
        score: np.ndarray = self.layer * self.white * self.focus
        return score

    def best_first(self) -> list[int]:
        """The tiles that are worth counting in, the best first."""
        score = self.score
        return [int(tile) for tile in np.argsort(-score, kind="stable") if score[tile] >= LEAST]


def look(slide: Slide, plan: Plan) -> Overview:
    """Look at a slide from afar, and at its best tiles' focus.

    Raises:
        SlideError: if nothing of it can be read at low power.
    """
    bounds = slide.bounds
    low = next((k for k, level in enumerate(slide.levels) if _pixels(bounds, level.step) <= MOST_LOW), None)
    try:
        if low is None:
            raise SlideError("there is no level that is coarse enough")
        picture, scale, parts = _at_low_power(slide, plan, low)
    except SlideError:
        picture, scale, parts = _by_windows(slide, plan)
    layer, white = _layer_and_white(parts)
    focus = np.zeros(plan.count)
    chosen = [int(k) for k in np.argsort(-layer * white, kind="stable")[:MOST_SHARP] if layer[k] * white[k] >= LEAST]
    detail = {}
    for tile in sorted(chosen):
        try:
            detail[tile] = _detail(slide.read(_middle(plan, tile, WINDOW), plan.level), plan.microns)
        except SlideError:
            detail[tile] = 0.0  # its answer will say why
    if detail:
        sharp = SHARP_ENOUGH * float(np.percentile(list(detail.values()), 90)) or 1.0
        focus[list(detail)] = np.clip(np.array(list(detail.values())) / sharp, 0, 1)
    return Overview(picture, scale, (bounds.x, bounds.y), layer, white, focus)


@dataclass(frozen=True)
class _Parts:
    """Of each tile: densities (n, 2) in red and green of its places at low power.

    area: of a place, µm²; None if the places are a small part of the tile, which says nothing of its white cells.
    """

    densities: list[np.ndarray]
    area: float | None


def _pixels(bounds: Box, step: float) -> float:
    return bounds.width * bounds.height / step**2


def _at_low_power(slide: Slide, plan: Plan, low: int) -> tuple[np.ndarray, float, _Parts]:
    """The picture, its scale and the tiles' parts, from a coarse level read strip by strip."""
    step = slide.levels[low].step
    bounds = slide.bounds
    width, height = max(1, int(bounds.width / step)), max(1, int(bounds.height / step))
    shrink = max(1, -(-max(width, height) // SHOWN))
    shown: list[np.ndarray] = []
    glass = _glass(slide, low, Box(int(bounds.x / step), int(bounds.y / step), width, height))
    grain = max(1, int(plan.step * SIDE / step / GRAINS / 4))
    per_tile: list[list[np.ndarray]] = [[] for _ in range(plan.count)]
    factor = plan.step / step
    for top, strip in _strips(slide, low, bounds, step, width, height, shrink * grain):
        shown.append(np.asarray(strip.reduce(shrink)))
        levels = np.asarray(strip if grain == 1 else strip.reduce(grain))
        density = np.log(glass / np.maximum(levels[..., :2], 1).astype(np.float32)).clip(0)
        for tile in range(plan.count):
            core = plan.core(tile)
            x, y = core.x * factor - bounds.x / step, core.y * factor - bounds.y / step - top
            ends = x, x + core.width * factor, y, y + core.height * factor
            left, right, above, below = (max(0, round(end / grain)) for end in ends)
            part = density[above:below, left:right]
            if part.size:
                per_tile[tile].append(part.reshape(-1, 2).astype(np.float16))  # of 64 megapixels much
    microns = plan.microns / plan.step * step * grain
    empty = np.zeros((0, 2), np.float16)
    parts = _Parts([np.concatenate(some) if some else empty for some in per_tile], microns**2)
    return np.concatenate(shown), step * shrink, parts


def _strips(
    slide: Slide, low: int, bounds: Box, step: float, width: int, height: int, multiple: int
) -> Iterator[tuple[int, Image.Image]]:
    """(top, picture) of the strips of a level, each a multiple of some rows high; a broken one is white."""
    rows = max(1, STRIP // width // multiple) * multiple
    left, above = int(bounds.x / step), int(bounds.y / step)
    for top in range(0, height, rows):
        box = Box(left, above + top, width, min(rows, height - top))
        try:
            yield top, slide.read(box, low)
        except SlideError:
            if top == 0 and box.height == height:
                raise
            yield top, Image.new("RGB", box[2:], (255, 255, 255))


def _by_windows(slide: Slide, plan: Plan) -> tuple[np.ndarray, float, _Parts]:
    """The same of a slide without a coarse level: each tile's middle stands for it."""
    cell = max(1, SHOWN // max(plan.columns, plan.rows))
    picture = np.full((plan.rows * cell, plan.columns * cell, 3), 255, np.uint8)
    pictures = {}
    for tile in range(plan.count):
        try:
            pictures[tile] = slide.read(_middle(plan, tile, WINDOW), plan.level)
        except SlideError:
            continue  # its answer will say why
        row, column = divmod(tile, plan.columns)
        shown = pictures[tile].resize((cell, cell), Image.Resampling.BOX)
        picture[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = np.asarray(shown)
        pictures[tile] = pictures[tile].reduce(max(1, round(1.6 / plan.microns)))
    if not pictures:
        raise SlideError("no part of it can be read: the file is cut short or broken")
    bright = np.concatenate([np.asarray(some).reshape(-1, 3)[::7] for some in pictures.values()])
    glass = np.percentile(bright[:, :2], 99, axis=0).clip(1)
    empty = np.zeros((0, 2), np.float32)
    densities = [
        np.log(glass / np.maximum(np.asarray(pictures[t])[..., :2], 1)).clip(0).reshape(-1, 2).astype(np.float32)
        if t in pictures
        else empty
        for t in range(plan.count)
    ]
    scale = max(plan.area.width / picture.shape[1], plan.area.height / picture.shape[0]) * plan.step
    return picture, scale, _Parts(densities, None)


def _glass(slide: Slide, low: int, area: Box) -> np.ndarray:
    """The level of bare glass in red and green: what hardly anything in a few bands of the slide is brighter than."""
    bands = []
    rows = max(1, min(area.height, STRIP // 8 // area.width))
    for top in np.linspace(0, area.height - rows, 5).astype(int).tolist():
        try:
            band = np.asarray(slide.read(Box(area.x, area.y + top, area.width, rows), low))
        except SlideError:
            continue
        bands.append(band.reshape(-1, 3)[::5, :2])
    if not bands:
        raise SlideError("its overview cannot be read: the file is cut short or broken")
    values = np.concatenate(bands)
    values = values[(values < 255).any(axis=1)] if (values < 255).any() else values  # what is missing is 255
    glass: np.ndarray = np.percentile(values, 99, axis=0).clip(1).astype(np.float32)
    return glass


def _layer_and_white(parts: _Parts) -> tuple[np.ndarray, np.ndarray]:
    """The first two parts of each tile's score."""
    stained = [d[:, 1][d[:, 1] > COVERED] for d in parts.densities]
    covered = np.array([len(s) / max(1, len(d)) for s, d in zip(stained, parts.densities, strict=True)])
    single = [float(np.median(s)) for s, c in zip(stained, covered.tolist(), strict=True) if 0.2 <= c <= 0.9]
    one_layer = float(np.percentile(single, 40)) if single else np.inf
    layer, white = np.zeros(len(covered)), np.full(len(covered), NO_WHITE)
    for tile, (density, share) in enumerate(zip(parts.densities, covered.tolist(), strict=True)):
        if not len(density):
            continue
        nucleus = density[:, 0] > NUCLEUS
        over = float(((density[:, 1] > DARKER * one_layer) & ~nucleus).mean())
        spread = np.interp(share, [0.05, 0.35, 0.85, 0.97], [0, 1, 1, 0])
        layer[tile] = spread * np.interp(over, [0.1, 0.5], [1, 0])
        cells = float(nucleus.sum()) * parts.area / NUCLEUS_AREA if parts.area else 1.0
        white[tile] = NO_WHITE + (1 - NO_WHITE) * min(1.0, cells)
    return layer, white


def _middle(plan: Plan, tile: int, side: int) -> Box:
    core = plan.core(tile)
    width, height = min(side, core.width), min(side, core.height)
    return Box(core.x + (core.width - width) // 2, core.y + (core.height - height) // 2, width, height)


def _detail(window: Image.Image, microns: float) -> float:
    """Fine detail of a window against its contrast: the share of the variance of green that one blur takes away."""
    green = np.asarray(window.getchannel("G").reduce(max(1, round(DETAIL / microns))), np.float32)
    spread = float(green.var())
    if spread < 4:  # glass, where noise would be all detail
        return 0.0
    near = (green[1:-1, :-2] + green[1:-1, 2:] + green[:-2, 1:-1] + green[2:, 1:-1]) / 4
    fine = float(((green[1:-1, 1:-1] - near) ** 2).mean())
    return fine / spread
