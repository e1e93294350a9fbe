"""What a person does on the first tab, in a real browser."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from leukoscope import CELL_TYPES, CELLS, wording
from leukoscope.cells import RANGE_NOTE
from leukoscope.synthetic import draw_photo
from tests.space.conftest import EXAMPLES

EMPTY = dict.fromkeys((name.capitalize() for name in CELL_TYPES), "–")
SEVERAL = EXAMPLES / "several_cells.webp"


def expected_bars(prediction):
    return {name.capitalize(): wording.percent(share) for name, share in prediction.probabilities.items()}


def number(text):
    return float(text.strip("<>%\u00a0"))


def decoded(locator):
    """The picture that stands in an img's own address: int (H, W, 3)."""
    import base64

    data = locator.get_attribute("src").removeprefix("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), int)


def test_an_upload_gets_a_label_four_bars_a_box_and_a_card(visit, classifier, tmp_path):
    an_upload_gets_its_answer(visit(), classifier, tmp_path / "my smear.jpg")


def an_upload_gets_its_answer(seen, classifier, path):
    Image.open(EXAMPLES / "lymphocyte.png").transpose(Image.Transpose.ROTATE_90).save(path, quality=95)
    (prediction,) = classifier.scan(path)
    seen.upload(path)
    seen.wait_for_headline(wording.headline(prediction))
    assert wording.explanation(prediction) in seen.page.locator("#verdict").inner_text()
    seen.becomes(seen.bars, expected_bars(prediction))
    bars = seen.bars()
    assert list(bars) == [cell_type.capitalize() for cell_type in CELL_TYPES]
    assert sum(map(number, bars.values())) == pytest.approx(100, abs=0.4)

    expect(seen.page.locator("#photo .lk-box")).to_have_count(1)
    frame, box = (seen.page.locator(f"#photo .lk-{name}").bounding_box() for name in ("frame", "box"))
    scale = 320 / frame["width"]
    edges = ((box["x"] - frame["x"]) * scale, (box["y"] - frame["y"]) * scale)
    assert edges == pytest.approx(prediction.box[:2], abs=2)
    size = (box["width"] * scale, box["height"] * scale)
    assert size == pytest.approx(np.subtract(prediction.box[2:], prediction.box[:2]), abs=2)
    expect(seen.page.locator("#photo img")).to_have_attribute("alt", "Your picture with a box on the one cell found.")
    shown = decoded(seen.page.locator("#photo img"))
    assert np.abs(shown - np.asarray(Image.open(path), int)).mean() < 3

    cards = seen.page.locator("#cards")
    for name in wording.shown_types(prediction):
        expect(cards).to_contain_text(CELLS[name].role)
        expect(cards).to_contain_text(CELLS[name].nucleus)
    expect(cards).to_contain_text(RANGE_NOTE)
    sources = seen.page.locator("#cards details").first
    sources.locator("summary").click()
    link = sources.get_by_role("link").first
    assert link.is_visible()
    assert link.get_attribute("href").startswith("https://")


def test_another_box_gets_its_own_answer_without_another_upload(visit, classifier):
    predictions = classifier.scan(SEVERAL)
    assert len(predictions) > 4
    seen = visit()
    seen.upload(SEVERAL)
    seen.wait_for_crop(f"Cell 1 of {len(predictions)}")
    expect(seen.page.locator("#photo .lk-box")).to_have_count(len(predictions))
    different = next(n for n, p in enumerate(predictions, 1) if p.label != predictions[0].label)
    seen.page.locator(f"#photo .lk-box[data-number='{different}']").click()
    seen.wait_for_crop(f"Cell {different} of {len(predictions)}")
    seen.becomes(seen.bars, expected_bars(predictions[different - 1]))
    seen.wait_for_headline(wording.headline(predictions[different - 1]))
    expect(seen.page.locator("#photo .lk-box[aria-pressed=true]")).to_have_attribute("data-number", str(different))
    expect(seen.page.get_by_role("radio", name=f"{different}: ")).to_be_checked()

    seen.page.get_by_role("radio", name="2: ").check()  # the list does the same
    seen.wait_for_crop("Cell 2 of")
    seen.becomes(seen.bars, expected_bars(predictions[1]))

    seen.wait_for_headline(wording.headline(predictions[1]))
    cold = decoded(seen.page.locator("#crop img"))
    seen.page.get_by_label("Show where the model looked").check()
    seen.wait_for_crop(f"Cell 2 of {len(predictions)}, enlarged. It glows")
    hot = decoded(seen.page.locator("#crop img"))
    middle = slice(hot.shape[0] // 4, 3 * hot.shape[0] // 4)
    assert np.abs(hot - cold)[middle, middle].mean() > 5
    seen.page.get_by_label("Show where the model looked").uncheck()
    seen.until("!document.querySelector('#crop figcaption').textContent.includes('glows')")
    assert (decoded(seen.page.locator("#crop img")) == cold).all()
    assert len(seen.uploads) == 1


def test_a_new_photo_begins_with_its_first_cell(visit, classifier, tmp_path):
    photo, _ = draw_photo(["monocyte", "lymphocyte", "neutrophil"], seed=5, red_cell_px=60)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    seen = visit()
    seen.upload(SEVERAL)
    seen.wait_for_crop("Cell 1 of")
    seen.page.get_by_role("radio", name="3: ").check()
    seen.wait_for_crop("Cell 3 of")
    seen.upload(tmp_path / "photo.png")
    seen.wait_for_crop(f"Cell 1 of {len(classifier.scan(photo))}")
    expect(seen.page.get_by_role("radio", name="1: ")).to_be_checked()
    expect(seen.page.locator("#photo .lk-box[aria-pressed=true]")).to_have_attribute("data-number", "1")


def test_every_example_gets_the_models_answer_at_once(visit, classifier, record_property):
    seen, times = visit(), []
    for name in CELL_TYPES:
        prediction = classifier.predict(EXAMPLES / f"{name}.png")
        began = time.monotonic()
        seen.choose(name.capitalize())
        seen.wait_for_headline(wording.headline(prediction))
        times.append(time.monotonic() - began)
        seen.becomes(seen.bars, expected_bars(prediction))
    seconds = min(times)  # the machine may be busy with something else now and then
    record_property("seconds_to_answer", round(seconds, 2))
    print(f"answer {seconds:.2f} s after the click")
    assert seconds < 5  # 1 s on a machine that does nothing else
    seen.choose("No white cell")
    seen.wait_for_headline("No white cell found")
    assert wording.NO_CELL_ADVICE in seen.page.locator("#verdict").inner_text()
    seen.becomes(seen.bars, EMPTY)
    expect(seen.page.locator("#photo .lk-box")).to_have_count(0)


def test_a_text_file_gets_a_message_and_leaves_no_old_answer(visit, classifier, tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture at all\n" * 20)
    seen = visit()
    seen.choose("Monocyte")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "monocyte.png")))
    seen.upload(path)
    seen.wait_for_headline("This picture cannot be read")
    assert "Not a picture of a known format" in seen.page.locator("#verdict").inner_text()
    assert "Traceback" not in seen.page.content()
    seen.becomes(seen.bars, EMPTY)
    seen.becomes(lambda: seen.page.locator("#cards").inner_text().strip(), "")
    expect(seen.page.locator("#photo img, #crop img, #photo .lk-box")).to_have_count(0)
    expect(seen.page.get_by_role("meter")).to_have_count(0)

    seen.choose("Eosinophil")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "eosinophil.png")))
    seen.page.get_by_role("button", name="Remove Image").click()
    seen.wait_for_headline("No picture yet")
    seen.becomes(seen.bars, EMPTY)


