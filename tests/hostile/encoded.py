"""Encoded pictures of the corpus: damaged, too small, too large, too slow, badly noted, oddly made.

Each group yields (name, bytes or what builds them, what must become of it).
"""

from __future__ import annotations

import random
import struct
import zlib
from functools import partial

import numpy as np
from PIL import Image

from tests import made_files
from tests.hostile import build
from tests.hostile.build import BUILT, EITHER, FORMS, LARGE, READ, SMALL, UNKNOWN, encode, noise, png_chunk
from tests.made_dicoms import dicom
from tests.made_tiffs import page, tiff

WIDE = 7000  # px; 49 million pixels in a square are just within the limit


def damaged():
    """Cut anywhere, bits turned over, parts wiped out or there twice."""
    for form in FORMS:
        data = encode(noise(), form)
        for percent in (1, 2, 5, 10, 20, 40, 60, 80, 95, 99):
            yield f"{form} cut at {percent} %", data[: max(1, len(data) * percent // 100)], EITHER
        yield f"{form} without its last byte", data[:-1], EITHER
        for seed in range(12):
            yield f"{form} with bytes changed, {seed}", build.changed(data, seed), EITHER
        for place in (2, 8, 16, 30):
            yield f"{form} wiped from byte {place}", data[:place] + bytes(64) + data[place + 64 :], EITHER
        yield f"{form} twice", data + data, "." if form == "JPEG2000" else READ
        yield f"{form} with a page of HTML behind it", data + b"<html><script>alert(1)</script>", READ
        yield f"{form} behind a byte", b"\0" + data, "."
        yield f"{form} end first", data[::-1], UNKNOWN


def sizes():
    """From nothing to long strips."""
    yield "no bytes", b"", "empty"
    for size in range(1, 13):
        yield f"{size} zero bytes", bytes(size), UNKNOWN
    for form in FORMS:
        for width, height in ((1, 1), (1, 400), (400, 1), (23, 24), (24, 23)):
            yield f"{form} {width}x{height}", partial(_flat, form, width, height), SMALL
        yield f"{form} 24x24", partial(_flat, form, 24, 24), READ
        if form != "WEBP":  # which ends at 16,383 px
            yield f"{form} 1x20000", partial(_flat, form, 1, 20_000), SMALL
            yield f"{form} 20000x24", partial(_flat, form, 20_000, 24), READ
    yield "WEBP 16383x24", partial(_flat, "WEBP", 16_383, 24), READ
    yield "more bytes than are read", lambda: bytes(64 * 2**20 + 1), "larger than 64 MB"
    yield "PNG 0x0", build.png(width=0, height=0), "."
    yield "GIF 0x0", build.gif(0, 0, build.gif_frame(0, 0, 0, 0)), "."


def _flat(form: str, width: int, height: int, mode: str = "RGB", **options) -> bytes:
    return encode(Image.new(mode, (width, height)), form, **options)


def bombs():
    """Small files that promise or hold very many pixels."""
    for side in (7072, 20_000, 65_535, 2**31 - 1):
        yield f"PNG says {side} squared", build.png(png_chunk(b"IDAT", b""), width=side, height=side), LARGE + "|."
    for width, height in ((8000, 8000), (13_000, 13_000)):
        yield f"PNG of {width}x{height}", partial(_flat, "PNG", width, height, "1"), LARGE
        yield f"TIFF of {width}x{height}", partial(_flat, "TIFF", width, height, "1", compression="group4"), LARGE
    yield "JPEG of 8000x8000", partial(_flat, "JPEG", 8000, 8000, "L"), LARGE
    yield "JPEG says 65535 squared", _jpeg_of_claimed_size(65_535, 65_535), LARGE
    yield "JPEG says 7000 squared and ends", _jpeg_of_claimed_size(7000, 7000), "."
    yield "WEBP of 8000x8000", partial(_flat, "WEBP", 8000, 8000, method=0, lossless=True), LARGE
    for side in (8000, 16_384, 2**24 - 1):
        yield f"WEBP canvas of {side} squared", build.webp_canvas(side, 2 if side > 16_384 else side), "."
    yield "GIF of 8000x8000", partial(_flat, "GIF", 8000, 8000, "L"), LARGE
    yield "GIF says 65535 squared", build.gif(65_535, 65_535, build.gif_frame(0, 0, 65_535, 65_535)), LARGE
    yield "GIF frame larger than its screen", build.gif(40, 40, build.gif_frame(0, 0, 65_535, 65_535)), LARGE
    yield "GIF frame outside its screen", build.gif(40, 40, build.gif_frame(65_000, 65_000, 500, 500)), LARGE
    for width, height in ((10**5, 10**5), (2**31 - 1, 24), (40, -(2**31)), (-40, 40), (40, 2**31 - 1)):
        yield f"BMP says {width}x{height}", build.bmp(width, height), "."
    yield "TIFF says 4 billion squared", build.plain_tiff(2**32 - 1, 2**32 - 1), LARGE
    yield "TIFF says 7000 squared and ends", build.plain_tiff(WIDE, WIDE), "."
    for form, mode, options in (
        ("PNG", "RGBA", {"compress_level": 1}),
        ("PNG", "P", {"compress_level": 1, "transparency": 0}),
        ("PNG", "I;16", {"compress_level": 1}),
        ("JPEG", "RGB", {}),
        ("JPEG", "CMYK", {}),
        ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
        ("TIFF", "I;16", {"compression": "tiff_deflate"}),
    ):
        yield f"{form} {mode} just within the limit", partial(_flat, form, WIDE, WIDE, mode, **options), READ
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "JPEG on its side just within the limit", partial(_flat, "JPEG", WIDE, WIDE, exif=turned), READ
    yield "JPEG progressive just within the limit", partial(_flat, "JPEG", WIDE, WIDE, progressive=True), "400 MB|read"
    yield "WEBP just within the limit", partial(_flat, "WEBP", WIDE, WIDE, lossless=True), "400 MB"
    yield "TIFF float just within the limit", partial(_flat, "TIFF", WIDE, WIDE, "F"), "."
    yield "TIFF of one strip of 64-bit numbers", build.plain_tiff(WIDE, WIDE, (339, 3, 1, 3), bits=64), "."


def _jpeg_of_claimed_size(width: int, height: int) -> bytes:
    data = bytearray(_flat("JPEG", 40, 40))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def slow():
    """Files of few megabytes that would keep a decoder busy for minutes, or fill the memory."""
    yield "JPEG of a thousand scans", lambda: build.many_scans(2000, 2000, 1000), BUILT
    yield "JPEG of 60 scans", lambda: build.many_scans(800, 800, 50), READ
    hidden = build.jpeg_segment(0xFE, b"\xff\xd9")
    yield "JPEG of scans behind a false end", lambda: _with_false_end(hidden), BUILT
    yield "JPEG after 9 MB of junk", lambda: build.jpeg_with(bytes(9 * 2**20)), BUILT
    yield "JPEG after junk of 0xFF", lambda: build.jpeg_with(b"\xff" * 2**20), BUILT
    yield "JPEG of 100,000 comments", lambda: build.jpeg_with(build.jpeg_segment(0xFE, b"") * 100_000), BUILT
    long = build.jpeg_segment(0xE1, b"Exif\0\0" + bytes(65_000))
    yield "JPEG with 60 MB of EXIF", lambda: build.jpeg_with(long * 960), BUILT
    yield "JPEG with 1 MB of notes", lambda: build.jpeg_with(build.jpeg_segment(0xFE, bytes(65_000)) * 16), READ
    nothing = png_chunk(b"tEXt", b"a\0b")
    yield "PNG of a million chunks", lambda: build.png_with(nothing * 1_000_000), BUILT
    yield "PNG of a million chunks behind it", lambda: build.png_with(nothing * 1_000_000, after=True), BUILT
    yield "PNG of a million empty parts", lambda: build.png_with(png_chunk(b"IDAT", b"") * 1_000_000), BUILT
    packed = zlib.compress(bytes(200 * 2**20), 9)
    yield "PNG with a text bomb", lambda: build.png_with(png_chunk(b"zTXt", b"a\0\0" + packed)), "."
    yield "PNG with 500 text bombs", lambda: build.png_with(png_chunk(b"zTXt", b"a\0\0" + packed) * 200), "."
    yield "PNG with a profile bomb", lambda: build.png_with(png_chunk(b"iCCP", b"a\0\0" + packed)), "."
    yield "PNG whose picture is longer than it says", lambda: build.png(png_chunk(b"IDAT", packed)), "."
    block = b"\xff" + bytes(255)
    yield "GIF with 40 MB of comment", lambda: _gif_with(b"!\xfe" + block * 160_000 + b"\0"), BUILT
    yield "GIF with a million notes", lambda: _gif_with(b"!\xfe\0" * 1_000_000), BUILT
    yield "GIF with junk before its picture", lambda: _gif_with(b"\x01" * 1_000_000), BUILT
    yield "GIF with 200 kB of notes", lambda: _gif_with(b"!\xfe" + block * 800 + b"\0"), "."
    yield "BMP of 10 million runs", lambda: build.bmp(5000, 5000, 8, 1, b"\1\0" * 10_000_000, 256), BUILT
    yield "BMP that jumps far ahead", build.bmp(2_000_000, 24, 8, 1, b"\0\2\xff\xff" * 9, 256), BUILT
    for big in (False, True):
        many = (273, 3, 16_000_000, 400)
        data = partial(build.tiff, (256, 4, 1, 40), (257, 4, 1, 40), many, big=big, tail=bytes(33_000_000))
        yield f"TIFF of 16 million strips{', big' if big else ''}", data, BUILT
        yield f"TIFF of 5,000 tags{', big' if big else ''}", partial(build.tiff, *[many] * 5000, big=big), BUILT
    yield "TIFF tiles of one pixel", lambda: _tiny_tiles(250), "."
    yield "TIFF that begins again and again", build.tiff((256, 4, 1, 40), (257, 4, 1, 40))[:-4] + b"\x08\0\0\0", "."


def _with_false_end(hidden: bytes) -> bytes:
    data = build.many_scans(400, 400, 200)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    return data[:second] + hidden + data[second:]


def _gif_with(blocks: bytes) -> bytes:
    data = encode(noise(), "GIF")
    place = data.index(b",", 13 + (3 << ((data[10] & 7) + 1)))
    return data[:place] + blocks + data[place:]


def _tiny_tiles(side: int) -> bytes:
    count = side * side
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, 1), (323, 4, 1, 1), (324, 4, count, 400), (325, 4, count, 400)]
    return build.tiff(*tags).ljust(400, b"\0") + struct.pack("<I", 400) * count


