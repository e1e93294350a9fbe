"""Drawn blood smears, for tests, demos and trials on a machine without data.

These are drawings: shapes, sizes and colours follow the descriptions in `leukoscope.biology.cells`, and nothing learned
or measured on them is evidence about real blood. Everything follows from the seed.

Every structure is drawn as the optical density that it adds; the photo is the bare glass times exp(-density).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from leukoscope.drawn.shapes import (
    Rng,
    closed_curve,
    depth_inside,
    filled,
    inner_edge,
    scattered,
    smooth_noise,
    softened,
    stroked,
    thickened,
)

RED_CELL_UM = 7.5
OVERSAMPLE = 2  # cells are drawn so many times larger, then averaged down: smooth edges
ROOM = 0.58  # of a white cell's diameter: what it needs on each side, bumps included

Colour = tuple[float, float, float]  # RGB, 0-255
_Lobes = tuple[int, float, float]  # how many, their radius in µm, radians from one to the next


@dataclass(frozen=True)
class Stain:
    """Colours (RGB, 0-255) of one stain under one lamp: bare glass, and a full layer of each thing on it."""

    glass: Colour = (240, 231, 216)
    red_cell: Colour = (205, 162, 154)
    platelet: Colour = (176, 146, 194)
    nucleus: Colour = (86, 52, 142)
    soft_nucleus: Colour = (108, 74, 160)  # the monocyte's finer chromatin
    veiled_nucleus: Colour = (152, 118, 182)  # the basophil's, under its granules
    pink_cytoplasm: Colour = (219, 188, 197)
    blue_cytoplasm: Colour = (172, 178, 206)
    grey_cytoplasm: Colour = (176, 173, 192)
    fine_granule: Colour = (206, 168, 192)
    red_granule: Colour = (206, 112, 124)  # denser than red cells and not more yellow, as in photos of two labs
    dark_granule: Colour = (84, 48, 134)

    @classmethod
    def random(cls, rng: Rng) -> Stain:
        """A stain a little stronger, weaker, redder or bluer than the default, on cooler or warmer glass."""
        glass = np.array(cls.glass)
        strength = rng.uniform(0.85, 1.15) * rng.uniform(0.96, 1.04, 3)
        lamp = (1 + rng.uniform(-1, 1) * np.array([0.045, 0.0, -0.045])) * rng.uniform(0.96, 1.02)
        colours = (glass * lamp * (np.array(getattr(cls, f.name)) / glass) ** strength for f in fields(cls))
        return cls(*(tuple(colour.tolist()) for colour in colours))

    def density(self, name: str) -> np.ndarray:
        """Optical density of a full layer of the named colour: float32 (3,)."""
        density: np.ndarray = np.log(np.divide(self.glass, getattr(self, name))).astype(np.float32)
        return density


class DrawnCell(NamedTuple):
    """One drawn white cell: its type and its box (x0, y0, x1, y1), px, x1 and y1 exclusive."""

    cell_type: str
    box: tuple[int, int, int, int]


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
        width: of the photo, px.
        height: of the photo, px.
        red_cell_px: width of a red cell, px; at least 8.
        stain: its colours; None: drawn from the seed.

    Returns:
        RGB uint8 (height, width, 3), and the white cells in the order given; their boxes do not overlap.

    Raises:
        ValueError: for an unknown type, more cells than there is room for, or too small a scale.
    """
    rng = np.random.default_rng(seed)
    sizes = [_size_px(name, red_cell_px, rng) for name in cell_types]
    places = _places(sizes, width, height, rng)
    return _draw(cell_types, sizes, places, rng, width, height, red_cell_px, stain)


def draw_cell(
    cell_type: str, *, seed: int, size: int = 240, red_cell_px: float | None = None, stain: Stain | None = None
) -> np.ndarray:
    """Draw one white cell in the middle of a square picture, red cells around it: RGB uint8 (size, size, 3).

    size is in px; a red cell is 0.22 of it wide unless red_cell_px is given. Arguments and errors: `draw_photo`.
    """
    rng = np.random.default_rng(seed)
    red_cell_px = red_cell_px or 0.22 * size
    diameter = _size_px(cell_type, red_cell_px, rng)
    return _draw([cell_type], [diameter], np.full(1, (1 + 1j) * size / 2), rng, size, size, red_cell_px, stain)[0]


