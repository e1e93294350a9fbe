"""Uploaded files -> a differential: photos and archives read one by one, what was decided before kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import markup
import numpy as np
from uploads import Uploads

from leukoscope import Classifier, ImageError, Prediction
from leukoscope.counting.differential import CountedCell, Differential, Origin
from leukoscope.pictures.images import picture_count, read_image
from leukoscope.scanning.archives import ZipLimits, is_zip, photos_in_zip, readable_name, unused_name
from leukoscope.scanning.photos import LeftOut, digest_of
from leukoscope.showing.about import model_identity
from leukoscope.showing.draw import crop, jpeg, view
from leukoscope.showing.pictured import Key, cells_to_show
from leukoscope.showing.wording import AS_THE_MODEL

MOST_PHOTOS = 400
MOST_CELLS = 3000
MOST_VIEWS = 600  # cells of a page that are kept large; the others are shown by their thumbnails
ZIP_LIMITS = ZipLimits(photos=MOST_PHOTOS)
MOST_DECISIONS = 1000  # sent at once
MAX_FILE_MB = 64  # of an archive; photos have a limit of their own


@dataclass(frozen=True)
class Photo:
    """One photo of the count: its name, and its cells with their thumbnails (JPEG), or why it was not read.

    views: each cell large (JPEG), as far as there is memory for them.
    origin: of its cells. copy_of: name of the photo that has the same bytes; then it is not counted.
    """

    name: str
    predictions: tuple[Prediction, ...] = ()
    thumbnails: tuple[bytes, ...] = ()
    views: tuple[bytes, ...] = ()
    reason: str = ""
    origin: Origin | None = None
    copy_of: str = ""
    pages: int = 1  # pictures in the file, of which the first was read


@dataclass(frozen=True)
class Count:
    """What a page remembers of its count. It never changes: each step gives a new one.

    files: photos of each upload, by where the upload lies. given: the uploads, as Gradio hands them over unread.
    """

    files: dict[str, tuple[Photo, ...]] = field(default_factory=dict)
    differential: Differential = field(default_factory=Differential)
    given: tuple[dict, ...] = ()

    @property
    def photos(self) -> list[Photo]:
        """All photos, in the order of the files."""
        return [photo for photos in self.files.values() for photo in photos]

    @property
    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of what was not read."""
        return tuple((photo.name, photo.reason) for photo in self.photos if photo.reason)

    @property
    def copies(self) -> tuple[tuple[str, str], ...]:
        """(name, name of the photo with the same bytes) of what is not counted again."""
        return tuple((photo.name, photo.copy_of) for photo in self.photos if photo.copy_of)

    @property
    def stacks(self) -> tuple[tuple[str, int], ...]:
        """(name, number of pictures) of files that hold several, of which the first is counted."""
        return tuple((photo.name, photo.pages) for photo in self.photos if photo.pages > 1)

    @property
    def thumbnails(self) -> dict[Key, bytes]:
        """JPEG of each cell."""
        return {
            (photo.name, number): picture for photo in self.photos for number, picture in enumerate(photo.thumbnails, 1)
        }

    def report_pictures(self) -> dict[Key, np.ndarray]:
        """Thumbnails that the report may show: RGB uint8 (H, W, 3)."""
        pictures = self.thumbnails
        keys = [(cell.photo, cell.number) for cell in cells_to_show(self.differential)]
        return {key: read_image(pictures[key]) for key in keys if key in pictures}


def count_files(
    classifier: Classifier,
    uploads: Uploads,
    files: list[dict],
    session: str | None,
    before: Count,
    stopped: Callable[[], bool] = lambda: False,
    count_copies: bool = False,
) -> Iterator[tuple[int, int, int] | Count]:
    """Count the cells of uploads.

    Args:
        files: as Gradio hands them over unread.
        session: the page that sent them.
        before: its last count: photos read then are not read again, and decisions on their cells stand.
        stopped: asked before each photo; once it says so, what was read is counted.
        count_copies: count a photo again that is there under another name.

    Yields:
        (files done, files in all, photos read) as it goes on, and the new count at last.
    """
    keys = [str(file.get("path")) for file in files]
    kept = {key: before.files[key] for key in keys if key in before.files and not _depends(before.files[key])}
    read: dict[str, tuple[Photo, ...]] = {}
    for done, (key, file) in enumerate(zip(keys, files, strict=True)):
        if key in read:  # one upload, sent twice
            continue
        if key in kept:
            read[key] = kept.pop(key)
            continue
        photos: list[Photo] = []
        for name, content in _contents(uploads, file, session):
            if stopped():
                yield _assembled(read | kept | {f"{key} in part": tuple(photos)}, before)
                return
            so_far = [photo for group in (*read.values(), *kept.values(), photos) for photo in group]
            name = unused_name(name, {photo.name for photo in so_far})
            pages = picture_count(content) if isinstance(content, bytes) else 1
            photos.append(replace(_scan(classifier, name, content, so_far, count_copies), pages=pages))
            yield done, len(files), len(so_far) + 1
        read[key] = tuple(photos)
    yield _assembled(read, before)


