"""DICOM, one photo of a microscope or a camera, by the extra `leukoscope[microscopy]`.

pydicom reads what stands before the pixels, through a file that ends its patience. The pixels are taken from behind it
here: plain or run-length coded ones by numpy and Pillow, JPEG and JPEG 2000 by the reader of these.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from leukoscope.errors import ImageError
from leukoscope.pictures.formats.levels import eight_bits

DICOM = "DICOM"
MOST_READS = 20_000  # pieces of what stands before the pixels, each handled in Python; a microscope writes some hundred
MOST_READ = 2**22  # bytes of all of them together; a colour profile may have half a million
MOST_LISTED = 20_000  # values in lists
MOST_VALUE = 64  # bytes of a number or a word that is asked for
MOST_FRAGMENTS = 4096  # of the coded picture
SAVE_AS = "save its picture as PNG, TIFF or JPEG"

_PIXELS = 0x7FE00010
_PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")  # implicit and explicit, both little-endian
_RUNS = "1.2.840.10008.1.2.5"
_JPEG, _JPEG2000 = "1.2.840.10008.1.2.4.50", ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_COLOURS = {  # by what the pixels are coded as: those that decoders turn into red, green and blue
    **dict.fromkeys((*_PLAIN, _RUNS), ("RGB", "YBR_FULL")),
    _JPEG: ("RGB", "YBR_FULL", "YBR_FULL_422"),
    **dict.fromkeys(_JPEG2000, ("RGB", "YBR_ICT", "YBR_RCT")),
}
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
_NOT_YCC = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"  # a JPEG that says nothing is taken for luminance and colour


@dataclass(frozen=True)
class Frame:
    """The one picture of a file, not decoded yet.

    Attributes:
        size: width and height in pixels; of a coded picture what it says itself counts.
        coded: a JPEG or JPEG 2000, or None.
        profile: an ICC profile, or None.
    """

    size: tuple[int, int]
    coded: bytes | None
    profile: bytes | None
    _plain: bytes
    _bits: tuple[int, int]  # allocated, stored
    _apart: bool  # red, green and blue are planes of their own
    _runs: bool
    _ycc: bool

    @property
    def decoding_bytes(self) -> int:
        """Bytes that `levels` needs beside the file."""
        return self.size[0] * self.size[1] * (3 + 8 * self._ycc + (9 * self._bits[0] // 8 if self._runs else 0))

    def levels(self) -> np.ndarray:
        """The pixels of a picture that is not coded: uint8 (H, W, 3).

        Raises:
            ImageError: if it is damaged.
        """
        width, height = self.size
        kind = np.dtype("<u2" if self._bits[0] == 16 else np.uint8)
        shape = (3, height, width) if self._apart or self._runs else (height, width, 3)
        plain = _unpacked(self._plain, width, height, kind.itemsize) if self._runs else self._plain
        if len(plain) < 3 * width * height * kind.itemsize:
            raise _damaged("its pixels end too soon")
        values = np.frombuffer(plain, kind, 3 * width * height).reshape(shape)
        values = np.moveaxis(values, 0, -1) if self._apart or self._runs else values
        rgb = np.ascontiguousarray(eight_bits(values, 2.0 ** self._bits[1] - 1))
        return np.asarray(Image.fromarray(rgb, "YCbCr").convert("RGB")) if self._ycc else rgb


class _Bounded(io.BytesIO):
    """A file that is not read on and on."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = self.spent = self.listed = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(MOST_READ + 1 if size is None or size < 0 else min(size, MOST_READ + 1))
        self.reads += 1
        self.spent += len(piece)
        self.listed += piece.count(b"\\")  # stands between the values of a list
        if self.reads > MOST_READS or self.spent > MOST_READ or self.listed > MOST_LISTED:
            raise ImageError("the picture is built in a way that is not read: too much stands before its pixels")
        return piece


