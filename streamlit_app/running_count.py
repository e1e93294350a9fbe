"""A count that goes on by itself: photos in, a thread that scans one after the other, every photo done kept on disk.

Nothing in here knows Streamlit: a page asks how far the count is whenever it likes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import session_file

from leukoscope import Classifier, ImageError
from leukoscope.counting.differential import Differential, Origin
from leukoscope.pictures.images import MAX_BYTES, picture_count, read_image
from leukoscope.scanning.archives import ZipLimits, is_zip, photos_in_zip, readable_name, unused_name
from leukoscope.scanning.photos import LeftOut, digest_of
from leukoscope.showing.about import model_identity
from leukoscope.showing.draw import crop, jpeg
from leukoscope.showing.pictured import Key, cells_to_show

PICTURE_SIDE = 200  # px of a cell's picture: the table shows it at half of that, sharp on fine screens
ZIP_LIMITS = ZipLimits(photos=10_000, all_bytes=4 * 2**30)

Content = Callable[[], bytes]


@dataclass(frozen=True)
class Progress:
    """Files done and given since the count last had nothing to do, and the seconds left (None: unknown)."""

    done: int
    total: int
    seconds_left: float | None

    @property
    def running(self) -> bool:
        """Whether files wait or one is being scanned."""
        return self.done < self.total


class RunningCount:
    """One count. It may be asked and fed from several threads."""

    def __init__(self, file: Path | None = None) -> None:
        """Go on with the count in a session file, or begin one there; None: in memory alone.

        Raises:
            DifferentialError: if the file is no session file.
        """
        session = session_file.read(file) if file and file.exists() else session_file.Session()
        self.file = file
        self.restored = len(session.differential.photos)
        self.problem = ""  # why the count stopped by itself, such as a full disk
        self._session = session
        self._known = {digest: name for name, digest in session.digests.items()}
        self._given = {(digest, name) for name, digest in session.digests.items()}
        self._copies: dict[str, str] = {}
        self._stacks: dict[str, int] = {}
        self._lock = threading.RLock()
        self._queue: deque[tuple[Classifier, str, Content, bool]] = deque()
        self._worker: threading.Thread | None = None
        self._done = self._total = 0
        self._began = 0.0
        self._cancelled = False

    @property
    def differential(self) -> Differential:
        """The count as it stands."""
        return self._session.differential

    @property
    def pictures(self) -> dict[Key, bytes]:
        """JPEG of each cell."""
        return self._session.pictures

    @property
    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of what could not be read."""
        with self._lock:
            return tuple(self._session.unreadable)

    @property
    def copies(self) -> tuple[tuple[str, str], ...]:
        """(name, name by which the same bytes were counted) of files that were given and not counted again."""
        with self._lock:
            return tuple(self._copies.items())

    @property
    def stacks(self) -> tuple[tuple[str, int], ...]:
        """(name, number of pictures) of files that were given and hold several, of which the first was read."""
        with self._lock:
            return tuple(self._stacks.items())

    def has(self, name: str) -> bool:
        """Whether a file of this name was counted, or found unreadable or a copy."""
        with self._lock:
            return name in self._copies or any(name == given for _, given in self._given)

    def other_model(self, classifier: Classifier) -> str:
        """A model, other than this, that answered photos of the count; empty if there is none that is known."""
        others = {origin.model for origin in self.differential.origins.values()} - {model_identity(classifier)}
        return min(others, default="")

    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            left = None
            if self._done:
                left = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            return Progress(self._done, self._total, left)

    def add(self, classifier: Classifier, files: list[tuple[str, Content]], count_copies: bool = False) -> None:
        """Have files scanned, photos or archives; each is opened only when its turn comes.

        Args:
            classifier: answers.
            files: (name, content).
            count_copies: count bytes that were counted before again, if they have another name now.
        """
        if not files:
            return
        with self._lock:
            idle = self._worker is None or not self._worker.is_alive()
            if idle and not self._queue:
                self._done = self._total = 0
                self._began = time.monotonic()
                self.problem = ""
            self._queue.extend((classifier, name, content, count_copies) for name, content in files)
            self._total += len(files)
            if idle:
                self._worker = threading.Thread(target=self._work, daemon=True, name="count")
                self._worker.start()

    def cancel(self) -> None:
        """Scan no more of what was given; what is done stays, and so does the photo that is being scanned."""
        with self._lock:
            self._total -= len(self._queue)
            self._queue.clear()
            self._cancelled = True

    def wait(self, seconds: float = 600.0) -> None:
        """Until nothing waits."""
        worker = self._worker
        if worker:
            worker.join(seconds)

    def decide(self, photo: str, number: int, to: str | None) -> None:
        """A person calls a cell something; None takes it back.

        Raises:
            ValueError: if there is no such cell or type.
            OSError: if it cannot be kept on disk; then nothing changes.
        """
        with self._lock:
            decided = self.differential.reclassify(photo, number, to)
            self._keep(session_file.decision_line(photo, number, to))
            self._session.differential = decided

    def report_pictures(self) -> dict[Key, np.ndarray]:
        """Small pictures that the report may show: RGB uint8 (H, W, 3)."""
        keys = [(cell.photo, cell.number) for cell in cells_to_show(self.differential)]
        found = {key: self.pictures[key] for key in keys if key in self.pictures}
        return {key: read_image(picture) for key, picture in found.items()}

    # --- the thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._worker = None
                    return
                classifier, name, content, count_copies = self._queue.popleft()
                self._cancelled = False  # what is given after a cancel is scanned
            whole = False
            try:
                for photo, data in _photos(name, content):
                    if self._cancelled:
                        break
                    self._scan(classifier, photo, data, count_copies)
                else:
                    whole = True
            except OSError as error:  # of the session file: what is not kept must not seem done
                self.cancel()
                self.problem = f"The count stopped: {self.file} cannot be written ({error.strerror or error})."
            with self._lock:
                if whole:
                    self._done += 1
                else:
                    self._total -= 1

    def _scan(self, classifier: Classifier, name: str, data: bytes | str, count_copies: bool) -> None:
        # Of a file that was not read there are no bytes: it is known by its name and the reason.
        digest = digest_of(f"{name}\0{data}".encode() if isinstance(data, str) else data)
        with self._lock:
            if (digest, name) in self._given:
                return  # the same file again, such as a watched folder's after a restart
            given = digest, name
            if digest in self._known and not count_copies:
                self._copies[name] = self._known[digest]
                return
            name = unused_name(name, self._session.digests)
        try:
            if isinstance(data, str):
                raise ImageError(data)
            image = read_image(data)
            if (pages := picture_count(data)) > 1:
                with self._lock:
                    self._stacks[name] = pages
            predictions = classifier.scan(image)
        except ImageError as error:
            with self._lock:
                self._keep(session_file.unreadable_line(name, digest, str(error)))
                self._session.unreadable.append((name, str(error)))
                self._remember(name, given)
            return
        pictures = [jpeg(crop(image, p.box, PICTURE_SIDE), 80) for p in predictions]
        model = model_identity(classifier)
        with self._lock:
            self._keep(session_file.photo_line(name, digest, predictions, pictures, model))
            self._session.differential = self.differential.add(name, predictions, Origin(model, digest))
            self._session.pictures.update({(name, number): p for number, p in enumerate(pictures, 1)})
            self._remember(name, given)

    def _keep(self, line: dict) -> None:
        if self.file:
            session_file.append(self.file, line)

    def _remember(self, name: str, given: tuple[str, str]) -> None:
        self._session.digests[name] = given[0]
        self._known.setdefault(given[0], name)
        self._given.add(given)
        self._copies.pop(given[1], None)


def _photos(name: str, content: Content) -> Iterator[tuple[str, bytes | str]]:
    """(name, bytes or why there are none) of a file, or of each file in it if it is an archive."""
    name = readable_name(name)
    try:
        data = content()
        if not is_zip(data):
            yield name, data
            return
        left_out = LeftOut()
        yield from photos_in_zip(data, ZIP_LIMITS, left_out)
        if left_out:
            yield name, left_out.sentence()
    except ImageError as error:
        yield name, str(error)


def from_path(path: Path) -> Content:
    """The content of a file on disk, when it is asked for."""

    def content() -> bytes:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ImageError(f"larger than {MAX_BYTES // 2**20} MB")
            return path.read_bytes()
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror or error}") from None

    return content
