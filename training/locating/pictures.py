"""What the locator learns from: pictures, and where their white cells lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from leukoscope.images import read_image
from training.boxes import annotations
from training.labs import SCORED_ONLY, annotated_boxes, held_out, lab_rows
from training.sources import LABELS, PHOTO_FOLDER, DataError, class_folder_rows, held_out_quarter, photo_table

LONGEST_SIDE = 320  # px; larger pictures are kept reduced to it
TYPICAL = {"barcelona": 0.38, "raabin": 0.38, "munich_marrow": 0.55}  # a cell's width in pictures of one, of their side

Box = tuple[float, float, float, float]


@dataclass
class Picture:
    """One picture and its white cells.

    image: RGB uint8 (H, W, 3).
    boxes: of white cells, float (N, 4), px of the image.
    lab, group: where it is from; pictures of one slide or one field share a group.
    complete: whether every white cell has a box, so that all else is none; otherwise only what is near a box is known.
    measured: whether boxes were measured; otherwise only their middles are known.
    decoys: red cells and platelets (N, 4), as far as they are annotated.
    doubtful: places (N, 4) that may or may not be cells.
    split: "train" or "test".
    path: its file.
    """

    image: np.ndarray
    boxes: np.ndarray
    lab: str
    group: str
    complete: bool
    measured: bool
    split: str
    path: str
    decoys: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    doubtful: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))

    @cached_property
    def copies(self) -> list[np.ndarray]:
        """The image, and copies each half as long as the one before."""
        copies = [self.image]
        while min(copies[-1].shape[:2]) >= 32:
            height, width = copies[-1].shape[0] // 2, copies[-1].shape[1] // 2
            copies.append(cv2.resize(copies[-1], (width, height), interpolation=cv2.INTER_AREA))
        return copies

    @cached_property
    def cell_width(self) -> float:
        """Of a typical cell, px of the image; of one without any cell, that which its lab usually shows."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return float(np.median(sides.max(axis=1))) if len(sides) else 0.35 * min(self.image.shape[:2])


def kept_small(image: np.ndarray, *boxes: Iterable[Box]) -> tuple[np.ndarray, ...]:
    """A picture no longer than `LONGEST_SIDE`, with each of its lists of boxes, (N, 4)."""
    found = [np.asarray(list(some), float).reshape(-1, 4) for some in boxes]
    step = -(-max(image.shape[:2]) // LONGEST_SIDE)
    if step == 1:
        return image, *found
    height, width = image.shape[0] // step, image.shape[1] // step
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small, *(some / step for some in found)


def annotated_photos(root: Path) -> list[Picture]:
    """The Kaggle set's photos with annotated boxes. Half of them are "test", by field: all that overlap a photo of its
    TEST, and as many others, drawn by hash, as make a half."""
    boxes, others, known = annotations(root), annotations(root, ("Platelets", "RBC")), photo_table()
    facts = {name: known.get(str(int(name.removeprefix("BloodImage_"))), {}) for name in boxes}
    group = {name: f"bccd/{fact.get('field', name)}" for name, fact in facts.items()}
    held_out = {group[name] for name, fact in facts.items() if fact.get("split") == "test"}
    for other in sorted(set(group.values()) - held_out, key=lambda g: hashlib.sha256(g.encode()).hexdigest()):
        if sum(group[name] in held_out for name in boxes) >= len(boxes) / 2:
            break
        held_out.add(other)
    pictures = []
    for name, found in boxes.items():
        path = root / PHOTO_FOLDER / f"{name}.jpg"
        image, found, decoys = kept_small(read_image(path), found, others[name])
        split = "test" if group[name] in held_out else "train"
        pictures.append(Picture(image, found, "bccd", group[name], True, True, split, str(path), decoys))
    return pictures


def single_cells(pbc: Path | None, labs: Path | None) -> list[Picture]:
    """Pictures of one cell each: with annotated boxes where there are any, else with a cell in the middle."""
    annotated = annotated_boxes(labs) if labs else {}
    others = annotated_boxes(labs, ("Platelet", "RBC")) if labs else {}
    rows = (
        [(r["image"], "barcelona", r["photo"], r["label"]) for r in class_folder_rows(pbc, "barcelona")] if pbc else []
    )
    if labs:
        rows += [
            (r["file"], r["lab"], f"{r['lab']}/{r['slide_group']}" if r["slide_group"] else r["name"], r["cell"])
            for r in lab_rows(labs)
            if r["lab"] not in SCORED_ONLY
        ]
    pictures = []
    for path, lab, group, _ in rows:
        image = read_image(path)
        key = "/".join(Path(path).parts[-3:])
        key = key if key in annotated else f"labs/{key}"
        found = annotated.get(key)
        if found is None:
            height, width = image.shape[:2]
            half = TYPICAL[lab] * min(height, width) / 2
            found = [(width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)]
            complete = measured = False
        else:
            complete = measured = True
        image, boxes, decoys = kept_small(image, found, others.get(key, ()))
        pictures.append(Picture(image, boxes, lab, group, complete, measured, "train", path, decoys))
    slides = {row.group for row in pictures if row.lab == "raabin"}
    kept_back = held_out([row.group for row in pictures if row.lab == "raabin"])
    for picture in pictures:
        test = picture.group in kept_back if picture.group in slides else held_out_quarter(picture.group) == "test"
        picture.split = "test" if test else "train"
    return pictures
