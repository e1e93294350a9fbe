"""Colour profiles: the numbers of Adobe RGB, ProPhoto or Display P3 brought to sRGB, as the model learned."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MOST_BYTES = 2**20  # of a profile; those of cameras and screens have some thousand
ALIKE = 2  # levels; a profile that moves no colour further is sRGB by another name
STRIP = 2**22  # pixels that are converted at once
CLASSES = (b"mntr", b"scnr", b"spac")  # of screens, of cameras and scanners, of colour spaces


def to_srgb(rgb: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Bring a picture to sRGB.

    Args:
        rgb: uint8 (H, W, 3).
        profile: an ICC profile, or None.

    Returns:
        uint8 (H, W, 3). The array itself, untouched, if the profile is absent, sRGB, broken, longer than 1 MB or
        not one of RGB colours, such as a printer's.
    """
    transform = _transform(profile) if profile and len(profile) <= MOST_BYTES else None
    if transform is None:
        return rgb
    out = np.empty_like(rgb)
    rows = max(1, STRIP // rgb.shape[1])
    for top in range(0, len(rgb), rows):
        out[top : top + rows] = _applied(transform, rgb[top : top + rows])
    return out


@lru_cache(maxsize=8)  # a folder's photos have one profile
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    if profile[12:16] not in CLASSES or profile[16:20] != b"RGB ":
        return None
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            "RGB",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        cube = np.stack(np.meshgrid(*[np.linspace(0, 255, 9).astype(np.uint8)] * 3), axis=-1).reshape(27, 27, 3)
        moved = np.abs(_applied(transform, cube).astype(int) - cube).max()
    except Exception:  # littleCMS raises nearly anything on damaged profiles
        return None
    return transform if moved > ALIKE else None


def _applied(transform: ImageCms.ImageCmsTransform, rgb: np.ndarray) -> np.ndarray:
    return np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(rgb))))
