"""Train a network.

    python -m training.train training/recipe/configs/default.toml      # as long as it says after its first steps
    python -m training.train training/recipe/configs/reference.toml

The run folder (runs/<name>) gets config.toml, the locator, history.csv, tensorboard/, the weights to keep so far and
the state to go on from; beside it lies what the locator found in the pictures. Stop it at any moment, with Ctrl-C or
SIGKILL; the same command goes on after the last whole epoch, and gives what a run without the stop would have given.

Then: python -m training.export runs/<name> CHECKPOINT, and python -m training.evaluate CHECKPOINT.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.model.checkpoint import LOCATOR_FILE, sha256
from leukoscope.smear.preprocess import Framing, frame, normalise
from training.data.attributes import attributes_taught
from training.data.sources import DRAWN, LABELS, OTHER_CELLS, DataError, doubted_photos
from training.data.table import add_data_arguments, data_words, examples_of, is_drawn
from training.recipe.config import Config, ConfigError, checked, in_precision, read_config, to_toml
from training.recipe.locator import FirstCells, locator_path
from training.recipe.precision import native_bfloat16, resolved
from training.recipe.replicas import DistributeError

KEPT_FILE = "kept.weights.h5"
START_FILE = "start.weights.h5"  # if it is there, of the run folder: weights to start from, instead of random ones
TIMED_STEPS = 10  # from which a run's time is told beforehand
HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


class RunError(ValueError):
    """A run folder that this run cannot use; the message says why."""


# --- examples --------------------------------------------------------------------------------------------


def training_rows(config: Config, examples):
    """(training rows, validation rows) of a table: TRAIN of the labs named, one fold held out by slide, of which only
    the photos are validated on where there are photos.

    Photos whose label is doubted are left out of the training rows alone, if the settings say so: what is held out
    stays as published, so that a score does not rise for having its hard photos taken away.
    """
    from training.data.table import drop_fields_of, grouped_folds, labels_of, where

    unknown = set(config.data.others) - set(OTHER_CELLS)
    if unknown:
        raise DataError(f"data.others: {', '.join(sorted(unknown))}: valid are {', '.join(OTHER_CELLS)}")
    test = where(examples, split="test")
    labs, kinds, splits = (np.asarray(examples[c]) for c in ("lab", "kind", "split"))
    taught = np.isin(np.asarray(LABELS)[labels_of(examples)], CELL_TYPES + tuple(config.data.others))
    wanted = taught & np.isin(labs, config.data.labs) & np.isin(kinds, config.data.kinds) & (splits != "test")
    rows = examples.select(np.flatnonzero(wanted))
    absent = set(config.data.labs) - set(rows["lab"])
    if absent:
        raise DataError(
            f"no training pictures of kind {config.data.kind!r} from lab {', '.join(sorted(absent))}; "
            f"the data has labs {', '.join(sorted(set(labs)))}"
        )
    if config.data.drop_test_fields:
        rows = drop_fields_of(rows, test)
    train, validation = grouped_folds(rows, config.data.folds, config.seed)[config.data.fold]
    train, validation = rows.select(train), rows.select(validation)
    if "photo" in validation["kind"]:
        validation = where(validation, kind="photo")  # their copies are no new evidence
    if config.data.drop_doubted:
        doubted = doubted_photos()
        keep = [pair not in doubted for pair in zip(train["lab"], train["photo"], strict=True)]
        train = train.select(np.flatnonzero(keep))
    missing = set(range(4)) - set(labels_of(train))
    if missing:
        raise DataError(f"the training rows lack {len(missing)} of the four cell types")
    return train, validation


def on_all(config: Config) -> Config:
    """The same recipe with no fold held out.

    Raises:
        ConfigError: if it stops by what is held out.
    """
    values = config.model_dump()
    values["data"] |= {"folds": 1, "fold": 0}
    return checked(values, f"{config.name} on all photos")


def on_drawn(config: Config) -> Config:
    """The same recipe on drawn cells alone: they have one lab, photos of their own, and no cells of other kinds."""
    values = config.model_dump()
    values["data"] |= {"labs": [DRAWN], "kind": "photo", "others": []}
    return checked(values, f"{config.name} on drawn cells")


def framed(examples, framing: Framing, margin: int, what: str, cells: FirstCells | None) -> tuple[np.ndarray, Any]:
    """Decode and frame every row.

    Args:
        examples: the rows.
        framing: how.
        margin: px of surroundings on each side, see `leukoscope.smear.preprocess.frame`.
        what: they are, to be shown.
        cells: finds the cell to frame; None for kind "photo".

    Returns:
        uint8 (N, S, S, 3), S = size + 2 * margin; and the N rows they are of: those in which a white cell was found, as
        a copy that was turned and shifted may have lost its cell.

    Raises:
        DataError: if more than one row in twenty shows no white cell.
    """
    from tqdm import tqdm

    from training.data.table import decoded, sources

    cv2.setNumThreads(1)  # a photo a core: threads within one small photo cost more than they give

    def crop(source: str | bytes) -> np.ndarray | None:
        image = decoded(source)
        if cells is None:
            return frame(image, framing, None, margin)
        cell = cells.of(image)
        return frame(image, framing, cell, margin) if cell else None

    side = framing.size + 2 * margin
    crops = np.empty((len(examples), side, side, 3), np.uint8)
    seen = np.ones(len(examples), bool)
    bar = tqdm(total=len(examples), desc=f"reading {what}", unit=" pictures", disable=None)
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        given = enumerate(sources(examples))
        while chunk := list(islice(given, 64)):
            for i, found in zip([i for i, _ in chunk], pool.map(crop, [source for _, source in chunk]), strict=True):
                seen[i] = found is not None
                if found is not None:
                    crops[i] = found
            bar.update(len(chunk))
    if cells:
        cells.keep()
    blind = np.flatnonzero(~seen)
    if len(blind):
        lost = f"no white cell found in {len(blind)} of {len(examples)} {what} pictures"
        if len(blind) > len(examples) / 20:
            raise DataError(f"{lost}, first in {examples[int(blind[0])]['photo']}")
        print(f"{lost}, which are left out", flush=True)
        return crops[seen], examples.select(np.flatnonzero(seen))
    return crops, examples


def with_negatives(
    crops: np.ndarray, rows, config: Config, margin: int, cells: FirstCells | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add what no photo of a cell shows, as "none of the four".

    Returns:
        The crops, uint8 (N, S, S, 3); what each is taught as, int (N,); its lab, or "empty" (N,).
    """
    from training.data.negatives import empty_crops
    from training.data.table import NONE, targets_of

    targets, labs = targets_of(rows), np.asarray(rows["lab"])
    if not (config.data.empty and cells):
        return crops, targets, labs
    empty = empty_crops(rows, framing_of(config), margin, config.data.empty, config.seed, cells.locator)
    return (
        np.concatenate([crops, empty]),
        np.concatenate([targets, np.full(len(empty), NONE)]),
        np.concatenate([labs, np.full(len(empty), "empty")]),
    )


