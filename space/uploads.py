"""What visitors upload: only files that came through this page are read, and none outlives its visitor.

Gradio keeps an upload in its own folder, named by its content, so that two visitors with the same picture share a file.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from pathlib import Path

from leukoscope.errors import ImageError

MAX_PHOTO_MB = 20
GONE = "the picture was deleted from the server some time after its upload: choose it again"


class Uploads:
    """The uploads of every open page. It may be shared between threads."""

    def __init__(self, folder: str | Path) -> None:
        """Folder: Gradio's upload folder."""
        self.folder = Path(folder).resolve()
        self.own: set[Path] = set()  # the page's own files, which stay when a visitor who was shown them leaves
        self._held: dict[str, set[Path]] = defaultdict(set)
        self._counting: set[str | None] = set()
        self._lock = threading.Lock()

    def read(self, file: dict, session: str | None = None, most_mb: int = MAX_PHOTO_MB) -> bytes:
        """The bytes of an upload.

        Args:
            file: as Gradio hands it over unread, with its "path".
            session: the page that sent it, which holds it until `forget`.
            most_mb: a larger file is not read.

        Raises:
            ImageError: if it lies outside the folder, is gone, or is too large.
        """
        path = self.path(file)
        if session:
            with self._lock:
                self._held[session].add(path)
        try:
            if path.stat().st_size > most_mb * 2**20:
                raise ImageError(f"the file is larger than {most_mb} MB")
            return path.read_bytes()
        except OSError:
            raise ImageError(GONE) from None

    def path(self, file: dict) -> Path:
        """Where an upload lies.

        Raises:
            ImageError: if that is not in the upload folder.
        """
        # Gradio checks this only where the request marks the path as a file; one that does not could name any file.
        path = file.get("path") if isinstance(file, dict) else None
        try:
            resolved = Path(path).resolve() if isinstance(path, str) else None
        except (OSError, ValueError):
            resolved = None
        if resolved is None or resolved == self.folder or not resolved.is_relative_to(self.folder):
            raise ImageError("the picture was not uploaded to this page")
        return resolved

    def forget(self, session: str | None) -> None:
        """Delete what a page uploaded, save what another open page uploaded too."""
        self.stop(session)
        with self._lock:
            mine = self._held.pop(session, set())
            shared = set().union(*self._held.values())
            for path in mine - shared - self.own:
                path.unlink(missing_ok=True)

    def start(self, session: str | None) -> None:
        """A page begins to count its files."""
        self._counting.add(session)

    def stop(self, session: str | None) -> None:
        """A page has counted its files, wants no more of them read, or is gone."""
        self._counting.discard(session)

    def stopped(self, session: str | None) -> bool:
        """Whether a page that began to count wants no more of its files read."""
        return session not in self._counting


def sweep(folder: Path, own: set[Path], seconds: float) -> None:
    """Delete the files in Gradio's folder that are older, save the page's own: an earlier process may have left them.

    Only what lies as Gradio lays it is looked at: in a folder named by a SHA-256.
    """
    for place in folder.glob("[0-9a-f]" * 64):
        with contextlib.suppress(OSError):  # another process may sweep too
            for path in place.iterdir():
                if path not in own and time.time() - path.stat().st_mtime >= seconds:
                    path.unlink()
            place.rmdir()  # fails while there is something in it
