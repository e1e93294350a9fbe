"""A checkpoint as people read of it: what it is, what it was trained on, its results and where it ends, as HTML."""

from __future__ import annotations

import hashlib
import json
from html import escape
from pathlib import Path
from typing import Any

from leukoscope import Classifier, __version__
from leukoscope.biology.cells import HOW_MANY, OTHERS
from leukoscope.errors import CheckpointError, visible
from leukoscope.model.checkpoint import FIGURES_FOLDER, METRICS_FILE, ONNX_FILE, Spec, read_json
from leukoscope.showing.wording import percent

LABS = {
    "bccd": "BCCD, the photos of the Kaggle set paultimothymooney/blood-cells (MIT licence)",
    "barcelona": "PBC, Hospital Clínic de Barcelona: Acevedo et al. 2020, doi 10.17632/snkd93bnjr.1 (CC BY 4.0)",
    "raabin": "Raabin-WBC, Iran: Kouzehkanan et al. 2022, doi 10.1038/s41598-021-04426-x (free public data)",
    "munich_marrow": "bone marrow of the Munich Leukemia Laboratory: Matek et al. 2021, doi 10.7937/TCIA.AXH3-T579 "
    "(CC BY 4.0)",
    "lisc": "LISC, Tehran: Rezatofighi & Soltanian-Zadeh 2011 (research only: scored, never trained on)",
    "synthetic": "cells drawn by the project itself, no photographs",
}
SETS = {
    "barcelona-test-photo": "PBC, the quarter held out of training",
    "barcelona-all-photo": "PBC, a lab never seen in training",
    "raabin-test-photo": "Raabin-WBC, slides held out of training",
    "raabin-all-photo": "Raabin-WBC, a lab never seen in training",
    "munich_marrow-test-photo": "Munich bone marrow, the quarter held out of training",
    "munich_marrow-all-photo": "Munich bone marrow, a lab never seen in training",
    "lisc-test-photo": "LISC, a lab that nothing is trained on",
    "lisc-all-photo": "LISC, a lab that nothing is trained on",
    "synthetic-test-photo": "Drawn cells, no evidence about blood",
    "bccd-all-photo": "The Kaggle photos, a lab never seen in training",
    "bccd-test-copy": "Official TEST of the Kaggle set, images as published",
    "bccd-test-photo": "The photos that TEST was made from",
}
"""What was scored, in words, by the name of its result, in the order in which it is shown."""
TEST = "bccd-test-"
"""So begin results on the Kaggle set's TEST. They come last, as they are of 71 photos of one lab."""
FIGURES = {
    "confusion.png": "Confusion matrix: which type each cell had, and which it was given.",
    "reliability.png": "Reliability diagram: how often the model is right when it says how sure it is.",
    "curves.png": "Accuracy and loss after each epoch, on training pictures and, where some were held out, on these.",
}

LIMITS = (
    f"It knows {HOW_MANY} types. Any other cell ({OTHERS}) is none of them; it may be called unfamiliar, "
    f"but it may also be given one of the {HOW_MANY} names.",
    "A microscope, camera or stain that it never saw lowers its accuracy by an amount that nobody knows. "
    "Check it on cells of your own lab before you trust it there.",
    "A cell that is cut by the edge of the photo, blurred, or touched by another is more often wrong.",
    "A differential counts what is in the photos: who chose the fields, and how, matters more than the arithmetic. "
    "Its limits hold the error of counting alone.",
)


def model_name(classifier: Classifier) -> str:
    """The model's name and where it is from; of a folder on this machine its last part alone."""
    source = classifier.source.name
    if source == str(classifier.folder):
        source = f"folder {classifier.folder.name}"
    return f"{classifier.spec.name} ({visible(source)})"


def hash_of_answers(spec: Spec, graph: str | None = None) -> str:
    """What tells the answers of two checkpoints apart, hexadecimal.

    The hash of the graph, or, of a model that is tuned to a lab, of graph and offsets.

    Args:
        spec: of the checkpoint.
        graph: the graph's hash; None: the manifest's.
    """
    graph = graph or spec.files[ONNX_FILE]
    offsets = json.dumps([float(offset) for offset in spec.offsets])
    return hashlib.sha256(f"{graph} {offsets}".encode()).hexdigest() if spec.offsets else graph


def identity(classifier: Classifier) -> dict[str, str]:
    """What tells one model's answers from another's: its name, and the hash of what answers."""
    return {"name": classifier.spec.name, "graph": hash_of_answers(classifier.spec)}


