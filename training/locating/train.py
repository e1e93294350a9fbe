"""Train the locator.

    python -m training.locating.train training/recipe/configs/locator.toml    # about an hour on two CPU cores
    python -m training.locating.train training/recipe/configs/locator.toml --without raabin  # to score it there

The run folder (runs/<name>) gets config.toml, run.json, history.csv, the averaged weights, the boxes that were found,
and the state to go on from: stop it at any moment, and the same command goes on after the last whole 250 steps, and
gives what a run without the stop would have given.

It goes in rounds: first annotated boxes, and the middles of pictures of one cell whose boxes nobody drew; then these
pictures with the boxes that the rounds before find in their middles.

Then: python -m training.locating.export runs/<name> locator.onnx, and python -m training.locating.score locator.onnx.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from leukoscope.errors import ImageError
from leukoscope.smear.locate import SIDE_UNIT, Locator
from training.data.sources import DataError
from training.fitting.run_folder import RunError
from training.locating.fields.canvas import example
from training.locating.fields.found import DOUBTFUL, LEAST, read_boxes, relabel, write_boxes
from training.locating.fields.pictures import Picture, add_folder_arguments, all_pictures, drawn, everyday, folders_of
from training.locating.recipe import Recipe, read_recipe
from training.locating.run import STATE, WEIGHTS, add_to_history, check_run, identity, open_run, steps_done
from training.recipe.config import ConfigError

SAVED_EVERY = 250  # steps
WARM_UP = 200  # steps
AHEAD = 6  # batches that are prepared
DRAWN = 150  # photos
CLIPPED = 5.0  # length of all gradients together, at most
SIDES = 3.0  # weight of the sides' loss beside the heat map's

ByLab = dict[str, list[Picture]]


# --- batches ---------------------------------------------------------------------------------------------


def batches(by_lab: ByLab, others: list[np.ndarray], recipe: Recipe, first: int, last: int) -> Iterator[tuple]:
    """The batches of steps `first` to `last`, prepared ahead; each follows from seed and step alone.

    Args:
        by_lab, others: what examples are made from, see `canvas.example`.
        recipe: with the seed, and how many make a batch.
        first, last: steps; the last is not among them.

    Yields:
        canvases, heat, sides, known, telling: as `canvas.example` gives them, stacked.
    """

    def batch(step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([recipe.seed, step])
        made = [example(by_lab, others, rng) for _ in range(recipe.batch)]
        return tuple(np.stack(part) for part in zip(*made, strict=True))

    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(batch, step) for step in range(first, min(first + AHEAD, last))]
        for step in range(first, last):
            if step + AHEAD < last:
                ahead.append(pool.submit(batch, step + AHEAD))
            yield ahead.pop(0).result()


# --- the loop --------------------------------------------------------------------------------------------


def learning_rate(recipe: Recipe, done: int, steps: int) -> float:
    """Of a step of a round: it rises for `WARM_UP` steps and falls as a cosine to a hundredth, in each round anew
    (Loshchilov & Hutter 2017, arXiv 1608.03983).

    Args:
        recipe: with the highest rate.
        done: steps of the round that were done before.
        steps: of the round.
    """
    if done < WARM_UP:
        return recipe.learning_rate * ((done + 1) / min(WARM_UP, steps))
    return recipe.learning_rate * (0.01 + 0.99 * (1 - np.cos(np.pi * ((steps - done) / steps))) / 2)


def loss(answer, heat, sides, known, telling):
    """Focal loss of the heat map (Law & Deng 2018, arXiv 1808.01244) and 1 - generalised intersection over union of
    the boxes (Rezatofighi et al. 2019, arXiv 1902.09630); both a cell.

    Args:
        answer: of the network, (N, P, P, 5).
        heat, sides, known, telling: what it should be, `scene.Targets` of N canvases.

    Returns:
        The loss, and its parts of the heat map and of the sides.
    """
    import tensorflow as tf

    logit = answer[..., 0]
    score = tf.sigmoid(logit)
    peak = tf.cast(heat >= 1.0, tf.float32)
    positive = peak * (1 - score) ** 2 * tf.nn.softplus(-logit)
    negative = (1 - peak) * (1 - heat) ** 4 * score**2 * tf.nn.softplus(logit)
    cells = tf.maximum(1.0, tf.reduce_sum(peak * known))
    heat_loss = tf.reduce_sum((positive + negative) * known) / cells

    ours, theirs = tf.exp(tf.clip_by_value(answer[..., 1:], -5, 4)) * SIDE_UNIT, tf.exp(sides) * SIDE_UNIT
    both, around = _area(tf.minimum(ours, theirs)), _area(tf.maximum(ours, theirs))
    union = _area(ours) + _area(theirs) - both
    overlap = both / union - (around - union) / around
    side_loss = tf.reduce_sum((1 - overlap) * telling) / tf.maximum(1.0, tf.reduce_sum(telling))
    return heat_loss + SIDES * side_loss, heat_loss, side_loss


def _area(sides):
    """Of boxes, px², from how far their left, top, right and bottom are."""
    return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])


class Training:
    """A network in training: its weights and their moving average, its optimizer, and the steps that it has done.

    It goes on from what `save` kept in its folder, if there is anything.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        import keras

        from training.locating.network import build

        self.recipe, self.folder, self.done = recipe, folder, 0
        self.model = build(recipe.filters, recipe.seed)
        self.optimizer = keras.optimizers.AdamW(
            recipe.learning_rate, weight_decay=recipe.weight_decay, global_clipnorm=CLIPPED
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(self.model.trainable_variables)
        self.average = [variable.numpy() for variable in self.model.variables]
        self._update = _updater(self.model, self.optimizer)
        if (folder / STATE).exists():
            self._load()

    @property
    def _variables(self) -> list:
        """All that changes from step to step."""
        return [*self.model.variables, *self.optimizer.variables]

    def step(self, batch: tuple[np.ndarray, ...], rate: float) -> np.ndarray:
        """Learn from a batch at a learning rate; returns the three of `loss`."""
        import tensorflow as tf

        self.optimizer.learning_rate.assign(rate)
        losses = self._update(*map(tf.constant, batch))
        self.done += 1
        # Early on the average must not remember the random start: its memory grows with the steps.
        keep = min(self.recipe.average, (1 + self.done) / (10 + self.done))
        self.average = [
            keep * a + (1 - keep) * v.numpy() for a, v in zip(self.average, self.model.variables, strict=True)
        ]
        return np.array([float(part) for part in losses])

    def save(self) -> None:
        """Keep the averaged weights, and all that the next step needs."""
        own = self.model.get_weights()
        self.model.set_weights(self.average)
        self.model.save_weights(self.folder / WEIGHTS)
        self.model.set_weights(own)
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._variables)}
        arrays |= {f"a{i}": array for i, array in enumerate(self.average)}
        partial = self.folder / "partial.npz"
        np.savez(partial, done=self.done, **arrays)
        os.replace(partial, self.folder / STATE)

    def _load(self) -> None:
        with np.load(self.folder / STATE, allow_pickle=False) as saved:
            self.done = int(saved["done"])
            for i, variable in enumerate(self._variables):
                variable.assign(saved[f"v{i}"])
            self.average = [saved[f"a{i}"] for i in range(len(self.average))]

    def locator(self, threshold: float) -> Locator:
        """The averaged network as what finds cells."""
        import tensorflow as tf

        from training.locating.network import build

        averaged = build(self.recipe.filters)
        averaged.set_weights(self.average)
        run = tf.function(averaged, reduce_retracing=True)
        return Locator(lambda copies: run(tf.constant(copies)).numpy(), threshold)


