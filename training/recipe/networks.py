"""The networks. Each takes float32 (N, S, S, 3) and gives logits (N, C): C = 4, or 5 where "none of
the four" is taught too; where attributes are taught, (N, C + A) with theirs after them.

Three layers carry fixed names, so that the exported graph can show more than the logits:
`feature_map` (N, h, w, F), `features` (N, F') just before the last layer, and `logits`; with attributes a fourth,
`attributes` (N, A).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from leukoscope.biology.attributes import WIDTH
from leukoscope.smear.preprocess import Normalisation
from training.recipe.config import Config, Network
from training.recipe.heads import HEADS

Layers = tuple[keras.KerasTensor, keras.KerasTensor]  # the input, and what the last layer takes
Normalise = Callable[..., layers.BatchNormalization]  # makes such a layer
NORMALISATION = Normalisation()  # inputs scaled to 0-1 and no further: batch normalisation does the rest


def build(config: Config, synchronized: bool = False) -> keras.Model:
    """Build a run's network with fresh weights, drawn from its seed.

    Args:
        config: the settings.
        synchronized: whether replicas normalise by the statistics of all of a batch, not each by those of its part.
    """
    keras.utils.set_random_seed(config.seed)
    kinds = {"reference": _reference, "residual": _residual}
    normalise = partial(layers.BatchNormalization, synchronized=True) if synchronized else layers.BatchNormalization
    inputs, x = kinds[config.network.kind](config.network, config.framing.size, normalise)
    # float32 even under mixed precision: probabilities are worked out from these.
    outputs = layers.Dense(config.data.classes, dtype="float32", name="logits")(x)
    if config.fit.attributes:
        attributes = layers.Dense(WIDTH, dtype="float32", name="attributes")(x)
        outputs = layers.Concatenate(dtype="float32", name=HEADS)([outputs, attributes])
    return keras.Model(inputs, outputs, name=config.network.kind)


def answering(model: keras.Model, config: Config) -> keras.Model:
    """The network as it answers: with `half_turn` in the mean of a crop and its half turn.

    A smear has no up or down, and a network that was taught so still answers a little unlike either way up: the mean
    errs less, above all in labs that it never saw (docs/decisions.md). The layers are the model's own.

    Args:
        model: as `build` gives it.
        config: its settings.

    Returns:
        A model of the same input and output.
    """
    if not config.network.half_turn:
        return model
    maps = keras.Model(model.input, model.get_layer("feature_map").output, name="maps")
    inputs = keras.Input(model.input.shape[1:], name="image")
    both = maps(layers.Concatenate(axis=0)([inputs, inputs[:, ::-1, ::-1]]))
    upright, turned = (keras.ops.reshape(both, (2, -1, *both.shape[1:]))[way] for way in range(2))
    x = layers.Average(name="feature_map")([upright, turned[:, ::-1, ::-1]])
    # Not as a mean over two axes, which ONNX Runtime adds up in another order for one crop than for many.
    x = layers.Flatten(name="features")(layers.AveragePooling2D(both.shape[1:3])(x))
    heads = [_like(layer)(x) for layer in model.layers if layer.name in ("logits", "attributes")]
    outputs = heads[0] if len(heads) == 1 else layers.Concatenate(dtype="float32", name=HEADS)(heads)
    answer = keras.Model(inputs, outputs, name=model.name)
    answer.set_weights(model.get_weights())
    return answer


def types_alone(model: keras.Model) -> keras.Model:
    """The same without the attributes' head."""
    return keras.Model(model.input, model.get_layer("logits").output, name=model.name)


def _like(layer: layers.Layer) -> layers.Layer:
    """A fresh layer of the same settings: one layer with two places in a model has no output of its own."""
    return type(layer).from_config(layer.get_config())


def _reference(network: Network, size: int, normalise: Normalise) -> Layers:
    """The published recipe: four blocks, then a perceptron of 512-256-128 on the flattened maps."""
    l2 = keras.regularizers.L2(network.l2) if network.l2 else None
    x = inputs = keras.Input((size, size, 3), name="image")
    for index, filters in enumerate(network.filters):
        x = layers.Conv2D(filters, 3, kernel_regularizer=l2)(x)
        x = layers.LeakyReLU(0.1)(x)
        x = normalise()(x)
        x = layers.MaxPooling2D(name="feature_map" if index == 3 else None)(x)
    x = layers.Flatten()(x)
    for index, (units, rate) in enumerate(zip(network.dense, network.dropout, strict=True)):
        x = layers.Dense(units, activation="relu", kernel_regularizer=l2 if index < 2 else None)(x)
        last = index == len(network.dense) - 1
        x = normalise(name="features" if last else None)(x)
        x = layers.Dropout(rate)(x)
    return inputs, x


def _residual(network: Network, size: int, normalise: Normalise) -> Layers:
    """Residual blocks of two convolutions (He et al. 2015, arXiv 1512.03385), most of them on the coarse maps, where
    they cost least; the last map averaged."""

    def convolved(x, filters: int, width: int = 3, stride: int = 1):
        x = layers.Conv2D(filters, width, stride, padding="same", use_bias=False)(x)
        return normalise(momentum=0.9)(x)

    x = inputs = keras.Input((size, size, 3), name="image")
    # A stride at once saves what costs most, and a wider window than it keeps every pixel equally well seen.
    x = layers.LeakyReLU(0.1)(convolved(x, network.filters[0], max(3, 2 * network.stride), network.stride))
    blocks = [(index, filters) for index, filters in enumerate(network.filters) for _ in range(network.depth[index])]
    scale = 0
    for place, (index, filters) in enumerate(blocks):
        for _ in range(index - scale):
            x = layers.MaxPooling2D()(x)
        scale = index
        change = convolved(layers.LeakyReLU(0.1)(convolved(x, filters)), filters)
        x = layers.Add()([x if x.shape[-1] == filters else convolved(x, filters, 1), change])
        x = layers.LeakyReLU(0.1, name="feature_map" if place == len(blocks) - 1 else None)(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    for rate in network.dropout:
        x = layers.Dropout(rate)(x)
    return inputs, x
