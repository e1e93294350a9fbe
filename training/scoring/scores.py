"""Answers -> accuracy, F1, calibration and unfamiliarity, with intervals over slides."""

from __future__ import annotations

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from training.data.sources import LABELS
from training.scoring.answers import NO_CELL, Answers, by_photo

BINS = 15
RESAMPLES = 2000


def scores(answers: Answers) -> dict:
    """Every number for one set of answers.

    Returns:
        n, slides, accuracy, macro_f1, balanced_accuracy (mean recall), their intervals, expected_calibration_error,
        confident (share of the answers with this verdict, how many of these are right, and the interval of that),
        no_cell_found, per_class (precision, recall, f1, support) and confusion (rows: truth; columns: the four types,
        then no cell).
    """
    per_slide, sure = _counts_per_slide(answers)
    confusion = per_slide.sum(axis=0)
    accuracy, precision, recall, f1 = _rates(confusion[None])
    draws = np.random.default_rng(0).multinomial(len(per_slide), np.full(len(per_slide), 1 / len(per_slide)), RESAMPLES)
    resampled = np.tensordot(draws, per_slide, axes=1)
    boot_accuracy, _, boot_recall, boot_f1 = _rates(resampled)
    support = confusion.sum(axis=1)
    # A type that a resample happens not to draw has no F1 or recall there: the mean is over those it has.
    present = resampled.sum(axis=2) > 0
    boot_macro, boot_balanced = ((v * present).sum(axis=1) / present.sum(axis=1) for v in (boot_f1, boot_recall))
    boot_sure = draws @ sure
    boot_sure = boot_sure[boot_sure[:, 0] > 0]
    return {
        "n": len(answers.labels),
        "slides": len(per_slide),
        "accuracy": float(accuracy[0]),
        "accuracy_95": _interval(boot_accuracy),
        "macro_f1": float(f1[0][support > 0].mean()),
        "macro_f1_95": _interval(boot_macro),
        "balanced_accuracy": float(recall[0][support > 0].mean()),
        "balanced_accuracy_95": _interval(boot_balanced),
        "expected_calibration_error": calibration_error(answers),
        "confident": {
            "share": float(answers.confident.mean()),
            "accuracy": float(sure[:, 1].sum() / max(1, sure[:, 0].sum())),
            "accuracy_95": _interval(boot_sure[:, 1] / boot_sure[:, 0]) if len(boot_sure) else [0.0, 0.0],
        },
        "no_cell_found": int(confusion[:, NO_CELL].sum()),
        "per_class": {
            name: {
                "precision": float(precision[0][i]),
                "recall": float(recall[0][i]),
                "f1": float(f1[0][i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(CELL_TYPES)
        },
        "confusion": confusion.tolist(),
    }


def _counts_per_slide(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Confusion, int (slides, 4, 5); how many answers are `confident`, and how many of these right, int (slides, 2)."""
    _, index = np.unique(answers.slides, return_inverse=True)
    counts = np.zeros((index.max() + 1, len(CELL_TYPES), len(CELL_TYPES) + 1), np.int64)
    np.add.at(counts, (index, answers.labels, answers.predicted), 1)
    right = answers.confident & (answers.predicted == answers.labels)
    sure = [np.bincount(index[chosen], minlength=len(counts)) for chosen in (answers.confident, right)]
    return counts, np.stack(sure, axis=1)


def _rates(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy (B,), and precision, recall and F1 (B, 4), of confusion matrices (B, 4, 5); 0 where undefined."""
    hits = np.diagonal(confusion[:, :, :NO_CELL], axis1=1, axis2=2)
    given, true = confusion[:, :, :NO_CELL].sum(axis=1), confusion.sum(axis=2)
    accuracy = hits.sum(axis=1) / true.sum(axis=1)
    return accuracy, hits / np.maximum(given, 1), hits / np.maximum(true, 1), 2 * hits / np.maximum(given + true, 1)


def _interval(values: np.ndarray) -> list[float]:
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def calibration_bins(answers: Answers) -> list[tuple[int, float, float]]:
    """(count, mean confidence, accuracy) in each of 15 bins of equal width over 0-1; zeros for an empty bin."""
    right = answers.predicted == answers.labels
    index = np.minimum((answers.confidence * BINS).astype(int), BINS - 1)
    bins = []
    for i in range(BINS):
        here = index == i
        count = int(here.sum())
        bins.append(
            (count, float(answers.confidence[here].mean()), float(right[here].mean())) if count else (0, 0.0, 0.0)
        )
    return bins


def calibration_error(answers: Answers) -> float:
    """Expected calibration error (Naeini et al. 2015): mean gap of confidence and accuracy, weighted by bin count."""
    bins = calibration_bins(answers)
    return sum(count * abs(confidence - accuracy) for count, confidence, accuracy in bins) / len(answers.labels)


def unfamiliarity_aurocs(answers: Answers) -> dict[str, dict]:
    """How well unfamiliarity tells each other kind of cell from the four types: {kind: {auroc, n}}."""
    from sklearn.metrics import roc_auc_score

    known = answers.labels < len(CELL_TYPES)
    aurocs = {}
    for label in np.unique(answers.labels[~known]):
        here = answers.labels == label
        score = roc_auc_score(here[known | here], answers.unfamiliarity[known | here])
        aurocs[LABELS[label]] = {"auroc": float(score), "n": int(here.sum())}
    return aurocs


def results(answers: Answers) -> dict:
    """The numbers as they stand in metrics.json: images and photos, each with and without doubtful labels."""
    images = answers.where(answers.labels < len(CELL_TYPES))
    photos = by_photo(images)
    return {
        **{
            level: {"all": scores(answers), "without_doubtful": scores(answers.where(~answers.doubtful))}
            for level, answers in (("images", images), ("photos", photos))
        },
        "unfamiliarity": unfamiliarity_aurocs(answers),
        "doubtful_photos": photos.photos[photos.doubtful].tolist(),
        "photos_missed": photos.photos[photos.predicted != photos.labels].tolist(),
    }
