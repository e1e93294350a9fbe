"""What is not a picture's bytes, or not by itself: other files, arrays, PIL images, paths and archives.

Each group yields (name, source or what builds it, what must become of it).
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile import build
from tests.hostile.build import FORMS, LARGE, READ, SMALL, UNKNOWN, Archive, changed, encode, noise

NAMED = {
    "PSD": "a PSD file is not read",
    "DICOM": "DICOM (with pixels of no kind inside )?is not read",
    "JPEG 2000": UNKNOWN + "|damaged",
}


def renamed():
    """What is no picture, under a picture's name."""
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    others = {
        "SVG": svg,
        "SVG with an entity bomb": b'<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>',
        "PDF": b"%PDF-1.7\n1 0 obj\n<< /OpenAction << /S /URI /URI (http://127.0.0.1/) >> >>\nendobj\n%%EOF",
        "HTML": b"<!doctype html><img src=x onerror=alert(1)>",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(/etc/passwd) run\n",
        "PPM": b"P6 40 40 255\n" + bytes(4800),
        "ICO": b"\0\0\1\0\1\0(((\0\0\1\0 \0" + bytes(40),
        "PSD": b"8BPS\0\1" + bytes(40),
        "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
        "AVIF": b"\0\0\0 ftypavif" + bytes(40),
        "MP4": b"\0\0\0 ftypisom" + bytes(40),
        "a shell script": b"#!/bin/sh\nrm -rf /\n",
        "a program": b"\x7fELF\2\1\1" + bytes(60),
        "a pickle": b"cposix\nsystem\n(S'id'\ntR.",
        "numpy": b"\x93NUMPY\1\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + bytes(40),
        "DICOM": bytes(128) + b"DICM" + bytes(60),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(60),
        "gzip": b"\x1f\x8b\x08" + bytes(40),
        "a zip": build.zipped(("a.png", encode(noise(), "PNG"))),
        "JSON": b'{"image": "data:image/png;base64,AAAA"}',
        "text": "Zellen, 细胞, خلايا".encode(),
        "an address": b"http://127.0.0.1/cell.png",
        "a data address": b"data:image/png;base64,iVBORw0KGgo=",
    }
    for name, data in others.items():
        for suffix in ("jpg", "png"):
            words = NAMED.get(name, UNKNOWN)
            yield f"{name} called .{suffix}", _file(f"cell.{suffix}", data), words
    yield "a JPEG called .svg", _file("cell.svg", encode(noise(), "JPEG")), READ


def _file(name: str, data: bytes):
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return _in_folder(make)


def _in_folder(make):
    make.in_folder = True
    return make


def arrays():
    """numpy arrays that are not uint8 pictures."""
    for kind in ("bool", "int8", "int16", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"):
        yield f"of {kind}", np.zeros((40, 40, 3), kind), "must be uint8"
    yield "of NaN", np.full((40, 40, 3), np.nan), "must be uint8"
    yield "of complex numbers", np.zeros((40, 40, 3), complex), "must be uint8"
    yield "of objects", np.full((40, 40, 3), None), "must be uint8"
    yield "of text", np.full((40, 40), "x"), "must be uint8"
    yield "of dates", np.zeros((40, 40), "datetime64[s]"), "must be uint8"
    yield "of records", np.zeros((40, 40), [("r", "u1"), ("g", "u1")]), "must be uint8"
    for shape in ((), (40,), (0,), (40, 40, 0), (40, 40, 2), (40, 40, 5), (40, 40, 3, 1), (1, 40, 40, 3), (3, 40, 40)):
        yield f"of shape {shape}", np.zeros(shape, np.uint8), "must have shape|too small"
    for shape in ((0, 0), (0, 40, 3), (40, 0, 3), (1, 1, 3), (23, 40, 4), (20_000, 1)):
        yield f"of shape {shape}", np.zeros(shape, np.uint8), SMALL
    yield "that claims 10 billion pixels", np.broadcast_to(np.uint8(0), (10**5, 10**5, 3)), LARGE
    yield "that is read backwards", np.zeros((40, 40, 3), np.uint8)[::-1, ::-1], READ
    yield "in Fortran's order", np.asfortranarray(np.zeros((40, 50, 3), np.uint8)), READ
    yield "that repeats one pixel", np.broadcast_to(np.uint8(7), (40, 40, 4)), READ
    yield "that is masked", np.ma.masked_all((40, 40, 3), np.uint8), "."
    yield "that cannot be written", np.frombuffer(bytes(4800), np.uint8).reshape(40, 40, 3), READ


def images():
    """PIL images as a program may hand them over."""
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "RGBa", "I;16", "I"):
        yield f"of mode {mode}", partial(Image.new, mode, (40, 40)), READ
    yield "of mode La", partial(Image.new, "La", (40, 40)), "colours La are not supported"
    yield "of mode F", partial(Image.new, "F", (40, 40)), "floating-point"
    yield "of mode I;16B", partial(Image.new, "I;16B", (40, 40)), "."
    yield "of no size", partial(Image.new, "RGB", (0, 0)), SMALL
    yield "of negative numbers", partial(Image.new, "I", (40, 40), -1), "32-bit"
    yield "of large numbers", partial(Image.new, "I", (40, 40), 2**31 - 1), "32-bit"
    yield "too large", partial(Image.new, "1", (8000, 8000)), LARGE
    for form in FORMS[:4]:  # the others are read as they are opened
        data = encode(noise(), form)
        yield f"{form} opened and not yet read, cut", lambda data=data: Image.open(io.BytesIO(data[:-900])), "."
    yield "closed", _closed, "."


