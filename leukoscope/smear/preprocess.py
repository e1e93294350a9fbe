"""Photo + white cell -> network input. The only such path: training frames its examples here too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from leukoscope.smear.locate import Cell

FRAMING_KINDS = ("cell", "photo")
MOST_FIELD = 4.0
MOST_SIDE = 2048  # px of a framed square; of a larger one every so many rows and columns are taken


@dataclass(frozen=True)
class Framing:
    """What part of a photo the network sees.

    kind: "cell" frames one white cell at a scale at which every cell is equally wide, whatever the camera's
        magnification; "photo" squeezes the whole photo into the input.
    size: side of the square input, px.
    field: side of the framed square, in longer sides of the cell's box; 0 for kind "photo".
    """

    kind: str
    size: int
    field: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no framing has, by a ValueError."""
        if self.kind not in FRAMING_KINDS:
            raise ValueError(f"framing kind must be one of {', '.join(FRAMING_KINDS)}, not {self.kind!r}")
        if not 8 <= self.size <= 1024:
            raise ValueError(f"framing size must be 8-1024 px, not {self.size}")
        if self.kind == "photo" and self.field != 0:
            raise ValueError("framing field must be 0 for kind 'photo'")
        if self.kind == "cell" and not 0 < self.field <= MOST_FIELD:
            raise ValueError(f"framing field must be above 0, {MOST_FIELD} at most, for kind 'cell', not {self.field}")


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of inputs scaled to 0-1 (RGB)."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


def frame(image: np.ndarray, framing: Framing, cell: Cell | None = None, margin: int = 0) -> np.ndarray:
    """Cut what the network sees out of a photo.

    Args:
        image: RGB uint8 (H, W, 3).
        framing: how.
        cell: the white cell to frame; needed for kind "cell".
        margin: px of surroundings added on each side at the same scale, for augmentation to move into.

    Returns:
        RGB uint8 (S, S, 3), S = framing.size + 2 * margin. What lies outside the photo is black. Colours are left as
        they are: the network has learned to do without a stain of its own.
    """
    side = framing.size + 2 * margin
    if framing.kind == "photo":
        return np.pad(_resized(image, framing.size), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    if cell is None:
        raise ValueError("framing kind 'cell' needs the cell to frame")
    left, top, reach = framed_square(framing, cell, margin)
    step = -(-reach // MOST_SIDE)  # the square of a cell that fills a huge photo would need more memory than the photo
    return _resized(_cut(image[::step, ::step], left // step, top // step, reach // step), side)


def framed_square(framing: Framing, cell: Cell, margin: int = 0) -> tuple[int, int, int]:
    """What `frame` cuts out for a cell: left, top and side of the square, px of the photo; it may reach outside."""
    x0, y0, x1, y1 = cell.box
    reach = framing.field * max(x1 - x0, y1 - y0) * (1 + 2 * margin / framing.size)
    return round((x0 + x1 - reach) / 2), round((y0 + y1 - reach) / 2), max(1, round(reach))


def _cut(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """A square of the photo; where it reaches outside it is black."""
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.zeros((side, side, 3), np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    square[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return square


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    """Squeezed into a square of `side` px: every pixel of the photo has its share in what it falls on."""
    if image.shape[:2] == (side, side):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))


def normalise(crops: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    """uint8 (N, S, S, 3) -> float32 (N, S, S, 3), the network's input."""
    scale = 1.0 / (255.0 * np.asarray(normalisation.std, np.float32))
    shift = np.asarray(normalisation.mean, np.float32) / np.asarray(normalisation.std, np.float32)
    return crops * scale.astype(np.float32) - shift
