"""Ten tasks of people at work, each done on the real app by a hand that counts; docs/tasks.md tells the numbers."""

import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from leukoscope import CELL_TYPES, CELLS
from leukoscope.counting.differential import Differential
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.showing.draw import png
from tests.space.conftest import ROOT, Visit, start_app, stop_app
from tests.streamlit_app.conftest import BenchVisit, start_bench
from tests.tasks.hand import Hand

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SHEET = (ROOT / "docs" / "tasks.md").read_text()


def told(task: str) -> int:
    """What docs/tasks.md says of a task, in its last column."""
    (row,) = re.findall(rf"^\| {re.escape(task)} \|.*\| (\d+) \|$", SHEET, re.MULTILINE)
    return int(row)


def drawn(cells: int = 1) -> Iterator[np.ndarray]:
    """Drawn photos without end."""
    for seed in count():
        types = [CELL_TYPES[(seed + n) % 4] for n in range(cells)]
        yield draw_photo(types, seed=seed, width=320 * cells, height=240, red_cell_px=48)[0]


def copies(picture: np.ndarray, names: Iterator[Path]) -> None:
    """Photos that no one takes for the same file: what follows a PNG's end is passed over."""
    for name in names:
        name.write_bytes(png(picture) + name.name.encode())


@pytest.fixture(scope="module")
def desk(tmp_path_factory, classifier) -> Path:
    """A folder with the photos of a slide, 20 doubtful cells in 60; with a hundred doubtful ones; and with a field."""
    folder = tmp_path_factory.mktemp("desk")

    def sure(photo: np.ndarray) -> list[bool]:
        return [prediction.verdict == "confident" for prediction in classifier.scan(photo)]

    certain = next(photo for photo in drawn() if sure(photo) == [True])
    doubtful = next(photo for photo in drawn() if sure(photo) == [False])
    for name in ("slide", "hundred"):
        (folder / name).mkdir()
    copies(certain, (folder / "slide" / f"{n:02}.png" for n in range(40)))
    copies(doubtful, (folder / "slide" / f"{n:02}.png" for n in range(40, 60)))
    copies(doubtful, (folder / "hundred" / f"{n:03}.png" for n in range(100)))
    (folder / "cell.png").write_bytes(png(certain))
    (folder / "field.png").write_bytes(png(next(photo for photo in drawn(3) if len(sure(photo)) == 3)))
    return folder


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """The page, started once."""
    started = start_app(tmp_path_factory.mktemp("space"))
    yield started
    stop_app(started.process)


@pytest.fixture
def visit(browser, space):
    """Open the page, and close it at the end."""
    opened = []

    def open_page(width: int, height: int) -> tuple[Visit, Hand]:
        opened.append(Visit(browser, space.url, width=width, height=height))
        return opened[-1], Hand(opened[-1].page)

    yield open_page
    for seen in opened:
        seen.page.close()


def counted(seen: Visit, hand: Hand, folder: Path) -> None:
    """On the second tab, count the photos of a folder."""
    hand.click(seen.page.get_by_role("tab", name="Differential"))
    hand.give(seen.page.locator("#files input[type=file]").first, *sorted(folder.iterdir()))
    seen.wait_for_count()
    expect(seen.page.locator("#decide .lk-view img")).to_be_visible()  # the first undecided cell, chosen by itself


def taken_home(seen: Visit, hand: Hand, path: Path) -> Differential:
    """Download the CSV."""
    with seen.page.expect_download() as waiting:
        hand.click(seen.page.get_by_role("button", name="Download CSV"))
    waiting.value.save_as(path)
    return Differential.read_csv(path)


# --- the page --------------------------------------------------------------------------------------------


def test_one_photo_and_what_its_cell_does(visit, desk, classifier):
    seen, hand = visit(**DESKTOP)
    hand.give(seen.page.locator("#picture input[type=file]"), desk / "cell.png")
    (prediction,) = classifier.scan(desk / "cell.png")
    seen.wait_for_headline(prediction.label.capitalize())
    expect(seen.page.locator("#cards")).to_contain_text(CELLS[prediction.label].role)
    assert hand.count == told("One photo: its cell's type and role")


def test_a_slide_with_twenty_doubtful_cells_and_a_click_on_clear(visit, desk, tmp_path):
    seen, hand = visit(**DESKTOP)
    counted(seen, hand, desk / "slide")
    hand.click(seen.page.locator("#gallery .lk-cell[data-group=undecided]").first)
    hand.press("m" * 20)
    expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 20 cells")
    result = taken_home(seen, hand, tmp_path / "count.csv")
    assert (result.counted, result.corrected, result.tally.undecided) == (60, 20, 0)
    assert hand.count == told("60 photos of a slide, 20 cells doubtful, to a CSV")

    # Each part of the page is drawn by itself: the table a moment after the sentences.
    seen.becomes(lambda: {name: int(row[0]) for name, row in seen.table().items()}, dict(result.counts))
    before, hand = seen.table(), Hand(seen.page)
    seen.page.once("dialog", lambda dialog: dialog.accept())
    seen.page.locator("#files").get_by_label("Clear").click()
    expect(seen.page.locator("#gallery .lk-cell")).to_have_count(0)
    hand.click(seen.page.get_by_role("button", name="Bring 60 photos back"))
    seen.becomes(seen.table, before)
    assert hand.count == told("All of it back after a click on Clear")


