"""leukoscope tune: a model and a few cells of a lab, named by a person -> the model as it should answer there."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Classifier, Framed
from leukoscope.commands.shared import BAD_INPUT, INTERRUPTED, complain, load
from leukoscope.counting.differential import Differential
from leukoscope.errors import ImageError, LeukoscopeError, TuneError, visible
from leukoscope.model.checkpoint import check_replaceable
from leukoscope.scanning.classes import class_files
from leukoscope.scanning.photos import is_photo, read_photos
from leukoscope.showing.about import model_identity
from leukoscope.tuning import (
    GOOD,
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


class Named(NamedTuple):
    """A cell whose type a person named.

    where: file, or file and place in it. photo: what tells its photo from others. cell: what tells it from all other
    cells; None: not known. logits: float (4,), as of `leukoscope.tuning`.
    """

    where: str
    label: str
    photo: str
    cell: tuple[object, ...] | None
    logits: np.ndarray


def tune(args: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0; 2 if the cells, the model or the folder to write cannot be used; 130 if interrupted.
    """
    try:
        return _tune([Path(name) for name in args.cells], args)
    except LeukoscopeError as error:
        return complain(error)
    except OSError as error:
        return complain(f"{visible(args.out)}: {error}")
    except KeyboardInterrupt:
        print("\nleukoscope: interrupted; nothing is written", file=sys.stderr)
        return INTERRUPTED


def _tune(paths: list[Path], args: argparse.Namespace) -> int:
    out = Path(args.out)
    check_replaceable(out)
    for path in paths:
        if not path.is_dir() and (is_photo(path.name) or not path.exists()):
            reason = "is a picture" if path.exists() else "there is no such folder or file"
            return complain(f"{visible(str(path))}: {reason}; wanted is {WANTED}")
        if out.resolve() in (path.resolve(), *path.resolve().parents):
            return complain(f"{visible(args.out)} holds {visible(str(path))}, which would be lost: give another --out")
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    if classifier.folder.resolve() == out.resolve():
        return complain(f"{visible(args.out)} holds the model that is tuned, which would be lost: give another --out")
    read = [(cells_of_folder if path.is_dir() else decided)(classifier, path) for path in paths]
    cells = each_once([cell for some in read for cell in some])
    labels = [cell.label for cell in cells]
    logits = np.array([cell.logits for cell in cells]).reshape(-1, len(CELL_TYPES))
    found = tuning(classifier, logits, labels, [cell.photo for cell in cells])
    first = paths[0].resolve()
    write_tuned(classifier, found, visible(args.lab or (first.name if first.is_dir() else first.stem)), out)
    for line in said(found, tuned_before=bool(classifier.spec.offsets)):
        print(line)
    print(f"{visible(args.out)}: use it by --model {visible(shlex.quote(args.out))}, or LEUKOSCOPE_MODEL for the apps")
    return 0


def each_once(cells: list[Named]) -> list[Named]:
    """The same without those that were named twice.

    Raises:
        TuneError: if one was given two types.
    """
    first: dict[tuple[object, ...], Named] = {}
    kept = []
    for cell in cells:
        twin = first.setdefault(cell.cell, cell) if cell.cell else cell
        if twin.label != cell.label:
            raise TuneError(
                f"the same cell is given two types: {twin.label} in {visible(twin.where)}, {cell.label} in "
                f"{visible(cell.where)}: leave it where it belongs"
            )
        kept += [cell] if twin is cell else []
    if copies := len(cells) - len(kept):
        note(f"{copies:,} {'cell is a copy' if copies == 1 else 'cells are copies'} of others and counted once")
    return kept


