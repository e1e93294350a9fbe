"""The app in a real browser: the main path, many photos at once, and a process that is killed."""

import io
import re
import signal
import time
from pathlib import Path

import pytest
import session_file
from playwright.sync_api import expect
from pypdf import PdfReader

from leukoscope.counting.differential import Differential
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.showing import wording
from leukoscope.showing.draw import jpeg
from tests.space.conftest import faults, stop_app
from tests.streamlit_app.conftest import ROOT, BenchVisit, start_bench

PHOTOS = ROOT / "space" / "examples" / "twelve_drawn_photos.zip"


def small_photos(folder: Path, count: int, size: int = 160) -> list[Path]:
    """Photos of one drawn cell each; no two are the same file."""
    folder.mkdir()
    base = [jpeg(draw_cell(name, seed=1, size=size), 90) for name in ("neutrophil", "lymphocyte", "eosinophil")]
    paths = [folder / f"photo {index:03d}.jpg" for index in range(count)]
    for index, path in enumerate(paths):
        path.write_bytes(base[index % 3] + b"%d" % index)  # what follows a JPEG's end is passed over
    return paths


def test_upload_read_label_and_bars_then_a_differential(bench, browser, classifier_answer, tmp_path):
    path, prediction = classifier_answer
    seen = BenchVisit(browser, bench.url)
    page = seen.page
    seen.upload("Your picture", path)
    expect(page.locator(".lk-verdict h2").first).to_have_text(wording.headline(prediction))
    bars = page.locator(".lk-bars").first.locator(".lk-value").all_inner_texts()
    assert bars == [wording.percent(share) for share in prediction.probabilities.values()]
    expect(page.locator(".lk-card").first).to_be_visible()
    page.get_by_text("Show where the model looked").click()
    expect(page.get_by_text("It glows where")).to_be_visible()

    seen.name_count("session")
    seen.tab("Differential")
    seen.upload("Photos of one smear", PHOTOS)
    expect(page.get_by_text("1 file done.", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(r"Counted \d+ cells in 12 photos"))).to_be_visible()
    expect(page.locator(".lk-sentences")).to_have_count(1)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    waiting.value.save_as(tmp_path / "out.csv")
    count = Differential.read_csv(tmp_path / "out.csv")
    assert len(count.photos) == 12
    assert count == session_file.read(bench.sessions / "session.jsonl").differential
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download PDF").click()
    waiting.value.save_as(tmp_path / "out.pdf")
    text = PdfReader(io.BytesIO((tmp_path / "out.pdf").read_bytes())).pages[0].extract_text()
    assert str(count.counted) in text
    seen.tab("About")
    expect(page.locator(".lk-results").first).to_be_visible()
    assert seen.foreign == []
    assert seen.errors == []
    page.close()


