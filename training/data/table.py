"""The table of examples: one row a picture, with its label and where it came from.

    python -m training.data.table                      # summary of $BLOOD_CELLS_DIR, $PBC_DIR and $LABS_DIR
    python -m training.data.table --data kaggle        # download the Kaggle set with kagglehub, then the same
    python -m training.data.table --data synthetic     # drawn cells: no data needed, no evidence either
    python -m training.data.table --push user/name     # the same table as a data set on the Hub

A row says which photo its picture was made from and which field that photo shows. The Kaggle set holds
12,444 augmented *copies* of 348 photos, and some photos overlap; of other labs it says which slide it shows. Everything
that splits data must group by `slide`, which is the field where no slide is known, or copies of one cell and one stain
stand on both sides (see `grouped_folds`).
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import ImageError
from leukoscope.pictures.images import read_image
from training.data.attributes import add_attributes
from training.data.labs import labs_folder_rows
from training.data.sources import (
    CLASS_LAYOUT,
    DRAWN,
    KAGGLE_LAYOUT,
    KINDS,
    LABELS,
    DataError,
    class_folder_rows,
    download_kaggle,
    folder_rows,
    from_hub,
    kaggle_rows,
    synthetic,
    to_dataset,
)

NONE = len(CELL_TYPES)  # the network's answer "none of the four"

# --- loading ---------------------------------------------------------------------------------------------


def load_examples(
    data: str | os.PathLike | None = None,
    *,
    pbc: str | os.PathLike | None = None,
    labs: str | os.PathLike | None = None,
    kinds: Iterable[str] = KINDS,
    seed: int = 0,
    notes: list[str] | None = None,
):
    """The table of examples.

    Args:
        data: a folder (the Kaggle set as downloaded, or class folders), "kaggle", "synthetic" or "synthetic:N"
            (N drawn photos), or the id of a data set on the Hub ("user/name"). None: $BLOOD_CELLS_DIR.
        pbc: folder of the Barcelona (PBC) set, in class folders, added as a second lab. None: not added.
        labs: folder of further labs with a labs.csv (see `training.data.labs`), each added. None: not added.
        kinds: of the Kaggle set, the 640x480 photos ("photo"), their 320x240 augmented copies ("copy"), or both.
        seed: of the drawn cells.
        notes: is given a line for each kind of files that are left out of class folders, and for copies in them.

    Returns:
        `datasets.Dataset` with columns image, label (ClassLabel over `LABELS`), photo, field, slide (the field
        where no slide is known), lab, split ("train" or "test"; where a lab has no official one, a quarter by hash is
        "test"), kind ("photo" or "copy"), doubt (why the label is doubtful, or ""), and of PBC's cells, where `labs`
        has them, attributes and attributes_split (see `training.data.attributes`).

    Raises:
        DataError: naming what is missing, empty, partial or wrong, and the layout that was expected.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise DataError(f"unknown kind {sorted(unknown)}: valid are {', '.join(KINDS)}")
    data = data or os.environ.get("BLOOD_CELLS_DIR")
    if not data:
        raise DataError(
            "no data given: pass --data DIR (or set BLOOD_CELLS_DIR) with the Kaggle set, "
            "or --data kaggle to download it, or --data synthetic for drawn cells"
        )
    name = os.fspath(data)
    if is_drawn(name):
        table = synthetic(name, seed)
    elif name == "kaggle":
        table = to_dataset(kaggle_rows(download_kaggle(), kinds))
    elif Path(name).is_dir():
        table = to_dataset(folder_rows(Path(name), kinds, notes))
    elif name.count("/") == 1 and not name.startswith((".", "~", "/")):
        table = from_hub(name)
    else:
        raise DataError(f"no such folder: {name}\nexpected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}")
    more = class_folder_rows(Path(pbc), "barcelona", notes) if pbc else []
    if labs:
        add_attributes(more, Path(labs))
        more += labs_folder_rows(Path(labs))
    if more:
        import datasets

        table = datasets.concatenate_datasets([table, to_dataset(more)])
    return table


