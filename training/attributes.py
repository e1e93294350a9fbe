"""What people saw in PBC's cells, taught beside the type: the attributes of WBCAtt (Tsutsui et al. 2023).

    python -m training.attributes CHECKPOINT       # how often a checkpoint sees the same, attribute by attribute

The table is attributes.csv of $LABS_DIR. Its own test part is never taught. Scored are those of its cells that the type
was not learned from either, and beside them its whole test part.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from leukoscope.attributes import ATTRIBUTES, WIDTH, parts
from leukoscope.calibration import softmax
from leukoscope.errors import LeukoscopeError
from training.sources import DataError

TABLE = "attributes.csv"
RIGHT = 0.97  # of the values that are said, on cells held out
UNNAMED = -1
NEVER = -20.0  # logit of a value that was not taught


def add_attributes(rows: list[dict], folder: Path) -> None:
    """Give PBC's rows their attributes, where the folder of labs has the table of them.

    Raises:
        DataError: if it lacks columns, or has values that WBCAtt has not.
    """
    path = folder / TABLE
    if not path.is_file():
        return
    with open(path, newline="") as file:
        table = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    columns = {"file", "wbcatt_split", *ATTRIBUTES}
    for row in rows:
        seen = table.get(Path(row["image"]).stem)
        if seen is None:
            continue
        if missing := columns - seen.keys():
            raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}")
        for name, values in ATTRIBUTES.items():
            if seen[name] not in values:
                raise DataError(f"{path}: {name} {seen[name]!r} of {seen['file']}: valid are {', '.join(values)}")
        row["attributes"] = "; ".join(f"{name}={seen[name]}" for name in ATTRIBUTES)
        row["attributes_split"] = seen["wbcatt_split"]


def numbers(examples) -> np.ndarray:
    """Each row's attributes as numbers of their values: int (N, 10), `UNNAMED` where nobody named them."""
    found = np.full((len(examples), len(ATTRIBUTES)), UNNAMED)
    for row, text in enumerate(examples["attributes"]):
        if text:
            given = dict(pair.split("=") for pair in text.split("; "))
            found[row] = [values.index(given[name]) for name, values in ATTRIBUTES.items()]
    return found


def attributes_taught(config, rows, count: int) -> np.ndarray | None:
    """What a run is taught of attributes: int (count, 10), `UNNAMED` for WBCAtt's test part and beyond the rows; None
    if it is taught none."""
    if not config.fit.attributes:
        return None
    found = np.full((count, len(ATTRIBUTES)), UNNAMED)
    found[: len(rows)] = numbers(rows)
    found[: len(rows)][np.asarray(rows["attributes_split"]) == "test"] = UNNAMED
    return found


# --- the head --------------------------------------------------------------------------------------------


def fit_head(model, crops: np.ndarray, named: np.ndarray) -> None:
    """Fit the attributes' layer of a trained network once more, on its finished features.

    Of the cells in a batch few are PBC's, and the loss is the type's for the most part: it makes features that show
    attributes, but leaves the last layer half taught. A regression on all of PBC's taught cells ends that in seconds,
    and changes no type.

    Args:
        model: with layers `features` and `attributes`; the latter's weights are set.
        crops: of cells whose attributes are known, uint8 (N, S, S, 3); each is taken as it is and turned by a quarter.
        named: their attributes, int (N, 10).
    """
    import keras
    from sklearn.linear_model import LogisticRegression

    from leukoscope.preprocess import normalise
    from training.networks import NORMALISATION

    ways = [crops, np.rot90(crops, 1, (1, 2))]
    features = keras.Model(model.input, model.get_layer("features").output)
    seen = [features.predict(normalise(np.ascontiguousarray(way), NORMALISATION), 64, verbose=0) for way in ways]
    found = np.concatenate(seen).astype(np.float64)
    mean, scale = found.mean(axis=0), found.std(axis=0) + 1e-6
    kernel, bias = np.zeros((found.shape[1], WIDTH)), np.full(WIDTH, NEVER)
    for columns, truth in zip(parts(np.arange(WIDTH)).values(), np.tile(named, (len(ways), 1)).T, strict=True):
        taught = np.unique(truth)
        if len(taught) == 1:
            bias[columns[taught]] = 0.0
            continue
        fitted = LogisticRegression(max_iter=1000).fit((found - mean) / scale, truth)
        two = len(taught) == 2  # then the fit speaks of the second alone
        weights = np.stack([np.zeros_like(mean), fitted.coef_[0]]) if two else fitted.coef_
        offsets = np.array([0.0, fitted.intercept_[0]]) if two else fitted.intercept_
        kernel[:, columns[taught]] = (weights / scale).T
        bias[columns[taught]] = offsets - (weights / scale) @ mean
    model.get_layer("attributes").set_weights([kernel, bias])


