"""Where the model looked: a heatmap over the picture as given, from the network's own forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from leukoscope.biology.attributes import ATTRIBUTES, parts
from leukoscope.biology.cells import CELL_TYPES, with_article
from leukoscope.classifier import Classifier
from leukoscope.model.prediction import Prediction
from leukoscope.pictures.images import ImageSource, read_image
from leukoscope.showing.draw import crop, draw_heatmap
from leukoscope.smear.locate import Cell
from leukoscope.smear.preprocess import Framing, framed_square

CLASS_MAP, ATTRIBUTE_MAP = "class_map", "attribute_map"


def heatmap(
    classifier: Classifier,
    source: ImageSource,
    label: str | None = None,
    box: tuple[int, int, int, int] | None = None,
    attribute: str | None = None,
) -> np.ndarray:
    """Where the evidence for a type, or for what is seen of an attribute, lies.

    The network averages its last feature map over the crop before one linear layer, so each place's share of a logit is
    known exactly: class activation mapping (Zhou et al. 2016, arXiv 1512.04150). The shares of the other types are
    taken off, so that what all types have in common does not glow; of an attribute those of its other values.

    Args:
        classifier: a model with the graph output `class_map`; the reference network has none.
        source: the picture, as for `Classifier.predict`.
        label: the type to explain; None: the one that is predicted.
        box: of the cell to explain, as in its `Prediction`; None: the most prominent one.
        attribute: explain the value of this one of `ATTRIBUTES` that is predicted, instead of a type.

    Returns:
        float32 (H, W) over the picture as given, after EXIF: 0 where nothing speaks for the type and outside what the
        network saw, 1 where most does. All 0 if no white cell is found.

    Raises:
        ImageError: if the picture cannot be read.
        ValueError: if the model has no such output or looks at the whole picture, label or attribute are unknown or
            both given, or no cell has this box.
    """
    output = CLASS_MAP if attribute is None else ATTRIBUTE_MAP
    if output not in classifier.outputs:
        raise ValueError(f"model {classifier.spec.name!r} cannot say where it looked: its graph has no {output}")
    if attribute is not None and (label is not None or attribute not in ATTRIBUTES):
        raise ValueError(f"attribute {attribute!r}: give one of {', '.join(ATTRIBUTES)}, and no label beside it")
    if label is not None and label not in classifier.spec.labels:
        raise ValueError(f"unknown cell type {label!r}: valid are {', '.join(classifier.spec.labels)}")
    image = read_image(source)
    cells = [cell for cell in classifier.locate(image) if box is None or cell.box == tuple(box)]
    if not cells:
        if box is not None:
            raise ValueError(f"no cell of this picture has the box {tuple(box)}")
        return np.zeros(image.shape[:2], np.float32)
    cell = cells[0]
    framed = classifier.framed_cell(image, cell)
    (maps,) = classifier.run(framed.crop[None], [output])
    own = maps[0][..., : len(CELL_TYPES)] if attribute is None else parts(maps[0])[attribute]
    logits = own.mean(axis=(0, 1))[None]  # of the cell: the mean over the places
    predicted = int((logits if attribute else classifier.weighed(logits, [framed])).argmax())
    chosen = predicted if label is None else classifier.spec.labels.index(label)
    return _over_picture(evidence(own, chosen), image.shape[:2], classifier.spec.framing, cell)


def enlarged(
    classifier: Classifier, image: np.ndarray, predictions: Sequence[Prediction], index: int, heated: bool
) -> tuple[np.ndarray, str]:
    """One cell of a photo enlarged, and what stands below it.

    Args:
        classifier: the model that answered.
        image: the photo, RGB uint8 (H, W, 3).
        predictions: of its cells, at least one.
        index: of the cell to show.
        heated: whether to show where the model looked, if it can say.

    Returns:
        RGB uint8 (S, S, 3), and the caption.
    """
    label, box = predictions[index].label, predictions[index].box
    picture = crop(image, box)
    text = f"Cell {index + 1} of {len(predictions)}, enlarged."
    if heated and label and CLASS_MAP in classifier.outputs:
        picture = draw_heatmap(picture, crop(heatmap(classifier, image, label, box), box).clip(0, 1))
        text += f" It glows where the model saw what speaks for {with_article(label)}."
    return picture, text


def evidence(class_map: np.ndarray, chosen: int) -> np.ndarray:
    """Map of rival values (h, w, C) -> what speaks for one against the mean of the others: float32 (h, w), 0-1."""
    others = np.delete(class_map, chosen, axis=2).mean(axis=2)
    positive = np.maximum(class_map[..., chosen] - others, 0.0).astype(np.float32)
    shares: np.ndarray = positive / max(float(positive.max()), 1e-6)
    return shares


def _over_picture(heat: np.ndarray, shape: tuple[int, ...], framing: Framing, cell: Cell) -> np.ndarray:
    """Lay the crop's heat, (h, h), where the crop was cut: float32 of the picture's shape."""
    left, top, side = framed_square(framing, cell)
    picture = np.zeros(shape, np.float32)
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(shape[0], top + side), min(shape[1], left + side)
    if y0 < y1 and x0 < x1:
        scale = len(heat) / side
        part = ((x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale)
        seen = Image.fromarray(heat).resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC, box=part)
        picture[y0:y1, x0:x1] = np.asarray(seen).clip(0.0, 1.0)
    return picture
