"""What a person does on the second tab, in a real browser: count, correct, take home."""

import io
import zipfile

import markup
import pytest
from PIL import Image
from playwright.sync_api import expect
from pypdf import PdfReader

from leukoscope import CELL_TYPES
from leukoscope.counting.differential import NOT_COUNTED, Differential
from leukoscope.drawn.synthetic import draw_photo
from tests.space.conftest import Visit, start_app, stop_app

TYPES = [["neutrophil", "lymphocyte"], ["neutrophil", "monocyte", "neutrophil"], ["eosinophil", "lymphocyte"], []]


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Twelve drawn photos; every fourth holds no white cell."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for seed in range(12):
        photo, _ = draw_photo(TYPES[seed % 4], seed=seed, width=400, height=300, red_cell_px=48)
        paths.append(folder / f"field {seed:02}.png")
        Image.fromarray(photo).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def expected(classifier, twelve):
    """The count of these photos, made without the page."""
    return Differential.from_predictions((path.name, classifier.scan(path)) for path in twelve)


def rows(differential):
    """The table as the page writes it."""
    written = {}
    for row in differential.rows():
        share, limits = f"{row.percent:.1f} %", f"{row.low:.1f}–{row.high:.1f} %"
        if not differential.tally.settled:
            share, limits = f"{row.least:.1f}–{row.most:.1f} %", "until decided"
        written[row.cell_type] = (f"{row.count}", share, limits)
    return written


def groups(differential):
    """The gallery as the page groups it."""
    names = ["undecided" if cell.undecided else cell.type or NOT_COUNTED for cell in differential.cells]
    return {name: names.count(name) for name in ("undecided", *CELL_TYPES, NOT_COUNTED) if name in names}


def option(seen, name):
    """What the chosen cell may be called."""
    return seen.page.locator("#chosen").get_by_role("button", name=name)


def saved(seen, button, path):
    """Click a download button; returns what the browser saved."""
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return download.value.suggested_filename, path.read_bytes()


def test_twelve_photos_are_counted_corrected_and_taken_home(visit, twelve, expected, tmp_path):
    assert len(expected.cells) >= 18
    seen = visit()
    seen.tab("Differential")
    seen.count(*twelve)
    assert f"{len(expected.cells)} cells found in 12 photos" in seen.page.locator("#status").inner_text()
    seen.becomes(seen.table, rows(expected))
    seen.becomes(seen.gallery, groups(expected))
    sure = [cell for cell in expected.cells if cell.prediction.verdict == "confident"]
    for name in {cell.type for cell in sure}:
        best = max((cell for cell in sure if cell.type == name), key=lambda cell: cell.prediction.confidence)
        surest = seen.page.locator(f"#compare .lk-surest[data-type={name}]")
        expect(surest).to_have_attribute("alt", f"The surest: {markup.cell_text(best)}")
    expect(seen.page.locator("#compare img[alt^=Drawn]")).to_have_count(4)
    for section in seen.page.locator("#gallery section").all():
        doubts = section.locator(".lk-cell").evaluate_all("cells => cells.map(cell => Number(cell.dataset.doubt))")
        assert doubts == sorted(doubts, reverse=True), "the most doubtful first"

    target = next(cell for cell in expected.cells if cell.type not in (None, "monocyte"))
    index = expected.cells.index(target)
    seen.page.locator(f"#gallery .lk-cell[data-index='{index}']").click()
    seen.until("name => document.querySelector('#chosen h2').textContent.startsWith(name)", target.photo)
    expect(option(seen, "As the model says")).to_have_attribute("aria-pressed", "true")
    option(seen, "Monocyte").click()
    corrected = expected.reclassify(target.photo, target.number, "monocyte")
    seen.until(
        "count => document.querySelector('#table tr[data-type=monocyte] td').textContent === count",
        str(corrected.counts["monocyte"]),
    )
    seen.becomes(seen.table, rows(corrected))
    place = f"#gallery .lk-cell[data-index='{index}']"
    group = expected.cells[index].type
    section = f"#gallery section[data-group={group}]"
    expect(seen.page.locator(section).locator(f".lk-cell[data-index='{index}']")).to_have_count(1)  # nothing moved
    expect(seen.page.locator(place)).to_contain_text("by you")
    seen.page.get_by_role("button", name="Sort decided cells").click()
    seen.becomes(seen.gallery, groups(corrected))
    expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 1 cell")

    name, content = saved(seen, "Download CSV", tmp_path / "got.csv")
    assert name == "differential.csv"
    assert Differential.from_csv(content.decode()).rows() == corrected.rows()
    assert Differential.read_csv(tmp_path / "got.csv").corrected == 1
    seen.page.get_by_role("button", name="Sample, reader and comment").click()
    seen.page.get_by_label("Sample").fill("Smear 12")
    seen.page.get_by_label("Reader").fill("A. Reader")
    name, content = saved(seen, "Download PDF", tmp_path / "got.pdf")
    assert name == "differential.pdf"
    (page,) = PdfReader(io.BytesIO(content)).pages
    words = " ".join(page.extract_text().split())
    assert f"Counted {corrected.counted} cells in 12 photos." in words
    assert "Sample: Smear 12 Reader: A. Reader" in words
    assert len(page.images) > 10

    seen.page.locator(place).click()
    option(seen, "Undo the last decision").click()
    seen.until(
        "count => document.querySelector('#table tr[data-type=monocyte] td').textContent === count",
        str(expected.counts["monocyte"]),
    )
    seen.becomes(seen.table, rows(expected))


