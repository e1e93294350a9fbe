"""Which labels look wrong: a ranked table, from models that did not train on the photos they answer.

    python -m training.studies.compare --variants default --trials folds without-bccd    # first, the models (hours)
    python -m training.studies.audit                               # -> training/results/audit.csv and audit.md
    python -m training.studies.audit --draw sheet.png --top 24     # the first of the table, from your own data

Nothing is trained here. Each photo is answered by the checkpoint of the fold that held it out; TEST photos, and TRAIN
photos that overlap them, were in no fold's training and get the mean of all. cleanlab (Northcutt et al. 2021) finds
and ranks the labels that these answers contradict, on TRAIN alone. The model that never saw the lab is the independent
voice. Photos of one field with different labels are compared: some show one and the same cell.

A TRAIN label is doubted by the rule in `findings.RULE`; with `drop_doubted = true` in its [data] a recipe leaves these
photos out of training. TEST photos stand in the table for information: none is doubted, dropped or relabelled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import LeukoscopeError
from leukoscope.smear.locate import Cell
from training.data.sources import AUDIT_FILE, DataError
from training.data.table import add_data_arguments, examples_of, labels_of, only_cell_types, pictures, where
from training.recipe.config import Config, ConfigError, read_config
from training.studies.compare import FOLDS, UNSEEN, add_runs_argument, checkpoint_folder, run_folder, variants
from training.studies.findings import Finding, draw, read, write

INDEPENDENT = {lab: trial for trial, lab in UNSEEN.items()}


# --- the voices ------------------------------------------------------------------------------------------


def trained(runs: Path, variant: str, trials: Iterable[str], examples) -> dict[str, Config]:
    """The settings of each trial, as it was trained.

    Raises:
        DataError: naming the command that makes what is missing, or the run that was trained on other data.
    """
    from training.fitting.run_folder import changes_since

    missing = [
        trial
        for trial in trials
        if not (run_folder(runs, variant, trial) / "run.json").exists()
        or not checkpoint_folder(runs, variant, trial).is_dir()
    ]
    if missing:
        raise DataError(
            f"{runs} lacks the run or the checkpoint of {variant}: {', '.join(missing)}\nthis makes them: "
            f"python -m training.studies.compare --variants {variant} --trials {' '.join(missing)} "
            f"--runs {runs} --again"
        )
    configs = {}
    for trial in trials:
        folder = run_folder(runs, variant, trial)
        configs[trial] = read_config(folder / "config.toml")
        if changed := changes_since(folder, configs[trial], examples):
            raise DataError(
                f"{folder} was trained with another {' and '.join(changed)}, so what it held out cannot be told: "
                "give the same --data, --pbc and --labs as for training.studies.compare"
            )
    return configs


def unseen_rows(configs: dict[str, Config], examples, rows) -> dict[str, np.ndarray]:
    """Trial -> indices into `rows` of the photos whose slide it was not trained on; whose field, if no slide is known.

    Raises:
        DataError: if a photo was trained on by all of them.
    """
    from training.fitting.examples import training_rows

    unseen = {}
    for trial, config in configs.items():
        taught = set(training_rows(config, examples)[0]["slide"])
        unseen[trial] = np.array([i for i, slide in enumerate(rows["slide"]) if slide not in taught], int)
    answered = np.unique(np.concatenate(list(unseen.values())))
    if len(answered) < len(rows):
        photo = rows["photo"][int(np.setdiff1d(np.arange(len(rows)), answered)[0])]
        raise DataError(f"photo {photo} was held out by none of {', '.join(configs)}")
    return unseen


def ask_all(runs: Path, variant: str, lab: str, examples, rows):
    """Ask every fold about the photos that it was not trained on, and the other lab's model about all.

    Args:
        examples: the table that the trials were trained from.
        rows: those of them that are audited, of one lab.

    Returns:
        Out-of-fold probabilities (N, 4), bool (N,) whether a cell was found, and the independent predictions, N.
    """
    from tqdm import tqdm

    from leukoscope.classifier import Classifier

    independent = INDEPENDENT[lab]
    configs = trained(runs, variant, (*FOLDS, independent), examples)
    if lab in configs.pop(independent).data.labs:
        raise DataError(f"{run_folder(runs, variant, independent)} was trained on lab {lab!r}: it is no other voice")
    unseen = unseen_rows(configs, examples, rows) | {independent: np.arange(len(rows))}
    totals, found = np.zeros((len(rows), len(CELL_TYPES))), np.zeros(len(rows), bool)
    with tqdm(total=sum(map(len, unseen.values())), desc="asking", unit=" photos", leave=False) as bar:
        for trial, indices in unseen.items():
            bar.set_postfix_str(trial)
            classifier = Classifier.from_pretrained(checkpoint_folder(runs, variant, trial))
            answers = []
            for prediction in classifier.predict_batch(pictures(rows.select(indices))):
                answers.append(prediction)
                bar.update()
            if trial == independent:
                return totals / totals.sum(axis=1, keepdims=True), found, answers
            for i, prediction in zip(indices, answers, strict=True):
                totals[i] += [prediction.probabilities[name] for name in CELL_TYPES]
                found[i] |= prediction.label is not None


# --- the judgement ---------------------------------------------------------------------------------------


def issues(labels: np.ndarray, probabilities: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """cleanlab's quality of each label, float (N,) 0-1, and whether it is an issue, bool (N,).

    What is an issue in TRAIN follows from TRAIN alone; TEST is judged among all.

    Args:
        labels: given types, int (N,).
        probabilities: out-of-fold, (N, 4).
        train: bool (N,).
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    # The margin asks whether another of the four types fits better; self-confidence would rank odd cells as well.
    quality = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    flagged = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
    flagged[train] = find_label_issues(labels[train], probabilities[train], filter_by="confident_learning", n_jobs=1)
    return quality, flagged


