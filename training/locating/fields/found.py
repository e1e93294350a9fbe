"""Boxes that the locator finds itself, in pictures of one cell whose box nobody drew."""

from __future__ import annotations

import json
import os
from pathlib import Path

from leukoscope.smear.locate import Locator
from training.locating.fields.pictures import Picture

LEAST = 0.3  # score of the cell in the middle of a picture of one, from which its box is believed
DOUBTFUL = 0.5  # of that, what is looked at for others


def relabel(pictures: list[Picture], locator: Locator, doubtful: float) -> None:
    """Give pictures of one cell the box that a locator finds in the middle, where a cell is known to be.

    A picture in which the first that is found is unsure, or lies elsewhere, stays as it is.

    Args:
        pictures: these.
        locator: what was learned so far, with a threshold of `LEAST * DOUBTFUL`.
        doubtful: 0-1, of the middle cell's score: what else is found there and is as sure is taught as neither cell nor
            none.
    """
    from tqdm import tqdm

    for picture in tqdm(pictures, "finding boxes", unit=" pictures", disable=None):
        height, width = picture.image.shape[:2]
        found = locator.locate(picture.image)
        if not found or found[0].score < LEAST:
            continue
        x0, y0, x1, y1 = found[0].box
        if not (x0 <= width / 2 < x1 and y0 <= height / 2 < y1):
            continue
        others = [cell.box for cell in found[1:] if cell.score >= doubtful * found[0].score]
        picture.give_boxes([found[0].box], others)


def write_boxes(file: Path, pictures: list[Picture]) -> None:
    """Keep what was found: path -> boxes, doubtful places, whether boxes were found. A file under its final name is
    whole: it is renamed there."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({p.path: [p.boxes.tolist(), p.doubtful.tolist(), p.complete] for p in pictures}))
    os.replace(partial, file)


def read_boxes(file: Path, pictures: list[Picture]) -> None:
    """Give pictures the boxes that were found and kept; where none were, they stay as they are."""
    kept = json.loads(file.read_text())
    for picture in pictures:
        boxes, doubtful, found = kept.get(picture.path, ((), (), False))
        if found:
            picture.give_boxes(boxes, doubtful)
