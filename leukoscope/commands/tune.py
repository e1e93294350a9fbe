"""leukoscope tune: a model and a few cells of a lab, named by a person -> the model as it should answer there."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Classifier, Framed
from leukoscope.commands.shared import BAD_INPUT, complain, load
from leukoscope.counting.differential import Differential
from leukoscope.errors import ImageError, LeukoscopeError, visible
from leukoscope.scanning.classes import class_files, named_twice
from leukoscope.scanning.photos import read_photos
from leukoscope.showing.about import model_identity
from leukoscope.tuning import (
    GOOD,
    TuneError,
    Tuning,
    logits_of_cells,
    logits_of_predictions,
    tuning,
    write_tuned,
)

WANTED = (
    f"a folder that holds one for each type ({', '.join(f'{name}/' for name in CELL_TYPES)}), or the CSV of a count in "
    "which a person decided on cells"
)


def tune(args: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0, or 2 if the cells, the model or the folder to write cannot be used.
    """
    if missing := [name for name in args.cells if not Path(name).exists()]:
        return complain(f"{visible(missing[0])}: there is no such folder or file; wanted is {WANTED}")
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    try:
        logits, labels = [], []
        for path in map(Path, args.cells):
            of_cells, their_labels = cells_of_folder(classifier, path) if path.is_dir() else decided(classifier, path)
            logits.append(of_cells)
            labels += their_labels
        found = tuning(np.concatenate(logits), labels, classifier.spec.temperature)
        write_tuned(classifier, found, args.lab or Path(args.cells[0]).resolve().stem, Path(args.out))
    except LeukoscopeError as error:
        return complain(error)
    except OSError as error:
        return complain(f"{visible(args.out)}: {error}")
    for line in said(found):
        print(line)
    print(f"{visible(args.out)}: use it by --model {shlex.quote(args.out)}, or LEUKOSCOPE_MODEL for the apps")
    if found.after <= found.before:
        print("leukoscope: it is no better on these cells: the model may know such a stain already", file=sys.stderr)
    return 0


def decided(classifier: Classifier, file: Path) -> tuple[np.ndarray, list[str]]:
    """Logits (N, 4) and types of the cells of a count that a person called one of the four types.

    Args:
        classifier: the model that answered.
        file: CSV of a count.

    Raises:
        DifferentialError: if it is none.
        TuneError: if another model answered.
    """
    count = Differential.read_csv(file)
    ours = model_identity(classifier)
    if others := {origin.model for origin in count.origins.values()} - {ours}:
        raise TuneError(
            f"{file} holds the answers of another model, {visible(min(others))}, and this is {ours}: name it by --model"
        )
    if not count.origins:
        print(f"leukoscope: {file} does not say which model answered: it is taken for this one", file=sys.stderr)
    told = [(cell.prediction, cell.corrected) for cell in count.cells if cell.corrected in CELL_TYPES]
    if not told:
        print(f"leukoscope: in {file} nobody decided on a cell", file=sys.stderr)
    logits = logits_of_predictions(classifier, [prediction for prediction, _ in told])
    return logits, [str(label) for _, label in told]


def cells_of_folder(classifier: Classifier, folder: Path) -> tuple[np.ndarray, list[str]]:
    """Logits (N, 4) and types of the most prominent cell of each picture.

    What cannot be used is said on standard error; pictures of the same bytes count once.

    Args:
        classifier: finds the cells.
        folder: class folders.

    Raises:
        TuneError: if there is no class folder, or a picture lies in those of two types.
    """
    from tqdm import tqdm

    notes: list[str] = []
    by_type = class_files(folder, CELL_TYPES, notes)
    if not by_type:
        raise TuneError(f"{folder} has no folder of a type; wanted is {WANTED}")
    framed: list[Framed] = []
    labels: list[str] = []
    copies = 0
    first: dict[str, tuple[str, Path]] = {}  # of each digest
    files = [(name, file) for name in CELL_TYPES for file in by_type.get(name, [])]
    photos = tqdm(read_photos(file for _, file in files), "cells", len(files), leave=False, disable=None)
    for (name, file), photo in zip(files, photos, strict=True):
        if isinstance(photo.content, str):
            notes.append(f"{visible(str(file))}: {photo.content}")
            continue
        label, twin = first.setdefault(photo.digest, (name, file))
        if label != name:
            raise TuneError(named_twice([(str(twin), str(file))]))
        if twin != file:
            copies += 1
            continue
        try:
            cell = classifier.principal(photo.content)
        except ImageError as error:
            notes.append(f"{visible(str(file))}: {error}")
            continue
        if isinstance(cell, Framed):
            framed.append(cell)
            labels.append(name)
        else:
            notes.append(f"{visible(str(file))}: no white cell found")
    if copies:
        notes.append(f"{copies:,} {'picture is a copy' if copies == 1 else 'pictures are copies'} and counted once")
    for note in notes:
        print(f"leukoscope: {note}", file=sys.stderr)
    return logits_of_cells(classifier, framed), labels


def said(found: Tuning) -> list[str]:
    """What was found, in lines."""
    lines = [f"{'':<14}{'cells':>7}{'offset':>9}"]
    lines += [
        f"{name:<14}{count:>7,}{offset:>+9.2f}"
        for (name, count), offset in zip(found.cells.items(), found.offsets, strict=True)
    ]
    lines.append(
        f"balanced accuracy on these cells {found.before:.3f} -> {found.after:.3f}, each answered as the others say"
    )
    if few := [name for name, count in found.cells.items() if count < GOOD]:
        lines.append(f"with {GOOD} or more of {', '.join(few)} single cells would matter less")
    return lines
