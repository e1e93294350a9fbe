"""Drawn blood smears, for tests, demos and trials on a machine without data.

These are drawings: shapes, sizes and colours follow the descriptions in `leukoscope.cells`, and nothing learned or
measured on them is evidence about real blood. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.cells import CELL_TYPES

DRAWN_TYPES = (*CELL_TYPES, "basophil")
RED_CELL_UM = 7.5
OVERSAMPLE = 2  # drawn so many times larger, then averaged down: smooth edges

Colour = tuple[float, float, float]  # RGB, 0-255
Range = tuple[float, float]


@dataclass(frozen=True)
class Stain:
    """Colours (RGB, 0-255) of one stain under one lamp."""

    glass: Colour = (232, 226, 214)
    red_cell: Colour = (206, 160, 150)
    platelet: Colour = (150, 110, 180)
    nucleus: Colour = (92, 52, 138)
    soft_nucleus: Colour = (126, 86, 168)  # the monocyte's finer chromatin
    pink_cytoplasm: Colour = (226, 196, 206)
    blue_cytoplasm: Colour = (158, 176, 222)
    grey_cytoplasm: Colour = (178, 176, 204)
    fine_granule: Colour = (204, 160, 186)
    eosin_granule: Colour = (212, 108, 92)
    basophil_granule: Colour = (66, 36, 110)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Stain:
        """A stain a little stronger, weaker, warmer or colder than the default one."""
        lamp = rng.uniform(0.95, 1.03, 3)
        strength = rng.uniform(0.85, 1.12)
        stain = cls()
        glass = np.array(stain.glass)
        mixed = {
            f.name: tuple(np.clip(glass * (np.array(getattr(stain, f.name)) / glass) ** strength * lamp, 0, 255))
            for f in fields(cls)
        }
        return replace(stain, **mixed)


class DrawnCell(NamedTuple):
    """One drawn white cell: its type and its box (x0, y0, x1, y1), px, x1 and y1 exclusive."""

    cell_type: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class _Look:
    size_um: Range
    cytoplasm: str
    nucleus: str
    lobes: tuple[int, ...]  # how many, as often as they stand here; 0: one round body, -1: one indented body
    lobe_um: Range  # radius of a lobe
    granules: tuple[str, float, float] | None = None  # colour, radius in µm, share of the cytoplasm filled


_LOOKS = {
    "neutrophil": _Look(
        (12, 14), "pink_cytoplasm", "nucleus", (3, 3, 4, 4, 5), (1.8, 2.3), ("fine_granule", 0.16, 0.25)
    ),
    "eosinophil": _Look((12, 15), "pink_cytoplasm", "nucleus", (2, 2, 2, 3), (2.3, 2.8), ("eosin_granule", 0.42, 1.1)),
    "lymphocyte": _Look((8, 10), "blue_cytoplasm", "nucleus", (0,), (3.5, 3.9)),
    "monocyte": _Look((15, 18), "grey_cytoplasm", "soft_nucleus", (-1,), (4.6, 5.4)),
    "basophil": _Look((11, 14), "pink_cytoplasm", "nucleus", (2, 3), (2.2, 2.6), ("basophil_granule", 0.5, 1.3)),
}


def draw_photo(
    cell_types: Sequence[str],
    *,
    seed: int,
    width: int = 640,
    height: int = 480,
    red_cell_px: float = 96.0,
    stain: Stain | None = None,
) -> tuple[np.ndarray, list[DrawnCell]]:
    """Draw a field of a stained smear.

    Args:
        cell_types: white cells to draw, each one of `DRAWN_TYPES`; may be empty.
        seed: everything follows from it.
        width, height: size of the photo, px.
        red_cell_px: width of a red cell, px.
        stain: its colours; None: drawn from the seed.

    Returns:
        RGB uint8 (height, width, 3), and the white cells in the order given.

    Raises:
        ValueError: for an unknown type, or more cells than there is room for.
    """
    rng = np.random.default_rng(seed)
    sizes = [_size_px(name, red_cell_px, rng) for name in cell_types]
    centres = _places(sizes, width, height, rng)
    return _draw(list(zip(cell_types, sizes, centres, strict=True)), rng, width, height, red_cell_px, stain)


def draw_cell(
    cell_type: str, *, seed: int, size: int = 240, red_cell_px: float | None = None, stain: Stain | None = None
) -> np.ndarray:
    """Draw one white cell in the middle of a square picture, red cells around it.

    Args:
        cell_type: one of `DRAWN_TYPES`.
        seed: everything follows from it.
        size: side of the picture, px.
        red_cell_px: width of a red cell, px; None: 0.22 of the side.
        stain: its colours; None: drawn from the seed.

    Returns:
        RGB uint8 (size, size, 3).

    Raises:
        ValueError: for an unknown type.
    """
    rng = np.random.default_rng(seed)
    red_cell_px = red_cell_px or 0.22 * size
    diameter = _size_px(cell_type, red_cell_px, rng)
    return _draw([(cell_type, diameter, (size / 2, size / 2))], rng, size, size, red_cell_px, stain)[0]


# --- composing -------------------------------------------------------------------------------------------


def _size_px(cell_type: str, red_cell_px: float, rng: np.random.Generator) -> float:
    if cell_type not in _LOOKS:
        raise ValueError(f"unknown cell type {cell_type!r}: valid are {', '.join(DRAWN_TYPES)}")
    return rng.uniform(*_LOOKS[cell_type].size_um) * red_cell_px / RED_CELL_UM


def _places(sizes: list[float], width: int, height: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Centres at which the cells stand inside the picture and apart from each other."""
    centres: list[tuple[float, float]] = []
    for size in sizes:
        room = 0.58 * size
        if 2 * room > min(width, height):
            raise ValueError(f"a white cell of {size:.0f} px does not fit into {width} x {height} px")
        for _ in range(2000):
            x, y = rng.uniform(room, width - room), rng.uniform(room, height - room)
            apart = (
                np.hypot(x - a, y - b) > 0.62 * (size + other) for (a, b), other in zip(centres, sizes, strict=False)
            )
            if all(apart):
                centres.append((x, y))
                break
        else:
            raise ValueError(f"no room for {len(sizes)} white cells in {width} x {height} px")
    return centres


