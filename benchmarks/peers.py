"""What a user would pick instead, as ONNX graphs and as a Keras model. Weights are random: only time is measured.

python -m benchmarks.peers FOLDER 224 mobilenet_v3_small ...     # export for 224 px; `make bench` does so
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

from leukoscope.model.process import processors
from leukoscope.pictures.images import read_image
from leukoscope.showing.draw import resized

SIDE = 224
# Of peers with a size of their own: as training/recipe/configs/reference.toml says, and as such detectors are run.
SIDES = {"reference": 128, "yolo_nano": 640}
NAMES = ("reference", "mobilenet_v3_small", "efficientnet_b0", "resnet_50", "vit_b_16", "yolo_nano")
SOONEST = NAMES[:2]


def build(name: str, side: int = SIDE):
    """The Keras model of a peer, with fresh weights, four classes; reference and detector keep their own sizes."""
    import keras

    if name == "reference":
        from training.recipe.config import CONFIGS, read_config
        from training.recipe.networks import build as build_network

        return build_network(read_config(CONFIGS / "reference.toml"))
    if name == "vit_b_16":
        return _vision_transformer(side)
    if name == "yolo_nano":
        return _detector(SIDES[name])
    kinds = {
        "mobilenet_v3_small": keras.applications.MobileNetV3Small,
        "efficientnet_b0": keras.applications.EfficientNetB0,
        "resnet_50": keras.applications.ResNet50,
    }
    return kinds[name](weights=None, classes=4, input_shape=(side, side, 3))


def _vision_transformer(side: int, width: int = 768, depth: int = 12, heads: int = 12, patch: int = 16):
    """ViT-B/16 (Dosovitskiy et al. 2021, arXiv 2010.11929), averaged over the patches instead of a class token."""
    import keras
    from keras import layers

    gelu = partial(keras.activations.gelu, approximate=True)  # the exact one has no ONNX operator in the exporter
    inputs = keras.Input((side, side, 3))
    x = layers.Conv2D(width, patch, patch)(inputs)
    x = layers.Reshape(((side // patch) ** 2, width))(x)
    for _ in range(depth):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads, flash_attention=False)(y, y)])
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.Dense(width)(layers.Dense(4 * width, activation=gelu)(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(4)(x), name="vit_b_16")


def _detector(side: int, classes: int = 4):
    """A one-stage detector of the layout and size of YOLOv8n, as Ultralytics documents it: some 3 million parameters,
    4 billion multiply-adds at 640 px. Gives (N, places, 64 + classes), boxes not read out of it."""
    import keras
    from keras import layers

    def conv(x, filters: int, width: int = 3, stride: int = 1):
        x = layers.Conv2D(filters, width, stride, padding="same", use_bias=False)(x)
        return layers.Activation("silu")(layers.BatchNormalization()(x))

    def stage(x, filters: int, depth: int, residual: bool = True):
        x = conv(x, filters, 1)
        parts = [x[..., : filters // 2], x[..., filters // 2 :]]
        for _ in range(depth):
            change = conv(conv(parts[-1], filters // 2), filters // 2)
            parts.append(layers.Add()([parts[-1], change]) if residual else change)
        return conv(layers.Concatenate()(parts), filters, 1)

    def pooled(x, filters: int):
        parts = [conv(x, filters // 2, 1)]
        for _ in range(3):
            parts.append(layers.MaxPooling2D(5, 1, padding="same")(parts[-1]))
        return conv(layers.Concatenate()(parts), filters, 1)

    def joined(x, other, filters: int):
        return stage(layers.Concatenate()([x, other]), filters, 1, residual=False)

    inputs = keras.Input((side, side, 3))
    x = stage(conv(conv(inputs, 16, 3, 2), 32, 3, 2), 32, 1)
    fine = stage(conv(x, 64, 3, 2), 64, 2)
    middle = stage(conv(fine, 128, 3, 2), 128, 2)
    coarse = pooled(stage(conv(middle, 256, 3, 2), 256, 1), 256)
    up = layers.UpSampling2D()
    half = joined(up(coarse), middle, 128)
    fine = joined(up(half), fine, 64)
    middle = joined(conv(fine, 64, 3, 2), half, 128)
    coarse = joined(conv(middle, 128, 3, 2), coarse, 256)
    answers = []
    for x in (fine, middle, coarse):
        boxes = layers.Conv2D(64, 1)(conv(conv(x, 64), 64))
        kinds = layers.Conv2D(classes, 1)(conv(conv(x, 64), 64))
        answers.append(layers.Reshape((-1, 64 + classes))(layers.Concatenate()([boxes, kinds])))
    return keras.Model(inputs, layers.Concatenate(axis=1)(answers), name="yolo_nano")


def export(name: str, folder: Path, side: int = SIDE) -> Path:
    """Write FOLDER/<name>.onnx."""
    path, model = folder / f"{name}.onnx", build(name, side)
    model(np.zeros((1, *model.input.shape[1:]), np.float32))  # Keras exports only what has been called
    model.export(path, format="onnx", verbose=False)
    return path


def session(path: Path, threads: int | None = None):
    """An ONNX Runtime session with a thread a processor: these networks are large enough to gain from it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or processors()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def whole_picture(data: bytes, side: int) -> np.ndarray:
    """Bytes -> float32 (1, side, side, 3), 0-1: decoded as ours are, squeezed whole."""
    return resized(read_image(data), side, side)[None].astype(np.float32) / 255.0


def by_onnx(path: Path, side: int):
    """bytes -> probabilities, end to end, by ONNX Runtime."""
    run = session(path)
    inputs = {given.name: given.shape for given in run.get_inputs()}
    (picture,) = [name for name, shape in inputs.items() if list(shape[1:]) == [side, side, 3]]
    # The exporter turns the constants of a normalisation layer into inputs; what they hold does not change the time.
    constants = {name: np.ones(shape, np.float32) for name, shape in inputs.items() if name != picture}

    def answer(data: bytes) -> np.ndarray:
        return run.run(None, constants | {picture: whole_picture(data, side)})[0]

    return answer


if __name__ == "__main__":
    for wanted in sys.argv[3:]:
        print(export(wanted, Path(sys.argv[1]), int(sys.argv[2])), flush=True)