def framing_of(config: Config) -> Framing:
    """The serving library's framing for this run."""
    return Framing(**config.framing.model_dump())


def first_cells(config: Config, run: Path) -> FirstCells | None:
    """What finds the cells that a run frames; None where it frames whole photos."""
    if config.framing.kind == "photo":
        return None
    return FirstCells(run / LOCATOR_FILE, config.locator.threshold, run.parent)


def taught(labels: np.ndarray, classes: int, attributes: np.ndarray | None) -> np.ndarray:
    """Types, int (N,), and attributes, int (N, 10), if they are taught -> what the network should give, float32."""
    from training.recipe.heads import one_hot

    types = np.eye(classes, dtype=np.float32)[labels]
    return types if attributes is None else np.concatenate([types, one_hot(attributes)], axis=1)


class Batches:
    """The batches of one epoch: which pictures, and how each is augmented, follows from seed and epoch alone."""

    def __init__(
        self,
        crops: np.ndarray,
        labels: np.ndarray,
        labs: np.ndarray,
        config: Config,
        attributes: np.ndarray | None = None,
    ) -> None:
        self.crops, self.labels, self.labs, self.config = crops, labels, labs, config
        self.attributes = attributes
        self.classes = config.data.classes
        counts = np.bincount(labels, minlength=self.classes)
        self.class_weight = len(labels) / (self.classes * counts)
        self.steps = config.fit.steps or -(-len(labels) // config.fit.batch)

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (inputs float32, one-hot labels, sample weights), prepared ahead on another thread."""
        order = self._order(np.random.default_rng([self.config.seed, epoch]))
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self._batch, epoch, step, order) for step in range(min(4, self.steps))]
            for step in range(self.steps):
                if step + 4 < self.steps:
                    ahead.append(pool.submit(self._batch, epoch, step + 4, order))
                yield ahead.pop(0).result()

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        total = self.steps * self.config.fit.batch
        if self.config.fit.balance == "sampling":
            # Each type equally often, within a type each lab, and within these each picture.
            strata = [
                np.flatnonzero((self.labels == label) & (self.labs == lab))
                for label in range(self.classes)
                for lab in np.unique(self.labs[self.labels == label])
            ]
            strata = [rng.permutation(rows) for rows in strata]
            share = [1 / len(np.unique(self.labs[self.labels == self.labels[rows[0]]])) for rows in strata]
            counts = np.ceil(np.array(share) * total / self.classes).astype(int)
            drawn = [np.resize(rows, count) for rows, count in zip(strata, counts, strict=True)]
            return rng.permutation(np.concatenate(drawn))[:total]
        passes = -(-total // len(self.labels))
        order = np.concatenate([rng.permutation(len(self.labels)) for _ in range(passes)])
        return order[:total] if self.config.fit.steps else order[: len(self.labels)]

    def _batch(self, epoch: int, step: int, order: np.ndarray):
        from training.recipe.augment import augment
        from training.recipe.networks import NORMALISATION

        size = self.config.framing.size
        rng = np.random.default_rng([self.config.seed, epoch, step])
        chosen = order[step * self.config.fit.batch : (step + 1) * self.config.fit.batch]
        crops = np.stack([augment(self.crops[i], size, self.config.augment, rng) for i in chosen])
        labels = self.labels[chosen]
        weights = self.class_weight[labels] if self.config.fit.balance == "class-weights" else np.ones(len(chosen))
        return (
            normalise(crops, NORMALISATION),
            taught(labels, self.classes, None if self.attributes is None else self.attributes[chosen]),
            weights.astype(np.float32),
        )


# --- the run folder --------------------------------------------------------------------------------------


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


# --- the loop --------------------------------------------------------------------------------------------


def compiled(config: Config, steps: int, replicas: int = 1):
    """A fresh network with its optimizer and loss."""
    import keras

    from training.recipe.heads import HeadsLoss, TypeAccuracy
    from training.recipe.networks import build

    keras.config.set_dtype_policy(resolved(config.fit.precision))
    model = build(config, synchronized=replicas > 1)
    keras.config.set_dtype_policy("float32")
    rate = config.fit.learning_rate
    if config.fit.schedule == "cosine":
        warm = 2 * steps  # two epochs: the first steps of Adam are wild
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10, max(1, config.fit.epochs * steps - warm), 1e-3, warmup_target=rate, warmup_steps=warm
        )
    if config.fit.weight_decay:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.fit.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(rate)
    smoothing = config.fit.label_smoothing
    if config.fit.attributes:
        loss, accuracy = HeadsLoss(config.fit.attributes, smoothing), TypeAccuracy()
    else:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        accuracy = "accuracy"
    # XLA on the CPU was no faster for these networks and costs a minute of compilation.
    model.compile(optimizer, loss, weighted_metrics=[accuracy], jit_compile=False)
    return model


def finished(folder: Path, config: Config) -> bool:
    """Whether no epoch is left to train."""
    done = epochs_of(latest_state(folder))
    return done >= config.fit.epochs or stopped_early(read_history(folder)[:done], config.fit.patience)


def train(config: Config, examples, folder: Path, distribute: str | None = None) -> Path:
    """Train, or go on training, until the last epoch or an early stop.

    Args:
        config: the settings.
        examples: the table of pictures.
        folder: the run folder.
        distribute: several devices to share each batch, see `training.recipe.replicas`; None: one device.

    Returns:
        The file with the weights to keep (see `kept_epoch`), averaged ones if the run averages.
    """
    if finished(folder, config):  # then no picture need be read either
        print(f"nothing is left to train in {folder}", flush=True)
        return folder / KEPT_FILE
    import tensorflow as tf
    from tqdm import tqdm

    from training.data.table import targets_of
    from training.recipe.networks import NORMALISATION
    from training.recipe.replicas import Replicas

    config = in_precision(config, precision_of(folder, config))
    replicas = Replicas(distribute)
    tf.config.experimental.enable_op_determinism()  # the same seed gives the same weights, to the last bit
    train_rows, val_rows = training_rows(config, examples)
    # Room for the crop to turn and move in without showing what lies beyond; a whole photo has no more to show.
    margin = config.framing.size // 4 if config.framing.kind == "cell" else 0
    framing, cells = framing_of(config), first_cells(config, folder)
    crops, train_rows = framed(train_rows, framing, margin, "training", cells)
    negatives = with_negatives(crops, train_rows, config, margin, cells)
    batches = Batches(*negatives, config, attributes_taught(config, train_rows, len(negatives[0])))
    val_crops, val_rows = framed(val_rows, framing, 0, "validation", cells)
    val_inputs = normalise(val_crops, NORMALISATION) if len(val_rows) else val_crops
    val_attributes = attributes_taught(config, val_rows, len(val_rows))
    val_labels = taught(targets_of(val_rows), config.data.classes, val_attributes)
    val_weights = even_labs(np.asarray(val_rows["lab"]))

    with replicas.scope():
        state = load_state(folder)
        done, model, average = state or (0, compiled(config, batches.steps, replicas.count), None)
        if not done and (folder / START_FILE).exists():
            model.load_weights(folder / START_FILE)
    history = read_history(folder)[:done]
    if done:
        print(f"going on after epoch {done}", flush=True)
    if average is None and config.fit.average:
        average = model.get_weights()
    board = tf.summary.create_file_writer(str(folder / "tensorboard"))
    kept = folder / KEPT_FILE
    clock: list[float] = []

    for epoch in range(done, config.fit.epochs):
        if stopped_early(history, config.fit.patience):
            break
        began = time.perf_counter()
        totals = np.zeros(3)  # pictures, loss, accuracy: Keras reports each batch by itself
        bar = tqdm(batches.epoch(epoch), f"epoch {epoch + 1}/{config.fit.epochs}", batches.steps, leave=False)
        for step, (inputs, labels, weights) in enumerate(bar, 1 + epoch * batches.steps):
            logs = replicas.step(model, inputs, labels, weights)
            totals += len(inputs) * np.array([1.0, logs["loss"], logs["accuracy"]])
            _, loss, accuracy = totals / totals[0]
            if average is not None:
                # Early on the average must not remember the random start: its memory grows with the steps.
                keep = min(config.fit.average, (1 + step) / (10 + step))
                average = [keep * a + (1 - keep) * w for a, w in zip(average, model.get_weights(), strict=True)]
            bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.3f}", refresh=False)
            if len(clock) <= TIMED_STEPS:  # the first step builds the graph, and is not timed
                clock.append(time.perf_counter())
                if len(clock) > TIMED_STEPS:
                    with bar.external_write_mode():
                        print(expected(config, np.diff(clock), (config.fit.epochs - done) * batches.steps), flush=True)

        own = model.get_weights()
        if average is not None:
            model.set_weights(average)
        val = {"loss": np.nan, "accuracy": np.nan}
        if len(val_rows):
            val = model.evaluate(
                val_inputs, val_labels, batch_size=128, sample_weight=val_weights, verbose=0, return_dict=True
            )
        row = {
            "epoch": epoch + 1,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": float(val["loss"]),
            "val_accuracy": float(val["accuracy"]),
            "learning_rate": float(np.asarray(model.optimizer.learning_rate)),
            "seconds": round(time.perf_counter() - began, 2),
        }
        history.append(row)
        if kept_epoch(history, config.fit.patience) == epoch + 1:
            partial = folder / "partial.weights.h5"
            model.save_weights(partial)
            os.replace(partial, kept)
        model.set_weights(own)
        write_history(folder, history)
        save_state(folder, epoch + 1, model, average)
        with board.as_default(step=epoch + 1):
            known = {key: value for key, value in row.items() if not np.isnan(value)}
            for key in known.keys() - {"epoch", "seconds"}:
                tf.summary.scalar(key, known[key])
        board.flush()
        print("  ".join(f"{key} {value:.4g}" for key, value in known.items()), flush=True)
    if stopped_early(history, config.fit.patience):
        print(f"stopped: no lower validation loss in {config.fit.patience} epochs", flush=True)
    return kept


def expected(config: Config, seconds: np.ndarray, steps: int) -> str:
    """How long `steps` will take, from the seconds of some (N,), and the arithmetic that they are done in."""
    step = float(np.median(seconds))
    minutes = max(1, round(steps * step / 60))
    words = f"{config.fit.precision}, {step:.2g} s a step: about {minutes:,} min for {steps:,} steps"
    if config.fit.precision == "mixed_bfloat16" and not native_bfloat16():
        words += "; float32 would take less, since this processor has no bfloat16 of its own"
    return words


def even_labs(labs: np.ndarray) -> np.ndarray:
    """Weights (N,) with mean 1 that let each lab count the same, however many pictures it gave."""
    names, index, counts = np.unique(labs, return_inverse=True, return_counts=True)
    return (len(labs) / (len(names) * counts[index])).astype(np.float32)


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


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a network, or go on with a run that was stopped.",
    )
    parser.add_argument("config", type=Path, help="settings, such as training/recipe/configs/default.toml")
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder; default runs/<name in the settings>")
    parser.add_argument(
        "--distribute",
        metavar="WHERE",
        help="share each batch among all GPUs of this machine (gpus) or N virtual devices of its processor (cpus:N)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="hold no fold out: for a recipe that stands, whose thresholds a run with a fold held out gives "
        "(training.export --verdicts); the run folder is then runs/<name>-all",
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        config = read_config(args.config)
        text, name = args.config.read_text(), config.name
        if is_drawn(args.data) and DRAWN not in config.data.labs:
            config = on_drawn(config)
            text, name = to_toml(config), f"{name}-drawn"
        if args.all:
            config = on_all(config)
            text, name = to_toml(config), f"{name}-all"
        examples = examples_of(args, kinds=config.data.kinds, seed=config.seed)
        folder = args.out or Path("runs") / name
        open_run(folder, text, config, examples)
        kept = train(config, examples, folder, args.distribute)
    except (ConfigError, DataError, DistributeError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on after the last whole epoch", file=sys.stderr)
        return 130
    print(f"weights: {kept}\nnext: python -m training.export {folder} {folder}-checkpoint{data_words(args)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