def _size_px(cell_type: str, red_cell_px: float, rng: Rng) -> float:
    if cell_type not in _LOOKS:
        raise ValueError(f"unknown cell type {cell_type!r}: valid are {', '.join(DRAWN_TYPES)}")
    return float(rng.uniform(*_LOOKS[cell_type].size_um)) * red_cell_px / RED_CELL_UM


def _places(sizes: list[float], width: int, height: int, rng: Rng) -> np.ndarray:
    """Centres, as x + iy, at which the cells lie inside the picture and their boxes apart."""
    rooms = ROOM * np.array(sizes) + 2
    if len(rooms) and 2 * rooms.max() > min(width, height):
        raise ValueError(f"a white cell of {max(sizes):.0f} px does not fit into {width} x {height} px")
    for _ in range(100):
        places = np.zeros(len(sizes), complex)
        done: list[int] = []
        for i in np.argsort(-rooms).tolist():  # the largest first
            tries = rng.uniform(rooms[i], (width - rooms[i], height - rooms[i]), (100, 2)) @ (1, 1j)
            gaps = tries[:, None] - places[done]
            apart = (np.maximum(abs(gaps.real), abs(gaps.imag)) > rooms[done] + rooms[i]).all(axis=1)
            if not apart.any():
                break
            places[i] = tries[apart.argmax()]
            done.append(i)
        if len(done) == len(sizes):
            return places
    raise ValueError(f"no room for {len(sizes)} white cells in {width} x {height} px")


def _draw(
    cell_types: Sequence[str],
    sizes: list[float],
    places: np.ndarray,
    rng: Rng,
    width: int,
    height: int,
    red_cell_px: float,
    stain: Stain | None,
) -> tuple[np.ndarray, list[DrawnCell]]:
    if red_cell_px < 8:
        raise ValueError(f"red cells must be at least 8 px wide, not {red_cell_px:g}")
    stain = stain or Stain.random(rng)
    density = np.zeros((height, width, 3), np.float32)
    _red_cells_and_platelets(density, places, np.array(sizes) / 2, red_cell_px, stain, rng)
    drawn = []
    for name, size, place in zip(cell_types, sizes, places, strict=True):
        layers, outline = _white_cell(_LOOKS[name], size * OVERSAMPLE, red_cell_px * OVERSAMPLE / RED_CELL_UM, rng)
        for colour, layer in layers.items():
            _add(density, layer, stain.density(colour), place)
        edge = place + outline / OVERSAMPLE
        x0, y0 = max(0, int(edge.real.min() - 1)), max(0, int(edge.imag.min() - 1))
        x1, y1 = min(width, int(edge.real.max() + 2)), min(height, int(edge.imag.max() + 2))
        drawn.append(DrawnCell(name, (x0, y0, x1, y1)))
    # Uneven light, a lens that is not perfect, and the sensor's noise.
    field = np.linspace(-1, 1, width) + 1j * np.linspace(-1, 1, height)[:, None]
    shade: np.ndarray = (field * complex(*rng.uniform(-0.025, 0.025, 2))).real + rng.uniform(0.0, 0.03) * abs(
        field
    ) ** 2
    density += shade[..., None].astype(np.float32)
    glowing = np.exp(-density) * np.array(stain.glass, np.float32)
    lens = ImageFilter.GaussianBlur(max(0.5, red_cell_px / 120))
    sharp = Image.fromarray((glowing + 0.5).clip(0, 255).astype(np.uint8))
    photo: np.ndarray = np.asarray(sharp.filter(lens), np.float32)
    photo = photo + 1.6 * rng.standard_normal((height, width, 1), np.float32)
    return np.clip(photo, 0, 255, out=photo).astype(np.uint8), drawn


def _add(density: np.ndarray, layer: np.ndarray, colour: np.ndarray | float, place: complex) -> None:
    """Average an oversampled layer down and add it about a place, cut at the frame."""
    side = len(layer) // OVERSAMPLE
    layer = np.asarray(Image.fromarray(layer.astype(np.float32)).reduce(OVERSAMPLE))[..., None]
    left, top = round(place.real - side / 2), round(place.imag - side / 2)
    x, y = max(0, left), max(0, top)
    part = density[y : max(0, top + side), x : max(0, left + side)]
    part += layer[y - top :, x - left :][: part.shape[0], : part.shape[1]] * colour


