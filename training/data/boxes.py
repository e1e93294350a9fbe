"""The annotated boxes of the Kaggle set's photos, and how boxes are matched.

Some annotations contradict the set's own labels.csv, which names more white cells in the photo than there are boxes, or
fewer.
"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET  # of a data set that its user chose  # nosec B405
from pathlib import Path

from training.data.sources import PHOTO_FOLDER, DataError

ANNOTATION_FOLDER = "dataset-master/dataset-master/Annotations"
LABEL_FILE = "dataset-master/dataset-master/labels.csv"
LEAST_OVERLAP = 0.5  # intersection over union from which a found box counts as a match

Box = tuple[int, int, int, int]


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


def annotations(root: Path, names: tuple[str, ...] = ("WBC",)) -> dict[str, list[Box]]:
    """Photo file -> boxes with these names ("WBC", "RBC", "Platelets"), of every annotated photo that is there.

    Raises:
        DataError: if the folder holds no annotations.
    """
    boxes = {}
    for file in sorted((root / ANNOTATION_FOLDER).glob("*.xml")):
        if (root / PHOTO_FOLDER / f"{file.stem}.jpg").exists():
            boxes[file.stem] = [
                tuple(int(item.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax"))
                for item in ET.parse(file).iter("object")  # expat stops entity bombs  # nosec B314
                if item.find("name").text in names
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
