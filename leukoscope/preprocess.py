"""Photo + white cell -> network input. The only such path: training frames its examples here too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from leukoscope.locate import Cell
from leukoscope.restain import restain
from leukoscope.stain import empty_edge, glass_colour, median_colour, strengthened, without_frame

FRAMING_KINDS = ("cell", "photo")

NUCLEUS_MIDDLE = 0.7  # of its diameter: the square that is looked at ...
FLAT_SHARE = 0.4  # ... and the share of it that has one colour in a drawing; in photos, blurred ones too, up to 0.31


@dataclass(frozen=True)
class Framing:
    """What part of a photo the network sees.

    kind: "cell" frames one white cell at a scale at which every nucleus is equally wide, whatever the camera's
        magnification; "photo" squeezes the whole photo into the input.
    size: side of the square input, px.
    field: side of the framed square in nucleus diameters; 0 for kind "photo".
    glass: level, 0-255, that each channel of the photo's glass is brought to, so that the lamp and the camera's white
        balance do not matter; 0 leaves the colours as they are.
    stain: whether nuclei and red cells are brought to fixed colours too, so that the lab's dyes matter less; see
        `leukoscope.restain`.
    """

    kind: str
    size: int
    field: float = 0.0
    glass: float = 0.0
    stain: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no framing has, by a ValueError."""
        if self.kind not in FRAMING_KINDS:
            raise ValueError(f"framing kind must be one of {', '.join(FRAMING_KINDS)}, not {self.kind!r}")
        if not 8 <= self.size <= 1024:
            raise ValueError(f"framing size must be 8-1024 px, not {self.size}")
        if (self.kind == "cell") != (self.field > 0):
            raise ValueError("framing field must be above 0 for kind 'cell' and 0 for kind 'photo'")
        if not 0 <= self.glass <= 255:
            raise ValueError(f"framing glass must be 0-255, not {self.glass}")
        if self.stain and not (self.kind == "cell" and self.glass):
            raise ValueError("framing stain needs kind 'cell' and a glass above 0")


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of inputs scaled to 0-1 (RGB)."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


def frame(
    image: np.ndarray,
    framing: Framing,
    cell: Cell | None = None,
    margin: int = 0,
    glass: np.ndarray | None = None,
    within: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """Cut what the network sees out of a photo.

    Args:
        image: RGB uint8 (H, W, 3).
        framing: how.
        cell: the white cell to frame; needed for kind "cell".
        margin: px of surroundings added on each side at the same scale, for augmentation to move into.
        glass: `glass_colour` of the photo, where it is known already; None: it is measured if the framing asks for it.
        within: `without_frame` of the photo, likewise: on a large page it takes longer than the rest.

    Returns:
        RGB uint8 (S, S, 3), S = framing.size + 2 * margin. What lies outside the photo, the page around it and the
        black beside it are glass: a cell cut by the edge then looks as if it ended there. Without a framing.glass what
        lies outside is black.
    """
    side = framing.size + 2 * margin
    if framing.glass and glass is None:
        glass = glass_colour(image)
    if framing.kind == "photo":
        inner = cv2.resize(image, (framing.size, framing.size), interpolation=cv2.INTER_AREA)
        inner = _to_glass(inner, glass, framing.glass)
        return cv2.copyMakeBorder(inner, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    if cell is None:
        raise ValueError("framing kind 'cell' needs the cell to frame")
    left, top, reach = framed_square(framing, cell, margin)
    if framing.glass:
        rows, columns = within or without_frame(image)
        cut = _cut(image[rows, columns], left - columns.start, top - rows.start, reach, glass)
    else:
        cut = _cut(image, left, top, reach, None)
    if reach >= 2 * side:  # halves are averaged far faster than other shares; an odd pixel at the edge falls away
        cut = cv2.resize(cut[: reach // 2 * 2, : reach // 2 * 2], (reach // 2,) * 2, interpolation=cv2.INTER_AREA)
    crop = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA if reach > side else cv2.INTER_LINEAR)
    if framing.stain and glass is not None:
        if cell.strength != 1.0:
            crop = strengthened(crop, glass, cell.strength)
        return restain(crop, glass, framing.glass, margin)
    return _to_glass(crop, glass, framing.glass)


def _to_glass(crop: np.ndarray, glass: np.ndarray | None, level: float) -> np.ndarray:
    """Divide the colour of the photo's glass out of a crop, if there is a level to bring it to."""
    if not level or glass is None:
        return crop
    brightened = np.arange(256)[:, None] * (level / glass)
    brought = cv2.LUT(crop, np.minimum(brightened + 0.5, 255).astype(np.uint8)[:, None, :])
    edge = empty_edge(crop)
    if edge is not None:
        brought[edge > 0] = round(level)
    return brought


def is_flat(crop: np.ndarray, framing: Framing) -> bool:
    """Whether a framed cell has a nucleus of one flat colour, as only drawings have: what a camera sees has texture.

    Args:
        crop: RGB uint8 (S, S, 3), what `frame` gave for kind "cell".
        framing: how it was framed.
    """
    middle, half = framing.size // 2, round(NUCLEUS_MIDDLE * framing.size / framing.field / 2)
    colours = crop[middle - half : middle + half, middle - half : middle + half]
    typical = median_colour(colours.reshape(-1, 3))
    alike = cv2.inRange(colours, np.ceil(typical - 1), np.floor(typical + 1))
    return cv2.countNonZero(alike) > FLAT_SHARE * alike.size


def framed_square(framing: Framing, cell: Cell, margin: int = 0) -> tuple[int, int, int]:
    """What `frame` cuts out for a cell: left, top and side of the square, px of the photo; it may reach outside."""
    x0, y0, x1, y1 = cell.box
    reach = framing.field * cell.nucleus_px * (1 + 2 * margin / framing.size)
    return round((x0 + x1 - reach) / 2), round((y0 + y1 - reach) / 2), max(1, round(reach))


def _cut(image: np.ndarray, left: int, top: int, side: int, outside: np.ndarray | None) -> np.ndarray:
    """A square of the photo; where it reaches outside of this colour (3,), or black."""
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    height, width = inside.shape[:2]
    if (height, width) == (side, side):
        return inside
    colour = (0.0, 0.0, 0.0) if outside is None else np.round(outside).tolist()
    if not inside.size:
        return np.full((side, side, 3), colour, np.uint8)
    above, before = max(-top, 0), max(-left, 0)
    below, behind = side - above - height, side - before - width
    return cv2.copyMakeBorder(inside, above, below, before, behind, cv2.BORDER_CONSTANT, value=colour)


def normalise(crops: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    """uint8 (N, S, S, 3) -> float32 (N, S, S, 3), the network's input."""
    _, _, side, channels = crops.shape
    return cv2.LUT(crops.reshape(-1, side, channels), _normalised(normalisation)).reshape(crops.shape)


@lru_cache(maxsize=8)
def _normalised(normalisation: Normalisation) -> np.ndarray:
    """What becomes of each level of each channel: float32 (256, 1, 3)."""
    scale = 1.0 / (255.0 * np.asarray(normalisation.std, np.float32))
    shift = np.asarray(normalisation.mean, np.float32) / np.asarray(normalisation.std, np.float32)
    return np.arange(256)[:, None, None].astype(np.uint8) * scale.astype(np.float32) - shift
