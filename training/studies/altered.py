"""Show a checkpoint held-out cells in altered pictures, and count how many it knows.

    python -m training.studies.altered CHECKPOINT

A check of robustness, and none of other labs, which differ in more ways than these: `training.studies.compare` tells
about those. Many labs keep one cell a picture, 120 px or so wide. PBC's held-out cells are cut to so many of their own
widths about them, and each cut is scaled to 120 px: as dyed, and as a quick stain makes them, on yellow glass with red
cells that hardly show; and whole photos get other stains, exposures, cameras and scales. Adds "altered" to
CHECKPOINT/metrics.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import METRICS_FILE
from leukoscope.smear.locate import Cell
from training.data.table import (
    DataError,
    add_data_arguments,
    labels_of,
    load_examples,
    only_cell_types,
    pictures,
    where,
)
from training.scoring.metrics import MetricsError, add_counts

SIDE = 120  # px
CELLS = (1.6, 1.3, 1.15, 1.0)  # the side of the cut in widths of the cell
YELLOW = np.array([225.0, 215.0, 150.0])  # glass under a quick stain
PALE = 0.3  # of their density keep red cells there ...
REACH = 0.55  # ... from so many widths of the cell about its middle on

Alteration = Callable[[np.ndarray, Cell], np.ndarray]  # RGB uint8 (H, W, 3) and its cell -> RGB uint8 (H', W', 3)


def middle(cell: Cell) -> tuple[int, int]:
    """Of a cell's box, px."""
    x0, y0, x1, y1 = cell.box
    return (x0 + x1) // 2, (y0 + y1) // 2


def width(cell: Cell) -> int:
    """The longer side of a cell's box, px."""
    x0, y0, x1, y1 = cell.box
    return max(x1 - x0, y1 - y0)


def glass_colour(photo: np.ndarray) -> np.ndarray:
    """The colour of bare glass, or of what is brightest beside specks: float (3,)."""
    return np.percentile(photo[::4, ::4].reshape(-1, 3), 92, axis=0)


def optical_density(photo: np.ndarray, glass: np.ndarray) -> np.ndarray:
    """Of each colour, 0 for glass: float (H, W, 3)."""
    return np.log(np.maximum(glass, 1.0) / np.maximum(photo, 4.0))


def cut(photo: np.ndarray, cell: Cell, cells: float) -> np.ndarray:
    """What lies within so many widths of the cell about its middle, or within the photo, its longer side `SIDE`."""
    (x, y), half = middle(cell), max(4, round(cells * width(cell) / 2))
    part = photo[max(0, y - half) : y + half, max(0, x - half) : x + half]
    return _scaled(part, SIDE / max(part.shape[:2]))


def quickly_stained(photo: np.ndarray, cell: Cell) -> np.ndarray:
    """The same cell on yellow glass, and what is beside it hardly stained."""
    (x, y), inner = middle(cell), REACH * width(cell)
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    beside = np.clip((np.hypot(columns - x, rows - y) - inner) / (0.1 * inner), 0, 1)[..., None]
    density = np.maximum(optical_density(photo, glass_colour(photo)), 0) * (1 - beside * (1 - PALE))
    return _levels(YELLOW * np.exp(-density))


def dyed(photo: np.ndarray, cell: Cell, factors: tuple[float, float, float]) -> np.ndarray:
    """With so many times the densities of red, green and blue light."""
    glass = glass_colour(photo)
    return _levels(glass * np.exp(-np.maximum(optical_density(photo, glass), 0) * np.array(factors)))


def exposed(photo: np.ndarray, cell: Cell, exponent: float) -> np.ndarray:
    """Through another curve: above 1 darker and richer in contrast, below 1 brighter and flatter."""
    return _levels(255 * (photo / 255.0) ** exponent)


def saturated(photo: np.ndarray, cell: Cell, factor: float) -> np.ndarray:
    """With colours so many times as far from grey."""
    grey = photo.mean(axis=2, keepdims=True)
    return _levels(grey + (photo - grey) * factor)


def blurred(photo: np.ndarray, cell: Cell, share: float) -> np.ndarray:
    """Out of focus: by a Gaussian of so many widths of the cell."""
    return cv2.GaussianBlur(photo, (0, 0), share * width(cell))


