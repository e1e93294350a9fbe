"""The run folder: its settings, its history, the weights to keep and the state to go on from."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

from leukoscope.model.checkpoint import LOCATOR_FILE, sha256
from training.data.sources import doubted_photos
from training.fitting.locator import locator_path
from training.fitting.precision import resolved
from training.recipe.config import Config, checked, in_precision

KEPT_FILE = "kept.weights.h5"
HALFWAY_FILE = "halfway.weights.h5"  # if it is there, what is exported instead of those kept; see `training.finetune`
START_FILE = "start.weights.h5"  # if it is there, of the run folder: weights to start from, instead of random ones
HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


class RunError(ValueError):
    """A run folder that this run cannot use; the message says why."""


def open_run(folder: Path, config_text: str, config: Config, examples, locator: Path | None = None) -> None:
    """Make the run folder, with a copy of the locator, or check that the one there holds the same run.

    Args:
        folder: where.
        config_text: the settings as they are to be kept ...
        config: ... and as they were read.
        examples: the table of pictures.
        locator: graph that finds the cells to frame; None: the one that the settings name.

    run.json keeps the settings with the precision that "auto" meant here, so that the run goes on in it anywhere.

    Raises:
        RunError: if it holds a run with other settings, data or locator.
        DataError: if there is no locator.
    """
    record = folder / "run.json"
    if record.exists():
        if changed := changes_since(folder, config, examples, locator):
            raise RunError(
                f"{folder} holds a run with another {' and '.join(changed)}: give another --out, or remove it"
            )
        return
    identity = _identity(config, examples, locator)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(config_text)
    if config.framing.kind == "cell":
        shutil.copyfile(locator or locator_path(config.locator), folder / LOCATOR_FILE)
    begun = in_precision(config, resolved(config.fit.precision))
    record.write_text(json.dumps(identity | {"config": begun.model_dump()}, indent=1) + "\n")


def changes_since(folder: Path, config: Config, examples, locator: Path | None = None) -> list[str]:
    """What differs between the run in a folder and one as `open_run` would make; empty if nothing does.

    "auto" goes with whatever precision the run began in.
    """
    before = json.loads((folder / "run.json").read_text())
    # A setting that is newer than the run had its default then.
    begun = checked(before["config"], str(folder))
    before["config"] = begun.model_dump()
    if config.fit.precision == "auto":
        config = in_precision(config, begun.fit.precision)
    now = json.loads(json.dumps(_identity(config, examples, locator)))
    return [key for key in before | now if before.get(key) != now.get(key)]


def precision_of(folder: Path, config: Config) -> str:
    """The arithmetic that a run is in: what it began in, else what its settings mean on this processor."""
    record = folder / "run.json"
    if not record.exists():
        return resolved(config.fit.precision)
    return checked(json.loads(record.read_text())["config"], str(folder)).fit.precision


def _identity(config: Config, examples, locator: Path | None) -> dict:
    identity = {
        "config": config.model_dump(),
        "pictures": len(examples),
        "data_sha256": hashlib.sha256(
            "\n".join(
                map(str, zip(*(examples[c] for c in ("photo", "slide", "label", "kind", "split")), strict=True))
            ).encode()
        ).hexdigest(),
    }
    if config.framing.kind == "cell":
        identity["locator_sha256"] = sha256(locator or locator_path(config.locator))
    if config.data.drop_doubted:
        identity["doubted"] = sorted(map(list, doubted_photos()))
    return identity


def save_state(folder: Path, epochs_done: int, model, average: list[np.ndarray] | None) -> None:
    """Keep all that the next epoch needs. A state folder under its final name is whole: it is renamed there."""
    fresh = folder / f"state-{epochs_done:04d}"
    partial = folder / "state-partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    model.save(partial / "model.keras")
    arrays = {f"seed_{i}": seed.numpy() for i, seed in enumerate(_dropout_seeds(model))}
    arrays |= {f"average_{i}": array for i, array in enumerate(average or [])}
    np.savez(partial / "arrays.npz", **arrays)
    os.replace(partial, fresh)
    for old in folder.glob("state-[0-9]*"):
        if old != fresh:
            shutil.rmtree(old)


def load_state(folder: Path):
    """(epochs done, compiled model, averaged weights or None), or None if no epoch was completed."""
    import keras

    import training.recipe.heads  # noqa: F401 - its loss is known by name

    state = latest_state(folder)
    if not state:
        return None
    model = keras.saving.load_model(state / "model.keras")
    with np.load(state / "arrays.npz", allow_pickle=False) as arrays:
        for i, seed in enumerate(_dropout_seeds(model)):
            seed.assign(arrays[f"seed_{i}"])
        count = sum(name.startswith("average_") for name in arrays.files)
        average = [arrays[f"average_{i}"] for i in range(count)] or None
    return epochs_of(state), model, average


def latest_state(folder: Path) -> Path | None:
    """The state folder that the run goes on from, if an epoch was completed."""
    return max(folder.glob("state-[0-9]*"), default=None)


def epochs_of(state: Path | None) -> int:
    """How many epochs a state folder is of."""
    return int(state.name.removeprefix("state-")) if state else 0


def _dropout_seeds(model) -> list:
    """The dropout layers' random states, which Keras's own file leaves out."""
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]


def save_weights(file: Path, model) -> None:
    """Save a model's weights; under the file's name it is whole."""
    partial = file.with_name("partial.weights.h5")
    model.save_weights(partial)
    os.replace(partial, file)


def weights_of(folder: Path) -> Path:
    """The file of the weights that are exported, whether it is there yet or not."""
    halfway = folder / HALFWAY_FILE
    return halfway if halfway.exists() else folder / KEPT_FILE


def read_history(folder: Path) -> list[dict[str, float]]:
    """The rows of history.csv, one an epoch; empty if there is none."""
    file = folder / "history.csv"
    if not file.exists():
        return []
    with open(file, newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    partial = folder / "history.csv.partial"
    with open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "epoch": int(row["epoch"])} for row in history)
    os.replace(partial, folder / "history.csv")


def finished(folder: Path, config: Config) -> bool:
    """Whether no epoch is left to train."""
    done = epochs_of(latest_state(folder))
    return done >= config.fit.epochs or stopped_early(read_history(folder)[:done], config.fit.patience)


def kept_epoch(history: list[dict[str, float]], patience: int) -> int:
    """The epoch whose weights are kept: of a run that may stop early the one with the lowest validation loss, else the
    last. A schedule is made to end well, and a few dozen photos of doubtful labels are a poor judge of epochs."""
    best = min(history, key=lambda row: row["val_loss"]) if patience else history[-1]
    return int(best["epoch"])


def stopped_early(history: list[dict[str, float]], patience: int) -> bool:
    """Whether the validation loss has not fallen for `patience` epochs."""
    if not patience or len(history) <= patience:
        return False
    losses = [row["val_loss"] for row in history]
    return len(losses) - 1 - losses.index(min(losses)) >= patience


def source_commit() -> str | None:
    """Commit of the source that is running, with "+" if files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        git = lambda *words: subprocess.run(  # noqa: E731
            ["git", *words], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