def _red_cells_and_platelets(
    density: np.ndarray, white: np.ndarray, white_radii: np.ndarray, diameter: float, stain: Stain, rng: Rng
) -> None:
    height, width = density.shape[:2]
    red = np.zeros((height, width, 1), np.float32)  # of squares: two layers are 1.4 times as dark as one
    taken = np.zeros(0, complex)
    for _ in range(int(rng.uniform(0.75, 1.05) * width * height / (np.pi / 4 * diameter**2))):
        # Of a few places the one farthest from the others: some overlap, none are piled up.
        radius = 0.5 * diameter * rng.uniform(0.9, 1.08)
        tries = rng.uniform(-radius, width + radius, 3) + 1j * rng.uniform(-radius, height + radius, 3)
        tries = tries[(abs(tries[:, None] - white) > white_radii + 0.92 * radius).all(axis=1)]
        if len(tries):
            place = tries[abs(tries[:, None] - taken).min(axis=1, initial=1e9).argmax()]
            taken = np.append(taken, place)
            _add(red, _red_cell(radius * OVERSAMPLE, rng) ** 2, 1.0, place)
    density += np.sqrt(red) * stain.density("red_cell")
    for _ in range(rng.poisson(width * height / (12 * diameter**2))):
        place = complex(*rng.uniform(0, (width, height)))
        radius = OVERSAMPLE * diameter * rng.uniform(0.1, 0.16)
        if (abs(place - white) > white_radii + radius).all():
            side = OVERSAMPLE * int(3.6 * radius / OVERSAMPLE)
            spot = softened(filled(side, closed_curve(radius, 0.2, rng)), 0.2 * radius)
            _add(
                density, spot * (0.75 + 0.2 * smooth_noise(side, 0.25 * radius, rng)), stain.density("platelet"), place
            )


def _red_cell(radius: float, rng: Rng) -> np.ndarray:
    """A disc that is thinner in the middle: float32, about 0-1."""
    side = OVERSAMPLE * int(2.5 * radius / OVERSAMPLE)
    depth = depth_inside(side, closed_curve(radius, 0.04, rng, rng.uniform(0.94, 1.08))) / radius
    dimple = np.clip((depth - rng.uniform(0.2, 0.35)) / 0.35, 0, 1)
    disc = np.clip(depth / 0.08, 0, 1) * (1 - rng.uniform(0.1, 0.85) * dimple**2 * (3 - 2 * dimple))
    shaded: np.ndarray = disc * rng.uniform(0.85, 1.1)
    return shaded


def _lobes(kinds: Sequence[_Lobes], side: int, um: float, diameter: float, rng: Rng) -> np.ndarray:
    """A nucleus of lobes on an arc, each joined to the next by a thin filament: a mask; `um` is px a µm."""
    count, radius_um, gap = kinds[int(rng.integers(len(kinds)))]
    radius = radius_um * um
    angles = rng.uniform(0, 2 * np.pi) + gap * (np.arange(count) + rng.uniform(-0.1, 0.1, count))
    reach = np.minimum(0.26 * diameter * rng.uniform(0.75, 1.1, count), diameter / 2 - 1.2 * radius)
    lobes = [closed_curve(radius * rng.uniform(0.88, 1.12), 0.15, rng) for _ in range(count)]
    lobes = [0.9 * lobe.real + 1.1j * lobe.imag for lobe in lobes]  # longer along the arc
    mask = filled(side, *((lobe + r) * np.exp(1j * angle) for lobe, r, angle in zip(lobes, reach, angles, strict=True)))
    along = np.linspace(angles[0], angles[-1], 60)
    filament = np.interp(along, angles, reach) * np.exp(1j * along)
    joined: np.ndarray = np.maximum(mask, stroked(side, filament, max(2, round(0.4 * um))))
    return joined


def _disc(side: int, um: float, diameter: float, rng: Rng) -> np.ndarray:
    """The lymphocyte's nucleus: it fills nearly all of the cell, off its middle."""
    curve = closed_curve(diameter * rng.uniform(0.4, 0.44), 0.06, rng, rng.uniform(1.0, 1.06))
    return filled(side, curve + complex(*rng.uniform(-0.035, 0.035, 2)) * diameter)


