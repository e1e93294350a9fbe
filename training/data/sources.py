"""Where examples come from: each source gives rows of the one table that `training.data.table` describes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.scanning.classes import class_files, named_twice, share_slides

OTHER_CELLS = tuple(
    name
    for name in ("basophil", "erythroblast", "immature_granulocyte", "blast", "promyelocyte")
    if name not in CELL_TYPES
)
LABELS = CELL_TYPES + OTHER_CELLS  # index < len(CELL_TYPES): one of the types that the network tells apart

TABLES = Path(__file__).parent / "tables"
AUDIT_FILE = Path(__file__).parents[1] / "results" / "audit.csv"
PHOTO_FOLDER = "dataset-master/dataset-master/JPEGImages"
COPY_FOLDER = "dataset2-master/dataset2-master/images"
KAGGLE_HANDLE = "paultimothymooney/blood-cells"
KAGGLE_LAYOUT = f"""\
DIR/
  {COPY_FOLDER}/TRAIN|TEST/EOSINOPHIL|LYMPHOCYTE|MONOCYTE|NEUTROPHIL/*.jpeg   (12,444 copies)
  {PHOTO_FOLDER}/BloodImage_*.jpg                                      (the photos)"""
CLASS_LAYOUT = f"DIR/<class>/*.jpg|png|tif|bmp|webp|gif with class one of: {', '.join(LABELS)}"

DRAWN = "synthetic"  # the name of drawn data, and of their lab
KINDS = ("photo", "copy")
OPTIONAL = ("attributes", "attributes_split")  # columns that few rows fill


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


def doubted_photos() -> set[tuple[str, str]]:
    """(lab, photo) of each TRAIN photo whose label the kept audit doubts; a TEST photo is never among them.

    Raises:
        DataError: if there is no audit, or it is no table that `training.studies.audit` wrote.
    """
    if not AUDIT_FILE.exists():
        raise DataError(f"data.drop_doubted: there is no {AUDIT_FILE}: python -m training.studies.audit makes it")
    with open(AUDIT_FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {"lab", "photo", "split", "doubted"}
    if not rows or not wanted <= rows[0].keys():
        raise DataError(
            f"data.drop_doubted: {AUDIT_FILE} lacks rows or columns: python -m training.studies.audit makes it anew"
        )
    return {(row["lab"], row["photo"]) for row in rows if row["doubted"] == "yes" and row["split"] == "train"}


# --- sources ---------------------------------------------------------------------------------------------


def folder_rows(folder: Path, kinds: Iterable[str], notes: list[str] | None = None) -> list[dict]:
    """Rows of a folder of either layout; `notes` as of `class_folder_rows`."""
    if (folder / "dataset2-master").is_dir() or (folder / "dataset-master").is_dir():
        return kaggle_rows(folder, kinds)
    return class_folder_rows(folder, folder.name, notes)


def kaggle_rows(root: Path, kinds: Iterable[str]) -> list[dict]:
    """Rows of the Kaggle set as downloaded; every picture of the tables must be there."""
    photos = photo_table()

    def row(path: Path, photo: str, kind: str) -> dict:
        facts = photos[photo]
        return {
            "image": str(path),
            "label": facts["label"],
            "photo": photo,
            "field": facts["field"],
            "slide": facts["field"],  # nothing tells which slide a photo shows
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


def class_folder_rows(folder: Path, lab: str, notes: list[str] | None = None) -> list[dict]:
    """Rows of a lab whose pictures lie in a folder for each class; pictures of the same bytes share field and split.

    `notes` is given a line for each kind of files that are left out, for copies, and for pictures of two classes.
    """
    notes = [] if notes is None else notes
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}\nexpected {CLASS_LAYOUT}")
    if not any(folder.iterdir()):
        raise DataError(f"{folder} is empty\nexpected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}")
    by_class = class_files(folder, LABELS, notes)
    found = [label for label in LABELS if label in by_class]
    if not found:
        raise DataError(
            f"{folder} is of another layout: no class folder in it\n"
            f"expected the Kaggle set:\n{KAGGLE_LAYOUT}\nor {CLASS_LAYOUT}"
        )
    rows, taken = [], set()
    for label in found:
        files = by_class[label]
        if not files:
            named = next(child for child in folder.iterdir() if child.name.strip().lower() == label)
            raise DataError(f"{folder} is partial: no picture in {named}")
        for file in files:
            # Without a table of fields every photo counts as a field of its own.
            identity = f"{lab}/{label}/{file.stem}"
            if identity in taken:  # a.png beside a.tif, or in Eosinophil/ beside eosinophil/
                identity = f"{lab}/{file.parent.name}/{file.name}"
            taken.add(identity)
            rows.append(
                {
                    "image": str(file),
                    "label": label,
                    "photo": identity,
                    "field": identity,
                    "slide": identity,
                    "lab": lab,
                    "split": "",
                    "kind": "photo",
                    "doubt": "",
                }
            )
    missing = [name for name in CELL_TYPES if name not in found]
    if missing:
        raise DataError(f"{folder} is partial: no folder for {', '.join(missing)}\nexpected {CLASS_LAYOUT}")
    if torn := share_slides(rows, notes):
        notes.append(named_twice(torn))
    for row in rows:
        row["field"] = row["slide"]
        row["split"] = held_out_quarter(row["slide"])
    return rows


def held_out_quarter(identity: str) -> str:
    """The split of a photo in a lab that has no official one: a quarter is "test", drawn by hash.

    It follows from the name alone, so it stays when photos come or go.
    """
    return "test" if int(hashlib.sha256(identity.encode()).hexdigest(), 16) % 4 == 0 else "train"


def download_kaggle() -> Path:
    """Download the Kaggle set into kagglehub's cache (once) and return its folder."""
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


def synthetic(name: str, seed: int):
    """Drawn photos: class-balanced, a fifth of them marked as the test split. Not evidence about blood."""
    import cv2

    from leukoscope.drawn.synthetic import draw_photo

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
                "slide": identity,
                "lab": DRAWN,
                "split": "test" if index // len(CELL_TYPES) % 5 == 4 else "train",
                "kind": "photo",
                "doubt": "",
            }
        )
    return to_dataset(rows)


def features():
    """Columns of the table and their types."""
    import datasets

    text = datasets.Value("string")
    return datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(LABELS)),
            "photo": text,
            "field": text,
            "slide": text,
            "lab": text,
            "split": text,
            "kind": text,
            "doubt": text,
            **dict.fromkeys(OPTIONAL, text),
        }
    )


def to_dataset(rows: list[dict]):
    """Rows as a `datasets.Dataset`."""
    import datasets

    columns = {key: [row.get(key, "") if key in OPTIONAL else row[key] for row in rows] for key in features()}
    return datasets.Dataset.from_dict(columns, features=features())


def from_hub(repo_id: str):
    """The table as it was pushed to the Hub, or a local folder of the same parquet files."""
    import datasets

    try:
        parts = datasets.load_dataset(repo_id)  # the newest is what is asked for  # nosec B615
    except Exception as error:  # datasets raises a dozen kinds: no such repo, offline, gated, no data files
        raise DataError(
            f"cannot load the data set {repo_id!r} from the Hub ({type(error).__name__}: {error})"
        ) from error
    table = datasets.concatenate_datasets(list(parts.values()))
    for column in set(OPTIONAL) - set(table.column_names):  # pushed before there were any
        table = table.add_column(column, [""] * len(table))
    missing = set(features()) - set(table.column_names)
    if missing:
        raise DataError(
            f"data set {repo_id!r} is of another format: it lacks the columns {', '.join(sorted(missing))} "
            f"(expected {', '.join(features())})"
        )
    return table.select_columns(list(features())).cast(features())
