"""What small files cost: photos listed and read one by one, and out of archives, from stores that take their time."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

from leukoscope.cluster.stores import find_roots, list_photos, read_ahead

DELAYS = (0.0, 0.01, 0.03, 0.1)  # s until a store answers; 10 to 100 ms are usual for object stores
BANDWIDTH = 100e6  # bytes/s of one connection
SECONDS = 8.0  # for a row


class DelayedFile(AbstractBufferedFile):
    """A file whose every request waits."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        self.fs.wait(end - start)
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(end - start)


class DelayedFileSystem(LocalFileSystem):
    """This machine's files, as if behind an object store."""

    protocol = "delayed"
    cachable = False
    delay = 0.0

    def wait(self, size: int) -> None:
        """As long as a request for so many bytes takes."""
        time.sleep(DelayedFileSystem.delay + size / BANDWIDTH)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        content = super().cat_file(path, start=start, end=end)
        self.wait(len(content))
        return content

    def _open(self, path: str, mode: str = "rb", **options: Any) -> DelayedFile:
        return DelayedFile(self, path, mode, size=Path(path).stat().st_size)


def reading(photos: Path, work: Path) -> dict:
    """Photos a second: listed; and read as single files and out of one archive, from a store of each delay."""
    fsspec.register_implementation("delayed", DelayedFileSystem, clobber=True)
    archive = work / "photos.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:  # JPEGs do not get smaller
        for path in sorted(photos.rglob("*.jpg")):
            packed.write(path, path.relative_to(photos).as_posix())
    began = time.perf_counter()
    names = _names(str(photos))
    found: dict = {"listed_per_s": len(names) / (time.perf_counter() - began)}
    for delay in DELAYS:
        DelayedFileSystem.delay = delay
        found[f"single_files_per_s_{1000 * delay:.0f}_ms"] = _rate(_names(f"delayed://{photos}"))
        found[f"one_archive_per_s_{1000 * delay:.0f}_ms"] = _rate(_names(f"zip://::delayed://{archive}"))
    return found


def _names(place: str) -> list[str]:
    (root,) = find_roots([place])
    return [photo for portion in list_photos(root, (), 10_000) for photo in portion.photos]


def _rate(names: Iterable[str]) -> float:
    began, count = time.perf_counter(), 0
    for _, content in read_ahead(names):
        if not isinstance(content, bytes):
            raise content
        count += 1
        if time.perf_counter() - began > SECONDS:
            break
    return count / (time.perf_counter() - began)
