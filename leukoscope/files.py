"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader, or a crash, meets the old content or the new, never half of it."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}-", suffix=".partial")
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o666 & ~_umask())  # as if it had been opened by its own name
        os.replace(partial, path)
        _sync_folder(path.parent)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def move_whole(source: Path, target: Path) -> None:
    """Give a file that is on the disk another name of the same file system, in one step; what has that name goes."""
    os.replace(source, target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """See a new name onto the disk; where the system does not sync folders it does so by itself, sooner or later."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