def decided(classifier: Classifier, file: Path) -> list[Named]:
    """The cells of a count that a person called one of the four types, and that this model answered.

    Args:
        classifier: the model.
        file: CSV of a count.

    Raises:
        DifferentialError: if it is none.
        TuneError: if all were answered by other models.
    """
    count, model = Differential.read_csv(file), model_identity(classifier)
    told = [(cell, count.origins.get(cell.photo)) for cell in count.cells if cell.corrected in CELL_TYPES]
    if not told:
        note(f"in {file} nobody decided on a cell")
        return []
    ours = [(cell, origin) for cell, origin in told if origin is None or origin.model == model]
    if not ours:
        other = min(origin.model for _, origin in told if origin)
        raise TuneError(
            f"{file} holds the answers of another model, {visible(other)}, and this is {model}: name it by --model"
        )
    if others := len(told) - len(ours):
        note(f"{file}: left out what another model answered: {others:,} of {len(told):,} cells")
    if any(origin is None for _, origin in ours):
        note(f"{file} does not say of all cells which model answered: it is taken for this one")
    note(f"{file}: cells that a person decided on are mostly doubtful ones, of which fewer are right than of all")
    logits = logits_of_predictions(classifier, [cell.prediction for cell, _ in ours])
    return [
        Named(
            f"{file}, cell {cell.number} of {cell.photo}",
            str(cell.corrected),
            origin.sha256 if origin else f"{file} {cell.photo}",
            (origin.sha256, cell.prediction.box) if origin else None,
            values,
        )
        for (cell, origin), values in zip(ours, logits, strict=True)
    ]


def cells_of_folder(classifier: Classifier, folder: Path) -> list[Named]:
    """The most prominent cell of each picture; what cannot be used is said on standard error.

    Args:
        classifier: finds the cells.
        folder: class folders.

    Raises:
        TuneError: if there is no class folder.
    """
    from tqdm import tqdm

    notes: list[str] = []
    by_type = class_files(folder, CELL_TYPES, notes)
    if not by_type:
        raise TuneError(f"{visible(str(folder))} has no folder of a type; wanted is {WANTED}")
    framed: list[Framed] = []
    read: list[tuple[Path, str, str]] = []
    files = [(name, file) for name in CELL_TYPES for file in by_type.get(name, [])]
    photos = tqdm(read_photos(file for _, file in files), "cells", len(files), leave=False, disable=None)
    for (name, file), photo in zip(files, photos, strict=True):
        try:
            if isinstance(photo.content, str):
                raise ImageError(photo.content)
            cell = classifier.principal(photo.content)
        except ImageError as error:
            notes.append(f"{file}: {error}")
            continue
        if isinstance(cell, Framed):
            framed.append(cell)
            read.append((file, name, photo.digest))
        else:
            notes.append(f"{file}: no white cell found")
    for line in notes:
        note(line)
    return [
        Named(str(file), label, digest, (digest, cell.box), logits)
        for (file, label, digest), cell, logits in zip(read, framed, logits_of_cells(classifier, framed), strict=True)
    ]


def note(line: str) -> None:
    """Say on standard error what a person should know."""
    print(f"leukoscope: {visible(line)}", file=sys.stderr)


def said(found: Tuning, tuned_before: bool) -> list[str]:
    """What was found, in lines; `tuned_before`: whether the model had offsets, which these replace."""
    lines = [f"{'':<14}{'cells':>7}{'offset':>9}"]
    lines += [
        f"{name:<14}{count:>7,}{offset:>+9.2f}"
        for (name, count), offset in zip(found.cells.items(), found.offsets, strict=True)
    ]
    if tuned_before:
        lines.append("the model was tuned before: these offsets stand in place of the earlier ones")
    lines.append(
        f"balanced accuracy on these cells {found.before:.3f} -> {found.after:.3f} "
        "(each cell answered with what the other photos' cells say)"
    )
    if found.before == 1:
        lines.append("the model answers all of these cells rightly as it is")
    elif found.after <= found.before:
        lines.append("that is no better: the model may suit this lab already, or the cells are too few to tell")
    if few := [name for name, count in found.cells.items() if count < GOOD]:
        lines.append(f"with {GOOD} or more of {', '.join(few)} single cells would matter less")
    return lines