def test_the_same_slide_on_a_phone(visit, desk, tmp_path):
    seen, hand = visit(**PHONE)
    counted(seen, hand, desk / "slide")
    for _ in range(20):
        hand.click(seen.page.locator("#chosen").get_by_role("button", name="Monocyte"))
    expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 20 cells")
    assert taken_home(seen, hand, tmp_path / "count.csv").corrected == 20
    assert hand.count == told("The same on a phone")


def test_a_hundred_undecided_cells_by_keyboard(visit, desk):
    seen, hand = visit(**DESKTOP)
    counted(seen, hand, desk / "hundred")
    undecided = seen.page.locator("#gallery .lk-cell[data-group=undecided]")
    expect(undecided).to_have_count(100)
    undecided.first.focus()
    hand = Hand(seen.page)
    hand.press("elmn0" * 20)
    expect(undecided).to_have_count(0)
    expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 100 cells, 20 of them as none")
    assert hand.count == told("100 undecided cells, by keyboard alone")


# --- the command line and a notebook ---------------------------------------------------------------------


def test_a_slide_at_the_prompt(desk):
    hand = Hand()
    said = hand.command("leukoscope scan slide --csv count.csv --pdf report.pdf", desk)
    assert "20 cells undecided" in said
    assert len(Differential.read_csv(desk / "count.csv").cells) == 60
    assert (desk / "report.pdf").read_bytes().startswith(b"%PDF")
    assert hand.count == told("A folder to a CSV and a PDF, at the prompt")


def test_a_field_at_the_prompt(desk):
    hand = Hand()
    assert "2 more white cells in it" in hand.command("leukoscope classify field.png", desk)
    assert "Counted" in hand.command("leukoscope scan field.png", desk)
    assert hand.count == told("A field of three cells: the first, then all, at the prompt")


def test_a_folder_in_a_notebook(desk):
    lines = (
        "from pathlib import Path",
        "from leukoscope import Classifier, Differential",
        'photos = sorted(Path("slide").iterdir())',
        "answers = Classifier.from_pretrained().scan_batch(photos)",
        "print(Differential.from_predictions(zip([p.name for p in photos], answers)).tally.table())",
    )
    hand = Hand()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("\n".join(lines))])
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(desk)}}).execute()
    hand.count += len("\n".join(lines)) + 1
    assert "20 cells undecided" in notebook.cells[0].outputs[-1]["text"]
    assert hand.count == told("A folder in a notebook")


# --- the bench -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The bench's app, started in a folder of its own."""
    folder = tmp_path_factory.mktemp("bench")
    started = start_bench(folder, LEUKOSCOPE_WATCH_ROOT=str(folder))
    yield started
    stop_app(started.process)


def kept(folder: Path, name: str) -> str:
    """The session file of a count, as far as it is written."""
    file = folder / f"{name}.jsonl"
    return file.read_text() if file.exists() else ""


def name_of(seen: BenchVisit) -> str:
    """The name of the count that a page is at."""
    field = seen.page.get_by_label("Name of the count")
    expect(field).not_to_have_value("")  # it is filled a moment after it is there
    return field.input_value()


def until(condition) -> None:
    """Wait for what is written to disk."""
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()


def test_a_doubtful_cell_at_the_bench(browser, bench, desk):
    seen = BenchVisit(browser, bench.url)
    hand, name = Hand(seen.page), name_of(seen)
    hand.click(seen.page.get_by_role("tab", name="Differential"))
    field = seen.page.get_by_test_id("stFileUploader").filter(has_text="Photos of one smear")
    hand.give(field.locator("input[type=file]"), *sorted((desk / "slide").iterdir())[38:42])
    grid = seen.page.get_by_test_id("stDataFrame")
    expect(grid).to_be_visible()
    seen.settled()
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    hand.double_click(box["x"] + 160, box["y"] + 86)  # the first row, beside the cell's picture
    expect(seen.page.locator("#portal input")).to_be_focused()
    hand.press(["M", "o", "n", "Enter"])
    until(lambda: '"decision": "monocyte"' in kept(bench.sessions, name))
    seen.page.close()
    assert hand.count == told("A doubtful cell decided at the bench")


def test_the_next_slide_from_a_watched_folder(browser, bench, desk):
    camera = bench.sessions.parent / "camera"
    camera.mkdir()
    seen = BenchVisit(browser, bench.url)
    first = name_of(seen)
    seen.page.get_by_label("Folder of new photos").fill("camera")
    seen.page.keyboard.press("Enter")
    seen.settled()
    seen.page.get_by_text("Scan what arrives there").click()
    expect(seen.page.get_by_text("Watching camera")).to_be_visible()
    copies(next(drawn()), iter([camera / "IMG_1.png"]))
    until(lambda: "IMG_1.png" in kept(bench.sessions, first))
    hand = Hand(seen.page)
    hand.click(seen.page.get_by_role("button", name="New count"))
    expect(seen.page.get_by_text("1 photo was there before")).to_be_visible()
    copies(next(drawn()), iter([camera / "IMG_2.png"]))
    second = name_of(seen)
    until(lambda: "IMG_2.png" in kept(bench.sessions, second))
    assert "IMG_1.png" not in kept(bench.sessions, second)
    seen.page.close()
    assert hand.count == told("The next slide, from a folder that is watched")


def test_ten_tasks_are_told():
    assert len(re.findall(r"^\| .*\| \d+ \|$", SHEET, re.MULTILINE)) == 10
