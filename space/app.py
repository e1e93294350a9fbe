"""The page: photos of stained blood smears in, the type of every white cell and a differential out.

python space/app.py             # http://127.0.0.1:7860; PORT and GRADIO_SERVER_NAME change the address
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from html import escape
from pathlib import Path

# Read while Gradio is imported. The folder is swept: it must be this page's alone.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_TEMP_DIR", os.path.join(tempfile.gettempdir(), "leukoscope-uploads"))
sys.path.insert(0, str(Path(__file__).parent))

import gradio as gr
import look
from about_tab import about_tab
from api import endpoints
from differential_tab import differential_tab
from ending import serve_until_told
from guard import Guard, Traffic
from one_photo import example_paths, one_photo
from sessions import keep_sessions
from starlette.middleware import Middleware
from uploads import Uploads
from zerogpu import name_a_gpu_function

from leukoscope import Classifier, ModelUnavailable
from leukoscope.model.hub import EMBEDDED, MODEL_VARIABLE
from leukoscope.showing import wording
from leukoscope.showing.about import model_name

PIN_FILE = Path(__file__).parent / "pinned.json"  # in a published Space: the model revision it was made for
MAX_UPLOAD_MB = 64  # of one file, a .zip of photos among them
KEEP_SECONDS = 1800  # uploads that no page's end took away are deleted when they are older than this
MOST_WAITING = 32
SESSIONS = 500  # pages and callers whose last answer is remembered


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
    with gr.Blocks(
        title="Leukoscope", analytics_enabled=False, delete_cache=(60, KEEP_SECONDS), fill_width=True
    ) as page:
        uploads = Uploads(page.GRADIO_CACHE)
        gr.HTML(
            f'<header class="head"><h1>Leukoscope</h1><p>{escape(wording.TAGLINE)}</p></header>'
            + wording.disclaimer_html()
            + (f'<p class="notice" role="status">{escape(notice)}</p>' if notice else ""),
            apply_default_css=False,
        )
        with gr.Tabs():
            with gr.Tab("One photo", id="photo"):
                one_photo(classifier, uploads)
            with gr.Tab("Differential", id="differential"):
                differential_tab(classifier, uploads, model_name(classifier))
            with gr.Tab("About", id="about"):
                about_tab(classifier, KEEP_SECONDS // 60 + 1)
        endpoints(page, classifier, uploads)
        page.load(None, js="leukoscope.begin")

        def leave(request: gr.Request) -> None:
            uploads.forget(request.session_hash)
            page.state_holder.session_data.pop(request.session_hash, None)

        page.unload(leave)
    page.queue(max_size=MOST_WAITING)
    keep_sessions(page, SESSIONS)
    return page


def main() -> None:
    """Load the model, answer one picture so that no visitor waits for the first run, and serve."""
    name_a_gpu_function()
    classifier, notice = load_model()
    for path in example_paths()[:1]:
        classifier.scan(path)
    traffic = Traffic()
    default_name = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"  # a Space has a wall of its own  # nosec B104
    page = build_page(classifier, notice)
    page.launch(
        prevent_thread_lock=True,
        server_name=os.environ.get("GRADIO_SERVER_NAME", default_name),
        server_port=int(os.environ.get("PORT", "7860")),
        theme=look.THEME,
        css=look.CSS,
        head=look.HEAD,
        footer_links=["api"],
        run_history=False,
        max_file_size=f"{MAX_UPLOAD_MB}mb",
        app_kwargs={"middleware": [Middleware(Guard, most_waiting=MOST_WAITING, traffic=traffic)]},
        state_session_capacity=SESSIONS,
        enable_monitoring=False,
        share=False,
        ssr_mode=False,
        pwa=False,
    )
    serve_until_told(page, traffic, KEEP_SECONDS)


if __name__ == "__main__":
    main()
