"""The third tab: which model answers, how good it is, where it ends, and what happens to a picture."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from leukoscope import Classifier
from leukoscope.biology.cells import NOT_A_MEDICAL_DEVICE
from leukoscope.showing import about


def about_tab(classifier: Classifier, keep_minutes: int) -> None:
    """Build the tab; uploads that no page's end took away live for `keep_minutes`."""
    results = about.own_results(classifier)
    gr.HTML(
        f'<div class="lk lk-about">{about.trust_html(classifier)}{about.model_html(classifier)}'
        f"{about.results_html(results)}</div>",
        apply_default_css=False,
    )
    for result in results:
        if figures := about.figures(classifier, result):
            with gr.Accordion(f"Pictures: {about.SETS.get(result, result)}", open=False), gr.Row():
                for path, text in figures:
                    _figure(path, text)
    gr.HTML(
        '<div class="lk lk-about">'
        f"{about.list_html('Limits', (NOT_A_MEDICAL_DEVICE, *about.LIMITS))}"
        f"{about.list_html('Your pictures', _privacy(keep_minutes))}"
        f"{PROGRAMS}</div>",
        apply_default_css=False,
    )


def _figure(path: Path, text: str) -> None:
    gr.Image(str(path), label=text.partition(":")[0], alt_text=text, interactive=False, buttons=[], min_width=260)


def _privacy(keep_minutes: int) -> tuple[str, ...]:
    return (
        "A picture lies on the server while your page is open, and is deleted when you leave it. What a lost "
        f"connection or a program leaves behind is deleted after {keep_minutes} minutes at most.",
        "The count of the second tab and its small cell pictures are held in memory, for this page alone. "
        "Downloads are made in your browser's memory; no run history is kept.",
        "The log holds no file names and no pictures. The page asks no other site for anything.",
        "Still: send no picture that names a patient.",
    )


PROGRAMS = (
    "<section><h2>For programs</h2><p>Two endpoints, <code>/classify</code> and <code>/scan</code>, take one picture "
    "and answer with JSON; “Use via API” at the foot of the page says how. In Python:</p>"
    "<pre tabindex='0'><code>from gradio_client import Client, handle_file\n\n"
    'client = Client("ADDRESS OF THIS PAGE")\n'
    'answer = client.predict(handle_file("smear.jpg"), api_name="/scan")\n'
    'print([cell["label"] for cell in answer["cells"]])</code></pre></section>'
)
