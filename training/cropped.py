"""Show a checkpoint held-out cells in pictures that are cut close, and count how many it knows.

    python -m training.cropped CHECKPOINT

Many collections keep one cell a picture, 120 px or so wide, dyed and lit in ways of their own. PBC's held-out cells are
cut to so many widths of their nucleus about it, and each cut is scaled to 120 px: as dyed, and as a quick stain makes
them, on yellow glass with red cells that hardly show. Adds "cropped" to CHECKPOINT/metrics.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import METRICS_FILE, write_json
from leukoscope.errors import CheckpointError
from leukoscope.locate import Cell, principal_cell
from leukoscope.stain import glass_colour, optical_density
from training.card import CardError, read_metrics
from training.data import DataError, add_data_arguments, labels_of, load_examples, only_cell_types, pictures, where

SIDE = 120  # px
NUCLEI = (2.2, 1.8, 1.5, 1.3, 1.15, 1.0)  # the side of the cut in widths of the nucleus
YELLOW = np.array([225.0, 215.0, 150.0])  # glass under a quick stain
PALE = 0.3  # of their density keep red cells there ...
REACH = 0.75  # ... from so many widths of the nucleus about its middle on

WAYS = {  # name -> whether quickly stained, and the side of the cut; None: the whole photo
    (f"{nuclei:g} nuclei" if nuclei else "whole photo") + (", quick stain" if quick else ""): (quick, nuclei)
    for quick in (False, True)
    for nuclei in (None, *NUCLEI)
}


def middle(cell: Cell) -> tuple[int, int]:
    """Of a cell's box, px."""
    x0, y0, x1, y1 = cell.box
    return (x0 + x1) // 2, (y0 + y1) // 2


def cut(photo: np.ndarray, cell: Cell, nuclei: float) -> np.ndarray:
    """What lies within so many widths of the nucleus about its middle, or within the photo, its longer side `SIDE`."""
    (x, y), half = middle(cell), max(4, round(nuclei * cell.nucleus_px / 2))
    part = photo[max(0, y - half) : y + half, max(0, x - half) : x + half]
    scale = SIDE / max(part.shape[:2])
    return cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def quickly_stained(photo: np.ndarray, cell: Cell) -> np.ndarray:
    """The same cell on yellow glass, and what is beside it hardly stained."""
    (x, y), inner = middle(cell), REACH * cell.nucleus_px
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    beside = np.clip((np.hypot(columns - x, rows - y) - inner) / (0.1 * inner), 0, 1)[..., None]
    density = np.maximum(optical_density(photo, glass_colour(photo)), 0) * (1 - beside * (1 - PALE))
    return np.clip(YELLOW * np.exp(-density) + 0.5, 0, 255).astype(np.uint8)


def measure(classifier, examples) -> dict[str, dict[str, int]]:
    """{way: {n, found, right, confident, confident_right}}, with a progress bar."""
    from tqdm import tqdm

    counts = {name: dict.fromkeys(("n", "found", "right", "confident", "confident_right"), 0) for name in WAYS}
    labels = [CELL_TYPES[i] for i in labels_of(examples)]
    photos = zip(labels, pictures(examples), strict=True)
    for label, photo in tqdm(photos, "cutting", len(labels), unit=" cells", leave=False, disable=None):
        cell = principal_cell(photo)
        if cell is None:
            continue
        dyed = photo, quickly_stained(photo, cell)
        made = [cut(dyed[quick], cell, nuclei) if nuclei else dyed[quick] for quick, nuclei in WAYS.values()]
        for row, answer in zip(counts.values(), classifier.predict_batch(made), strict=True):
            right, sure = answer.label == label, answer.verdict == "confident"
            row["n"] += 1
            row["found"] += answer.label is not None
            row["right"] += right
            row["confident"] += sure
            row["confident_right"] += sure and right
    return counts


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.cropped", description="Count right answers to held-out cells in pictures cut close."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder that was scored by training.evaluate")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    from leukoscope.classifier import Classifier

    try:
        if not args.pbc:
            raise DataError("no data given: pass --pbc DIR or set PBC_DIR")
        classifier = Classifier.from_pretrained(args.checkpoint)
        metrics = read_metrics(args.checkpoint)
        held_out = where(load_examples(args.data, pbc=args.pbc), lab="barcelona", split="test")
        counts = measure(classifier, only_cell_types(held_out))
    except (CardError, CheckpointError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    metrics["cropped"] = counts
    write_json(args.checkpoint / METRICS_FILE, metrics)
    for name, row in counts.items():
        sure = f"{row['confident_right'] / row['confident']:.1%} right" if row["confident"] else "–"
        print(
            f"{name:<26}n {row['n']:>5}   found {row['found']:>5}   right {row['right'] / row['n']:.1%}   "
            f"confident {row['confident'] / row['n']:.1%}, {sure}"
        )
    print(f"-> {args.checkpoint / METRICS_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
