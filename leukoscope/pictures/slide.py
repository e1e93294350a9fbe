"""A slide's file -> its size, levels and microns, and any part of it as pixels. OpenSlide is the only reader.

What a file promises is looked at before a tile of it is decoded. OpenSlide is C: a handle that has met a broken tile
answers nothing more, so that each such read ends with a new handle.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from PIL import Image

from leukoscope.errors import NO_OPENSLIDE, SlideError

SUFFIXES = {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide"}  # nothing but slides has these names
MICRONS = (0.03, 1.0)  # µm a pixel at level 0, between which a slide is believed
MOST_PIXELS = 2**37  # of level 0: a whole glass at 0.12 µm a pixel, some 200 MB of JPEG a row of tiles beyond
MOST_TILE = 4096  # px, the side of a tile of the file: it is decoded whole
MOST_LEVELS = 64
CACHE = 64 * 2**20  # bytes of decoded tiles that a handle keeps: all that cells in 3,300 x 3,300 px may lie on
ENDS = 2**20  # bytes at either end of a file, by which it is known
SEEN = 8  # px from one to the next that are asked whether a tile of the file is missing
GLASS = (255, 255, 255)


class Box(NamedTuple):
    """A part of a slide: left and top, width and height, px."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Level:
    """One level of the pyramid. width, height: px. step: how many times smaller than level 0."""

    width: int
    height: int
    step: float