def _depends(photos: tuple[Photo, ...]) -> bool:
    """Whether what became of an upload hangs on others, which may be gone, or on whether copies count."""
    return any(photo.copy_of for photo in photos)


def _contents(uploads: Uploads, file: dict, session: str | None) -> Iterator[tuple[str, bytes | str]]:
    """(name, bytes or why there are none) of an upload, or of each file in it if it is an archive."""
    name = readable_name(str(file.get("orig_name") or "photo"))
    try:
        data = uploads.read(file, session, MAX_FILE_MB)
        if not is_zip(data):
            yield name, data
            return
        empty, left_out = True, LeftOut()
        for inner, content in photos_in_zip(data, ZIP_LIMITS, left_out):
            empty = False
            yield inner, content
        if reason := "; ".join(filter(None, ("the archive holds no photo" if empty else "", left_out.sentence()))):
            yield name, reason
    except ImageError as error:
        yield name, str(error)


def _scan(classifier: Classifier, name: str, content: bytes | str, so_far: list[Photo], count_copies: bool) -> Photo:
    if isinstance(content, str):
        return Photo(name, reason=content)
    origin = Origin(model_identity(classifier), digest_of(content))
    if not count_copies and (first := next((photo for photo in so_far if photo.origin == origin), None)):
        return Photo(name, copy_of=first.name)
    if len(so_far) >= MOST_PHOTOS:
        return Photo(name, reason=f"no more than {MOST_PHOTOS} photos are counted at once")
    if sum(len(photo.predictions) for photo in so_far) >= MOST_CELLS:
        return Photo(name, reason=f"{MOST_CELLS:,} cells were counted before it: more are not counted at once")
    if len(content) > ZIP_LIMITS.photo_bytes:
        return Photo(name, reason=f"it is larger than {ZIP_LIMITS.photo_bytes // 2**20} MB")
    try:
        image = read_image(content)
        predictions = tuple(classifier.scan(image))
    except ImageError as error:
        return Photo(name, reason=str(error))
    thumbnails = tuple(jpeg(crop(image, p.box, markup.THUMBNAIL_SIDE), 80) for p in predictions)
    room = MOST_VIEWS - sum(len(photo.views) for photo in so_far)
    views = tuple(jpeg(view(image, p.box, markup.VIEW_SIDE), 80) for p in predictions[: max(0, room)])
    return Photo(name, predictions, thumbnails, views, origin=origin)


def _assembled(files: dict[str, tuple[Photo, ...]], before: Count) -> Count:
    photos = [photo for photos in files.values() for photo in photos if not (photo.reason or photo.copy_of)]
    differential = Differential().extend(
        ((photo.name, list(photo.predictions)) for photo in photos),
        {photo.name: photo.origin for photo in photos if photo.origin},
    )
    for cell in before.differential.cells:
        if cell.corrected and cell.photo in differential.photos:
            differential = differential.reclassify(cell.photo, cell.number, cell.corrected)
    return Count(files, differential)


def taken_out(before: Count, now: Count) -> int:
    """How many photos of a count went with uploads that a later one has no more; 0 if that one has new uploads."""
    had, has = ({str(file.get("path")) for file in count.given} for count in (before, now))
    return max(0, len(before.differential.photos) - len(now.differential.photos)) if has < had else 0


def brought_back(before: Count, now: Count) -> Count:
    """A count whose photos were taken out of it, as it was; what was decided since on the others stands."""
    differential = before.differential
    for cell in now.differential.cells:
        if cell.photo in differential.photos:
            differential = differential.reclassify(cell.photo, cell.number, cell.corrected)
    return replace(before, differential=differential)


def cell_at(count: Count, index: object) -> CountedCell | None:
    """The cell at a place of `differential.cells`, given by a browser; None if there is none."""
    valid = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(count.differential.cells)
    return count.differential.cells[index] if valid else None


def picture_of(count: Count, cell: CountedCell) -> bytes | None:
    """JPEG of a cell as large as it is kept."""
    photo = next((photo for photo in count.photos if photo.name == cell.photo), None)
    pictures = (photo.views[cell.number - 1 :] or photo.thumbnails[cell.number - 1 :]) if photo else ()
    return pictures[0] if pictures else None


def decided(count: Count, decisions: object) -> Count:
    """The count with cells called what a person says.

    Args:
        count: as it was.
        decisions: [index, type] of each cell, as a browser sends them; `AS_THE_MODEL` takes a decision back.

    Raises:
        ValueError: if they are no such list, there is no such cell, or a type is not valid. Then nothing changes.
    """
    if not isinstance(decisions, list) or len(decisions) > MOST_DECISIONS:
        raise ValueError(f"not a list of at most {MOST_DECISIONS} decisions")
    for decision in decisions:
        index, to = decision if isinstance(decision, list) and len(decision) == 2 else (None, None)
        cell = cell_at(count, index)
        if cell is None or not isinstance(to, str):
            raise ValueError(f"no cell {index!r}")
        to = None if to == AS_THE_MODEL else to
        count = replace(count, differential=count.differential.reclassify(cell.photo, cell.number, to))
    return count
