"""Untrusted bytes, a path, a PIL image or an array -> an upright RGB uint8 array (H, W, 3).

This is the only decoder in the project: training, the apps and the command line all read pictures here.
Formats are told by content, never by file name.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from leukoscope.errors import ImageError
from leukoscope.pictures.formats import png_samples, tiff_pages, tiff_samples
from leukoscope.pictures.formats.dicom import DICOM, open_dicom
from leukoscope.pictures.formats.headers import check_header
from leukoscope.pictures.formats.heic import HEIC, open_heic
from leukoscope.pictures.formats.levels import eight_bits, white_of_16
from leukoscope.pictures.kinds import kind_of
from leukoscope.pictures.profiles import to_srgb

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "AVIF")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
MAX_DECODING = 400 * 2**20  # bytes that a decoder may need beside the file
MAX_EXIF = 2**20  # bytes; a longer note is not asked which side is up
STRIP = 2**22  # pixels that are converted at once: a whole picture's colours would be held twice or three times
WHOLE = 2**24  # pixels of RGB that are taken at once, as this is sooner
BITS_PER_SAMPLE, ORIENTATION = 258, 274  # tags of TIFF and EXIF
PROFILED = ("RGB", "RGBA", "RGBX", "P", "PA")  # modes whose colours a profile of RGB may describe
MIN_SIDE = 24  # px; below this even a lymphocyte has too few pixels for its nucleus to be seen

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | np.ndarray


def read_image(source: ImageSource, page: int = 1) -> np.ndarray:
    """Decode a picture.

    Args:
        source: path, encoded bytes (JPEG, PNG, TIFF, BMP, WebP, GIF, JPEG 2000, AVIF; HEIC and DICOM with the
            extra `leukoscope[microscopy]`), PIL image, or uint8 array of shape (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4). Of an animated or multi-page file the first page is read, of a TIFF the largest that is
            no reduced copy. Orientation and colour profile are applied; transparency is laid on white, and is
            none if it is whole everywhere; deeper samples are scaled to 8 bits.
        page: of a path or bytes, which of the `picture_count` pictures.

    Returns:
        RGB uint8 array of shape (H, W, 3), each side at least 24 px, at most 50 million pixels.

    Raises:
        ImageError: if there is no such file, or it is not a picture that can be read.
        TypeError: if `source` is of none of the types above.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if isinstance(source, str | os.PathLike):
        source = read_file(Path(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), page)
    raise TypeError(
        f"cannot read a picture from {type(source).__name__}: give a path, bytes, a PIL image or a uint8 array"
    )


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file, at most `MAX_BYTES`.

    Raises:
        ImageError: if there is no such file, or it cannot be read, or is too large.
    """
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder, not a picture")
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # a pipe or a device may never end
            raise ImageError(f"{path} is not a file")
        if state.st_size > MAX_BYTES:
            raise ImageError(f"{path.name}: larger than {MAX_BYTES // 2**20} MB")
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ImageError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def picture_count(data: bytes) -> int:
    """How many pictures alike a file holds, such as the planes of a stack; 1 if it is no TIFF, or is damaged."""
    try:
        found = tiff_pages.pages(data)  # other formats of many pages are animations
        return len(tiff_pages.pictures(found)) if found else 1
    except ImageError:
        return 1


def page_note(data: bytes) -> str | None:
    """What to say of a file that holds more pictures than the one that is read; None if it does not."""
    count = picture_count(data)
    return f"the first of {count:,} pictures in the file is read" if count > 1 else None


def _from_bytes(data: bytes, number: int = 1) -> np.ndarray:
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES // 2**20} MB")
    kind = kind_of(data)
    check_header(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb and of broken metadata; our own pixel limit decides.
            warnings.simplefilter("ignore")
            if kind == DICOM:
                return _from_dicom(data)
            if found := tiff_pages.pages(data):
                page = tiff_pages.chosen(found) if number == 1 else _numbered(tiff_pages.pictures(found), number)
                own = tiff_pages.colour_pages(found, page) or [page]
                if tiff_samples.is_ours(own):
                    return _from_samples(own, tiff_pages.told_level(found))
                data = tiff_samples.for_pillow(found, own)
            elif number != 1:
                _numbered([], number)
            with open_heic(data) if kind == HEIC else Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _from_pil(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"not a picture of a known format ({', '.join(FORMATS)}, HEIC, DICOM)") from None
    except Image.DecompressionBombError:
        raise ImageError(_too_large()) from None
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise ImageError(f"the picture is damaged or cut short ({type(error).__name__})") from None


def _numbered(pages: list[tiff_pages.Page], number: int) -> tiff_pages.Page:
    if not 1 <= number <= len(pages):
        raise ImageError(f"there is no picture {number} in the file")
    return pages[number - 1]


def _from_dicom(data: bytes) -> np.ndarray:
    frame = open_dicom(data)
    if frame.coded is not None:
        image = _from_bytes(frame.coded)
    else:
        _check_size(*frame.size)
        _check_memory(*frame.size, frame.decoding_bytes)
        image = frame.levels()
    return np.ascontiguousarray(to_srgb(image, frame.profile))


def _from_samples(pages: list[tiff_pages.Page], told: int) -> np.ndarray:
    """The pixels of TIFF pages that Pillow would misread."""
    width, height = pages[0].size
    _check_size(width, height)
    _check_memory(width, height, tiff_samples.decoding_bytes(pages))
    image = tiff_samples.read(pages, told)
    if image.shape[2] == 4:
        image = _pil_to_rgb(Image.fromarray(image))
    image = to_srgb(image, pages[0].raw(tiff_pages.PROFILE, MAX_BYTES))
    return np.ascontiguousarray(_turned(image, pages[0].number(tiff_pages.ORIENTATION, 1)))


def _from_pil(image: Image.Image) -> np.ndarray:
    _check_size(*image.size)
    if (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(tiff_pages.PLANAR) == 2
        and 16 in _bits(image)
    ):
        raise ImageError("Pillow misreads a TIFF of 16 bits in planes: give the file's path or bytes")
    if image.mode == "F":
        raise ImageError("floating-point pictures are not supported: save it with 8 bits a channel")
    deep = png_samples.is_deep(image)
    _check_memory(image.width, image.height, image.width * image.height * _decoding_bytes(image, deep))
    try:
        if deep:
            png_samples.brighten(image)
        image.load()
        rgb = _pil_to_rgb(image)
        if image.mode in PROFILED:
            rgb = to_srgb(rgb, image.info.get("icc_profile"))
        return _turned(rgb, _orientation(image))
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise ImageError(f"the picture is damaged or cut short ({type(error).__name__})") from None


def _decoding_bytes(image: Image.Image, deep: bool) -> int:
    """Bytes that a decoder needs for each pixel: Pillow's own, and what the format's library holds beside them."""
    if image.format in ("WEBP", "AVIF", HEIC):
        return 16  # two canvases of an animation, or planes of 16 bits, and a copy
    if image.format == "JPEG2000":
        return 4 + 7 * len(image.getbands())  # integers of 32 bits, and a tile may be as large as the picture
    if image.info.get("progressive"):
        return 4 + 2 * len(image.getbands())  # all coefficients, until the last scan
    if image.format == "TIFF":  # a strip may be as large as the picture
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return 4 + sum(bits) // 8 if isinstance(bits, tuple) else 8
    return 8 if deep else 4  # twice: its upper bytes and its lower ones


def _bits(image: TiffImagePlugin.TiffImageFile) -> tuple[int, ...]:
    bits = image.tag_v2.get(BITS_PER_SAMPLE, (8,))
    return bits if isinstance(bits, tuple) else (8,)


def _orientation(image: Image.Image) -> int:
    """Which side is up, 1-8 as EXIF has it; 1 where the note about it is damaged."""
    if len(image.info.get("exif") or b"") > MAX_EXIF:
        return 1
    try:
        orientation: int = image.getexif().get(ORIENTATION, 1)
        return orientation
    except Exception:  # as with the picture itself
        return 1


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """The array with its upper side up."""
    if orientation not in range(2, 9):
        return image
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    rows, columns = _FLIPS[orientation]
    return np.ascontiguousarray(image[::rows, ::columns])


# By orientation: the steps in which rows and columns are read, after the axes were exchanged from 5 on.
_FLIPS = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


def _pil_to_rgb(image: Image.Image) -> np.ndarray:
    deep = image.mode == "I" or image.mode.startswith("I;16")  # Pillow opens 16-bit PNG and TIFF as 32-bit integers
    if deep and not 0 <= np.min(extrema := image.getextrema()) <= np.max(extrema) <= 65535:
        raise ImageError("32-bit integer pictures are not supported: save it with 8 or 16 bits")
    white = white_of_16(int(np.max(extrema))) if deep else 255.0
    clear = image.has_transparency_data and not _wholly_clear(image)
    rows = max(1, STRIP // image.width)
    if image.width * image.height <= WHOLE and image.mode == "RGB" and not clear:
        return np.array(image)  # as below, sooner
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        rgb[top : top + rows] = _grey16_to_rgb(np.asarray(strip), white) if deep else _strip_to_rgb(strip, clear)
    return rgb


def _wholly_clear(image: Image.Image) -> bool:
    """Whether alpha is 0 everywhere: frame grabbers leave it so, and no one writes a picture to hide it."""
    return "A" in image.getbands() and image.getchannel("A").getextrema() == (0, 0)


def _strip_to_rgb(image: Image.Image, clear: bool) -> np.ndarray:
    try:
        if clear:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))
    except ValueError:
        raise ImageError(f"pictures in the colours {image.mode} are not supported: save it as RGB") from None


def _grey16_to_rgb(values: np.ndarray, white: float) -> np.ndarray:
    return np.repeat(eight_bits(values.astype(np.uint16), white)[..., None], 3, axis=2)


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise ImageError(f"an array must be uint8 with values 0-255, not {array.dtype}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"an array must have shape (H, W), (H, W, 3) or (H, W, 4), not {array.shape}")
    _check_size(array.shape[1], array.shape[0])
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return _pil_to_rgb(Image.fromarray(array, "RGBA"))
    return np.ascontiguousarray(array)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(f"{width} x {height}"))
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"the picture is too small: {width} x {height} px, at least {MIN_SIDE} px a side needed")


def _check_memory(width: int, height: int, need: int) -> None:
    if need > MAX_DECODING:
        raise ImageError(_too_large(f"{width} x {height} in this form", MAX_DECODING // 2**20, "MB"))


def _too_large(size: str = "it", most: int = MAX_PIXELS // 10**6, unit: str = "million pixels") -> str:
    return f"the picture is too large: {size} has more than {most} {unit}"
