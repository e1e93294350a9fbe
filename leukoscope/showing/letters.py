"""Names in the PDF report: written in a font that has their letters, as far as one font goes.

The fonts that every PDF reader brings have the letters of western Europe. The one in `leukoscope/showing/fonts`, a part
of DejaVu Sans, has those of Latin, Greek, Cyrillic, Armenian and Georgian. A font for every script would weigh more
than the package, and those of a machine differ from the next one's: other letters are spelled by their Unicode numbers.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpdf import FPDF

FAMILY = "dejavu"
FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
ESCAPE = r"\u...."


def is_spelled(text: str) -> bool:
    """Whether a name has letters that are spelled by their numbers."""
    return any(ord(letter) not in _letters() for letter in printable(text))


def written(page: FPDF, text: str) -> str:
    """A name as it can be written on a page, whose font is changed, in its size, if the name needs that."""
    text = printable(text)
    try:
        text.encode("latin-1")
        return text
    except UnicodeEncodeError:
        if FAMILY not in page.fonts:
            page.add_font(FAMILY, fname=FONT)
        page.set_font(FAMILY, size=page.font_size_pt)
        letters = _letters()
        return "".join(c if ord(c) in letters else c.encode("ascii", "backslashreplace").decode() for c in text)


def printable(text: str) -> str:
    """A text without control characters; its dashes are those of every font."""
    return "".join(c for c in text.replace("\u2013", "-") if c.isprintable())


@cache
def _letters() -> frozenset[int]:
    from fontTools.ttLib import TTFont  # a part of what fpdf2 brings

    with TTFont(FONT) as font:
        return frozenset(font.getBestCmap()) | frozenset(range(256))
