"""Every path of the app, run by Streamlit's own test runner."""

import datetime
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import session_file
from PIL import Image
from streamlit.testing.v1 import AppTest

from leukoscope import CELL_TYPES, Classifier
from leukoscope.counting.differential import NOT_COUNTED, Differential
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.showing import about, wording
from leukoscope.showing.draw import jpeg
from leukoscope.tuning import Tuning, write_tuned
from tests.space.conftest import start_app, stop_app
from tests.streamlit_app.conftest import APP, ROOT


@pytest.fixture(scope="module")
def classifier():
    return Classifier.from_pretrained()


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("LEUKOSCOPE_SESSIONS", str(tmp_path / "sessions"))
    monkeypatch.setenv("LEUKOSCOPE_WATCH_ROOT", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # no Hub is to be reached
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LEUKOSCOPE_MODEL", raising=False)
    at = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not at.exception
    return named(at, "session")


def named(at: AppTest, name: str) -> AppTest:
    """The app, going on with the count of this name."""
    return at.text_input(key="session_name").set_value(name).run()


def page(at: AppTest) -> str:
    """All HTML of the page."""
    assert not at.exception
    return "\n".join(element.proto.body for element in at.get("html"))


def picture(at: AppTest, words: str) -> str:
    """The address of the picture whose words begin so."""
    (address,) = re.findall(rf'<img src="([^"]+)" alt="{re.escape(words)}', page(at))
    return address


def counted(at: AppTest, file: Path, photos: int) -> Differential:
    """The count in a session file, once it holds so many photos."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # Between the file's creation and its first line there is nothing to be read.
        if file.exists() and file.stat().st_size:
            found = session_file.read(file).differential
            if len(found.photos) >= photos:
                return found
        time.sleep(0.05)
    pytest.fail(f"no {photos} photos in {file}")


def drawn(seed: int) -> bytes:
    return jpeg(draw_photo(["neutrophil", "lymphocyte"], seed=seed, width=400, height=300)[0], 92)


# --- one photo -------------------------------------------------------------------------------------------


def test_an_upload_gets_label_bars_verdict_and_role(app, classifier):
    picture = jpeg(draw_cell("eosinophil", seed=4), 95)
    app.file_uploader(key="picture").upload("my smear.jpg", picture, "image/jpeg").run()
    prediction = classifier.scan(picture)[0]
    seen = page(app)
    assert wording.verdict_html(prediction, about.trust_note(classifier)) in seen
    assert wording.bars_html(prediction) in seen
    assert wording.cards_html(prediction) in seen
    assert wording.disclaimer_html() in seen


def test_another_cell_is_chosen_and_the_heatmap_switched_on(app, classifier):
    photo = jpeg(draw_photo(["neutrophil", "lymphocyte", "eosinophil"], seed=5, width=640, height=480)[0], 95)
    app.file_uploader(key="picture").upload("smear.jpg", photo, "image/jpeg").run()
    predictions = classifier.scan(photo)
    assert len(predictions) == 3
    (chosen,) = [box for box in app.selectbox if str(box.key).startswith("chosen_cell")]
    chosen.set_value(2).run()
    assert wording.verdict_html(predictions[2], about.trust_note(classifier)) in page(app)
    plain = picture(app, "Cell 3 of 3")
    app.toggle(key="heat").set_value(True).run()
    assert picture(app, "Cell 3 of 3, enlarged. It glows") != plain


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture at all", "Not a picture of a known format"),
        (b"", "The file is empty"),
        (drawn(1)[:900], "damaged"),
    ],
)
def test_a_wrong_file_gets_a_sentence(app, content, words):
    app.file_uploader(key="picture").upload("x.jpg", content, "image/jpeg").run()
    assert "This picture cannot be read" in page(app)
    assert words in page(app)


def test_a_picture_without_a_cell_says_so(app):
    blank = io.BytesIO()
    Image.fromarray(np.full((200, 200, 3), 230, np.uint8)).save(blank, "PNG")
    app.file_uploader(key="picture").upload("blank.png", blank.getvalue(), "image/png").run()
    assert "No white cell found" in page(app)
    assert "The picture is blank" in page(app)


def test_the_first_words_hold_on_a_phone_too(app):
    assert "Choose one, or a drawing." in page(app)
    assert "on the left" not in page(app), "where it stands above"


def test_the_camera_and_the_drawing_answer_too(app, classifier):
    app.button_group(key="picture_source").set_value("A drawing").run()
    assert "This is a drawing" in str([caption.value for caption in app.caption])
    assert 'class="lk lk-card"' in page(app)
    app.button_group(key="picture_source").set_value("Camera").run()
    picture = jpeg(draw_cell("monocyte", seed=2), 95)
    app.camera_input(key="camera").upload("shot.jpg", picture, "image/jpeg").run()
    assert wording.bars_html(classifier.scan(picture)[0]) in page(app)


# --- differential ----------------------------------------------------------------------------------------


def test_a_batch_is_counted_corrected_and_restored(app, tmp_path, classifier):
    file = tmp_path / "sessions" / "session.jsonl"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("three.jpg", drawn(3))
    app.file_uploader(key="files").set_value(
        [
            ("one.jpg", drawn(1), "image/jpeg"),
            ("two.jpg", b"broken", "image/jpeg"),
            ("more.zip", packed.getvalue(), "application/zip"),
        ]
    ).run()
    counted(app, file, 2)
    app.run()
    count = session_file.read(file).differential
    assert count.photos == ("one.jpg", "three.jpg")
    assert f"Counted {count.counted} cells in 2 photos" in page(app)
    assert "1 file was not read" in page(app)
    assert "two.jpg" in page(app)

    # Streamlit's runner does not edit tables: what the table tells its callback is handed over here.
    import count_page
    from running_count import RunningCount

    running: RunningCount = count_page.kept_count(file)
    keys = [(cell.photo, cell.number) for cell in count.cells]
    count_page.take_edits(running, keys, {0: {"It counts as": wording.DECISIONS[NOT_COUNTED]}})
    app.run()
    assert running.differential.not_counted == 1
    assert session_file.read(file).differential.cells[0].corrected == NOT_COUNTED
    count_page.take_edits(running, keys, {0: {"It counts as": wording.DECISIONS[wording.AS_THE_MODEL]}})
    assert session_file.read(file).differential.cells[0].corrected is None

    # Another page, another process: the file is all that is left.
    count_page.kept_count.clear()
    later = AppTest.from_file(str(APP), default_timeout=120).run()
    assert "Nothing counted yet" in page(later), "a new visitor begins a count of their own"
    assert later.selectbox(key="earlier").options == ["session"]
    later.selectbox(key="earlier").set_value("session").run()
    assert f"Counted {count.counted} cells in 2 photos" in page(later)
    assert "Going on with **session**: 2 photos were counted before" in later.info[0].value
    table = later.data_editor
    later.button_group(key="which_cells").set_value("All cells").run()
    table = later.data_editor[0].value
    assert len(table) == len(count.cells)
    assert table["Cell"].str.startswith("data:image/jpeg;base64,").all()


def test_a_saved_session_is_restored_into_an_empty_count(app, tmp_path):
    app.file_uploader(key="files").upload("one.jpg", drawn(6), "image/jpeg").run()
    file = tmp_path / "sessions" / "session.jsonl"
    count = counted(app, file, 1)
    app.text_input(key="session_name").set_value("another").run()
    assert "Nothing counted yet" in page(app)
    app.file_uploader(key="restored_session").upload("saved.jsonl", file.read_bytes(), "text/plain").run()
    app.button(key="restore").click().run()
    assert f"Counted {count.counted} cell" in page(app)
    assert session_file.read(tmp_path / "sessions" / "another.jsonl").differential == count
    app.button(key="restore").click().run()
    assert "This count is not empty" in app.error[0].value
    app.text_input(key="session_name").set_value("third").run()
    app.file_uploader(key="restored_session").set_value(("bad.jsonl", b"no session", "text/plain")).run()
    app.button(key="restore").click().run()
    assert "no session file of Leukoscope" in app.error[0].value


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", ""])
def test_a_session_stays_in_its_folder(app, tmp_path, name):
    app.text_input(key="session_name").set_value(name).run()
    assert "letters, digits" in app.error[0].value
    app.file_uploader(key="files").upload("one.jpg", drawn(1), "image/jpeg").run()
    assert not app.exception
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_watched_folder_is_scanned_as_photos_arrive(app, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    app.text_input(key="watched_folder").set_value("camera").run()
    app.toggle(key="watching").set_value(True).run()
    assert "Watching camera: 0 new photos since." in str([caption.value for caption in app.caption])
    (folder / "new.jpg").write_bytes(drawn(7))
    time.sleep(1.2)
    app.run()
    assert counted(app, tmp_path / "sessions" / "session.jsonl", 1).photos == ("new.jpg",)
    app.text_input(key="watched_folder").set_value("/").run()
    assert "Only folders below" in app.error[0].value


def settled(path: Path, content: bytes) -> None:
    """A photo that nobody writes to any more."""
    path.write_bytes(content)
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))


def test_photos_of_the_slide_before_are_not_counted_unless_somebody_says_so(app, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    settled(folder / "IMG_1.jpg", drawn(1))
    app.text_input(key="watched_folder").set_value("camera").run()
    app.toggle(key="watching").set_value(True).run()
    assert "1 photo was there before and may be of another slide: not counted." in app.warning[0].value
    settled(folder / "IMG_2.jpg", drawn(2))
    app.run()
    first = tmp_path / "sessions" / "session.jsonl"
    assert counted(app, first, 1).photos == ("IMG_2.jpg",)

    named(app, "slide 2")  # on the same page: what is there now is of the slide before
    assert "2 photos were there before" in app.warning[0].value
    settled(folder / "IMG_3.jpg", drawn(3))
    app.run()
    assert counted(app, tmp_path / "sessions" / "slide 2.jsonl", 1).photos == ("IMG_3.jpg",)

    later = AppTest.from_file(str(APP), default_timeout=120).run()  # and on a page loaded anew
    later.text_input(key="watched_folder").set_value("camera").run()
    later.toggle(key="watching").set_value(True).run()
    assert "3 photos were there before" in later.warning[0].value
    named(later, "session")
    assert "2 photos were there before" in later.warning[0].value, "what the count has is not asked about"
    later.button(key="count_before").click().run()
    assert set(counted(later, first, 3).photos) == {"IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg"}


def test_every_visitor_and_every_new_count_has_a_name_of_its_own(app, tmp_path):
    names = [AppTest.from_file(str(APP), default_timeout=120).run().text_input(key="session_name").value]
    for _ in range(2):
        app.button(key="new_count").click().run()
        names.append(app.text_input(key="session_name").value)
        app.run()  # what is merely shown anew takes no name
    today = datetime.date.today().isoformat()
    first, *others = [int(name.removeprefix(f"{today} ")) for name in names]
    assert others == [first + 1, first + 2]
    assert "is a new count" in str([caption.value for caption in app.caption])
    assert not app.info


def test_another_photo_brings_its_own_cells_to_choose_from(app, classifier):
    one = jpeg(draw_photo(["neutrophil", "lymphocyte"], seed=5, width=480, height=360)[0], 95)
    other = jpeg(draw_photo(["monocyte", "eosinophil"], seed=9, width=480, height=360)[0], 95)
    for photo in (one, other):
        app.file_uploader(key="picture").upload("smear.jpg", photo, "image/jpeg").run()
        found = classifier.scan(photo)
        assert len(found) > 1
        (chosen,) = [box for box in app.selectbox if str(box.key).startswith("chosen_cell")]
        assert chosen.options == [f"Cell {n}: {wording.short(p)}" for n, p in enumerate(found, 1)]
        assert picture(app, f"Your picture with a box on each of {len(found)} white cells")


# --- the model -------------------------------------------------------------------------------------------


def test_another_folder_answers_and_is_named(app, tmp_path, classifier):
    folder = tmp_path / "mine"
    classifier.save_pretrained(folder)
    spec = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(spec | {"name": "mine-own"}))
    app.radio(key="model_kind").set_value("folder").run()
    app.text_input(key="model_folder").set_value(str(folder)).run()
    assert not app.warning
    assert "mine-own (folder mine)" in str([caption.value for caption in app.caption])
    assert "mine-own (folder mine)" in page(app), "About tells of it too"


def test_a_count_takes_no_answers_of_a_second_model(app, tmp_path, classifier):
    app.file_uploader(key="files").set_value([("one.jpg", drawn(1), "image/jpeg")]).run()
    counted(app, tmp_path / "sessions" / "session.jsonl", 1)
    (tmp_path / "camera").mkdir()
    settled(tmp_path / "camera" / "new.jpg", drawn(7))
    folder = tmp_path / "tuned"
    write_tuned(classifier, Tuning((0.5, -0.5, 0.0, 0.0), dict.fromkeys(CELL_TYPES, 5), 0.8, 0.9), "lab", folder)
    app.radio(key="model_kind").set_value("folder").run()
    app.text_input(key="model_folder").set_value(str(folder)).run()
    wanted = f"This count holds the answers of another model, {about.model_identity(classifier)}. Choose that model"
    assert [error.value for error in app.error if error.value.startswith(wanted)]
    assert not [element for element in app.get("file_uploader") if element.key == "files"]
    app.text_input(key="watched_folder").set_value("camera").run()
    app.toggle(key="watching").set_value(True).run()
    assert "Watching" not in str([caption.value for caption in app.caption])
    app.button(key="new_count").click().run()
    assert not [error.value for error in app.error if "two models" in error.value]
    assert [element for element in app.get("file_uploader") if element.key == "files"]


def test_a_checkpoint_that_is_written_anew_answers(app, tmp_path, classifier):
    folder = tmp_path / "tuned"
    app.radio(key="model_kind").set_value("folder").run()
    for lab in ("first lab", "second lab"):
        write_tuned(classifier, Tuning((0.5, -0.5, 0.0, 0.0), dict.fromkeys(CELL_TYPES, 5), 0.8, 0.9), lab, folder)
        app.text_input(key="model_folder").set_value(str(folder)).run()
        assert f"{lab}, by 20 of its cells" in page(app)


def test_a_model_that_cannot_be_had_is_said_and_the_embedded_one_answers(app, tmp_path):
    app.radio(key="model_kind").set_value("hub").run()
    app.text_input(key="model_repo").set_value("nobody/nothing").run()
    assert "nobody/nothing" in app.warning[0].value
    assert "The embedded model answers" in app.warning[0].value
    app.text_input(key="model_repo").set_value("not a repo name").run()
    assert "The embedded model answers" in app.warning[0].value
    app.radio(key="model_kind").set_value("folder").run()
    app.text_input(key="model_folder").set_value(str(tmp_path / "none")).run()
    assert "There is no folder" in app.warning[0].value
    (tmp_path / "empty").mkdir()
    app.text_input(key="model_folder").set_value(str(tmp_path / "empty")).run()
    assert "The embedded model answers" in app.warning[0].value
    app.file_uploader(key="picture").upload("a.jpg", drawn(6), "image/jpeg").run()
    assert "Predicted type" in page(app)


# --- four ways to ask ------------------------------------------------------------------------------------


def test_space_streamlit_command_line_and_python_agree(app, tmp_path, classifier):
    from gradio_client import Client, handle_file

    file = tmp_path / "field.jpg"
    picture = draw_photo(["neutrophil", "lymphocyte", "eosinophil", "monocyte"], seed=11, width=640, height=480)[0]
    file.write_bytes(jpeg(picture, 92))
    python = classifier.scan(file)
    assert len(python) >= 3

    app.file_uploader(key="files").upload("field.jpg", file.read_bytes(), "image/jpeg").run()
    streamlit = [c.prediction for c in counted(app, tmp_path / "sessions" / "session.jsonl", 1).cells]

    command = [sys.executable, "-m", "leukoscope", "scan", str(file), "--csv", str(tmp_path / "out.csv")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    line = [c.prediction for c in Differential.read_csv(tmp_path / "out.csv").cells]

    started = start_app(tmp_path / "space")
    try:
        client = Client(started.url, verbose=False)
        space = client.predict(handle_file(str(file)), api_name="/scan")["cells"]
    finally:
        stop_app(started.process)

    for ours, bench, shell, web in zip(python, streamlit, line, space, strict=True):
        assert ours.label == bench.label == shell.label == web["label"]
        assert ours.verdict == bench.verdict == shell.verdict == web["verdict"]
        for name in CELL_TYPES:
            asked = [ours.probabilities[name], bench.probabilities[name], shell.probabilities[name]]
            np.testing.assert_allclose([*asked[1:], web["probabilities"][name]], asked[0], rtol=0, atol=1e-6)
