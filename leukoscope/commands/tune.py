"""leukoscope tune: a model and a few named cells of a lab -> the model as it should answer there."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Classifier, Framed
from leukoscope.commands.shared import BAD_INPUT, complain, load
from leukoscope.errors import ImageError, LeukoscopeError, visible
from leukoscope.scanning.classes import class_files, named_twice
from leukoscope.scanning.photos import read_photos
from leukoscope.tuning import GOOD, TuneError, Tuning, tuning, write_tuned

LAYOUT = f"a folder for each type: {', '.join(f'{name}/' for name in CELL_TYPES)}"


def tune(args: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0, or 2 if the cells, the model or the folder to write cannot be used.
    """
    folder, out = Path(args.cells), Path(args.out)
    if not folder.is_dir():
        return complain(f"{visible(args.cells)}: there is no such folder; wanted is {LAYOUT}")
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    lab = args.lab or folder.resolve().name
    try:
        framed, labels = named_cells(classifier, folder)
        found = tuning(classifier, framed, labels)
        write_tuned(classifier, found, lab, out)
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


def named_cells(classifier: Classifier, folder: Path) -> tuple[list[Framed], list[str]]:
    """The most prominent cell of each picture, and its type.

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
        raise TuneError(f"{folder} has no folder of a type; wanted is {LAYOUT}")
    framed, labels, copies = [], [], 0
    first: dict[str, tuple[str, Path]] = {}  # of each digest
    files = [(name, file) for name in CELL_TYPES for file in by_type.get(name, [])]
    photos = tqdm(read_photos(file for _, file in files), "cells", len(files), leave=False, disable=None)
    for (name, file), photo in zip(files, photos, strict=True):
        label, twin = first.setdefault(photo.digest, (name, file)) if photo.digest else (name, file)
        if label != name:
            raise TuneError(named_twice([(str(twin), str(file))]))
        if twin != file:
            copies += 1
            continue
        try:
            cell = classifier.principal(photo.content if isinstance(photo.content, bytes) else file)
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
    return framed, labels


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