@pytest.mark.parametrize("width", [1280, 360], ids=["desktop", "phone"])
def test_a_cell_is_reclassified_in_the_table(bench, browser, width):
    seen = BenchVisit(browser, bench.url)
    page = seen.page
    seen.name_count(f"by hand {width}")
    page.set_viewport_size({"width": width, "height": 760})
    seen.tab("Differential")
    seen.upload("Photos of one smear", PHOTOS)
    expect(page.get_by_text("1 file done.", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.get_by_role("radio", name="All cells").click()
    page.wait_for_timeout(1500)  # the table is built anew
    grid = page.get_by_test_id("stDataFrame")
    grid.scroll_into_view_if_needed()
    file = bench.sessions / f"by hand {width}.jsonl"
    before = session_file.read(file).differential
    box = grid.bounding_box()
    # The grid is a canvas: the first row's second column, beside the cell's picture, opened as a person does.
    page.mouse.dblclick(box["x"] + 100 + 60, box["y"] + 36 + 50)
    expect(page.locator("#portal input")).to_be_focused()
    page.keyboard.type("None of")
    expect(page.get_by_text("None of the four", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    end = time.monotonic() + 30
    while session_file.read(file).differential == before and time.monotonic() < end:
        time.sleep(0.1)
    after = session_file.read(file).differential
    assert after.corrected == 1
    assert after.not_counted == 1
    expect(page.locator(".lk-table tfoot td").first).to_have_text(str(after.counted))
    page.close()


STREAMLITS = "presentation-role-conflict"  # minor: of its own field for files


@pytest.mark.parametrize("width", [1280, 360], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scroll(bench, browser, width, dark):
    seen = BenchVisit(browser, bench.url, width, dark, height=760)
    page = seen.page
    for stage in ("empty", "filled"):
        for name in ("One photo", "Differential", "About"):
            seen.tab(name)
            page.wait_for_timeout(500)
            assert faults(page, STREAMLITS) == [], (stage, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (stage, name)
        if stage == "empty":
            seen.tab("One photo")
            page.get_by_text("A drawing", exact=True).click()
            expect(page.get_by_text("cells were found")).to_be_visible()
            seen.tab("Differential")
            seen.upload("Photos of one smear", PHOTOS)
            expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.close()


def seconds_to_about(seen: BenchVisit) -> float:
    began = time.monotonic()
    seen.tab("About")
    expect(seen.page.locator(".lk-results").first).to_be_visible()
    return time.monotonic() - began


def test_five_hundred_photos_stay_responsive_and_a_cancel_keeps_what_is_done(browser, tmp_path):
    bench = start_bench(tmp_path / "many")
    try:
        seen = BenchVisit(browser, bench.url)
        page = seen.page
        seen.name_count("session")
        idle = seconds_to_about(seen)
        seen.tab("Differential")
        # Large enough that counting them takes longer than a busy machine's browser needs to reach the button.
        seen.upload("Photos of one smear", *small_photos(tmp_path / "photos", 500, size=900))
        progress = page.get_by_text(re.compile(r"\d+ of 500 files done"))
        expect(progress).to_be_visible()
        # On a machine that is busy with something else a page that counts nothing is slow as well.
        assert seconds_to_about(seen) < max(5, 10 * idle), "the page answers while it counts"
        seen.tab("Differential")
        told = int(re.search(r"(\d+) of 500", progress.inner_text())[1])
        done = len(session_file.read(bench.sessions / "session.jsonl").differential.photos)
        assert told <= done + 1, "what the page calls done is on disk"
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
        page.wait_for_timeout(1500)
        kept = session_file.read(bench.sessions / "session.jsonl").differential
        assert done <= len(kept.photos) < 500
        expect(page.get_by_text(f"Counted {kept.counted} cell")).to_be_visible()
        expect(page.locator(".lk-sentences")).to_have_count(1)
        status = Path(f"/proc/{bench.process.pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 2**20, "less than 1 GB at its peak"
        page.close()
    finally:
        stop_app(bench.process)


def test_killed_in_a_batch_the_session_comes_back(browser, tmp_path):
    bench = start_bench(tmp_path / "first")
    photos = small_photos(tmp_path / "photos", 150)
    seen = BenchVisit(browser, bench.url)
    seen.name_count("session")
    seen.tab("Differential")
    seen.upload("Photos of one smear", *photos)
    file = bench.sessions / "session.jsonl"
    end = time.monotonic() + 60
    while time.monotonic() < end and not (file.exists() and file.stat().st_size > 20_000):
        time.sleep(0.02)
    bench.process.send_signal(signal.SIGKILL)
    bench.process.wait(20)
    seen.page.close()
    done = session_file.read(file).differential
    assert 0 < len(done.photos) < 150

    again = start_bench(tmp_path / "first")
    try:
        seen = BenchVisit(browser, again.url)
        seen.name_count("session")
        seen.tab("Differential")
        expect(seen.page.get_by_text(f"in {len(done.photos)} photo")).to_be_visible()
        seen.upload("Photos of one smear", *photos)
        expect(seen.page.get_by_text("150 files done.", exact=True)).to_be_visible()
        count = session_file.read(file).differential
        assert len(count.photos) == 150, "each photo once, those done before included"
        assert count.cells[: len(done.cells)] == done.cells
        seen.page.close()
    finally:
        stop_app(again.process)


@pytest.fixture(scope="module")
def classifier_answer(tmp_path_factory):
    """A drawn photo of one cell, and what Python answers."""
    from leukoscope import Classifier

    path = tmp_path_factory.mktemp("pictures") / "my smear.jpg"
    picture = draw_photo(["eosinophil"], seed=3, width=320, height=240)[0]
    path.write_bytes(jpeg(picture, 95))
    return path, Classifier.from_pretrained().scan(path)[0]
