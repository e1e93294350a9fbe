"""The lab bench's app: photos of stained blood smears in, the type of every white cell and a differential out.

streamlit run streamlit_app/app.py             # http://localhost:8501
"""

from __future__ import annotations

import streamlit as st
from count_page import choose_session, count_page
from folder_watch import watch_folder
from look import head, icon
from model_chooser import choose_model
from photo_page import photo_page
from slide_page import slide_page

from leukoscope.biology.cells import NOT_A_MEDICAL_DEVICE
from leukoscope.showing import about

PRIVACY = (
    "Pictures go from your browser to the machine that runs this app, and nowhere else. The app asks no other site "
    "for anything, but the Hub for a model that you name.",
    "A session keeps the names of photos, what was answered and a small picture of each cell in a file on that "
    "machine.",
    "Still: use no picture or file name that names a patient.",
)

st.set_page_config(page_title="Leukoscope", page_icon=icon(), layout="wide")
head()
with st.sidebar:
    classifier = choose_model()
    count = choose_session()
    watching = watch_folder(classifier, count)
photo_tab, count_tab, slide_tab, about_tab = st.tabs(["One photo", "Differential", "A slide", "About"])
with photo_tab:
    photo_page(classifier)
with count_tab:
    count_page(classifier, count, watching)
with slide_tab:
    slide_page(classifier)
with about_tab:
    results = about.own_results(classifier)
    st.html(
        f'<div class="lk lk-about">{about.trust_html(classifier)}'
        f"{about.model_html(classifier)}{about.results_html(results)}</div>"
    )
    for result in results:
        if figures := about.figures(classifier, result):
            with st.expander(f"Pictures: {about.SETS.get(result, result)}"):
                for column, (path, text) in zip(st.columns(len(figures)), figures, strict=True):
                    column.image(str(path), caption=text)
    st.html(
        f'<div class="lk lk-about">{about.list_html("Limits", (NOT_A_MEDICAL_DEVICE, *about.LIMITS))}'
        f"{about.list_html('Your pictures', PRIVACY)}</div>"
    )
