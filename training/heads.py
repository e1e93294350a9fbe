"""The loss and the accuracy of a network that is taught attributes beside the type.

Its output holds both: logits (N, C + `WIDTH`), the types first. A row of labels is one-hot likewise, with zeros for an
attribute that nobody named, which then teaches nothing.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from leukoscope.attributes import ATTRIBUTES, WIDTH

HEADS = "heads"  # the layer that joins the two


@keras.saving.register_keras_serializable("leukoscope")
class HeadsLoss(keras.losses.Loss):
    """Cross-entropy of the type, and of the attributes in the mean, weighted.

    weight: of the attributes. label_smoothing: of the type alone; what several readers named needs less of it.
    """

    def __init__(self, weight: float, label_smoothing: float, name: str = "heads_loss", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.weight, self.label_smoothing = weight, label_smoothing

    def call(self, y_true, y_pred):
        """Labels and logits (N, C + `WIDTH`) -> loss (N,)."""
        types = y_true.shape[-1] - WIDTH
        total = keras.losses.categorical_crossentropy(
            y_true[:, :types], y_pred[:, :types], from_logits=True, label_smoothing=self.label_smoothing
        )
        start = types
        for values in ATTRIBUTES.values():
            part = slice(start, start + len(values))
            named = y_true[:, part] * ops.log_softmax(y_pred[:, part], axis=-1)
            total -= self.weight / len(ATTRIBUTES) * ops.sum(named, axis=-1)
            start += len(values)
        return total

    def get_config(self) -> dict:
        """What makes an equal one."""
        return super().get_config() | {"weight": self.weight, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("leukoscope")
class TypeAccuracy(keras.metrics.CategoricalAccuracy):
    """Share of right types, whatever stands beside them."""

    def __init__(self, name: str = "accuracy", **kwargs) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Labels and logits (N, C + `WIDTH`), weights (N,)."""
        return super().update_state(y_true[:, :-WIDTH], y_pred[:, :-WIDTH], sample_weight)


def one_hot(values: np.ndarray) -> np.ndarray:
    """Attributes as numbers of their values, int (N, 10), -1 for none -> float32 (N, `WIDTH`), zeros for none."""
    columns = [
        np.eye(len(names) + 1, len(names), dtype=np.float32)[values[:, i]]
        for i, names in enumerate(ATTRIBUTES.values())
    ]
    return np.concatenate(columns, axis=1)
