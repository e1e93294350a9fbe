"""PNG with 16 bits a colour of which a camera used fewer: Pillow keeps the upper 8, which are all but empty."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, PngImagePlugin

from leukoscope.pictures.formats.levels import QUARTER, STRIP, eight_bits, white_of_16

_LOWER = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}  # read from the other end, Pillow keeps the lower 8


def is_deep(image: Image.Image) -> bool:
    """Whether it is an opened PNG of 16 bits a colour that is not decoded yet."""
    return isinstance(image, PngImagePlugin.PngImageFile) and bool(image.tile) and image.tile[0].args in _LOWER


def brighten(image: Image.Image) -> None:
    """Decode such a PNG; where no sample reaches a quarter of the range, scale it by the bits in use, in place.

    How many are in use the file may say (its sBIT); else they are the fewest that hold all samples.
    """
    file, tile = image.fp, image.tile[0]  # type: ignore[attr-defined]
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    image.load()
    colours = len("RGB")
    if max(high for _, high in image.getextrema()[:colours]) >= QUARTER >> 8:  # type: ignore[misc]
        return
    with Image.open(io.BytesIO(data), formats=("PNG",)) as lower:
        lower.tile = [tile._replace(args=_LOWER[tile.args])]
        lower.load()
        strips = range(0, image.height, rows := max(1, STRIP // image.width))
        boxes = [(0, top, image.width, min(top + rows, image.height)) for top in strips]
        white = white_of_16(max(int(_joined(image, lower, box)[..., :colours].max()) for box in boxes), _told(data))
        for box in boxes:
            image.paste(Image.fromarray(eight_bits(_joined(image, lower, box), white)), box)


def _joined(upper: Image.Image, lower: Image.Image, box: tuple[int, int, int, int]) -> np.ndarray:
    """Samples of both halves: uint16 (h, w, 3 or 4)."""
    high, low = (np.asarray(image.crop(box)).astype(np.uint16) for image in (upper, lower))
    return high << 8 | low


def _told(data: bytes) -> int:
    """The highest level as a PNG says it; 0 if it does not."""
    place = 8
    while place + 8 <= len(data) and data[place + 4 : place + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"sBIT" and length >= 3:
            return int(2 ** min(16, max(data[place + 8 : place + 11])) - 1)
        place += 12 + length
    return 0