def taught_rows(rows):
    """The training rows whose attributes are taught."""
    return rows.select(np.flatnonzero(np.isin(rows["attributes_split"], ("train", "val"))))


# --- scores ----------------------------------------------------------------------------------------------


def fit_sure(logits: np.ndarray, named: np.ndarray) -> dict[str, float]:
    """Attribute -> the least probability from which upwards its value is right in `RIGHT`; 1 if none is.

    Args:
        logits: of cells held out, (N, `WIDTH`).
        named: what people saw in them, int (N, 10).
    """
    from training.verdicts import fit_confident

    sure = {}
    for (name, part), truth in zip(parts(logits).items(), named.T, strict=True):
        shares = softmax(part, 1.0)
        sure[name] = fit_confident([(shares.max(axis=1), shares.argmax(axis=1) == truth)], RIGHT)
    return sure


def fitting_rows(examples):
    """The rows on which `fit_sure` fits: of neither the types' nor the attributes' training, nor of WBCAtt's test."""
    split, own = np.asarray(examples["split"]), np.asarray(examples["attributes_split"])
    return examples.select(np.flatnonzero((split == "test") & np.isin(own, ("train", "val"))))


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
        n; and for each attribute macro_f1, constant (the best single value), usual (what the type usually has), said
        (share that is sure enough) and right (share of these that is right).
    """
    result: dict = {"n": len(named), "attributes": {}}
    for i, (name, part) in enumerate(parts(logits).items()):
        truth, shares = named[:, i], softmax(part, 1.0)
        given = shares.argmax(axis=1)
        usual = {kind: np.bincount(taught[1][taught[0] == kind, i]).argmax() for kind in np.unique(types)}
        said = shares.max(axis=1) >= sure[name]
        result["attributes"][name] = {
            "macro_f1": macro_f1(given, truth),
            "constant": max(macro_f1(np.full_like(truth, value), truth) for value in range(len(ATTRIBUTES[name]))),
            "usual": macro_f1(np.array([usual[kind] for kind in types]), truth),
            "said": float(said.mean()),
            "right": float((given == truth)[said].mean()) if said.any() else 1.0,
        }
    result["macro_f1"] = float(np.mean([row["macro_f1"] for row in result["attributes"].values()]))
    return result


def count(classifier, examples) -> dict[str, dict]:
    """`scores` of a checkpoint on the cells of WBCAtt's test part that its types were not learned from either, and on
    the whole of it."""
    from training.data import labels_of
    from training.evaluate import graph_output

    own = np.asarray(examples["attributes_split"])
    taught = examples.select(np.flatnonzero((own != "") & (own != "test")))
    rows = examples.select(np.flatnonzero(own == "test"))
    logits, seen = graph_output(classifier, rows, "attributes", "asking")
    rows = rows.select(seen)
    types, named, new = labels_of(rows), numbers(rows), np.asarray(rows["split"]) == "test"
    usual = labels_of(taught), numbers(taught)
    return {
        name: scores(logits[keep], types[keep], named[keep], usual, classifier.spec.attributes)
        for name, keep in (("unseen", new), ("whole test part", np.ones(len(new), bool)))
    }


def main(argv: list[str] | None = None) -> int:
    from leukoscope.checkpoint import read_spec
    from training.card import CardError, add_counts
    from training.data import add_data_arguments, examples_of

    parser = argparse.ArgumentParser(
        prog="python -m training.attributes",
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
    except (CardError, DataError, LeukoscopeError) as error:
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
