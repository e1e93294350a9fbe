"""Score a locator.

    python -m training.locating.score leukoscope/pretrained/locator.onnx                     # a table; --json FILE too
    python -m training.locating.score runs/without-raabin.onnx --lab raabin     # all of a lab left out
    python -m training.locating.score ... --draw DIR      # draw each picture with a miss: annotated white, found black

What is scored was never trained on: half of the Kaggle set's annotated photos (all that overlap its TEST among them),
a quarter of Raabin's slides, a quarter of PBC's and the marrow's pictures, and all of LISC.

A found box matches an annotated one from an overlap (intersection over union) of 0.5 on. Of pictures of one cell, which
have no box, the first found must cover the middle. LISC names one cell a field and does not say where: a field counts
as found if there is any cell in it, and --draw writes a sheet of what was found, to be looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from leukoscope.errors import CheckpointError, ImageError
from leukoscope.model.graphs import open_locator
from leukoscope.pictures.images import read_image
from leukoscope.smear.locate import Cell, Locator, covers
from training.data.boxes import annotations, contradicted, match
from training.data.labs import SCORED_ONLY, annotated_boxes, lab_rows
from training.data.sources import DataError
from training.locating.fields.marked import boxes_of, overlaid
from training.locating.fields.pictures import (
    Picture,
    add_folder_arguments,
    all_pictures,
    as_boxes,
    folders_of,
    red_width,
)
from training.studies.rejection import patches

Annotated = tuple[str, np.ndarray, list]  # a photo's name, it as RGB uint8 (H, W, 3), and its boxes, px


THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)


AS_GOOD = 0.001  # of F1: a box or so in all that there are


OVERLAID = 40  # photos


def against_boxes(pictures: Iterable[Annotated], locator: Locator, draw: Path | None = None) -> dict:
    """How well annotated boxes are found.

    Args:
        pictures: in which every white cell is annotated.
        locator: what finds cells.
        draw: where to draw each picture with a miss; None: nowhere.

    Returns:
        Counts of pictures, of annotated, found and matched boxes; of annotated boxes with the middles of several found
        ones in them ("two_on_one"), and of found ones with those of several annotated ("one_on_two"); recall, precision
        and mean overlap of what matched, 0-1; and the names of the pictures with anything missed or added ("misses").
    """
    counts = dict.fromkeys(("pictures", "annotated", "found", "matched", "two_on_one", "one_on_two"), 0)
    overlaps, misses = [], []
    for name, photo, annotated in pictures:
        found = boxes_of(locator, photo)
        matched = match(annotated, found)
        overlaps += matched
        counts["pictures"] += 1
        counts["annotated"] += len(annotated)
        counts["found"] += len(found)
        counts["matched"] += len(matched)
        counts["two_on_one"] += _with_several(annotated, found)
        counts["one_on_two"] += _with_several(found, annotated)
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


def _with_several(outer: list, inner: list) -> int:
    """How many boxes have the middles of more than one of others in them."""
    return sum(sum(covers(large, _middle(small)) for small in inner) > 1 for large in outer)


def _middle(box: Sequence[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def whole_photos(pictures: Iterable[Picture], boxes: dict[str, list]) -> Iterator[Annotated]:
    """Pictures at their own size, with their boxes by name; those that have none there are left out."""
    for picture in pictures:
        if picture.name in boxes:
            yield picture.name, read_image(picture.path), boxes[picture.name]


def chosen_threshold(by_lab: dict[str, list[Annotated]], locator: Locator) -> tuple[float, dict]:
    """The threshold for cells: the middle of those `THRESHOLDS` at which the mean of the labs' F1 on annotated boxes is
    within `AS_GOOD` of the highest, as far from losing cells as from adding some; of two in the middle the lower, since
    a cell that is lost is seen by nobody, and what is found with a low score is left to a person
    (`Thresholds.sure_cell`).

    Args:
        by_lab: each lab's pictures that were never trained on.
        locator: whose own threshold does not count.

    Returns:
        The threshold, and for each of `THRESHOLDS` the labs' F1, 0-1.
    """
    scores: dict[float, dict[str, float]] = {}
    for threshold in THRESHOLDS:
        rows = {lab: against_boxes(own, Locator(locator.run, threshold)) for lab, own in by_lab.items()}
        scores[threshold] = {
            lab: 2 * row["matched"] / max(1, row["annotated"] + row["found"]) for lab, row in rows.items()
        }
    mean = {threshold: sum(row.values()) / len(row) for threshold, row in scores.items()}
    good = [threshold for threshold in THRESHOLDS if mean[threshold] >= max(mean.values()) - AS_GOOD]
    return good[(len(good) - 1) // 2], scores


def against_red_cells(pictures: Iterable[Annotated], locator: Locator) -> dict[str, float]:
    """How well the width of red cells is told.

    Args:
        pictures: with the boxes of red cells; counted are those with a few whole ones and a white cell that is found.
        locator: what finds it, and says its width in red cells.

    Returns:
        How many pictures; how wide red cells are said to be, of how wide they are, in the median (of_measured); and by
        how much, as a part of it, that is wrong in nine of ten pictures at most (off_90).
    """
    logarithms = []
    for _, photo, boxes in pictures:
        measured = red_width(as_boxes(boxes), photo)
        first = next(iter(locator.locate(photo)), None)
        if measured and first and first.wide:
            logarithms.append(np.log(np.sqrt(first.area) / first.wide / measured))
    if not logarithms:
        return {"pictures": 0}
    off = np.quantile(np.abs(np.expm1(logarithms)), 0.9)
    return {"pictures": len(logarithms), "of_measured": float(np.exp(np.median(logarithms))), "off_90": float(off)}


def in_the_middle(pictures: list[Picture], locator: Locator) -> dict:
    """In how many pictures of one cell the first that is found covers the middle, in how many any does, and the share
    of the first."""
    counts = {"pictures": len(pictures), "first": 0, "any": 0}
    for picture in pictures:
        photo = read_image(picture.path)
        middle = (photo.shape[1] / 2, photo.shape[0] / 2)
        covering = [covers(box, middle) for box in boxes_of(locator, photo)]
        counts["first"] += covering[:1] == [True]
        counts["any"] += any(covering)
    return counts | {"first_share": counts["first"] / max(1, len(pictures))}


def fields(folder: Path, locator: Locator, draw: Path | None = None) -> dict:
    """Of the labs that are only scored, LISC: in how many fields a cell is found, in what share, and how many cells."""
    rows = [row for row in lab_rows(folder) if row["lab"] in SCORED_ONLY]
    counts = {"pictures": len(rows), "found": 0, "cells": 0}
    for row in rows:
        photo = read_image(row["file"])
        found = boxes_of(locator, photo)
        counts["found"] += bool(found)
        counts["cells"] += len(found)
        if draw:
            _draw(draw / row["lab"] / f"{Path(row['file']).stem}.png", photo, [], found)
    return counts | {"found_share": counts["found"] / max(1, len(rows))}


def red_cells_alone(root: Path, locator: Locator) -> dict:
    """Patches of red cells, as they are and as `training.studies.altered` alters them: how many show a white cell?"""
    from training.studies.altered import OTHERS

    counts = {"patches": 0, "as_they_are": 0, "altered": 0, "altered_with_cell": 0}
    stand_in = Cell((0, 0, 200, 200), 1.0)
    for patch in patches(root):
        counts["patches"] += 1
        counts["as_they_are"] += bool(locator.locate(patch))
        for alter in OTHERS.values():
            counts["altered"] += 1
            counts["altered_with_cell"] += bool(locator.locate(alter(patch, stand_in)))
    return counts | {"altered_share": counts["altered_with_cell"] / max(1, counts["altered"])}


def score(
    locator: Locator,
    pictures: list[Picture],
    root: Path,
    labs: Path,
    lab: str | None = None,
    draw: Path | None = None,
) -> dict[str, dict]:
    """All that there is to score, or all of one lab that the locator never saw.

    Args:
        locator: what finds cells.
        pictures: of the Kaggle set, of the PBC set and of further labs, which lie in ...
        root, labs: ... these folders, with the boxes of all.
        lab: whose pictures are scored, "train" and "test"; None: of every lab what is held out, and the rest.
        draw: where to draw pictures with a miss, and LISC's fields; None: nowhere.

    Returns:
        What was scored -> its counts and shares.
    """
    chosen = [picture for picture in pictures if (picture.lab == lab if lab else picture.split == "test")]
    annotated = annotations(root)
    boxes = annotated | annotated_boxes(labs)
    red = annotations(root, ("RBC",)) | annotated_boxes(labs, ("RBC",))
    results: dict[str, dict] = {}
    for name in dict.fromkeys(picture.lab for picture in chosen):
        own = [picture for picture in chosen if picture.lab == name]
        if any(picture.name in boxes for picture in own):
            results[f"boxes, {name}"] = against_boxes(whole_photos(own, boxes), locator, draw)
            results[f"red cells, {name}"] = against_red_cells(whole_photos(own, red), locator)
        if name != "bccd":
            results[f"one cell, {name}"] = in_the_middle(own, locator)
    if lab:
        return results
    photos = [picture for picture in chosen if picture.lab == "bccd"]
    doubted = contradicted(root, annotated)
    agreed = [photo for photo in photos if photo.name not in doubted]
    results["boxes, bccd, where labels.csv agrees"] = against_boxes(whole_photos(agreed, boxes), locator)
    results["fields, lisc"] = fields(labs, locator, draw)
    results["patches of red cells"] = red_cells_alone(root, locator)
    results["overlays"] = overlaid([read_image(photo.path) for photo in photos[:OVERLAID]], locator)
    return results


def _chosen(locator: Locator, pictures: list[Picture], root: Path, labs: Path, lab: str | None) -> float:
    """The threshold that annotated pictures held out give, none of them of the lab that is scored; says how good each
    is.

    Raises:
        DataError: if there are none.
    """
    boxes = annotations(root) | annotated_boxes(labs)
    by_lab: dict[str, list[Annotated]] = {}
    for picture in (p for p in pictures if p.split == "test" and p.lab != lab):
        by_lab.setdefault(picture.lab, []).extend(whole_photos([picture], boxes))
    by_lab = {name: own for name, own in by_lab.items() if own}
    if not by_lab:
        raise DataError("no other lab has annotated boxes held out to choose a threshold by: name one by --threshold")
    threshold, scores = chosen_threshold(by_lab, locator)
    for tried, row in scores.items():
        of_labs = ", ".join(f"{lab} {value:.4f}" for lab, value in row.items())
        print(f"threshold {tried:.2f}: F1 {of_labs}{'   <- chosen' if tried == threshold else ''}")
    return threshold


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
    parser = argparse.ArgumentParser(
        prog="python -m training.locating.score",
        description="Score a locator on pictures that were never trained on, or on a lab that it never saw.",
    )
    parser.add_argument("graph", type=Path, metavar="GRAPH", help="such as leukoscope/pretrained/locator.onnx")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="score, 0-1, from which something is a white cell; default: it is chosen, and said, see chosen_threshold",
    )
    parser.add_argument("--lab", help="score all of this lab, which the locator never saw (train --without LAB)")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="draw pictures with a miss, and LISC's fields")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    add_folder_arguments(parser)
    args = parser.parse_args(argv)
    try:
        if args.threshold is not None and not 0 < args.threshold < 1:
            raise DataError(f"--threshold must be above 0 and below 1, not {args.threshold:g}")
        if not args.graph.is_file():
            raise CheckpointError(f"there is no {args.graph}: python -m training.locating.export makes one")
        locator = open_locator(args.graph, args.threshold or THRESHOLDS[0])
        root, pbc, labs = folders_of(args)
        pictures = all_pictures(root, pbc, labs)
        if args.lab and args.lab not in (known := sorted({picture.lab for picture in pictures})):
            raise DataError(
                f"the data has no lab {args.lab!r} with cells whose places are known, but {', '.join(known)}"
            )
        if args.threshold is None:
            locator = dataclasses.replace(locator, threshold=_chosen(locator, pictures, root, labs, args.lab))
        results = score(locator, pictures, root, labs, lab=args.lab, draw=args.draw)
    except (CheckpointError, DataError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
