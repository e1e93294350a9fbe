"""What the locator learns from: pictures, and where their white cells lie."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import DrawnCell, Stain, draw_photo
from leukoscope.pictures.images import read_image
from training.data.boxes import annotations
from training.data.labs import SCORED_ONLY, Box, annotated_boxes, held_out, lab_rows
from training.data.negatives import draw_cartoon, draw_nonsense
from training.data.sources import PHOTO_FOLDER, DataError, class_folder_rows, held_out_quarter, photo_table

LONGEST_SIDE = 320  # px; larger pictures are kept reduced to it
TYPICAL = {"munich_marrow": 0.55}  # a cell's width in pictures of one, of their shorter side ...
USUAL = 0.38  # ... in other labs
NONSENSE = 400  # drawn pictures that show no smear
FOLDERS = (  # option, environment variable, what the folder is of
    ("--data", "BLOOD_CELLS_DIR", "the Kaggle set"),
    ("--pbc", "PBC_DIR", "the PBC set"),
    ("--labs", "LABS_DIR", "further labs"),
)
FEW, EDGE = 2, 2.0  # red cells that tell their width, and px from the edge at which a box may be cut
LEAST_BYTES = 10_000  # of an everyday picture's file; smaller ones are icons


@dataclass
class Picture:
    """One picture and its white cells.

    image: RGB uint8 (H, W, 3).
    boxes: of white cells, float (N, 4), x0, y0, x1, y1 in px of the image.
    lab, group: where it is from; pictures of one slide or one field share a group.
    complete: whether every white cell has a box, so that all else is none; otherwise only what is near a box is known.
    measured: whether boxes were measured; otherwise only their middles are known.
    decoys: red cells and platelets (N, 4), as far as they are annotated.
    red_width: of its red cells, px of the image; 0 if not known.
    doubtful: places (N, 4) that may or may not be cells.
    split: "train" or "test".
    path: its file.
    name: as its annotations name it, if there are any.
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
    name: str = ""
    red_width: float = 0.0

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

    def give_boxes(self, boxes: Sequence[Box], doubtful: Sequence[Box]) -> None:
        """Let these be the boxes of its cells, and these the places that may or may not be cells: all else is none."""
        self.boxes, self.doubtful = as_boxes(boxes), as_boxes(doubtful)
        self.complete = self.measured = True
        vars(self).pop("cell_width", None)


def as_boxes(boxes: Iterable[Box]) -> np.ndarray:
    """Boxes as an array, float (N, 4)."""
    return np.asarray(list(boxes), float).reshape(-1, 4)


# --- the folders -----------------------------------------------------------------------------------------


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """The options --data, --pbc and --labs: the folders of pictures with cells whose places are known."""
    for option, variable, what in FOLDERS:
        parser.add_argument(option, metavar="DIR", help=f"folder of {what}; default ${variable}")


def folders_of(args: argparse.Namespace) -> tuple[Path, Path, Path]:
    """The folders of the Kaggle set, of the PBC set and of further labs.

    Raises:
        DataError: naming the first that is not given or not there.
    """
    folders = []
    for option, variable, what in FOLDERS:
        given = vars(args)[option.removeprefix("--")] or os.environ.get(variable)
        if not given:
            raise DataError(f"the folder of {what} is needed: give {option} DIR, or set {variable}")
        if not Path(given).is_dir():
            raise DataError(f"no such folder: {given} ({option}, {variable}), which should be that of {what}")
        folders.append(Path(given))
    return folders[0], folders[1], folders[2]


def all_pictures(root: Path, pbc: Path, labs: Path) -> list[Picture]:
    """Every picture in which it is known where a white cell lies, of what is trained on and of what is held out.

    Raises:
        DataError: for a folder of another layout.
        ImageError: for a picture that cannot be read.
    """
    return annotated_photos(root) + single_cells(pbc, labs)


