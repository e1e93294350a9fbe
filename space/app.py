"""The page: choose a picture of a white blood cell, read its type, how sure the model is, and what it does.

python space/app.py             # http://127.0.0.1:7860; PORT and GRADIO_SERVER_NAME change the address
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from leukoscope import CELL_TYPES, Classifier, ImageError, ModelUnavailable, wording
from leukoscope.draw import draw_box
from leukoscope.hub import EMBEDDED, MODEL_VARIABLE
from leukoscope.images import FORMATS, read_image

EXAMPLES = Path(__file__).parent / "examples"
PIN_FILE = Path(__file__).parent / "pinned.json"  # in a published Space: the model revision it was made for
MAX_UPLOAD_MB = 20
KEEP_SECONDS = 1800  # pictures of visitors are deleted when they are older than this
SHOWN_SIDE = 900  # px; longer pictures are shown smaller, so that the answer arrives quickly
HEIGHT = 300  # px of each picture: fixed, so that nothing jumps when an answer arrives

WAITING = wording.message_html(
    "No picture yet", "Choose one, or click one of the drawn cells. The answer appears here.", "Waiting"
)
FAILED = wording.message_html(
    "That did not work", "Nothing was classified. Choose the picture again, or wait a minute.", "No answer"
)
NO_PICTURE_TEXT = "Your picture appears here with a box where the white cell is."

# A screen reader reads the answer out; on a phone, where it stands below the examples, it comes into view.
ANNOUNCE = "() => { document.getElementById('verdict').setAttribute('aria-live', 'polite') }"
REVEAL = """() => {
  if (innerWidth < 700 && document.querySelector('#picture img'))
    document.getElementById('verdict').scrollIntoView({ block: 'start', behavior: 'smooth' })
}"""

# Font stacks of the visitor's own system: the page asks no other site for anything.
THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="slate",
    font=("ui-sans-serif", "system-ui", "sans-serif"),
    font_mono=("ui-monospace", "Consolas", "monospace"),
).set(
    # white on the default middle shades would be too faint to read
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
)

CSS = (
    wording.STYLE
    + """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
