"""What an audit of the labels found: its rule, its table, and a contact sheet of the photos.

The table holds the numbers of photos and never the photos: a sheet is drawn from the reader's own copy of the data.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from leukoscope.smear.locate import Cell
from training.data.sources import DataError
from training.data.table import pictures

RULE = (
    "A TRAIN label is doubted if (1) cleanlab counts it as an issue, and the model that never saw the lab gives the "
    "same other type as the out-of-fold models, with the verdict `confident`; or (2) the photo shows the same cell as "
    "another photo that has another label."
)
SHOWN = 40  # rows of the ranking in the .md; the .csv holds them all
TILE = 160  # px
COLUMNS = 6


@dataclass(frozen=True)
class Finding:
    """One row of the table.

    suggested: the out-of-fold models' type, "" where they found no cell. quality: cleanlab's normalised margin, 0-1,
    low where the label is contradicted. independent: the type given by the model that never saw the lab, and its
    verdict. issue, doubted: "yes" or "".
    """

    rank: int
    photo: str
    lab: str
    split: str
    given: str
    suggested: str
    quality: float
    independent: str
    independent_confidence: float
    independent_verdict: str
    issue: str
    doubted: str
    reasons: str


# --- the table -------------------------------------------------------------------------------------------


def write(findings: list[Finding], file: Path, variant: str) -> None:
    """Write the whole table as CSV, and the part to read beside it as .md."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="") as lines:
        writer = csv.DictWriter(lines, [f.name for f in fields(Finding)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, findings))
    file.with_suffix(".md").write_text("\n".join(markdown(findings, variant)) + "\n")


def read(file: Path) -> list[Finding]:
    """Read the CSV again.

    Raises:
        DataError: if there is none, or it is of another format.
    """
    if not file.exists():
        raise DataError(f"there is no {file}: python -m training.studies.audit makes it")
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    try:
        if not rows:
            raise ValueError("no rows")
        numbers = [
            {"rank": int(r["rank"]), **{k: float(r[k]) for k in ("quality", "independent_confidence")}} for r in rows
        ]
        return [Finding(**(row | number)) for row, number in zip(rows, numbers, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{file} is no table of this audit ({error}): python -m training.studies.audit makes it anew"
        ) from None


def markdown(findings: list[Finding], variant: str) -> Iterator[str]:
    """The part to read: the doubted, the TEST photos that are contradicted, and the head of the ranking."""
    yield f"# Labels audited: {findings[0].lab}\n"
    yield f"Written by `python -m training.studies.audit` from the trials of variant `{variant}`; all rows are in the"
    yield ".csv. Numbers of photos of the data sets, never the photos: `--draw` draws them from your own copy.\n"
    yield f"{RULE} TEST photos are listed for information: none is dropped or relabelled.\n"
    train, test = ([f for f in findings if f.split == split] for split in ("train", "test"))
    doubted = [f for f in train if f.doubted]
    noted = [f for f in findings if "noted by eye" in f.reasons]
    yield "| | photos | cleanlab issues | doubted |"
    yield "|---|---|---|---|"
    for name, part in (("TRAIN", train), ("TEST", test)):
        yield f"| {name} | {len(part)} | {sum(bool(f.issue) for f in part)} | {sum(bool(f.doubted) for f in part)} |"
    yield f"\nOf {len(noted)} labels noted as doubtful by eye, {sum(bool(f.issue) for f in noted)} are cleanlab issues."
    head = findings[:SHOWN]
    issues_of_test = [f for f in test if f.issue]
    sections = [
        (f"TRAIN labels doubted: {len(doubted)}", doubted),
        (f"TEST labels contradicted, for information: {len(issues_of_test)}", issues_of_test),
        (f"The first {len(head)} of {len(findings)} by quality", head),
    ]
    for title, part in sections:
        yield f"\n## {title}\n"
        yield "| rank | photo | split | given | out of fold | quality | the other lab's model | reasons |"
        yield "|---|---|---|---|---|---|---|---|"
        for f in part:
            voice = f"{f.independent or 'no cell'} {f.independent_confidence:.2f} ({f.independent_verdict})"
            yield (
                f"| {f.rank} | {f.photo} | {f.split} | {f.given} | {f.suggested or 'no cell'} | {f.quality:.3f} "
                f"| {voice} | {f.reasons} |"
            )


# --- the contact sheet -----------------------------------------------------------------------------------


def draw(findings: list[Finding], examples, out: Path, locate: Callable[[np.ndarray], list[Cell]]) -> None:
    """Draw a tile and a caption for each row, the cell that `locate` gives first in the middle of its tile, from the
    photos in the table.

    Raises:
        DataError: naming a photo that the data lacks, or a picture file that cannot be written.
    """
    from matplotlib.figure import Figure
    from tqdm import tqdm

    place = {pair: i for i, pair in enumerate(zip(examples["lab"], examples["photo"], strict=True))}
    lacking = [f.photo for f in findings if (f.lab, f.photo) not in place]
    if lacking:
        raise DataError(f"the data lacks {len(lacking)} of the photos to draw, first {lacking[0]}: is --pbc missing?")
    shown = pictures(examples.select([place[f.lab, f.photo] for f in findings]))
    lines = -(-len(findings) // COLUMNS)
    figure = Figure((2.3 * COLUMNS, 2.9 * lines), layout="constrained")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    bar = tqdm(shown, "drawing", len(findings), unit=" photos", leave=False)
    for f, ax, photo in zip(findings, axes[: len(findings)], bar, strict=True):
        ax.imshow(tile(photo, locate(photo)))
        ax.set_title(caption(f), fontsize=7, color="#B00020" if f.doubted else "black")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot write {out}: {error}") from None


def tile(photo: np.ndarray, cells: list[Cell]) -> np.ndarray:
    """The first cell with half as much around it again, or the whole photo without one: uint8 (TILE, TILE, 3)."""
    import cv2

    height, width = photo.shape[:2]
    x0, y0, x1, y1 = cells[0].box if cells else (0, 0, width, height)
    half = max(x1 - x0, y1 - y0) * (0.75 if cells else 0.5)
    scale = TILE / (2 * half)
    middle = np.array([x0 + x1, y0 + y1]) / 2
    transform = np.array([[scale, 0, TILE / 2 - scale * middle[0]], [0, scale, TILE / 2 - scale * middle[1]]])
    return cv2.warpAffine(photo, transform, (TILE, TILE), flags=cv2.INTER_AREA, borderValue=(255, 255, 255))


def caption(f: Finding) -> str:
    """What stands above a tile."""
    mark = "  DOUBTED" if f.doubted else ""
    return (
        f"{f.rank}. {f.photo.rpartition('/')[2]} · {f.split.upper()}{mark}\n{f.given} → {f.suggested or 'no cell'} "
        f"({f.quality:.2f})\nother lab: {f.independent or 'no cell'} ({f.independent_verdict})"
    )
