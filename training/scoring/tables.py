"""Tables in Markdown, line by line."""

from __future__ import annotations

from collections.abc import Iterator


def row(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> Iterator[str]:
    """The first two lines of a table."""
    yield row(*cells)
    yield "|" + len(cells) * "---|"
