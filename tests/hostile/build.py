"""Pieces of which hostile files are made: encoders that know no shame."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

READ = "^read$"  # what must become of a case: a pattern of its outcome
EITHER = "."
UNKNOWN = "not a picture of a known format"
LARGE, SMALL = "too large", "too small"
BUILT = "built in a way that is not read"

FORMS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "AVIF")
SIDE = 40


@dataclass(frozen=True)
class Archive:
    """A source that is read as a .zip."""

    data: bytes


def noise(width: int = SIDE, height: int = SIDE, seed: int = 0) -> Image.Image:
    """A picture of random colours, so that no codec makes it small."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encode(image: Image.Image, form: str, **options) -> bytes:
    """An encoded picture."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow will not write some of these much longer
        image.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG, its sum right."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, width: int = SIDE, height: int = SIDE, depth: int = 8, colours: int = 2) -> bytes:
    """A PNG with chunks of our own between its head and its (absent) end."""
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + b"".join(chunks)


def png_with(*chunks: bytes, after: bool = False) -> bytes:
    """A whole PNG that holds more chunks than it needs, before its picture or after."""
    data = encode(noise(), "PNG")
    place = data.index(b"IEND") - 4 if after else 33
    return data[:place] + b"".join(chunks) + data[place:]


def jpeg_with(*segments: bytes) -> bytes:
    """A whole JPEG with bytes of our own between its start and its first segment."""
    data = encode(noise(), "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def jpeg_segment(kind: int, body: bytes) -> bytes:
    """One segment of a JPEG."""
    return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is there many times: each is a pass over the whole picture."""
    data = encode(Image.new("L", (width, height), 90), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def tiff(*tags: tuple[int, int, int, int | bytes], big: bool = False, tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one page with tags (number, type, count, value or its bytes)."""
    start = 16 if big else 8
    head = b"II" + (struct.pack("<HHHQ", 43, 8, 0, start) if big else struct.pack("<HI", 42, start))
    body = struct.pack("<Q" if big else "<H", len(tags))
    for number, kind, count, value in tags:
        body += struct.pack("<HHQ" if big else "<HHI", number, kind, count)
        body += value if isinstance(value, bytes) else struct.pack("<Q" if big else "<I", value)
    return head + body + bytes(8 if big else 4) + tail


def plain_tiff(width: int, height: int, *more: tuple, bits: int = 8, offset: int = 400) -> bytes:
    """A TIFF of one uncompressed grey strip, and what more tags make of it."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, bits), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {
        273: (4, 1, offset),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, min(width * height * bits // 8, 2**32 - 1)),
    }
    tags |= {number: rest for number, *rest in more}
    head = tiff(*((number, *tags[number]) for number in sorted(tags)))
    return head.ljust(offset, b"\0")


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    """A GIF with two colours and blocks of our own."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"".join(blocks) + b";"


def gif_frame(left: int, top: int, width: int, height: int, coded: bytes = b"\x02\x02\x44\x01\x00") -> bytes:
    """One picture of a GIF; as it stands its codes end at once."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + coded


def bmp(width: int, height: int, bits: int = 24, method: int = 0, body: bytes = b"", colours: int = 0) -> bytes:
    """A BMP whose head says what it likes."""
    offset = 54 + 4 * colours
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, method, len(body), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + bytes(4 * colours) + body


def webp_canvas(width: int, height: int) -> bytes:
    """A WebP whose extended head claims a canvas, around a picture that is smaller."""
    inner = encode(noise(), "WEBP", lossless=True)[12:]
    flags = struct.pack("<I", 0x10) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + flags + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of names and contents; a name may be there twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in files:
            archive.writestr(name, content, method)
    return buffer.getvalue()


def changed(data: bytes, seed: int) -> bytes:
    """Some bytes of a file turned into others: at its front or anywhere."""
    rng, other = random.Random(seed), bytearray(data)
    for _ in range(1 + seed):
        other[rng.randrange(len(other) if seed % 2 else 80)] = rng.randrange(256)
    return bytes(other)
