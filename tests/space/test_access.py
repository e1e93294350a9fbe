"""For everybody: keyboard alone, screen readers, phones, light and dark; and nothing kept after a visit."""

import re
import time

import pytest
from playwright.sync_api import expect

from leukoscope import CELLS
from leukoscope.biology.cells import NOT_A_MEDICAL_DEVICE
from leukoscope.showing import wording
from tests.space.conftest import EXAMPLES, Visit, faults, start_app, stop_app

GRADIOS = "aria-allowed-role"  # minor: a button in a button, of which `look.ON_LOAD` makes a group
TABS = ("One photo", "Differential", "About")


def filled(seen) -> None:
    """Fill all tabs: a photo with several cells, its heatmap, a count with a chosen cell, the pictures of About."""
    seen.wait_for_crop("Cell 1 of")
    seen.page.get_by_label("Show where the model looked").check()
    seen.tab("Differential")
    seen.page.get_by_role("button", name="12 drawn photos").click()
    seen.wait_for_count()
    seen.page.locator("#gallery .lk-cell").first.click()
    seen.page.locator("#chosen img").wait_for()
    seen.tab("About")
    for opener in seen.page.get_by_role("button", name="Pictures:").all():
        opener.click()
    seen.page.get_by_role("img", name="Confusion matrix").first.wait_for()


@pytest.mark.parametrize("width", [1280, 360], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scroll(visit, width):
    seen = visit(width=width, height=740)
    for stage in ("empty", "filled"):
        for name in TABS:
            seen.tab(name)
            for scheme in ("light", "dark"):
                seen.page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
                seen.page.wait_for_timeout(300)
                assert faults(seen.page, GRADIOS) == [], (stage, name, scheme)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, (stage, name)
            texts = seen.page.locator("main img").evaluate_all("all => all.map(one => one.getAttribute('alt'))")
            assert all(text is not None for text in texts), (stage, name)
        if stage == "empty":
            seen.tab("One photo")
            filled(seen)


def test_a_dark_system_gets_a_dark_page(visit):
    for dark in (False, True):
        red = visit(dark=dark).page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
        assert (int(red) < 60) == dark


def press_until(page, key: str, condition: str, most: int = 60) -> None:
    """Press a key until the focused element is the one that is looked for; it must show that it has the focus."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(f"(() => {{ const e = document.activeElement; return {condition} }})()"):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", condition
            return
    pytest.fail(f"{key} never reached {condition}")


def test_keyboard_alone_is_enough(visit, classifier):
    predictions = classifier.scan(EXAMPLES / "several_cells.webp")
    seen = visit()
    page = seen.page
    press_until(page, "Tab", "e.textContent === 'Lymphocyte'")
    page.keyboard.press("Enter")
    seen.wait_for_crop("Cell 1 of 1")
    press_until(page, "Tab", "e.textContent === 'Several cells'")
    page.keyboard.press("Enter")
    seen.wait_for_crop(f"Cell 1 of {len(predictions)}")
    press_until(page, "Shift+Tab", "e.name === 'lk-cell'")
    page.keyboard.press("ArrowDown")
    seen.wait_for_crop("Cell 2 of")
    seen.wait_for_headline(wording.headline(predictions[1]))
    press_until(page, "Tab", "e.closest('#heat')")
    page.keyboard.press("Space")
    seen.until("document.querySelector('#crop figcaption').textContent.includes('glows')")

    press_until(page, "Shift+Tab", "e.getAttribute('role') === 'tab' && e.textContent.includes('Differential')")
    page.keyboard.press("Enter")
    press_until(page, "Tab", "e.id === 'drawn'")
    page.keyboard.press("Enter")
    seen.wait_for_count()
    before = seen.table()
    press_until(page, "Tab", "e.classList.contains('lk-cell') && !e.closest('[data-group=eosinophil]')")
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    seen.until("document.querySelector('#sentences').textContent.includes('A person decided on 1 cell')")
    seen.becomes(lambda: seen.table() != before, True)


def test_the_disclaimer_is_seen_first_and_the_answer_on_a_phone(visit, classifier):
    seen = visit(width=360)
    note = seen.page.get_by_text(NOT_A_MEDICAL_DEVICE).first
    assert note.is_visible()
    box = note.bounding_box()
    assert box["y"] + box["height"] < 400
    assert seen.page.title() == "Leukoscope"
    seen.choose("Lymphocyte")
    seen.wait_for_headline(wording.headline(classifier.predict(EXAMPLES / "lymphocyte.png")))
    seen.until("document.querySelector('#verdict h2').getBoundingClientRect().bottom < innerHeight")


def test_a_type_has_one_colour_everywhere(visit):
    seen = visit()
    seen.choose("Neutrophil")
    seen.wait_for_crop("Cell 1 of 1")
    seen.tab("Differential")
    seen.page.get_by_role("button", name="12 drawn photos").click()
    seen.wait_for_count()
    places = (
        "#bars [data-type={}]",
        "#table [data-type={}]",
        "#chart [data-type={}]",
        "#gallery section[data-group={}]",
    )
    for name, cell in CELLS.items():
        for place in places:
            expect(seen.page.locator(place.format(name))).to_have_attribute("style", re.compile(cell.colour))
    box = seen.page.locator("#photo .lk-box")
    expect(box).to_have_attribute("style", re.compile(CELLS["neutrophil"].colour))


def test_no_upload_outlives_its_visit(app, visit):
    seen = visit()
    seen.upload(EXAMPLES / "several_cells.webp")
    seen.wait_for_crop("Cell 1 of")
    seen.tab("Differential")
    seen.count(EXAMPLES / "eosinophil.png")
    names = {"several_cells.webp", "eosinophil.png"}
    assert names <= {path.name for path in app.uploads.rglob("*")}
    other = visit()  # another visitor with one of the same pictures keeps it
    other.upload(EXAMPLES / "eosinophil.png")
    other.wait_for_crop("Cell 1 of")
    seen.page.close()
    end = time.monotonic() + 30
    while "several_cells.webp" in {path.name for path in app.uploads.rglob("*")} and time.monotonic() < end:
        time.sleep(0.2)
    left = {path.name for path in app.uploads.rglob("*")} & names
    assert left == {"eosinophil.png"}
    other.page.get_by_label("Show where the model looked").check()
    other.wait_for_crop("Cell 1 of 1, enlarged. It glows")


def test_a_model_that_cannot_be_had_is_said_and_the_page_starts(browser, tmp_path):
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    started = start_app(tmp_path, LEUKOSCOPE_MODEL="tester/nothing@v1", **nowhere)
    try:
        seen = Visit(browser, started.url)
        assert "The model tester/nothing@v1 cannot be had" in seen.page.locator(".notice").inner_text()
        seen.choose("Monocyte")
        seen.wait_for_crop("Cell 1 of 1")
        seen.tab("About")
        assert "(embedded)" in seen.page.locator(".lk-about").first.inner_text()
        seen.page.close()
    finally:
        stop_app(started.process)


def test_the_first_page_comes_soon(app, record_property):
    record_property("seconds_to_first_page", round(app.seconds, 1))
    print(f"first page {app.seconds:.1f} s after the start of the process")
    assert app.seconds < 60  # 6 s on a machine that does nothing else
