"""One photo: every white cell of it boxed, and the answer for the one that is chosen."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from leukoscope import Classifier, ImageError, Prediction
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.prediction import no_cell
from leukoscope.pictures.images import page_note, read_image
from leukoscope.scanning.photos import SUFFIXES, digest_of
from leukoscope.showing import about, draw, wording
from leukoscope.showing.explain import CLASS_MAP, enlarged

TYPES = sorted(SUFFIXES)
SHOWN_SIDE = 1400  # px; longer pictures are shown smaller
WAITING = wording.message_html("No picture yet", "Choose one, or a drawing. The answer appears here.", "Waiting")


@st.cache_data(show_spinner=False)
def drawn_photo() -> bytes:
    """A drawing to try the page with: PNG."""
    picture = draw_photo(["neutrophil", "lymphocyte", "eosinophil"], seed=5, width=640, height=480)[0]
    return draw.png(picture)


def photo_page(classifier: Classifier) -> None:
    """Build the tab."""
    left, right = st.columns([5, 4], gap="large")
    with left:
        data = _picture()
    if data is None:
        with right:
            st.html(WAITING + wording.bars_html())
        return
    try:
        image = read_image(data)
        predictions = classifier.scan(image)
    except ImageError as error:
        with right:
            st.html(wording.unreadable(error) + wording.bars_html())
        return
    with left:
        chosen = _choose(predictions, digest_of(data))
        prediction = predictions[chosen] if predictions else no_cell(image)
        shown = draw.shrunk(draw.draw_cells(image, predictions, chosen), SHOWN_SIDE)
        st.html(picture_html(shown, wording.picture_text(prediction, len(predictions))))
        if note := page_note(data):
            st.caption(wording.sentence(note))
    with right:
        st.html(wording.verdict_html(prediction, about.trust_note(classifier)) + wording.bars_html(prediction))
        if predictions:
            heated = CLASS_MAP in classifier.outputs and st.toggle("Show where the model looked", key="heat")
            cut, text = enlarged(classifier, image, predictions, chosen, heated)
            st.html(picture_html(cut, text))
    if cards := wording.cards_html(prediction):
        st.html(cards)


def picture_html(image: np.ndarray, text: str) -> str:
    """RGB uint8 (H, W, 3) as a picture with words: Streamlit's own has none for those who cannot see it."""
    words = escape(text)
    return (
        f'<figure class="lk lk-picture"><img src="{draw.data_uri(image)}" alt="{words}">'
        f'<figcaption aria-hidden="true">{words}</figcaption></figure>'
    )


def _picture() -> bytes | None:
    """The photo from a file, the camera, or a drawing."""
    source = st.segmented_control(
        "Where the picture is from",
        ["File", "Camera", "A drawing"],
        default="File",
        required=True,
        key="picture_source",
        label_visibility="collapsed",
    )
    if source == "A drawing":
        st.caption("This is a drawing, not a photograph.")
        return drawn_photo()
    if source == "Camera":
        given = st.camera_input("Take a picture through the eyepiece", key="camera")
    else:
        given = st.file_uploader("Your picture", type=TYPES, key="picture", help="Of several pages the first is read.")
    return given.getvalue() if given else None


def _choose(predictions: list[Prediction], photo: str) -> int:
    """Index of the chosen cell; 0 if there is at most one. A photo, told by its hash, has a field of its own:
    Streamlit would show the words of the one before it."""
    if len(predictions) < 2:
        return 0
    return st.selectbox(
        f"{len(predictions)} cells were found. Show",
        range(len(predictions)),
        format_func=lambda index: f"Cell {index + 1}: {wording.short(predictions[index])}",
        key=f"chosen_cell_{photo}",
    )
