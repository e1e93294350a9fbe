"""The locator's network: a small copy of a photo -> for each 8 x 8 px of it, whether the middle of a white cell lies
there, how far from there its four sides are, and how wide red cells are around there; and what it is taught by.

A heat map and a size, as in CenterNet (Zhou et al. 2019, arXiv 1904.07850); the sides are measured from the square's
middle as in FCOS (Tian et al. 2019, arXiv 1904.01355). Coarse maps are brought back up and added to finer ones (Lin et
al. 2017, arXiv 1612.03144), so that what is said of a square is said from a view of the whole cell; the mean of the
coarsest is added to it (as in ParseNet, Liu et al. 2015, arXiv 1506.04579), so that it is said in view of the photo's
stain.

Of red cells a branch of its own tells, from the first maps on, so that it can be taught to a network that finds white
cells, and changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from leukoscope.smear.locate import FILL, SIDE_UNIT

RED = (24, 48)  # filters of the maps of 1/8 and 1/16 that the width of red cells is read off
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
    x = stem = layers.Identity(name="stem")(_convolved(x, filters[1], 3, 2))
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
    white = layers.Concatenate(name="white", dtype="float32")([heat, sides])
    red = _of_red_cells(filters[1])(stem)
    return keras.Model(inputs, layers.Concatenate(name="cells", dtype="float32")([white, red]), name="locator")


def parts(model: keras.Model) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Of a network: photo -> what is said of white cells (N, P, P, 5); photo -> the maps that what is said of red cells
    (N, P, P, 2) begins with; and from these on."""
    white, stem = (keras.Model(model.inputs, model.get_layer(name).output) for name in ("white", "stem"))
    return white, stem, model.get_layer("red")


def _of_red_cells(count: int) -> keras.Model:
    """The branch: maps of 1/4 of the copy's side -> of 1/8, the width of red cells and how doubtful it is."""
    inputs = keras.Input((None, None, count))
    near = _residual(_convolved(inputs, RED[0], 3, 2))
    far = _in_view_of_all(_residual(_convolved(near, RED[1], 3, 2)))
    far = layers.UpSampling2D()(_convolved(far, RED[0], 1, active=False))
    x = _convolved(layers.ReLU()(layers.Add()([near, far])), RED[0])
    return keras.Model(inputs, layers.Conv2D(2, 1, dtype="float32")(x), name="red")


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


def loss_of_white_cells(answer, heat, sides, known, telling):
    """Focal loss of the heat map (Law & Deng 2018, arXiv 1808.01244) and 1 - generalised intersection over union of
    the boxes (Rezatofighi et al. 2019, arXiv 1902.09630); both a cell.

    Args:
        answer: of the network, (N, P, P, 5).
        heat, sides, known, telling: what it should be, `scene.Targets` of N canvases.

    Returns:
        The loss, and its parts of the heat map and of the sides.
    """
    logit = answer[..., 0]
    score = tf.sigmoid(logit)
    peak = tf.cast(heat >= 1.0, tf.float32)
    positive = peak * (1 - score) ** 2 * tf.nn.softplus(-logit)
    negative = (1 - peak) * (1 - heat) ** 4 * score**2 * tf.nn.softplus(logit)
    cells = tf.maximum(1.0, tf.reduce_sum(peak * known))
    heat_loss = tf.reduce_sum((positive + negative) * known) / cells

    ours, theirs = tf.exp(tf.clip_by_value(answer[..., 1:], -5, 4)) * SIDE_UNIT, tf.exp(sides) * SIDE_UNIT
    both, around = _area(tf.minimum(ours, theirs)), _area(tf.maximum(ours, theirs))
    union = _area(ours) + _area(theirs) - both
    overlap = both / union - (around - union) / around
    side_loss = tf.reduce_sum((1 - overlap) * telling) / tf.maximum(1.0, tf.reduce_sum(telling))
    return heat_loss + SIDES * side_loss, heat_loss, side_loss


def _area(sides):
    """Of boxes, px², from how far their left, top, right and bottom are."""
    return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])


def loss_of_red_cells(answer, red):
    """How improbable the true widths are by Laplace distributions round those said, as wide as these are said to be
    doubtful (after Kendall & Gal 2017, arXiv 1703.04977); the mean of the places where they are known.

    Args:
        answer: of the branch, (N, P, P, 2).
        red: true widths, px (N, P, P), 0 where they are not known.
    """
    width, doubt = answer[..., 0], tf.clip_by_value(answer[..., 1], *DOUBTS)
    known = tf.cast(red > 0, tf.float32)
    off = tf.abs(width - tf.math.log(tf.maximum(red, 1.0) / SIDE_UNIT))
    return tf.reduce_sum((off * tf.exp(-doubt) + doubt) * known) / tf.maximum(1.0, tf.reduce_sum(known))
