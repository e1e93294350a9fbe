"""HEIC, the photos of iPhones, by the extra `leukoscope[microscopy]`."""

from __future__ import annotations

import io

from PIL import Image

from leukoscope.errors import ImageError

HEIC = "HEIF"  # Pillow's name for it
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def open_heic(data: bytes) -> Image.Image:
    """Open a HEIC photo; it is not decoded yet, and will be upright.

    Raises:
        ImageError: if the package that reads it is missing.
    """
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(
            "HEIC needs one more package: pip install 'leukoscope[microscopy]'; or save the photo as JPEG or PNG"
        ) from None
    pillow_heif.register_heif_opener()
    return Image.open(io.BytesIO(data), formats=(HEIC,))
