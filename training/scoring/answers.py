"""What a checkpoint answers to the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.classifier import Framed
from training.data.table import (
    labels_of,
    pictures,
)

NO_CELL = len(CELL_TYPES)  # column of the confusion matrix for pictures in which no white cell was found


@dataclass(frozen=True)
class Answers:
    """What was answered, one row a picture (or a photo).

    labels: true types, int (N,). predicted: types given, int (N,), 4 where no white cell was found.
    confidence: of the type given, float (N,), 0-1. confident: bool (N,), whether that was the verdict.
    unfamiliarity: float (N,), 0-1. slides: slide of each picture, or field (N,). photos: its photo (N,).
    doubtful: bool (N,), whether its label is doubtful.
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    confident: np.ndarray
    unfamiliarity: np.ndarray
    slides: np.ndarray
    photos: np.ndarray
    doubtful: np.ndarray

    def where(self, keep: np.ndarray) -> Answers:
        """The rows of a boolean mask (N,)."""
        return Answers(*(getattr(self, f.name)[keep] for f in fields(self)))


def ask(classifier, examples) -> Answers:
    """Ask the classifier about every row of the table, with a progress bar."""
    from tqdm import tqdm

    predictions = tqdm(
        classifier.predict_batch(pictures(examples)), "evaluating", len(examples), unit=" pictures", leave=False
    )
    given = [
        (
            NO_CELL if p.label is None else CELL_TYPES.index(p.label),
            p.confidence,
            p.verdict == "confident",
            # Where nothing is found nothing is taken for a cell of the four types.
            1.0 if p.label is None else p.unfamiliarity,
        )
        for p in predictions
    ]
    slide, photo, doubt = (np.asarray(examples[c]) for c in ("slide", "photo", "doubt"))
    return Answers(labels_of(examples), *map(np.array, zip(*given, strict=True)), slide, photo, doubt != "")


def graph_output(classifier, examples, output: str, what: str) -> tuple[np.ndarray, list[Framed], np.ndarray]:
    """What the graph itself gives for the most prominent cell of every row, with a progress bar.

    Args:
        classifier: the model.
        examples: the rows.
        output: of the graph, such as "logits".
        what: stands before the bar.

    Returns:
        The output (M, ...); the cells as they were framed, M; and which rows they are of, int (M,): those in which a
        white cell was found.
    """
    from tqdm import tqdm

    asked = [classifier.principal(picture) for picture in tqdm(pictures(examples), what, len(examples))]
    seen = np.array([i for i, cell in enumerate(asked) if isinstance(cell, Framed)], int)
    framed = [asked[i] for i in seen]
    crops = [cell.crop for cell in framed]
    parts = [classifier.run(np.stack(crops[i : i + 64]), [output])[0] for i in range(0, len(crops), 64)]
    return np.concatenate(parts), framed, seen


def by_photo(answers: Answers) -> Answers:
    """One answer a photo: the type that most of its copies were given, of equals the more confident.

    The confidence is the mean over the copies that were given this type; a photo counts as confident if most of all its
    copies do.
    """
    photos, first, index = np.unique(answers.photos, return_index=True, return_inverse=True)
    votes = np.zeros((len(photos), NO_CELL + 1))
    trust = np.zeros_like(votes)
    np.add.at(votes, (index, answers.predicted), 1)
    np.add.at(trust, (index, answers.predicted), answers.confidence)
    trust /= np.maximum(votes, 1)
    copies = np.bincount(index)
    sure, strange = (np.bincount(index, weights) / copies for weights in (answers.confident, answers.unfamiliarity))
    winner = (votes + trust / 2).argmax(axis=1)  # confidence stays below a vote: it only parts equals
    alike = answers.where(first)
    confidence = trust[np.arange(len(photos)), winner]
    return replace(alike, predicted=winner, confidence=confidence, confident=sure > 0.5, unfamiliarity=strange)