def kept_small(image: np.ndarray, *boxes: Iterable[Box]) -> tuple[np.ndarray, ...]:
    """A picture no longer than `LONGEST_SIDE`, with each of its lists of boxes, (N, 4)."""
    found = [as_boxes(some) for some in boxes]
    step = -(-max(image.shape[:2]) // LONGEST_SIDE)
    if step == 1:
        return image, *found
    height, width = image.shape[0] // step, image.shape[1] // step
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small, *(some / step for some in found)


def annotated_photos(root: Path) -> list[Picture]:
    """The Kaggle set's photos with annotated boxes.

    Half of them are "test", by field: all that overlap a photo of its TEST, and as many others, drawn by hash, as make
    a half.

    Raises:
        DataError: if the folder holds no annotated photos.
    """
    boxes, others, known = annotations(root), annotations(root, ("Platelets", "RBC")), photo_table()
    red = annotations(root, ("RBC",))
    facts = {name: known.get(name.removeprefix("BloodImage_"), {}) for name in boxes}
    group = {name: f"bccd/{fact.get('field', name)}" for name, fact in facts.items()}
    held_out = {group[name] for name, fact in facts.items() if fact.get("split") == "test"}
    for other in sorted(set(group.values()) - held_out, key=lambda g: hashlib.sha256(g.encode()).hexdigest()):
        if sum(group[name] in held_out for name in boxes) >= len(boxes) / 2:
            break
        held_out.add(other)
    pictures = []
    for name, found in boxes.items():
        path = root / PHOTO_FOLDER / f"{name}.jpg"
        image, found, decoys, red_cells = kept_small(read_image(path), found, others[name], red[name])
        split = "test" if group[name] in held_out else "train"
        wide = red_width(red_cells, image)
        pictures.append(
            Picture(image, found, "bccd", group[name], True, True, split, str(path), decoys, name=name, red_width=wide)
        )
    return with_red_widths(pictures)


def single_cells(pbc: Path, labs: Path) -> list[Picture]:
    """Pictures of one cell each: with annotated boxes where there are any, else with a cell in the middle.

    A quarter of Raabin's slides is "test", and a quarter of the pictures of the other labs; none of a lab that is only
    scored is here.

    Args:
        pbc: folder of the PBC set.
        labs: folder of further labs.

    Raises:
        DataError: if either is of another layout.
    """
    annotated, others = annotated_boxes(labs), annotated_boxes(labs, ("Platelet", "RBC"))
    red = annotated_boxes(labs, ("RBC",))
    rows = []  # file, its name in boxes.csv, lab, group
    for row in class_folder_rows(pbc, "barcelona"):
        rows.append((row["image"], "/".join(["pbc", *Path(row["image"]).parts[-2:]]), "barcelona", row["slide"]))
    for row in lab_rows(labs):
        group = f"{row['lab']}/{row['slide_group']}" if row["slide_group"] else row["name"]
        if row["lab"] not in SCORED_ONLY:
            rows.append((row["file"], f"labs/{row['name']}", row["lab"], group))
    pictures = []
    for path, name, lab, group in rows:
        image, known = read_image(path), name in annotated
        boxes = annotated[name] if known else [_middle(image, TYPICAL.get(lab, USUAL))]
        image, boxes, decoys, red_cells = kept_small(image, boxes, others.get(name, ()), red.get(name, ()))
        wide = red_width(red_cells, image)
        pictures.append(
            Picture(image, boxes, lab, group, known, known, "train", path, decoys, name=name, red_width=wide)
        )
    on_slides = [picture.group for picture in pictures if picture.lab == "raabin"]
    slides, kept_back = set(on_slides), held_out(on_slides)
    for picture in pictures:
        test = picture.group in kept_back if picture.group in slides else held_out_quarter(picture.group) == "test"
        picture.split = "test" if test else "train"
    return with_red_widths(pictures)


def red_width(boxes: np.ndarray, image: np.ndarray) -> float:
    """How wide red cells are, px: the median of those boxes (N, 4) that the edge of their picture (H, W, 3) does not
    cut, of each the square root of its area; 0 of fewer than `FEW`."""
    whole = (boxes[:, :2] > EDGE).all(axis=1) & (boxes[:, 2:] < np.array(image.shape[1::-1]) - EDGE).all(axis=1)
    sides = (boxes[:, 2:] - boxes[:, :2])[whole]
    return float(np.median(np.sqrt(sides.prod(axis=1)))) if len(sides) >= FEW else 0.0


def with_red_widths(pictures: list[Picture]) -> list[Picture]:
    """Give pictures whose red cells were not measured the median width of their lab's: a lab has its magnification."""
    for lab in {picture.lab for picture in pictures}:
        own = [picture for picture in pictures if picture.lab == lab]
        widths = [picture.red_width for picture in own if picture.red_width and picture.split == "train"]
        for picture in own:
            picture.red_width = picture.red_width or (float(np.median(widths)) if widths else 0.0)
    return pictures


def _middle(image: np.ndarray, share: float) -> Box:
    """The box of a cell in the middle of a picture, of which it takes up this share of the shorter side."""
    height, width = image.shape[:2]
    half = share * min(height, width) / 2
    return (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)


# --- pictures that need no folder ------------------------------------------------------------------------


def drawn(count: int, seed: int) -> list[Picture]:
    """Drawn photos, 320 x 240 px, with exact boxes of up to four cells, in random stains."""
    pictures = []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        kinds = [CELL_TYPES[i] for i in rng.integers(len(CELL_TYPES), size=int(rng.integers(0, 5)))]
        wide, stain = float(rng.uniform(24, 48)), Stain.random(rng)
        image, cells = _drawn_as_far_as_there_is_room(kinds, seed + index, wide, stain)
        boxes, name = as_boxes(cell.box for cell in cells), f"drawn/{index}"
        pictures.append(Picture(image, boxes, "drawn", name, True, True, "train", path=name, red_width=wide))
    return pictures


def _drawn_as_far_as_there_is_room(
    kinds: list[str], seed: int, wide: float, stain: Stain
) -> tuple[np.ndarray, list[DrawnCell]]:
    """A drawn photo of these cells, less the last ones where four large ones find no room."""
    for count in range(len(kinds), -1, -1):
        with suppress(ValueError):
            return draw_photo(kinds[:count], seed=seed, width=320, height=240, red_cell_px=wide, stain=stain)
    raise AssertionError("a photo without cells can always be drawn")


def everyday(rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures that show no smear, RGB uint8 (H, W, 3): photographs that come with scikit-learn and matplotlib,
    drawn nonsense and cartoons."""
    import matplotlib
    import sklearn.datasets

    pictures = list(sklearn.datasets.load_sample_images().images)
    sample = Path(matplotlib.get_data_path()) / "sample_data"
    pictures += [read_image(path) for path in sorted(sample.glob("*.[jp][pn]g")) if path.stat().st_size > LEAST_BYTES]
    pictures += [draw_nonsense(200, rng) for _ in range(NONSENSE)]
    pictures += [draw_cartoon(200, 200, rng) for _ in range(NONSENSE)]
    return [np.ascontiguousarray(picture) for picture in pictures]
