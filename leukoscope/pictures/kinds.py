"""Kinds of file that are told by name, so that whoever has one reads what to do with it."""

from __future__ import annotations

from leukoscope.errors import ImageError
from leukoscope.pictures.formats.dicom import DICOM, SAVE_AS
from leukoscope.pictures.formats.heic import BRANDS, HEIC

_BEGINNINGS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"II\xbc\x01": "JPEG XR",
    b"ZISRAWFILE": "a CZI file of ZEN",
    b"\xda\xce\xbe\x0a": "an ND2 file of NIS-Elements",
    b"\x70\0\0\0": "a LIF file of LAS X",
    b"8BPS": "a PSD file",
}


def kind_of(data: bytes) -> str | None:
    """The kind of a file that is not for Pillow alone: HEIC, DICOM, or None.

    Raises:
        ImageError: naming a kind that is not read, and what to do.
    """
    if data[4:8] == b"ftyp" and data[8:12] in BRANDS:
        brands = data[8 : min(256, int.from_bytes(data[:4], "big"))]
        return None if b"avif" in brands or b"avis" in brands else HEIC  # one container: Pillow reads AVIF itself
    if data[128:132] == b"DICM":
        return DICOM
    if name := next((name for start, name in _BEGINNINGS.items() if data.startswith(start)), None):
        raise ImageError(f"{name} is not read: {SAVE_AS}")
    return None