def _closed() -> Image.Image:
    image = Image.open(io.BytesIO(encode(noise(), "PNG")))
    image.close()
    return image


def paths():
    """Paths that lead to no picture, or nowhere."""
    yield "a folder", _in_folder(lambda folder: folder), "is a folder"
    yield "nothing", _in_folder(lambda folder: folder / "none.png"), "no such file"
    yield "no text", "", "is a folder|no such file"
    yield "a null byte", "cell\0.png", "cannot read|no such file"
    yield "300 letters", "x" * 300, "cannot read"
    yield "half a letter", "\udcff.png", "no such file"
    yield "a device", "/dev/zero", "is not a file"
    yield "a pipe", _in_folder(_pipe), "is not a file"
    yield "a link to itself", _in_folder(_loop), "cannot read"
    yield "a link to a device", _in_folder(partial(_link, target="/dev/zero")), "is not a file"
    yield "a link to a picture", _in_folder(_linked_picture), READ
    for name in ("\x1b[31m.png", "=1+1.png", "two\nlines.png", "'; DROP TABLE cells; --.png", "x" * 240 + ".png"):
        yield f"a picture called {name[:30]!r}", _file(name, encode(noise(), "PNG")), READ
    yield "an empty file", _file("cell.png", b""), "empty"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "cell.png")
    return folder / "cell.png"


def _link(folder: Path, target: str) -> Path:
    (folder / "cell.png").symlink_to(target)
    return folder / "cell.png"


def _loop(folder: Path) -> Path:
    return _link(folder, str(folder / "cell.png"))


def _linked_picture(folder: Path) -> Path:
    (folder / "real").write_bytes(encode(noise(), "PNG"))
    return _link(folder, str(folder / "real"))


def zips():
    """Archives; each file in one gives bytes, which are read as a picture, or a reason."""
    picture = encode(noise(), "PNG")
    yield "of a picture", Archive(build.zipped(("a.png", picture))), READ
    for name in ("../../etc/cron.d/x", "/etc/passwd", "..\\..\\x", "C:\\Windows\\x", "\\\\host\\share\\x", "a/../../x"):
        yield f"with the path {name}", Archive(build.zipped((f"{name}.png", picture))), READ
    for name in ("\x1b[31m", "a\nb", "\u202egnp.exe", "x" * 300, "=cmd|' /C calc'!A0", "\ud83d\ude00" * 50, " ", "."):
        name = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield f"with a file called {name[:20]!r}", Archive(build.zipped((name, picture))), "^(read)?$"
    for what, mode in (
        ("link", stat.S_IFLNK),
        ("device", stat.S_IFCHR),
        ("pipe", stat.S_IFIFO),
        ("socket", stat.S_IFSOCK),
    ):
        yield f"with a {what}", partial(_special, mode), "it is a link, not a file|it is no file"
    yield "of 300 MB of nothing", lambda: Archive(build.zipped(("a.png", bytes(300 * 2**20)))), "100 times|larger than"
    for method, name in ((zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")):
        bomb = partial(build.zipped, ("a.png", bytes(40 * 2**20)), method=method)
        yield f"of 40 MB of nothing by {name}", lambda bomb=bomb: Archive(bomb()), "packed in a way"
        yield f"by {name}", Archive(build.zipped(("a.png", picture), method=method)), "packed in a way"
    nested = build.zipped(("a.png", picture))
    for _ in range(5):
        nested = build.zipped(("inner.png", nested))
    yield "in zips in zips, called pictures", Archive(nested), "inside an archive"
    yield "in a zip", Archive(build.zipped(("inner.zip", nested))), "^$"
    yield "of 12,000 files", lambda: Archive(build.zipped(*((str(i), b"x") for i in range(12_000)))), "more than 10,000"
    yield "of 300 files", lambda: Archive(build.zipped(*((f"{i}.png", picture) for i in range(300)))), "first 200"
    yield "of one name twice", Archive(build.zipped(("a.png", picture), ("a.png", picture))), READ[:-1]
    yield "of nothing", Archive(build.zipped()), "^$"
    yield "that is no zip", Archive(picture), "damaged or cut short"
    data = build.zipped(("a.png", picture), ("b.png", picture))
    for percent in (5, 20, 50, 80, 95):
        yield f"cut at {percent} %", Archive(data[: len(data) * percent // 100]), "damaged or cut short"
    for seed in range(12):
        yield f"with bytes changed, {seed}", Archive(changed(data[::-1], seed)[::-1]), ""
    yield "with a picture before it", Archive(picture + data), READ[:-1]
    yield "of files that overlap", partial(_overlapping, picture), ""
    yield "that lies about sizes", partial(_lying, picture), ""


def _special(kind: int) -> Archive:
    entry = zipfile.ZipInfo("a.png")
    entry.external_attr = (kind | 0o777) << 16
    return Archive(build.zipped((entry, b"/etc/passwd")))


def _overlapping(picture: bytes) -> Archive:
    """Two entries of the directory that point at the same bytes."""
    data = bytearray(build.zipped(("a.png", picture), ("b.png", picture)))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)
    return Archive(bytes(data))


def _lying(picture: bytes) -> Archive:
    data = bytearray(build.zipped(("a.png", picture)))
    for place in (22, data.rindex(b"PK\x01\x02") + 24):
        data[place : place + 4] = struct.pack("<I", 2**32 - 2)
    return Archive(bytes(data))


GROUPS = (renamed, arrays, images, paths, zips)
