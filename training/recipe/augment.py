"""Live augmentation: what turning, moving and another stain would have made of the same cell."""

from __future__ import annotations

import cv2
import numpy as np

from training.recipe.colours import recoloured
from training.recipe.config import Augment


def augment(picture: np.ndarray, size: int, settings: Augment, rng: np.random.Generator) -> np.ndarray:
    """One random variant.

    Args:
        picture: RGB uint8 (S, S, 3), S >= size; what `preprocess.frame` gave, with a margin or without.
        size: side of the result, px.
        settings: the ranges.
        rng: where the random values come from.

    Returns:
        RGB uint8 (size, size, 3).
    """
    matrix = random_matrix(picture.shape[0], size, settings, rng)
    border = cv2.BORDER_REPLICATE if settings.border == "nearest" else cv2.BORDER_CONSTANT
    crop = cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    outside = cv2.inRange(crop, (0, 0, 0), (0, 0, 0)) > 0  # what lies outside a photo is black whatever its colours
    if settings.restain:
        crop = recoloured(crop, rng, settings.restain)
    if settings.brightness:
        crop = cv2.convertScaleAbs(crop, alpha=rng.uniform(1 - settings.brightness, 1 + settings.brightness))
    if settings.hues and rng.random() < settings.hues:
        crop = cv2.transform(crop, _mixed_channels(rng))
    if settings.grey and rng.random() < settings.grey:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if settings.coarse and rng.random() < settings.coarse:
        fewer = max(8, round(size / rng.uniform(1.0, 2.5)))
        crop = cv2.resize(crop, (fewer, fewer), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)
    if settings.blur:
        # Always drawn, seldom strong: a smear is mostly in focus.
        sigma = settings.blur * rng.random() ** 2
        if sigma > 0.2:
            crop = cv2.GaussianBlur(crop, (0, 0), sigma)
    if settings.sharpen:  # what differs from its surroundings does so by more, as cameras do it
        amount = settings.sharpen * rng.random() ** 2
        crop = cv2.addWeighted(crop, 1 + amount, cv2.GaussianBlur(crop, (0, 0), 1.0), -amount, 0)
    if settings.noise:
        sigma = np.float32(settings.noise * rng.random() ** 2)
        noise = sigma * rng.standard_normal(crop.shape, np.float32)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    crop[outside] = 0
    if settings.wedge and rng.random() < settings.wedge:
        _blacken_edge(crop, rng)
    if settings.close and rng.random() < settings.close:
        _blacken_around(crop, rng)
    return crop


def random_matrix(side: int, size: int, settings: Augment, rng: np.random.Generator) -> np.ndarray:
    """Affine matrix (2, 3) from a picture of `side` px to a crop of `size` px about its centre."""
    either_way = lambda reach: rng.uniform(-reach, reach)  # noqa: E731
    angle = np.deg2rad(either_way(settings.rotation))
    zoom = 1.0 + either_way(settings.zoom)
    shear = either_way(settings.shear)
    flip_x = -1.0 if settings.mirror != "none" and rng.random() < 0.5 else 1.0
    flip_y = -1.0 if settings.mirror == "both" and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = (
        zoom * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag([flip_x, flip_y])
    )
    shift = np.array([either_way(settings.shift), either_way(settings.shift)]) * size
    offset = (size - 1) / 2 + shift - linear @ np.full(2, (side - 1) / 2)
    return np.column_stack([linear, offset])


def _mixed_channels(rng: np.random.Generator) -> np.ndarray:
    """Channels (R, G, B) -> as many, each partly a random mean of all: float32 (3, 3), rows summing to 1, so that grey
    stays as it is."""
    share = rng.random()
    return ((1 - share) * np.eye(3) + share * rng.dirichlet(np.ones(3), 3)).astype(np.float32)


def _blacken_edge(crop: np.ndarray, rng: np.random.Generator) -> None:
    """Blacken what lies beyond a random line near the rim, as a turned photo's corner does."""
    size = crop.shape[0]
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.15, 0.6) * size  # from the centre to the line
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    crop[x * np.cos(angle) + y * np.sin(angle) > distance] = 0


def _blacken_around(crop: np.ndarray, rng: np.random.Generator) -> None:
    """Blacken what lies beyond a rectangle about the centre: as much as lies outside a picture of one cell alone."""
    size = crop.shape[0]
    left, top, right, bottom = np.round(rng.uniform(0.25, 0.55, 4) * size).astype(int)  # from the centre to each side
    middle = size // 2
    inside = np.s_[max(0, middle - top) : middle + bottom, max(0, middle - left) : middle + right]
    kept = crop[inside].copy()
    crop[:] = 0
    crop[inside] = kept
