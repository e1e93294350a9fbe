"""Many photos of one smear: what is in them, and what to show of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from leukoscope.classifier import Classifier
from leukoscope.counting.counted import NOT_COUNTED, CountedCell
from leukoscope.counting.differential import Differential
from leukoscope.errors import ImageError
from leukoscope.files import write_whole
from leukoscope.model.bulk import run
from leukoscope.model.prediction import Prediction
from leukoscope.pictures.images import read_file, read_image
from leukoscope.scanning.photos import ANNOTATED, Bad, Photo, digest_of, place_of
from leukoscope.showing.draw import draw_cells, png
from leukoscope.showing.pictured import Key, cells_to_show, thumbnail

MOST_SENT = 2**23  # bytes of a photo that travel to a worker; some dozen wait there, and a larger one it reads itself


def scan_files(
    classifier: Classifier,
    photos: Iterable[Photo],
    done: Callable[[str, list[Prediction]], None],
    annotated: Path | None = None,
    workers: int = 1,
    seen: Callable[[], object] = lambda: None,
) -> Bad:
    """Scan photo after photo, in order; `done(name, predictions)` hears of each that could be read.

    Args:
        classifier: answers; with more than one worker, each has its own of the same checkpoint.
        photos: as they were read.
        done: is called in this process.
        annotated: folder to draw each photo into before `done` hears of it.
        workers: processes that share the work.
        seen: is called after each photo, read or not.

    Returns:
        (name, reason) of each file that could not be read.
    """
    bad: Bad = []
    job = partial(_scan_chunk, annotated)
    if workers > 1:
        results = run(classifier.opener, job, map(_light, photos), workers)
    else:
        results = (job(classifier, [photo])[0] for photo in photos)
    for name, answer in results:
        if isinstance(answer, str):
            bad.append((name, answer))
        else:
            done(name, answer)
        seen()
    return bad


def _light(photo: Photo) -> Photo:
    """The photo as it is sent to a worker, with others that wait: a large one without its bytes."""
    return photo if len(photo.content) <= MOST_SENT else replace(photo, content=b"")


def _scan_chunk(
    annotated: Path | None, classifier: Classifier, photos: list[Photo]
) -> list[tuple[str, list[Prediction] | str]]:
    """(name, predictions) of each photo, or (name, reason) of one that cannot be read."""
    answers: list[tuple[str, list[Prediction] | str]] = []
    for photo in photos:
        if isinstance(photo.content, str):
            answers.append((photo.name, photo.content))
            continue
        try:
            image = read_image(photo.content or photo.file, photo.page)
        except ImageError as error:
            answers.append((photo.name, str(error)))
            continue
        predictions = classifier.scan(image)
        if annotated:
            write_annotated(annotated, photo.name, image, predictions)
        answers.append((photo.name, predictions))
    return answers


def thumbnails_from_files(
    differential: Differential, places: Mapping[str, str] = MappingProxyType({})
) -> dict[Key, np.ndarray]:
    """Thumbnails for a report, cut anew from the photos; those that are gone, or are others now, are left out.

    Args:
        differential: the count.
        places: where photos lie that do not lie by their names any more.
    """
    thumbnails = {}
    name, image = None, None
    for cell in sorted(cells_to_show(differential), key=lambda cell: cell.photo):
        if cell.photo != name:
            name, image = cell.photo, _read(differential, cell.photo, places)
        if image is not None:
            thumbnails[cell.photo, cell.number] = thumbnail(image, cell.prediction.box)
    return thumbnails


def annotate_from_files(
    folder: Path, differential: Differential, places: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Draw the cells into the photos of a count; those that are drawn already, gone or others now are left out.

    Args:
        folder: to draw into.
        differential: the count.
        places: where photos lie that do not lie by their names any more.
    """
    cells: dict[str, list[CountedCell]] = {name: [] for name in differential.photos}
    for cell in differential.cells:
        cells[cell.photo].append(cell)
    for name in differential.photos:
        if (
            not os.path.exists(annotated_path(folder, name))
            and (image := _read(differential, name, places)) is not None
        ):
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


def _read(differential: Differential, name: str, places: Mapping[str, str]) -> np.ndarray | None:
    """A photo by the name that a CSV gives it, which may be anything; None if it is not there or not that picture."""
    place, page = place_of(places.get(name, name))
    try:
        if not os.path.isfile(place):
            return None
        content = read_file(Path(place))
        origin = differential.origins.get(name)
        return None if origin and origin.sha256 != digest_of(content, page) else read_image(content, page)
    except ImageError:
        return None
