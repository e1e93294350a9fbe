"""What is drawn over photos, or stands beside them: strips, text, scale bars, pens, boxes, screens, round fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

Rng = np.random.Generator
Colour = tuple[int, int, int]  # RGB

WORDS = (
    "100x",
    "20 um",
    "10.0 µm",
    "WBC 0.97",
    "Neutrophil",
    "cell",
    "2024-05-01",
    "ID 00371",
    "MicroCam 5.0",
    "x40",
    "A1",
    "mono",
    "Lymph",
)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
PLAIN_COLOURS = (
    (0, 0, 0),
    (255, 255, 255),
    (20, 30, 140),
    (255, 255, 0),
    (0, 255, 0),
    (255, 0, 0),
    (0, 0, 255),
    (0, 255, 255),
    (255, 0, 255),
    (30, 30, 30),
)
SECOND = 0.3  # share of pictures with two such things


def overlaid(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> np.ndarray:
    """Draw one or two such things over a picture.

    Args:
        picture: RGB uint8 (H, W, 3), which is changed.
        boxes: of the cells that detectors' boxes are drawn round, (N, 4), px.
        rng: what is drawn from.

    Returns:
        Where pixels are others now, bool (H, W).
    """
    before = picture.copy()
    for _ in range(1 + (rng.random() < SECOND)):
        KINDS[rng.integers(len(KINDS))](picture, boxes, rng)
    return (picture != before).any(axis=2)


def _strip(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """A strip at one side, with text if that is above or below."""
    height, width = picture.shape[:2]
    deep = int(rng.uniform(0.04, 0.22) * height)
    colour = _colour(rng)
    side = rng.integers(4)
    where = (np.s_[:deep], np.s_[height - deep :], np.s_[:, :deep], np.s_[:, width - deep :])[side]
    picture[where] = colour
    if side < 2 and rng.random() < 0.8:
        _text(picture, int(rng.integers(0, width // 2)), deep - 2 if side == 0 else height - 3, rng)


def _scale_bar(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """A scale bar above or below, mostly with its length."""
    height, width = picture.shape[:2]
    long, thick = int(rng.uniform(0.08, 0.4) * width), int(rng.integers(1, 5))
    x = int(rng.integers(2, max(3, width - long)))
    y = int(rng.choice([rng.integers(4, 20), height - rng.integers(6, 24)]))
    colour = _colour(rng)
    picture[y : y + thick, x : x + long] = colour
    if rng.random() < 0.7:
        _text(picture, x, max(8, y - 2), rng, colour)


def _pen(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """A pen's ring or stroke, often about the middle."""
    height, width = picture.shape[:2]
    colour, thick = _colour(rng), int(rng.integers(1, 7))
    centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
    if rng.random() < 0.5:
        centre = (width // 2, height // 2)
    if rng.random() < 0.6:
        axes = (int(rng.uniform(0.1, 0.5) * width),) * 2
    else:
        axes = tuple(int(v) for v in rng.uniform(0.1, 0.5, 2) * width)
    turned, ends = float(rng.uniform(0, 180)), float(rng.choice([360, 300, 120]))
    cv2.ellipse(picture, centre, axes, turned, 0, ends, colour, thick, cv2.LINE_AA)


def _outlines(picture: np.ndarray, boxes: np.ndarray, rng: Rng, rings: bool) -> None:
    """Boxes as detectors draw them, with labels, round cells and now and then round something else; with rings among
    them or not."""
    height, width = picture.shape[:2]
    colour, thick = _colour(rng), int(rng.integers(1, 4))
    shown = [box for box in boxes if rng.random() < 0.9]
    if rng.random() < 0.3:
        x, y, wide, high = (rng.random(4) * [width, height, width / 2, height / 2]).tolist()
        shown.append((x, y, x + wide, y + high))
    for x0, y0, x1, y1 in shown:
        grow = rng.uniform(-0.02, 0.15) * (x1 - x0)
        left, top = int(x0 - grow), int(y0 - grow)
        right, bottom = int(x1 + grow), int(y1 + grow)
        if rings and rng.random() < 0.5:
            middle, radius = ((left + right) // 2, (top + bottom) // 2), max(2, int((right - left) * 0.62))
            cv2.circle(picture, middle, radius, colour, thick, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, (left, top), (right, bottom), colour, thick)
        if rng.random() < 0.5:
            high = int(rng.integers(6, 16))
            long = int(rng.uniform(0.3, 1.0) * max(4, right - left))
            cv2.rectangle(picture, (left, top - high), (left + long, top), colour, -1)
            _text(picture, left + 1, top - 2, rng)


def _round_field(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """A round field on black, seldom on white, as at an eyepiece."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    centre = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6)))
    cv2.circle(mask, centre, int(width * rng.uniform(0.42, 0.62)), 1, -1)
    picture[mask == 0] = rng.integers(0, 30) if rng.random() < 0.8 else 255


def _logo(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """Shapes and text in a corner."""
    height, width = picture.shape[:2]
    x, y, side = int(rng.choice([2, width - 34])), int(rng.choice([2, height - 30])), int(rng.integers(8, 26))
    cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, _colour(rng), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (x + side // 2, y + side // 3), (x + side, y + side), _colour(rng), -1)
    _text(picture, x, y + side, rng)


def _window(picture: np.ndarray, boxes: np.ndarray, rng: Rng) -> None:
    """The frame of a page or a window."""
    height, width = picture.shape[:2]
    left, top, right, bottom = rng.integers(0, 14, 4).tolist()
    colour = _colour(rng)
    picture[:top], picture[height - bottom :], picture[:, :left], picture[:, width - right :] = (colour,) * 4


def _colour(rng: Rng) -> Colour:
    if rng.random() < 0.7:
        return PLAIN_COLOURS[rng.integers(len(PLAIN_COLOURS))]
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return (red, green, blue)


def _text(picture: np.ndarray, x: int, y: int, rng: Rng, colour: Colour | None = None) -> None:
    word = WORDS[rng.integers(len(WORDS))]
    size, font = float(rng.uniform(0.25, 0.8)), int(rng.choice(FONTS))
    cv2.putText(picture, word, (x, y), font, size, colour or _colour(rng), int(rng.integers(1, 3)), cv2.LINE_AA)


KINDS: tuple[Callable[[np.ndarray, np.ndarray, Rng], None], ...] = (
    _strip,
    _scale_bar,
    _pen,
    partial(_outlines, rings=False),
    partial(_outlines, rings=True),
    _round_field,
    _logo,
    _window,
)
