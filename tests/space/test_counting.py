"""Uploads and counts without a browser: what is read, what is refused, what is remembered."""

import hashlib
import io
import threading
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import counting
import markup
import numpy as np
import pytest
from counting import Count, count_files
from PIL import Image
from uploads import Uploads

from leukoscope import ImageError, Prediction
from leukoscope.biology.cells import CELL_TYPES, CELLS
from leukoscope.counting.differential import NOT_COUNTED, CountedCell, Differential, Origin
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.showing import wording
from leukoscope.showing.about import model_identity
from leukoscope.showing.draw import crop
from tests import made_tiffs


@pytest.fixture
def uploads(tmp_path):
    (tmp_path / "files").mkdir()
    return Uploads(tmp_path / "files")


def put(uploads, name, content, place="0"):
    """An upload as Gradio hands it over."""
    if isinstance(content, np.ndarray):
        buffer = io.BytesIO()
        Image.fromarray(content).save(buffer, "PNG")
        content = buffer.getvalue()
    folder = uploads.folder / place
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return {"path": str(folder / name), "orig_name": name}


def counted(classifier, uploads, files, before=None, **options):
    *news, result = count_files(classifier, uploads, files, "page", before or Count(), **options)
    assert all(isinstance(step, tuple) for step in news)
    return result


def test_a_stack_is_counted_by_its_first_picture_and_it_is_said(classifier, uploads):
    cells = [draw_cell(name, seed=1) for name in ("neutrophil", "eosinophil")]
    files = [
        put(uploads, "a.tif", made_tiffs.tiff(*map(made_tiffs.page, cells)), "0"),
        put(uploads, "b.png", cells[1], "1"),
    ]
    result = counted(classifier, uploads, files)
    assert result.stacks == (("a.tif", 2),)
    boxes = [cell.prediction.box for cell in result.differential.cells if cell.photo == "a.tif"]
    assert boxes == [p.box for p in classifier.scan(cells[0])]
    assert "1 file holds several pictures, of which the first was read" in wording.stacks_html(result.stacks)
    assert wording.stacks_html(()) == ""


# --- uploads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../x", "", ".", None, 7, "a\0b", "x" * 5000])
def test_only_uploads_are_read(uploads, path):
    given = str(uploads.folder / path) if isinstance(path, str) and path.startswith(".") else path
    with pytest.raises(ImageError) as caught:
        uploads.read({"path": given})
    assert str(uploads.folder) not in str(caught.value)


