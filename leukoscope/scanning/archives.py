"""Photos out of an untrusted .zip: read one by one into memory, within bounds, and nothing ever written to disk."""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leukoscope.errors import ImageError
from leukoscope.scanning.photos import LeftOut, is_photo_below

LONGEST_NAME = 80
MOST_ENTRIES = 10_000  # in an archive's directory, which is read as a whole
READ_AT_ONCE = 2**20
MOST_BYTES = 2**30  # of an archive on disk
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack 4 kB to gigabytes in one step, or keep as much


@dataclass(frozen=True)
class ZipLimits:
    """How much of an archive is read: photos, bytes of one and of all once unpacked, and unpacked over packed bytes."""

    photos: int = 200
    photo_bytes: int = 20 * 2**20
    all_bytes: int = 400 * 2**20
    ratio: float = 100.0


def is_zip(data: bytes) -> bool:
    """Whether bytes begin as a zip archive does, whatever the file's name."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def photos_in_zip(
    source: bytes | str | os.PathLike[str], limits: ZipLimits | None = None, left_out: LeftOut | None = None
) -> Iterator[tuple[str, bytes | str]]:
    """The photos of an archive, in its order, each unpacked only when its turn comes.

    What is a photo is told by the name, as in a folder: see `leukoscope.scanning.photos`. Names are for people to read:
    the last part of the path in the archive, without control characters. No path is followed, no file is written.

    Args:
        source: the archive's bytes or its path.
        limits: None: the default ones.
        left_out: is told the files that are not taken for photos, as far as the archive was read.

    Yields:
        (name, bytes), or (name, reason) in place of the bytes of a file that was not read: a link, an archive in the
        archive, an encrypted, oddly packed, damaged or too large file, or all that comes after a limit.

    Raises:
        ImageError: if it is no archive that can be opened, is too large, or its directory is too long.
    """
    limits = limits or ZipLimits()
    data = source if isinstance(source, bytes) else _read_archive(Path(source))
    if data.count(b"PK\x01\x02") > MOST_ENTRIES:
        raise ImageError(f"the zip archive lists more than {MOST_ENTRIES:,} files")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, OverflowError, NotImplementedError):
        raise ImageError("the zip archive is damaged or cut short") from None
    with archive:
        count = unpacked = 0
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            if entry.is_dir() or not is_photo_below(str(path), left_out):
                continue
            name = readable_name(path.name)
            count += 1
            if count > limits.photos:
                yield name, f"only the first {limits.photos} files of an archive are read: the rest was left out"
                return
            content = _read(archive, entry, limits, limits.all_bytes - unpacked)
            unpacked += len(content) if isinstance(content, bytes) else 0
            yield name, content


def readable_name(name: str) -> str:
    """A file's name as it can be shown: printable, and not too long; its ending is kept."""
    name = "".join(letter for letter in name if letter.isprintable()).strip() or "unnamed"
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 11]}…{name[-10:]}"
    return name


def unused_name(name: str, taken: Container[str]) -> str:
    """The name, numbered if another photo has it already: cells are told apart by their photo's name."""
    stem, dot, suffix = name.rpartition(".")
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{stem} ({number}){dot}{suffix}" if stem else f"{name} ({number})"
    return unused


def _read_archive(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ImageError(f"{path.name}: larger than {MOST_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: ZipLimits, room: int) -> bytes | str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a link, not a file"
    if kind not in (0, stat.S_IFREG):
        return "it is no file"
    if entry.flag_bits & 0x1:
        return "it is encrypted"
    if entry.compress_type not in METHODS:
        return "it is packed in a way that is not read"
    # An archive may lie about the sizes in it: what is counted is what comes out.
    most = min(limits.photo_bytes, room, int(limits.ratio * max(entry.compress_size, 1024)))
    parts, size = [], 0
    try:
        with archive.open(entry) as file:
            while part := file.read(READ_AT_ONCE):
                parts.append(part)
                size += len(part)
                if size > most:
                    return _too_much(size, limits, room)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError):
        return "it is damaged, or packed in a way that is not read"
    content = b"".join(parts)
    return "an archive inside an archive is not opened" if is_zip(content) else content


def _too_much(size: int, limits: ZipLimits, room: int) -> str:
    if size > limits.photo_bytes:
        return f"it is larger than {limits.photo_bytes // 2**20} MB"
    if size > room:
        return f"the archive unpacks to more than {limits.all_bytes // 2**20} MB: the rest was left out"
    return f"it unpacks to more than {limits.ratio:g} times its size, as no photo does"
