"""Which photos a count has already, told by the bytes of their files: a name may change, a folder be copied.

A count that does not say what the bytes of a photo were, as files of earlier versions, is known by its names alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from leukoscope.differential import Differential
from leukoscope.errors import DifferentialError
from leukoscope.photos import Bad, digests_of, photo_name


@dataclass
class Sorted:
    """What is to be done with files.

    todo: to be scanned, in order. digests: SHA-256 of each of these, by name, where it could be read. known: how many
    the count has. moved: (name in the count, name now) of those that it has by another name. copies: (name, name of the
    photo with the same bytes) of those that are here twice. bad: names by which the count has another photo, and so.
    """

    todo: list[Path] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    known: int = 0
    moved: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    bad: Bad = field(default_factory=list)


def sort_out(
    files: Iterable[Path],
    counted: Differential,
    count_copies: bool = False,
    seen: Callable[[], object] = lambda: None,
) -> Sorted:
    """Which files are to be scanned; all are read for that.

    Args:
        files: photos, each once.
        counted: what was counted before.
        count_copies: take the bytes of another photo under a name of its own for another photo.
        seen: is called after each file.
    """
    files = list(files)
    names = set(counted.photos)
    places = {os.path.realpath(name): name for name in counted.photos if "\0" not in name}
    by_digest = {origin.sha256: name for name, origin in counted.origins.items()}
    here: dict[str, str] = {}
    result = Sorted()
    for file, digest in zip(files, digests_of(files), strict=True):
        seen()
        name = photo_name(file)
        earlier = name if name in names else places.get(os.path.realpath(file))
        origin = counted.origins.get(earlier) if earlier is not None else None
        if earlier is not None and (origin is None or digest in ("", origin.sha256)):
            result.known += 1
        elif not count_copies and digest in by_digest:
            result.known += 1
            result.moved.append((by_digest[digest], name))
        elif name in names:
            result.bad.append(
                (name, f"another photo was counted by this name: give its folder in full, {file.absolute().parent}")
            )
        elif not count_copies and digest in here:
            result.copies.append((name, here[digest]))
        else:
            result.todo.append(file)
            if digest:
                result.digests[name] = digest
                here.setdefault(digest, name)
    return result


def check_model(counted: Differential, model: str, source: str) -> None:
    """See that a count holds the answers of no other model; one that does not say which is taken on trust.

    Raises:
        DifferentialError: naming the other model; `source` is what it calls the count.
    """
    for origin in counted.origins.values():
        if origin.model != model:
            raise DifferentialError(
                f"{source} holds the answers of another model, {origin.model}, and this is {model}: "
                "give a new --csv, since answers of two models are no one count"
            )
