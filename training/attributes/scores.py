"""How often a checkpoint sees in PBC's cells what people saw, and from where on it is sure enough to say so.

    python -m training.attributes.scores CHECKPOINT       # attribute by attribute

The attributes are those of WBCAtt (Tsutsui et al. 2023).
Scored are those of WBCAtt's test part that the type was not learned from either, and beside them the whole of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from leukoscope.biology.attributes import ATTRIBUTES, JOINED, VALUES, joined
from leukoscope.errors import LeukoscopeError
from leukoscope.model.calibration import attribute_shares
from training.data.attributes import TABLE, numbers
from training.data.sources import DataError

RIGHT = 0.97  # of the values that are said, on cells held out


def fit_sure(logits: np.ndarray, named: np.ndarray) -> dict[str, float]:
    """Attribute -> the least probability from which upwards its value is right in `RIGHT`; 1 if none is.

    Args:
        logits: of cells held out, (N, `WIDTH`).
        named: what people saw in them, int (N, 10).
    """
    from training.scoring.thresholds import fit_confident

    sure = {}
    for (name, shares), truth in zip(attribute_shares(logits).items(), with_joined(named).T, strict=True):
        sure[name] = fit_confident([(shares.max(axis=1), shares.argmax(axis=1) == truth)], RIGHT)
    return sure


def with_joined(named: np.ndarray) -> np.ndarray:
    """What people saw, int (N, 10), and what is joined of it: (N, 11), in the order of `VALUES`."""
    columns = list(named.T)
    for name, (of, _) in JOINED.items():
        places = [VALUES[name].index(joined(name, value)) for value in ATTRIBUTES[of]]
        columns.append(np.array(places)[named[:, list(ATTRIBUTES).index(of)]])
    return np.stack(columns, axis=1)


def macro_f1(given: np.ndarray, truth: np.ndarray) -> float:
    """Mean F1 over the values that occur in the truth, int (N,)."""
    scores = []
    for value in np.unique(truth):
        hits = int(((given == value) & (truth == value)).sum())
        scores.append(2 * hits / (int((given == value).sum()) + int((truth == value).sum())))
    return float(np.mean(scores))


def scores(logits: np.ndarray, types: np.ndarray, named: np.ndarray, taught, sure: dict[str, float]) -> dict:
    """Every attribute's macro-F1, and that of two who never look.

    Args:
        logits: of the attributes, (N, `WIDTH`).
        types: the cells' true types, int (N,).
        named: what people saw, int (N, 10).
        taught: (types, named) of the cells that were taught: what is usual is counted there.
        sure: of each attribute, the probability from which it is said.

    Returns:
        n; macro_f1, the mean over `ATTRIBUTES`; and for each attribute, those joined included, macro_f1, constant (the
        best single value), usual (what the type usually has), said (share that is sure enough) and right (share of
        these that is right).
    """
    result: dict = {"n": len(named), "attributes": {}}
    named, of_taught = with_joined(named), with_joined(taught[1])
    for i, (name, shares) in enumerate(attribute_shares(logits).items()):
        truth, given = named[:, i], shares.argmax(axis=1)
        usual = {kind: np.bincount(of_taught[taught[0] == kind, i]).argmax() for kind in np.unique(types)}
        said = shares.max(axis=1) >= sure[name]
        result["attributes"][name] = {
            "macro_f1": macro_f1(given, truth),
            "constant": max(macro_f1(np.full_like(truth, value), truth) for value in range(len(VALUES[name]))),
            "usual": macro_f1(np.array([usual[kind] for kind in types]), truth),
            "said": float(said.mean()),
            "right": float((given == truth)[said].mean()) if said.any() else 1.0,
        }
    result["macro_f1"] = float(np.mean([result["attributes"][name]["macro_f1"] for name in ATTRIBUTES]))
    return result


def count(classifier, examples) -> dict[str, dict]:
    """`scores` of a checkpoint on the cells of WBCAtt's test part that its types were not learned from either, and on
    the whole of it."""
    from training.data.table import labels_of
    from training.scoring.answers import graph_output

    own = np.asarray(examples["attributes_split"])
    taught = examples.select(np.flatnonzero((own != "") & (own != "test")))
    rows = examples.select(np.flatnonzero(own == "test"))
    logits, _, seen = graph_output(classifier, rows, "attributes", "asking")
    rows = rows.select(seen)
    types, named, new = labels_of(rows), numbers(rows), np.asarray(rows["split"]) == "test"
    usual = labels_of(taught), numbers(taught)
    return {
        name: scores(logits[keep], types[keep], named[keep], usual, classifier.spec.attributes)
        for name, keep in (("unseen", new), ("whole test part", np.ones(len(new), bool)))
    }


def main(argv: list[str] | None = None) -> int:
    from leukoscope.model.checkpoint import read_spec
    from training.data.table import add_data_arguments, examples_of
    from training.scoring.metrics import MetricsError, add_counts

    parser = argparse.ArgumentParser(
        prog="python -m training.attributes.scores",
        description="Score what a checkpoint sees in PBC's cells against WBCAtt, and keep it in its metrics.json.",
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder, scored by training.evaluate before")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    try:
        if not read_spec(args.checkpoint).attributes:
            raise DataError(f"{args.checkpoint} sees no attributes: its recipe has fit.attributes = 0")
        examples = examples_of(args, kinds=["photo"])
        if "test" not in set(examples["attributes_split"]):
            raise DataError(f"no attributes: --pbc and --labs must be given, and {TABLE} lie in the latter")
        found = add_counts(args.checkpoint, "attributes", lambda classifier: count(classifier, examples))
    except (MetricsError, DataError, LeukoscopeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for part, result in found.items():
        print(f"{part}: {result['n']:,} cells, mean macro-F1 {result['macro_f1']:.3f}")
        print(f"{'':<28}{'macro-F1':>9}{'constant':>9}{'usual':>8}{'said':>8}{'right':>8}")
        for attribute, row in result["attributes"].items():
            told = f"{row['macro_f1']:>9.3f}{row['constant']:>9.3f}{row['usual']:>8.3f}"
            print(f"{attribute:<28}{told}{row['said']:>8.1%}{row['right']:>8.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
