"""Scores as figures: confusion, report, reliability and the curves of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from training.scoring.answers import NO_CELL, Answers
from training.scoring.scores import BINS, calibration_bins


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
    ax.set_yticks(
        range(len(CELL_TYPES)), [f"{name} (n = {score['per_class'][name]['support']:,})" for name in CELL_TYPES]
    )
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
