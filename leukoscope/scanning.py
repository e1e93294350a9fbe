"""Many photos of one smear: which files, what is in them, and what to show of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from leukoscope.classifier import Classifier, Prediction
from leukoscope.differential import Differential
from leukoscope.draw import draw_cells
from leukoscope.errors import ImageError
from leukoscope.files import write_whole
from leukoscope.images import read_image
from leukoscope.report import Key, cells_to_show, thumbnail

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"}


def find_pictures(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The files named, and the pictures in the folders named and below, each once, sorted within its folder.

    Hidden files are left out. A file that was named itself is kept whatever its suffix: its content decides.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        inside = path.rglob("*") if path.is_dir() else [path]
        for file in sorted(inside):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if not path.is_dir() or (file.suffix.lower() in SUFFIXES and file.is_file() and not hidden):
                found[file] = None
    return list(found)


def scan_files(
    classifier: Classifier, files: Iterable[Path], done: Callable[[str, list[Prediction], np.ndarray], None]
) -> list[tuple[str, str]]:
    """Scan photo after photo; `done(name, predictions, image)` hears of each that could be read.

    Returns:
        (name, reason) of each file that could not be read.
    """
    unreadable = []
    for file in files:
        try:
            image = read_image(file)
        except ImageError as error:
            unreadable.append((str(file), str(error)))
            continue
        done(str(file), classifier.scan(image), image)
    return unreadable


def thumbnails_from_files(differential: Differential) -> dict[Key, np.ndarray]:
    """Thumbnails for a report, cut anew from the photos by their names; photos that are gone are left out."""
    thumbnails = {}
    cells = sorted(cells_to_show(differential), key=lambda cell: cell.photo)
    name, image = None, None
    for cell in cells:
        if cell.photo != name:
            name = cell.photo
            try:
                image = read_image(name)
            except ImageError:
                image = None
        if image is not None:
            thumbnails[cell.photo, cell.number] = thumbnail(image, cell.prediction.box)
    return thumbnails


def write_annotated(folder: Path, name: str, image: np.ndarray, predictions: list[Prediction]) -> Path:
    """Write a photo with its cells drawn in as a PNG; its path below the folder follows from the photo's own."""
    parts = [part for part in Path(name).parts if part not in ("/", "..", ".") and not part.endswith((":", ":\\"))]
    path = folder.joinpath(*parts).with_name(Path(name).name + ".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, cv2.imencode(".png", draw_cells(image, predictions)[..., ::-1])[1].tobytes())
    return path
