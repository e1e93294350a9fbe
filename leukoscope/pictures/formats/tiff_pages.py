"""Which page of a TIFF is the picture, and what its directory says. Nothing is decoded here.

The first page of a slide scanner's file may be a thumbnail; a microscope may keep red, green and blue as pages of their
own. Decoders look at the first page alone.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from leukoscope.errors import ImageError
from leukoscope.pictures.formats.headers import MOST_VALUES

MOST_PAGES = 4096  # that are looked at
MOST_ENTRIES = 65_536  # tags of all pages together, each handled in Python
MOST_TEXT = 65_536  # bytes of a description; what is asked of it stands in front

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 266, 270, 273, 277, 278, 279
MAX_SAMPLE, PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT = 281, 284, 317, 322, 323
TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT, SMAX_SAMPLE = 324, 325, 338, 339, 341
ORIENTATION, PROFILE = 274, 34675

_NUMBERS = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q"}  # types of whole numbers; all that is asked for
_UNNAMED = re.compile(r"(c|ch|chan|channel)?[\s:_#-]*[\d:\s]*", re.IGNORECASE)
_OME_COLOURS = {0xFF0000FF: "red", 0x00FF00FF: "green", 0x0000FFFF: "blue"}  # red, green, blue, alpha
_LETTERS = {"r": "red", "g": "green", "b": "blue"}
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Page:
    """One directory of a TIFF.

    Attributes:
        data: the file.
        order: "<" or ">", the file's order of bytes.
        offset: where the directory begins.
        entries: tag -> its type, the count of its values, and where they (or their address) stand.
    """

    data: bytes = field(repr=False)
    order: str
    offset: int
    entries: dict[int, tuple[int, int, int]] = field(repr=False)
    big: bool = False

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag, none if it is absent or of another type."""
        kind, count, _ = self.entries.get(tag, (0, 0, 0))
        if kind not in _NUMBERS or not count:
            return ()
        if count > MOST_VALUES:
            raise ImageError(f"the picture is built in a way that is not read: TIFF tag {tag} with {count:,} values")
        layout = f"{self.order}{count}{_NUMBERS[kind]}"
        try:
            return struct.unpack_from(layout, self.data, self._place(tag, struct.calcsize(layout)))
        except (struct.error, OverflowError):
            raise ImageError("the picture is damaged or cut short (its directory)") from None

    def number(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        return next(iter(self.numbers(tag)), default)

    def raw(self, tag: int, most: int = MOST_TEXT) -> bytes:
        """The bytes of a tag, such as a text; none beyond `most`."""
        kind, count, _ = self.entries.get(tag, (0, 0, 0))
        if kind not in (1, 2, 7):
            return b""
        try:
            place = self._place(tag, count)
        except (struct.error, OverflowError):
            return b""
        return self.data[place : place + min(count, most)]

    def _place(self, tag: int, size: int) -> int:
        place = self.entries[tag][2]
        if size > (8 if self.big else 4):  # they stand elsewhere
            (place,) = struct.unpack_from(self.order + ("Q" if self.big else "L"), self.data, place)
        return place

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as they are stored."""
        return self.number(WIDTH), self.number(HEIGHT)

    @property
    def samples(self) -> int:
        """Values for each pixel."""
        return self.number(SAMPLES, 1)

    @property
    def reduced(self) -> bool:
        """Whether it is a smaller copy of another page, or a mask."""
        return bool(self.number(SUBFILE) & 0b101) or self.number(OLD_SUBFILE) == 2


def pages(data: bytes) -> list[Page]:
    """The pages of a TIFF in their order, up to what is damaged; none if the file is no TIFF."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return []
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    number, entry = struct.Struct(order + ("Q" if big else "L")), struct.Struct(order + ("HHQQ" if big else "HHLL"))
    count_of = struct.Struct(order + ("Q" if big else "H"))
    found: dict[int, Page] = {}
    left = MOST_ENTRIES
    try:
        (offset,) = number.unpack_from(data, 8 if big else 4)
        while offset and offset not in found and len(found) < MOST_PAGES:
            (count,) = count_of.unpack_from(data, offset)
            start = offset + count_of.size
            left -= count
            if left < 0:
                break
            entries = {}
            for place in range(start, start + count * entry.size, entry.size):
                tag, kind, values, _ = entry.unpack_from(data, place)
                entries[tag] = (kind, values, place + (12 if big else 8))
            found[offset] = Page(data, order, offset, entries, big)
            (offset,) = number.unpack_from(data, start + count * entry.size)
    except (struct.error, OverflowError):
        pass  # what came before may be whole
    return list(found.values())


def chosen(found: list[Page]) -> Page:
    """The picture among the pages: the largest that is no reduced copy, the first of several."""
    whole = [page for page in found if not page.reduced] or found
    return max(whole, key=lambda page: page.size[0] * page.size[1])


def beginning_with(page: Page) -> bytes:
    """The file with a page made its first, for decoders that read no other."""
    place, layout = (8, "Q") if page.big else (4, "L")
    offset = struct.pack(page.order + layout, page.offset)
    return page.data[:place] + offset + page.data[place + len(offset) :]


def colour_pages(found: list[Page], page: Page) -> list[Page] | None:
    """The pages of red, green and blue, where a microscope's program kept each colour as a grey page of its own.

    Told by what ImageJ or OME wrote beside the pixels; without names or colours the order is taken as red, green, blue.

    Returns:
        Three grey pages of one size, or None: the page holds the picture.

    Raises:
        ImageError: if the channels are other than three, or are no colours of a picture.
    """
    if page.samples != 1 or page.number(PHOTOMETRIC, 1) not in (0, 1):
        return None
    count, step, names = _channels(found)
    if count < 2:
        return None
    named = [name for name in names if not _UNNAMED.fullmatch(name)]
    if count != 3 or (named and sorted(named) != sorted(COLOURS)):
        which = f" ({', '.join(name[:20] for name in names[:6])})" if named else ""
        raise ImageError(
            f"the picture's {count} channels{which} are not red, green and blue: save it as RGB, 8 bits a channel"
        )
    start = found.index(page)
    three = found[start : start + 2 * step + 1 : step]
    if len(three) < 3 or any(other.size != page.size or other.samples != 1 for other in three):
        raise ImageError("the picture is damaged or cut short (a page of its colours is missing)")
    return [three[names.index(colour)] for colour in COLOURS] if named else three


def _channels(found: list[Page]) -> tuple[int, int, list[str]]:
    """Channels, the step between their pages, and their names, as the first page notes them."""
    text = found[0].raw(DESCRIPTION).decode("utf-8", "replace")
    return _imagej(text) if text.startswith("ImageJ=") else _ome(text)


def _imagej(text: str) -> tuple[int, int, list[str]]:
    """Channels, the step between their pages, and their names, as ImageJ notes them."""
    found = re.search(r"^channels=(\d{1,6})\s*$", text, re.MULTILINE)
    return (int(found[1]) if found else 1), 1, []


def _ome(text: str) -> tuple[int, int, list[str]]:
    """The same of OME-XML. It is searched, not parsed: a parser would follow whatever the file tells it to."""
    start = text.find("<Pixels") if "OME" in text[:4096] else -1
    found = re.match(r"<Pixels\b[^>]*>", text[start:]) if start >= 0 else None
    if not found:
        return 1, 1, []
    size = {axis: int(_attribute(found[0], f"Size{axis}", r"\d{1,6}") or 1) for axis in "CZT"}
    order = _attribute(found[0], "DimensionOrder", r"XY[CZT]{3}") or "XYCZT"
    step = 1
    for axis in order[2 : order.index("C")] if "C" in order else "":
        step *= size[axis]
    channels = re.findall(r"<Channel\b[^>]*>", text[start:])[: size["C"]]
    if any((_attribute(channel, "SamplesPerPixel", r"\d{1,3}") or "1") != "1" for channel in channels):
        return 1, 1, []
    colours = [_OME_COLOURS.get(int(_attribute(c, "Color", r"-?\d{1,12}") or -1) % 2**32, "") for c in channels]
    names = [_attribute(channel, "Name", r"[^\"']{1,200}").strip().lower() for channel in channels]
    names = [_LETTERS.get(name, name) for name in names]
    return size["C"], step, colours if sorted(colours) == sorted(COLOURS) else names


def told_level(found: list[Page]) -> int:
    """The highest level, where OME-XML says how many bits are significant and these are not all; 0 if it does not."""
    text = found[0].raw(DESCRIPTION).decode("utf-8", "replace")
    element = re.search(r"<Pixels\b[^>]*>", text) if "OME" in text[:4096] else None
    bits = int(_attribute(element[0], "SignificantBits", r"\d{1,2}") or 0) if element else 0
    return 2**bits - 1 if 8 <= bits < 16 else 0  # 16 is what programs write of every picture of 16 bits


def _attribute(element: str, name: str, pattern: str) -> str:
    found = re.search(rf"\b{name}\s*=\s*[\"']({pattern})[\"']", element)
    return found[1] if found else ""


def pictures(found: list[Page]) -> list[Page]:
    """The page that each picture of a file begins with: first the one that is read, then all of its size.

    Raises:
        ImageError: as `colour_pages`.
    """
    page = chosen(found)
    if colour_pages(found, page) is None:
        return [other for other in found if other.size == page.size and not other.reduced] or [page]
    first, (_, step, _) = found.index(page), _channels(found)
    starts = (block + n for block in range(first, len(found), len(COLOURS) * step) for n in range(step))
    return [found[start] for start in starts if start + 2 * step < len(found)]
