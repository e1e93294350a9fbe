"""What is drawn over photos, or stands beside them: strips, text, scale bars, pens, boxes, screens, round fields."""

from __future__ import annotations

import cv2
import numpy as np

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


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.7:
        return PLAIN_COLOURS[rng.integers(len(PLAIN_COLOURS))]
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return (red, green, blue)


def _text(picture: np.ndarray, x: int, y: int, rng: np.random.Generator, colour=None) -> None:
    word = WORDS[rng.integers(len(WORDS))]
    size = float(rng.uniform(0.25, 0.8))
    cv2.putText(
        picture,
        word,
        (x, y),
        int(rng.choice(FONTS)),
        size,
        colour or _colour(rng),
        int(rng.integers(1, 3)),
        cv2.LINE_AA,
    )


def overlaid(picture: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture with one or two such things on it; returns where pixels were replaced, bool (H, W)."""
    before = picture.copy()
    height, width = picture.shape[:2]
    for _ in range(1 + (rng.random() < 0.3)):
        kind = rng.integers(8)
        if kind == 0:  # a strip at one side, with text
            deep = int(rng.uniform(0.04, 0.22) * height)
            colour = _colour(rng)
            side = rng.integers(4)
            where = [np.s_[:deep], np.s_[height - deep :], np.s_[:, :deep], np.s_[:, width - deep :]][side]
            picture[where] = colour
            if side < 2 and rng.random() < 0.8:
                _text(picture, int(rng.integers(0, width // 2)), deep - 2 if side == 0 else height - 3, rng)
        elif kind == 1:  # a scale bar
            long, thick = int(rng.uniform(0.08, 0.4) * width), int(rng.integers(1, 5))
            x, y = (
                int(rng.integers(2, max(3, width - long))),
                int(rng.choice([rng.integers(4, 20), height - rng.integers(6, 24)])),
            )
            colour = _colour(rng)
            picture[y : y + thick, x : x + long] = colour
            if rng.random() < 0.7:
                _text(picture, x, max(8, y - 2), rng, colour)
        elif kind == 2:  # a pen's ring or stroke
            colour, thick = _colour(rng), int(rng.integers(1, 7))
            centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            if rng.random() < 0.5:
                centre = (width // 2, height // 2)
            axes = (
                (int(rng.uniform(0.1, 0.5) * width),) * 2
                if rng.random() < 0.6
                else tuple(int(v) for v in rng.uniform(0.1, 0.5, 2) * width)
            )
            cv2.ellipse(
                picture,
                centre,
                axes,
                float(rng.uniform(0, 180)),
                0,
                float(rng.choice([360, 300, 120])),
                colour,
                thick,
                cv2.LINE_AA,
            )
        elif kind in (3, 4):  # boxes as detectors draw them, with a label, round cells or anywhere
            colour, thick = _colour(rng), int(rng.integers(1, 4))
            shown = [b for b in boxes if rng.random() < 0.9]
            if rng.random() < 0.3:
                x, y, w, h = (rng.random(4) * [width, height, width / 2, height / 2]).tolist()
                shown.append((x, y, x + w, y + h))
            for x0, y0, x1, y1 in shown:
                grow = rng.uniform(-0.02, 0.15) * (x1 - x0)
                a, b = (int(x0 - grow), int(y0 - grow)), (int(x1 + grow), int(y1 + grow))
                if kind == 4 and rng.random() < 0.5:
                    cv2.circle(
                        picture,
                        ((a[0] + b[0]) // 2, (a[1] + b[1]) // 2),
                        max(2, int((b[0] - a[0]) * 0.62)),
                        colour,
                        thick,
                        cv2.LINE_AA,
                    )
                else:
                    cv2.rectangle(picture, a, b, colour, thick)
                if rng.random() < 0.5:
                    high = int(rng.integers(6, 16))
                    long = int(rng.uniform(0.3, 1.0) * max(4, b[0] - a[0]))
                    cv2.rectangle(picture, (a[0], a[1] - high), (a[0] + long, a[1]), colour, -1)
                    _text(picture, a[0] + 1, a[1] - 2, rng)
        elif kind == 5:  # a round field, as at an eyepiece
            mask = np.zeros((height, width), np.uint8)
            cv2.circle(
                mask,
                (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6))),
                int(width * rng.uniform(0.42, 0.62)),
                1,
                -1,
            )
            picture[mask == 0] = rng.integers(0, 30) if rng.random() < 0.8 else 255
        elif kind == 6:  # a logo: shapes and text in a corner
            x, y, s = int(rng.choice([2, width - 34])), int(rng.choice([2, height - 30])), int(rng.integers(8, 26))
            cv2.circle(picture, (x + s // 2, y + s // 2), s // 2, _colour(rng), -1, cv2.LINE_AA)
            cv2.rectangle(picture, (x + s // 2, y + s // 3), (x + s, y + s), _colour(rng), -1)
            _text(picture, x, y + s, rng)
        else:  # the frame of a page or a window
            left, top, right, bottom = rng.integers(0, 14, 4).tolist()
            colour = _colour(rng)
            picture[:top], picture[height - bottom :], picture[:, :left], picture[:, width - right :] = (colour,) * 4
    return (picture != before).any(axis=2)