def contradictions(rows, locate: Callable[[np.ndarray], list[Cell]]) -> list[tuple[int, int, bool]]:
    """Pairs of rows of one field with different labels, and whether both photos show the same cell; `locate` gives the
    cells of a photo."""
    from training.data.overlap import same_cell

    by_field: dict[str, list[int]] = {}
    for i, field in enumerate(rows["field"]):
        by_field.setdefault(field, []).append(i)
    labels = labels_of(rows)
    pairs = [
        pair for members in by_field.values() for pair in combinations(members, 2) if labels[pair[0]] != labels[pair[1]]
    ]
    return [(i, j, same_cell(*pictures(rows.select([i, j])), locate)) for i, j in pairs]


def judge(rows, probabilities: np.ndarray, found: np.ndarray, independent: list, pairs) -> list[Finding]:
    """The table of one lab, the most doubtful label first.

    Args:
        rows: N photos of the four types.
        probabilities, found, independent: as `ask_all` gives them.
        pairs: as `contradictions` gives them.
    """
    labels, photos = labels_of(rows), rows["photo"]
    train = np.asarray(rows["split"]) == "train"
    quality, flagged = issues(labels, probabilities, train)
    reasons: list[list[str]] = [[] for _ in photos]
    twice = np.zeros(len(photos), bool)
    for i, j, same in pairs:
        for one, other in ((i, j), (j, i)):
            twice[one] |= same
            what = "the same cell as" if same else "another cell in the field of"
            reasons[one].append(f"{what} {photos[other]} ({rows['split'][other]}, {CELL_TYPES[labels[other]]})")
    findings = []
    for rank, i in enumerate(np.argsort(quality, kind="stable"), 1):
        given, voice = CELL_TYPES[labels[i]], independent[i]
        suggested = CELL_TYPES[int(probabilities[i].argmax())] if found[i] else ""
        seconded = voice.verdict == "confident" and voice.label == suggested != given
        why = []
        if flagged[i]:
            why.append("cleanlab issue")
        if seconded:
            why.append("the other lab's model agrees with the suggestion and is confident")
        if not found[i]:
            why.append("no white cell found")
        why += reasons[i]
        if rows["doubt"][i]:
            why.append(f"noted by eye: {rows['doubt'][i]}")
        doubted = train[i] and ((flagged[i] and seconded) or twice[i])
        findings.append(
            Finding(
                rank=rank,
                photo=photos[i],
                lab=rows["lab"][i],
                split=rows["split"][i],
                given=given,
                suggested=suggested,
                quality=round(float(quality[i]), 4),
                independent=voice.label or "",
                independent_confidence=round(voice.confidence, 4),
                independent_verdict=voice.verdict,
                issue="yes" if flagged[i] else "",
                doubted="yes" if doubted else "",
                reasons="; ".join(why),
            )
        )
    return findings


def audit(runs: Path, variant: str, lab: str, examples) -> list[Finding]:
    """Audit the photos of one lab.

    Raises:
        DataError: if the data has no such photos, or a model is missing or was trained on other data.
    """
    from leukoscope.classifier import Classifier

    rows = only_cell_types(where(examples, lab=lab, kind="photo"))
    if not len(rows):
        raise DataError(f"the data has no photos of lab {lab!r}; it has {', '.join(sorted(set(examples['lab'])))}")
    answers = ask_all(runs, variant, lab, examples, rows)
    voice = Classifier.from_pretrained(checkpoint_folder(runs, variant, INDEPENDENT[lab]))
    return judge(rows, *answers, contradictions(rows, voice.locate))


# --- command ---------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.audit",
        description="Rank the labels that models contradict which never saw them, or draw the first of the ranking.",
    )
    add_data_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument("--variant", default="default", help="whose trials answer; default %(default)s")
    parser.add_argument(
        "--lab", choices=sorted(INDEPENDENT), default="bccd", help="default %(default)s, the Kaggle set"
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="to write, with an .md beside it, or to draw from; default training/results/audit.csv, "
        "or audit-LAB.csv for another lab than the Kaggle set's",
    )
    parser.add_argument("--draw", type=Path, metavar="OUT.png", help="draw the first rows of the table")
    parser.add_argument("--top", type=int, default=24, metavar="N", help="with --draw: how many; default %(default)s")
    args = parser.parse_args(argv)
    table = args.table or (AUDIT_FILE if args.lab == "bccd" else AUDIT_FILE.with_name(f"audit-{args.lab}.csv"))
    try:
        if table.suffix != ".csv":
            raise DataError(f"--table {table}: a name that ends in .csv")
        if args.top < 1:
            raise DataError(f"--top {args.top}: at least 1")
        if args.variant not in variants():
            raise ConfigError(f"unknown variant {args.variant}: valid are {', '.join(variants())}")
        chosen = read(table)[: args.top] if args.draw else []
        examples = examples_of(args)
        if args.draw:
            from leukoscope.classifier import Classifier

            draw(chosen, examples, args.draw, Classifier.from_pretrained().locate)
            print(f"{len(chosen)} photos -> {args.draw}")
            return 0
        findings = audit(args.runs, args.variant, args.lab, examples)
        write(findings, table, args.variant)
    except (ConfigError, DataError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    doubted = [f.photo for f in findings if f.doubted]
    print(f"{len(findings)} photos, {sum(bool(f.issue) for f in findings)} cleanlab issues")
    print(f"{len(doubted)} TRAIN labels doubted: {', '.join(doubted) or 'none'}")
    print(f"-> {table}, {table.with_suffix('.md')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
