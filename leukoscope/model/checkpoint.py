"""The checkpoint folder: its files, its spec, reading, writing, checking.

A checkpoint is data alone: a JSON spec, ONNX graphs, Keras's own unpacked files, numbers and pictures.
Loading one runs nothing from it. Every file name on disk is a constant here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from leukoscope.biology.attributes import ATTRIBUTES, VALUES
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import CheckpointError
from leukoscope.files import write_whole
from leukoscope.model.calibration import Sizes
from leukoscope.smear.preprocess import Framing, Normalisation

FORMAT_VERSION = 7  # 1 and 2 had no locator, 3 no attributes, 4 no `sure_cell`, 5 no `sizes`, 6 no `offsets`
OLDEST_VERSION = 3  # that can still be read

SPEC_FILE = "classifier.json"
ONNX_FILE = "model.onnx"
LOCATOR_FILE = "locator.onnx"  # of a model that frames cells; one that looks at the whole photo has none
KERAS_FILES = ("config.json", "metadata.json", "model.weights.h5")
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
GOLDEN_PICTURE = "golden.png"
GOLDEN_FILE = "golden.json"
FIGURES_FOLDER = "figures"
CARD_FILE = "README.md"

# All that a checkpoint may hold; nothing else is downloaded, copied or uploaded.
FILE_PATTERNS = (
    SPEC_FILE,
    ONNX_FILE,
    LOCATOR_FILE,
    *KERAS_FILES,
    METRICS_FILE,
    HISTORY_FILE,
    GOLDEN_PICTURE,
    GOLDEN_FILE,
    CARD_FILE,
    f"{FIGURES_FOLDER}/*/*.png",
)

# Far above what any checkpoint needs; a file beyond its limit is not read, nor downloaded.
MOST_FILE_BYTES = {
    ONNX_FILE: 512 * 2**20,
    LOCATOR_FILE: 64 * 2**20,
    "model.weights.h5": 512 * 2**20,
    SPEC_FILE: 2**20,
}
MOST_OTHER_BYTES = 8 * 2**20

GOLDEN_TOLERANCE = 1e-4  # of a probability, across processors and ONNX Runtime versions


@dataclass(frozen=True)
class Thresholds:
    """Where a verdict changes.

    confident: calibrated probability (0-1) from which a label stands; below it the verdict is `review`.
    unfamiliar: unfamiliarity (0-1) above which the verdict is `unfamiliar`; 1: never.
    cell: the locator's score (0-1) from which something is a white cell.
    sure_cell: the locator's score from which its label may stand; below it the verdict is `review` however probable the
        label: the network tells types apart, and has one for a platelet on a red cell too. 0: from any.
    """

    confident: float
    unfamiliar: float = 1.0
    cell: float = 0.5
    sure_cell: float = 0.0


@dataclass(frozen=True)
class Spec:
    """All that answering needs beside the graphs, saved as `classifier.json`.

    labels: cell types in the order of the logits. temperature: divides the logits before the softmax.
    sizes: what a cell's width in red cells adds to the logits before; None: nothing.
    offsets: added to the logits of the types likewise, as cells of one lab say (`leukoscope.tuning`); empty: nothing.
    attributes: of each of `VALUES`, or of `ATTRIBUTES` alone before format 6, the probability (0-1) from which it is
        said; empty for a graph without them.
    files: SHA-256 of each file that loading relies on. trained: what it was trained from, for people to read.
    """

    name: str
    framing: Framing
    normalisation: Normalisation
    temperature: float
    thresholds: Thresholds
    labels: tuple[str, ...] = CELL_TYPES
    attributes: dict[str, float] = field(default_factory=dict)
    sizes: Sizes | None = None
    offsets: tuple[float, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    trained: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse values with which nothing can be answered, by a ValueError."""
        if min(self.normalisation.std) <= 0:
            raise ValueError(f"normalisation.std must be above 0, not {list(self.normalisation.std)}")
        if self.labels != CELL_TYPES:
            raise ValueError(f"labels must be {list(CELL_TYPES)} in this order, not {list(self.labels)}")
        if self.sizes and len(self.sizes.mean) != len(self.labels):
            raise ValueError(f"sizes.mean must have a number for each of {', '.join(self.labels)}")
        if self.offsets and len(self.offsets) != len(self.labels):
            raise ValueError(f"offsets must be a number for each of {', '.join(self.labels)}, or empty")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        for name, value in asdict(self.thresholds).items():
            if not 0 <= value <= 1:
                raise ValueError(f"thresholds.{name} must be 0-1, not {value}")
        if self.attributes and tuple(self.attributes) not in (tuple(VALUES), tuple(ATTRIBUTES)):
            raise ValueError(f"attributes must be {', '.join(VALUES)}, not {', '.join(self.attributes)[:200]}")
        for name, value in self.attributes.items():
            if not 0 <= value <= 1:
                raise ValueError(f"attributes.{name} must be 0-1, not {value}")


