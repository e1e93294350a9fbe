"""Tables of cells: found or not, in pictures as they are and altered, and what is seen in them."""

from __future__ import annotations

from typing import Any

from leukoscope.model.checkpoint import read_json
from leukoscope.model.hub import EMBEDDED
from training.documents.lines import Lines, paragraph, percent
from training.publishing.card import IN_SHORT
from training.scoring.metrics import read_metrics
from training.scoring.tables import head, row
from training.studies.altered import CUTS, OTHERS
from training.studies.compare import RESULTS

BOXES = {
    "the Kaggle photos, as annotated": "boxes, bccd",
    "those without a contradiction": "boxes, bccd, where labels.csv agrees",
    "PBC": "boxes, barcelona",
    "Raabin-WBC": "boxes, raabin",
}
ASKED, DOUBLE = ("pictures", "annotated"), ("two_on_one", "one_on_two")
PARTS = {"unseen": "Cells whose type was not learned either", "whole test part": "The whole test part"}


def rejection() -> Lines:
    """Pictures without a white cell."""
    rejected = read_metrics(EMBEDDED)["rejection"]
    pictures, confident = (sum(line[key] for line in rejected.values()) for key in ("n", "confident"))
    yield from paragraph(
        f"Of {pictures:,} pictures without a white cell {confident:,} are answered with the verdict `confident`, each "
        'a mistake (`python -m training.studies.rejection`). "Something found" counts those in which the locator took '
        "something for a cell."
    )
    yield ""
    yield from head("", "pictures", "something found", "`confident`")
    for kind, line in rejected.items():
        yield row(kind, *(f"{line[key]:,}" for key in ("n", "cell_found", "confident")))


def cuts() -> Lines:
    """PBC's cells cut close, as dyed and quickly stained."""
    counts = read_metrics(EMBEDDED)["altered"]
    dyed, quick = ([counts[name] for name in CUTS if ("quick" in name) == stained] for stained in (False, True))
    widths = [f"{cells:g}" if cells else "whole photo" for is_quick, cells in CUTS.values() if not is_quick]
    yield from head("", *widths)
    for words, lines, key, of in (
        ("cell found", dyed, "found", "n"),
        ("right, as dyed", dyed, "right", "n"),
        ("right, quick stain", quick, "right", "n"),
        ("marked `confident`, as dyed", dyed, "confident", "n"),
        ("of these right", dyed, "confident_right", "confident"),
        ("marked `confident`, quick stain", quick, "confident", "n"),
        ("of these right, quick stain", quick, "confident_right", "confident"),
    ):
        yield row(words, *(f"{line[key] / line[of]:.3f}" for line in lines))


def others() -> Lines:
    """PBC's cells as other stains and cameras would show them."""
    counts = read_metrics(EMBEDDED)["altered"]
    yield from head("", "cell found", "right", "marked `confident`", "of these right")
    for name in ("whole photo", *OTHERS):
        line = counts[name]
        shares = [line[key] / line["n"] for key in ("found", "right", "confident")]
        shares.append(line["confident_right"] / line["confident"])
        yield row("as it is" if name == "whole photo" else name, *(f"{share:.3f}" for share in shares))


def located() -> dict[str, Any]:
    """The locator's scores."""
    return read_json(RESULTS / "locator.json")


def boxes() -> Lines:
    """Boxes against those annotated."""
    scored = located()
    columns = "annotated boxes of", "pictures", "cells", "recall", "precision", "mean overlap"
    yield from head(*columns, "two boxes on one cell", "one box on two")
    for words, key in BOXES.items():
        line = scored[key]
        before, after = ([f"{line[name]:,}" for name in names] for names in (ASKED, DOUBLE))
        yield row(words, *before, *(f"{line[name]:.3f}" for name in ("recall", "precision", "mean_overlap")), *after)


def red_cells() -> Lines:
    """How well the width of red cells is told."""
    yield from head("red cells of", "pictures", "said, of what was measured, in the median", "off in nine of ten by")
    for words, name in (("the Kaggle photos", "bccd"), ("PBC", "barcelona"), ("Raabin-WBC", "raabin")):
        line = located()[f"red cells, {name}"]
        yield row(words, f"{line['pictures']:,}", f"{line['of_measured']:.2f}", f"at most {percent(line['off_90'])}")


def middles() -> Lines:
    """Pictures of one cell, and other pictures where something is found or not."""
    scored = located()
    yield from head("lab", "pictures", "covered by the first", "share")
    for lab in ("barcelona", "raabin", "munich_marrow"):
        line = scored[f"one cell, {lab}"]
        words = IN_SHORT[lab].removeprefix("the ")
        yield row(words, f"{line['pictures']:,}", f"{line['first']:,}", percent(line["first_share"]))
    fields, patches = scored["fields, lisc"], scored["patches of red cells"]
    yield ""
    yield from paragraph(
        f"In LISC's fields, which nothing was trained on, some cell is found in {fields['found']:,} of "
        f"{fields['pictures']:,}. Of {patches['patches']:,} patches of red cells alone something is taken for a white "
        f"cell in {patches['as_they_are']:,}; of these patches altered in {patches['altered'] // patches['patches']} "
        f"ways, {patches['altered']:,} in all, in {patches['altered_with_cell']:,}."
    )


def overlays() -> Lines:
    """What is drawn over photos."""
    yield from head("over or beside 40 photos", "cells without it", "lost", "added")
    for over, line in located()["overlays"].items():
        yield row(over, *(f"{line[key]:,}" for key in ("cells", "lost", "added")))


def attributes() -> Lines:
    """WBCAtt's test part."""
    for part, found in read_metrics(EMBEDDED)["attributes"].items():
        yield f"{PARTS[part]}: {found['n']:,} cells, mean macro-F1 of the first ten {found['macro_f1']:.3f}."
        yield ""
        yield from head("attribute", "macro-F1", "constant", "usual of the type", "said", "of these right")
        for name, line in found["attributes"].items():
            scores = (f"{line[key]:.3f}" for key in ("macro_f1", "constant", "usual"))
            yield row(name.replace("_", " "), *scores, percent(line["said"]), percent(line["right"]))
        yield ""


def by_eye() -> Lines:
    """Cells read by a person."""
    yield from head("lab", "attribute", "cells", "alike", "constant")
    for lab, found in sorted(read_json(RESULTS / "by_eye.json").items()):
        for name, line in found.items():
            shares = percent(line["alike"]), percent(line["constant"])
            yield row(IN_SHORT[lab], name.replace("_", " "), line["cells"], *shares)