def sharpened(photo: np.ndarray, cell: Cell, amount: float) -> np.ndarray:
    """With so many times the difference from a blurred copy added, as cameras do it."""
    return cv2.addWeighted(photo, 1 + amount, cv2.GaussianBlur(photo, (0, 0), 2.0), -amount, 0)


def noisy(photo: np.ndarray, cell: Cell, sigma: float) -> np.ndarray:
    """With noise of so many levels, the same in every photo of one size."""
    return _levels(photo + np.random.default_rng(0).normal(0, sigma, photo.shape))


def compressed(photo: np.ndarray, cell: Cell, quality: int) -> np.ndarray:
    """As a JPEG of so low a quality, 1-100."""
    return cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def scaled(photo: np.ndarray, cell: Cell, cell_px: float) -> np.ndarray:
    """At the magnification at which the cell is so wide, px."""
    return _scaled(photo, cell_px / width(cell))


def _scaled(picture: np.ndarray, scale: float) -> np.ndarray:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


CUTS = {  # name -> whether quickly stained, and the side of the cut; None: the whole photo
    (f"{cells:g} cells wide" if cells else "whole photo") + (", quick stain" if quick else ""): (quick, cells)
    for quick in (False, True)
    for cells in (None, *CELLS)
}
OTHERS: dict[str, Alteration] = {
    "half the stain": partial(dyed, factors=(0.5, 0.5, 0.5)),
    "1.7 times the stain": partial(dyed, factors=(1.7, 1.7, 1.7)),
    "half as much again in green": partial(dyed, factors=(1.0, 1.5, 1.0)),
    "half as much in blue": partial(dyed, factors=(1.0, 1.0, 0.5)),
    "brighter and flatter": partial(exposed, exponent=0.6),
    "darker and richer in contrast": partial(exposed, exponent=1.7),
    "half the colour": partial(saturated, factor=0.5),
    "vivid colours": partial(saturated, factor=1.5),
    "out of focus": partial(blurred, share=0.06),
    "sharpened": partial(sharpened, amount=1.5),
    "noisy": partial(noisy, sigma=20.0),
    "JPEG of quality 10": partial(compressed, quality=10),
    "cell 25 px wide": partial(scaled, cell_px=25.0),
    "cell 300 px wide": partial(scaled, cell_px=300.0),
}
WAYS = (*CUTS, *OTHERS)


def measure(classifier, examples) -> dict[str, dict[str, int]]:
    """{way: {n, found, right, confident, confident_right}}, with a progress bar."""
    from tqdm import tqdm

    counts = {name: dict.fromkeys(("n", "found", "right", "confident", "confident_right"), 0) for name in WAYS}
    labels = [CELL_TYPES[i] for i in labels_of(examples)]
    photos = zip(labels, pictures(examples), strict=True)
    for label, photo in tqdm(photos, "altering", len(labels), unit=" cells", leave=False, disable=None):
        found = classifier.locate(photo)
        if not found:
            continue
        cell = found[0]
        stained = photo, quickly_stained(photo, cell)
        altered = [cut(stained[quick], cell, cells) if cells else stained[quick] for quick, cells in CUTS.values()]
        altered += [alter(photo, cell) for alter in OTHERS.values()]
        for row, answer in zip(counts.values(), classifier.predict_batch(altered), strict=True):
            right, sure = answer.label == label, answer.verdict == "confident"
            row["n"] += 1
            row["found"] += answer.label is not None
            row["right"] += right
            row["confident"] += sure
            row["confident_right"] += sure and right
    return counts


def held_out_cells(data: str | None, pbc: Path):
    """The rows of PBC's cells of the four types that no model is trained on."""
    return only_cell_types(where(load_examples(data, pbc=pbc), lab="barcelona", split="test"))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.altered",
        description="Count right answers to held-out cells in altered pictures.",
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder that was scored by training.evaluate")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    try:
        if not args.pbc:
            raise DataError("no data given: pass --pbc DIR or set PBC_DIR")
        counts = add_counts(args.checkpoint, "altered", lambda c: measure(c, held_out_cells(args.data, args.pbc)))
    except (MetricsError, CheckpointError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, row in counts.items():
        sure = f"{row['confident_right'] / row['confident']:.1%} right" if row["confident"] else "–"
        print(
            f"{name:<30}n {row['n']:>5}   found {row['found']:>5}   right {row['right'] / row['n']:.1%}   "
            f"confident {row['confident'] / row['n']:.1%}, {sure}"
        )
    print(f"-> {args.checkpoint / METRICS_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
