"""The training loop: batch after batch, epoch after epoch, from wherever the run folder stands."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from leukoscope.smear.preprocess import normalise
from training.data.attributes import attributes_taught
from training.fitting.batches import Batches, even_labs, taught
from training.fitting.examples import first_cells, framed, framing_of, margin_of, training_rows, with_negatives
from training.fitting.precision import native_bfloat16, resolved
from training.fitting.run_folder import (
    KEPT_FILE,
    START_FILE,
    finished,
    kept_epoch,
    load_state,
    precision_of,
    read_history,
    save_state,
    save_weights,
    stopped_early,
    write_history,
)
from training.recipe.config import Config, in_precision

TIMED_STEPS = 10  # from which a run's time is told beforehand


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


def train(config: Config, examples, folder: Path, distribute: str | None = None) -> Path:
    """Train, or go on training, until the last epoch or an early stop.

    Args:
        config: the settings.
        examples: the table of pictures.
        folder: the run folder.
        distribute: several devices to share each batch, see `training.fitting.replicas`; None: one device.

    Returns:
        The file with the weights to keep (see `kept_epoch`), averaged ones if the run averages.
    """
    if finished(folder, config):  # then no picture need be read either
        print(f"nothing is left to train in {folder}", flush=True)
        return folder / KEPT_FILE
    import tensorflow as tf
    from tqdm import tqdm

    from training.data.table import targets_of
    from training.fitting.replicas import Replicas
    from training.recipe.networks import NORMALISATION

    config = in_precision(config, precision_of(folder, config))
    replicas = Replicas(distribute)
    tf.config.experimental.enable_op_determinism()  # the same seed gives the same weights, to the last bit
    train_rows, val_rows = training_rows(config, examples)
    margin = margin_of(config)
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
            save_weights(kept, model)
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
