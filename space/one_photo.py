"""The first tab: a photo in, every white cell of it boxed, and the answer for the one that is chosen."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import gradio as gr
import look
import markup
import numpy as np
from uploads import MAX_PHOTO_MB, Uploads

from leukoscope import CELL_TYPES, Classifier, ImageError, Prediction
from leukoscope.model.prediction import no_cell
from leukoscope.pictures.images import FORMATS, page_note, read_image
from leukoscope.showing import about, draw, wording
from leukoscope.showing.explain import CLASS_MAP, enlarged

EXAMPLES = Path(__file__).parent / "examples"
THUMBNAIL = 96  # px of an example's button

FIRST_EXAMPLE = "several_cells.webp"
DRAWN = "An example: a drawing, not a photograph. Give a photo of yours above."
FAILED = wording.message_html("That did not work", "Nothing was classified. Choose the picture again.", "No answer")
BUSY = wording.message_html(
    "Busy", "{ahead} others are ahead of you, and no more can wait. Try again in a minute.", "No answer"
)


@dataclass(frozen=True)
class Scanned:
    """A photo: where the upload lies, the answers, and the number of the chosen cell.

    file: as Gradio hands it over unread; empty for the example that the page begins with.
    """

    file: dict
    predictions: tuple[Prediction, ...]
    chosen: int = 1
    none: Prediction | None = None  # the answer where no cell was found

    @property
    def prediction(self) -> Prediction:
        """The answer for the chosen cell, or that there is none."""
        return self.none or self.predictions[self.chosen - 1]


@dataclass
class Looking:
    """What a visitor looks at: of each page there is one, which its questions share while they run beside each other.

    Each changes it as soon as it is asked, and says only what still holds when it is answered: an answer that took long
    must not replace that to a later question.
    """

    scanned: Scanned | None
    heated: bool = False  # whether it is to be seen where the model looked


def one_photo(classifier: Classifier, uploads: Uploads) -> None:
    """Build the tab. It begins with a finished example."""
    trust = about.trust_note(classifier)
    download = gr.JSON(visible=False)
    answered = gr.JSON({"path": ""}, visible=False)  # what the page shows the answer to; None after a failure
    with gr.Row():
        with gr.Column(scale=7, min_width=290, elem_id="given"):
            picture = gr.Image(
                label="Your picture",
                sources=["upload", "clipboard", "webcam"],
                type="filepath",
                height="var(--upload-height)",  # fixed, in page.css, so that nothing jumps
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                alt_text="Your picture as you gave it.",
                elem_id="picture",
            )
            image = read_image(EXAMPLES / FIRST_EXAMPLE)
            first = Scanned({}, tuple(classifier.scan(image)))
            remembered = gr.State(Looking(first))  # the same object for all questions of a page
            taken = gr.State("")  # where the drawing lies that was chosen last; uploads are never called drawings
            photo = gr.HTML(
                markup.photo_html(image, first.predictions, first.chosen, DRAWN),
                js_on_load=look.does("photo", "choose", "save"),
                apply_default_css=False,
                elem_id="photo",
            )
        with gr.Column(scale=5, min_width=290):
            answer_now = _answer(first, trust)
            verdict = gr.HTML(answer_now[0], apply_default_css=False, elem_id="verdict")
            bars = gr.HTML(answer_now[1], apply_default_css=False, elem_id="bars")
            crop = gr.HTML(_crop(classifier, image, first, False), apply_default_css=False, elem_id="crop")
            heat = gr.Checkbox(
                label="Show where the model looked",
                visible=CLASS_MAP in classifier.outputs,
                elem_id="heat",
            )
            gr.HTML(markup.compare_html(), apply_default_css=False)
    _hint("No photo at hand? These are <strong>drawings, not photographs</strong>:")
    examples = gr.HTML(
        _examples_html(), js_on_load=look.does("examples", "example"), apply_default_css=False, elem_id="examples"
    )
    _hint(
        f"{', '.join(FORMATS)}, up to {MAX_PHOTO_MB} MB; of several pages the first is read. "
        "Pictures are deleted when you leave the page; still, send none that names a patient."
    )
    cards = gr.HTML(answer_now[2], apply_default_css=False, elem_id="cards")

    def read(scanned: Scanned) -> np.ndarray:
        return read_image(uploads.read(scanned.file) if scanned.file else EXAMPLES / FIRST_EXAMPLE)

    def show(file: dict | None, looking: Looking, heated: bool, taken: str | None, request: gr.Request) -> tuple:
        if not file:  # taken out of its field below, once it was answered
            return (gr.skip(),) * len(shown)
        looking.heated = heated
        try:
            data = uploads.read(file, request.session_hash)
            image = read_image(data)
            predictions = tuple(classifier.scan(image))
            scanned = Scanned(file, predictions, none=None if predictions else no_cell(image))
        except ImageError as error:
            looking.scanned = None
            return markup.empty_photo_html(), wording.unreadable(error), *_no_answer(), {"path": file.get("path")}
        pages = page_note(data)
        note = wording.sentence(pages) if pages else ""
        if file["path"] == taken:
            note = DRAWN
        given = (
            markup.photo_html(image, scanned.predictions, scanned.chosen, note),
            *_answer(scanned, trust),
            _crop(classifier, image, scanned, looking.heated),
            {"path": file["path"]},
        )
        looking.scanned = scanned  # only now: until it is shown, cells are chosen in the photo before
        return given

    def choose(looking: Looking, heated: bool, event: gr.EventData) -> tuple:
        """Another cell of the same photo: its answer is there already."""
        number = event._data.get("number") if isinstance(event._data, dict) else None
        before = looking.scanned
        if before is None or number not in range(1, len(before.predictions) + 1):
            return FAILED, *_no_answer()
        looking.scanned = scanned = replace(before, chosen=number)
        enlarged_now = enlarge(looking, heated)
        if looking.scanned is not scanned:
            return (gr.skip(),) * 4
        return *_answer(scanned, trust), enlarged_now

    def enlarge(looking: Looking, heated: bool) -> str | dict:
        """The chosen cell, unless by then it is another or to be seen otherwise."""
        looking.heated, scanned = heated, looking.scanned
        if scanned is None or not scanned.predictions:
            return markup.crop_html()
        try:
            html = _crop(classifier, read(scanned), scanned, heated)
        except ImageError as error:
            html = markup.crop_html(text=wording.sentence(error))
        return html if looking.scanned is scanned and looking.heated == heated else gr.skip()

    def tick(looking: Looking, heated: bool, answered: dict | None) -> str | dict:
        """The same cell, seen otherwise; none where no photo is shown, since the last one was not answered."""
        if answered is None:
            looking.heated = heated
            return markup.crop_html()
        return enlarge(looking, heated)

    def save(looking: Looking) -> dict:
        """The photo with its boxes, as a file that the browser makes."""
        scanned = looking.scanned
        if scanned is None:
            raise gr.Error("Give a picture first.", print_exception=False)
        try:
            image = read(scanned)
        except ImageError as error:
            raise gr.Error(wording.sentence(error), print_exception=False) from None
        drawn = draw.jpeg(draw.draw_cells(image, list(scanned.predictions), scanned.chosen - 1), 92)
        return {"name": "leukoscope.jpg", "type": "image/jpeg", "base64": base64.b64encode(drawn).decode()}

    def take_example(event: gr.EventData) -> tuple[str | None, str]:
        """Put one of the drawn cells into the upload field, as if the visitor had chosen it."""
        name = event._data.get("name") if isinstance(event._data, dict) else None
        path = {path.name: path for path in example_paths()}.get(name)
        kept = picture.move_resource_to_block_cache(path) if path else None
        return kept, kept or ""

    # preprocess=False: or Gradio opens the file with Pillow before our decoder, which knows the limits.
    private = {"api_visibility": "private", "concurrency_id": "model", "concurrency_limit": 2}
    shown = [photo, verdict, bars, cards, crop, answered]
    answer = picture.change(
        show,
        [picture, remembered, heat, taken],
        shown,
        preprocess=False,
        trigger_mode="always_last",  # a picture chosen while another is being classified must not be dropped
        show_progress="minimal",
        show_progress_on=verdict,
        **private,
    )
    answer.then(None, js="leukoscope.reveal")
    # The field is emptied: the picture stands below it, and the next one can be given at once.
    answer.then(None, [picture, answered], picture, js="leukoscope.emptyIfAnswered")
    # No answer to another picture may stand.
    failed, busy = ([markup.empty_photo_html(), message, *_no_answer(), None] for message in (FAILED, BUSY))
    answer.failure(None, outputs=shown, js=look.when_failed(failed, busy))
    quiet = {"show_progress": "hidden", "trigger_mode": "always_last"} | private
    photo.choose(choose, [remembered, heat], [verdict, bars, cards, crop], **quiet)
    photo.save(save, remembered, download, **quiet).success(None, download, js="leukoscope.download")
    heat.input(tick, [remembered, heat, answered], crop, **quiet)
    examples.example(take_example, outputs=[picture, taken], api_visibility="private", show_progress="hidden")


def _answer(scanned: Scanned, trust: str) -> tuple[str, str, str]:
    prediction = scanned.prediction
    return wording.verdict_html(prediction, trust), wording.bars_html(prediction), wording.cards_html(prediction)


def _no_answer() -> tuple[str, str, str]:
    """What stands beside a message: no bars, no card, no crop."""
    return wording.bars_html(), "", markup.crop_html()


def _crop(classifier: Classifier, image: np.ndarray, scanned: Scanned, heated: bool) -> str:
    if not scanned.predictions:
        return markup.crop_html()
    return markup.crop_html(*enlarged(classifier, image, scanned.predictions, scanned.chosen - 1, heated))


def _hint(html: str) -> None:
    gr.HTML(f'<p class="hint">{html}</p>', apply_default_css=False)


def example_paths() -> list[Path]:
    """The drawn cells, in the order of the cell types, then the others."""
    order = {name: place for place, name in enumerate(CELL_TYPES)}
    paths = (path for path in EXAMPLES.iterdir() if path.suffix in (".png", ".webp"))
    return sorted(paths, key=lambda path: (order.get(path.stem, len(order)), path.stem))


def _examples_html() -> str:
    buttons = []
    for path in example_paths():
        name = path.stem.replace("_", " ").capitalize()
        small = draw.data_uri(_thumbnail(read_image(path)), quality=80)
        buttons.append(
            f'<button type="button" data-name="{escape(path.name)}"><img src="{small}" alt="" width="56" height="56">'
            f"{escape(name)}</button>"
        )
    return f'<div class="examples-grid">{"".join(buttons)}</div>'


def _thumbnail(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return draw.resized(image[top : top + side, left : left + side], THUMBNAIL, THUMBNAIL)