def _updater(model, optimizer):
    """What makes one step: a batch -> the three of `loss`, the weights changed."""
    import tensorflow as tf

    @tf.function
    def update(canvas, heat, sides, known, telling):
        with tf.GradientTape() as tape:
            losses = loss(model(canvas, training=True), heat, sides, known, telling)
        gradients = tape.gradient(losses[0], model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return losses

    return update


def train(recipe: Recipe, pictures: list[Picture], folder: Path) -> Path:
    """Train, or go on training, until the last step.

    Args:
        recipe: the settings.
        pictures: what is learned from; those without measured boxes are given some between the rounds.
        folder: the run folder, which must be there.

    Returns:
        The file of averaged weights.
    """
    cv2.setNumThreads(1)  # a canvas a core: threads within one cost more than they give
    training = Training(recipe, folder)
    if training.done:
        print(f"going on after step {training.done}", flush=True)
    others = everyday(np.random.default_rng([recipe.seed, 3]))
    by_lab: ByLab = defaultdict(list)
    for picture in pictures:
        by_lab[picture.lab].append(picture)
    unboxed = [picture for picture in pictures if not picture.complete]
    first = 0
    for number, part in enumerate(recipe.rounds, 1):
        last = first + part.steps
        if part.doubtful is not None and unboxed:
            boxes = folder / f"found-{number}.json"
            if not boxes.exists() and training.done < last:
                relabel(unboxed, training.locator(LEAST * DOUBTFUL), part.doubtful)
                write_boxes(boxes, unboxed)
            if boxes.exists():
                read_boxes(boxes, unboxed)
        if training.done < last:
            _run_round(training, by_lab, others, number, first, last)
        first = last
    return folder / WEIGHTS


def _run_round(training: Training, by_lab: ByLab, others: list[np.ndarray], number: int, first: int, last: int) -> None:
    """Do what is left of the steps `first` to `last`, and save on the way."""
    from tqdm import tqdm

    ahead = batches(by_lab, others, training.recipe, training.done, last)
    bar = tqdm(ahead, f"round {number}", last - training.done, disable=None)
    began, losses = time.perf_counter(), []
    for batch in bar:
        losses.append(training.step(batch, learning_rate(training.recipe, training.done - first, last - first)))
        if training.done % SAVED_EVERY == 0 or training.done == last:
            training.save()
            mean, seconds = np.mean(losses, axis=0), time.perf_counter() - began
            add_to_history(training.folder, training.done, mean, seconds)
            parts = f"loss {mean[0]:.4f}  heat {mean[1]:.4f}  sides {mean[2]:.4f}"
            print(f"step {training.done}/{training.recipe.steps}  {parts}  {seconds:.0f} s", flush=True)
            began, losses = time.perf_counter(), []


# --- the command -----------------------------------------------------------------------------------------


def taught(recipe: Recipe, pictures: list[Picture], without: str | None = None) -> list[Picture]:
    """The pictures that a recipe learns from: of its labs, less one that is left out, what is not held out; and drawn
    photos.

    Raises:
        DataError: if one of these labs has no pictures.
    """
    labs = [lab for lab in recipe.labs if lab != without]
    chosen = [picture for picture in pictures if picture.split == "train" and picture.lab in labs]
    if absent := set(labs) - {picture.lab for picture in chosen}:
        known = ", ".join(sorted({picture.lab for picture in pictures}))
        raise DataError(f"no training pictures from lab {', '.join(sorted(absent))}; the data has labs {known}")
    return chosen + drawn(DRAWN, recipe.seed)


def check_left_out(recipe: Recipe, without: str | None) -> None:
    """Let only a lab be left out that would be learned from, and not the only one.

    Raises:
        ConfigError: naming the labs of the recipe.
    """
    if without is None:
        return
    if without not in recipe.labs:
        raise ConfigError(f"--without {without}: {recipe.name} learns from {', '.join(recipe.labs)}")
    if set(recipe.labs) == {without}:
        raise ConfigError(f"--without {without}: {recipe.name} learns from no other lab")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.locating.train",
        description="Train the network that finds white cells, or go on with a training that was stopped.",
        epilog="next: python -m training.locating.export RUN locator.onnx",
    )
    parser.add_argument("config", type=Path, help="recipe, such as training/recipe/configs/locator.toml")
    add_folder_arguments(parser)
    parser.add_argument(
        "--without",
        metavar="LAB",
        help="leave one of the recipe's labs out, to score on it; the run folder is then runs/<name>-without-LAB",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder; default runs/<name in the recipe>")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        recipe = read_recipe(args.config)
        check_left_out(recipe, args.without)
        folder = args.out or Path("runs") / (recipe.name + (f"-without-{args.without}" if args.without else ""))
        check_run(folder, identity(recipe, args.without))
        if steps_done(folder) >= recipe.steps:  # then no picture need be read either
            print(f"nothing is left to train in {folder}", flush=True)
        else:
            pictures = taught(recipe, all_pictures(*folders_of(args)), args.without)
            open_run(folder, args.config.read_text(), identity(recipe, args.without, pictures))
            train(recipe, pictures, folder)
    except (ConfigError, DataError, ImageError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted: the same command goes on after the last whole {SAVED_EVERY} steps", file=sys.stderr)
        return 130
    print(f"weights: {folder / WEIGHTS}\nnext: python -m training.locating.export {folder} locator.onnx")
    return 0


if __name__ == "__main__":
    sys.exit(main())