.html-container { padding: 0 !important; }
.head h1 { font-size: 2rem; line-height: 1.2; margin: 0; font-weight: 700; }
.head p { margin: .3rem 0 .8rem; }
.notice { font-weight: 600; margin: .6rem 0; }
.hint { font-size: .9rem; margin: 0; }
.examples { display: grid !important; grid-template-columns: repeat(auto-fill, minmax(5.4rem, 1fr)); gap: .5rem; }
.examples button { flex-direction: column; justify-content: flex-start; gap: .3rem; padding: .5rem .2rem; }
.examples button { min-width: 0 !important; font-weight: 500; }
.examples img { width: 3.5rem; height: 3.5rem; border-radius: 6px; margin: 0; padding: 0; }
#verdict { scroll-margin-top: .8rem; }
footer .divider { display: none; }
:focus-visible { outline: 3px solid var(--primary-500) !important; outline-offset: 2px; }
"""
)


def load_model() -> tuple[Classifier, str]:
    """The model to answer with, and what visitors must know about it ("" if it is the one asked for).

    $LEUKOSCOPE_MODEL names it, else the Space's pin; with neither it is the embedded one. The page must start even
    where the Hub cannot be reached: then the embedded model answers, and the page says so.
    """
    name = os.environ.get(MODEL_VARIABLE)
    if not name and PIN_FILE.exists():
        name = json.loads(PIN_FILE.read_text())["model"]
    try:
        return Classifier.from_pretrained(name), ""
    except ModelUnavailable as error:
        print(f"warning: {error}; answering with the embedded model", flush=True)
        return Classifier.from_pretrained(EMBEDDED), f"The model {name} cannot be had: the embedded one answers."


def build_page(classifier: Classifier, notice: str = "") -> gr.Blocks:
    """The page around a classifier, not launched yet; `notice` stands at its top."""
    with gr.Blocks(title="Leukoscope", analytics_enabled=False, delete_cache=(600, KEEP_SECONDS)) as page:
        gr.HTML(
            f'<header class="head"><h1>Leukoscope</h1><p>{escape(wording.TAGLINE)}</p></header>'
            + wording.disclaimer_html()
            + (f'<p class="notice" role="status">{escape(notice)}</p>' if notice else ""),
            apply_default_css=False,
        )
        _one_cell(classifier)
        page.load(None, js=ANNOUNCE)
    return page


def _one_cell(classifier: Classifier) -> None:
    """One picture in, one answer out."""
    with gr.Row():
        with gr.Column(min_width=300):
            picture = gr.Image(
                label="Your picture",
                sources=["upload", "clipboard", "webcam"],
                type="filepath",
                height=HEIGHT,
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                alt_text="Your picture as you gave it.",
                elem_id="picture",
            )
            button = gr.Button("Classify", variant="primary", elem_id="classify")
            _hint("No photo at hand? These are <strong>drawings, not photographs</strong>:")
            with gr.Row(elem_classes="examples"):
                for path in example_paths():
                    name = path.stem.replace("_", " ").capitalize()
                    gr.Button(name, icon=path, size="sm", min_width=90).click(
                        lambda path=path: str(path),
                        outputs=picture,
                        api_visibility="private",
                        show_progress="hidden",
                    )
            _hint(
                f"{', '.join(FORMATS)}, up to {MAX_UPLOAD_MB} MB. "
                "Pictures are deleted within the hour; still, send none that names a patient."
            )
        with gr.Column(min_width=300):
            verdict = gr.HTML(WAITING, apply_default_css=False, elem_id="verdict")
            bars = gr.HTML(wording.bars_html(), apply_default_css=False, elem_id="bars")
            marked = gr.Image(
                label="What was found",
                height=HEIGHT,
                format="jpeg",
                interactive=False,
                buttons=["fullscreen"],
                alt_text=NO_PICTURE_TEXT,
                elem_id="marked",
            )
    cards = gr.HTML(apply_default_css=False, elem_id="cards")

    def show(photo: dict | None) -> tuple:
        if not photo:
            return WAITING, *_nothing()
        try:
            image = _read(photo, picture.GRADIO_CACHE)
            prediction = classifier.predict(image)
        except ImageError as error:
            return wording.message_html("This picture cannot be read", _sentence(error), "No answer"), *_nothing()
        return (
            wording.verdict_html(prediction),
            wording.bars_html(prediction),
            gr.Image(
                value=draw_box(image, prediction.box, longest=SHOWN_SIDE), alt_text=wording.picture_text(prediction)
            ),
            wording.cards_html(prediction),
        )

    def classify(photo: dict | None) -> dict:
        """Classify the most prominent white cell of one picture.

        Returns an object: `label` (eosinophil, lymphocyte, monocyte, neutrophil, or null), `probabilities` of
        all four types, `confidence` (0-1), `box` ([x0, y0, x1, y1] in pixels, or null) and `verdict`
        (confident, review or no_cell). For teaching and research; not a medical device.
        """
        if not photo:
            raise gr.Error("No picture was given.", print_exception=False)
        try:
            return asdict(classifier.predict(_read(photo, picture.GRADIO_CACHE)))
        except ImageError as error:
            raise gr.Error(_sentence(error), print_exception=False) from None

    # preprocess=False: or Gradio opens the file with Pillow before our decoder, which knows the limits.
    model = {"inputs": picture, "preprocess": False, "concurrency_id": "model", "concurrency_limit": 2}
    shown = [verdict, bars, marked, cards]
    answer = gr.on(
        [picture.change, button.click],
        show,
        outputs=shown,
        api_visibility="private",
        trigger_mode="always_last",  # a picture chosen while another is being classified must not be dropped
        show_progress="minimal",
        show_progress_on=verdict,
        **model,
    )
    answer.then(None, js=REVEAL)
    # In the browser, since the server may be what failed: no answer to another picture may stand.
    answer.failure(None, outputs=shown, js=f"() => {json.dumps([FAILED, wording.bars_html(), None, ''])}")
    gr.on([], classify, outputs=gr.JSON(label="answer", visible=False), api_name="classify", **model)


def _hint(html: str) -> None:
    gr.HTML(f'<p class="hint">{html}</p>', apply_default_css=False)


def example_paths() -> list[Path]:
    """The drawn cells, in the order of the cell types, then the others."""
    order = {name: place for place, name in enumerate(CELL_TYPES)}
    return sorted(EXAMPLES.glob("*.png"), key=lambda path: (order.get(path.stem, len(order)), path.stem))


def _read(photo: dict, folder: str) -> np.ndarray:
    """The picture that Gradio stored in its upload folder, by our own decoder."""
    path = Path(photo["path"] or "").resolve()
    # Gradio checks this only where the request marks the path as a file; one that does not could name any file.
    if not path.is_relative_to(Path(folder).resolve()):
        raise ImageError("the picture was not uploaded to this page")
    return read_image(path.read_bytes())


def _nothing() -> tuple:
    """What stands beside a message: no bars, no picture, no card."""
    return wording.bars_html(), gr.Image(value=None, alt_text=NO_PICTURE_TEXT), ""


def _sentence(error: ImageError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def main() -> None:
    """Load the model, answer one picture so that no visitor waits for the first run, and serve."""
    classifier, notice = load_model()
    for path in example_paths()[:1]:
        classifier.predict(path)
    default_name = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"
    build_page(classifier, notice).queue(max_size=32).launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME", default_name),
        server_port=int(os.environ.get("PORT", "7860")),
        theme=THEME,
        css=CSS,
        footer_links=["api"],
        run_history=False,
        max_file_size=f"{MAX_UPLOAD_MB}mb",
        allowed_paths=[str(EXAMPLES)],
        enable_monitoring=False,
        share=False,
        ssr_mode=False,
        pwa=False,
    )


if __name__ == "__main__":
    main()
