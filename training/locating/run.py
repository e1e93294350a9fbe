"""The run folder of a training of the locator: what is in it, and whether it is of the same run."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np

from training.fitting.run_folder import RunError
from training.locating.fields.pictures import Picture
from training.locating.recipe import Recipe

WEIGHTS, STATE, CONFIG, RECORD, HISTORY = "average.weights.h5", "state.npz", "config.toml", "run.json", "history.csv"
HISTORY_COLUMNS = ("step", "loss", "heat", "sides", "red", "seconds")


def identity(recipe: Recipe, without: str | None = None, pictures: list[Picture] | None = None) -> dict:
    """What tells a run from others: its recipe, the lab that is left out, and, once these are read, its pictures."""
    facts: dict = {"config": recipe.model_dump(), "lab_left_out": without}
    if pictures is not None:
        names = "\n".join(f"{picture.lab}/{picture.group}/{Path(picture.path).name}" for picture in pictures)
        facts |= {"pictures": len(pictures), "data_sha256": hashlib.sha256(names.encode()).hexdigest()}
    return facts


def check_run(folder: Path, facts: dict) -> None:
    """Let a run go on only in a folder that holds the same run, or none.

    Args:
        folder: where.
        facts: its `identity`.

    Raises:
        RunError: naming what is another.
    """
    record = folder / RECORD
    before = json.loads(record.read_text()) if record.exists() else {}
    if changed := [key for key in facts if key in before and before[key] != facts[key]]:
        words = " and ".join(changed).replace("_", " ")
        raise RunError(f"{folder} holds a run with another {words}: give another --out, or remove it")


def open_run(folder: Path, config_text: str, facts: dict) -> None:
    """Make the run folder, or check that the one there holds the same run.

    Args:
        folder: where.
        config_text: the recipe as it is to be kept.
        facts: its `identity`.

    Raises:
        RunError: if it holds a run with another recipe, without another lab, or of other pictures.
    """
    check_run(folder, facts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(config_text)
    (folder / RECORD).write_text(json.dumps(facts, indent=1) + "\n")


def steps_done(folder: Path) -> int:
    """How many steps the state in a run folder is of."""
    if not (folder / STATE).exists():
        return 0
    with np.load(folder / STATE, allow_pickle=False) as saved:
        return int(saved["done"])


def add_to_history(folder: Path, step: int, losses: np.ndarray, seconds: float) -> None:
    """Add a row: the mean losses (4,) of the steps up to this one since the row before, and the seconds that they
    took."""
    file = folder / HISTORY
    fresh = not file.exists()
    with open(file, "a", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        if fresh:
            writer.writerow(HISTORY_COLUMNS)
        writer.writerow([step, *np.round(losses, 4), round(seconds, 1)])
