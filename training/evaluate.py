"""Score a checkpoint on pictures that it was not trained on, as the apps would answer them.

    python -m training.evaluate CHECKPOINT                      # TEST of the Kaggle set, 2,487 images as published
    python -m training.evaluate CHECKPOINT --kind photo         # the 71 photos they were made from
    python -m training.evaluate CHECKPOINT --lab barcelona      # the quarter of $PBC_DIR that is held out
    python -m training.evaluate CHECKPOINT --lab raabin         # likewise of any lab of $LABS_DIR, by slides if known
    python -m training.evaluate CHECKPOINT --lab lisc           # all of it: nothing is trained on it
    python -m training.evaluate CHECKPOINT --lab barcelona --split all    # where the lab was not trained on

Adds the result to CHECKPOINT/metrics.json and draws CHECKPOINT/figures/<result>/. Every number stands there for
all pictures and without those of doubtful label, for images and for the photos they are copies of. Intervals are
95 % confidence intervals (percentiles) of a bootstrap that draws whole slides, or fields where no slide is known:
copies, overlapping photos and cells of one smear are no new evidence.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES, CELLS
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import FIGURES_FOLDER, HISTORY_FILE, METRICS_FILE, ONNX_FILE, sha256, write_json
from training.data.sources import LABELS
from training.data.table import (
    KINDS,
    DataError,
    add_data_arguments,
    examples_of,
    labels_of,
    pictures,
    where,
)

NO_CELL = len(CELL_TYPES)  # column of the confusion matrix for pictures in which no white cell was found
BINS = 15
RESAMPLES = 2000


# --- numbers ---------------------------------------------------------------------------------------------


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


def graph_output(classifier, examples, output: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    """What the graph itself gives for the most prominent cell of every row, with a progress bar.

    Args:
        classifier: the model.
        examples: the rows.
        output: of the graph, such as "logits".
        what: stands before the bar.

    Returns:
        The output (M, ...), and which rows it is of, int (M,): those in which a white cell was found.
    """
    from tqdm import tqdm

    from leukoscope.classifier import Framed

    framed = [classifier.principal(picture) for picture in tqdm(pictures(examples), what, len(examples))]
    seen = np.array([i for i, cell in enumerate(framed) if isinstance(cell, Framed)], int)
    crops = [framed[i].crop for i in seen]
    parts = [classifier.run(np.stack(crops[i : i + 64]), [output])[0] for i in range(0, len(crops), 64)]
    return np.concatenate(parts), seen


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


# --- pictures --------------------------------------------------------------------------------------------


def draw_figures(folder: Path, result: dict, answers: Answers, history: list[dict], kept: int = 0) -> None:
    """Write confusion.png, report.png, reliability.png and, where a history is given, curves.png."""
    import matplotlib

    matplotlib.use("Agg")
    images = answers.where(answers.labels < len(CELL_TYPES))
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "confusion": _confusion_figure(result["images"]["all"]),
        "report": _report_figure(result["images"]["all"]),
        "reliability": _reliability_figure(calibration_bins(images), result["images"]["all"]),
    }
    if history:
        figures["curves"] = _curves_figure(history, kept)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})


def _new_figure(width: float, height: float, columns: int = 1):
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _confusion_figure(score: dict):
    counts = np.array(score["confusion"])
    if not counts[:, NO_CELL].any():
        counts = counts[:, :NO_CELL]
    columns = [*CELL_TYPES, "no cell"][: counts.shape[1]]
    figure, axes = _new_figure(11, 4.8, 2)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for ax, values, title, form in (
        (axes[0], counts, "images", "{:,}"),
        (axes[1], shares, "share of each true type", "{:.1%}"),
    ):
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(values):
            dark = shares[row, column] > 0.5
            ax.text(column, row, form.format(value), ha="center", va="center", color="white" if dark else "black")
        ax.set_xticks(range(len(columns)), columns, rotation=20)
        ax.set_yticks(range(len(CELL_TYPES)), CELL_TYPES)
        ax.set(xlabel="predicted", ylabel="true", title=title)
    figure.suptitle(f"Confusion matrix: accuracy {score['accuracy']:.2%}, macro-F1 {score['macro_f1']:.3f}")
    return figure


def _report_figure(score: dict):
    figure, ax = _new_figure(7.5, 3.4)
    columns = ("precision", "recall", "f1")
    values = np.array([[score["per_class"][name][c] for c in columns] for name in CELL_TYPES])
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        ax.text(column, row, f"{value:.3f}", ha="center", va="center", color="white" if value > 0.5 else "black")
    ax.set_xticks(range(3), ["precision", "recall", "F1"])
    ax.set_yticks(range(4), [f"{name} (n = {score['per_class'][name]['support']:,})" for name in CELL_TYPES])
    ax.set_title("Classification report")
    return figure


def _reliability_figure(bins: list[tuple[int, float, float]], score: dict):
    figure, ax = _new_figure(5.2, 5)
    ax.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="perfect")
    total = sum(count for count, _, _ in bins)
    for count, confidence, accuracy in bins:
        if count:
            ax.scatter(confidence, accuracy, s=20 + 400 * count / total, color="#0072B2", alpha=0.75, zorder=2)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="mean confidence", ylabel="accuracy")
    ax.set_title(
        f"Reliability, {BINS} bins: expected calibration error {score['expected_calibration_error']:.3f}", fontsize=10
    )
    ax.text(0.03, 0.94, "area of a disc: share of the images", fontsize=9)
    return figure


def _curves_figure(history: list[dict], kept: int):
    figure, axes = _new_figure(11, 4, 2)
    epochs = [row["epoch"] for row in history]
    for ax, key in zip(axes, ("accuracy", "loss"), strict=True):
        ax.plot(epochs, [row[key] for row in history], color="#0072B2", label="training (augmented)")
        held_out = [row[f"val_{key}"] for row in history]
        if not np.isnan(held_out).all():
            ax.plot(epochs, held_out, color="#D55E00", label="validation (fields held out)")
        ax.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
        ax.set(xlabel="epoch", ylabel=key, title=key.capitalize())
        ax.legend()
    return figure


# --- command ---------------------------------------------------------------------------------------------


def report(name: str, result: dict) -> str:
    """The result as lines to read."""
    lines = [name]
    for level in ("images", "photos"):
        for subset in ("all", "without_doubtful"):
            s = result[level][subset]
            (a0, a1), (f0, f1) = s["accuracy_95"], s["macro_f1_95"]
            lines.append(
                f"  {level:<7}{subset.replace('_', ' '):<18}n {s['n']:>6,}"
                f"   accuracy {s['accuracy']:.4f} [{a0:.3f}-{a1:.3f}]"
                f"   macro-F1 {s['macro_f1']:.4f} [{f0:.3f}-{f1:.3f}]"
                f"   ECE {s['expected_calibration_error']:.3f}"
                f"   confident {s['confident']['share']:.3f}, right {s['confident']['accuracy']:.4f}"
            )
    s = result["images"]["all"]
    (b0, b1), (c0, c1) = s["balanced_accuracy_95"], s["confident"]["accuracy_95"]
    lines.append(
        f"  balanced accuracy {s['balanced_accuracy']:.4f} [{b0:.3f}-{b1:.3f}]   confident right [{c0:.3f}-{c1:.3f}]"
        f"   no cell found in {s['no_cell_found']} of {s['n']:,}; intervals over {s['slides']:,} slides or fields"
    )
    for cell, row in result["images"]["all"]["per_class"].items():
        lines.append(
            f"  {CELLS[cell].name:<13}precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
            f"F1 {row['f1']:.3f}  n {row['support']:,}"
        )
    lines += [
        f"  {kind} against the four types: AUROC of unfamiliarity {row['auroc']:.4f}, n {row['n']}"
        for kind, row in result["unfamiliarity"].items()
    ]
    missed = result["photos_missed"]
    lines.append(f"  photos missed ({len(missed)}): {', '.join(missed[:20]) or 'none'}{' ...' if missed[20:] else ''}")
    return "\n".join(lines)


def record(folder: Path, name: str, result: dict) -> None:
    """Put a result into metrics.json; results of other weights that stand there are dropped."""
    path = folder / METRICS_FILE
    weights = sha256(folder / ONNX_FILE)
    metrics = json.loads(path.read_text()) if path.exists() else {}
    if metrics.get("model_sha256") != weights:
        metrics = {"model_sha256": weights, "results": {}}
    metrics["results"][name] = result
    write_json(path, metrics)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description="Score a checkpoint; adds to its metrics.json and figures."
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder, such as leukoscope/pretrained")
    add_data_arguments(parser)
    parser.add_argument("--lab", default="bccd", help="lab to score: bccd (Kaggle), barcelona (PBC), raabin, lisc, ...")
    parser.add_argument("--split", default="test", help="split to score; 'all' for a lab that was not trained on")
    parser.add_argument("--kind", choices=KINDS, help="default: copy where the lab has copies, else photo")
    args = parser.parse_args(argv)
    from leukoscope.classifier import Classifier
    from training.train import kept_epoch, read_history

    try:
        classifier = Classifier.from_pretrained(args.checkpoint)
        examples = where(examples_of(args), lab=args.lab)
        if not len(examples):
            raise DataError(f"the data has no pictures of lab {args.lab!r}: is --pbc or --labs missing?")
        if args.lab in classifier.spec.trained.get("labs", ()) and args.split != "test":
            raise DataError(f"this checkpoint was trained on lab {args.lab!r}: only its split 'test' was held out")
        if args.split != "all":
            examples = where(examples, split=args.split)
        kind = args.kind or ("copy" if "copy" in set(examples["kind"]) else "photo")
        examples = where(examples, kind=kind)
        if not len(examples):
            raise DataError(f"lab {args.lab!r} has no pictures of split {args.split!r} and kind {kind!r}")
    except (CheckpointError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    name = f"{args.lab}-{args.split}-{kind}"
    answers = ask(classifier, examples)
    result = results(answers)
    record(args.checkpoint, name, result)
    history = read_history(args.checkpoint) if (args.checkpoint / HISTORY_FILE).exists() else []
    kept = kept_epoch(history, classifier.spec.trained["config"]["fit"]["patience"]) if history else 0
    draw_figures(args.checkpoint / FIGURES_FOLDER / name, result, answers, history, kept)
    print(report(name, result))
    print(f"-> {args.checkpoint / METRICS_FILE}, {args.checkpoint / FIGURES_FOLDER / name}{os.sep}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
