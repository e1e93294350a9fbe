"""Curves, masks and noise that drawn smears are made of. A curve is an array of points x + iy."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def closed_curve(radius: float, wobble: float, rng: Rng, stretch: float = 1.0) -> np.ndarray:
    """A closed curve about 0, as x + iy: near a circle or, stretched, an ellipse that lies at any angle."""
    angle, waves = np.linspace(0, 2 * np.pi, 72, endpoint=False), np.arange(2, 6)[:, None]
    bumps = rng.normal(size=(4, 1)) / waves * np.cos(waves * angle + rng.uniform(0, 2 * np.pi, (4, 1)))
    r = radius * (1 + wobble * bumps.sum(axis=0).clip(-1.2, 1.2))
    curve: np.ndarray = (r * np.cos(angle) * stretch + 1j * r * np.sin(angle) / stretch) * np.exp(
        1j * rng.uniform(0, 2 * np.pi)
    )
    return curve


def to_points(curve: np.ndarray, side: int) -> np.ndarray:
    """int32 (n, 2) of a curve about the middle of a square."""
    return np.rint(np.stack([curve.real, curve.imag], axis=-1) + side / 2).astype(np.int32)


def filled(side: int, *curves: np.ndarray) -> np.ndarray:
    """Mask of the union of curves, uint8 0 or 255."""
    mask = np.zeros((side, side), np.uint8)
    for curve in curves:
        cv2.fillPoly(mask, [to_points(curve, side)], 255)
    return mask


def softened(mask: np.ndarray, sigma: float) -> np.ndarray:
    """uint8 0-255 -> float32 0-1 with soft edges."""
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.5, sigma))


def inner_edge(mask: np.ndarray, width: float) -> np.ndarray:
    """1 at the edge of a mask (0-1), falling off inwards over `width` px."""
    depth: np.ndarray = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    return cv2.exp(depth / -width)


def smooth_noise(side: int, grain: float, rng: Rng) -> np.ndarray:
    """Smooth noise with spots of about `grain` px: float32 (side, side), mean 0, deviation 1."""
    step = max(1, int(grain / 2))
    grains: np.ndarray = rng.standard_normal((side // step + 2,) * 2, np.float32)
    noise: np.ndarray = cv2.GaussianBlur(grains, (0, 0), max(0.5, grain / step))
    return cv2.resize(noise / float(noise.std()), (side, side), interpolation=cv2.INTER_LINEAR)


def scattered(room: np.ndarray, radius: float, spacing: float, rng: Rng) -> np.ndarray:
    """Dots of varied size and strength, float32 0-1, about `spacing` px apart inside `room` (0-1)."""
    grid = np.arange(0, len(room), spacing)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    points = np.rint(points + spacing * rng.uniform(-0.6, 0.6, points.shape)).astype(int).clip(0, len(room) - 1)
    inside = cv2.blur(room, (2 * int(radius) + 1,) * 2)[points[:, 1], points[:, 0]] > 0.75
    points = rng.permutation(points[inside])
    sizes = np.rint(radius * rng.uniform(0.75, 1.2, len(points))).astype(int).clip(1)
    dots = np.zeros(room.shape, np.uint8)
    for x, y, size, grey in np.column_stack([points, sizes, rng.integers(120, 256, len(points))]).tolist():
        cv2.circle(dots, (x, y), size, grey, -1)
        if size > 3:
            cv2.circle(dots, (x, y), size // 2, 0.7 * grey, -1)  # large granules shine in the middle
    return softened(dots, 0.2 * radius)
