"""A few cells of a lab, named by a person -> how far a model leans towards each type there, which is taken off again.

In a lab that a model never saw it mistakes one type for another more often than the other way round: what is pink there
makes eosinophils of neutrophils, or neutrophils of eosinophils, and which of the two nobody knows beforehand. A number
for each type, added to its logit, takes part of that back, and so few numbers can be learned from a dozen cells. The
network stays as it is, so nothing is forgotten, and neither Keras nor minutes are needed, as they are for
`training.finetune`, which learns more from more cells.

This is "bias-corrected" calibration (Alexandari et al. 2020, arXiv 1901.06852) without a temperature, and with a prior.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Classifier, Framed
from leukoscope.errors import CheckpointError, TuneError
from leukoscope.model.ahead import BATCH
from leukoscope.model.calibration import probabilities
from leukoscope.model.checkpoint import (
    FORMAT_VERSION,
    GOLDEN_PICTURE,
    replace_checkpoint,
    write_spec,
)
from leukoscope.model.prediction import Prediction

LEAST = 3  # cells of each type
GOOD = 10  # of each, from which on a few odd cells do not matter
LEANING = 0.7  # standard deviation of offsets between labs, about: what an offset is without a cell that tells
NEVER = 1e-30  # a probability is no lower, so that it has a logarithm
STEPS, NEAR = 100, 1e-6  # of Newton's method at most, and how near is near enough
PARTS = 20  # at most, in which cells are answered as the others say
MOST_WEIGHT = 2  # of a cell, so that no three of them outweigh hundreds of others


@dataclass(frozen=True)
class Tuning:
    """What a lab's own cells say of a model.

    offsets: added to the logits of the types, in the order of `CELL_TYPES`; their mean is 0.
    cells: how many of each type were learned from.
    before: balanced accuracy of the model as it was on these cells, 0-1.
    after: the same with offsets, each cell answered with those that the cells of other photos gave.
    """

    offsets: tuple[float, ...]
    cells: dict[str, int]
    before: float
    after: float


def tuning(classifier: Classifier, logits: np.ndarray, labels: Sequence[str], photos: Sequence[object]) -> Tuning:
    """Learn offsets from cells whose types are known. A model that has offsets gets these in their place.

    Args:
        classifier: the model.
        logits: of the four types, float (N, 4), as `logits_of_cells` or `logits_of_predictions` gives them.
        labels: the type of each cell, of `CELL_TYPES`.
        photos: what tells which cells are of one photo, of each cell.

    Raises:
        TuneError: if there are fewer than `LEAST` of a type.
        ValueError: for another type, or as many labels as there are not cells.
    """
    if strangers := set(labels) - set(CELL_TYPES):
        raise ValueError(f"unknown cell type {min(strangers)!r}: valid are {', '.join(CELL_TYPES)}")
    if len(labels) != len(logits):
        raise ValueError(f"{len(logits)} cells need as many labels, not {len(labels)}")
    cells = {name: list(labels).count(name) for name in CELL_TYPES}
    if few := [name for name, count in cells.items() if count < LEAST]:
        of_each = ", ".join(f"{name} {count}" for name, count in cells.items())
        raise TuneError(f"too few cells of {', '.join(few)}: at least {LEAST} of each type are needed ({of_each})")
    types = np.array([CELL_TYPES.index(label) for label in labels])
    temperature, answers = classifier.spec.temperature, np.empty(len(types), int)
    parts = parts_of(types, photos)
    for part in range(parts.max() + 1):
        offsets = fit_offsets(logits[parts != part], types[parts != part], temperature)
        answers[parts == part] = (logits[parts == part] + offsets).argmax(axis=1)
    now = logits + np.array(classifier.spec.offsets or 0.0)
    return Tuning(
        tuple(round(float(offset), 3) for offset in fit_offsets(logits, types, temperature)),
        cells,
        balanced_accuracy(now.argmax(axis=1), types),
        balanced_accuracy(answers, types),
    )


def logits_of_cells(classifier: Classifier, framed: Sequence[Framed]) -> np.ndarray:
    """Of cells that were framed, float64 (N, 4): those of the types, as if the model had no offsets."""
    plain = replace(classifier.spec, offsets=())
    logits = [np.empty((0, len(CELL_TYPES)))]
    for start in range(0, len(framed), BATCH):
        batch = framed[start : start + BATCH]
        given = classifier.logits(np.stack([cell.crop for cell in batch]))
        logits.append(classifier.weighed(given, batch, plain)[:, : len(CELL_TYPES)])
    return np.concatenate(logits)


def logits_of_predictions(classifier: Classifier, predictions: Sequence[Prediction]) -> np.ndarray:
    """The same of cells that this model answered.

    What all types of a cell have in common is missing: probabilities do not tell it, and offsets do not need it.
    """
    shares = np.array([[p.probabilities[name] for name in CELL_TYPES] for p in predictions])
    weighed = np.log(shares.reshape(-1, len(CELL_TYPES)).clip(NEVER)) * classifier.spec.temperature
    logits: np.ndarray = weighed - np.array(classifier.spec.offsets or 0.0)
    return logits


def fit_offsets(logits: np.ndarray, types: np.ndarray, temperature: float) -> np.ndarray:
    """The most probable offsets: those of the lowest log loss, each type counting the same.

    A prior, normal with the deviation `LEANING`, draws them towards 0.

    Args:
        logits: of the four types, float (N, 4).
        types: the right ones, int (N,). Of one that is not among them nothing is learned.
        temperature: divides the logits before the softmax.

    Returns:
        float64 (4,), with the mean 0.
    """
    counts = np.bincount(types, minlength=len(CELL_TYPES))
    there = counts > 0
    if not there.any():
        return np.zeros(len(CELL_TYPES))
    # A smear has many cells of one type and few of another, which is no reason to lean towards the former. The
    # harmonic mean: what is known of the difference between two types hangs on the one that has fewer cells.
    total = min(there.sum() / (1 / counts[there]).sum(), MOST_WEIGHT * counts[there].min())
    weights = (total / np.maximum(counts, 1))[types][:, None]
    true, offsets = np.eye(len(CELL_TYPES))[types], np.zeros(len(CELL_TYPES))
    for _ in range(STEPS):
        shares = probabilities(np.where(there, logits + offsets, -np.inf), temperature)
        gradient = (weights * (shares - true)).sum(axis=0) / temperature + offsets / LEANING**2
        spread = np.diag((weights * shares).sum(axis=0)) - (weights * shares).T @ shares
        step = np.linalg.solve(spread / temperature**2 + np.eye(len(CELL_TYPES)) / LEANING**2, gradient)
        offsets = offsets - step.clip(-1, 1)  # far from the end a whole step may go too far
        if np.abs(step).max() < NEAR:
            break
    centred: np.ndarray = offsets - offsets.mean()
    return centred


def parts_of(types: np.ndarray, photos: Sequence[object]) -> np.ndarray:
    """Which part each cell is in, int (N,): cells of a photo in the same, those of a type spread over `PARTS` at most.

    Args:
        types: of the cells, int (N,).
        photos: what tells which cells are of one photo, of each cell.
    """
    order = np.argsort(types, kind="stable")
    place = {photo: i for i, photo in enumerate(dict.fromkeys(photos[i] for i in order))}
    return np.array([place[photo] % min(PARTS, len(place)) for photo in photos])


def balanced_accuracy(answers: np.ndarray, types: np.ndarray) -> float:
    """Mean over the types that are there of the share of right answers, 0-1: int (N,) and int (N,)."""
    return float(np.mean([(answers[types == each] == each).mean() for each in np.unique(types)]))


def write_tuned(classifier: Classifier, found: Tuning, lab: str, folder: Path) -> None:
    """Write a checkpoint: the model with a lab's offsets. Its metrics and card stay behind: they are not of it.

    Args:
        classifier: the model.
        found: of the lab's cells.
        lab: what the lab is called.
        folder: new, empty or an older checkpoint.

    Raises:
        CheckpointError: if the folder holds something else, or the model's own does not hold all that it should.
    """
    told = {"lab": lab, "cells": found.cells, "before": round(found.before, 4), "after": round(found.after, 4)}
    spec = replace(
        classifier.spec,
        offsets=found.offsets,
        trained=classifier.spec.trained | {"tuned": told},
        format_version=FORMAT_VERSION,
    )
    if not (classifier.folder / GOLDEN_PICTURE).is_file():
        raise CheckpointError(f"{classifier.folder / GOLDEN_PICTURE} is missing")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as workshop:
        fresh = Path(workshop) / "checkpoint"
        fresh.mkdir()
        for name in (*spec.files, GOLDEN_PICTURE):
            shutil.copyfile(classifier.folder / name, fresh / name)
        write_spec(fresh, spec)
        Classifier.from_pretrained(fresh).record_golden()
        replace_checkpoint(fresh, folder)
