"""Photos as other labs would have taken them: other dyes, glass, lamp, camera and focus.

By Beer and Lambert's law dyes add up in optical density. Two dyes make a smear's colours, a blue one and a red one
(Romanowsky's); another lab's are redder or bluer, stronger or weaker, each by itself. So densities relative to the
glass are taken apart into the two dyes and a rest, and put together again with dyes drawn anew, on other glass.
"""

from __future__ import annotations

import cv2
import numpy as np

# Optical densities (R, G, B), of unit length, as measured in nuclei and in red cells of this project's labs.
BLUE_DYE = np.array([0.60, 0.70, 0.39])
RED_DYE = np.array([0.12, 0.66, 0.74])
REST = np.cross(BLUE_DYE, RED_DYE) / np.linalg.norm(np.cross(BLUE_DYE, RED_DYE))
UNMIX = np.linalg.inv(np.stack([BLUE_DYE, RED_DYE, REST], axis=1))

_DENSITY = -np.log(np.arange(256).clip(4) / 255.0).astype(np.float32).reshape(256, 1, 1)


def recoloured(picture: np.ndarray, rng: np.random.Generator, strength: float = 1.0, mixed: float = 0.4) -> np.ndarray:
    """The same field under another lab's dyes, lamp and camera.

    Args:
        picture: RGB uint8 (H, W, 3).
        rng: what is drawn from.
        strength: 0-1, how far from the photo as it is; each photo draws its own share of it.
        mixed: 0-1, how much at most what takes up one dye is in the other's colour: nuclei go from navy to wine-red,
            red cells from yellow over pink to blue. From some half on granules no longer tell cells apart by colour.

    Returns:
        RGB uint8 (H, W, 3).
    """
    far = strength * np.sqrt(rng.random())
    density = cv2.LUT(picture, _DENSITY)
    glass = np.percentile(density[::4, ::4].reshape(-1, 3), 8, axis=0)
    density = cv2.transform(density - glass.astype(np.float32), _other_dyes(far, mixed, rng))
    if rng.random() < 0.5:  # dense against thin: gradation of film, camera and thickness
        density = np.sign(density) * np.abs(density) ** np.float32(np.exp(rng.normal(0, 0.2 * far)))
    light = np.exp(-density - _other_glass(far, rng).astype(np.float32))
    if rng.random() < 0.3 * far:  # haze, or a lamp too bright
        haze = np.float32(rng.uniform(0, 0.4))
        light = light * (1 - haze) + haze * np.float32(rng.uniform(0.6, 1.0))
    if rng.random() < 0.5:
        grey = light.mean(axis=2, keepdims=True)
        light = grey + (light - grey) * np.float32(np.exp(rng.normal(0, 0.3 * far)))
    if rng.random() < 0.3 * far:  # overexposed
        light = light * np.float32(rng.uniform(1.0, 1.25))
    return (np.clip(light, 0, 1) * 255 + 0.5).astype(np.uint8)


def _other_dyes(far: float, mixed: float, rng: np.random.Generator) -> np.ndarray:
    """Densities (R, G, B) of a photo -> of the same cells in other dyes: float32 (3, 3)."""
    to_red, to_blue = far * mixed * rng.uniform(0, [0.6, 1.0]) * (rng.random(2) < 0.5)
    blue = np.abs(BLUE_DYE + to_red * (RED_DYE - BLUE_DYE) + far * rng.normal(0, 0.13, 3))
    red = np.abs(RED_DYE + to_blue * (BLUE_DYE - RED_DYE) + far * rng.normal(0, 0.13, 3))
    amounts = np.exp(far * rng.normal([0.0, -0.15, 0.0], [0.3, 0.5, 0.2]))
    dyes = np.stack([blue / np.linalg.norm(blue), red / np.linalg.norm(red), REST], axis=1) * amounts
    return (dyes @ UNMIX).astype(np.float32)


def _other_glass(far: float, rng: np.random.Generator) -> np.ndarray:
    """Density of another glass and lamp (3,): mostly near white, now and then yellow, cyan or dim."""
    tint = np.abs(rng.normal(0, 0.22 if rng.random() < 0.5 else 0.06, 3)) * far
    return tint + far * rng.exponential(0.08) + 0.02


def as_photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same picture by another camera: its focus, sharpening, noise and compression."""
    kind = rng.random()
    if kind < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + 1.5 * rng.random() ** 2)
    elif kind < 0.5:
        picture = cv2.addWeighted(picture, 1.8, cv2.GaussianBlur(picture, (0, 0), 1.0), -0.8, 0)
    if rng.random() < 0.4:
        noise = rng.standard_normal(picture.shape, np.float32) * np.float32(12 * rng.random() ** 2)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    if rng.random() < 0.04:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return picture
