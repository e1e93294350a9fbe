"""Curves, masks and noise that drawn smears are made of. A curve is an array of points x + iy."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

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


def to_points(curve: np.ndarray, side: int) -> list[tuple[int, int]]:
    """Pixels (x, y) of a curve about the middle of a square."""
    points = np.rint(np.stack([curve.real, curve.imag], axis=-1) + side / 2)
    return [(x, y) for x, y in points.astype(int).tolist()]


def filled(side: int, *curves: np.ndarray) -> np.ndarray:
    """Mask of the union of curves, uint8 0 or 255."""
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    for curve in curves:
        draw.polygon(to_points(curve, side), fill=255)
    return np.asarray(mask)


def stroked(side: int, curve: np.ndarray, width: int) -> np.ndarray:
    """Mask of a line along a curve that is not closed, uint8 0 or 255."""
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).line(to_points(curve, side), fill=255, width=width, joint="curve")
    return np.asarray(mask)


def thickened(side: int, curve: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Mask of the union of discs about the points of a curve, uint8 0 or 255."""
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    for point, radius in zip(to_points(curve, side), radii.tolist(), strict=True):
        draw.circle(point, round(radius), fill=255)
    return np.asarray(mask)


def depth_inside(side: int, curve: np.ndarray, places: int = 64) -> np.ndarray:
    """How far inside a curve about 0 each pixel of a square lies, px: float32 (side, side), 0 outside.

    Measured along the line to the middle, at fewer places than there are pixels: it varies slowly.
    """
    places = min(side, places)
    axis = ((np.arange(places) + 0.5) / places - 0.5) * side
    grid = axis + 1j * axis[:, None]
    edge = np.interp(np.angle(grid), np.angle(curve), np.abs(curve), period=2 * np.pi)
    return _resized((edge - np.abs(grid)).astype(np.float32), side).clip(0)


def softened(mask: np.ndarray, sigma: float) -> np.ndarray:
    """uint8 0-255 -> float32 0-1 with soft edges."""
    blurred = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(max(0.5, sigma)))
    return np.asarray(blurred, np.float32) / 255


def inner_edge(mask: np.ndarray, width: float) -> np.ndarray:
    """1 at the edge of a mask (0-1) and outside, falling off inwards over about `width` px: float32."""
    inside = np.where(mask > 0.5, 255, 0).astype(np.uint8)
    return (2 - 2 * softened(inside, 1.25 * width)).clip(0, 1)


def smooth_noise(side: int, grain: float, rng: Rng) -> np.ndarray:
    """Smooth noise with spots of about `grain` px: float32 (side, side), mean 0, deviation 1."""
    step = max(1, int(grain / 2))
    grains: np.ndarray = rng.standard_normal((side // step + 2,) * 2, np.float32)
    noise = _blurred(_blurred(grains, max(0.5, grain / step)).T, max(0.5, grain / step)).T
    return _resized(noise / noise.std(), side)


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred along the first axis: float32 (H, W), by a Gaussian of `sigma` px."""
    reach = round(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= 2 * weights.sum() - weights[0]
    padded = np.pad(image, ((reach, reach), (0, 0)), mode="reflect" if reach < len(image) else "edge")
    rows = len(image)
    blurred: np.ndarray = weights[0] * image
    for i in range(1, reach + 1):
        blurred += weights[i] * (padded[reach - i : reach - i + rows] + padded[reach + i : reach + i + rows])
    return blurred


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    """float32 (n, n) -> (side, side)."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))


def scattered(room: np.ndarray, radius: float, spacing: float, rng: Rng) -> np.ndarray:
    """Dots of varied size and strength, float32 0-1, about `spacing` px apart inside `room` (0-1)."""
    grid = np.arange(0, len(room), spacing)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    points = np.rint(points + spacing * rng.uniform(-0.6, 0.6, points.shape)).astype(int).clip(0, len(room) - 1)
    whole = Image.fromarray((255 * room.clip(0, 1)).astype(np.uint8)).filter(ImageFilter.BoxBlur(int(radius)))
    inside = np.asarray(whole)[points[:, 1], points[:, 0]] > 0.75 * 255
    points = rng.permutation(points[inside])
    sizes = np.rint(radius * rng.uniform(0.75, 1.2, len(points))).astype(int).clip(1)
    dots = Image.new("L", room.shape[::-1])
    draw = ImageDraw.Draw(dots)
    for x, y, size, grey in np.column_stack([points, sizes, rng.integers(120, 256, len(points))]).tolist():
        draw.circle((x, y), size, fill=grey)
        if size > 3:
            draw.circle((x, y), size // 2, fill=int(0.7 * grey))  # large granules shine in the middle
    return softened(np.asarray(dots), 0.2 * radius)
