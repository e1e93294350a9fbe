"""Boxes and heatmaps on a picture."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from leukoscope.cells import CELLS
from leukoscope.classifier import Prediction

CROP_SIDE = 320  # px of the enlarged cell
CROP_ROOM = 0.3  # around a cell's box, of its longer side


def draw_box(image: np.ndarray, box: tuple[int, int, int, int] | None, longest: int | None = None) -> np.ndarray:
    """A copy with a box in white on black, which stands out on any stain.

    Args:
        image: RGB uint8 (H, W, 3).
        box: (x0, y0, x1, y1) px of the image; None draws none.
        longest: shrink the copy to this side, px, if it is longer.

    Returns:
        RGB uint8 (H', W', 3).
    """
    scale = min(1.0, (longest or np.inf) / max(image.shape[:2]))
    shown = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    if box:
        x0, y0, x1, y1 = (round(scale * edge) for edge in box)
        line = max(1, round(max(shown.shape[:2]) / 250))
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (0, 0, 0), 3 * line)
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (255, 255, 255), line)
    return shown


def draw_cells(image: np.ndarray, predictions: list[Prediction], chosen: int | None = None) -> np.ndarray:
    """A copy with a numbered box round every cell, in the colour of the type that stands, else in white.

    Args:
        image: RGB uint8 (H, W, 3).
        predictions: of the picture's cells, in the order of their numbers.
        chosen: index of one to be drawn with a thicker line.

    Returns:
        RGB uint8 (H, W, 3).
    """
    shown = image.copy()
    line = max(1, round(max(shown.shape[:2]) / 320))
    font = cv2.FONT_HERSHEY_SIMPLEX
    for index, prediction in enumerate(predictions):
        if not prediction.box:
            continue
        x0, y0, x1, y1 = prediction.box
        thick = line * (3 if index == chosen else 2)
        stands = prediction.label if prediction.verdict == "confident" else None
        colour = _rgb(CELLS[stands].colour) if stands else (255, 255, 255)
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (0, 0, 0), thick + 2 * line)
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), colour, thick)
        marks = {"confident": "", "review": "?", "unfamiliar": "??"}
        text = f"{index + 1} {prediction.label}{marks.get(prediction.verdict, '')}"
        (width, height), below = cv2.getTextSize(text, font, 0.25 + 0.2 * line, line)
        left = min(max(0, x0), max(0, shown.shape[1] - width - 2 * line))
        base = y0 - below - line if y0 > height + below + 2 * line else min(y1 + height + line, shown.shape[0] - below)
        cv2.rectangle(shown, (left, base - height - line), (left + width + line, base + below), (0, 0, 0), -1)
        cv2.putText(shown, text, (left, base), font, 0.25 + 0.2 * line, (255, 255, 255), line, cv2.LINE_AA)
    return shown


def _rgb(code: str) -> tuple[int, int, int]:
    """A hex code as a colour: "#0072B2" -> (0, 114, 178)."""
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def draw_heatmap(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A copy with heat laid over it: the hotter, the more opaque, from dark violet to yellow.

    Args:
        image: RGB uint8 (H, W, 3).
        heat: float (H, W), 0-1.

    Returns:
        RGB uint8 (H, W, 3).
    """
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1].astype(np.float32)
    opacity = (0.75 * heat)[..., None].astype(np.float32)
    return (image * (1 - opacity) + colours * opacity + 0.5).astype(np.uint8)


def crop(image: np.ndarray, box: tuple[int, int, int, int] | None, shown_side: int = CROP_SIDE) -> np.ndarray:
    """The square around a cell, moved into the picture where that has room: (H, W) or (H, W, 3) -> (S, S) alike."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box or (0, 0, width, height)
    side = min(max(1, round(max(x1 - x0, y1 - y0) * (1 + 2 * CROP_ROOM))), height, width)
    left = min(max(0, (x0 + x1 - side) // 2), width - side)
    top = min(max(0, (y0 + y1 - side) // 2), height - side)
    cut = image[top : top + side, left : left + side]
    shrink = side > shown_side
    return cv2.resize(cut, (shown_side,) * 2, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)


def data_uri(image: np.ndarray, quality: int = 85) -> str:
    """RGB uint8 (H, W, 3) -> the address of a JPEG that holds itself."""
    return jpeg_uri(jpeg(image, quality))


def jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """RGB uint8 (H, W, 3) -> JPEG."""
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def jpeg_uri(data: bytes) -> str:
    """JPEG -> its address."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