def metadata():
    """A good picture with a bad note about it: the picture is what counts."""
    junk = random.Random(0).randbytes(300)
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    huge = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 2**31, 8) + bytes(4)
    notes = {
        "junk": junk,
        "empty": b"",
        "cut": b"II*\0\x08",
        "loop": loop,
        "a tag of 4 GB": huge,
        "long": b"M" * 60_000,
    }
    for form in ("PNG", "JPEG", "WEBP", "TIFF"):
        for name, note in notes.items():
            if form != "TIFF":  # whose tags are the picture's own
                yield f"{form} with EXIF: {name}", partial(_noted, form, exif=b"Exif\0\0" + note), READ
            yield f"{form} with a profile: {name}", partial(_noted, form, icc_profile=note), READ
    for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for form in ("PNG", "JPEG", "TIFF"):
            yield f"{form} with orientation {orientation}", partial(_noted, form, exif=exif), READ
    for name, kind, value in (("text", 2, b"six\0"), ("a fraction", 5, bytes(4)), ("a float", 11, b"\0\0\xc0\x7f")):
        note = (
            b"II*\0\x08\0\0\0"
            + struct.pack("<HHHI", 1, 0x0112, kind, len(value) if kind == 2 else 1)
            + value
            + bytes(4)
        )
        yield f"PNG with an orientation that is {name}", partial(_noted, "PNG", exif=note), READ
    yield "PNG with EXIF of 20 MB", lambda: build.png_with(png_chunk(b"eXIf", b"II*\0" + bytes(20 * 2**20))), READ
    for name, note in {"junk": junk, "an orientation": b'<x tiff:Orientation="6"/>', "x": b"<" * 50_000}.items():
        xmp = build.jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + note)
        yield f"JPEG with XMP: {name}", build.jpeg_with(xmp), READ
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + note
        yield f"PNG with XMP: {name}", build.png_with(png_chunk(b"iTXt", text)), READ
    yield "JPEG with several pictures' index", build.jpeg_with(build.jpeg_segment(0xE2, b"MPF\0" + loop)), READ
    yield "JPEG with an unknown colour mark", build.jpeg_with(build.jpeg_segment(0xEE, b"Adobe\0d\0\0\0\0\x09")), "."
    yield (
        "PNG with a palette too short",
        build.png(png_chunk(b"PLTE", b"\1\2\3"), png_chunk(b"IDAT", b""), colours=3),
        ".",
    )


