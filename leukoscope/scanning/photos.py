"""What is taken for a photo in a folder, in an archive and behind a URL: one rule for all of them, by the name.

A file that a person names is read whatever it is called: there its content decides. In a folder that would make bad
files of every text and table, so there the name must end as that of a picture does. What cameras, systems and this
package lay beside photos (`._a.jpg`, `.thumbnails/`, `Thumbs.db`, `a.png.annotated.png`) is passed over without a word;
every other file that is left out is counted and said.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from leukoscope.errors import ImageError
from leukoscope.pictures.images import picture_count, read_file

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"}
SUFFIXES |= {".heic", ".heif", ".avif", ".jp2", ".j2k", ".dcm"}
ANNOTATED = ".annotated.png"  # ends the name of every picture that a scan draws, so that none is scanned again
OF_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # what Windows lays into folders of pictures
FOLDERS_OF_SYSTEMS = {"__macosx", "@eadir", "$recycle.bin"}  # macOS in archives, a network disk, Windows

READERS = 4  # files that are hashed at once: a disk or a network answers several as soon as one
PAGE = "#page="  # stands between a file and the number of a page in it
MOST_KINDS = 5  # named of what is left out

Bad = list[tuple[str, str]]  # name and reason of what could not be read


@dataclass(frozen=True)
class Photo:
    """A file, or a page of one, as it was read.

    Attributes:
        name: as a count has it.
        file: where it lies.
        content: its bytes, or why there are none.
        page: which picture of the file.
        pages: how many the file has.
        digest: `digest_of` it; empty if there are no bytes.
    """

    name: str
    file: Path
    content: bytes | str = field(repr=False)
    page: int = 1
    pages: int = 1
    digest: str = ""


class LeftOut(Counter[str]):
    """How many files were not taken for photos, by the ending of their names."""

    def note(self, name: str) -> None:
        """Count a file, unless nobody misses it."""
        if not _is_litter(name):
            self[PurePosixPath(name).suffix.lower()[:12] or "without an ending"] += 1

    def sentence(self) -> str:
        """Such as "12 files were not taken for photos: 9 .xyz, 3 .txt"; empty if there are none."""
        total = self.total()
        if not total:
            return ""
        kinds = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{count:,} {kind}" for kind, count in kinds[:MOST_KINDS]]
        rest = sum(count for _, count in kinds[MOST_KINDS:])
        others = [f"{rest:,} others"] if rest else []
        return f"{_files(total)} not taken for photos: {', '.join(named + others)}"


def _files(count: int) -> str:
    return "1 file was" if count == 1 else f"{count:,} files were"


def is_photo(name: str) -> bool:
    """Whether a file in a folder is taken for a photo, by its name alone."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not _is_litter(name)


def is_searched(folder: str) -> bool:
    """Whether a folder in a folder is searched, by its name alone: hidden ones and those of systems are not."""
    return not folder.startswith(".") and folder.lower() not in FOLDERS_OF_SYSTEMS


def is_photo_below(path: str, left_out: LeftOut | None = None) -> bool:
    """Whether a file is taken for a photo by its path below the folder or archive that was given, with `/` between.

    `left_out` is told the file if it is not, and lies in a folder that is searched.
    """
    *folders, name = PurePosixPath(path.lstrip("/")).parts or ("",)
    if not all(folder == ".." or is_searched(folder) for folder in folders):
        return False
    if left_out is not None and not is_photo(name):
        left_out.note(name)
    return is_photo(name)


def _is_litter(name: str) -> bool:
    lower = name.lower()
    return name.startswith(".") or lower in OF_SYSTEMS or lower.endswith(ANNOTATED)


