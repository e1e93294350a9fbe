"""Many photos of one smear: which files, what is in them, and what to show of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from leukoscope.bulk import run
from leukoscope.classifier import Classifier, Prediction
from leukoscope.counted import NOT_COUNTED, CountedCell
from leukoscope.differential import Differential
from leukoscope.draw import draw_cells, png
from leukoscope.errors import ImageError
from leukoscope.files import write_whole
from leukoscope.images import read_image
from leukoscope.report import Key, cells_to_show, thumbnail

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"}
ANNOTATED = ".annotated.png"  # ends the name of every picture that this module writes, so that none is scanned again

Bad = list[tuple[str, str]]  # name and reason of what could not be read


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], Bad]:
    """The files named, and the pictures in the folders named and below, sorted; each file once, whatever its names.

    Hidden files and annotated ones are left out. A file that was named itself is kept whatever its suffix: its content
    decides.

    Returns:
        The files, and the folders that could not be listed.
    """
    found: dict[str, Path] = {}
    bad: Bad = []
    for path in map(Path, paths):
        inside = sorted(pictures_below(path, bad)) if path.is_dir() else [path]
        for file in inside:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values()), bad


def pictures_below(folder: Path, bad: Bad) -> Iterator[Path]:
    """The pictures in a folder and below, folder after folder, as they are met.

    Args:
        folder: the folder.
        bad: is given the folders that could not be listed.
    """

    def complain(error: OSError) -> None:
        bad.append((photo_name(error.filename), f"the folder cannot be listed: {error.strerror}"))

    for parent, folders, names in os.walk(folder, onerror=complain):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(parent, name)
            if is_wanted(name) and file.is_file():
                yield file


def is_wanted(name: str) -> bool:
    """Whether a file in a folder is taken for a photo, by its name: hidden files and annotated ones are not."""
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".") and not name.endswith(ANNOTATED)


def photo_name(path: str | os.PathLike[str]) -> str:
    """A path as text that any file can hold: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def not_yet_counted(files: Iterable[Path], counted: Differential) -> list[Path]:
    """The files that a count does not know, by any of their names."""
    names = set(counted.photos)
    places = {os.path.realpath(name) for name in names if "\0" not in name}
    return [file for file in files if photo_name(file) not in names and os.path.realpath(file) not in places]


def scan_files(
    classifier: Classifier,
    files: Iterable[Path],
    done: Callable[[str, list[Prediction]], None],
    annotated: Path | None = None,
    workers: int = 1,
    seen: Callable[[], object] = lambda: None,
) -> Bad:
    """Scan photo after photo, in order; `done(name, predictions)` hears of each that could be read.

    Args:
        classifier: answers; with more than one worker, each has its own of the same checkpoint.
        files: the photos.
        done: is called in this process.
        annotated: folder to draw each photo into before `done` hears of it.
        workers: processes that share the work.
        seen: is called after each photo, read or not, for a progress bar.

    Returns:
        (name, reason) of each file that could not be read.
    """
    bad: Bad = []
    job = partial(_scan_chunk, annotated)
    if workers > 1:
        results = run(classifier.source, job, files, workers)
    else:
        results = (job(classifier, [file])[0] for file in files)
    for name, answer in results:
        if isinstance(answer, str):
            bad.append((name, answer))
        else:
            done(name, answer)
        seen()
    return bad


def _scan_chunk(
    annotated: Path | None, classifier: Classifier, files: list[Path]
) -> list[tuple[str, list[Prediction] | str]]:
    """(name, predictions) of each file, or (name, reason) of one that cannot be read."""
    answers: list[tuple[str, list[Prediction] | str]] = []
    for file in files:
        name = photo_name(file)
        try:
            image = read_image(file)
        except ImageError as error:
            answers.append((name, str(error)))
            continue
        predictions = classifier.scan(image)
        if annotated:
            write_annotated(annotated, name, image, predictions)
        answers.append((name, predictions))
    return answers


def thumbnails_from_files(differential: Differential) -> dict[Key, np.ndarray]:
    """Thumbnails for a report, cut anew from the photos by their names; photos that are gone are left out."""
    thumbnails = {}
    name, image = None, None
    for cell in sorted(cells_to_show(differential), key=lambda cell: cell.photo):
        if cell.photo != name:
            name, image = cell.photo, _read(cell.photo)
        if image is not None:
            thumbnails[cell.photo, cell.number] = thumbnail(image, cell.prediction.box)
    return thumbnails


def annotate_from_files(folder: Path, differential: Differential) -> None:
    """Draw the cells into the photos of a count, by their names; photos that are drawn already or gone are left out."""
    cells: dict[str, list[CountedCell]] = {name: [] for name in differential.photos}
    for cell in differential.cells:
        cells[cell.photo].append(cell)
    for name in differential.photos:
        if not os.path.exists(annotated_path(folder, name)) and (image := _read(name)) is not None:
            write_annotated(folder, name, image, [_as_decided(cell) for cell in cells[name]])


def write_annotated(folder: Path, name: str, image: np.ndarray, predictions: list[Prediction]) -> None:
    """Write a photo with its cells drawn in, as a PNG at `annotated_path`."""
    path = annotated_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, png(draw_cells(image, predictions)))


def annotated_path(folder: Path, name: str) -> Path:
    """Where the annotated twin of a photo lies: below the folder as the photo lies below the root or this folder."""
    path = Path(name)
    parts = ["up" if part == ".." else part for part in path.relative_to(path.anchor).parts]
    return folder.joinpath(*parts[:-1], f"{path.name}{ANNOTATED}")


def _as_decided(cell: CountedCell) -> Prediction:
    """What to draw of a cell: a person's word goes before the model's."""
    if cell.corrected == NOT_COUNTED:
        return replace(cell.prediction, box=None)
    return replace(cell.prediction, label=cell.corrected, verdict="confident") if cell.corrected else cell.prediction


def _read(name: str) -> np.ndarray | None:
    """A photo by the name that a CSV gives it, which may be anything; None if it is not there or not a picture."""
    try:
        return read_image(name) if os.path.isfile(name) else None
    except ImageError:
        return None