def _draw(cells, rng, width, height, red_cell_px, stain):
    stain = stain or Stain.random(rng)
    k = OVERSAMPLE
    canvas = np.empty((height * k, width * k, 3), np.float32)
    canvas[:] = stain.glass
    _red_cells(canvas, [(x * k, y * k, 0.5 * size * k) for _, size, (x, y) in cells], red_cell_px * k, stain, rng)
    drawn = [
        DrawnCell(name, _white_cell(canvas, name, size * k, (x * k, y * k), red_cell_px * k / RED_CELL_UM, stain, rng))
        for name, size, (x, y) in cells
    ]
    photo = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    # Uneven light, a lens that is not perfect, and the sensor's noise.
    slope = rng.uniform(-0.03, 0.03, 2)
    light = (
        1 + slope[0] * np.linspace(-1, 1, width)[None, :, None] + slope[1] * np.linspace(-1, 1, height)[:, None, None]
    )
    photo = cv2.GaussianBlur(photo * light.astype(np.float32), (0, 0), max(0.5, red_cell_px / 110))
    photo += rng.normal(0, 1.6, photo.shape).astype(np.float32)
    return np.clip(photo, 0, 255).astype(np.uint8), drawn


def _paint(canvas: np.ndarray, mask: np.ndarray, x: int, y: int, colour: Colour) -> None:
    """Lay a colour over the canvas; mask is float 0-1 with its corner at (x, y), which may lie outside."""
    top, left = max(0, y), max(0, x)
    bottom, right = min(canvas.shape[0], y + mask.shape[0]), min(canvas.shape[1], x + mask.shape[1])
    if bottom <= top or right <= left:
        return
    cover = mask[top - y : bottom - y, left - x : right - x, None]
    area = canvas[top:bottom, left:right]
    area += cover * (np.asarray(colour, np.float32) - area)


def _outline(radius: float, wobble: float, rng: np.random.Generator, stretch: float = 1.0) -> np.ndarray:
    """A closed curve near a circle: float (64, 2) about the origin."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    r = np.full(64, radius)
    for wave in (2, 3, 4, 5):
        r += radius * wobble / wave * rng.normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    points = np.stack([r * np.cos(angle) * stretch, r * np.sin(angle) / stretch], axis=1)
    turn = rng.uniform(0, 2 * np.pi)
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def _fill(points: np.ndarray, side: int, soft: float) -> np.ndarray:
    """Mask (side, side), float 0-1, of a curve about its middle, with a soft edge."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint(points + side / 2).astype(np.int32)], 255)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.6, soft))


def _red_cells(canvas, white, diameter, stain, rng) -> None:
    height, width = canvas.shape[:2]
    count = int(0.62 * width * height / (np.pi / 4 * diameter**2))
    for _ in range(count):
        x, y = (
            rng.uniform(-0.3 * diameter, width + 0.3 * diameter),
            rng.uniform(-0.3 * diameter, height + 0.3 * diameter),
        )
        radius = 0.5 * diameter * rng.uniform(0.88, 1.08)
        if any(np.hypot(x - a, y - b) < r + 0.8 * radius for a, b, r in white):
            continue
        side = int(2.6 * radius)
        body = _fill(_outline(radius, 0.05, rng, rng.uniform(0.92, 1.1)), side, 0.03 * diameter)
        pallor = _fill(_outline(0.42 * radius, 0.08, rng), side, 0.12 * diameter) * rng.uniform(0.25, 0.75)
        _paint(canvas, body * (0.9 - pallor), int(x - side / 2), int(y - side / 2), stain.red_cell)
    for _ in range(rng.poisson(width * height / (14 * diameter**2))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), 0.5 * diameter * rng.uniform(0.16, 0.3)
        if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in white):
            side = int(4 * radius) + 2
            spot = _fill(_outline(radius, 0.2, rng), side, 0.35 * radius) * 0.75
            _paint(canvas, spot, int(x - side / 2), int(y - side / 2), stain.platelet)


