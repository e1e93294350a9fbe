"""TIFF pages that Pillow misreads or does not read: deep samples, planes of their own, alpha, colours as pages.

Pillow cuts 16 bits to the upper 8, and mixes up planes of 16 bits that are not compressed. Here its library only
unpacks: each strip or tile is handed to it as rows of plain bytes, and numpy makes samples and pixels of these.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image, TiffImagePlugin

from leukoscope.errors import ImageError
from leukoscope.pictures.formats import tiff_pages as tp
from leukoscope.pictures.formats.headers import check_header
from leukoscope.pictures.formats.levels import SAVE_AS, STRIP, eight_bits, white_level
from leukoscope.pictures.formats.tiff_pages import Page

PLAIN, WEBP = 1, 50001
JPEG2000 = (33005, 34712)
UNPACKED = (PLAIN, 5, 8, 32946, 32773, 34925, 50000)  # LZW, Deflate, PackBits, LZMA, Zstandard
NAMES = {
    **dict.fromkeys((33003, 33004), "JPEG 2000 as a slide scanner writes it"),
    **dict.fromkeys((22610, 34934), "JPEG XR"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    34887: "LERC",
    34892: "lossy JPEG of a raw photo",
    65000: "a camera's own coding",
}
MOST_FILES = 4096  # tiles that are files of their own, each opened in Python
MOST_PACKED = 2**26  # bytes of all parts together, which may be the same ones again and again
GROUP = 2**23  # bytes that are unpacked at once


def for_pillow(found: list[Page], own: list[Page]) -> bytes:
    """The file as Pillow, which reads its first page alone, is to get it; what it does not read is refused by name.

    Args:
        found: all pages of the file.
        own: the page that is the picture, or the three of its colours.

    Raises:
        ImageError: naming the kind of TIFF and what to save it as.
    """
    page = own[0]
    compression, bits = page.number(tp.COMPRESSION, PLAIN), _bits(page)
    if compression in NAMES:
        raise ImageError(f"a TIFF with {NAMES[compression]} inside is not read: {SAVE_AS}")
    if page.number(tp.PHOTOMETRIC) in (32803, 34892):
        raise ImageError(f"a camera's raw TIFF is not read: {SAVE_AS}")
    if compression in (WEBP, *JPEG2000):
        raise ImageError(f"a TIFF of this kind with WebP or JPEG 2000 inside is not read: {SAVE_AS}")
    if len(own) > 1:
        raise ImageError(f"a TIFF that keeps its colours as pages of this kind is not read: {SAVE_AS}")
    if page.number(tp.PHOTOMETRIC) == 2 and bits > 8:
        kind = {2: "signed ", 3: "floating-point "}.get(page.number(tp.SAMPLE_FORMAT), "")
        raise ImageError(f"a TIFF of {page.samples} {kind}samples of {bits} bits is not read: {SAVE_AS}")
    if page is found[0]:
        return page.data
    data = tp.beginning_with(page)
    check_header(data)
    return data


def is_ours(pages: list[Page]) -> bool:
    """Whether the pages (one, or red, green and blue) are to be read here: all others are for Pillow."""
    page = pages[0]
    if any(_layout(other) != _layout(page) for other in pages):
        return False
    compression, bits, kind = page.number(tp.COMPRESSION, PLAIN), _bits(page), page.number(tp.SAMPLE_FORMAT, 1)
    if page.number(tp.FILL_ORDER, 1) != 1 or (bits, kind) not in _TYPES:
        return False
    if len(pages) == 1 and (page.number(tp.PHOTOMETRIC) != 2 or not 3 <= page.samples <= 8):
        return False
    if compression in (WEBP, *JPEG2000):
        return bits == 8 and page.samples in (3, 4)
    return compression in UNPACKED and (bits > 8 or page.samples > 3 or len(pages) > 1)


_TYPES = {(8, 1): "u1", (16, 1): "u2", (32, 1): "u4", (16, 3): "f2", (32, 3): "f4", (64, 3): "f8"}
_TYPES |= {(bits, 1): "u2" for bits in range(9, 16)}  # packed without a gap
_TYPES |= {(bits, 4): kind for (bits, form), kind in _TYPES.items() if form == 1}  # of no format said


def _bits(page: Page) -> int:
    """Bits of each sample; 0 where samples differ."""
    bits = page.numbers(tp.BITS) or (1,)
    return bits[0] if set(bits) == {bits[0]} else 0


def _layout(page: Page) -> tuple[object, ...]:
    tags = (tp.BITS, tp.SAMPLE_FORMAT, tp.COMPRESSION, tp.PHOTOMETRIC, tp.SAMPLES, tp.PREDICTOR, tp.FILL_ORDER)
    return page.size, *(page.numbers(tag) for tag in tags)


def _itemsize(page: Page) -> int:
    return np.dtype(_TYPES[_bits(page), page.number(tp.SAMPLE_FORMAT, 1)]).itemsize


def decoding_bytes(pages: list[Page]) -> int:
    """Bytes that reading needs: the samples, the colours, and what is unpacked at once, three times."""
    page = pages[0]
    width, height = page.size
    samples = sum(other.samples for other in pages)
    need = width * height * (samples * _itemsize(page) + 4)
    if page.number(tp.COMPRESSION, PLAIN) == PLAIN:  # no larger than the file
        return need
    across, down = (
        page.number(tp.TILE_WIDTH, width),
        page.number(tp.TILE_HEIGHT) or page.number(tp.ROWS_PER_STRIP, height),
    )
    return need + 3 * max(GROUP, across * min(down, height + 1024) * page.samples * _itemsize(page))


def read(pages: list[Page], told: int = 0) -> np.ndarray:
    """The picture of the pages, which are ours.

    Args:
        pages: one page of RGB, or three grey ones of red, green and blue.
        told: the highest level, as something beside the pages says it; 0: nothing does. A page's own word goes before.

    Returns:
        uint8 (H, W, 3), or (H, W, 4) where one of the samples is alpha; not turned.

    Raises:
        ImageError: if it is damaged, or its numbers are no levels.
    """
    page = pages[0]
    width, height = page.size
    kind = np.dtype(_TYPES[_bits(page), page.number(tp.SAMPLE_FORMAT, 1)])
    values = np.zeros((height, width, sum(other.samples for other in pages)), kind)
    for first, other in enumerate(pages):
        apart = other.number(tp.PLANAR, 1) == 2
        for plane in range(other.samples if apart else 1):
            channels = values[..., first + plane : first + plane + 1] if apart or len(pages) > 1 else values
            for row, column, block in _blocks(other, plane, 1 if apart else other.samples, kind):
                room = channels[row : row + block.shape[0], column : column + block.shape[1]]
                room[:] = block[: room.shape[0], : room.shape[1]]
    if page.number(tp.PHOTOMETRIC) == 0 and kind.kind == "u":  # grey with white as 0
        np.subtract(np.iinfo(kind).max, values, out=values)
    return _eight_bits(values, page, told or 2 ** _bits(page) - 1 if _is_packed(page) else told)


def _blocks(page: Page, plane: int, samples: int, kind: np.dtype) -> Iterator[tuple[int, int, np.ndarray]]:
    """Each strip or tile of a plane: its row, its column, its samples (h, w, samples)."""
    width, height = page.size
    tiled = bool(page.number(tp.TILE_WIDTH))
    if tiled:
        across, down = page.number(tp.TILE_WIDTH), page.number(tp.TILE_HEIGHT)
        offsets, sizes = page.numbers(tp.TILE_OFFSETS), page.numbers(tp.TILE_BYTES)
    else:
        across, down = width, min(page.number(tp.ROWS_PER_STRIP, height), height)
        offsets, sizes = page.numbers(tp.STRIP_OFFSETS), page.numbers(tp.STRIP_BYTES)
    if not (0 < across <= 2 * width + 1024 and 0 < down <= 2 * height + 1024):
        raise _damaged("the size of its parts")
    row_bytes = -(-across * samples * _bits(page) // 8)
    columns, rows = -(-width // across), -(-height // down)
    offsets = offsets[plane * columns * rows : (plane + 1) * columns * rows]
    sizes = sizes[plane * columns * rows : (plane + 1) * columns * rows]
    if len(offsets) == 1 and not sizes and page.number(tp.COMPRESSION, PLAIN) == PLAIN:
        sizes = (row_bytes * down,)  # old writers leave it out
    if len(offsets) != columns * rows or len(sizes) != len(offsets) or sum(sizes) > MOST_PACKED:
        raise _damaged("its parts are not all there")
    together = max(1, GROUP // (row_bytes * down))
    for start in range(0, len(offsets), together):
        places = zip(offsets[start : start + together], sizes[start : start + together], strict=True)
        parts = [page.data[at : at + size] for at, size in places]
        last = not tiled and start + together >= len(offsets)
        lines = down * len(parts) - (rows * down - height if last else 0)
        plain = _unpacked(page, parts, (lines, row_bytes), down, samples)
        block = _unpredicted(plain, page, across, samples, kind)
        if columns == 1:
            yield start * down, 0, block
            continue
        for number, tile in enumerate(block.reshape(len(parts), down, across, samples), start):
            yield number // columns * down, number % columns * across, tile


def _unpacked(page: Page, parts: list[bytes], shape: tuple[int, int], down: int, samples: int) -> np.ndarray:
    """The bytes of strips or tiles, one under the other: uint8 (rows, bytes of a row)."""
    compression = page.number(tp.COMPRESSION, PLAIN)
    if compression == PLAIN:
        lines = [min(down, shape[0] - number * down) for number in range(len(parts))]
        joined = b"".join(part[: n * shape[1]] for part, n in zip(parts, lines, strict=True))
        if len(joined) != shape[0] * shape[1]:
            raise _damaged("its pixels end too soon")
        return np.frombuffer(joined, np.uint8).reshape(shape).copy()
    if compression in (WEBP, *JPEG2000):
        form = "WEBP" if compression == WEBP else "JPEG2000"
        if len(parts) > MOST_FILES:
            raise ImageError(f"the picture is built in a way that is not read: {len(parts):,} tiles of {form}")
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[samples]
        files = [_file(part, form, mode, shape[1] // samples, down, shape[0]) for part in parts]
        return np.concatenate(files).reshape(shape)
    plain = np.empty(shape, np.uint8)
    rows = max(1, GROUP // shape[1])
    # Opened by its own class: Image.open would count the bytes as pixels, and find too many.
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_rewrapped(page, parts, shape, down))) as image:
        for top in range(0, shape[0], rows):  # an array of the whole would take as much again, twice
            plain[top : top + rows] = np.asarray(image.crop((0, top, shape[1], min(top + rows, shape[0]))))
    return plain


def _file(part: bytes, form: str, mode: str, width: int, down: int, rows: int) -> np.ndarray:
    """A tile that is a file of its own: (h, w, samples) or (h, w). Its size is looked at before it is decoded."""
    check_header(part)
    with Image.open(io.BytesIO(part), formats=(form,)) as image:
        if image.width != width or image.height not in (down, rows % down):
            raise _damaged("a tile of another size")
        return np.asarray(image.convert(mode)).reshape(-1, width * len(mode))


def _rewrapped(page: Page, parts: list[bytes], shape: tuple[int, int], down: int) -> bytes:
    """A TIFF of grey bytes, a strip for each part, so that its library unpacks them and does nothing else."""
    start = 8 + 2 + 9 * 12 + 4
    tables = 8 * len(parts) if len(parts) > 1 else 0
    sizes = [len(part) for part in parts]
    places = list(np.cumsum([start + tables, *sizes[:-1]]))
    many = struct.pack(f"<{2 * len(parts)}L", *places, *sizes) if tables else b""
    tags = [(256, 4, 1, shape[1]), (257, 4, 1, shape[0]), (258, 3, 1, 8)]
    tags += [(259, 3, 1, page.number(tp.COMPRESSION)), (262, 3, 1, 1)]
    tags += [(273, 4, len(parts), start if tables else places[0]), (277, 3, 1, 1), (278, 4, 1, down)]
    tags += [(279, 4, len(parts), start + 4 * len(parts) if tables else sizes[0])]
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    return b"".join((head, bytes(4), many, *parts))


def _is_packed(page: Page) -> bool:
    """Whether its samples do not begin with a byte each."""
    return _bits(page) in range(9, 16)


def _spread(plain: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Rows of samples packed without a gap, the highest bit first: uint8 (rows, bytes) -> uint16 (rows, count)."""
    groups = -(-count // 8)  # eight samples begin with a byte
    padded = np.zeros((len(plain), groups * bits + 2), np.uint8)
    padded[:, : plain.shape[1]] = plain
    values: np.ndarray = np.empty((len(plain), groups, 8), np.uint16)
    for sample in range(8):
        first, above = divmod(sample * bits, 8)
        three = (padded[:, at : at + groups * bits : bits].astype(np.uint32) for at in range(first, first + 3))
        word = next(three) << 16 | next(three) << 8 | next(three)
        values[..., sample] = word >> (24 - above - bits) & (2**bits - 1)
    return values.reshape(len(plain), -1)[:, :count]


def _unpredicted(plain: np.ndarray, page: Page, across: int, samples: int, kind: np.dtype) -> np.ndarray:
    """Samples (rows, w, samples) of unpacked bytes; a predictor wrote differences to the pixel before."""
    rows = plain.shape[0]
    if _is_packed(page):
        if page.number(tp.PREDICTOR, 1) != 1:
            raise ImageError(f"a TIFF of {_bits(page)} bits with a predictor is not read: {SAVE_AS}")
        return _spread(plain, _bits(page), across * samples).reshape(rows, across, samples)
    predictor = page.number(tp.PREDICTOR, 1) if page.number(tp.COMPRESSION, PLAIN) in UNPACKED[1:] else 1
    if predictor == 3 and kind.kind == "f":  # bytes of one weight stand together, the highest first
        steps = plain.reshape(rows, -1, samples)
        whole = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, -1)
        values = np.ascontiguousarray(whole.swapaxes(1, 2)).view(kind.newbyteorder(">"))
        return values.reshape(rows, -1, samples).astype(kind)
    values = (
        plain.view(kind.newbyteorder("<" if page.order == "<" else ">"))
        .reshape(rows, -1, samples)
        .astype(kind, copy=False)
    )
    if predictor == 2 and kind.kind == "u":
        np.cumsum(values, axis=1, dtype=kind, out=values)
    elif predictor != 1:
        raise ImageError(f"a TIFF with predictor {predictor} is not read: {SAVE_AS}")
    return values


