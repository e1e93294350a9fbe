"""TIFF files as cameras and scanners write them: any depth, order, planes, tiles and packing."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PACKINGS = {1: None, 5: "tiff_lzw", 8: "zlib", 32946: "zlib", 32773: "packbits", 34925: "lzma", 50000: "zstd"}


def page(
    values: np.ndarray,
    order: str = "<",
    planar: bool = False,
    tile: int = 0,
    rows: int = 0,
    packing: int = 1,
    predictor: int = 1,
    tags: dict[int, tuple[int, list[int] | bytes]] | None = None,
    bits: int = 0,
) -> tuple[dict, list[bytes]]:
    """A page's tags (number -> type, values) and its strips or tiles, of values (H, W, S); in bits without a gap."""
    height, width, samples = values.shape
    across, down = (tile, tile) if tile else (width, rows or height)
    parts = []
    for plane in [values[..., n : n + 1] for n in range(samples)] if planar else [values]:
        for top in range(0, height, down):
            for left in range(0, width, across):
                block = plane[top : top + down, left : left + across]
                if tile:
                    block = np.pad(block, [(0, tile - block.shape[0]), (0, tile - block.shape[1]), (0, 0)])
                plain = _without_gaps(block, bits) if bits else _predicted(block, order, predictor)
                parts.append(_packed(plain, packing))
    form = 3 if values.dtype.kind == "f" else 1
    made: dict = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits or 8 * values.itemsize] * samples),
        259: (3, [packing]),
        262: (3, [2 if samples > 2 else 1]),
        277: (3, [samples]),
        284: (3, [2 if planar else 1]),
        317: (3, [predictor]),
        339: (3, [form] * samples),
    }
    made |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [down])}
    if samples > 3:
        made[338] = (3, [0] * (samples - 3))
    return made | (tags or {}), parts


def tiff(*pages: tuple[dict, list[bytes]], order: str = "<", big: bool = False) -> bytes:
    """A file of pages."""
    number, word = ("Q", 8) if big else ("L", 4)
    out = bytearray(
        (b"II" if order == "<" else b"MM")
        + struct.pack(order + ("HHH" if big else "H"), *((43, 8, 0) if big else (42,)))
    )
    link = len(out)
    out += bytes(word)
    for tags, parts in pages:
        places = []
        for part in parts:
            places.append(len(out))
            out += part + bytes(len(part) % 2)
        kind = 16 if big else 4
        tiled = 322 in tags
        tags = tags | {324 if tiled else 273: (kind, places), 325 if tiled else 279: (kind, [len(p) for p in parts])}
        entries = b""
        for tag, (form, values) in sorted(tags.items()):
            body = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_LETTER[form]}", *values)
            if len(body) > word:
                place = len(out)
                out += body + bytes(len(body) % 2)
                body = struct.pack(order + number, place)
            entries += struct.pack(order + "HH" + number, tag, form, len(values)) + body.ljust(word, b"\0")
        out[link : link + word] = struct.pack(order + number, len(out))
        out += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
        link = len(out)
        out += bytes(word)
    return bytes(out)


_LETTER = {1: "B", 2: "B", 3: "H", 4: "L", 7: "B", 16: "Q"}


def _predicted(block: np.ndarray, order: str, predictor: int) -> bytes:
    if predictor == 2:
        block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
    if predictor == 3:  # bytes of one weight together, the highest first, then differences to the pixel before
        rows, width, samples = block.shape
        raw = np.ascontiguousarray(block.astype(block.dtype.newbyteorder(">"))).view(np.uint8)
        raw = raw.reshape(rows, width * samples, block.itemsize).swapaxes(1, 2).reshape(rows, -1, samples)
        return np.diff(raw, axis=1, prepend=np.zeros_like(raw[:, :1])).tobytes()
    return block.astype(block.dtype.newbyteorder(order)).tobytes()


def _without_gaps(block: np.ndarray, bits: int) -> bytes:
    rows = np.ascontiguousarray(block.astype(">u2")).view(np.uint8).reshape(len(block), -1, 2)
    every = np.unpackbits(rows, axis=2)[..., 16 - bits :]
    return np.packbits(every.reshape(len(block), -1), axis=1).tobytes()


def _packed(plain: bytes, packing: int) -> bytes:
    name = PACKINGS.get(packing)
    if name == "zlib":
        return zlib.compress(plain)
    if name is None:
        return plain
    buffer = io.BytesIO()  # by Pillow, as one strip of grey bytes
    Image.frombytes("L", (len(plain), 1), plain).save(buffer, "TIFF", compression=name)
    with Image.open(buffer) as image:
        (place,), (size,) = image.tag_v2[273], image.tag_v2[279]
    return buffer.getvalue()[place : place + size]
