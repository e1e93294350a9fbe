"""Loss, accuracy and last layer of a network that is taught attributes beside the type.

Its output holds both: logits (N, C + `WIDTH`), the types first. A row of labels is one-hot likewise, with zeros for an
attribute that nobody named, which then teaches nothing.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from leukoscope.biology.attributes import ATTRIBUTES, WIDTH, parts
from leukoscope.smear.preprocess import Normalisation, normalise

HEADS = "heads"  # the layer that joins the two
NEVER = -20.0  # logit of a value that was not taught


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


def fit_head(model, crops: np.ndarray, named: np.ndarray, normalisation: Normalisation) -> None:
    """Fit the attributes' layer of a trained network once more, on its finished features.

    Of the cells in a batch few are PBC's, and the loss is the type's for the most part: it makes features that show
    attributes, but leaves the last layer half taught. A regression on all of PBC's taught cells ends that in seconds,
    and changes no type.

    Args:
        model: with layers `features` and `attributes`; the latter's weights are set.
        crops: of cells whose attributes are known, uint8 (N, S, S, 3); each is taken as it is and turned by a quarter.
        named: their attributes, int (N, 10).
        normalisation: of the network's input.
    """
    import keras
    from sklearn.linear_model import LogisticRegression

    ways = [crops, np.rot90(crops, 1, (1, 2))]
    features = keras.Model(model.input, model.get_layer("features").output)
    seen = [features.predict(normalise(np.ascontiguousarray(way), normalisation), 64, verbose=0) for way in ways]
    found = np.concatenate(seen).astype(np.float64)
    mean, scale = found.mean(axis=0), found.std(axis=0) + 1e-6
    kernel, bias = np.zeros((found.shape[1], WIDTH)), np.full(WIDTH, NEVER)
    for columns, truth in zip(parts(np.arange(WIDTH)).values(), np.tile(named, (len(ways), 1)).T, strict=True):
        taught = np.unique(truth)
        if len(taught) == 1:
            bias[columns[taught]] = 0.0
            continue
        fitted = LogisticRegression(max_iter=1000).fit((found - mean) / scale, truth)
        two = len(taught) == 2  # then the fit speaks of the second alone
        weights = np.stack([np.zeros_like(mean), fitted.coef_[0]]) if two else fitted.coef_
        offsets = np.array([0.0, fitted.intercept_[0]]) if two else fitted.intercept_
        kernel[:, columns[taught]] = (weights / scale).T
        bias[columns[taught]] = offsets - (weights / scale) @ mean
    model.get_layer("attributes").set_weights([kernel, bias])