def _eight_bits(values: np.ndarray, page: Page, told: int) -> np.ndarray:
    """Levels of 0-255, and alpha if there is one: uint8 (H, W, 3 or 4)."""
    alpha = next((3 + n for n, kind in enumerate(page.numbers(tp.EXTRA_SAMPLES)) if kind in (1, 2)), None)
    if alpha is not None and alpha < values.shape[2] and values[..., alpha].any():
        values[..., 3] = values[..., alpha]
        values = values[..., :4]
    else:
        values = values[..., :3]
    white = white_level(values[..., :3], max(page.numbers(tp.MAX_SAMPLE) + page.numbers(tp.SMAX_SAMPLE), default=told))
    out = eight_bits(values, white)
    if out.shape[2] == 4 and 1 in page.numbers(tp.EXTRA_SAMPLES):
        rows = max(1, STRIP // out.shape[1])
        for top in range(0, len(out), rows):
            _divided(out[top : top + rows])
    return out


def _divided(strip: np.ndarray) -> None:
    """Colours as they were before they were multiplied with their alpha, in place; (h, w, 4)."""
    alpha = np.maximum(strip[..., 3:], 1).astype(np.uint16)
    strip[..., :3] = np.minimum((strip[..., :3] * np.uint16(255) + alpha // 2) // alpha, 255)


def _damaged(what: str) -> ImageError:
    return ImageError(f"the picture is damaged or cut short ({what})")
