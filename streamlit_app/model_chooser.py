"""Which model answers: the embedded one, one of a Hub repo, or one in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from leukoscope import Classifier
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import SPEC_FILE
from leukoscope.model.hub import EMBEDDED, MODEL_VARIABLE
from leukoscope.showing import about

KINDS = {"embedded": "Embedded", "hub": "Hub repo", "folder": "Folder"}


@st.cache_resource(show_spinner="Loading the model …", max_entries=4)
def loaded(name: str, revision: str | None = None, written: int = 0) -> Classifier:
    """A model, loaded once for all pages and warmed by one picture.

    written: when a folder's checkpoint was written, so that another one in its place is loaded anew.
    """
    from leukoscope.drawn.synthetic import draw_cell

    classifier = Classifier.from_pretrained(name, revision=revision)
    classifier.predict(draw_cell("neutrophil", seed=0))
    return classifier


def choose_model() -> Classifier:
    """The sidebar's part: what was chosen if it can be had, else the embedded model and a word why."""
    set_outside = os.environ.get(MODEL_VARIABLE, "")
    st.subheader("Model")
    kind = st.radio(
        "Where the model is from",
        list(KINDS),
        format_func=KINDS.get,
        horizontal=True,
        key="model_kind",
        index=0 if not set_outside else (2 if os.path.isdir(set_outside) else 1),
    )
    name, revision = os.fspath(EMBEDDED), None
    if kind == "hub":
        default, _, default_revision = set_outside.partition("@")
        name = st.text_input("Repo", default, placeholder="user/name", key="model_repo").strip()
        revision = st.text_input("Revision (optional)", default_revision, key="model_revision").strip() or None
    elif kind == "folder":
        name = st.text_input("Folder of a checkpoint", set_outside, key="model_folder").strip()
    classifier, problem = _answering(kind, name, revision)
    if problem:
        st.warning(f"{problem} The embedded model answers.", icon=":material/warning:")
    st.caption(f"Answering: **{about.model_name(classifier)}**")
    return classifier


def _answering(kind: str, name: str, revision: str | None) -> tuple[Classifier, str]:
    if not name:
        problem = f"No {'repo' if kind == 'hub' else 'folder'} is named yet."
    elif kind == "folder" and not os.path.isdir(name):
        problem = f"There is no folder {name!r}."
    else:
        try:
            return _as_written(name, revision), ""
        except (LeukoscopeError, OSError) as error:
            problem = f"{error}."
    return _as_written(os.fspath(EMBEDDED)), problem


def _as_written(name: str, revision: str | None = None) -> Classifier:
    spec = Path(name) / SPEC_FILE
    return loaded(name, revision, spec.stat().st_mtime_ns if spec.is_file() else 0)
