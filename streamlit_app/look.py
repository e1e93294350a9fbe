"""How the page looks: the library's own rules, and Streamlit's frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from PIL import Image

from leukoscope.drawn.synthetic import draw_cell
from leukoscope.showing import STYLE_SHEET, wording

STYLE_SHEETS = (STYLE_SHEET, Path(__file__).with_name("page.css"))  # the later overrules the earlier


@st.cache_data(show_spinner=False)
def icon() -> Image.Image:
    """The page's icon, drawn here: one of Streamlit's names would be fetched from another site."""
    return Image.fromarray(draw_cell("neutrophil", seed=4))


def head() -> None:
    """The page's rules and its first lines."""
    for sheet in STYLE_SHEETS:
        st.html(sheet)
    st.title("Leukoscope", anchor=False)
    st.write(wording.TAGLINE)
    st.html(wording.disclaimer_html())
