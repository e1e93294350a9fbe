"""How the page looks: the library's own rules, and Streamlit's frame around them."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from leukoscope.drawn.synthetic import draw_cell
from leukoscope.showing import about, charts, wording

STYLE = (
    wording.STYLE
    + charts.STYLE
    + about.STYLE
    + """
.block-container { padding-top: 2.6rem; max-width: 1280px; }
.lk-verdict { min-height: 0; margin-bottom: .9rem; }
.lk h2 { letter-spacing: 0; }
ul.lk-bars { margin: 0; padding: 0; }
ul.lk-bars li { font-size: inherit; }
.lk-picture { margin: 0; }
.lk-picture img { width: 100%; border-radius: 8px; }
.lk-picture figcaption { font-size: .85rem; }
/* Streamlit's grey is too faint to read. */
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * { color: inherit; opacity: 1; }
"""
)


@st.cache_data(show_spinner=False)
def icon() -> Image.Image:
    """The page's icon, drawn here: one of Streamlit's names would be fetched from another site."""
    return Image.fromarray(draw_cell("neutrophil", seed=4))


def head() -> None:
    """The page's rules and its first lines."""
    st.html(f"<style>{STYLE}</style>")
    st.title("Leukoscope", anchor=False)
    st.write(wording.TAGLINE)
    st.html(wording.disclaimer_html())
