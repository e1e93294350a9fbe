"""How much the width of a nucleus should say: what weights and middles give on cells that no model trained on.

    python -m training.compare --variants default         # first, the models (hours)
    python -m training.sizes                              # -> training/results/sizes.json and sizes.md

The network is shown every nucleus equally wide; how wide it is in red cells is added to what it says of lymphocyte and
monocyte (`leukoscope.calibration.SizeEvidence`). Nothing is trained here: what the models of `training.compare` say of
the photos held out from each is kept, and the evidence added in many ways. What counts is the mean of four: photos and
copies of the TRAIN folds, and the two labs never seen; where it hardly changes the recipe takes the smaller weight.
TEST has no part in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from leukoscope.calibration import SizeEvidence
from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import write_json
from leukoscope.classifier import BATCH, Classifier
from leukoscope.errors import LeukoscopeError
from training.audit import trained
from training.compare import FOLDS, RESULTS, TRIALS, UNSEEN, checkpoint_folder, copies_of, held_out
from training.config import CONFIGS, ConfigError, read_config
from training.data import add_data_arguments, labels_of, load_examples, only_cell_types, pictures
from training.sources import DataError
from training.train import size_evidence_of

WEIGHTS = (0.0, 2.0, 4.0, 6.0, 8.0)
MIDDLES = (1.5, 1.6, 1.7, 1.8, 1.9)  # red cell widths
COLUMNS = ("folds", "copies", *UNSEEN)
NAMES = dict(zip(COLUMNS, ("TRAIN folds", "copies", "PBC never seen", "Kaggle never seen"), strict=True))


def said(classifier: Classifier, examples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network says of each row, before any evidence of size.

    Returns:
        logits of the four types (N, 4), nan where no cell was found; widths (N,); labels (N,).
    """
    from tqdm import tqdm

    found = [classifier.framed(picture, first=True) for picture in tqdm(pictures(examples), total=len(examples))]
    cells = [cells[0] for cells in found if cells]
    parts = [classifier.logits(np.stack([c.crop for c in cells[i : i + BATCH]])) for i in range(0, len(cells), BATCH)]
    logits = np.full((len(found), len(CELL_TYPES)), np.nan)
    widths = np.zeros(len(found))
    seen = np.array([bool(cells) for cells in found])
    logits[seen] = np.concatenate(parts)[:, : len(CELL_TYPES)]
    widths[seen] = [cell.width for cell in cells]
    return logits, widths, labels_of(examples)


def right(evidence: SizeEvidence, logits: np.ndarray, widths: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each row is answered rightly, bool (N,)."""
    answers = evidence.added(logits, widths).argmax(axis=1)
    right: np.ndarray = (answers == labels) & ~np.isnan(logits[:, 0])
    return right


def grid(folds: list, copies: list, unseen: dict[str, tuple]) -> Iterator[dict[str, float]]:
    """A row for each weight and middle: accuracy on the folds and their copies, balanced accuracy on labs never seen.

    Args:
        folds, copies: what `said` gave for each fold.
        unseen: the same by trial.
    """
    for weight, even in product(WEIGHTS, MIDDLES):
        if not weight and even != MIDDLES[0]:
            continue  # without weight all middles are the same
        evidence = SizeEvidence(weight, even)
        row = {"weight": weight, "even": even}
        for column, parts in (("folds", folds), ("copies", copies)):
            row[column] = float(np.mean([right(evidence, *part).mean() for part in parts]))
        for trial, part in unseen.items():
            hits, labels = right(evidence, *part), part[2]
            row[trial] = float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))
        yield row | {"mean": float(np.mean([row[column] for column in COLUMNS]))}


def markdown(rows: list[dict[str, float]], chosen: SizeEvidence) -> Iterator[str]:
    """The table to read."""
    best = max(rows, key=lambda row: row["mean"])
    yield "# What the width of a nucleus adds\n"
    yield "Written by `python -m training.sizes`. Accuracy on the folds and their copies, mean of the folds; balanced"
    yield "accuracy on labs never seen. `weight` 0: the network alone. `even`: the width, in red cells, that speaks for"
    yield f"neither. Best mean: weight {best['weight']:g}, even {best['even']:g}. The recipe: weight {chosen.weight:g},"
    yield f"even {chosen.even:g}.\n"
    yield f"| weight | even | {' | '.join(NAMES.values())} | mean |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        even = f"{row['even']:g}" if row["weight"] else "–"
        values = " | ".join(f"{row[column]:.3f}" for column in (*COLUMNS, "mean"))
        yield f"| {row['weight']:g} | {even} | {values} |"


def measured(examples, runs: Path) -> list[dict[str, float]]:
    """The grid, from the trials of the default recipe."""
    configs = trained(runs, "default", TRIALS, examples)
    parts: dict[str, Any] = {}
    copies = []
    for trial, config in configs.items():
        photos = only_cell_types(held_out(trial, config, examples))
        classifier = Classifier.from_pretrained(checkpoint_folder(runs, "default", trial))
        parts[trial] = said(classifier, photos)
        if trial in FOLDS:
            copies.append(said(classifier, copies_of(photos, examples)))
    return list(grid([parts[fold] for fold in FOLDS], copies, {trial: parts[trial] for trial in UNSEEN}))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.sizes", description="Try how much the width of a nucleus should say."
    )
    add_data_arguments(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs/compare"), help="run folders; default runs/compare")
    args = parser.parse_args(argv)
    try:
        rows = measured(load_examples(args.data, pbc=args.pbc), args.runs)
    except (ConfigError, DataError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = size_evidence_of(read_config(CONFIGS / "default.toml"))
    lines = "\n".join(markdown(rows, chosen))
    write_json(RESULTS / "sizes.json", {"rows": rows})
    (RESULTS / "sizes.md").write_text(lines + "\n")
    print(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
