"""How the page looks and what it does in the browser: page.css, page.js and deciding.js, as Gradio takes them.

Nothing in these asks another site for anything.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from leukoscope.showing import STYLE_SHEET

FOLDER = Path(__file__).parent

# Font stacks of the visitor's own system.
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
    checkbox_label_text_color="*body_text_color",
)

CSS = STYLE_SHEET.read_text() + (FOLDER / "page.css").read_text()

SCRIPTS = ("page.js", "deciding.js")  # in this order; they are there before the first element is
HEAD = "".join(f"<script>{(FOLDER / name).read_text()}</script>" for name in SCRIPTS)


def does(name: str, *events: str, **facts: Any) -> str:
    """For an element's `js_on_load`: the function of this name gets it, and `facts`.

    `events` are those that it sends: Gradio hears an event of an element only if its name is quoted there.
    """
    return f"leukoscope.{name}(element, trigger, watch, {json.dumps({'events': events, **facts})})"


def when_failed(failed: list[Any], busy: list[Any]) -> str:
    """For an event's `js`: the outputs of one that failed on its way, `busy` if others wait, else `failed`."""
    return f"leukoscope.whenFailed({json.dumps(failed)}, {json.dumps(busy)})"