def _noted(form: str, **notes) -> bytes:
    return encode(noise(), form, **notes)


def kinds():
    """Every kind of pixel that a format can hold."""
    rgb = noise()
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "YCbCr", "LAB", "HSV", "La", "RGBa", "PA"]
    for form in FORMS:
        for mode in modes:
            try:
                image = _in_mode(rgb, mode)
                data = encode(image, form)
            except (OSError, ValueError, KeyError, SystemError):
                continue  # what Pillow cannot write
            refused = {"F": "floating-point", "YCbCr": "."} if form == "TIFF" else {}
            yield f"{form} of {mode}", data, refused.get(mode, READ)
    yield "PNG palette with transparency", encode(rgb.convert("P"), "PNG", transparency=3), READ
    yield "PNG palette with many transparencies", encode(rgb.convert("P"), "PNG", transparency=bytes(range(200))), READ
    yield "GIF with transparency", encode(rgb.convert("P"), "GIF", transparency=3), READ
    yield "PNG grey with one clear value", encode(rgb.convert("L"), "PNG", transparency=7), READ
    yield "PNG colours with one clear value", encode(rgb, "PNG", transparency=(1, 2, 3)), READ
    for depth, colours in ((16, 2), (16, 4), (16, 6), (1, 2), (3, 0), (7, 9)):
        rows = zlib.compress(bytes((1 + 8 * build.SIDE) * build.SIDE))
        data = build.png(png_chunk(b"IDAT", rows), png_chunk(b"IEND", b""), depth=depth, colours=colours)
        yield f"PNG of depth {depth}, colours {colours}", data, "."
    for bits, form in ((8, 1), (16, 1), (32, 1), (32, 2), (32, 3), (64, 3), (16, 3), (12, 1), (128, 3), (0, 1)):
        data = build.plain_tiff(40, 40, (339, 3, 1, form), bits=bits) + random.Random(1).randbytes(40 * 40 * 16)
        yield f"TIFF of {bits} bits, sample format {form}", data, "."
    for method in (0, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 50000, 65535):
        data = build.plain_tiff(40, 40, (259, 3, 1, method)) + random.Random(1).randbytes(1600)
        yield f"TIFF of compression {method}", data, "."
    for meaning in (0, 2, 3, 4, 5, 6, 8, 9, 32803):
        yield f"TIFF of colours {meaning}", build.plain_tiff(40, 40, (262, 3, 1, meaning)) + bytes(1600), "."
    for samples in (0, 2, 3, 5, 100, 65_535):
        yield f"TIFF of {samples} samples", build.plain_tiff(40, 40, (277, 3, 1, samples)) + bytes(9000), "."
    for bits, method in ((1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (16, 3), (32, 0), (32, 3), (24, 4), (24, 5), (99, 0)):
        data = build.bmp(40, 40, bits, method, bytes(6400), 1 << bits if bits <= 8 else 0)
        yield f"BMP of {bits} bits, method {method}", data, "."
    for method in (1, 2):
        yield f"BMP of runs, method {method}", build.bmp(40, 40, 8, method, b"\x28\1" * 40, 256), "run-length"


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.new("LAB", image.size)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode in ("La", "PA"):
        return image.convert("LA").convert(mode)
    return image.convert("RGBA").convert(mode) if mode == "RGBa" else image.convert(mode)


def pages():
    """Animations and files of many pages: the first is read."""
    first, others = noise(), [noise(60, 50, seed) for seed in range(1, 4)]
    for form in ("GIF", "TIFF", "WEBP", "PNG"):
        many = {"save_all": True, "append_images": [other.resize(first.size) for other in others]}
        yield f"{form} of four pages", encode(first, form, **many), READ
        data = encode(first, form, **many)
        yield f"{form} of four pages, cut in the second", data[: len(data) * 2 // 5], "."
    yield "TIFF whose pages differ", encode(first, "TIFF", save_all=True, append_images=others), READ
    tiny = encode(Image.new("RGB", (1, 1)), "TIFF", save_all=True, append_images=others)
    yield "TIFF whose first page is tiny", tiny, READ
    yield "TIFF whose pages are all tiny", encode(Image.new("RGB", (1, 1)), "TIFF"), SMALL
    yield "GIF of a thousand frames", build.gif(40, 40, *[build.gif_frame(0, 0, 40, 40)] * 1000), "."


def taken_apart():
    """TIFFs that the library takes apart itself, and what stands in them that is not so."""
    deep = np.asarray(noise()).astype(np.uint16) * 257
    for options in ({}, {"planar": True}, {"tile": 16}, {"packing": 5}, {"packing": 8, "planar": True, "tile": 16}):
        data = made_files.one(deep, **options)
        name = f"TIFF of 16 bits, {options}"
        yield name, data, READ
        for percent in (30, 70, 95):
            yield f"{name}, cut at {percent} %", data[: len(data) * percent // 100], "."
        for seed in range(6):
            yield f"{name}, bytes changed, {seed}", build.changed(data[::-1], seed)[::-1], "."
    huge = {256: (4, [WIDE]), 257: (4, [WIDE])}
    for packing in (1, 5, 8, 50000, 50001, 34712):
        files = packing in (50001, 34712)  # tiles that are files have 8 bits
        tags, parts = page(deep.astype(np.uint8), rows=9) if files else page(deep, packing=packing)
        tags |= huge | {278: (4, [WIDE]), 259: (3, [packing])}
        yield f"TIFF taken apart says 7000 squared, packing {packing}", tiff((tags, parts)), "400 MB|damaged"
        far = tags | {256: (4, [2**32 - 1]), 257: (4, [2**32 - 1])}
        yield f"TIFF taken apart says 4 billion squared, packing {packing}", tiff((far, parts)), LARGE
    for tag, value in ((278, 2**32 - 1), (322, 2**32 - 1), (322, 1), (277, 65_535), (277, 8), (258, 65_535), (317, 9)):
        tags, parts = page(deep, packing=8)
        number = {258: (3, [value] * 3), 277: (3, [value])}.get(tag, (4, [value]))
        yield f"TIFF of 16 bits with {value} in tag {tag}", tiff((tags | {tag: number}, parts)), "."
    yield "TIFF of 16 bits, zeros, just within 400 MB", partial(_zeros, 5800), READ
    yield "TIFF of 16 bits in one part, zeros", partial(_zeros, 5800, whole=True), "400 MB"
    yield "TIFF of 65,000 strips of 16 bits", lambda: made_files.one(np.zeros((65_000, 24, 3), np.uint16), rows=1), READ
    again = page(deep, rows=1, packing=8)[0]
    yield "TIFF whose parts are all the same ones", lambda: tiff((again, [bytes(2**20)] * 40)), "."
    yield "TIFF of 100,000 pages", lambda: tiff(*[({256: (4, [40])}, [])] * 100_000), "."
    yield "TIFF whose description is long", lambda: made_files.described("<OME <Pixels " * 10**6, deep), "."
    words = made_files.ome(*['Name="' + "x" * 150 + '"'] * 3, z=999_999)
    yield "OME-TIFF of names without end", lambda: made_files.described(words, deep), "not red, green and blue"
    yield (
        "OME-TIFF whose pages are far",
        made_files.described(made_files.ome("", "", "", z=99, dimensions="XYZCT"), deep),
        ".",
    )
    bomb = encode(Image.new("RGB", (8000, 8000)), "WEBP", method=0, lossless=True)
    yield (
        "TIFF of tiles that are bombs",
        lambda: tiff((page(np.asarray(noise()), tile=16)[0] | {259: (3, [50001])}, [bomb] * 9)),
        "another size",
    )
    for name, profile in (
        ("short", b"x" * 90),
        ("of zeros", bytes(3000)),
        ("changed", build.changed(made_files.P3(), 60)),
    ):
        yield f"PNG with a profile that is {name}", made_files.by_pillow("PNG", icc_profile=profile), READ


def _zeros(side: int, whole: bool = False) -> bytes:
    """A TIFF of nothing but zeros, 16 bits and packed."""
    rows = side if whole else 100
    tags, _ = page(np.zeros((24, 24, 3), np.uint16), packing=8)
    part = zlib.compress(bytes(side * 6 * rows))
    tags |= {256: (4, [side]), 257: (4, [side]), 278: (4, [rows])}
    return tiff((tags, [part] * -(-side // rows)))


def dicoms():
    """DICOM that is long before its pixels, or says what it does not hold."""
    whole = dicom(np.asarray(noise()))
    place = whole.index(b"\x08\0\x16\0")  # the first element after the file's own

    def element(kind: bytes, body: bytes, number: int = 0x1010, group: int = 9, open_ended: bool = False) -> bytes:
        length = struct.pack("<HL", 0, 0xFFFFFFFF if open_ended else len(body))
        return struct.pack("<HH", group, number) + kind + length + body

    item, end = b"\xfe\xff\0\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
    nested = element(b"SQ", b"\xfe\xff\0\xe0" + b"\xff" * 4, open_ended=True)
    longer = {
        "of a million elements": lambda: element(b"UN", b"") * 10**6,
        "of a million items": lambda: element(b"SQ", item * 10**6 + end, open_ended=True),
        "nested without end": lambda: nested * 10**5,
        "of a million alphabets": lambda: element(b"UN", b"\\" * 10**6, 5, 8),
        "of an element without end": lambda: element(b"UN", bytes(10**7), open_ended=True),
        "of pieces without end": lambda: element(b"OB", item * 10**6, open_ended=True),
    }
    for name, made in longer.items():
        yield (
            f"DICOM {name}",
            lambda made=made: whole[:place] + made() + whole[place:],
            "too much stands before|Recursion",
        )
    for rows, columns, words in ((65_535, 65_535, LARGE), (1, 400, SMALL), (7000, 7000, "end too soon")):
        yield f"DICOM says {columns}x{rows}", dicom(np.asarray(noise()), Rows=rows, Columns=columns), words
    jpeg = "1.2.840.10008.1.2.4.50"
    options = {"PhotometricInterpretation": "YBR_FULL_422"}
    pieces = dicom(np.asarray(noise()), jpeg, encode(noise(), "JPEG"), **options)
    at = pieces.index(b"\xe0\x7f\x10\0") + 12
    yield "DICOM of a million pieces", lambda: pieces[:at] + item * 10**6 + pieces[at:], BUILT
    yield "DICOM in a DICOM", dicom(np.asarray(noise()), jpeg, whole, **options), "its coded picture is none"
    slow = partial(build.many_scans, 3000, 3000, 200)
    yield "DICOM of a JPEG of many scans", lambda: dicom(np.asarray(noise()), jpeg, slow(), **options), "scans"
    yield "DICOM of the end alone", whole[:140], "."


GROUPS = (damaged, sizes, bombs, slow, metadata, kinds, pages, taken_apart, dicoms)
