"""The corpus: every hostile picture, array, path and archive that the library is to get over, built when it is needed.

A case says what must become of it: it is read, it is refused with words that match, or (for files that chance has
damaged) either of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import encoded, sources
from tests.hostile.build import EITHER

GROUPS = (*encoded.GROUPS, *sources.GROUPS)


@dataclass(frozen=True)
class Case:
    """One hostile thing: its name, how to build it (in a folder of its own), and what must become of it."""

    name: str
    make: Callable[[Path], object]
    expected: str = EITHER


def cases() -> Iterator[Case]:
    """All of them. Names are unique."""
    for group in GROUPS:
        for name, make, expected in group():
            yield Case(f"{group.__name__}: {name}", _builder(make), expected)


def _builder(make: object) -> Callable[[Path], object]:
    """Most cases do not need a folder, and many are ready."""
    if not callable(make):
        return lambda folder: make
    return make if getattr(make, "in_folder", False) else lambda folder: make()
