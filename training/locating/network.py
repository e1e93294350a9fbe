"""The locator's network: a small copy of a photo -> for each 8 x 8 px of it, whether the middle of a white cell lies
there, and how far from there its four sides are.

A heat map and a size, as in CenterNet (Zhou et al. 2019, arXiv 1904.07850); the sides are measured from the square's
middle as in FCOS (Tian et al. 2019, arXiv 1904.01355). Coarse maps are brought back up and added to finer ones (Lin et
al. 2017, arXiv 1612.03144), so that what is said of a square is said from a view of the whole cell; the mean of the
coarsest is added to it (as in ParseNet, Liu et al. 2015, arXiv 1506.04579), so that it is said in view of the photo's
stain.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from leukoscope.smear.locate import FILL

PRIOR = -4.0  # logit of a heat map that knows nothing: white cells are rare


def build(filters: Sequence[int], seed: int = 0) -> keras.Model:
    """The network with fresh weights.

    Args:
        filters: of the maps of 1/2, 1/4, 1/8, 1/16 and 1/32 of the copy's side.
        seed: of the weights; Keras's, NumPy's and Python's own random numbers are seeded with it too.

    Returns:
        uint8 (N, H, W, 3), H and W multiples of 32 -> logits and sides, float32 (N, H / 8, W / 8, 5): of the heat map,
        then left, top, right, bottom in `leukoscope.smear.locate.SIDE_UNIT` px, as logarithms.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, None, 3), name="photo", dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -FILL / 127.5)(inputs)  # so that in integers of 8 bits each level is one of them
    x = _convolved(x, filters[0], 5, 2)
    x = _convolved(x, filters[1], 3, 2)
    maps = []
    for count in filters[2:]:
        x = _residual(_convolved(x, count, 3, 2))
        maps.append(x)
    x = _in_view_of_all(x)
    for finer in reversed(maps[:-1]):
        x = layers.UpSampling2D()(_convolved(x, finer.shape[-1], 1, active=False))
        x = _convolved(layers.ReLU()(layers.Add()([x, finer])), finer.shape[-1])
    heat = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(PRIOR), dtype="float32")(x)
    sides = layers.Conv2D(4, 1, dtype="float32")(x)
    return keras.Model(inputs, layers.Concatenate(name="cells", dtype="float32")([heat, sides]), name="locator")


def _convolved(x, count: int, width: int = 3, stride: int = 1, active: bool = True):
    x = layers.Conv2D(count, width, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    return layers.ReLU()(x) if active else x


def _residual(x):
    change = _convolved(_convolved(x, x.shape[-1]), x.shape[-1], active=False)
    return layers.ReLU()(layers.Add()([x, change]))


def _in_view_of_all(x):
    """Add what the whole photo looks like: a red cell is told from a white one by what the others beside it are. It
    starts as nothing, by a kernel of zeros."""
    count = x.shape[-1]
    whole = layers.GlobalAveragePooling2D(keepdims=True)(x)
    whole = layers.Conv2D(count, 1, activation="relu")(whole)
    return layers.Add()([x, layers.Conv2D(count, 1, kernel_initializer="zeros")(whole)])