def is_drawn(data: str | os.PathLike[str] | None) -> bool:
    """Whether the name of the data asks for drawn cells."""
    return os.fspath(data or "").partition(":")[0] == DRAWN


def data_words(args: argparse.Namespace) -> str:
    """The options of `add_data_arguments` as they were given, for a command that is to be typed next."""
    variables = {"data": "BLOOD_CELLS_DIR", "pbc": "PBC_DIR", "labs": "LABS_DIR"}
    given = ((name, getattr(args, name)) for name in variables)
    words = [(name, value) for name, value in given if value and value != os.environ.get(variables[name])]
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in words)


def examples_of(args: argparse.Namespace, **options):
    """The table that the options of `add_data_arguments` name, and a line of standard error for what it leaves out.

    `options` as for `load_examples`.
    """
    notes: list[str] = []
    examples = load_examples(args.data, pbc=args.pbc, labs=args.labs, notes=notes, **options)
    for line in notes:
        print(f"warning: {line}", file=sys.stderr)
    return examples


def push_examples(examples, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
    """Push the table with its pictures to the Hub as parquet, in the format that `load_examples` reads.

    Returns:
        The commit's URL.
    """
    return examples.push_to_hub(repo_id, split="train", private=private, token=token).commit_url


# --- using the table -------------------------------------------------------------------------------------


def labels_of(examples) -> np.ndarray:
    """Label indices into `LABELS`, int64 (N,)."""
    return np.asarray(examples["label"], dtype=np.int64)


def targets_of(examples) -> np.ndarray:
    """What a network is taught, int64 (N,): the index of the cell type, or `NONE` for everything else."""
    return np.minimum(labels_of(examples), NONE)


def only_cell_types(examples):
    """The rows that show one of the four types."""
    return examples.select(np.flatnonzero(labels_of(examples) < len(CELL_TYPES)))


def where(examples, **wanted: str):
    """The rows whose columns hold the given values: `where(table, split="test", kind="copy")`."""
    keep = np.ones(len(examples), dtype=bool)
    for column, value in wanted.items():
        keep &= np.asarray(examples[column]) == value
    return examples.select(np.flatnonzero(keep))


def pictures(examples) -> Iterator[np.ndarray]:
    """Decode each row's picture with the same decoder as the apps: RGB uint8 (H, W, 3).

    Raises:
        DataError: naming the file that cannot be read.
    """
    return map(decoded, sources(examples))


def decoded(source: str | bytes) -> np.ndarray:
    """Decode one picture of the table: RGB uint8 (H, W, 3).

    Raises:
        DataError: naming the file that cannot be read.
    """
    try:
        return read_image(source)
    except ImageError as error:
        raise DataError(f"{_name(source)}: {error}") from None


def sources(examples) -> Iterator[str | bytes]:
    """Each row's picture as it lies in the table: a path, or encoded bytes."""
    import datasets

    for row in examples.select_columns("image").cast_column("image", datasets.Image(decode=False)):
        image = row["image"]
        yield image["bytes"] if image["bytes"] is not None else image["path"]


def _name(source: str | bytes) -> str:
    return source if isinstance(source, str) else f"{len(source)} bytes"


def unreadable(examples) -> list[tuple[str, str]]:
    """(file, reason) of each picture that cannot be decoded; reads them all, with a progress bar."""
    from tqdm import tqdm

    bad = []
    for source in tqdm(sources(examples), total=len(examples), desc="reading", unit=" pictures", leave=False):
        try:
            read_image(source)
        except ImageError as error:
            bad.append((_name(source), str(error)))
    return bad


def grouped_folds(examples, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into folds so that all pictures of a slide are on one side; of a field, where no slide is known.

    Photos are dealt out, by type and slide, and their copies follow: so the folds are the same whether a table holds
    photos, copies or both.

    Returns:
        For each fold, (training indices, validation indices) into `examples`; of one fold nothing is held out.

    Raises:
        DataError: if no type has as many photos as there are to be folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if folds == 1:
        return [(np.arange(len(examples)), np.arange(0))]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    _, first, photo_of = np.unique(examples["photo"], return_index=True, return_inverse=True)
    labels, groups = labels_of(examples)[first], np.asarray(examples["slide"])[first]
    most = max(np.bincount(labels))
    if most < folds:
        raise DataError(f"data.folds: {folds} folds need as many photos of a type; the data has {most} at most")
    split = splitter.split(np.zeros(len(first)), labels, groups)
    return [tuple(np.flatnonzero(np.isin(photo_of, part)) for part in parts) for parts in split]


def drop_fields_of(examples, others):
    """The rows of `examples` whose field does not occur in `others`."""
    seen = set(others["field"])
    return examples.select([i for i, field in enumerate(examples["field"]) if field not in seen])


# --- the summary -----------------------------------------------------------------------------------------


def summary(examples, bad: list[tuple[str, str]] | None = None) -> str:
    """Counts per lab, split and kind: pictures of each class, photos, fields, slides, doubtful photos, unreadable
    files."""
    labels = [LABELS[i] for i in labels_of(examples)]
    groups = list(zip(examples["lab"], examples["split"], examples["kind"], strict=True))
    lines = [f"{len(examples):,} pictures"]
    if "synthetic" in set(examples["lab"]):
        lines.append(
            "The lab 'synthetic' is drawn by leukoscope/drawn/synthetic.py: for trying things out, not evidence."
        )
    for group in sorted(set(groups)):
        rows = [i for i, g in enumerate(groups) if g == group]
        lab, split, kind = group
        part = examples.select(rows)
        counts = Counter(labels[i] for i in rows)
        doubtful = len({p for p, d in zip(part["photo"], part["doubt"], strict=True) if d})
        lines.append(
            f"\n{lab} · {split} · {kind}: {len(rows):,} pictures of "
            f"{len(set(part['photo'])):,} photos in {len(set(part['field'])):,} fields"
            + (f" of {slides:,} slides" if (slides := len(set(part["slide"]))) < len(set(part["field"])) else "")
            + (f", {doubtful} photos with a doubtful label" if doubtful else "")
        )
        lines += [f"  {label:<21}{counts[label]:>7,}" for label in LABELS if counts[label]]
    if bad is not None:
        lines.append(f"\nunreadable files: {len(bad)}")
        lines += [f"  {name}: {reason}" for name, reason in bad]
    return "\n".join(lines)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The options --data, --pbc and --labs, the same in every command."""
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="folder of the Kaggle set or of class folders, 'kaggle' (downloads it), 'synthetic[:N]' (drawn cells), "
        "or a data set id on the Hub; default $BLOOD_CELLS_DIR",
    )
    parser.add_argument(
        "--pbc", metavar="DIR", default=os.environ.get("PBC_DIR"), help="folder of the PBC set; default $PBC_DIR"
    )
    parser.add_argument(
        "--labs",
        metavar="DIR",
        default=os.environ.get("LABS_DIR"),
        help="folder of further labs, with a labs.csv; default $LABS_DIR",
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.data.table",
        description="Summarise the examples (and push them to the Hub): counts per class, lab, split, photos, fields.",
    )
    add_data_arguments(parser)
    parser.add_argument("--no-read", action="store_true", help="do not open each picture to find unreadable files")
    parser.add_argument("--push", metavar="USER/NAME", help="push the table to this data set on the Hub")
    parser.add_argument("--private", action="store_true", help="with --push: a private data set")
    args = parser.parse_args(argv)
    try:
        examples = examples_of(args)
        print(summary(examples, None if args.no_read else unreadable(examples)))
        if args.push:
            print(push_examples(examples, args.push, private=args.private))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