# --- one white cell --------------------------------------------------------------------------------------


def _white_cell(canvas, name, diameter, centre, um, stain, rng) -> tuple[int, int, int, int]:
    """Draw a cell; `um` is px of the canvas a µm. Returns its box in px of the photo."""
    look = _LOOKS[name]
    side = int(1.5 * diameter)
    x, y = int(centre[0] - side / 2), int(centre[1] - side / 2)
    outline = _outline(diameter / 2, 0.1 if name == "monocyte" else 0.04, rng)
    body = _fill(outline, side, 0.12 * um)
    nucleus = _nucleus(look, diameter, side, um, rng) * (body > 0.5)
    _paint(canvas, body * 0.88, x, y, getattr(stain, look.cytoplasm))
    if name == "monocyte":
        _spots(canvas, body * (nucleus < 0.3), (x, y), 0.5 * um, 0.12, stain.glass, rng, strength=0.55)  # vacuoles
        _spots(canvas, body, (x, y), 0.13 * um, 0.2, stain.fine_granule, rng, strength=0.5)
    # Chromatin: clumped and dense, or fine and lacy in the monocyte.
    grain = cv2.GaussianBlur(
        rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), (0.28 if name == "monocyte" else 0.5) * um
    )
    grain = np.clip(1 + 0.09 * grain / grain.std(), 0.7, 1.0)
    _paint(canvas, np.clip(nucleus, 0, 1) * 0.94 * grain, x, y, getattr(stain, look.nucleus))
    if look.granules:
        colour, radius, share = look.granules
        over = 1.0 if name == "basophil" else 0.0  # a basophil's granules hide its nucleus
        room = body * np.clip(1 - nucleus + over, 0, 1)
        _spots(canvas, room, (x, y), radius * um, share, getattr(stain, colour), rng, 0.9 if share > 0.5 else 0.6)
    points = (outline + np.array(centre)) / OVERSAMPLE
    height, width = (n // OVERSAMPLE for n in canvas.shape[:2])
    (x0, y0), (x1, y1) = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    return max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1))


def _nucleus(look: _Look, diameter: float, side: int, um: float, rng: np.random.Generator) -> np.ndarray:
    """Mask (side, side) of the nucleus, float 0-1."""
    lobes, radius = int(rng.choice(look.lobes)), rng.uniform(*look.lobe_um) * um
    soft = 0.15 * um
    if lobes == 0:
        shift = rng.uniform(-0.06, 0.06, 2) * diameter
        return _fill(_outline(radius, 0.05, rng) + shift, side, soft)
    if lobes == -1:
        body = _fill(_outline(radius, 0.06, rng, 1.15) + rng.uniform(-0.05, 0.05, 2) * diameter, side, soft)
        angle = rng.uniform(0, 2 * np.pi)
        notch = np.array([np.cos(angle), np.sin(angle)]) * radius * rng.uniform(0.95, 1.15)
        return np.clip(body - 1.2 * _fill(_outline(radius * rng.uniform(0.4, 0.6), 0.1, rng) + notch, side, soft), 0, 1)
    # Lobes stand on an arc about the middle, each joined to the next by a thin filament.
    start, span = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.15) * (2.6 if lobes == 2 else 1.35 * lobes)
    reach = (0.5 * diameter - radius) * (0.72 if lobes > 2 else 0.62)
    angles = start + span * (np.arange(lobes) / max(1, lobes - 1) if lobes > 1 else np.zeros(1))
    angles = np.where(span > 5.2, start + 5.2 * np.arange(lobes) / max(1, lobes - 1), angles)
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach * rng.uniform(0.9, 1.1, (lobes, 1))
    mask = np.zeros((side, side), np.float32)
    for centre in centres:
        mask = np.maximum(
            mask, _fill(_outline(radius * rng.uniform(0.85, 1.1), 0.1, rng, rng.uniform(0.9, 1.2)) + centre, side, soft)
        )
    line = np.zeros((side, side), np.uint8)
    path = np.rint(centres + side / 2).astype(np.int32)
    cv2.polylines(line, [path], False, 255, max(1, round(0.7 * um)), cv2.LINE_AA)
    return np.maximum(mask, cv2.GaussianBlur(line.astype(np.float32) / 255, (0, 0), soft))


def _spots(canvas, room, corner, radius, share, colour, rng, strength) -> None:
    """Strew round spots where `room` is above a half, covering about `share` of it."""
    rows, columns = np.nonzero(room > 0.5)
    count = int(share * len(rows) / (np.pi * max(radius, 1.0) ** 2))
    if not count:
        return
    mask = np.zeros(room.shape, np.uint8)
    for index in rng.integers(0, len(rows), count):
        cv2.circle(
            mask,
            (int(columns[index]), int(rows[index])),
            max(1, round(radius * rng.uniform(0.8, 1.2))),
            255,
            -1,
            cv2.LINE_AA,
        )
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.5, 0.35 * radius)) * np.clip(
        2 * room - 0.6, 0, 1
    )
    _paint(canvas, soft * strength, *corner, colour)
