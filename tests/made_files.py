"""One made file for each kind of picture that kit writes, and what must become of it.

python -m tests.made_files         # writes the table of docs/formats.md anew
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

from tests.made_dicoms import dicom
from tests.made_tiffs import page, tiff

DOCUMENT = Path(__file__).parents[1] / "docs/formats.md"
WIDTH, HEIGHT = 90, 70
FIRST = "the first of {} pictures in the file is read"


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        family: the format.
        what: which variation of it.
        make: builds the file.
        levels: how far the pixels may be from the truth; lossy codecs and profiles have some.
        refused: words of the refusal, if it is refused.
        truth: the pixels, if they are not `photo`.
        note: what is said beside the answer.
        needs: a package that reading it needs.
    """

    family: str
    what: str
    make: Callable[[], bytes]
    levels: int = 0
    refused: str = ""
    truth: Callable[[], np.ndarray] | None = None
    note: str | None = None
    needs: str = ""

    @property
    def outcome(self) -> str:
        """What the table says."""
        if self.refused:
            return f"refused: {self.refused}"
        said = f"; said: {self.note}" if self.note else ""
        return "read" + (f", with leukoscope[{'microscopy'}]" if self.needs else "") + said


def photo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Colours of all kinds, smooth enough for lossy codecs, white in one corner: uint8 (H, W, 3)."""
    rows, columns = np.mgrid[:height, :width]
    made = np.stack([columns * 2 + 40, rows * 3 + 20, 250 - columns - rows], axis=-1) % 256
    made[:4, :4] = 255
    return made.astype(np.uint8)


def deep(factor: float = 257, kind: type = np.uint16) -> np.ndarray:
    """The photo in other numbers."""
    return (photo() * kind(factor)).astype(kind)


def of_bits(bits: int) -> np.ndarray:
    """The photo with so many of 16 bits in use."""
    return np.round(photo() * ((2**bits - 1) / 255)).astype(np.uint16)


def with_alpha(level: int, values: np.ndarray | None = None) -> np.ndarray:
    """The photo and an alpha of one level."""
    values = photo() if values is None else values
    return np.concatenate([values, np.full((*values.shape[:2], 1), level, values.dtype)], axis=2)


def saved(image: Image.Image, form: str, **options) -> bytes:
    """A file by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def by_pillow(form: str, **options) -> bytes:
    return saved(Image.fromarray(photo()), form, **options)


