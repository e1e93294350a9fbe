"""Score the located cells against the annotated boxes of the Kaggle set's photos.

    python -m training.boxes                  # recall, precision, mean IoU, on two halves of the photos
    python -m training.boxes --draw misses    # and draw each photo with a miss: annotated white, found black

The rules of `leukoscope.locate` were tuned on the first half alone. Some annotations contradict the set's own
labels.csv, which names more white cells in the photo than there are boxes, or fewer; all of them count in the first
line, and a second one leaves these photos out. No photo is left out for what was found in it.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import xml.etree.ElementTree as ET  # of a data set that its user chose  # nosec B405
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leukoscope.images import read_image

from training.sources import PHOTO_FOLDER, DataError

ANNOTATION_FOLDER = "dataset-master/dataset-master/Annotations"
LABEL_FILE = "dataset-master/dataset-master/labels.csv"
LEAST_OVERLAP = 0.5  # intersection over union from which a found box counts as a match

WITHOUT = ", annotation and labels.csv agree"

Box = tuple[int, int, int, int]


@dataclass
class Score:
    """Counts over some photos; `misses` names photos with a box that was not found or found without reason."""

    photos: int = 0
    annotated: int = 0
    found: int = 0
    overlaps: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def add(self, name: str, annotated: list[Box], found: list[Box]) -> None:
        """Match the boxes of one photo, best overlap first, each box at most once."""
        matched = match(annotated, found)
        self.photos += 1
        self.annotated += len(annotated)
        self.found += len(found)
        self.overlaps += matched
        if not len(matched) == len(annotated) == len(found):
            self.misses.append(name)

    def __str__(self) -> str:
        n = len(self.overlaps)
        return (
            f"{self.photos} photos, {self.annotated} annotated, {self.found} found: "
            f"recall {n / max(1, self.annotated):.4f}  precision {n / max(1, self.found):.4f}  "
            f"mean IoU {np.mean(self.overlaps):.4f}"
        )


def intersection_over_union(a: Box, b: Box) -> float:
    """0-1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match(annotated: list[Box], found: list[Box]) -> list[float]:
    """Overlaps of the pairs with at least 0.5, greedily by overlap."""
    pairs = sorted(
        ((intersection_over_union(a, f), i, j) for i, a in enumerate(annotated) for j, f in enumerate(found)),
        reverse=True,
    )
    used_a, used_f, overlaps = set(), set(), []
    for overlap, i, j in pairs:
        if overlap >= LEAST_OVERLAP and i not in used_a and j not in used_f:
            used_a.add(i)
            used_f.add(j)
            overlaps.append(overlap)
    return overlaps


def annotations(root: Path) -> dict[str, list[Box]]:
    """Photo file -> boxes named WBC, of every annotated photo that is there.

    Raises:
        DataError: if the folder holds no annotations.
    """
    boxes = {}
    for file in sorted((root / ANNOTATION_FOLDER).glob("*.xml")):
        if (root / PHOTO_FOLDER / f"{file.stem}.jpg").exists():
            boxes[file.stem] = [
                tuple(int(item.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax"))
                for item in ET.parse(file).iter("object")  # expat stops entity bombs  # nosec B314
                if item.find("name").text == "WBC"
            ]
    if not boxes:
        raise DataError(f"no annotated photos in {root / ANNOTATION_FOLDER}")
    return boxes


def contradicted(root: Path, boxes: dict[str, list[Box]]) -> set[str]:
    """Photos in which labels.csv names another number of white cells than are annotated; a blank names none."""
    with open(root / LABEL_FILE, newline="") as file:
        named = {row["Image"]: row["Category"].split(",") for row in csv.DictReader(file) if row["Category"].strip()}
    return {
        name
        for name, annotated in boxes.items()
        if len(named.get(str(int(name.removeprefix("BloodImage_"))), annotated)) != len(annotated)
    }


def score(root: Path, draw: Path | None = None) -> dict[str, Score]:
    """Score every annotated photo, with a progress bar.

    Returns:
        By name: the half that was tuned on and the half that was held out, each also without contradicted photos.
    """
    from tqdm import tqdm

    boxes = annotations(root)
    left_out = contradicted(root, boxes)
    scores = {name: Score() for half in ("tuned on", "held out") for name in (half, half + WITHOUT)}
    for index, (name, annotated) in enumerate(tqdm(boxes.items(), unit=" photos", leave=False)):
        image = read_image(root / PHOTO_FOLDER / f"{name}.jpg")
        found = [cell.box for cell in locate(image)]
        half = ("tuned on", "held out")[index % 2]
        scores[half].add(name, annotated, found)
        if name not in left_out:
            scores[half + WITHOUT].add(name, annotated, found)
        if draw and scores[half].misses[-1:] == [name]:
            _draw(draw / f"{name}.png", image, annotated, found)
    return scores


def _draw(path: Path, image: np.ndarray, annotated: list[Box], found: list[Box]) -> None:
    import cv2

    shown = image.copy()
    for boxes, colour in ((annotated, (255, 255, 255)), (found, (0, 0, 0))):
        for x0, y0, x1, y1 in boxes:
            cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), colour, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), shown[..., ::-1])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.boxes", description="Score the located cells against annotated boxes."
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    parser.add_argument("--draw", type=Path, metavar="DIR", help="draw the photos with a miss into this folder")
    args = parser.parse_args(argv)
    try:
        if not args.data:
            raise DataError("no data given: pass --data DIR or set BLOOD_CELLS_DIR")
        scores = score(args.data, args.draw)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, part in scores.items():
        print(f"{name}: {part}")
        print(f"  photos with a miss: {', '.join(part.misses) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
