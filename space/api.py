"""What programs may call: /classify and /scan, with plain JSON as answers."""

from __future__ import annotations

import inspect
from dataclasses import asdict

import gradio as gr
import numpy as np
from uploads import Uploads

from leukoscope import Classifier, ImageError
from leukoscope.biology.cells import CELL_TYPES, HOW_MANY
from leukoscope.pictures.images import read_image
from leukoscope.showing import wording


def endpoints(page: gr.Blocks, classifier: Classifier, uploads: Uploads) -> None:
    """Add the endpoints to the page that is being built."""

    def read(photo: dict | None, request: gr.Request) -> np.ndarray:
        # Nothing is remembered from one call to the next: Gradio's memory is for open pages.
        page.state_holder.session_data.pop(request.session_hash, None)
        if not photo:
            raise gr.Error("No picture was given.", print_exception=False)
        try:
            return read_image(uploads.read(photo))
        except ImageError as error:
            raise gr.Error(wording.sentence(error), print_exception=False) from None

    def classify(photo: dict | None, request: gr.Request) -> dict:
        """Classify the most prominent white cell of one picture of a stained blood smear.

        Args:
            photo: the picture, a file of any format that the page takes (of several pages the first), up to 20 MB.

        Returns:
            An object. label: {types}, or null without a cell. probabilities: of all {how_many} types,
            summing to 1. confidence: of the label, 0-1. box: [x0, y0, x1, y1] in pixels, or null.
            verdict: confident (the label stands), review (look yourself), unfamiliar (perhaps none of the {how_many})
            or no_cell. cut: whether the cell reaches the picture's edge. unfamiliarity: 0-1. reason: why there is
            no cell, where the picture is the reason, or null. attributes: what is seen in the cell, such as
            nucleus_shape, each with value, probability, and whether it is sure enough to be said.
            For teaching and research; not a medical device.
        """
        return asdict(classifier.predict(read(photo, request)))

    def scan(photo: dict | None, request: gr.Request) -> dict:
        """Find and classify every white cell of one photo of a stained blood smear.

        Args:
            photo: the photo, a file of any format that the page takes (of several pages the first), up to 20 MB.

        Returns:
            An object. width, height: of the photo, in pixels. cells: a list, the most prominent first, empty without
            a white cell; each an object as /classify returns.
            For teaching and research; not a medical device.
        """
        image = read(photo, request)
        cells = [asdict(prediction) for prediction in classifier.scan(image)]
        return {"width": image.shape[1], "height": image.shape[0], "cells": cells}

    for function in (classify, scan):
        gr.on(
            [],
            function,
            _photo(),
            gr.JSON(label="answer", visible=False),
            preprocess=False,
            api_name=function.__name__,
            api_description=inspect.cleandoc(function.__doc__).format(types=", ".join(CELL_TYPES), how_many=HOW_MANY),
            concurrency_id="model",
            concurrency_limit=2,
        )


def _photo() -> gr.Image:
    """The endpoints' input. Gradio's own description promises to fetch addresses, which this page does not."""
    photo = gr.Image(label="photo", type="filepath", visible=False)
    schema = photo.api_info() | {"additional_description": "A file of yours, not an address."}
    example = {"path": "smear.jpg", "url": "smear.jpg", "orig_name": "smear.jpg", "meta": {"_type": "gradio.FileData"}}
    photo.api_info = lambda: schema
    photo.example_payload = lambda: example
    return photo