def read_spec(folder: str | os.PathLike[str]) -> Spec:
    """Read and check a folder's `classifier.json`.

    Raises:
        CheckpointError: if there is none, or its format is newer or older, or a value is missing, unknown or wrong.
    """
    path = Path(folder) / SPEC_FILE
    values = read_json(path)
    version = values.get("format_version")
    if type(version) is not int:
        raise CheckpointError(f"{path}: no format_version: not a checkpoint of Leukoscope")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {version} is newer than this library reads ({FORMAT_VERSION}): upgrade leukoscope"
        )
    if version < OLDEST_VERSION:
        raise CheckpointError(
            f"{path}: format {version} had cells found by rules that this version no longer has: "
            "train and export the model anew, or use the version of leukoscope that wrote it"
        )
    try:
        return Spec(
            **_known(Spec, values, "")
            | {
                "framing": Framing(**_known(Framing, values.get("framing"), "framing")),
                "normalisation": Normalisation(
                    **_tuples(_known(Normalisation, values.get("normalisation"), "normalisation"))
                ),
                "thresholds": Thresholds(**_known(Thresholds, values.get("thresholds"), "thresholds")),
                "labels": tuple(values.get("labels", ())),
                "sizes": sizes_of(values.get("sizes")),
                "offsets": tuple(values.get("offsets", ())),
            }
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def sizes_of(values: Any) -> Sizes | None:
    """Sizes from an object of JSON; None from null.

    Raises:
        ValueError, TypeError: naming a key that is missing, unknown or wrong.
    """
    return None if values is None else Sizes(**_tuples(_known(Sizes, values, "sizes")))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Values with their lists as tuples, as frozen things hold them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def write_spec(folder: str | os.PathLike[str], spec: Spec) -> None:
    """Write `classifier.json`, in one step so that no reader sees half of it."""
    write_json(Path(folder) / SPEC_FILE, asdict(spec))


def check_files(folder: str | os.PathLike[str], spec: Spec) -> None:
    """Compare every file of the manifest with its hash.

    Raises:
        CheckpointError: naming the first file that is missing or differs, or that a model of this kind has no use for.
    """
    located = spec.framing.kind == "cell"
    for name in (ONNX_FILE, LOCATOR_FILE) if located else (ONNX_FILE,):
        if name not in spec.files:
            raise CheckpointError(f"{Path(folder) / SPEC_FILE}: no hash for {name}")
    if not located and (LOCATOR_FILE in spec.files or (Path(folder) / LOCATOR_FILE).exists()):
        raise CheckpointError(f"{Path(folder) / LOCATOR_FILE}: a model that looks at the whole photo has no locator")
    for name, expected in spec.files.items():
        if Path(name).name != name:
            raise CheckpointError(f"{Path(folder) / SPEC_FILE}: {name!r} is no plain file name")
        path = Path(folder) / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing")
        check_size(path)
        if sha256(path) != expected:
            raise CheckpointError(f"{path} is damaged: its SHA-256 differs from the one in {SPEC_FILE}")


def files_of(folder: str | os.PathLike[str]) -> list[str]:
    """The checkpoint's files, as paths with forward slashes below the folder, sorted."""
    root = Path(folder)
    return sorted(f.relative_to(root).as_posix() for pattern in FILE_PATTERNS for f in root.glob(pattern))


def copy_checkpoint(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a checkpoint's files into a folder that is new, empty or an older checkpoint, all of them or none.

    Raises:
        CheckpointError: if the target holds something else.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as workshop:
        fresh = Path(workshop) / "checkpoint"
        for name in files_of(source):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(source) / name, fresh / name)
        replace_checkpoint(fresh, target)


def replace_checkpoint(fresh: Path, target: Path) -> None:
    """Move a finished folder to its place; an older checkpoint there goes, anything else is left alone.

    Raises:
        CheckpointError: as `check_replaceable`.
    """
    check_replaceable(target)
    if target.exists():
        shutil.rmtree(target)
    os.replace(fresh, target)


def check_replaceable(target: Path) -> None:
    """See that a folder is new, empty, or an older checkpoint and nothing else.

    Raises:
        CheckpointError: if it holds something that is no checkpoint, naming what lies beside one.
    """
    empty_or_older = target.is_dir() and ((target / SPEC_FILE).exists() or not any(target.iterdir()))
    if target.exists() and (target.is_symlink() or not empty_or_older):
        raise CheckpointError(f"{target} holds something that is no checkpoint: not replaced")
    strangers = {path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()}
    if strangers := strangers - set(files_of(target)):
        raise CheckpointError(f"{target} holds {min(strangers)[:200]}, which is of no checkpoint: not replaced")


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Any) -> None:
    """Write JSON, in one step."""
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        CheckpointError: if there is no such file, or it holds something else.
    """
    try:
        check_size(path)
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} is not a checkpoint: it has no {path.name}") from None
    except RecursionError:
        raise CheckpointError(f"{path} cannot be read: it is nested too deep") from None
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold an object")
    return values


def most_bytes(name: str) -> int:
    """How large a file of a checkpoint may be."""
    return MOST_FILE_BYTES.get(name, MOST_OTHER_BYTES)


def check_size(path: Path) -> None:
    """See that a file of a checkpoint is not larger than any should be.

    Raises:
        CheckpointError: naming the file, or if it is no plain file at all.
        OSError: if there is none.
    """
    if not path.is_file() and path.exists():
        raise CheckpointError(f"{path} is no plain file")
    if path.stat().st_size > most_bytes(path.name):
        raise CheckpointError(f"{path} is larger than {most_bytes(path.name) // 2**20} MB")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and bool(np.isfinite(float(value)))


def _text(value: Any) -> bool:
    return isinstance(value, str)


# What a value read from JSON must be, by the annotation of its field.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (_text, "text"),
    "int": (lambda value: type(value) is int, "a whole number"),
    "float": (_number, "a number"),
    "tuple[float, float, float]": (
        lambda value: isinstance(value, list) and len(value) == 3 and all(map(_number, value)),
        "three numbers",
    ),
    "tuple[float, ...]": (lambda value: isinstance(value, list) and all(map(_number, value)), "a list of numbers"),
    "tuple[str, ...]": (lambda value: isinstance(value, list) and all(map(_text, value)), "a list of texts"),
    "dict[str, float]": (
        lambda value: isinstance(value, dict) and all(map(_number, value.values())),
        "an object of numbers",
    ),
    "dict[str, str]": (lambda value: isinstance(value, dict) and all(map(_text, value.values())), "an object of texts"),
    "dict[str, Any]": (lambda value: isinstance(value, dict), "an object"),
}


def _known(kind: type, values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object")
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))[:200]}{' in ' + where if where else ''}")
    for f in fields(kind):
        check, wanted = _CHECKS.get(str(f.type), (None, ""))
        if check and f.name in values and not check(values[f.name]):
            name = f"{where}.{f.name}" if where else f.name
            raise ValueError(f"{name} must be {wanted}, not {str(values[f.name])[:80]}")
    return values
