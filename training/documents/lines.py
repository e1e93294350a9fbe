"""What tables say: numbers with their intervals, shares in words, text in lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from leukoscope.model.hub import EMBEDDED
from leukoscope.showing.about import TEST
from training.scoring.metrics import read_metrics

WIDTH = 120  # characters to a line of text
HELD = "\x00"  # a space at which no line may end

Lines = Iterator[str]


def labs() -> dict[str, dict[str, Any]]:
    """The embedded checkpoint's scores of every lab but TEST: name of the set -> its result."""
    return {name: result for name, result in read_metrics(EMBEDDED)["results"].items() if not name.startswith(TEST)}


def paragraph(text: str, first: str = "", then: str = "") -> Lines:
    """Text in lines of `WIDTH`, none of which ends within `code`."""
    whole = re.sub("`[^`]*`", lambda code: code[0].replace(" ", HELD), text)
    for line in textwrap.wrap(whole, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False):
        yield line.replace(HELD, " ")


def percent(share: float) -> str:
    """A share, 0-1, in per cent."""
    return f"{100 * share:.1f} %"


def with_interval(score: dict[str, Any], key: str) -> str:
    """A score and its interval, if it has one."""
    interval = score.get(f"{key}_95")
    return f"{score[key]:.3f}" + (" [{:.3f}-{:.3f}]".format(*interval) if interval else "")


def sure(score: dict[str, Any]) -> tuple[str, str]:
    """How many answers are `confident`, and how many of these are right."""
    marked = score["confident"]
    interval = marked.get("accuracy_95")
    limits = " [{:.1f}-{:.1f}]".format(*(100 * limit for limit in interval)) if interval else ""
    return percent(marked["share"]), percent(marked["accuracy"]) + limits


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def between(shares: list[float]) -> str:
    """The least and the most of shares that are in order, in per cent."""
    return f"{100 * shares[0]:.1f} to {percent(shares[-1])}"
