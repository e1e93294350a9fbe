"""The networks. Each takes float32 (N, S, S, 3) and gives logits (N, 4).

Three layers carry fixed names, so that the exported graph can show more than the logits:
`feature_map` (N, h, w, C), `features` (N, C') just before the last layer, and `logits` (N, 4).
"""

from __future__ import annotations

import keras
from keras import layers

from leukoscope.cells import CELL_TYPES
from leukoscope.preprocess import Normalisation
from training.config import Network

NORMALISATION = Normalisation()  # inputs scaled to 0-1 and no further: batch normalisation does the rest


def build(network: Network, size: int, seed: int) -> keras.Model:
    """Build a network with fresh weights, drawn from `seed`, for inputs of `size` px."""
    keras.utils.set_random_seed(seed)
    return {"reference": _reference, "compact": _compact}[network.kind](network, size)


def _reference(network: Network, size: int) -> keras.Model:
    """The published recipe: four blocks, then a perceptron of 512-256-128 on the flattened maps."""
    l2 = keras.regularizers.L2(network.l2) if network.l2 else None
    x = inputs = keras.Input((size, size, 3), name="image")
    for index, filters in enumerate(network.filters):
        x = layers.Conv2D(filters, 3, kernel_regularizer=l2)(x)
        x = layers.LeakyReLU(0.1)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(name="feature_map" if index == 3 else None)(x)
    x = layers.Flatten()(x)
    for index, (units, rate) in enumerate(zip(network.dense, network.dropout, strict=True)):
        x = layers.Dense(units, activation="relu", kernel_regularizer=l2 if index < 2 else None)(x)
        last = index == len(network.dense) - 1
        x = layers.BatchNormalization(name="features" if last else None)(x)
        x = layers.Dropout(rate)(x)
    return keras.Model(inputs, _logits(x), name="reference")


def _compact(network: Network, size: int) -> keras.Model:
    """Four blocks of two convolutions, the last map averaged: no weight depends on the place in the crop."""
    x = inputs = keras.Input((size, size, 3), name="image")
    for index, filters in enumerate(network.filters):
        for half in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            last = index == 3 and half == 1
            x = layers.LeakyReLU(0.1, name="feature_map" if last else None)(x)
        if index < 3:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    for rate in network.dropout:
        x = layers.Dropout(rate)(x)
    return keras.Model(inputs, _logits(x), name="compact")


def _logits(x):
    # float32 even under mixed precision: probabilities are worked out from these.
    return layers.Dense(len(CELL_TYPES), dtype="float32", name="logits")(x)