def test_a_link_out_of_the_folder_is_not_followed(uploads, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (uploads.folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageError, match="not uploaded to this page"):
        uploads.read({"path": str(uploads.folder / "link")})


def test_large_and_gone_files_are_told(uploads):
    file = put(uploads, "a.png", b"x" * (2**20 + 1))
    with pytest.raises(ImageError, match="larger than 1 MB"):
        uploads.read(file, most_mb=1)
    uploads.read(file, "page")
    uploads.forget("page")
    with pytest.raises(ImageError, match="choose it again"):
        uploads.read(file, "page")


def test_a_file_of_two_pages_goes_with_the_second(uploads):
    file = put(uploads, "a.png", b"x")
    for page in ("one", "two"):
        assert uploads.read(file, page) == b"x"
    uploads.forget("one")
    assert uploads.read(file, "two") == b"x"
    uploads.forget("two")
    assert list(uploads.folder.rglob("*.png")) == []
    uploads.forget("never seen")


def test_the_pages_own_file_stays_when_a_visitor_leaves(uploads):
    file = put(uploads, "drawn.zip", b"drawn")
    uploads.own.add(uploads.path(file))
    uploads.read(file, "one")
    uploads.forget("one")
    assert uploads.read(file, "other") == b"drawn"


def test_many_pages_at_once(uploads):
    files = [put(uploads, f"{i}.png", bytes([i]), str(i)) for i in range(20)]

    def visit(page):
        for file in files:
            assert len(uploads.read(file, page)) == 1

    pages = [threading.Thread(target=visit, args=(str(i),)) for i in range(8)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    for i in range(8):
        uploads.forget(str(i))
    assert list(uploads.folder.rglob("*.png")) == []


# --- counting --------------------------------------------------------------------------------------------


def test_photos_of_one_name_are_told_apart(classifier, uploads):
    files = [put(uploads, "cell.png", draw_cell(name, seed=4), name) for name in CELL_TYPES]
    result = counted(classifier, uploads, files)
    assert result.differential.photos == ("cell.png", "cell (2).png", "cell (3).png", "cell (4).png")
    assert len(result.thumbnails) == len(result.differential.cells)


def test_the_same_bytes_count_once_and_it_is_said(classifier, uploads):
    one, other = draw_cell("monocyte", seed=4), draw_cell("neutrophil", seed=5)
    files = [put(uploads, "a.png", one, "1"), put(uploads, "other.png", other, "2"), put(uploads, "b.png", one, "3")]
    result = counted(classifier, uploads, files)
    assert result.differential.photos == ("a.png", "other.png")
    assert result.copies == (("b.png", "a.png"),)
    assert result.unreadable == ()
    assert "b.png</strong>: a copy of a.png" in markup.done_html((), result.differential, copies=result.copies)
    content = (uploads.folder / "1" / "a.png").read_bytes()
    origin = result.differential.origins["a.png"]
    assert origin == Origin(model_identity(classifier), hashlib.sha256(content).hexdigest())
    anyway = counted(classifier, uploads, files, result, count_copies=True)
    assert anyway.differential.photos == ("a.png", "other.png", "b.png")
    assert anyway.copies == ()
    without = counted(classifier, uploads, files[1:], result)
    assert without.differential.photos == ("other.png", "b.png"), "no copy any more when the first is gone"
    twice = counted(classifier, uploads, [files[0], files[0]])
    assert twice.differential.photos == ("a.png",)


def test_an_archive_says_what_was_not_taken_for_photos(classifier, uploads):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/.thumbnails/a.png", b"x")
        archive.writestr("in/notes.txt", b"x")
    result = counted(classifier, uploads, [put(uploads, "smear.zip", packed.getvalue())])
    said = "the archive holds no photo; 1 file was not taken for photos: 1 .txt"
    assert result.unreadable == (("smear.zip", said),)


def test_files_read_before_are_not_read_again_and_decisions_stand(classifier, uploads):
    first = put(uploads, "first.png", draw_photo(["neutrophil", "monocyte"], seed=1, width=320)[0], "1")
    before = counted(classifier, uploads, [first])
    before = counting.decided(before, [[0, NOT_COUNTED]])
    (uploads.folder / "1" / "first.png").unlink()  # it need not even be there
    second = put(uploads, "second.png", draw_cell("lymphocyte", seed=4), "2")
    after = counted(classifier, uploads, [second, first], before)
    assert after.differential.photos == ("second.png", "first.png")
    assert [c.corrected for c in after.differential.cells if c.photo == "first.png"][0] == NOT_COUNTED  # noqa: RUF015
    without = counted(classifier, uploads, [second], after)
    assert without.differential.photos == ("second.png",)
    assert counted(classifier, uploads, [], without) == Count()


def test_photos_that_were_taken_out_come_back_with_what_was_decided_since(classifier, uploads):
    files = [put(uploads, f"{n}.png", draw_cell("monocyte", seed=n), str(n)) for n in range(3)]

    def of(files, before=None):
        return replace(counted(classifier, uploads, files, before or Count()), given=tuple(files))

    full = counting.decided(of(files), [[0, "lymphocyte"], [1, "eosinophil"]])
    less = of(files[:1], full)
    assert counting.taken_out(full, less) == 2
    assert counting.taken_out(full, of(files, full)) == 0
    assert counting.taken_out(less, full) == 0
    other = put(uploads, "new.png", draw_cell("neutrophil", seed=9), "9")
    assert counting.taken_out(full, of([files[0], other], less)) == 0, "another count by now"
    less = counting.decided(less, [[0, NOT_COUNTED]])
    back = counting.brought_back(full, less)
    assert [cell.corrected for cell in back.differential.cells] == [NOT_COUNTED, "eosinophil", None]
    assert counting.brought_back(full, of([], full)) == full


def test_what_cannot_be_read_is_listed_and_the_rest_counted(classifier, uploads, monkeypatch):
    monkeypatch.setattr(counting, "ZIP_LIMITS", counting.ZipLimits(photo_bytes=2**20))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    files = [
        put(uploads, "notes.jpg", b"no picture"),
        put(uploads, "empty.zip", empty.getvalue(), "1"),
        put(uploads, "broken.zip", b"PK\x03\x04 and nothing more", "2"),
        put(uploads, "large.png", b"x" * (2**20 + 1), "3"),
        {"path": "/etc/passwd", "orig_name": "pass\x1bwd"},
        {"path": None},
        put(uploads, "good.png", draw_cell("eosinophil", seed=10), "4"),
    ]
    result = counted(classifier, uploads, files)
    assert result.differential.photos == ("good.png",)
    reasons = dict(result.unreadable)
    assert list(reasons) == ["notes.jpg", "empty.zip", "broken.zip", "large.png", "passwd", "photo"]
    assert reasons["empty.zip"] == "the archive holds no photo"
    assert reasons["large.png"] == "it is larger than 1 MB"
    assert reasons["passwd"] == "the picture was not uploaded to this page"


def test_limits_on_photos_and_cells(classifier, uploads, monkeypatch):
    monkeypatch.setattr(counting, "MOST_PHOTOS", 2)
    files = [put(uploads, f"{i}.png", draw_cell("monocyte", seed=i), str(i)) for i in range(3)]
    result = counted(classifier, uploads, files)
    assert result.unreadable == (("2.png", "no more than 2 photos are counted at once"),)
    monkeypatch.setattr(counting, "MOST_CELLS", 1)
    result = counted(classifier, uploads, files)
    assert [name for name, _ in result.unreadable] == ["1.png", "2.png"]


def test_a_stopped_count_keeps_what_was_read_and_can_be_finished(classifier, uploads):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(4):
            picture = io.BytesIO()
            Image.fromarray(draw_cell("neutrophil", seed=i)).save(picture, "PNG")
            archive.writestr(f"{i}.png", picture.getvalue())
    file = put(uploads, "all.zip", buffer.getvalue())
    asked = iter([False, False, True])
    part = counted(classifier, uploads, [file], stopped=lambda: next(asked))
    assert part.differential.photos == ("0.png", "1.png")
    whole = counted(classifier, uploads, [file], part)
    assert whole.differential.photos == ("0.png", "1.png", "2.png", "3.png")


@pytest.mark.parametrize("index", [None, "0", 1.0, True, -1, 10**9, [0]])
def test_nonsense_from_a_browser_chooses_no_cell(classifier, uploads, index):
    count = counted(classifier, uploads, [put(uploads, "a.png", draw_cell("monocyte", seed=4))])
    assert counting.cell_at(count, index) is None
    with pytest.raises(ValueError, match="no cell"):
        counting.decided(count, [[index, "monocyte"]])
    with pytest.raises(ValueError, match="unknown cell type"):
        counting.decided(count, [[0, "basophil"]])


@pytest.mark.parametrize("sent", [None, "monocyte", {}, [0], [[0]], [[0, None]], [[0, "monocyte", 1]], [[]] * 2000])
def test_nonsense_from_a_browser_decides_nothing(classifier, uploads, sent):
    count = counted(classifier, uploads, [put(uploads, "a.png", draw_cell("monocyte", seed=4))])
    with pytest.raises(ValueError, match=r"no cell|not a list"):
        counting.decided(count, sent)


def test_several_decisions_at_once_are_all_taken_or_none(classifier, uploads):
    photo = put(uploads, "a.png", draw_photo(["neutrophil", "monocyte"], seed=1, width=320)[0])
    count = counted(classifier, uploads, [photo])
    both = counting.decided(count, [[0, "lymphocyte"], [1, NOT_COUNTED]])
    assert [cell.corrected for cell in both.differential.cells[:2]] == ["lymphocyte", NOT_COUNTED]
    assert counting.decided(both, [[0, wording.AS_THE_MODEL], [1, wording.AS_THE_MODEL]]) == count
    with pytest.raises(ValueError, match="no cell"):
        counting.decided(count, [[0, "lymphocyte"], [99, "monocyte"]])


def test_a_cell_is_kept_as_large_as_in_the_photo_and_with_its_surroundings(classifier, uploads, monkeypatch):
    photo, _ = draw_photo(["monocyte"], seed=3, width=640, height=480, red_cell_px=60)
    count = counted(classifier, uploads, [put(uploads, "a.png", photo)])
    cell = count.differential.cells[0]
    x0, y0, x1, y1 = cell.prediction.box
    assert 80 < max(x1 - x0, y1 - y0) < markup.VIEW_SIDE / 2
    shown = np.asarray(Image.open(io.BytesIO(counting.picture_of(count, cell))), int)
    side = 2 * max(x1 - x0, y1 - y0)  # of the photo; as much again as the cell is around it
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    left, top = min(max(0, left), 640 - side), min(max(0, top), 480 - side)
    part = np.asarray(
        Image.fromarray(photo[top : top + side, left : left + side]).resize((markup.VIEW_SIDE, markup.VIEW_SIDE)), int
    )
    assert shown.shape == (markup.VIEW_SIDE, markup.VIEW_SIDE, 3)
    assert np.abs(shown - part).mean() < 6
    monkeypatch.setattr(counting, "MOST_VIEWS", 0)
    count = counted(classifier, uploads, [put(uploads, "a.png", photo)])
    assert counting.picture_of(count, cell) == count.thumbnails["a.png", 1], "beyond that by its thumbnail"


# --- HTML ------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def prediction(label="monocyte", verdict="confident", box=(10, 0, 60, 40)):
    shares = {name: 0.91 if name == label else 0.03 for name in CELL_TYPES}
    return Prediction(label, shares, 0.91, box, verdict)


def test_html_is_well_formed_and_names_are_escaped():
    name = '<script>alert("1")</script>{{value}}${value}\'.png'
    differential = Differential.from_predictions([(name, [prediction(), prediction("neutrophil", "review")])])
    cell = differential.cells[0]
    for html in (
        markup.photo_html(np.zeros((80, 100, 3), np.uint8), (prediction(), prediction(verdict="unfamiliar")), 2),
        markup.photo_html(np.zeros((80, 100, 3), np.uint8), (prediction(box=None),), 1),
        markup.gallery_html(differential, {(name, 1): b"jpeg"}, 9),
        markup.chosen_html(0, cell, b"jpeg"),
        markup.done_html(((name, name),), differential),
        markup.progress_html(name, 0.5),
        markup.crop_html(np.zeros((9, 9, 3), np.uint8), name),
    ):
        assert "script" not in Tags(html).seen
        assert "<script" not in html


def test_what_is_undecided_is_no_answer():
    unsure = CountedCell("a", 1, prediction(verdict="unfamiliar"))
    html = markup.chosen_html(0, unsure, b"jpeg")
    assert "Unfamiliar: perhaps none of the four types" in html
    assert html.index("perhaps none of the four types") < html.index("lk-fill"), "the verdict comes first"
    assert wording.IF_ONE_OF_FOUR in html
    assert "lk-open" in html
    assert wording.LEAVE in html
    assert wording.DECISIONS[wording.AS_THE_MODEL] not in html
    sure = markup.chosen_html(0, CountedCell("a", 1, prediction()), b"jpeg")
    assert wording.DECISIONS[wording.AS_THE_MODEL] in sure
    assert wording.LEAVE not in sure
    assert "lk-open" not in sure
    assert markup.mark_of(prediction(verdict="unfamiliar")) == "unfamiliar"
    assert markup.mark_of(prediction(verdict="review")) == "monocyte?\nto review"
    assert markup.mark_of(prediction()) == "monocyte\n91.0\u00a0%"


def test_the_gallery_shows_the_most_doubtful_and_says_so():
    cells = [Prediction("monocyte", prediction().probabilities, c, None, "confident") for c in (0.99, 0.8, 0.9)]
    html = markup.gallery_html(Differential.from_predictions([("a", cells)]), {}, 2)
    assert "The 2 most doubtful of 3 cells are shown" in html
    assert html.index('data-index="1"') < html.index('data-index="2"')
    assert 'data-index="0"' not in html


def test_groups():
    assert markup.group_of(CountedCell("a", 1, prediction())) == "monocyte"
    assert markup.group_of(CountedCell("a", 1, prediction(verdict="review"))) == markup.UNDECIDED
    assert markup.group_of(CountedCell("a", 1, prediction(verdict="unfamiliar"), "eosinophil")) == "eosinophil"
    assert markup.group_of(CountedCell("a", 1, prediction(), NOT_COUNTED)) == NOT_COUNTED
    assert CELLS["monocyte"].plural.capitalize() in markup.GROUP_TITLES.values()


@pytest.mark.parametrize("shape", [(40, 400), (400, 40), (64, 64), (3000, 2000)])
@pytest.mark.parametrize("box", [None, (0, 0, 30, 30), (20, 10, 39, 39), (0, 0, 40, 40)])
def test_crops_stay_inside_the_picture(shape, box):
    image = np.full((*shape, 3), 200, np.uint8)
    cut = crop(image, box, 50)
    assert cut.shape == (50, 50, 3)
    assert (cut == 200).all()