def open_dicom(data: bytes) -> Frame:
    """Find the picture of a file.

    Raises:
        ImageError: if the package that reads it is missing, or naming the kind of DICOM and what to do.
    """
    try:
        from pydicom.filereader import read_partial
    except ImportError:
        raise ImageError(
            "DICOM needs one more package: pip install 'leukoscope[microscopy]'; or save its picture as PNG"
        ) from None
    file = _Bounded(data)
    found: Any = read_partial(file, stop_when=lambda tag, vr, length: tag == _PIXELS)
    coding = found.file_meta.get("TransferSyntaxUID", "")
    if coding not in _COLOURS:
        raise ImageError(f"a DICOM with {getattr(coding, 'name', 'pixels of no kind')} inside is not read: {SAVE_AS}")
    frames, samples = _value(found, "NumberOfFrames", 1), _value(found, "SamplesPerPixel", 1)
    colours, bits = _value(found, "PhotometricInterpretation", "no kind"), _value(found, "BitsAllocated", 8)
    stored = _value(found, "BitsStored", bits)
    if frames != 1:
        raise ImageError(
            f"a DICOM of {frames} pictures, such as a film or the tiles of a whole slide, is not read: "
            "save one field as PNG, TIFF or JPEG"
        )
    if samples != 3 or colours not in _COLOURS[coding]:
        raise ImageError(f"a DICOM in colours of {colours} is not read: {SAVE_AS}")
    high, sign = _value(found, "HighBit", stored - 1), _value(found, "PixelRepresentation", 0)
    if bits not in (8, 16) or not 8 <= stored <= bits or high != stored - 1 or sign or (bits, colours[0]) == (16, "Y"):
        raise ImageError(f"a DICOM with pixels of {stored} in {bits} bits is not read: {SAVE_AS}")
    pixels = _pixels(data, file.tell(), coding == _PLAIN[0])
    profile = found.get("ICCProfile")
    if coding in (_JPEG, *_JPEG2000):
        if not pixels.startswith(_BEGINNINGS):
            raise _damaged("its coded picture is none")
        if coding == _JPEG and colours == "RGB":
            pixels = pixels[:2] + _NOT_YCC + pixels[2:]
        profile = None if b"ICC_PROFILE" in pixels[:4096] else profile
    size = _value(found, "Columns", 0), _value(found, "Rows", 0)
    return Frame(
        size,
        pixels if coding in (_JPEG, *_JPEG2000) else None,
        profile,
        pixels,
        (bits, stored),
        _value(found, "PlanarConfiguration", 0) == 1,
        coding == _RUNS,
        colours == "YBR_FULL",
    )


def _value(found: Any, name: str, default: Any) -> Any:
    """A number or a word of the file; the default where it is absent or empty."""
    if name not in found:
        return default
    raw = found.get_item(name)
    value = None if len(raw.value or b"") > MOST_VALUE else found[name].value
    if value is None or isinstance(value, type(default)):
        return default if value in (None, "") else value
    raise _damaged(f"its {name}")


def _pixels(data: bytes, place: int, implicit: bool) -> bytes:
    """The value of the element at a place; of a picture in pieces all of these, without the table before them."""
    try:
        tag = data[place : place + 4]
        (length,) = struct.unpack_from("<L", data, place + (4 if implicit else 8))
        place += 8 if implicit else 12
        if tag != b"\xe0\x7f\x10\0":
            raise _damaged("it has no pixels")
        if length != 0xFFFFFFFF:
            return data[place : place + length]
        pieces: list[bytes] = []
        while data[place : place + 4] == b"\xfe\xff\0\xe0":
            if len(pieces) > MOST_FRAGMENTS:
                raise ImageError(f"the picture is built in a way that is not read: more than {MOST_FRAGMENTS:,} pieces")
            (length,) = struct.unpack_from("<L", data, place + 4)
            pieces.append(data[place + 8 : place + 8 + length])
            place += 8 + length
        return b"".join(pieces[1:])
    except struct.error:
        raise _damaged("its pixels end too soon") from None


def _unpacked(data: bytes, width: int, height: int, itemsize: int) -> bytes:
    """Planes of run-length coded samples, of two bytes each the higher half first."""
    count, *starts = struct.unpack_from("<16L", data.ljust(64, b"\0"))
    if count != 3 * itemsize:
        raise _damaged("its planes are not all there")
    ends = [*starts[1:count], len(data)]
    halves = [
        Image.frombytes("L", (width, height), data[start:end], "packbits", "L").tobytes()
        for start, end in zip(starts[:count], ends, strict=True)
    ]
    planes = np.frombuffer(b"".join(halves), np.uint8).reshape(3, itemsize, -1)
    return planes[:, ::-1].swapaxes(1, 2).tobytes()


def _damaged(what: str) -> ImageError:
    return ImageError(f"the picture is damaged or cut short ({what})")
