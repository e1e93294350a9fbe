"""A slide at the bench: counted, looked at, corrected; what a person decided is there again."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
PAGE = f"""
import sys
if {str(ROOT / "streamlit_app")!r} not in sys.path:
    sys.path.insert(0, {str(ROOT / "streamlit_app")!r})
from leukoscope import Classifier
from slide_page import slide_page
slide_page(Classifier.from_pretrained())
"""


@pytest.fixture
def bench(drawn, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "streamlit_app"))
    monkeypatch.setenv("LEUKOSCOPE_WATCH_ROOT", str(tmp_path))
    monkeypatch.setenv("LEUKOSCOPE_SESSIONS", str(tmp_path / "sessions"))
    (tmp_path / "smear.svs").symlink_to(drawn.path)
    yield tmp_path
    for name in ("slide_page", "count_page", "folder_watch", "running_count", "session_file", "photo_page"):
        sys.modules.pop(name, None)


def test_a_slide_is_counted_and_shown_and_decisions_are_kept(bench, drawn, classifier):
    page = AppTest.from_string(PAGE, default_timeout=300).run()
    assert not page.exception
    assert page.selectbox(key="slide_name").options == ["smear.svs"]
    page.number_input(key="slide_cells").set_value(3)
    page.button(key="slide_begin").click().run()
    assert not page.exception
    assert any("answered at level 0 of 3" in caption.value.lower() for caption in page.caption)
    html = "".join(element.proto.body for element in page.get("html"))
    assert "Differential of white cells" in html
    assert "in 1 slide." in html
    assert len(page.get("image")) == 1
    page.selectbox(key="slide_tile").select_index(0).run()
    assert not page.exception
    assert len(page.get("image")) == 2
    _, count = page.session_state["slide_count"]
    first = count.differential.cells[0]
    count.decide(first.photo, first.number, "monocyte")
    page.button(key="slide_begin").click().run()
    _, again = page.session_state["slide_count"]
    assert again is not count
    assert [cell.corrected for cell in again.differential.cells].count("monocyte") == 1
    assert again.differential.cells[0].corrected == "monocyte"
    again.decide(first.photo, first.number, None)
    assert again.differential.corrected == 0


def test_a_folder_without_slides_and_one_beside_the_root_are_told(bench):
    page = AppTest.from_string(PAGE, default_timeout=300).run()
    page.text_input(key="slide_folder").set_value("/etc").run()
    assert "Only folders below" in page.error[0].value
    (bench / "empty").mkdir()
    page.text_input(key="slide_folder").set_value("empty").run()
    assert any("No slide lies there" in text.value for text in page.markdown)


def test_a_slide_that_is_none_is_told_in_a_line(bench):
    (bench / "bad").mkdir()
    (bench / "bad" / "a.svs").write_text("no slide")
    page = AppTest.from_string(PAGE, default_timeout=300).run()
    page.text_input(key="slide_folder").set_value("bad").run()
    page.button(key="slide_begin").click().run()
    assert not page.exception
    assert page.error[0].value == "No slide that OpenSlide reads."