def model_identity(classifier: Classifier) -> str:
    """`identity` as one text, for a column: the name and as much of the hash as tells models apart."""
    return "{name} {graph:.16}".format(**identity(classifier))


def in_order(results: dict[str, Any]) -> dict[str, Any]:
    """Results by what was scored: those of labs first, the Kaggle set's TEST last."""
    known = list(SETS)
    place = {name: known.index(name) if name in known else len(known) for name in results}
    return {name: results[name] for name in sorted(results, key=lambda n: (n.startswith(TEST), place[n]))}


def own_results(classifier: Classifier) -> dict[str, Any]:
    """Results by what was scored, in order; none if the checkpoint has no metrics of its own weights."""
    try:
        values = read_json(classifier.folder / METRICS_FILE)
        ours = values["model_sha256"] == hash_of_answers(classifier.spec)
        results = values["results"] if ours else {}
        return in_order({name: result for name, result in results.items() if _sound(name, result)})
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _sound(name: str, result: Any) -> bool:
    """Whether a result from a checkpoint can be shown: its name becomes part of a path, its numbers are formatted."""
    scores = [score for subset in ("all", "without_doubtful") if (score := result["images"].get(subset))]
    numbers = [score["n"] for score in scores]
    for score in scores:
        for values, key in ((score, "accuracy"), (score, "balanced_accuracy"), (score["confident"], "accuracy")):
            low, high = values.get(f"{key}_95") or (0, 0)
            numbers += [values[key], low, high]
        low, high = score.get("macro_f1_95") or (0, 0)
        numbers += [score["macro_f1"], low, high, score["confident"]["share"]]
    return Path(name).name == name and all(type(number) in (int, float) for number in numbers)


def model_html(classifier: Classifier) -> str:
    """Name, software, training data and size."""
    info, trained = classifier.info(), classifier.spec.trained
    names = trained.get("labs")
    labs = [LABS.get(lab, lab) for lab in names if isinstance(lab, str)] if isinstance(names, list) else []
    facts = {
        "Name": model_name(classifier),
        "Software": f"Leukoscope {__version__}",
        "Trained on": "; ".join(labs) or "not recorded",
    }
    if trained.get("drawn"):
        facts["Note"] = "This model learned from drawn cells: it says nothing about blood."
    if tuned := _tuned_to(trained.get("tuned")):
        facts["Tuned to"] = tuned
    for key, title in (("photos", "Photos"), ("parameters", "Parameters")):
        if isinstance(trained.get(key), int):
            facts[title] = f"{trained[key]:,}"
    facts["Size"] = f"{info['model_bytes'] / 1e6:.1f} MB"
    facts["SHA-256"] = classifier.spec.files[ONNX_FILE]
    thresholds = classifier.spec.thresholds
    facts["Label stands from"] = f"{100 * thresholds.confident:.0f} % on; below it the answer names two types"
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items())
    return f"<section><h2>The model</h2><dl>{rows}</dl></section>"


def _tuned_to(told: Any) -> str:
    """Of which lab a model has offsets, in words; empty for one that has none."""
    try:
        return f"{str(told['lab'])[:80]}, by {sum(map(int, told['cells'].values())):,} of its cells"
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return ""


def trust_sentences(classifier: Classifier) -> tuple[str, ...]:
    """How far answers can be trusted, from the checkpoint's own results: on labs never seen, then on those it knows.

    None if it has no results of either.
    """
    known, unseen = _by_acquaintance(classifier)
    lines = []
    if unseen:
        names = ", ".join(SETS.get(name, name).partition(",")[0] for name in unseen)
        lines.append(f"{_trust(f'On {_labs(len(unseen))} never seen in training ({names})', list(unseen.values()))}.")
    if known:
        lines.append(f"{_trust(f'On {_labs(len(known))} that it learned from', list(known.values()))}.")
    return tuple(lines)


def trust_note(classifier: Classifier) -> str:
    """The first of `trust_sentences`, for the foot of an answer; an empty string if there is none."""
    return next(iter(trust_sentences(classifier)), "")