def _band(side: int, um: float, diameter: float, rng: Rng) -> np.ndarray:
    """The monocyte's nucleus: a thick band, bent into anything from a kidney to a horseshoe."""
    bend, along = rng.uniform(0, 1), np.linspace(-0.5, 0.5, 40)
    length, radius, turn = (6.5 + 8.5 * bend) * um, (4.5 - 1.7 * bend) * um, 1.7 + 2.3 * bend
    band = np.exp(1j * turn * along) * length / turn
    band = (band - band.mean()) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    band += complex(*rng.uniform(-0.05, 0.05, 2)) * diameter
    bumps = np.interp(along, np.linspace(-0.5, 0.5, 6), rng.normal(size=6))
    return thickened(side, band, radius * (0.88 + 0.5 * along**2 + 0.07 * bumps))


class _Look(NamedTuple):
    size_um: tuple[float, float]
    cytoplasm: str  # a field of Stain
    nucleus: str  # a field of Stain
    shape: Callable[..., np.ndarray]  # of the nucleus: mask, uint8 0 or 255
    chromatin: tuple[float, float]  # grain in µm, contrast
    granules: tuple[str, float, float] | None = None  # a field of Stain, radius and spacing in µm
    veiled: bool = False  # granules lie over the nucleus
    vacuoles: bool = False


# One of these is taken.
_SEGMENTED = partial(
    _lobes, ((2, 2.5, 2.0), (3, 2.2, 1.65), (3, 2.2, 1.65), (4, 1.95, 1.32), (4, 1.95, 1.32), (5, 1.7, 1.1))
)
_TWO_LOBED = partial(_lobes, ((2, 2.7, 1.95), (2, 2.7, 2.1), (2, 2.75, 2.2), (2, 2.8, 2.3), (3, 2.3, 1.6)))
_LOOKS = {
    "eosinophil": _Look((12, 15), "pink_cytoplasm", "nucleus", _TWO_LOBED, (0.4, 0.2), ("red_granule", 0.42, 0.62)),
    "lymphocyte": _Look((8, 10), "blue_cytoplasm", "nucleus", _disc, (0.5, 0.16)),
    "monocyte": _Look(
        (15, 18), "grey_cytoplasm", "soft_nucleus", _band, (0.28, 0.24), ("fine_granule", 0.12, 0.9), vacuoles=True
    ),
    "neutrophil": _Look((12, 14), "pink_cytoplasm", "nucleus", _SEGMENTED, (0.4, 0.2), ("fine_granule", 0.14, 0.42)),
    "basophil": _Look(
        (11, 14), "pink_cytoplasm", "veiled_nucleus", _TWO_LOBED, (0.4, 0.1), ("dark_granule", 0.4, 0.68), veiled=True
    ),
}

DRAWN_TYPES = tuple(_LOOKS)
"""What can be drawn: the cell types, and the basophil."""


def _white_cell(look: _Look, diameter: float, um: float, rng: Rng) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Layers of a cell, float32 (side, side) by colour, and its outline."""
    side = OVERSAMPLE * int(1.35 * diameter / OVERSAMPLE)
    outline = closed_curve(diameter / 2, 0.09 if look.vacuoles else 0.05, rng)
    body = softened(filled(side, outline), 0.12 * um)
    # Corners of the nucleus melt, and its edge is a little rough.
    nucleus = softened(look.shape(side, um, diameter, rng), 0.22 * um)
    nucleus += 0.05 * smooth_noise(side, 0.5 * um, rng) * (nucleus > 0.02)
    nucleus = np.clip(2.5 * nucleus - 0.75, 0, 1) * (body > 0.5)
    cytoplasm = body * (1 - nucleus)
    if look.vacuoles:
        cytoplasm *= 1 - scattered(cytoplasm, 0.4 * um, 2.7 * um, rng)
    grain, contrast = look.chromatin
    clumps = 1 - contrast * np.clip(smooth_noise(side, grain * um, rng), -1, 1.8) + 0.15 * inner_edge(nucleus, 0.2 * um)
    ground = 1 + 0.3 * inner_edge(body, 0.3 * um) + 0.09 * smooth_noise(side, 0.35 * um, rng)
    layers = {look.cytoplasm: cytoplasm * ground, look.nucleus: nucleus * clumps}
    if look.granules:
        colour, radius, spacing = look.granules
        layers[colour] = scattered(body if look.veiled else cytoplasm, radius * um, spacing * um, rng)
    return layers, outline
