"""Where photos come from on a cluster: folders, globs and files, on a disk that all machines share or behind a URL.

URLs are those that fsspec knows: s3://bucket/slides, gs://..., hf://datasets/user/name, zip://**::s3://bucket/a.zip.
What is named is listed by a worker, folder after folder, so that no machine ever holds the names of a whole study.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from leukoscope.errors import ImageError, LeukoscopeError
from leukoscope.pictures.images import MAX_BYTES, read_file
from leukoscope.scanning.photos import Bad, LeftOut, is_photo, is_photo_below, is_searched, photo_name, pictures_below

READ_AHEAD = 16  # photos that are fetched while one is worked on: an object store takes ten times as long as we do


@dataclass(frozen=True)
class Root:
    """Something to scan: `kind` is "folder", "file" or "glob"; `place` an absolute path or a URL."""

    place: str
    kind: str

    def holds(self, photo: str) -> bool:
        """Whether a photo is part of what is named here."""
        if self.kind == "glob":
            return any(map(_pattern(self.place).fullmatch, (photo, *_above(photo))))
        return photo == self.place or (self.kind == "folder" and photo.startswith(f"{self.place.rstrip('/')}/"))


@lru_cache
def _pattern(glob: str) -> re.Pattern[str]:
    from fsspec.utils import glob_translate

    return re.compile(glob_translate(glob))


@dataclass(frozen=True)
class Portion:
    """Some photos of one folder, by path or URL; or, with a reason, a folder that cannot be listed.

    left_out: files of a whole root that were not taken for photos, by the ending of their names; in its last portion.
    """

    folder: str
    photos: tuple[str, ...] = ()
    reason: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


def is_url(place: str) -> bool:
    """Whether a place is a URL, not a path."""
    return "://" in place


def open_place(place: str) -> tuple[Any, str]:
    """The fsspec file system of a place, and its path there.

    Raises:
        LeukoscopeError: if no such file system is known or installed.
    """
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(place)
        return fs, path
    except (ImportError, ValueError) as error:  # "Install s3fs to access S3", "Protocol not known: x"
        raise LeukoscopeError(f"{place} cannot be opened: {error}") from None


def find_roots(places: Iterable[str | os.PathLike[str]]) -> list[Root]:
    """What each name is: a folder, a glob of folders or files (`*`, `?`, `[`; `**` for all below), or else a file.

    Raises:
        LeukoscopeError: as `open_place`.
    """
    from fsspec.core import has_magic

    roots = []
    for place in map(_absolute, places):
        fs, path = open_place(place)
        try:
            folder, there = fs.isdir(path), fs.exists(path)
        except Exception as error:  # no such archive, no right to see: each file system raises its own kinds
            raise LeukoscopeError(f"{place} cannot be opened: {error}") from None
        roots.append(Root(place, "folder" if folder else "glob" if has_magic(path) and not there else "file"))
    return list(dict.fromkeys(roots))


def _absolute(place: str | os.PathLike[str]) -> str:
    """A name that means the same on every machine and from every folder."""
    *outer, inner = os.fspath(place).split("::")  # zip://**::a.zip
    return "::".join([*outer, inner if is_url(inner) else os.path.abspath(inner)])


def list_photos(root: Root, earlier: Iterable[Root], size: int) -> Iterator[Portion]:
    """The photos of a root in portions of at most `size`; those that earlier roots hold are left out.

    Holds the names of one folder at a time, of a glob all that match. As long as nothing changes the same call gives
    the same portions: after the death of a machine Ray asks for some of them anew.
    """
    earlier = tuple(earlier)
    bad: Bad = []
    left_out = LeftOut()
    for folder, photos in _folders(root, bad, left_out):
        kept = [photo for photo in sorted(photos) if not any(other.holds(photo) for other in earlier)]
        for start in range(0, len(kept), size):
            yield Portion(folder, tuple(kept[start : start + size]))
    for folder, reason in bad:
        yield Portion(folder, reason=reason)
    if left_out and not any(other.holds(root.place) for other in earlier):
        yield Portion(root.place, left_out=dict(left_out))


def _folders(root: Root, bad: Bad, left_out: LeftOut) -> Iterator[tuple[str, list[str]]]:
    """(folder, its photos) of every folder that a root names."""
    if root.kind == "file":
        yield parent(root.place), [root.place]
    elif root.kind == "folder" and not is_url(root.place):
        yield from _on_disk(Path(root.place), bad, left_out)
    else:
        fs, path = open_place(root.place)
        name = _names(fs, root.place)
        for below, photos in (_matching if root.kind == "glob" else _walk)(fs, path, bad, left_out):
            yield name(below), [name(photo) for photo in photos]


def _matching(fs: Any, pattern: str, bad: Bad, left_out: LeftOut) -> Iterator[tuple[str, list[str]]]:
    """The folders that match, with all below, and the photos that match elsewhere."""
    found = fs.glob(pattern, detail=True)
    folders = {path for path, info in found.items() if info["type"] == "directory" or _is_linked_folder(fs, path)}
    tops = sorted(path for path in found if folders.isdisjoint(_above(path)))  # `**` matches what is below, too
    named = len(_named_part(pattern))  # what a person spelled out may be hidden; what a `*` stands for may not
    for folder in (path for path in tops if path in folders):
        if not all(map(is_searched, filter(None, folder[named:].split("/")))):
            continue
        if _is_local(fs):
            yield from _on_disk(Path(folder), bad, left_out)
        else:
            yield from _walk(fs, folder, bad, left_out)
    photos = (path for path in tops if path not in folders and is_photo_below(path[named:], left_out))
    yield from ((folder, list(inside)) for folder, inside in groupby(photos, key=os.path.dirname))


def _named_part(pattern: str) -> str:
    """The folders of a glob that are spelled out, up to the first that holds a `*`, `?` or `[`."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]


