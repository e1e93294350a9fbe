"""The locator's network: a small copy of a photo -> for each 8 x 8 px of it, whether the middle of a white cell lies
there, how far from there its four sides are, and how wide red cells are around there; and what it is taught by.

A heat map and a size, as in CenterNet (Zhou et al. 2019, arXiv 1904.07850); the sides are measured from the square's
middle as in FCOS (Tian et al. 2019, arXiv 1904.01355). Coarse maps are brought back up and added to finer ones (Lin et
al. 2017, arXiv 1612.03144), so that what is said of a square is said from a view of the whole cell; the mean of the
coarsest is added to it (as in ParseNet, Liu et al. 2015, arXiv 1506.04579), so that it is said in view of the photo's
stain.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from leukoscope.smear.locate import FILL, SIDE_UNIT

RED = 32  # filters that the width of red cells is read off
SIDES = 3.0  # weight of the sides' loss beside the heat map's
DOUBTS = (-4.0, 3.0)  # logarithms between which it counts how doubtful a width is said to be
PRIOR = -4.0  # logit of a heat map that knows nothing: white cells are rare


def build(filters: Sequence[int], seed: int = 0) -> keras.Model:
    """The network with fresh weights.

    Args:
        filters: of the maps of 1/2, 1/4, 1/8, 1/16 and 1/32 of the copy's side.
        seed: of the weights; Keras's, NumPy's and Python's own random numbers are seeded with it too.

    Returns:
        uint8 (N, H, W, 3), H and W multiples of 32 -> float32 (N, H / 8, W / 8, 7): logits of the heat map; left, top,
        right, bottom; the width of red cells; and by how much that may be wrong. All but the first are logarithms,
        lengths of `leukoscope.smear.locate.SIDE_UNIT` px.
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
    red = layers.Conv2D(2, 1, dtype="float32", name="red")(_convolved(x, RED))
    return keras.Model(inputs, layers.Concatenate(name="cells", dtype="float32")([heat, sides, red]), name="locator")


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


def loss(answer, heat, sides, known, telling, red, weight):
    """Focal loss of the heat map (Law & Deng 2018, arXiv 1808.01244) and 1 - generalised intersection over union of
    the boxes (Rezatofighi et al. 2019, arXiv 1902.09630), both a cell; and of the width of red cells, where it is
    known, how improbable the true one is by a Laplace distribution round what is said, as wide as it is said to be
    doubtful (after Kendall & Gal 2017, arXiv 1703.04977).

    Args:
        answer: of the network, (N, P, P, 7).
        heat, sides, known, telling, red: what it should be, `scene.Targets` of N canvases.
        weight: of the loss of red cells.

    Returns:
        The loss, and its parts of the heat map, of the sides and of the red cells.
    """
    logit = answer[..., 0]
    score = tf.sigmoid(logit)
    peak = tf.cast(heat >= 1.0, tf.float32)
    positive = peak * (1 - score) ** 2 * tf.nn.softplus(-logit)
    negative = (1 - peak) * (1 - heat) ** 4 * score**2 * tf.nn.softplus(logit)
    cells = tf.maximum(1.0, tf.reduce_sum(peak * known))
    heat_loss = tf.reduce_sum((positive + negative) * known) / cells

    ours, theirs = tf.exp(tf.clip_by_value(answer[..., 1:5], -5, 4)) * SIDE_UNIT, tf.exp(sides) * SIDE_UNIT
    both, around = _area(tf.minimum(ours, theirs)), _area(tf.maximum(ours, theirs))
    union = _area(ours) + _area(theirs) - both
    overlap = both / union - (around - union) / around
    side_loss = tf.reduce_sum((1 - overlap) * telling) / tf.maximum(1.0, tf.reduce_sum(telling))

    width, doubt = answer[..., 5], tf.clip_by_value(answer[..., 6], *DOUBTS)
    told = tf.cast(red > 0, tf.float32)
    off = tf.abs(width - tf.math.log(tf.maximum(red, 1.0) / SIDE_UNIT))
    red_loss = tf.reduce_sum((off * tf.exp(-doubt) + doubt) * told) / tf.maximum(1.0, tf.reduce_sum(told))
    return heat_loss + SIDES * side_loss + weight * red_loss, heat_loss, side_loss, red_loss


def _area(sides):
    """Of boxes, px², from how far their left, top, right and bottom are."""
    return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])