def test_an_answer_that_fails_on_its_way_leaves_no_old_one(visit, classifier):
    seen = visit()
    seen.choose("Eosinophil")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "eosinophil.png")))
    seen.page.route("**/gradio_api/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "full"}))
    seen.page.get_by_role("button", name="Classify").click()
    seen.wait_for_headline("That did not work")
    seen.becomes(seen.bars, EMPTY)
    seen.page.route("**/gradio_api/queue/status*", lambda route: route.fulfill(json={"queue_size": 32}))
    seen.page.get_by_role("button", name="Classify").click()
    seen.wait_for_headline("Busy")
    assert "32 others are ahead of you" in seen.page.locator("#verdict").inner_text()
    seen.errors.clear()  # the browser reports the 503s that this test made


def test_nothing_jumps_while_an_answer_arrives(visit):
    seen = visit()
    seen.page.evaluate(
        "window.jumps = 0; new PerformanceObserver(list => { for (const entry of list.getEntries()) "
        "window.jumps += entry.value }).observe({ type: 'layout-shift', buffered: false })"
    )
    parts = ["#picture", "#classify", "#examples", "#photo", "#verdict", "#bars", "#crop", "#heat"]
    for part in parts:  # the page is put together one after the other
        seen.page.locator(part).wait_for(state="attached")
    places = f"{parts}.map(id => document.querySelector(id).offsetTop)"
    before = seen.page.evaluate(places)
    seen.choose("Several cells")
    seen.wait_for_crop("Cell 1 of")
    assert seen.page.evaluate(places) == before
    assert seen.page.evaluate("window.jumps") < 0.02


def test_the_upload_field_has_its_place_before_it_is_there(visit):
    seen = visit()
    seen.page.locator("#picture").wait_for()
    seen.page.locator("#classify").wait_for()
    places = "['#classify', '#examples'].map(id => document.querySelector(id).offsetTop)"
    before = seen.page.evaluate(places)
    seen.page.evaluate("document.querySelector('#picture').remove()")
    assert seen.page.evaluate(places) == before
