"""A folder that a microscope's camera writes to: new photos in it are counted as they arrive."""

from __future__ import annotations

import os
import time
from pathlib import Path

import streamlit as st
from running_count import RunningCount, from_path

from leukoscope import Classifier
from leukoscope.photos import find_pictures, photo_name

ROOT_VARIABLE = "LEUKOSCOPE_WATCH_ROOT"
SETTLED_SECONDS = 1.0  # a younger file may still be being written
EVERY_SECONDS = 2.0


def watch_root() -> Path:
    """Only folders below this one are watched: $LEUKOSCOPE_WATCH_ROOT, else the folder that the app was started in."""
    return Path(os.environ.get(ROOT_VARIABLE) or ".").resolve()


def allowed(folder: str) -> Path:
    """The folder that a person names, which may be relative to the root.

    Raises:
        ValueError: if it is not below the root, or is no folder.
    """
    root = watch_root()
    try:
        path = (root / folder).resolve()
        is_folder = path.is_dir()
    except (OSError, ValueError):  # too long, or no name that a folder can have
        path, is_folder = root, False
    if not path.is_relative_to(root):
        raise ValueError(f"Only folders below {root} are watched. Set {ROOT_VARIABLE} to change that.")
    if not is_folder:
        raise ValueError(f"There is no folder {folder!r} below {root}.")
    return path


def arrived(folder: Path, seen: set[tuple[str, int, int]], now: float | None = None) -> list[Path]:
    """Pictures below a folder that were not seen as they are now, and are written to no more; `seen` remembers them.

    Links to folders are followed, also out of the root: who may lay them there may show what they lead to.
    """
    now = time.time() if now is None else now
    new = []
    for path in find_pictures([folder])[0]:
        try:
            state = path.stat()
        except OSError:
            continue
        mark = (photo_name(path), state.st_size, state.st_mtime_ns)
        if mark not in seen and now - state.st_mtime >= SETTLED_SECONDS:
            seen.add(mark)
            new.append(path)
    return new


def watch_folder(classifier: Classifier, count: RunningCount) -> bool:
    """The sidebar's part; whether a folder is being watched."""
    st.subheader("Watch a folder")
    named = st.text_input("Folder of new photos", key="watched_folder", placeholder="photos").strip()
    on = st.toggle("Scan what arrives there", key="watching", disabled=not named)
    if not (on and named):
        return False
    try:
        folder = allowed(named)
    except ValueError as error:
        st.error(str(error))
        return False
    seen = st.session_state.setdefault("seen_files", set())

    @st.fragment(run_every=EVERY_SECONDS)
    def look() -> None:
        files = arrived(folder, seen)
        copies = bool(st.session_state.get("count_copies"))
        count.add(classifier, [(path.name, from_path(path)) for path in files], copies)
        words = f"Watching {folder.name}: {len(seen):,} photos seen."
        st.caption(words if seen else f"Watching {folder.name}. It holds no photo yet.")

    look()
    return True
