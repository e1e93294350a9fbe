"""The table of examples: one row a picture, with its label and where it came from.

    python -m training.data                      # summary of $BLOOD_CELLS_DIR and $PBC_DIR
    python -m training.data --data kaggle        # download the Kaggle set with kagglehub, then the same
    python -m training.data --data synthetic     # drawn cells: no data needed, no evidence either
    python -m training.data --push user/name     # the same table as a data set on the Hub

A row says which photo its picture was made from and which field that photo shows. The Kaggle set holds
12,444 augmented *copies* of 348 photos, and some photos overlap; everything that splits data must group by
`field`, or copies of one cell stand on both sides (see `grouped_folds`).
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from leukoscope.cells import CELL_TYPES
from leukoscope.images import ImageError, read_image

OTHER_CELLS = ("basophil", "erythroblast", "immature_granulocyte")
LABELS = CELL_TYPES + OTHER_CELLS  # index < 4: one of the types that the network tells apart

TABLES = Path(__file__).parent / "tables"
PHOTO_FOLDER = "dataset-master/dataset-master/JPEGImages"
COPY_FOLDER = "dataset2-master/dataset2-master/images"
KAGGLE_HANDLE = "paultimothymooney/blood-cells"
KAGGLE_LAYOUT = f"""\
DIR/
  {COPY_FOLDER}/TRAIN|TEST/EOSINOPHIL|LYMPHOCYTE|MONOCYTE|NEUTROPHIL/*.jpeg   (12,444 copies)
  {PHOTO_FOLDER}/BloodImage_*.jpg                                      (the photos)"""
CLASS_LAYOUT = f"DIR/<class>/*.jpg|png|tif|bmp|webp with class one of: {', '.join(LABELS)}"
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}

KINDS = ("photo", "copy")


class DataError(ValueError):
    """Data that is missing, empty, partial or of another layout; the message names which."""


# --- the tables of facts ---------------------------------------------------------------------------------


@cache
def photo_table() -> dict[str, dict[str, str]]:
    """Photo id -> {label, split, field, doubt} for the 351 labelled photos of the Kaggle set."""
    with open(TABLES / "photos.csv", newline="") as file:
        return {row.pop("photo"): row for row in csv.DictReader(file)}


@cache
def copy_table() -> dict[str, str]:
    """Image of the augmented set ("TRAIN/EOSINOPHIL/_0_1169.jpeg") -> id of the photo it was made from."""
    with open(TABLES / "copies.csv", newline="") as file:
        return {row["image"]: row["photo"] for row in csv.DictReader(file)}


# --- loading ---------------------------------------------------------------------------------------------


def load_examples(
    data: str | os.PathLike | None = None,
    *,
    pbc: str | os.PathLike | None = None,
    kinds: Iterable[str] = KINDS,
    seed: int = 0,
):
    """The table of examples.

    Args:
        data: a folder (the Kaggle set as downloaded, or class folders), "kaggle", "synthetic" or "synthetic:N"
            (N drawn photos), or the id of a data set on the Hub ("user/name"). None: $BLOOD_CELLS_DIR.
        pbc: folder of the Barcelona (PBC) set, in class folders, added as a second lab. None: not added.
        kinds: of the Kaggle set, the 640x480 photos ("photo"), their 320x240 augmented copies ("copy"), or both.
        seed: of the drawn cells.

    Returns:
        `datasets.Dataset` with columns image, label (ClassLabel over `LABELS`), photo, field, lab, split
        ("train", "test", or "" where a lab has no official split), kind ("photo" or "copy") and doubt (why the
        label is doubtful, or "").

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
    if name == "synthetic" or name.startswith("synthetic:"):
        table = _synthetic(name, seed)
    elif name == "kaggle":
        table = _to_dataset(_kaggle_rows(_download_kaggle(), kinds))
    elif Path(name).is_dir():
        table = _to_dataset(_folder_rows(Path(name), kinds))
    elif name.count("/") == 1 and not name.startswith((".", "~", "/")):
        table = _from_hub(name)
    else:
        raise DataError(f"no such folder: {name}\nexpected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}")
    if pbc:
        import datasets

        table = datasets.concatenate_datasets([table, _to_dataset(_class_folder_rows(Path(pbc), "barcelona"))])
    return table


def _folder_rows(folder: Path, kinds: Iterable[str]) -> list[dict]:
    if (folder / "dataset2-master").is_dir() or (folder / "dataset-master").is_dir():
        return _kaggle_rows(folder, kinds)
    return _class_folder_rows(folder, folder.name)


def _kaggle_rows(root: Path, kinds: Iterable[str]) -> list[dict]:
    photos = photo_table()

    def row(path: Path, photo: str, kind: str) -> dict:
        facts = photos[photo]
        return {
            "image": str(path),
            "label": facts["label"],
            "photo": photo,
            "field": facts["field"],
            "lab": "bccd",
            "split": facts["split"],
            "kind": kind,
            "doubt": facts["doubt"],
        }

    rows = []
    if "photo" in kinds:
        rows += [row(root / PHOTO_FOLDER / f"BloodImage_{photo}.jpg", photo, "photo") for photo in photos]
    if "copy" in kinds:
        rows += [row(root / COPY_FOLDER / image, photo, "copy") for image, photo in copy_table().items()]
    missing = [row["image"] for row in rows if not Path(row["image"]).is_file()]
    if missing:
        state = "holds none" if len(missing) == len(rows) else f"is partial: it lacks {len(missing):,}"
        raise DataError(
            f"{root} {state} of the {len(rows):,} pictures of the Kaggle set, "
            f"first {missing[0]}\nexpected:\n{KAGGLE_LAYOUT}"
        )
    return rows


def _class_folder_rows(folder: Path, lab: str) -> list[dict]:
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}\nexpected {CLASS_LAYOUT}")
    if not any(folder.iterdir()):
        raise DataError(f"{folder} is empty\nexpected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}")
    by_class = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
    found = [label for label in LABELS if label in by_class]
    if not found:
        raise DataError(
            f"{folder} is of another layout: no class folder in it\n"
            f"expected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}"
        )
    rows = []
    for label in found:
        files = sorted(f for f in by_class[label].iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise DataError(f"{folder} is partial: no picture in {by_class[label]}")
        for file in files:
            # Without a table of fields every photo counts as a field of its own.
            identity = f"{lab}/{label}/{file.stem}"
            rows.append(
                {
                    "image": str(file),
                    "label": label,
                    "photo": identity,
                    "field": identity,
                    "lab": lab,
                    "split": "",
                    "kind": "photo",
                    "doubt": "",
                }
            )
    missing = [name for name in CELL_TYPES if name not in found]
    if missing:
        raise DataError(f"{folder} is partial: no folder for {', '.join(missing)}\nexpected {CLASS_LAYOUT}")
    return rows


def _download_kaggle() -> Path:
    try:
        import kagglehub
    except ImportError:
        raise DataError("downloading from Kaggle needs kagglehub: pip install 'leukoscope[kaggle]'") from None
    try:
        return Path(kagglehub.dataset_download(KAGGLE_HANDLE))
    except Exception as error:  # kagglehub lets through whatever its HTTP client raises
        raise DataError(
            f"Kaggle did not give {KAGGLE_HANDLE} ({type(error).__name__}: {error}); "
            "try again, or download it in a browser and pass its folder with --data"
        ) from error


def _synthetic(name: str, seed: int):
    """Drawn photos: class-balanced, a fifth of them marked as the test split. Not evidence about blood."""
    import cv2

    from leukoscope.synthetic import draw_photo

    count = name.partition(":")[2] or "200"
    if not count.isdecimal() or int(count) < 5 * len(CELL_TYPES):
        raise DataError(f"synthetic:{count}: the number of drawn photos must be at least {5 * len(CELL_TYPES)}")
    rows = []
    for index in range(int(count)):
        label = CELL_TYPES[index % len(CELL_TYPES)]
        picture, _ = draw_photo([label], seed=seed * 1_000_003 + index, width=320, height=240, red_cell_px=48.0)
        encoded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
        identity = f"drawn/{seed}/{index:05d}"
        rows.append(
            {
                "image": {"bytes": encoded, "path": None},
                "label": label,
                "photo": identity,
                "field": identity,
                "lab": "synthetic",
                "split": "test" if index // len(CELL_TYPES) % 5 == 4 else "train",
                "kind": "photo",
                "doubt": "",
            }
        )
    return _to_dataset(rows)


def _features():
    import datasets

    text = datasets.Value("string")
    return datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(LABELS)),
            "photo": text,
            "field": text,
            "lab": text,
            "split": text,
            "kind": text,
            "doubt": text,
        }
    )


def _to_dataset(rows: list[dict]):
    import datasets

    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return datasets.Dataset.from_dict(columns, features=_features())


def _from_hub(repo_id: str):
    import datasets

    try:
        parts = datasets.load_dataset(repo_id)
    except Exception as error:  # datasets raises a dozen kinds: no such repo, offline, gated, no data files
        raise DataError(f"cannot load the data set {repo_id!r} from the Hub ({type(error).__name__}: {error})") from error
    table = datasets.concatenate_datasets(list(parts.values()))
    missing = set(_features()) - set(table.column_names)
    if missing:
        raise DataError(
            f"data set {repo_id!r} is of another format: it lacks the columns {', '.join(sorted(missing))} "
            f"(expected {', '.join(_features())})"
        )
    return table.select_columns(list(_features())).cast(_features())


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
    for index, source in enumerate(_sources(examples)):
        try:
            yield read_image(source)
        except ImageError as error:
            raise DataError(f"row {index} ({_name(source)}): {error}") from None


def _sources(examples) -> Iterator[str | bytes]:
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
    for source in tqdm(_sources(examples), total=len(examples), desc="reading", unit=" pictures", leave=False):
        try:
            read_image(source)
        except ImageError as error:
            bad.append((_name(source), str(error)))
    return bad


def grouped_folds(examples, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into folds so that all pictures of a field are on one side.

    Returns:
        For each fold, (training indices, validation indices) into `examples`.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(examples)), labels_of(examples), np.asarray(examples["field"])))


def drop_fields_of(examples, others):
    """The rows of `examples` whose field does not occur in `others`."""
    seen = set(others["field"])
    return examples.select([i for i, field in enumerate(examples["field"]) if field not in seen])


# --- the summary -----------------------------------------------------------------------------------------


def summary(examples, bad: list[tuple[str, str]] | None = None) -> str:
    """Counts per lab, split and kind: pictures of each class, photos, fields, doubtful photos, unreadable files."""
    labels = [LABELS[i] for i in labels_of(examples)]
    groups = list(zip(examples["lab"], examples["split"], examples["kind"], strict=True))
    lines = [f"{len(examples):,} pictures"]
    if "synthetic" in set(examples["lab"]):
        lines.append("The lab 'synthetic' is drawn by leukoscope/synthetic.py: for trying things out, not evidence.")
    for group in sorted(set(groups)):
        rows = [i for i, g in enumerate(groups) if g == group]
        lab, split, kind = group
        part = examples.select(rows)
        counts = Counter(labels[i] for i in rows)
        doubtful = len({p for p, d in zip(part["photo"], part["doubt"], strict=True) if d})
        lines.append(f"\n{lab} · {split or 'no official split'} · {kind}: {len(rows):,} pictures of "
                     f"{len(set(part['photo'])):,} photos in {len(set(part['field'])):,} fields"
                     + (f", {doubtful} photos with a doubtful label" if doubtful else ""))
        lines += [f"  {label:<21}{counts[label]:>7,}" for label in LABELS if counts[label]]
    if bad is not None:
        lines.append(f"\nunreadable files: {len(bad)}")
        lines += [f"  {name}: {reason}" for name, reason in bad]
    return "\n".join(lines)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The options --data and --pbc, the same in every command."""
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="folder of the Kaggle set or of class folders, 'kaggle' (downloads it), 'synthetic[:N]' (drawn cells), "
        "or a data set id on the Hub; default $BLOOD_CELLS_DIR",
    )
    parser.add_argument(
        "--pbc", metavar="DIR", default=os.environ.get("PBC_DIR"), help="folder of the PBC set; default $PBC_DIR"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.data",
        description="Summarise the examples (and push them to the Hub): counts per class, lab, split, photos, fields.",
    )
    add_data_arguments(parser)
    parser.add_argument("--no-read", action="store_true", help="do not open each picture to find unreadable files")
    parser.add_argument("--push", metavar="USER/NAME", help="push the table to this data set on the Hub")
    parser.add_argument("--private", action="store_true", help="with --push: a private data set")
    args = parser.parse_args(argv)
    try:
        examples = load_examples(args.data, pbc=args.pbc)
        print(summary(examples, None if args.no_read else unreadable(examples)))
        if args.push:
            print(push_examples(examples, args.push, private=args.private))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