def by_tifffile(values: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def one(values: np.ndarray, order: str = "<", big: bool = False, **options) -> bytes:
    """A TIFF of one page by this project's own writer."""
    return tiff(page(values, order=order, **options), order=order, big=big)


def profile(red: tuple, green: tuple, blue: tuple, gamma: float) -> bytes:
    """An ICC profile of version 2: three primaries (XYZ under D50) and a gamma."""
    fixed = lambda *values: struct.pack(f">{len(values)}i", *(round(v * 65_536) for v in values))  # noqa: E731
    curve = b"curv" + struct.pack(">IIHxx", 0, 1, round(gamma * 256))
    words = b"Made for a test\0"
    text = b"desc" + struct.pack(">II", 0, len(words)) + words + bytes(8 + 3 + 67)
    bodies = {b"desc": text + bytes(-len(text) % 4), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    bodies |= {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    for name, primary in ((b"r", red), (b"g", green), (b"b", blue)):
        bodies |= {name + b"XYZ": b"XYZ \0\0\0\0" + fixed(*primary), name + b"TRC": curve}
    place, table, data = 132 + 12 * len(bodies), struct.pack(">I", len(bodies)), b""
    for name, body in bodies.items():
        table += name + struct.pack(">II", place + len(data), len(body))
        data += body
    head = struct.pack(">I4xI4s4s4s", place + len(data), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + data


ADOBE = partial(profile, (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.2)
P3 = partial(profile, (0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407), 2.2)
PROPHOTO = partial(profile, (0.7977, 0.288, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249), 1.8)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_srgb(data: bytes, rgb: np.ndarray | None = None) -> np.ndarray:
    """The photo's numbers, of a profile's space, as littleCMS brings them to sRGB in one call."""
    image = Image.fromarray(photo() if rgb is None else rgb)
    own, intent = ImageCms.ImageCmsProfile(io.BytesIO(data)), ImageCms.Intent.RELATIVE_COLORIMETRIC
    return np.asarray(ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), renderingIntent=intent))


def deep_png(values: np.ndarray, bits: int = 0, interlaced: bool = False) -> bytes:
    """A PNG of 16 bits a colour; its sBIT says how many of these there were."""
    height, width, samples = values.shape
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[samples], 0, 0, interlaced)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for top, left, down, across in passes if interlaced else [(0, 0, 1, 1)]:
        part = values[top::down, left::across].astype(">u2")
        rows += b"".join(b"\0" + row.tobytes() for row in part)
    said = chunk(b"sBIT", bytes([bits] * samples)) if bits else b""
    packed = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + said + packed


def bmp_v4() -> bytes:
    """32 bits with a mask for alpha, which is 0 everywhere."""
    pixels = np.dstack([photo()[..., ::-1], np.zeros((HEIGHT, WIDTH), np.uint8)])[::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def files_in_tiff(packing: int, form: str, planar: bool = False, **options) -> bytes:
    """A TIFF whose tiles of 48 px are files of their own."""
    tags, _ = page(photo(), tile=48, planar=planar)
    whole = np.pad(photo(), [(0, 96 - HEIGHT), (0, 96 - WIDTH), (0, 0)])
    parts = []
    for plane in (whole[..., 0], whole[..., 1], whole[..., 2]) if planar else (whole,):
        for top, left in ((0, 0), (0, 48), (48, 0), (48, 48)):
            part = Image.fromarray(np.ascontiguousarray(plane[top : top + 48, left : left + 48]))
            parts.append(saved(part, form, **options))
    return tiff((tags | {259: (3, [packing])}, parts))


def described(text: str, values: np.ndarray, order: tuple[int, ...] = (0, 1, 2), **options) -> bytes:
    """Grey pages of a picture's colours, with a description in the first."""
    first, *rest = [page(np.ascontiguousarray(values[..., n : n + 1]), **options) for n in order]
    return tiff((first[0] | {270: (2, text.encode() + b"\0")}, first[1]), *rest)


def ome(*channels: str, z: int = 1, dimensions: str = "XYCZT", bits: int = 0) -> str:
    """OME-XML of channels with such attributes."""
    inner = "".join(f'<Channel ID="Channel:0:{n}" SamplesPerPixel="1" {c}/>' for n, c in enumerate(channels))
    pixels = (
        f'DimensionOrder="{dimensions}" SizeC="{len(channels)}" SizeT="1" SizeX="{WIDTH}" SizeY="{HEIGHT}" SizeZ="{z}"'
    )
    pixels += f' SignificantBits="{bits}"' if bits else ""
    return f'<?xml version="1.0"?><OME xmlns="x"><Image ID="Image:0"><Pixels {pixels}>{inner}</Pixels></Image></OME>'


def thumbnail_first(flag: bool, **options) -> bytes:
    small = page(np.ascontiguousarray(photo()[::2, ::2]), tags={254: (4, [1])} if flag else None, **options)
    return tiff(small, page(photo(), **options))


def stack(pages: int) -> bytes:
    return tiff(*(page(np.roll(photo(), n, axis=0)) for n in range(pages)))


def heic(**options) -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return saved(Image.fromarray(photo()), "HEIF", quality=95, **options)


def kinds() -> Iterator[Kind]:
    """All rows."""
    yield from _common()
    yield from _deep_tiffs()
    yield from _deep_pngs()
    yield from _packed_tiffs()
    yield from _paged_tiffs()
    yield from _alpha()
    yield from _profiles()
    yield from _dicoms()
    yield from _others()


def _common() -> Iterator[Kind]:
    for form in ("PNG", "TIFF", "BMP"):
        yield Kind(form, "8 bits a colour", partial(by_pillow, form))
    yield Kind("WebP", "lossless", partial(by_pillow, "WEBP", lossless=True))
    yield Kind("WebP", "lossy", partial(by_pillow, "WEBP", quality=95), levels=60)
    yield Kind("JPEG", "baseline", partial(by_pillow, "JPEG", quality=95, subsampling=0), levels=24)
    yield Kind(
        "JPEG", "progressive", partial(by_pillow, "JPEG", quality=95, subsampling=0, progressive=True), levels=24
    )
    cmyk = Image.fromarray(photo()).convert("CMYK")
    yield Kind("JPEG", "CMYK", lambda: saved(cmyk, "JPEG", quality=95), levels=40)
    few = Image.fromarray(photo() // 64 * 64).convert("P", palette=Image.Palette.ADAPTIVE)
    yield Kind("GIF", "palette", partial(saved, few, "GIF"), truth=lambda: np.asarray(few.convert("RGB")))
    yield Kind("PNG", "palette", partial(saved, few, "PNG"), truth=lambda: np.asarray(few.convert("RGB")))
    yield Kind("JPEG 2000", "lossless", partial(by_pillow, "JPEG2000"))
    yield Kind("JPEG 2000", "bare stream, lossy", _bare_stream, levels=24)
    yield Kind("AVIF", "8 bits", partial(by_pillow, "AVIF", quality=95, subsampling="4:4:4"), levels=24)
    turned = Image.Exif()
    turned[0x0112] = 6
    turned = turned.tobytes()  # saving AVIF takes the orientation out of an Exif: rows must not share one
    for form, levels in (("JPEG", 24), ("PNG", 0), ("TIFF", 0), ("WEBP", 60), ("AVIF", 24)):
        options = {"subsampling": "4:4:4"} if form in ("JPEG", "AVIF") else {}
        make = partial(by_pillow, form, exif=turned, quality=95, **options)
        name = {"WEBP": "WebP"}.get(form, form)
        yield Kind(name, "turned by a quarter (EXIF)", make, levels, truth=lambda: np.rot90(photo(), -1))


def _bare_stream() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "JPEG2000", no_jp2=True, quality_layers=[5], irreversible=True)
    return buffer.getvalue()


def _deep_tiffs() -> Iterator[Kind]:
    for planar in (False, True):
        planes = "planes stored separately" if planar else "interleaved"
        for order, name in (("<", "little"), (">", "big")):
            for parts, options in (("one strip", {}), ("strips", {"rows": 16}), ("tiles", {"tile": 32})):
                make = partial(one, deep(), order, planar=planar, **options)
                yield Kind("TIFF", f"16 bits, {planes}, {parts}, {name}-endian", make)
        yield Kind("TIFF", f"8 bits, {planes}, tiles", partial(one, photo(), planar=planar, tile=32))
        yield Kind("TIFF", f"16 bits, {planes}, BigTIFF", partial(one, deep(), big=True, planar=planar, rows=9))
        yield Kind(
            "TIFF", f"32 bits, whole numbers, {planes}", partial(one, deep(16_843_009, np.uint32), planar=planar)
        )
        for top, values in ((1, photo() / 255), (255, photo()), (65_535, photo() * 257.0)):
            make = partial(one, values.astype(np.float32), planar=planar, rows=11)
            yield Kind("TIFF", f"32 bits, floating-point up to {top:,}, {planes}", make)
    yield Kind("TIFF", "16 bits, floating-point", partial(one, (photo() / 255).astype(np.float16)))
    yield Kind("TIFF", "64 bits, floating-point", partial(one, photo() / 255, ">"))
    wrong = (photo() / 255 * 3 - 1).astype(np.float32)
    refused = "floating-point pictures with levels beyond 0-1 or 0-255 are not supported"
    yield Kind("TIFF", "floating-point, negative", partial(one, wrong), refused=refused)
    for bits in (8, 10, 12, 14):
        yield Kind("TIFF", f"{bits} bits in 16, nothing said", partial(one, of_bits(bits)), levels=0)
        yield Kind("TIFF", f"{bits} bits in 16, planes stored separately", partial(one, of_bits(bits), planar=True))
    dim = of_bits(12) // 2
    for tag in (281, 341):
        name = {281: "MaxSampleValue", 341: "SMaxSampleValue"}[tag]
        make = partial(one, dim, tags={tag: (3, [4095] * 3)})
        yield Kind("TIFF", f"12 bits in 16, {name} says so", make, levels=1, truth=lambda: photo() // 2)
    make = partial(one, of_bits(12), tags={281: (3, [65_535] * 3)})
    dark = lambda: (photo() / 16).round().astype(np.uint8)  # noqa: E731
    yield Kind("TIFF", "16 bits and dark, MaxSampleValue says so", make, levels=1, truth=dark)
    for bits in (10, 12, 14):
        for how, options in (("", {}), (", planes stored separately", {"planar": True}), (", tiles", {"tile": 32})):
            yield Kind("TIFF", f"{bits} bits, packed{how}", partial(one, of_bits(bits), bits=bits, **options))
        yield Kind(
            "TIFF", f"{bits} bits, packed, LZW, big-endian", partial(one, of_bits(bits), ">", bits=bits, packing=5)
        )
    dark = np.round((photo() // 16) * (4095 / 255)).astype(np.uint16)
    make = partial(one, dark, bits=12)
    yield Kind("TIFF", "12 bits, packed and dark", make, truth=lambda: photo() // 16)
    signed = partial(one, deep(100), tags={339: (3, [2, 2, 2])})
    yield Kind("TIFF", "16 bits, signed", signed, refused="a TIFF of 3 signed samples of 16 bits is not read")


def _deep_pngs() -> Iterator[Kind]:
    for bits in (10, 12, 14, 16):
        yield Kind("PNG", f"{bits} bits in 16, nothing said", partial(deep_png, of_bits(bits)))
        yield Kind("PNG", f"{bits} bits in 16, sBIT says so", partial(deep_png, of_bits(bits), bits))
    half = of_bits(12) // 2
    yield Kind("PNG", "12 bits in 16 and dim, sBIT says so", partial(deep_png, half, 12), 1, truth=lambda: photo() // 2)
    yield Kind("PNG", "16 bits, scaled from 12 as sBIT says", partial(deep_png, deep(), 12))
    yield Kind("PNG", "12 bits in 16, interlaced", partial(deep_png, of_bits(12), interlaced=True))
    for level, name in ((4095, "whole"), (0, "0")):
        make = partial(deep_png, with_alpha(level, of_bits(12)))
        yield Kind("PNG", f"12 bits in 16, alpha {name} everywhere", make)
    make = partial(described, ome(*[""] * 3, bits=12), of_bits(12) // 2)
    yield Kind("OME-TIFF", "12 bits in 16 and dim, SignificantBits says so", make, 1, truth=lambda: photo() // 2)
    make = partial(described, ome(*[""] * 3, bits=16), of_bits(12))
    yield Kind("OME-TIFF", "12 bits in 16, SignificantBits says 16", make)


def _packed_tiffs() -> Iterator[Kind]:
    names = {5: "LZW", 8: "Deflate", 32946: "old Deflate", 32773: "PackBits", 34925: "LZMA", 50000: "Zstandard"}
    for packing, name in names.items():
        for planar in (False, True):
            for predictor in (1, 2) if packing in (5, 8, 50000) else (1,):
                more = ", with predictor" if predictor == 2 else ""
                make = partial(one, deep(), packing=packing, planar=planar, predictor=predictor, rows=16)
                yield Kind("TIFF", f"16 bits, {name}{more}{', planes stored separately' if planar else ''}", make)
        yield Kind("TIFF", f"16 bits, {name}, tiles, big-endian", partial(one, deep(), ">", packing=packing, tile=32))
        yield Kind("TIFF", f"8 bits, {name}", partial(one, photo(), packing=packing, rows=16))
    values = (photo() / 255).astype(np.float32)
    make = partial(one, values, packing=8, predictor=3, rows=16)
    yield Kind("TIFF", "floating-point, Deflate, with its predictor", make)
    yield Kind("TIFF", "JPEG inside", partial(by_pillow, "TIFF", compression="jpeg", quality=95), levels=40)
    yield Kind("TIFF", "WebP inside, tiles", partial(files_in_tiff, 50001, "WEBP", lossless=True))
    yield Kind("TIFF", "JPEG 2000 inside, tiles", partial(files_in_tiff, 34712, "JPEG2000", no_jp2=True, mct=0))
    make = partial(files_in_tiff, 34712, "JPEG2000", planar=True, no_jp2=True)
    yield Kind("TIFF", "JPEG 2000 inside, planes stored separately", make)
    for packing, name in ((34887, "LERC"), (50002, "JPEG XL"), (34934, "JPEG XR"), (33003, "JPEG 2000 as a slide")):
        make = partial(tiff, (page(photo())[0] | {259: (3, [packing])}, [bytes(99)]))
        yield Kind("TIFF", f"{name.split(' as')[0]} inside ({packing})", make, refused=f"a TIFF with {name}")
    raw = partial(one, of_bits(12)[..., :1], tags={262: (3, [32803])})
    yield Kind("TIFF", "a camera's raw numbers", raw, refused="a camera's raw TIFF is not read")


def _paged_tiffs() -> Iterator[Kind]:
    for flag in (False, True):
        said = "NewSubfileType" if flag else "smaller, nothing said"
        yield Kind("TIFF", f"first page a thumbnail ({said})", partial(thumbnail_first, flag))
        yield Kind("TIFF", f"first page a thumbnail ({said}), packed", partial(thumbnail_first, flag, packing=5))
    reduced = page(np.ascontiguousarray(photo()[::2, ::2]), tags={254: (4, [1])})
    yield Kind("TIFF", "pyramid, the whole first", partial(tiff, page(photo()), reduced))
    larger = page(photo(90, 120), tags={254: (4, [1])})
    yield Kind("TIFF", "a larger page that is a reduced copy of another", partial(tiff, page(photo()), larger))
    yield Kind("TIFF", "stack of 5 pages", partial(stack, 5), note=FIRST.format(5))
    channels = np.moveaxis(photo(), -1, 0)
    make = partial(by_tifffile, channels, imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    yield Kind("ImageJ TIFF", "three channels as pages", make)
    make = partial(by_tifffile, np.moveaxis(deep(), -1, 0), imagej=True, metadata={"axes": "CYX"})
    yield Kind("ImageJ TIFF", "three channels as pages, 16 bits", make)
    many = np.stack([channels, channels[:, ::-1]])
    make = partial(by_tifffile, many, imagej=True, metadata={"axes": "ZCYX"})
    yield Kind("ImageJ TIFF", "z-stack of three channels", make, note=FIRST.format(2))
    refused = "the picture's 2 channels are not red, green and blue: save it as RGB"
    make = partial(by_tifffile, channels[:2], imagej=True, metadata={"axes": "CYX"})
    yield Kind("ImageJ TIFF", "two channels", make, refused=refused)
    options = {"photometric": "minisblack", "ome": True}
    yield Kind(
        "OME-TIFF", "three channels as pages", partial(by_tifffile, channels, metadata={"axes": "CYX"}, **options)
    )
    make = partial(by_tifffile, photo(), metadata={"axes": "YXS"}, photometric="rgb", ome=True)
    yield Kind("OME-TIFF", "interleaved", make)
    make = partial(by_tifffile, many, metadata={"axes": "ZCYX"}, **options)
    yield Kind("OME-TIFF", "z-stack of three channels", make, note=FIRST.format(2))
    named = [f'Name="{name}"' for name in ("Blue", "Red", "Green")]
    yield Kind("OME-TIFF", "channels named, in another order", partial(described, ome(*named), photo(), (2, 0, 1)))
    coloured = [f'Color="{colour}"' for colour in (65_535, 16_711_935, -16_776_961)]
    make = partial(described, ome(*coloured), deep(), (2, 1, 0), packing=5)
    yield Kind("OME-TIFF", "channels coloured, in another order, 16 bits, LZW", make)
    apart = described(ome(*["", "", ""], z=2, dimensions="XYZCT"), photo(), (0, 1, 1, 0, 2, 1))
    yield Kind("OME-TIFF", "z-stack, channel after channel", lambda: apart, note=FIRST.format(2))
    stains = [f'Name="{name}"' for name in ("DAPI", "FITC", "Cy5")]
    refused = "the picture's 3 channels (dapi, fitc, cy5) are not red, green and blue"
    yield Kind("OME-TIFF", "channels of dyes", partial(described, ome(*stains), photo()), refused=refused)


def _alpha() -> Iterator[Kind]:
    def clear() -> Image.Image:
        return Image.fromarray(with_alpha(0))

    yield Kind("PNG", "alpha 0 everywhere", lambda: saved(clear(), "PNG"))
    yield Kind("WebP", "alpha 0 everywhere", lambda: saved(clear(), "WEBP", lossless=True, exact=True))
    yield Kind("BMP", "32 bits, alpha 0 everywhere (V4)", bmp_v4)
    for kind, name in ((0, "unspecified"), (1, "associated"), (2, "unassociated")):
        for planar in (False, True):
            for level in (0, 255):
                planes = ", planes stored separately" if planar else ""
                make = partial(one, with_alpha(level), planar=planar, tags={338: (3, [kind])})
                yield Kind("TIFF", f"{name} fourth sample, {level} everywhere{planes}", make)
    make = partial(one, with_alpha(0, deep()), tags={338: (3, [2])})
    yield Kind("TIFF", "16 bits, alpha 0 everywhere", make)
    half = lambda: ((photo().astype(int) + 255) / 2).astype(np.uint8)  # noqa: E731
    yield Kind("TIFF", "alpha of one half", partial(one, with_alpha(128), tags={338: (3, [2])}), 1, truth=half)
    scaled = ((photo().astype(int) * 128 + 127) // 255).astype(np.uint8)
    make = partial(one, with_alpha(128, scaled), planar=True, tags={338: (3, [1])})
    yield Kind("TIFF", "associated alpha of one half, planes stored separately", make, 2, truth=half)
    make = partial(saved, Image.fromarray(with_alpha(128)), "PNG")
    yield Kind("PNG", "alpha of one half, on white", make, levels=1, truth=half)


def _profiles() -> Iterator[Kind]:
    for name, made in (("Adobe RGB", ADOBE), ("Display P3", P3), ("ProPhoto", PROPHOTO)):
        truth = partial(in_srgb, made())
        yield Kind("PNG", f"profile: {name}", partial(by_pillow, "PNG", icc_profile=made()), truth=truth)
    yield Kind(
        "TIFF", "profile: Display P3", partial(by_pillow, "TIFF", icc_profile=P3()), truth=partial(in_srgb, P3())
    )
    make = partial(by_pillow, "JPEG", icc_profile=P3(), quality=95, subsampling=0)
    yield Kind("JPEG", "profile: Display P3", make, levels=30, truth=partial(in_srgb, P3()))
    make = partial(one, deep(), planar=True, tags={34675: (7, ADOBE())})
    yield Kind("TIFF", "16 bits, profile: Adobe RGB", make, truth=partial(in_srgb, ADOBE()))
    broken = ADOBE()[:140]
    for name, data in (("sRGB", srgb()), ("broken", broken)):
        yield Kind("PNG", f"profile: {name} (pixels untouched)", partial(by_pillow, "PNG", icc_profile=data))
    long = partial(by_pillow, "TIFF", icc_profile=ADOBE() + bytes(2**20))
    yield Kind("TIFF", "profile: longer than 1 MB (pixels untouched)", long)
    printer = ADOBE()[:12] + b"prtrCMYK" + ADOBE()[20:]
    yield Kind("PNG", "profile: a printer's (pixels untouched)", partial(by_pillow, "PNG", icc_profile=printer))


def _dicoms() -> Iterator[Kind]:
    plain, needs = {"explicit": "1.2.840.10008.1.2.1", "implicit": "1.2.840.10008.1.2"}, {"needs": "pydicom"}
    jpeg, jpeg2000, runs = (f"1.2.840.10008.1.2.{rest}" for rest in ("4.50", "4.90", "5"))
    for name, coding in plain.items():
        yield Kind("DICOM", f"8 bits, {name}", partial(dicom, photo(), coding), **needs)
        planes = partial(dicom, photo(), coding, PlanarConfiguration=1)
        yield Kind("DICOM", f"8 bits, {name}, planes stored separately", planes, **needs)
    for bits in (10, 12, 16):
        make = partial(dicom, of_bits(bits), BitsStored=bits, HighBit=bits - 1)
        yield Kind("DICOM", f"{bits} bits in 16", make, **needs)
    ycc = np.asarray(Image.fromarray(photo()).convert("YCbCr"))
    make = partial(dicom, ycc, PhotometricInterpretation="YBR_FULL")
    yield Kind("DICOM", "luminance and colour", make, levels=6, **needs)
    yield Kind("DICOM", "run lengths", partial(dicom, photo(), runs), **needs)
    yield Kind("DICOM", "run lengths, 16 bits", partial(dicom, deep(), runs), **needs)
    options = {"quality": 95, "subsampling": 0}
    make = partial(dicom, photo(), jpeg, by_pillow("JPEG", **options), PhotometricInterpretation="YBR_FULL_422")
    yield Kind("DICOM", "JPEG inside", make, levels=24, **needs)
    bare = by_pillow("JPEG", keep_rgb=True, **options)
    for marker in (b"\xff\xe0", b"\xff\xee"):  # neither says how colours are coded: DICOM does
        if (at := bare.find(marker, 2, 40)) > 0:
            bare = bare[:at] + bare[at + 2 + int.from_bytes(bare[at + 2 : at + 4], "big") :]
    bare = bare.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0").replace(b"R\0G\0B\0", b"\1\0\2\0\3\0")
    yield Kind("DICOM", "JPEG of red, green and blue inside", partial(dicom, photo(), jpeg, bare), levels=24, **needs)
    coded = by_pillow("JPEG2000", no_jp2=True, mct=1)
    make = partial(dicom, photo(), jpeg2000, coded, PhotometricInterpretation="YBR_RCT")
    yield Kind("DICOM", "JPEG 2000 inside", make, **needs)
    make = partial(dicom, photo(), ICCProfile=P3())
    yield Kind("DICOM", "profile: Display P3", make, truth=partial(in_srgb, P3()), **needs)
    many = np.concatenate([photo()] * 3)
    refused = "a DICOM of 3 pictures, such as a film or the tiles of a whole slide, is not read"
    make = partial(dicom, many, Rows=HEIGHT, NumberOfFrames=3)
    yield Kind("DICOM", "several frames", make, refused=refused, **needs)
    refused = "a DICOM in colours of MONOCHROME2 is not read"
    yield Kind("DICOM", "without colour", partial(dicom, photo()[..., :1]), refused=refused, **needs)
    for rest, name in (("1.99", "Deflated Explicit VR Little Endian"), ("4.80", "JPEG-LS Lossless Image Compression")):
        make = partial(dicom, photo(), f"1.2.840.10008.1.2.{rest}", None if rest == "1.99" else bytes(99))
        yield Kind("DICOM", name, make, refused=f"a DICOM with {name} inside is not read", **needs)


def _others() -> Iterator[Kind]:
    yield Kind("HEIC", "8 bits", heic, levels=40, needs="pillow_heif")
    turned = Image.Exif()
    turned[0x0112] = 6
    make = partial(heic, exif=turned.tobytes())
    yield Kind("HEIC", "turned by a quarter", make, 40, truth=lambda: np.rot90(photo(), -1), needs="pillow_heif")
    make = partial(heic, icc_profile=P3())
    yield Kind("HEIC", "profile: Display P3", make, 40, truth=partial(in_srgb, P3()), needs="pillow_heif")
    for name, data in (
        ("JPEG XL", b"\xff\x0a" + bytes(99)),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99)),
        ("JPEG XR", b"II\xbc\x01" + bytes(99)),
        ("a CZI file of ZEN", b"ZISRAWFILE" + bytes(99)),
        ("an ND2 file of NIS-Elements", b"\xda\xce\xbe\x0a" + bytes(99)),
        ("a LIF file of LAS X", b"\x70\0\0\0" + bytes(99)),
        ("a PSD file", b"8BPS" + bytes(99)),
    ):
        what = "in a container" if data.startswith(b"\0\0\0\x0cJXL") else "any"
        yield Kind(name, what, lambda data=data: data, refused=f"{name} is not read: save its picture as PNG")


def table() -> str:
    """The rows as Markdown, sorted by format."""
    rows = sorted((kind.family.lower(), kind.family, kind.what, kind.outcome) for kind in kinds())
    return "\n".join(["| format | file | |", "| --- | --- | --- |", *(f"| {f} | {w} | {o} |" for _, f, w, o in rows)])


def main() -> None:
    """Write the table anew, in the place of the old one."""
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(r"\| format \| file .*?(?=\n\n|\Z)", lambda _: table(), text, count=1, flags=re.DOTALL))


if __name__ == "__main__":
    main()
