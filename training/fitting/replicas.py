"""One training run on several devices, by TensorFlow's own `tf.distribute`.

    python -m training.train CONFIG --distribute gpus      # all GPUs of this machine
    python -m training.train CONFIG --distribute cpus:2    # two virtual devices of the processor, to try it out

Every replica holds the weights and takes its part of each batch; gradients are summed, and batch normalisation takes
its statistics over the whole batch. So the loss is the one device's but for rounding, as long as no dropout draws.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

import numpy as np

VALID = "gpus or cpus:N"


class DistributeError(ValueError):
    """A way to distribute that this machine does not have; the message says why."""


class Replicas:
    """Where a run's steps are done. Make it before anything else of TensorFlow's is used."""

    def __init__(self, where: str | None = None) -> None:
        """Find the devices.

        Args:
            where: "gpus", "cpus:N", or None for the one device that TensorFlow chooses.

        Raises:
            DistributeError: if there are none of that kind.
        """
        self.strategy = _strategy(where) if where else None
        self._ready = False
        self.count: int = self.strategy.num_replicas_in_sync if self.strategy else 1

    def scope(self) -> contextlib.AbstractContextManager:
        """In which the model is made or loaded."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def step(self, model: Any, inputs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        """Train on a batch: float32 (N, S, S, 3), one-hot (N, C) and weights (N,) -> loss and accuracy over all of it.

        Raises:
            DistributeError: if it has fewer pictures than there are replicas.
        """
        if self.strategy is None:
            return model.train_on_batch(inputs, labels, weights, return_dict=True)
        if len(inputs) < self.count:
            raise DistributeError(f"a batch of {len(inputs)} is too small for {self.count} replicas")
        import tensorflow as tf

        parts = np.array_split(np.arange(len(inputs)), self.count)

        def part(array: np.ndarray) -> Any:
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(array[parts[context.replica_id_in_sync_group]])
            )

        # Keras takes the mean over each part, and then over the parts: unequal ones must weigh as they are long.
        share = np.concatenate([np.full(len(some), len(some) * self.count / len(inputs)) for some in parts])
        batch = (part(inputs), part(labels), part((weights * share).astype(np.float32)))
        if not self._ready:  # variables of optimizer and metrics cannot be made on every replica at once
            with self.strategy.scope():
                model.optimizer.build(model.trainable_variables)
            few = slice(self.count)
            model.evaluate(inputs[few], labels[few], sample_weight=weights[few], batch_size=self.count, verbose=0)
            self._ready = True
        # What `train_on_batch` does, which would hand the whole batch to every replica.
        model.make_train_function()
        model.reset_metrics()
        logs = model.train_function(iter([batch]))
        return {name: float(value) for name, value in logs.items()}


def _strategy(where: str) -> Any:
    import tensorflow as tf

    if where == "gpus":
        found = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices("GPU")]
        if not found:
            raise DistributeError("--distribute gpus: TensorFlow sees no GPU on this machine")
        return tf.distribute.MirroredStrategy(found)
    match = re.fullmatch(r"cpus:([2-9]|[1-9]\d)", where)
    if not match:
        raise DistributeError(f"--distribute {where}: valid are {VALID}, N from 2")
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * int(match[1]))
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(int(match[1]))])
