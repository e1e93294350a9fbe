"""A folder that a microscope's camera writes to: new photos in it are counted as they arrive."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st
from running_count import RunningCount, from_path

from leukoscope import Classifier
from leukoscope.scanning.photos import find_pictures, photo_name

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
        st.session_state.pop("watch", None)
        return False
    if count.other_model(classifier):  # which the count's own tab says
        return False
    try:
        folder = allowed(named)
    except ValueError as error:
        st.error(str(error))
        return False
    copies = bool(st.session_state.get("count_copies"))
    watch = begun(folder, count)
    if watch.before:
        photos = "1 photo was" if len(watch.before) == 1 else f"{len(watch.before):,} photos were"
        st.warning(f"{photos} there before and may be of another slide: not counted.", icon=":material/help:")
        if st.button("Count these, too", key="count_before"):
            count.add(classifier, [(path.name, from_path(path)) for path in watch.before], copies)
            watch.before = []
            st.rerun()

    @st.fragment(run_every=EVERY_SECONDS)
    def look() -> None:
        files = arrived(folder, watch.seen)
        watch.taken += len(files)
        count.add(classifier, [(path.name, from_path(path)) for path in files], copies)
        photos = "1 new photo" if watch.taken == 1 else f"{watch.taken:,} new photos"
        st.caption(f"Watching {folder.name}: {photos} since.")

    look()
    return True


@dataclass
class Watch:
    """What a page knows of the folder that it watches for a count.

    of: folder and count. seen: states of files, as `arrived` remembers them. before: photos that were there when the
    watch began and are not in the count. taken: photos that came since.
    """

    of: tuple[Path, int]
    seen: set[tuple[str, int, int]] = field(default_factory=set)
    before: list[Path] = field(default_factory=list)
    taken: int = 0


def begun(folder: Path, count: RunningCount) -> Watch:
    """The page's watch of a folder for a count. With another of either a new one begins.

    What lies there when it begins may be of the slide before: it is counted only when somebody says so. What the
    count on disk holds already is not asked about.
    """
    watch: Watch | None = st.session_state.get("watch")
    if watch is None or watch.of != (folder, id(count)):
        watch = Watch((folder, id(count)))
        there = arrived(folder, watch.seen, now=float("inf"))
        watch.before = [path for path in there if not count.has(path.name)]
        st.session_state["watch"] = watch
    return watch
