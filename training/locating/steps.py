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

    def step(self, batch: tuple[np.ndarray, ...], rate: float, red: float = 0.0) -> np.ndarray:
        """Learn from a batch at a learning rate.

        Args:
            batch: as `train.batches` gives it.
            rate: the learning rate.
            red: what the loss of red cells weighs.

        Returns:
            The four of `network.loss`.
        """
        import tensorflow as tf

        self.optimizer.learning_rate.assign(rate)
        losses = self._update(tf.constant(red, tf.float32), *map(tf.constant, batch))
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
    """What makes one step: the weight of red cells, a batch -> the four of `network.loss`, the weights changed."""
    import tensorflow as tf

    from training.locating.network import loss

    @tf.function
    def update(red, canvas, *targets):
        with tf.GradientTape() as tape:
            losses = loss(model(canvas, training=True), *targets, red)
        gradients = tape.gradient(losses[0], model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return losses

    return update
