"""What an encoded picture promises, looked at before a decoder believes it.

Pillow walks some parts of a file in Python, piece by piece, and some codecs go over the whole picture once for each
piece. A file of few megabytes can so be made to take minutes or gigabytes. The walks here are bounded, read nothing but
lengths and counts, and pass over what they do not know: whether a file is whole is for the decoder to find out.
"""

from __future__ import annotations

import re
import struct

from leukoscope.errors import ImageError

MOST_SCANS = 64  # of a progressive JPEG, each a pass over the whole picture; cameras and editors write about 10
MOST_SEGMENTS = 2048  # of a JPEG before its picture
MOST_METADATA = 8 * 2**20  # bytes of a JPEG before its picture: profiles, previews, notes
MOST_JUNK = 65_536  # bytes between two segments of a JPEG, which Pillow passes over one by one
MOST_CHUNKS = 65_536  # of a PNG; libpng writes one for every 8 kB
MOST_BLOCKS = 8192  # of a GIF's notes before its picture, 255 bytes each
MOST_VALUES = 65_536  # of one TIFF tag: rows or tiles, each of them handled in Python
MOST_TAGS = 1024  # of a TIFF page
MOST_TILES = 4096  # of a JPEG 2000, each with tables of its own
MOST_COMPONENTS = 5  # of a JPEG 2000: four colours and alpha
MOST_STREAMS = 64  # of pictures in a JPEG 2000

# Inside a coded picture 0xFF is followed by 0 or by a restart's number; anything else begins a segment.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG2000 = b"\xff\x4f\xff\x51"  # how its coded picture begins
_TIFF_BYTES = (1, 2, 6, 7)  # types that are kept as bytes, however many there are


def check_header(data: bytes) -> None:
    """Refuse a file that would take a decoder too long or too much memory; bytes of no known format pass.

    Raises:
        ImageError: naming what there is too much of.
    """
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_png(data)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        _check_gif(data)
    elif data.startswith(b"BM"):
        _check_bmp(data)
    elif data.startswith((b"II", b"MM")):
        _check_tiff(data)
    elif data.startswith((_JPEG2000, b"\0\0\0\x0cjP  \r\n\x87\n")):
        _check_jpeg2000(data)


def _refuse(what: str) -> None:
    raise ImageError(f"the picture is built in a way that is not read: {what}")


def _check_jpeg(data: bytes) -> None:
    place = 2
    for _ in range(MOST_SEGMENTS):
        marker = data.find(b"\xff", place, place + MOST_JUNK)
        if marker < 0 and place + MOST_JUNK < len(data):
            break
        if marker < 0 or marker + 4 > len(data):
            return  # cut short: the decoder says so
        kind = data[marker + 1]
        if kind == 0xDA:
            if data.count(b"\xff\xda", marker) > MOST_SCANS:
                _check_scans(data, marker)
            return
        place = marker + 1
        if kind not in (0x00, 0x01, 0xD8, 0xFF) and not 0xD0 <= kind <= 0xD7:
            place += 1 + int.from_bytes(data[place + 1 : place + 3], "big")
        if place > MOST_METADATA:
            break
    _refuse("what stands before its picture is longer than any camera's notes")


def _check_scans(data: bytes, place: int) -> None:
    scans = 0
    while found := _JPEG_MARKER.search(data, place):
        place, kind = found.end(), found[0][1]
        if kind == 0xD9:
            return
        scans += kind == 0xDA
        if scans > MOST_SCANS:
            _refuse(f"it has more than {MOST_SCANS} scans")
        place += int.from_bytes(data[place : place + 2], "big")


def _check_png(data: bytes) -> None:
    place = 8
    for _ in range(MOST_CHUNKS):
        if place + 8 > len(data) or data[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    _refuse(f"it has more than {MOST_CHUNKS:,} chunks")


def _check_gif(data: bytes) -> None:
    place = 13
    if len(data) > 10 and data[10] & 0x80:  # the table of colours that all pages share
        place += 3 << ((data[10] & 7) + 1)
    inside = False  # a note: blocks, each with its length before it, the last of length 0
    for _ in range(MOST_BLOCKS):
        byte = data[place] if place < len(data) else 0
        if inside:
            place, inside = place + 1 + byte, byte > 0
        elif byte == ord("!"):
            place, inside = place + 2, True
        elif byte in b",;" or place >= len(data):
            return
        else:
            place += 1
    _refuse("its notes are longer than any picture's")


def _check_bmp(data: bytes) -> None:
    # Pillow unpacks run lengths in Python, a run at a time.
    if len(data) >= 34 and int.from_bytes(data[14:18], "little") >= 40 and data[30] in (1, 2):
        _refuse("run-length coded BMP; save it as PNG")


def _check_jpeg2000(data: bytes) -> None:
    place = -1
    for _ in range(MOST_STREAMS):  # which of them a decoder takes for the picture is its own affair
        place = data.find(_JPEG2000, place + 1)
        if place < 0 or place + 44 > len(data):
            return
        right, bottom, _, _, width, height, left, top, components = struct.unpack_from(">8LH", data, place + 8)
        tiles = -(-(right - left) // max(width, 1)) * -(-(bottom - top) // max(height, 1))
        if tiles > MOST_TILES:
            _refuse(f"a JPEG 2000 of {tiles:,} tiles")
        if components > MOST_COMPONENTS:
            _refuse(f"a JPEG 2000 of {components:,} colours")
    _refuse(f"it has more than {MOST_STREAMS} pictures in one")


def _check_tiff(data: bytes) -> None:
    order = "<" if data[:2] == b"II" else ">"
    try:
        big = struct.unpack_from(order + "H", data, 2)[0] == 43
        offset = struct.unpack_from(order + ("Q" if big else "L"), data, 8 if big else 4)[0]
        count = struct.unpack_from(order + ("Q" if big else "H"), data, offset)[0]
        if count > MOST_TAGS:
            _refuse(f"a page with {count:,} tags")
        entry = struct.Struct(order + ("HHQQ" if big else "HHLL"))
        for number in range(count):
            tag, kind, values, _ = entry.unpack_from(data, offset + (8 if big else 2) + number * entry.size)
            if values > MOST_VALUES and kind not in _TIFF_BYTES:
                _refuse(f"TIFF tag {tag} with {values:,} values")
    except (struct.error, OverflowError):
        return  # cut short: the decoder says so
