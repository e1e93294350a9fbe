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
import os
import sys
from pathlib import Path

from leukoscope.biology.cells import CELLS, HOW_MANY
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import FIGURES_FOLDER, HISTORY_FILE, METRICS_FILE
from training.data.table import (
    KINDS,
    DataError,
    add_data_arguments,
    examples_of,
    where,
)
from training.scoring.answers import ask
from training.scoring.figures import draw_figures
from training.scoring.metrics import record
from training.scoring.scores import results


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
        f"  {kind} against the {HOW_MANY} types: AUROC of unfamiliarity {row['auroc']:.4f}, n {row['n']}"
        for kind, row in result["unfamiliarity"].items()
    ]
    missed = result["photos_missed"]
    lines.append(f"  photos missed ({len(missed)}): {', '.join(missed[:20]) or 'none'}{' ...' if missed[20:] else ''}")
    return "\n".join(lines)


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
    from training.fitting.run_folder import kept_epoch, read_history

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
