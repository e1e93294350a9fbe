"""One step of the locator's training after the other, and what is kept of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from leukoscope.smear.locate import Locator
from training.locating.recipe import Recipe
from training.locating.run import STATE, WEIGHTS

CLIPPED = 5.0  # length of all gradients together, at most


class Training:
    """A network in training: its weights and their moving average, its optimizer, and the steps that it has done.

    It goes on from what `save` kept in its folder, if there is anything.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        import keras

        from training.locating.network import build, parts

        def optimizer(part):
            made = keras.optimizers.AdamW(
                recipe.learning_rate, weight_decay=recipe.weight_decay, global_clipnorm=CLIPPED
            )
            made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            made.build(part.trainable_variables)
            return made

        self.recipe, self.folder, self.done = recipe, folder, 0
        self.model = build(recipe.filters, recipe.seed)
        white, stem, red = parts(self.model)
        self._optimizers = {False: optimizer(white), True: optimizer(red)}  # of rounds of white cells and of red ones
        self._updates = {
            False: _of_white_cells(white, self._optimizers[False]),
            True: _of_red_cells(stem, red, self._optimizers[True]),
        }
        self.average = [variable.numpy() for variable in self.model.variables]
        if (folder / STATE).exists():
            self._load()

    @property
    def _variables(self) -> list:
        """All that changes from step to step."""
        return [*self.model.variables, *(v for each in self._optimizers.values() for v in each.variables)]

    def start_from(self, weights: Path) -> None:
        """Stand where the rounds of white cells ended, with what a finished network knows of these alone."""
        from training.locating.network import build, parts

        finished = build(self.recipe.filters)
        finished.load_weights(weights)
        parts(self.model)[0].set_weights(parts(finished)[0].get_weights())
        self.average = [variable.numpy() for variable in self.model.variables]
        self.done = self.recipe.steps_of_white_cells

    def settle(self) -> None:
        """Go on from the averaged weights."""
        self.model.set_weights(self.average)

    def step(self, batch: tuple[np.ndarray, ...], rate: float, red: bool = False) -> np.ndarray:
        """Learn from a batch at a learning rate, of white cells or of red ones.

        Returns:
            The loss, and its parts of the heat map, of the sides and of red cells.
        """
        import tensorflow as tf

        self._optimizers[red].learning_rate.assign(rate)
        losses = self._updates[red](*map(tf.constant, batch))
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


def _of_white_cells(white, optimizer):
    """What makes one step of a round of white cells: a batch -> the four of `Training.step`, the weights changed."""
    import tensorflow as tf

    from training.locating.network import loss_of_white_cells

    @tf.function
    def update(canvas, heat, sides, known, telling, red):
        with tf.GradientTape() as tape:
            losses = loss_of_white_cells(white(canvas, training=True), heat, sides, known, telling)
        gradients = tape.gradient(losses[0], white.trainable_variables)
        optimizer.apply_gradients(zip(gradients, white.trainable_variables, strict=True))
        return *losses, tf.zeros(())

    return update


def _of_red_cells(stem, branch, optimizer):
    """The same of a round of red cells: of the weights only the branch's change."""
    import tensorflow as tf

    from training.locating.network import loss_of_red_cells

    @tf.function
    def update(canvas, heat, sides, known, telling, red):
        maps = stem(canvas, training=False)
        with tf.GradientTape() as tape:
            loss = loss_of_red_cells(branch(maps, training=True), red)
        gradients = tape.gradient(loss, branch.trainable_variables)
        optimizer.apply_gradients(zip(gradients, branch.trainable_variables, strict=True))
        return loss, tf.zeros(()), tf.zeros(()), loss

    return update
