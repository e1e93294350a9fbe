"""The tables of results in the documents, written anew from what was measured.

    python -m training.documents.write      # README.md, docs/results.md, docs/attributes.md and docs/training.md

A table stands between <!-- its name --> and <!-- -->, with whatever is said there in numbers; all else in a document is
left as it is. Run it after the embedded checkpoint was scored (make evaluate), trials were compared, verdicts fitted,
boxes scored, or cells of a new lab taught.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from training.documents import cells, labs
from training.documents.lines import Lines

ROOT = Path(__file__).parents[2]

TABLES: dict[str, dict[str, Callable[[], Lines]]] = {
    "README.md": {"short": labs.short},
    "docs/results.md": {
        "unseen": labs.unseen,
        "labs": labs.of_labs,
        "trained": labs.trained,
        "test": labs.test,
        "kinds": labs.kinds,
        "rejection": cells.rejection,
        "cuts": cells.cuts,
        "others": cells.others,
        "boxes": cells.boxes,
        "red-cells": cells.red_cells,
        "middles": cells.middles,
        "overlays": cells.overlays,
    },
    "docs/attributes.md": {"attributes": cells.attributes, "by-eye": cells.by_eye},
    "docs/training.md": {"own-lab": labs.own_lab, "tuned": labs.tuned},
}


def with_tables(document: str, text: str) -> str:
    """A document with its tables anew.

    Args:
        document: a key of `TABLES`.
        text: of the document.

    Raises:
        ValueError: if it lacks the place of a table, or has it twice.
    """
    for name, table in TABLES[document].items():
        lines = "\n".join(table()).strip()
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(?=<!-- -->)", re.DOTALL)
        text, places = pattern.subn(lambda found, lines=lines: f"{found[1]}\n{lines}\n\n", text)
        if places != 1:
            raise ValueError(f"{document} has {places} places <!-- {name} --> ... <!-- -->; it needs one")
    return text


def main(argv: list[str] | None = None) -> int:
    argparse.ArgumentParser(
        prog="python -m training.documents.write", description="Write the tables of results in the documents anew."
    ).parse_args(argv)
    for document in TABLES:
        path = ROOT / document
        before = path.read_text()
        after = with_tables(document, before)
        path.write_text(after)
        print(f"{document}: {'as it was' if after == before else 'written anew'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
