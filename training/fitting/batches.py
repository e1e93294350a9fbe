"""The batches of an epoch: which crops, how each is augmented, and what the network should give."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from leukoscope.smear.preprocess import normalise
from training.recipe.config import Config


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


def even_labs(labs: np.ndarray) -> np.ndarray:
    """Weights (N,) with mean 1 that let each lab count the same, however many pictures it gave."""
    names, index, counts = np.unique(labs, return_inverse=True, return_counts=True)
    return (len(labs) / (len(names) * counts[index])).astype(np.float32)
