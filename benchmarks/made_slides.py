"""Drawn slides: tiled TIFF pyramids of JPEG tiles, laid out of a few drawn blocks whose tiles are encoded once each.

These are drawings, as those of `leukoscope.drawn.synthetic`: nothing measured on them is evidence about real blood.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from leukoscope.drawn.synthetic import Stain, draw_photo

TILE = 256  # px
BLOCK = 2048  # px: side of what is drawn at once
STEPS = (1, 4, 16)  # of the pyramid
UM_PER_PX = 0.1
RED_CELL_PX = 75.0  # 7.5 µm
QUALITY = 85
KINDS = {"SHORT": (3, "H"), "LONG": (4, "I"), "RATIONAL": (5, "II")}
GLASS = Stain()


class Level(NamedTuple):
    """width, height: px. tile: (column, row) -> the JPEG of that tile."""

    width: int
    height: int
    tile: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Block:
    """A drawn part of a slide, RGB uint8 (S, S, 3), as large as all of a slide, and its white cells' (type, box)."""

    pixels: np.ndarray
    cells: tuple[tuple[str, tuple[int, int, int, int]], ...] = ()


def write_tiff(path: Path, levels: Sequence[Level], um_per_px: float | None = UM_PER_PX, tile: int = TILE) -> None:
    """Write a pyramid. Tiles that are the same object lie in the file once, however often they are shown."""
    with open(path, "wb") as file:
        file.write(b"II*\0\0\0\0\0")
        places: dict[int, int] = {}
        kept: list[bytes] = []  # so that no two of them ever have the same id
        pointer = 4
        for number, level in enumerate(levels):
            offsets, counts = [], []
            for row in range(-(-level.height // tile)):
                for column in range(-(-level.width // tile)):
                    data = level.tile(column, row)
                    if id(data) not in places:
                        places[id(data)] = file.tell()
                        kept.append(data)
                        file.write(data + b"\0" * (len(data) % 2))
                    offsets.append(places[id(data)])
                    counts.append(len(data))
            microns = um_per_px if number == 0 else None
            pointer = _directory(file, pointer, level, tile, offsets, counts, microns, number)


def _directory(
    file: BinaryIO,
    pointer: int,
    level: Level,
    tile: int,
    offsets: list[int],
    counts: list[int],
    um_per_px: float | None,
    number: int,
) -> int:
    """Write the directory of a level, and its place at `pointer`; gives where the place of the next one goes."""
    tags: dict[int, tuple[str, Sequence[int]]] = {
        254: ("LONG", [int(number > 0)]),
        256: ("LONG", [level.width]),
        257: ("LONG", [level.height]),
        258: ("SHORT", [8, 8, 8]),
        259: ("SHORT", [7]),  # JPEG
        262: ("SHORT", [6]),  # YCbCr
        277: ("SHORT", [3]),
        284: ("SHORT", [1]),
        322: ("LONG", [tile]),
        323: ("LONG", [tile]),
        324: ("LONG", offsets),
        325: ("LONG", counts),
        530: ("SHORT", [2, 2]),
    }
    if um_per_px:
        per_cm = round(1e4 / um_per_px)
        tags |= {282: ("RATIONAL", [per_cm, 1]), 283: ("RATIONAL", [per_cm, 1]), 296: ("SHORT", [3])}
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        code, form = KINDS[kind]
        data = struct.pack(f"<{len(values)}{form[0]}", *values)
        if len(data) > 4:
            place = file.tell()
            file.write(data + b"\0" * (len(data) % 2))
            data = struct.pack("<I", place)
        entries += struct.pack("<HHI", tag, code, len(values) // len(form)) + data.ljust(4, b"\0")
    here = file.tell()
    file.write(struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")
    end = file.tell()
    file.seek(pointer)
    file.write(struct.pack("<I", here))
    file.seek(end)
    return end - 4


def encoded(pixels: np.ndarray) -> bytes:
    """RGB uint8 (H, W, 3) -> JPEG."""
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, "JPEG", quality=QUALITY)
    return held.getvalue()


def write_slide(
    path: Path,
    blocks: Sequence[Block],
    layout: np.ndarray,
    size: tuple[int, int] | None = None,
    um_per_px: float | None = UM_PER_PX,
    steps: Sequence[int] = STEPS,
) -> None:
    """Write a slide of blocks.

    Args:
        path: of the TIFF.
        blocks: what it is made of.
        layout: int (rows, columns), which block lies where.
        size: of level 0, px; None: as large as the layout.
        um_per_px: of level 0; None: the slide does not say.
        steps: how many times smaller each level is; the first is 1.
    """
    whole_side = blocks[0].pixels.shape[0]
    width, height = size or (layout.shape[1] * whole_side, layout.shape[0] * whole_side)
    levels = []
    for step in steps:
        side = whole_side // step
        small = [np.asarray(Image.fromarray(block.pixels).reduce(step)) for block in blocks]
        if side % TILE == 0:
            per = side // TILE
            tiles = {
                (k, x, y): encoded(pixels[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE])
                for k, pixels in enumerate(small)
                for y in range(per)
                for x in range(per)
            }

            def tile(column: int, row: int, tiles: dict = tiles, per: int = per) -> bytes:
                return tiles[int(layout[row // per, column // per]), column % per, row % per]
        else:
            whole = np.concatenate([np.concatenate([small[k] for k in row], axis=1) for row in layout])
            room = [(0, -length % TILE) for length in whole.shape[:2]]
            whole = np.pad(whole, (*room, (0, 0)), mode="edge")

            def tile(column: int, row: int, whole: np.ndarray = whole) -> bytes:
                return encoded(whole[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE])

        levels.append(Level(width // step, height // step, tile))
    write_tiff(path, levels, um_per_px)


def cells_of(
    blocks: Sequence[Block], layout: np.ndarray, size: tuple[int, int] | None = None
) -> list[tuple[str, tuple[int, int, int, int]]]:
    """(type, box at level 0) of every white cell of a slide that lies in it whole."""
    side = blocks[0].pixels.shape[0]
    width, height = size or (layout.shape[1] * side, layout.shape[0] * side)
    found = []
    for (row, column), block in np.ndenumerate(layout):
        for name, (x0, y0, x1, y1) in blocks[int(block)].cells:
            box = (x0 + column * side, y0 + row * side, x1 + column * side, y1 + row * side)
            if box[2] <= width and box[3] <= height:
                found.append((name, box))
    return found


def drawn_block(types: Sequence[str], seed: int, side: int = BLOCK) -> Block:
    """One layer of red cells, and white cells of these types."""
    pixels, cells = draw_photo(types, seed=seed, width=side, height=side, red_cell_px=RED_CELL_PX, stain=GLASS)
    return Block(pixels, tuple((cell.cell_type, cell.box) for cell in cells))


def glass_block(seed: int = 0, side: int = BLOCK) -> Block:
    """Bare glass."""
    noise = np.random.default_rng(seed).normal(0, 1.5, (side, side, 1))
    return Block((np.array(GLASS.glass) + noise).clip(0, 255).astype(np.uint8))


def thick_block(block: Block) -> Block:
    """Three layers of cells over each other, as where a smear begins; its white cells are not told."""
    layers = [block.pixels, block.pixels[::-1], block.pixels[:, ::-1]]
    through = np.prod([np.minimum(layer / np.array(GLASS.glass), 1) for layer in layers], axis=0)
    return Block((through * np.array(GLASS.glass)).astype(np.uint8))


def blurred_block(block: Block, radius: float = 14.0) -> Block:
    """The same out of focus; its white cells are not told."""
    return Block(np.asarray(Image.fromarray(block.pixels).filter(ImageFilter.GaussianBlur(radius))))
