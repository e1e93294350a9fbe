"""The Space as it is published: its own files, its own requirements, nothing of this checkout."""

from tests.space.conftest import ROOT, Visit, start_app, stop_app
from tests.space.test_one_photo import an_upload_gets_its_answer
from training.publish import stage_space


def test_the_staged_space_alone_answers_an_upload(browser, classifier, space_python, tmp_path):
    space = tmp_path / "space"
    space.mkdir()
    stage_space(space, "tester/leukoscope", "0" * 40, ["classifier.json", "model.onnx"])
    assert (space / "requirements.txt").read_bytes() == (ROOT / "space" / "requirements.txt").read_bytes()
    # No Hub to be reached: the page says so, and the embedded checkpoint answers.
    apart = {"PYTHONPATH": "", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    started = start_app(tmp_path / "run", python=space_python, script=space / "app.py", **apart)
    try:
        seen = Visit(browser, started.url)
        an_upload_gets_its_answer(seen, classifier, tmp_path / "my smear.jpg")
        assert "tester/leukoscope@" in seen.page.locator(".notice").inner_text()
        assert seen.foreign == []
        assert seen.errors == []
        seen.page.close()
    finally:
        stop_app(started.process)
