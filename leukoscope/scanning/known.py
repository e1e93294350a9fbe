"""Which photos a count has already, told by the bytes of their files: a name may change, a folder be copied.

A count that does not say what the bytes of a photo were, as files of earlier versions, is known by its names alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leukoscope.counting.differential import Differential
from leukoscope.errors import DifferentialError
from leukoscope.scanning.photos import Bad, Photo, page_name, place_of


@dataclass
class Sorter:
    """Tells photos that are to be scanned from those that a count has; what it met, it remembers.

    Attributes:
        counted: what was counted before.
        count_copies: take the bytes of another photo under a name of its own for another photo.
        given: photos that were met. known: how many of them the count has.
        digests: SHA-256 of those that are to be scanned, by name, where they could be read.
        moved: (name in the count, name now) of those that it has by another name.
        copies: (name, name of the photo with the same bytes) of those that are here twice.
        bad: names by which the count has another photo, and so.
    """

    counted: Differential
    count_copies: bool = False
    given: int = 0
    known: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    moved: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    bad: Bad = field(default_factory=list)

    def fresh(self, photos: Iterable[Photo]) -> Iterator[Photo]:
        """Those of the photos that are to be scanned, as they are met."""
        names = set(self.counted.photos)
        places = {_real(name): name for name in self.counted.photos if "\0" not in name}
        by_digest = {origin.sha256: name for name, origin in self.counted.origins.items()}
        here: dict[str, str] = {}
        for photo in photos:
            self.given += 1
            name, digest = photo.name, photo.digest
            earlier = name if name in names else places.get(_real(name))
            origin = self.counted.origins.get(earlier) if earlier is not None else None
            if earlier is not None and (origin is None or digest in ("", origin.sha256)):
                self.known += 1
            elif not self.count_copies and digest in by_digest:
                self.known += 1
                self.moved.append((by_digest[digest], name))
            elif name in names:
                folder = Path(name).absolute().parent
                self.bad.append((name, f"another photo was counted by this name: give its folder in full, {folder}"))
            elif not self.count_copies and digest in here:
                self.copies.append((name, here[digest]))
            else:
                if digest:
                    self.digests[name] = digest
                    here.setdefault(digest, name)
                yield photo


def _real(name: str) -> str:
    """Where a photo lies, whatever the way there."""
    file, page = place_of(name)
    return page_name(os.path.realpath(file), page)


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
