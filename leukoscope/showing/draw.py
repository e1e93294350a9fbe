"""Boxes and heatmaps on a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from leukoscope.biology.cells import CELLS
from leukoscope.model.prediction import Prediction

CROP_SIDE = 320  # px of the enlarged cell
CROP_ROOM = 0.3  # around a cell's box, of its longer side
LEAST_ROOM, MOST_ROOM = 0.05, 0.5  # around a cell that is shown at the photo's scale or larger
NAMES = {"review": "{label}?", "unfamiliar": "unfamiliar"}  # by a box: what is unfamiliar gets no type's name
HEAT = (  # from cold to hot: matplotlib's "inferno"
    *("#000004", "#110a30", "#320a5e", "#57106e", "#781c6d", "#9a2865", "#bc3754"),
    *("#d84c3e", "#ed6925", "#f98c0a", "#fcb418", "#f4df53", "#fcffa4"),
)


def draw_box(image: np.ndarray, box: tuple[int, int, int, int] | None, longest: int | None = None) -> np.ndarray:
    """A copy with a box in white on black, which stands out on any stain.

    Args:
        image: RGB uint8 (H, W, 3).
        box: (x0, y0, x1, y1) px of the image; None draws none.
        longest: shrink the copy to this side, px, if it is longer.

    Returns:
        RGB uint8 (H', W', 3).
    """
    shown = shrunk(image, longest or max(image.shape[:2]))
    if not box:
        return shown.copy()
    picture = Image.fromarray(shown)
    scale = max(shown.shape[:2]) / max(image.shape[:2])
    line = max(1, round(max(shown.shape[:2]) / 250))
    _rectangle(ImageDraw.Draw(picture), [round(scale * edge) for edge in box], line, line, (255, 255, 255))
    return np.asarray(picture)


def _rectangle(
    draw: ImageDraw.ImageDraw, box: Sequence[int], line: int, margin: int, colour: tuple[int, int, int]
) -> None:
    """The edge of a box, `line` px wide, on black that is wider by `margin` px on both sides."""
    x0, y0, x1, y1 = box
    for width, ink in ((line + 2 * margin, (0, 0, 0)), (line, colour)):
        out = width // 2
        corners = (x0 - out, y0 - out, max(x0, x1 - 1) + out, max(y0, y1 - 1) + out)
        draw.rectangle(corners, outline=ink, width=width)


def draw_cells(image: np.ndarray, predictions: list[Prediction], chosen: int | None = None) -> np.ndarray:
    """A copy with a numbered box round every cell, in the colour of the type that stands, else in white.

    Args:
        image: RGB uint8 (H, W, 3).
        predictions: of the picture's cells, in the order of their numbers.
        chosen: index of one to be drawn with a thicker line.

    Returns:
        RGB uint8 (H, W, 3).
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(height, width) / 320))
    font = ImageFont.load_default(8 + 6 * line)
    for index, prediction in enumerate(predictions):
        if not prediction.box:
            continue
        x0, y0, _, y1 = prediction.box
        stands = prediction.label if prediction.verdict == "confident" else None
        colour = _rgb(CELLS[stands].colour) if stands else (255, 255, 255)
        _rectangle(draw, prediction.box, line * (3 if index == chosen else 2), line, colour)
        text = f"{index + 1} {NAMES.get(prediction.verdict, '{label}').format(label=prediction.label)}"
        ascent, descent = font.getmetrics()  # type: ignore[union-attr]
        wide, high = round(font.getlength(text)) + 2 * line, ascent + descent
        left = min(max(0, x0), max(0, width - wide))
        top = y0 - high - line if y0 > high + line else max(0, min(y1 + line, height - high))
        draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=(0, 0, 0))
        draw.text((left + line, top), text, fill=(255, 255, 255), font=font)
    return np.asarray(picture)


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
    places = np.linspace(0, 1, len(HEAT))
    levels = np.array([_rgb(code) for code in HEAT]).T
    colours = np.stack([np.interp(heat, places, channel) for channel in levels], axis=-1).astype(np.float32)
    opacity = (0.75 * heat)[..., None].astype(np.float32)
    return (image * (1 - opacity) + colours * opacity + 0.5).astype(np.uint8)


def view(image: np.ndarray, box: tuple[int, int, int, int] | None, side: int) -> np.ndarray:
    """A cell as large as in the photo or larger, with as much around it as there is room for.

    Args:
        image: RGB uint8 (H, W, 3).
        box: of the cell; None: the whole photo.
        side: of the result, px. Only a cell that does not fit into it is shown smaller than in the photo.

    Returns:
        RGB uint8 (side, side, 3).
    """
    longer = max(box[2] - box[0], box[3] - box[1], 1) if box else side
    return crop(image, box, side, room=min(MOST_ROOM, max(LEAST_ROOM, (side / longer - 1) / 2)))


def crop(
    image: np.ndarray,
    box: tuple[int, int, int, int] | None,
    shown_side: int = CROP_SIDE,
    room: float = CROP_ROOM,
) -> np.ndarray:
    """The square around a cell, moved into the picture where that has room: (H, W) or (H, W, 3) -> (S, S) alike."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box or (0, 0, width, height)
    side = min(max(1, round(max(x1 - x0, y1 - y0) * (1 + 2 * room))), height, width)
    left = min(max(0, (x0 + x1 - side) // 2), width - side)
    top = min(max(0, (y0 + y1 - side) // 2), height - side)
    cut = image[top : top + side, left : left + side]
    return resized(cut, shown_side, shown_side)


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3) or float32 (H, W) -> the same of another size: every pixel has its share in what it falls on."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """RGB uint8 (H, W, 3) -> the same picture, its longer side at most `longest` px."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    return image if scale >= 1 else resized(image, max(1, round(scale * width)), max(1, round(scale * height)))


def data_uri(image: np.ndarray, quality: int = 85) -> str:
    """RGB uint8 (H, W, 3) -> the address of a JPEG that holds itself."""
    return jpeg_uri(jpeg(image, quality))


def jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """RGB uint8 (H, W, 3) -> JPEG."""
    return _encoded(image, "JPEG", quality=quality)


def png(image: np.ndarray) -> bytes:
    """RGB uint8 (H, W, 3) -> PNG."""
    return _encoded(image, "PNG", compress_level=3)


def _encoded(image: np.ndarray, form: str, **options: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, form, **options)
    return held.getvalue()


def jpeg_uri(data: bytes) -> str:
    """JPEG -> its address."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