class Slide:
    """An open slide. It may be sent to other processes, where it is opened anew.

    Attributes:
        path: of the file.
        levels: from the finest, level 0, to the coarsest.
        microns: of a pixel of level 0, µm; None if the slide does not say, or nothing that a slide can have.
        bounds: the part of level 0 that was scanned.
        cropped: where viewers that crop to the scanned part, as QuPath does, have their (0, 0); px of level 0.
        notes: sentences for the user.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a slide.

        Args:
            path: of a file that OpenSlide reads; of a series of files (MRXS, DICOM), the one that names the others.

        Raises:
            SlideError: if there is no such file, it is no slide, is cut short, or is larger than any slide.
            ImportError: if OpenSlide is not installed.
        """
        self.path = Path(path)
        self._open: Any = None
        facts = self._checked(self._handle())
        self.levels: tuple[Level, ...] = facts
        properties = self._handle().properties
        notes = []
        self.microns, said = _microns(properties)
        if self.microns is None:
            notes.append(f"{said}; the scale is told by the size of the white cells")
        if len(self.levels) == 1:
            notes.append("it has no pyramid: the overview is made of a window a tile, which takes longer")
        self.bounds, self.cropped = _bounds(properties, self.levels[0])
        self.notes = tuple(notes)

    def _handle(self) -> Any:
        if self._open is None:
            openslide = _openslide()
            _refuse_what_is_no_file(self.path)
            try:
                self._open = openslide.OpenSlide(self.path)
                self._open.set_cache(openslide.OpenSlideCache(CACHE))
            except openslide.OpenSlideUnsupportedFormatError:
                raise SlideError(_why_not(self.path, "no slide that OpenSlide reads")) from None
            except openslide.OpenSlideError as error:
                raise SlideError(_why_not(self.path, f"cannot be opened: {error}")) from None
        return self._open

    @staticmethod
    def _checked(handle: Any) -> tuple[Level, ...]:
        """The levels, if what the file promises can be held."""
        if handle.level_count > MOST_LEVELS:
            raise SlideError(f"{handle.level_count} levels, where no slide has more than {MOST_LEVELS}")
        width, height = handle.dimensions
        if width * height > MOST_PIXELS:
            raise SlideError(f"{width:,} x {height:,} px, more than the {MOST_PIXELS:,} px that a slide may have")
        for level in range(handle.level_count):
            for side in ("width", "height"):
                tile = int(handle.properties.get(f"openslide.level[{level}].tile-{side}", 0))
                if tile > MOST_TILE:
                    raise SlideError(f"tiles of {tile:,} px at level {level}, where {MOST_TILE:,} px are the most")
        sizes = zip(handle.level_dimensions, handle.level_downsamples, strict=True)
        return tuple(Level(width, height, step) for (width, height), step in sizes)

    @cached_property
    def digest(self) -> str:
        """What tells this file from another: SHA-256 of its size and of the megabyte at either end, in hex."""
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            head = file.read(ENDS)
            file.seek(max(0, size - ENDS))
            return hashlib.sha256(b"%d\n" % size + head + file.read(ENDS)).hexdigest()

    def read(self, box: Box, level: int = 0) -> Image.Image:
        """Decode a part of the slide.

        Args:
            box: px of the level; what lies outside the slide, or in a tile that the file leaves out, is white.
            level: which.

        Returns:
            RGB picture of the size of the box.

        Raises:
            SlideError: if a tile of it is broken.
        """
        openslide = _openslide()
        step = self.levels[level].step
        try:
            part = self._handle().read_region((round(box.x * step), round(box.y * step)), level, box[2:])
        except (openslide.OpenSlideError, OSError) as error:
            self.close()
            raise SlideError(f"a tile of the file is broken: {error}") from None
        picture: Image.Image = part.convert("RGB")
        seen = part.resize((-(-box.width // SEEN), -(-box.height // SEEN)), Image.Resampling.NEAREST)
        if seen.getchannel("A").getextrema()[0] < 255:
            picture = Image.composite(picture, Image.new("RGB", part.size, GLASS), part.getchannel("A"))
        return picture

    def close(self) -> None:
        """Let go of the file; reading opens it again."""
        if self._open is not None:
            with contextlib.suppress(Exception):  # of a handle that is broken
                self._open.close()
            self._open = None

    def __enter__(self) -> Slide:
        """The slide itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self.close()

    def __getstate__(self) -> dict[str, object]:
        """Sent without the open file."""
        return {**self.__dict__, "_open": None}


def is_slide(path: str | os.PathLike[str]) -> bool:
    """Whether a file is taken for a slide: by its name, or a TIFF that is larger than a photo may be."""
    from leukoscope.pictures.images import MAX_BYTES, MAX_PIXELS

    file = Path(path)
    if file.suffix.lower() in SUFFIXES:
        return True
    if file.suffix.lower() not in (".tif", ".tiff") or not file.is_file():
        return False
    if file.stat().st_size > MAX_BYTES:
        return True
    Image.init()
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=("TIFF",)) as picture:  # its header
            return picture.width * picture.height > MAX_PIXELS
    except Image.DecompressionBombError:
        return True
    except Exception:  # Pillow raises many kinds on damaged files; who reads photos says what is wrong
        return False


def _openslide() -> Any:
    try:
        import openslide
    except ImportError:
        raise ImportError(NO_OPENSLIDE) from None
    return openslide


def _refuse_what_is_no_file(path: Path) -> None:
    if path.is_dir():
        raise SlideError("a folder, not a slide: of several files that are one slide, name one")
    if not path.exists():
        raise SlideError("there is no such file")
    if not path.is_file():
        raise SlideError("is not a file")


def _why_not(path: Path, otherwise: str) -> str:
    """Why a file does not open, where its first bytes say so."""
    with open(path, "rb") as file:
        head = file.read(16)
    size = path.stat().st_size
    order = {b"II": "little", b"MM": "big"}.get(head[:2])
    if not size:
        return "an empty file"
    if order is None or head[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        return otherwise
    large = b"+" in head[2:4]
    first = int.from_bytes(head[8:16] if large else head[4:8], order)  # type: ignore[arg-type]
    if first >= size:
        return f"the file is cut short: it has {size:,} bytes, and its directory begins at {first:,}"
    return f"{otherwise}, a TIFF that has no tiles, is cut short, or is packed in a way that OpenSlide does not know"


def _microns(properties: Mapping[str, str]) -> tuple[float | None, str]:
    """µm a pixel, or None and why."""
    try:
        given = [float(properties[f"openslide.mpp-{axis}"]) for axis in "xy"]
    except (KeyError, ValueError):
        return None, "it does not say how many microns a pixel is"
    mean = sum(given) / 2
    if MICRONS[0] <= mean <= MICRONS[1]:
        return mean, ""
    return None, f"it says {mean:.4g} µm a pixel, where {MICRONS[0]:g} to {MICRONS[1]:g} can be"


def _bounds(properties: Mapping[str, str], whole: Level) -> tuple[Box, tuple[int, int]]:
    try:
        x, y, width, height = (int(properties[f"openslide.bounds-{name}"]) for name in ("x", "y", "width", "height"))
    except (KeyError, ValueError):
        return Box(0, 0, whole.width, whole.height), (0, 0)
    left, top = min(max(0, x), whole.width - 1), min(max(0, y), whole.height - 1)
    return Box(left, top, min(width, whole.width - left), min(height, whole.height - top)), (x, y)