def pictures_below(
    folder: Path, bad: Bad, left_out: LeftOut | None = None, searched: set[str] | None = None
) -> Iterator[Path]:
    """The photos in a folder and below, folder after folder, as they are met.

    Links to folders are followed, after all folders that are there by their own names; no folder is searched twice, so
    that links in a circle end.

    Args:
        folder: the folder.
        bad: is given the folders that could not be listed.
        left_out: is told the files that are not taken for photos.
        searched: real paths of the folders that are not to be searched again; is given those that are.
    """

    def complain(error: OSError) -> None:
        bad.append((photo_name(error.filename), f"the folder cannot be listed: {error.strerror}"))

    searched = set() if searched is None else searched
    waiting = deque([os.fspath(folder)])
    while waiting:
        for parent, folders, names in os.walk(waiting.popleft(), onerror=complain):
            place = os.path.realpath(parent)
            if place in searched:
                folders.clear()
                continue
            searched.add(place)
            folders[:] = sorted(filter(is_searched, folders))
            waiting += [path for name in folders if os.path.islink(path := os.path.join(parent, name))]
            for name in names:
                file = Path(parent, name)
                if is_photo(name) and file.is_file():
                    yield file
                elif left_out is not None and not is_photo(name):
                    left_out.note(name)


def find_pictures(paths: Iterable[str | os.PathLike[str]], left_out: LeftOut | None = None) -> tuple[list[Path], Bad]:
    """The files named, and the photos in the folders named and below, sorted; each file once, whatever its names.

    A file that was named itself is kept whatever its name.

    Args:
        paths: files and folders.
        left_out: is told the files in folders that are not taken for photos.

    Returns:
        The files, and the folders that could not be listed.
    """
    found: dict[str, Path] = {}
    bad: Bad = []
    searched: set[str] = set()
    for path in map(Path, paths):
        inside = sorted(pictures_below(path, bad, left_out, searched)) if path.is_dir() else [path]
        for file in inside:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values()), bad


def photo_name(path: str | os.PathLike[str]) -> str:
    """A path as text that any file can hold: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_photos(
    files: Iterable[Path], all_pages: bool = False, seen: Callable[[], object] = lambda: None
) -> Iterator[Photo]:
    """Read files in order, each once, a few ahead.

    Args:
        files: the photos.
        all_pages: of a stack every page is a photo, not the first alone.
        seen: is called after each file.
    """
    waiting: deque[tuple[Path, Future[bytes | str]]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        left = iter(files)
        while True:
            for file in islice(left, READERS + 1 - len(waiting)):
                waiting.append((file, pool.submit(_content, file)))
            if not waiting:
                return
            file, future = waiting.popleft()
            content, name = future.result(), photo_name(file)
            if isinstance(content, str):
                yield Photo(name, file, content)
            else:
                pages = picture_count(content)
                for page in range(1, (pages if all_pages else 1) + 1):
                    yield Photo(page_name(name, page), file, content, page, pages, digest_of(content, page))
            seen()


def _content(file: Path) -> bytes | str:
    try:
        return read_file(file)
    except ImageError as error:
        return str(error)


def digest_of(content: bytes, page: int = 1) -> str:
    """What tells a photo from all others, whatever its name: the SHA-256 of its file's bytes, in hex.

    Of a further page of a stack it is that of the bytes and the page's number.
    """
    digest = hashlib.sha256(content)
    if page > 1:
        digest.update(f"{PAGE}{page}".encode())
    return digest.hexdigest()


def digests_of(files: Iterable[Path]) -> Iterator[str]:
    """`digest_of` each file, in order; empty for one that cannot be read as a photo: who reads it, says why."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(_digest_of_file, files)


def _digest_of_file(file: Path) -> str:
    content = _content(file)
    return "" if isinstance(content, str) else digest_of(content)


def page_name(name: str, page: int) -> str:
    """The name of a page of a stack: the file's own for the first, "a.tif#page=2" for the second."""
    return name if page == 1 else f"{name}{PAGE}{page}"


def place_of(name: str) -> tuple[str, int]:
    """The file that a photo's name leads to, and the page in it; the reverse of `page_name`."""
    file, found, page = name.rpartition(PAGE)
    if found and page.isdecimal() and len(page) < 6 and not os.path.exists(name):
        return file, int(page)
    return name, 1
