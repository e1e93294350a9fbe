"""Score a locator.

    python -m training.locating.score leukoscope/pretrained/locator.onnx --threshold 0.4     # a table, and a .json of it
    python -m training.locating.score runs/without-raabin.onnx --threshold 0.4 --lab raabin   # all of a lab left out
    python -m training.locating.score ... --draw DIR      # draw each picture with a miss: annotated white, found black

What is scored was never trained on: half of the Kaggle set's annotated photos (all that overlap its TEST among them),
a quarter of Raabin's slides, a quarter of PBC's and the marrow's pictures, and all of LISC.

A found box matches an annotated one from an overlap (intersection over union) of 0.5 on. Of pictures of one cell, which
have no box, the first found must cover the middle. LISC names one cell a field and does not say where: a field counts
as found if there is any cell in it, and --draw writes a sheet of what was found, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from leukoscope.images import read_image
from leukoscope.locate import Cell, Locator
from training.boxes import LEAST_OVERLAP, annotations, contradicted, intersection_over_union, match
from training.labs import SCORED_ONLY, lab_rows, annotated_boxes
from training.locating.pictures import Picture, annotated_photos, single_cells
from training.rejection import patches
from training.sources import PHOTO_FOLDER

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
OVERLAID = 40  # photos
SAME_CELL = 0.5  # overlap from which a cell found without an overlay is found with it


def boxes_of(cells: list[Cell]) -> list[tuple[int, int, int, int]]:
    """Their boxes."""
    return [cell.box for cell in cells]


# --- annotated boxes -------------------------------------------------------------------------------------


def against_boxes(pictures: Iterable[tuple[str, np.ndarray, list]], locator: Locator, draw: Path | None = None) -> dict:
    """Recall, precision, overlap; two boxes on one cell, one box on two; given (name, photo, boxes)."""
    counts = dict.fromkeys(("pictures", "annotated", "found", "matched", "two_on_one", "one_on_two"), 0)
    overlaps, misses = [], []
    for name, photo, annotated in pictures:
        found = boxes_of(locator.locate(photo))
        matched = match(annotated, found)
        overlaps += matched
        counts["pictures"] += 1
        counts["annotated"] += len(annotated)
        counts["found"] += len(found)
        counts["matched"] += len(matched)
        counts["two_on_one"] += sum(sum(_middle_in(f, a) for f in found) > 1 for a in annotated)
        counts["one_on_two"] += sum(sum(_middle_in(a, f) for a in annotated) > 1 for f in found)
        if not len(matched) == len(annotated) == len(found):
            misses.append(name)
            if draw:
                _draw(draw / f"{Path(name).stem}.png", photo, annotated, found)
    return counts | {
        "recall": counts["matched"] / max(1, counts["annotated"]),
        "precision": counts["matched"] / max(1, counts["found"]),
        "mean_overlap": float(np.mean(overlaps)) if overlaps else 0.0,
        "misses": misses,
    }


def _middle_in(inner, outer) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] < x < outer[2] and outer[1] < y < outer[3]


def whole_photos(pictures: list[Picture], boxes: dict[str, list]) -> Iterator[tuple[str, np.ndarray, list]]:
    """(name, photo at its own size, annotated boxes) of pictures; boxes are by name as `name_of` gives it."""
    for picture in pictures:
        name = name_of(picture.path)
        if name in boxes:
            yield name, read_image(picture.path), boxes[name]


def name_of(path: str) -> str:
    """As boxes.csv and the annotations name a picture."""
    parts = Path(path).parts
    if PHOTO_FOLDER.split("/")[-1] in parts:
        return Path(path).stem
    return "/".join(parts[-3:] if parts[-3] == "pbc" else ("labs", *parts[-3:]))


def chosen_threshold(by_lab: dict[str, list[tuple[str, np.ndarray, list]]], locator: Locator) -> tuple[float, dict]:
    """The threshold for cells: of `THRESHOLDS` the one at which the worst lab's F1 on annotated boxes is the highest.

    Args:
        by_lab: (name, photo, boxes) of each lab's pictures that were never trained on.
        locator: whose own threshold does not count.

    Returns:
        The threshold, and each one's F1 by lab.
    """
    scores: dict[float, dict[str, float]] = {}
    for threshold in THRESHOLDS:
        rows = {lab: against_boxes(own, Locator(locator.run, threshold)) for lab, own in by_lab.items()}
        scores[threshold] = {
            lab: 2 * row["matched"] / max(1, row["annotated"] + row["found"]) for lab, row in rows.items()
        }
    return max(scores, key=lambda t: min(scores[t].values())), scores


# --- pictures of one cell, fields, patches ---------------------------------------------------------------


def in_the_middle(pictures: list[Picture], locator: Locator) -> dict:
    """How often the first cell found covers the middle, and how often any does."""
    counts = {"pictures": len(pictures), "first": 0, "any": 0}
    for picture in pictures:
        photo = read_image(picture.path)
        y, x = photo.shape[0] / 2, photo.shape[1] / 2
        covers = [b[0] <= x < b[2] and b[1] <= y < b[3] for b in boxes_of(locator.locate(photo))]
        counts["first"] += covers[:1] == [True]
        counts["any"] += any(covers)
    return counts | {"first_share": counts["first"] / max(1, len(pictures))}


def fields(folder: Path, locator: Locator, draw: Path | None = None) -> dict:
    """LISC: in how many fields a cell is found, and how many cells."""
    rows = [row for row in lab_rows(folder) if row["lab"] in SCORED_ONLY]
    counts = {"pictures": len(rows), "found": 0, "cells": 0}
    for row in rows:
        photo = read_image(row["file"])
        cells = locator.locate(photo)
        counts["found"] += bool(cells)
        counts["cells"] += len(cells)
        if draw:
            _draw(draw / "lisc" / f"{Path(row['file']).stem}.png", photo, [], boxes_of(cells))
    return counts | {"found_share": counts["found"] / max(1, len(rows))}


def red_cells_alone(root: Path, locator: Locator) -> dict:
    """Patches of red cells, as they are and altered: in how many a white cell is found."""
    from training.altered import OTHERS

    counts = {"patches": 0, "as_they_are": 0, "altered": 0, "altered_with_cell": 0}
    stand_in = Cell((0, 0, 200, 200), 1.0)
    for patch in patches(root):
        counts["patches"] += 1
        counts["as_they_are"] += bool(locator.locate(patch))
        for alter in OTHERS.values():
            counts["altered"] += 1
            counts["altered_with_cell"] += bool(locator.locate(alter(patch, stand_in)))
    return counts | {"altered_share": counts["altered_with_cell"] / max(1, counts["altered"])}


# --- what lies over photos -------------------------------------------------------------------------------

Overlay = Callable[[np.ndarray, list], np.ndarray]


def strip(photo: np.ndarray, boxes: list, high: int, colour: tuple[int, int, int]) -> np.ndarray:
    """An information strip below the photo."""
    below = np.full((high, photo.shape[1], 3), colour, np.uint8)
    if high >= 24:
        cv2.putText(below, "MicroCam 5.0  40x  2024-05-01", (8, high - 10), 0, 0.6, (255, 255, 255), 1)
    return np.vstack([photo, below])


def ring(photo: np.ndarray, boxes: list, colour: tuple[int, int, int]) -> np.ndarray:
    """A pen's ring in the middle of the photo."""
    middle = (photo.shape[1] // 2, photo.shape[0] // 2)
    return cv2.ellipse(photo.copy(), middle, (120, 120), 0, 0, 360, colour, 8)


def outlines(photo: np.ndarray, boxes: list, colour: tuple[int, int, int], label: bool) -> np.ndarray:
    """Boxes round the cells as a detector draws them, with labels or without."""
    drawn = photo.copy()
    for x0, y0, x1, y1 in boxes:
        cv2.rectangle(drawn, (x0 - 4, y0 - 4), (x1 + 4, y1 + 4), colour, 2)
        if label:
            cv2.rectangle(drawn, (x0 - 4, y0 - 24), (x0 + 56, y0 - 4), colour, -1)
    return drawn


def scale_bar(photo: np.ndarray, boxes: list) -> np.ndarray:
    """A scale bar with its length."""
    drawn = photo.copy()
    cv2.rectangle(drawn, (500, 455), (620, 463), (0, 0, 0), -1)
    return cv2.putText(drawn, "10 um", (525, 450), 0, 0.6, (0, 0, 0), 2)


def logo(photo: np.ndarray, boxes: list) -> np.ndarray:
    """A maker's mark in a corner."""
    drawn = photo.copy()
    cv2.circle(drawn, (30, 30), 18, (200, 20, 30), -1)
    return cv2.putText(drawn, "OptiCam", (54, 38), 0, 0.7, (20, 30, 140), 2)


OVERLAYS: dict[str, Overlay] = {
    "navy strip, 16 px": partial(strip, high=16, colour=(20, 30, 140)),
    "navy strip, 32 px": partial(strip, high=32, colour=(20, 30, 140)),
    "navy strip, 64 px": partial(strip, high=64, colour=(20, 30, 140)),
    "black strip": partial(strip, high=32, colour=(0, 0, 0)),
    "blue pen ring": partial(ring, colour=(40, 40, 160)),
    "thin blue boxes": partial(outlines, colour=(40, 40, 200), label=False),
    "yellow boxes with labels": partial(outlines, colour=(255, 255, 0), label=True),
    "green boxes with labels": partial(outlines, colour=(0, 255, 0), label=True),
    "scale bar": scale_bar,
    "logo": logo,
}


def overlaid(photos: list[np.ndarray], locator: Locator) -> dict[str, dict[str, int]]:
    """For each overlay: cells found without it, of these lost with it, and cells found only with it."""
    table = {name: {"cells": 0, "lost": 0, "added": 0} for name in OVERLAYS}
    for photo in photos:
        plain = boxes_of(locator.locate(photo))
        for name, overlay in OVERLAYS.items():
            found = boxes_of(locator.locate(overlay(photo, plain)))
            same = [any(intersection_over_union(a, b) >= SAME_CELL for b in found) for a in plain]
            new = [all(intersection_over_union(a, b) < SAME_CELL for b in plain) for a in found]
            row = table[name]
            row["cells"] += len(plain)
            row["lost"] += len(plain) - sum(same)
            row["added"] += sum(new)
    return table


# --- the table -------------------------------------------------------------------------------------------


def score(
    locator: Locator, root: Path, pbc: Path, labs: Path, lab: str | None = None, draw: Path | None = None
) -> dict:
    """All that there is to score, or all of one lab that the locator never saw."""
    photos = annotated_photos(root)
    cells = single_cells(pbc, labs)
    boxes = annotations(root) | annotated_boxes(labs)
    chosen = [p for p in photos + cells if (p.lab == lab if lab else p.split == "test")]
    results: dict = {}
    for name in dict.fromkeys(p.lab for p in chosen):
        own = [p for p in chosen if p.lab == name]
        if name != "munich_marrow":
            results[f"boxes, {name}"] = against_boxes(whole_photos(own, boxes), locator, draw)
        if name != "bccd":
            results[f"one cell, {name}"] = in_the_middle(own, locator)
    if lab:
        return results
    agreed = [p for p in photos if p.split == "test" and name_of(p.path) not in contradicted(root, annotations(root))]
    results["boxes, bccd, where labels.csv agrees"] = against_boxes(whole_photos(agreed, boxes), locator)
    results["fields, lisc"] = fields(labs, locator, draw)
    results["patches of red cells"] = red_cells_alone(root, locator)
    some = [read_image(p.path) for p in photos if p.split == "test"][:OVERLAID]
    results["overlays"] = overlaid(some, locator)
    return results


def _draw(path: Path, photo: np.ndarray, annotated: list, found: list) -> None:
    shown = photo.copy()
    for boxes, colour in ((annotated, (255, 255, 255)), (found, (0, 0, 0))):
        for box in boxes:
            x0, y0, x1, y1 = map(int, box)
            cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), colour, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), shown[..., ::-1])


def table(results: dict) -> str:
    """The results as lines of text."""
    lines = []
    for name, row in results.items():
        if name == "overlays":
            lines += [f"{name}: {over}: {', '.join(f'{k} {v}' for k, v in part.items())}" for over, part in row.items()]
            continue
        parts = [f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k != "misses"]
        lines.append(f"{name}: {', '.join(parts)}")
        if row.get("misses"):
            lines.append(f"  with a miss: {', '.join(row['misses'])}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.locating.score", description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path, help="locator.onnx")
    parser.add_argument("--threshold", type=float, required=True, help="score from which something is a white cell")
    parser.add_argument("--lab", help="score all of this lab, which the locator never saw")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="draw pictures with a miss, and LISC's fields")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    args = parser.parse_args(argv)
    folders = [os.environ.get(name) for name in ("BLOOD_CELLS_DIR", "PBC_DIR", "LABS_DIR")]
    if not all(folders):
        print("error: set BLOOD_CELLS_DIR, PBC_DIR and LABS_DIR", file=sys.stderr)
        return 2
    from leukoscope.graphs import open_locator

    results = score(open_locator(args.graph, args.threshold), *map(Path, folders), args.lab, args.draw)
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
