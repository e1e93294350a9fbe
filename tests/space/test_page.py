"""What a person does on the page, in a real browser, and what a program asks of it."""

import io
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from leukoscope import CELL_TYPES, CELLS, wording
from leukoscope.cells import NOT_A_MEDICAL_DEVICE, RANGE_NOTE

EXAMPLES = Path(__file__).parents[2] / "space" / "examples"
EMPTY = dict.fromkeys((name.capitalize() for name in CELL_TYPES), "–")


def expected_bars(prediction):
    return {name.capitalize(): wording.percent(share) for name, share in prediction.probabilities.items()}


def number(text):
    return float(text.strip("<>%\u00a0"))


@pytest.mark.parametrize("name", CELL_TYPES)
def test_choosing_an_example_gives_the_models_answer(visit, classifier, name):
    prediction = classifier.predict(EXAMPLES / f"{name}.png")
    seen = visit()
    seen.choose(name.capitalize())
    seen.wait_for_headline(wording.headline(prediction))
    assert wording.explanation(prediction) in seen.page.locator("#verdict").inner_text()
    bars = seen.bars()
    assert list(bars) == [cell_type.capitalize() for cell_type in CELL_TYPES]
    assert bars == expected_bars(prediction)
    assert sum(map(number, bars.values())) == pytest.approx(100, abs=0.4)
    assert seen.page.locator("#marked img").get_attribute("alt") == wording.picture_text(prediction)


def test_the_role_card_tells_what_the_type_does(visit, classifier):
    prediction = classifier.predict(EXAMPLES / "neutrophil.png")
    seen = visit()
    seen.choose("Neutrophil")
    seen.wait_for_headline(wording.headline(prediction))
    text = seen.page.locator("#cards").inner_text()
    for name in wording.shown_types(prediction):
        assert CELLS[name].role in text
        assert CELLS[name].nucleus in text
    assert RANGE_NOTE in text
    sources = seen.page.locator("#cards details").first
    sources.locator("summary").click()
    link = sources.get_by_role("link").first
    assert link.is_visible()
    assert link.get_attribute("href").startswith("https://")


def test_an_upload_is_answered_and_marked(visit, classifier, tmp_path):
    path = tmp_path / "my smear.jpg"
    Image.open(EXAMPLES / "lymphocyte.png").transpose(Image.Transpose.ROTATE_90).save(path, quality=95)
    prediction = classifier.predict(path)
    seen = visit()
    seen.upload(path)
    seen.wait_for_headline(wording.headline(prediction))
    assert seen.bars() == expected_bars(prediction)
    marked = seen.page.request.get(seen.page.locator("#marked img").get_attribute("src")).body()
    difference = np.asarray(Image.open(io.BytesIO(marked)), int) - np.asarray(Image.open(path), int)
    rows, columns = np.nonzero(np.abs(difference).max(axis=2) > 60)
    x0, y0, x1, y1 = prediction.box
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx((x0, y0, x1, y1), abs=6)


def test_a_text_file_gets_a_message_and_leaves_no_old_answer(visit, classifier, tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture at all\n" * 20)
    seen = visit()
    seen.choose("Monocyte")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "monocyte.png")))
    seen.upload(path)
    seen.wait_for_headline("This picture cannot be read")
    text = seen.page.locator("#verdict").inner_text()
    assert "Not a picture of a known format" in text
    assert "Traceback" not in seen.page.content()
    assert seen.bars() == EMPTY
    assert seen.page.locator("#cards").inner_text().strip() == ""
    assert seen.page.locator("#marked img").count() == 0
    assert seen.page.get_by_role("meter").count() == 0


def test_a_picture_without_a_white_cell_is_told_apart(visit):
    seen = visit()
    seen.choose("No white cell")
    seen.wait_for_headline("No white cell found")
    assert wording.NO_CELL_ADVICE in seen.page.locator("#verdict").inner_text()
    assert seen.bars() == EMPTY


def test_taking_the_picture_away_takes_the_answer_away(visit, classifier):
    seen = visit()
    seen.choose("Eosinophil")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "eosinophil.png")))
    seen.page.get_by_role("button", name="Remove Image").click()
    seen.wait_for_headline("No picture yet")
    assert seen.bars() == EMPTY
    seen.page.get_by_role("button", name="Classify").click()
    seen.wait_for_headline("No picture yet")


def test_an_answer_that_fails_on_its_way_leaves_no_old_one(visit, classifier):
    seen = visit()
    seen.choose("Eosinophil")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "eosinophil.png")))
    seen.page.route("**/gradio_api/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "full"}))
    seen.page.get_by_role("button", name="Classify").click()
    seen.wait_for_headline("That did not work")
    assert seen.bars() == EMPTY
    seen.errors.clear()  # the browser reports the 503 that this test made


def test_keyboard_alone_is_enough(visit, classifier):
    seen = visit()
    for _ in range(25):
        seen.page.keyboard.press("Tab")
        if "Lymphocyte" in seen.page.evaluate("document.activeElement.textContent"):
            break
    outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    seen.page.keyboard.press("Enter")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "lymphocyte.png")))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_phone_shows_everything_without_sideways_scroll(visit, classifier, dark):
    seen = visit(width=360, dark=dark)
    seen.choose("Lymphocyte")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "lymphocyte.png")))
    seen.page.locator("#marked img").wait_for()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    seen.page.wait_for_function("document.querySelector('#verdict h2').getBoundingClientRect().bottom < innerHeight")


def test_the_disclaimer_is_seen_first(visit):
    seen = visit()
    note = seen.page.get_by_text(NOT_A_MEDICAL_DEVICE)
    assert note.is_visible()
    box = note.bounding_box()
    assert box["y"] + box["height"] < 400
    assert seen.page.title() == "Leukoscope"


def test_every_picture_has_a_text(visit, classifier):
    seen = visit()
    seen.choose("Neutrophil")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "neutrophil.png")))
    texts = seen.page.locator("main img").evaluate_all("images => images.map(image => image.alt)")
    assert len(texts) >= 6
    assert all(texts)


def test_a_program_gets_what_predict_gives(page_url, classifier, tmp_path):
    client = Client(page_url, verbose=False, analytics_enabled=False, download_files=tmp_path)
    path = EXAMPLES / "neutrophil.png"
    answer = client.predict(handle_file(path), api_name="/classify")
    prediction = classifier.predict(path)
    assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    assert answer["confidence"] == pytest.approx(prediction.confidence, abs=1e-6)
    assert (answer["label"], answer["verdict"]) == (prediction.label, prediction.verdict)
    assert answer["box"] == list(prediction.box)
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/classify"]
    (tmp_path / "notes.jpg").write_text("no picture at all")
    with pytest.raises(AppError, match="Not a picture of a known format"):
        client.predict(handle_file(tmp_path / "notes.jpg"), api_name="/classify")


@pytest.mark.parametrize("mark", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["unmarked", "marked"])
def test_a_request_cannot_name_a_file_of_the_server(page_url, mark):
    body = json.dumps({"data": [{"path": str(EXAMPLES / "neutrophil.png")} | mark]}).encode()
    address = f"{page_url}/gradio_api/call/classify"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        event = json.load(reply)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as reply:
        answer = reply.read().decode()
    assert answer.startswith("event: error")
    assert "probabilities" not in answer