def test_archives_and_what_cannot_be_read(visit, classifier, twelve, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(twelve[0], "a.png")
    hostile = "<img src=x onerror=alert(1)>.png"
    packed = tmp_path / "smear.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(twelve[1], "../../one.png")
        archive.write(twelve[2], hostile)
        archive.writestr("nested.zip", inner.getvalue())
    (tmp_path / "notes.jpg").write_text("no picture at all\n" * 20)

    seen = visit()
    seen.tab("Differential")
    seen.count(packed, tmp_path / "notes.jpg")
    seen.page.locator(".lk-unreadable").wait_for()
    listed = seen.page.locator(".lk-unreadable").inner_text()
    assert "2 files were not read" in listed
    assert "smear.zip: 1 file was not taken for photos: 1 .zip" in listed
    assert "notes.jpg: not a picture of a known format" in listed
    found = [("one.png", classifier.scan(twelve[1])), (hostile, classifier.scan(twelve[2]))]
    before = Differential.from_predictions(found)
    seen.becomes(seen.table, rows(before))
    texts = seen.page.locator("#gallery .lk-cell").evaluate_all("all => all.map(one => one.title)")
    assert any(text.startswith(hostile) for text in texts)
    assert seen.page.locator("img[src=x]").count() == 0

    index = next(i for i, cell in enumerate(before.cells) if cell.type)
    seen.page.locator(f"#gallery .lk-cell[data-index='{index}']").click()
    option(seen, "None of the four").click()
    seen.until("document.querySelector('#sentences').textContent.includes('A person decided on 1 cell')")

    # Another file is added: what was read and decided stands.
    seen.page.locator("#files input[type=file]").first.set_input_files(twelve[4])
    seen.until("document.querySelector('#status p').textContent.includes(' in 3 photos')")
    decided = before.cells[index]
    after = Differential.from_predictions([*found, (twelve[4].name, classifier.scan(twelve[4]))])
    after = after.reclassify(decided.photo, decided.number, NOT_COUNTED)
    seen.becomes(seen.table, rows(after))
    seen.becomes(seen.gallery, groups(after))

    asked = []
    seen.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    seen.page.locator("#files").get_by_label("Clear").click()
    assert "all decisions" in asked[0]
    seen.page.wait_for_timeout(1000)
    assert seen.table() == rows(after), "nothing is lost in one click"
    seen.page.once("dialog", lambda dialog: dialog.accept())
    seen.page.locator("#files").get_by_label("Clear").click()
    seen.until("document.querySelectorAll('#gallery .lk-cell').length === 0")
    seen.becomes(lambda: {row[0] for row in seen.table().values()}, {"0"})
    seen.page.get_by_role("button", name="Bring 3 photos back").click()  # and what was taken away comes back
    seen.becomes(seen.table, rows(after))
    seen.becomes(seen.gallery, groups(after))
    expect(seen.page.locator("#back")).to_be_hidden()


def test_the_drawn_dozen_can_be_counted_and_a_long_count_stopped(visit, tmp_path):
    seen = visit()
    seen.tab("Differential")
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as archive:
        photo = io.BytesIO()
        Image.fromarray(draw_photo(TYPES[1], seed=0, width=800, height=600)[0]).save(photo, "JPEG")
        for number in range(390):
            archive.writestr(f"{number}.jpg", photo.getvalue() + str(number).encode())  # copies would count once
    seen.page.locator("#files input[type=file]").first.set_input_files(tmp_path / "long.zip")
    seen.page.locator("#status progress").wait_for()
    seen.until("document.querySelector('#status p').textContent.includes('photos read')")
    seen.page.get_by_role("button", name="Stop").click()
    seen.until("document.querySelector('#status p').textContent.startsWith('Stopped')")
    assert int(seen.page.locator("#status p").inner_text().split(" in ")[1].split()[0]) < 390
    expect(seen.page.locator("#drawn")).to_be_hidden()  # a click on it would take somebody's photos away


def test_the_drawn_dozen_gives_way_to_real_photos(visit, twelve):
    seen = visit()
    seen.tab("Differential")
    seen.page.get_by_role("button", name="12 drawn photos").click()
    seen.until("/^[0-9]+ cells found in 12 photos/.test(document.querySelector('#status p').textContent)")
    seen.becomes(lambda: sum(int(row[0]) for row in seen.table().values()) >= 24, True)
    seen.page.locator("#files input[type=file]").first.set_input_files(twelve[1])
    seen.until("document.querySelector('#status p').textContent.includes(' in 1 photos')")
    expect(seen.page.locator("#status")).to_contain_text("The drawn photos are not counted beside yours.")


def test_a_page_with_a_count_asks_before_it_goes(visit, twelve):
    seen = visit()
    seen.tab("Differential")
    seen.page.locator("#files").click(position={"x": 5, "y": 5})  # a browser asks only where somebody did something
    seen.page.keyboard.press("Escape")
    seen.count(twelve[1])
    seen.until("document.querySelectorAll('#gallery .lk-cell').length > 0")
    kinds = []
    seen.page.on("dialog", lambda dialog: (kinds.append(dialog.type), dialog.accept()))
    seen.page.reload()
    assert kinds == ["beforeunload"]
    seen.page.wait_for_selector("#verdict h2")
    seen.page.reload()
    assert kinds == ["beforeunload"], "an empty page just goes"


@pytest.fixture(scope="module")
def doubted(tmp_path_factory):
    """A checkpoint that is sure of nothing: every cell is undecided."""
    import json

    from leukoscope import Classifier

    folder = tmp_path_factory.mktemp("model") / "doubting"
    Classifier.from_pretrained().save_pretrained(folder)
    spec = json.loads((folder / "classifier.json").read_text())
    spec["thresholds"]["confident"] = 1.0
    (folder / "classifier.json").write_text(json.dumps(spec))
    return folder


def test_a_hundred_undecided_cells_take_a_hundred_keys(browser, doubted, tmp_path):
    """Each key is a decision, and the next undecided cell comes by itself, faster than the page can answer."""
    content = io.BytesIO()
    Image.fromarray(draw_photo(TYPES[1], seed=1, width=400, height=300, red_cell_px=48)[0]).save(content, "PNG")
    photos = [tmp_path / f"{number:02}.png" for number in range(40)]
    for number, path in enumerate(photos):
        path.write_bytes(content.getvalue() + b"%d" % number)  # what follows a PNG's end is passed over
    started = start_app(tmp_path / "app", LEUKOSCOPE_MODEL=str(doubted))
    try:
        seen = Visit(browser, started.url)
        seen.tab("Differential")
        seen.count(*photos)
        undecided = seen.page.locator("#gallery .lk-cell[data-group=undecided]")
        before = undecided.count()
        assert before >= 100
        assert sum(int(row[0]) for row in seen.table().values()) == 0
        undecided.first.focus()
        typed = ("elmn0" * 20)[:100]
        for key in typed:
            seen.page.keyboard.press(key)
        expect(undecided).to_have_count(before - 100)
        expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 100 cells, 20 of them as none")
        seen.becomes(lambda: {name: row[0] for name, row in seen.table().items()}, dict.fromkeys(CELL_TYPES, "20"))
        seen.page.keyboard.press("u")
        expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 99 cells, 19 of them as none")
        seen.page.keyboard.press("ArrowRight")  # looks on, and decides nothing
        seen.page.wait_for_timeout(1500)
        expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 99 cells")

        # Several at once; and what the server did not take is sent again.
        seen.page.route("**/gradio_api/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "full"}))
        undecided.nth(0).click()
        undecided.nth(1).click(modifiers=["Shift"])
        seen.page.keyboard.press("m")
        expect(seen.page.locator("#gallery .lk-kept")).to_contain_text("not kept yet")
        seen.page.unroute("**/gradio_api/queue/join*")
        expect(seen.page.locator("#sentences")).to_contain_text("A person decided on 101 cells")
        seen.page.close()
    finally:
        stop_app(started.process)