def _by_acquaintance(classifier: Classifier) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores by the name of their result, one a lab: of labs that the model learned from, and of labs never seen."""
    learned = classifier.spec.trained.get("labs")
    learned = learned if isinstance(learned, list) else []
    known: dict[str, Any] = {}
    unseen: dict[str, Any] = {}
    labs = set()
    for name, result in own_results(classifier).items():
        lab, part, _ = name.rsplit("-", 2) if name.count("-") >= 2 else (name, "", "")
        if lab == "synthetic" or lab in labs or "all" not in result["images"]:
            continue
        labs.add(lab)
        (known if lab in learned and part != "all" else unseen)[name] = result["images"]["all"]
    return known, unseen


def _trust(where: str, scores: list[dict[str, Any]]) -> str:
    right = _range([score["accuracy"] for score in scores])
    sure = _range([score["confident"]["share"] for score in scores])
    stands = _range([score["confident"]["accuracy"] for score in scores if score["confident"]["share"]])
    left = _range([1 - score["confident"]["share"] for score in scores])
    stood = f"; of these {stands} were right" if stands else ""
    return (
        f"{where}, {right} of all labels were right. It was confident of {sure} of the cells{stood}; "
        f"{left} it left to a person"
    )


def _range(shares: list[float]) -> str:
    """Shares of 0-1 as one percentage, or as the least and the most."""
    texts = [percent(share) for share in sorted(shares)]
    return " to ".join(dict.fromkeys([texts[0], texts[-1]])) if texts else ""


def _labs(count: int) -> str:
    return "a lab" if count == 1 else f"{count} labs"


def trust_html(classifier: Classifier) -> str:
    """`trust_sentences` as the first section of what is told about the model."""
    lines = trust_sentences(classifier) or ("This checkpoint holds no results of its own weights: nobody measured it.",)
    return list_html("How far to trust it", lines)


def results_html(results: dict[str, Any]) -> str:
    """Scores with their intervals, of `own_results`: a table of labs, and one of the Kaggle set's TEST."""
    if not results:
        return "<section><h2>Results</h2><p>This checkpoint holds no results of its own weights.</p></section>"
    labs = [(SETS.get(name, name), r["images"]["all"]) for name, r in results.items() if not name.startswith(TEST)]
    test = [row for name, result in results.items() if name.startswith(TEST) for row in _with_doubt(name, result)]
    tables = [
        _table(title, heads, rows)
        for title, heads, rows in (
            (
                "By lab",
                ("Pictures", "Balanced accuracy", "Confident, of these right"),
                [(what, [f"{s['n']:,}", _score(s, "balanced_accuracy"), _sure(s)]) for what, s in labs],
            ),
            (
                "TEST of the Kaggle set: copies of 71 photos",
                ("Pictures", "Accuracy", "Macro-F1"),
                [(what, [f"{s['n']:,}", _score(s, "accuracy"), _score(s, "macro_f1")]) for what, s in test],
            ),
        )
        if rows
    ]
    return (
        f"<section><h2>Results</h2>{''.join(tables)}"
        f"<p>Balanced accuracy is the mean of the {HOW_MANY} types' recalls. Confident is the share of labels that "
        "stand, and below it how many of these are right. All is scored by training/evaluate.py, with 95 % confidence "
        "intervals of a bootstrap over slides, or over fields of the smear where no slide is known: copies of a photo "
        "are no new evidence.</p></section>"
    )


def _with_doubt(name: str, result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What was scored, in words, and its score: of all, and without doubtful labels where there are any."""
    scores = result["images"]
    rows = [(SETS.get(name, name), scores["all"])]
    if (certain := scores.get("without_doubtful")) and certain["n"] != scores["all"]["n"]:
        rows.append((f"{SETS.get(name, name)}, without doubtful labels", certain))
    return rows


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, list[str]]]) -> str:
    """A table with its caption; what was scored stands in the first column, the other cells are HTML."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("Scored on", *heads))
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for what, cells in rows
    )
    return (
        f'<table class="lk-table lk-results"><caption>{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _score(score: dict[str, Any], key: str) -> str:
    text = f"<strong>{score[key]:.3f}</strong>"
    if interval := score.get(f"{key}_95"):
        text += f"<br><small>{interval[0]:.3f}–{interval[1]:.3f}</small>"
    return text


def _sure(score: dict[str, Any]) -> str:
    """The share of answers that are `confident`, and how many of these are right, if there are any."""
    sure = score["confident"]
    return f"{sure['share']:.1%}" + (f"<br>{_score(sure, 'accuracy')}" if sure["share"] else "")


def figures(classifier: Classifier, result: str) -> list[tuple[Path, str]]:
    """The drawn figures of a result that the checkpoint holds, and what each shows."""
    paths = [(classifier.folder / FIGURES_FOLDER / result / name, text) for name, text in FIGURES.items()]
    return [(path, text) for path, text in paths if path.is_file()]


def list_html(title: str, lines: tuple[str, ...]) -> str:
    """A titled list."""
    return (
        f"<section><h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul></section>"
    )
