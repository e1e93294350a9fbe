"""What a slide's scan looks like: where cells were taken, how good each tile was, and a sheet of the cells."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from leukoscope.biology.cells import CELLS
from leukoscope.counting.differential import Differential
from leukoscope.errors import SlideError
from leukoscope.pictures.slide import Box, Slide
from leukoscope.showing.draw import draw_heatmap
from leukoscope.showing.pictured import THUMBNAIL_ROOM, Key, cells_to_show, sampled, thumbnail
from leukoscope.slides.overview import Overview
from leukoscope.slides.scan import SlideScan
from leukoscope.slides.tiles import Plan

UNDECIDED = "#777777"
DOT = 4  # px
SHEET_CELLS = 240  # at most
SHEET_PX = 96  # the side of a cell on the sheet
SHEET_COLUMNS = 12
LINE = 22  # px


def colour_of(label: str | None, verdict: str) -> tuple[int, int, int]:
    """The colour of a type that stands; grey for what is undecided."""
    code = CELLS[label].colour if label and verdict == "confident" else UNDECIDED
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def taken(scan: SlideScan) -> np.ndarray:
    """The overview with the tiles that were answered, and a dot for each cell: RGB uint8 (H, W, 3)."""
    picture = Image.fromarray(scan.overview.picture)
    draw = ImageDraw.Draw(picture)
    for tile in scan.tiles:
        x0, y0, x1, y1 = tile_on(scan.overview, scan.plan, tile)
        draw.rectangle(
            (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=(200, 0, 0) if tile in scan.bad else (0, 0, 0)
        )
    for cell in scan.cells:
        box = cell.prediction.box
        if box:
            x = ((box[0] + box[2]) / 2 - scan.overview.origin[0]) / scan.overview.scale
            y = ((box[1] + box[3]) / 2 - scan.overview.origin[1]) / scan.overview.scale
            fill = colour_of(cell.prediction.label, cell.prediction.verdict)
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=fill, outline=(255, 255, 255))
    return np.asarray(picture)


def scored(overview: Overview, plan: Plan) -> np.ndarray:
    """The overview with every tile's score over it, the better the brighter: RGB uint8 (H, W, 3)."""
    heat = np.zeros(overview.picture.shape[:2], np.float32)
    score = overview.score
    for tile in range(plan.count):
        x0, y0, x1, y1 = (round(edge) for edge in tile_on(overview, plan, tile))
        heat[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = score[tile]
    return draw_heatmap(overview.picture, heat)


def tile_on(overview: Overview, plan: Plan, tile: int) -> tuple[float, float, float, float]:
    """Where a tile's core lies on the overview's picture: x0, y0, x1, y1, px of it."""
    core = plan.core(tile)
    x0, y0, x1, y1 = plan.at_level_0((core.x, core.y, core.x + core.width, core.y + core.height))
    (left, top), scale = overview.origin, overview.scale
    return (x0 - left) / scale, (y0 - top) / scale, (x1 - left) / scale, (y1 - top) / scale


def cell_picture(slide: Slide, plan: Plan, box: tuple[int, int, int, int]) -> np.ndarray:
    """A cell and a little around it, cut from the level that was answered: RGB uint8 (150, 150, 3).

    Args:
        slide: which.
        plan: how it was answered.
        box: of the cell, px of level 0.

    Raises:
        SlideError: if a tile of it is broken.
    """
    x0, y0, x1, y1 = (edge / plan.step for edge in box)
    room = THUMBNAIL_ROOM * max(x1 - x0, y1 - y0) + 2
    whole = slide.levels[plan.level]
    left, top = max(0, int(x0 - room)), max(0, int(y0 - room))
    width, height = min(whole.width, int(x1 + room) + 1) - left, min(whole.height, int(y1 + room) + 1) - top
    part = np.asarray(slide.read(Box(left, top, max(1, width), max(1, height)), plan.level))
    inside = tuple(round(edge - corner) for edge, corner in zip((x0, y0, x1, y1), (left, top) * 2, strict=True))
    return thumbnail(part, (inside[0], inside[1], inside[2], inside[3]))


def thumbnails(slide: Slide, plan: Plan, counted: Differential) -> dict[Key, np.ndarray]:
    """Pictures of the cells that a report shows; those that cannot be read again are left out."""
    pictures = {}
    for cell in cells_to_show(counted):
        if cell.prediction.box:
            try:
                pictures[cell.photo, cell.number] = cell_picture(slide, plan, cell.prediction.box)
            except SlideError:
                continue
    return pictures


def sheet(slide: Slide, plan: Plan, counted: Differential) -> np.ndarray:
    """A contact sheet: of each type, and of what is undecided, cells from unsure to sure: RGB uint8 (H, W, 3).

    Args:
        slide: which.
        plan: how it was answered.
        counted: its count; of many cells some are shown, taken evenly.
    """
    font = ImageFont.load_default(14)
    parts: list[Image.Image] = []
    for title, colour, total, cells in sampled(counted, SHEET_CELLS):
        lines = -(-len(cells) // SHEET_COLUMNS)
        part = Image.new("RGB", (SHEET_COLUMNS * SHEET_PX, LINE + lines * SHEET_PX), (255, 255, 255))
        draw = ImageDraw.Draw(part)
        draw.rectangle((0, 3, 10, LINE - 3), fill=colour)
        shown = f"{total:,}" if total == len(cells) else f"{len(cells):,} of {total:,} shown"
        draw.text((16, 2), f"{title}: {shown}", fill=(0, 0, 0), font=font)
        for index, cell in enumerate(cells):
            row, column = divmod(index, SHEET_COLUMNS)
            try:
                picture = Image.fromarray(cell_picture(slide, plan, cell.prediction.box or (0, 0, 1, 1)))
            except SlideError:
                continue
            at = (column * SHEET_PX, LINE + row * SHEET_PX)
            part.paste(picture.resize((SHEET_PX - 2, SHEET_PX - 2), Image.Resampling.BILINEAR), at)
            draw.text((at[0] + 3, at[1] + 2), str(cell.number), fill=(0, 0, 0), font=font)
        parts.append(part)
    if not parts:
        return np.full((LINE, SHEET_COLUMNS * SHEET_PX, 3), 255, np.uint8)
    return np.concatenate([np.asarray(part) for part in parts])
