"""A lab's own pictures in a folder for each class: which are taken, what is left out, and which are the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from leukoscope.scanning.photos import LeftOut, digests_of, is_photo, is_searched

MOST_NAMED = 5


def class_files(folder: Path, labels: Iterable[str], notes: list[str]) -> dict[str, list[Path]]:
    """The pictures of each class whose folder is there, sorted; `Eosinophil/` beside `eosinophil/` is one class.

    Args:
        folder: holds a folder for each class; what else lies there is left out.
        labels: the classes.
        notes: is given a line for each kind of things that are left out.
    """
    found: dict[str, list[Path]] = {}
    strangers, below, left_out = [], [], LeftOut()
    for child in sorted(folder.iterdir()):
        if not child.is_dir():
            if is_photo(child.name):
                strangers.append(child.name)
            else:
                left_out.note(child.name)
            continue
        if not is_searched(child.name):
            continue
        label = child.name.strip().lower()
        if label not in labels:
            strangers.append(f"{child.name}/")
            continue
        files = found.setdefault(label, [])
        for file in sorted(child.iterdir()):
            if file.is_dir():
                below += [f"{child.name}/{file.name}/"] if is_searched(file.name) else []
            elif is_photo(file.name):
                files.append(file)
            else:
                left_out.note(file.name)
    if strangers:
        notes.append(f"not in the folder of a class, and left out: {_some(strangers)}; classes are {', '.join(labels)}")
    if below:
        notes.append(f"folders in a class folder are left out: {_some(below)}")
    if left_out:
        notes.append(left_out.sentence())
    return found


def share_slides(rows: list[dict[str, Any]], notes: list[str]) -> list[tuple[str, str]]:
    """Let pictures of the same bytes, and all that shared a slide with one of them, share a slide.

    Args:
        rows: of files; "slide" is changed.
        notes: is given a line that says how many are copies.

    Returns:
        Pairs of files with the same bytes and different labels.
    """
    slides: dict[str, str] = {}  # slide -> the one that it is part of

    def whole(slide: str) -> str:
        while slide in slides:
            slide = slides[slide]
        return slide

    first: dict[str, dict[str, Any]] = {}
    copies, torn = 0, []
    for row, digest in zip(rows, digests_of(Path(row["image"]) for row in rows), strict=True):
        twin = first.setdefault(digest, row) if digest else row
        if twin is row:
            continue
        copies += 1
        if twin["label"] != row["label"]:
            torn.append((twin["image"], row["image"]))
        one, other = whole(twin["slide"]), whole(row["slide"])
        if one != other:
            slides[other] = one
    for row in rows:
        row["slide"] = whole(row["slide"])
    if copies:
        are = "1 picture is a copy" if copies == 1 else f"{copies:,} pictures are copies"
        notes.append(f"{are} of others, byte for byte: all of a kind are held out, or none")
    return torn


def named_twice(torn: list[tuple[str, str]]) -> str:
    """What to say of pictures that lie in the folders of two classes."""
    pairs = [f"{Path(a).parent.name}/{Path(a).name} is {Path(b).parent.name}/{Path(b).name}" for a, b in torn]
    return f"the same picture is given two types: {_some(pairs)}: leave each where it belongs"


def _some(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest:,} others" if rest > 0 else "")