def _is_local(fs: Any) -> bool:
    protocol = fs.protocol
    return "file" in ([protocol] if isinstance(protocol, str) else protocol)


def _is_linked_folder(fs: Any, path: str) -> bool:
    return _is_local(fs) and os.path.islink(path) and os.path.isdir(path)


def _on_disk(top: Path, bad: Bad, left_out: LeftOut) -> Iterator[tuple[str, list[str]]]:
    for folder, inside in groupby(pictures_below(top, bad, left_out), key=lambda file: file.parent):
        yield os.fspath(folder), [os.fspath(file) for file in inside]


def _walk(fs: Any, top: str, bad: Bad, left_out: LeftOut) -> Iterator[tuple[str, list[str]]]:
    """Not `fs.walk`, which says that a folder cannot be listed but not which, and keeps every listing."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            listing = fs.ls(folder, detail=True)
        except Exception as error:  # each file system raises its own kinds
            bad.append((fs.unstrip_protocol(folder), f"the folder cannot be listed: {error}"))
            continue
        fs.invalidate_cache(folder)
        inside = [(info["name"].rstrip("/"), info["type"]) for info in listing]
        files = [path for path, kind in inside if kind == "file"]
        yield folder, [path for path in files if is_photo(os.path.basename(path))]
        for path in files:
            if not is_photo(os.path.basename(path)):
                left_out.note(os.path.basename(path))
        below = (path for path, kind in inside if kind == "directory" and path != folder.rstrip("/"))
        waiting += sorted((path for path in below if is_searched(os.path.basename(path))), reverse=True)


def _names(fs: Any, place: str) -> Callable[[str], str]:
    """How a path of a file system is spelled in full, so that any machine can open it."""
    if not is_url(place):
        return str
    _, chained, inner = place.partition("::")
    return lambda path: f"{fs.unstrip_protocol(path)}{chained}{inner}"


def _above(path: str) -> Iterator[str]:
    """The folders that a path lies in, from the nearest."""
    while (above := os.path.dirname(path)) not in (path, ""):
        yield above
        path = above


def parent(photo: str) -> str:
    """The folder that a photo lies in."""
    outer, chained, inner = photo.partition("::")
    return f"{os.path.dirname(outer)}{chained}{inner}"


def read_ahead(photos: Iterable[str]) -> Iterator[tuple[str, bytes | ImageError]]:
    """Each photo's name and bytes, or the reason that it has none, in order; a few are fetched ahead."""
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[Any] = deque()
        for photo in photos:
            waiting.append((photo, pool.submit(_read, photo)))
            if len(waiting) > READ_AHEAD:
                name, future = waiting.popleft()
                yield photo_name(name), future.result()
        while waiting:
            name, future = waiting.popleft()
            yield photo_name(name), future.result()


def _open_photo(photo: str) -> tuple[Any, str]:
    outer, chained, inner = photo.partition("::")
    if not chained:
        return open_place(photo)
    scheme, _, path = outer.partition("://")
    return _open_archive(scheme, inner), path


@lru_cache(maxsize=2)
def _open_archive(scheme: str, place: str) -> Any:
    """An archive's file system: fsspec would read the list of its files anew for every photo."""
    return open_place(f"{scheme}://::{place}")[0]


def _read(photo: str) -> bytes | ImageError:
    try:
        if not is_url(photo):
            return read_file(Path(photo))
        fs, path = _open_photo(photo)
        # One byte more than a picture may have tells that it has too many; a size that is announced may be wrong.
        content: bytes = fs.cat_file(path, start=0, end=MAX_BYTES + 1)
        return content
    except ImageError as error:
        return error
    except FileNotFoundError:
        return ImageError(f"no such file: {photo}")
    except Exception as error:  # each file system raises its own kinds
        return ImageError(f"cannot read {photo}: {error}")
