"""Boxes and heatmaps on a picture."""

from __future__ import annotations

import cv2
import numpy as np


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
