import hashlib
import io
import threading
import zipfile

import pytest
from running_count import RunningCount, from_path

from leukoscope import Classifier
from leukoscope.counting.differential import NOT_COUNTED, Origin
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.showing.about import model_identity
from leukoscope.showing.draw import jpeg
from tests.made_tiffs import page, tiff


@pytest.fixture(scope="module")
def classifier():
    return Classifier.from_pretrained()


def photo(seed: int) -> bytes:
    return jpeg(draw_photo(["neutrophil", "lymphocyte"], seed=seed, width=400, height=300)[0], 92)


def given(*contents: bytes, name="photo {}.jpg"):
    return [(name.format(index), lambda data=data: data) for index, data in enumerate(contents, 1)]


def test_photos_are_counted_and_kept(classifier, tmp_path):
    count = RunningCount(tmp_path / "c.jsonl")
    count.add(classifier, given(photo(1), b"no picture", photo(2)))
    count.wait()
    assert count.differential.photos == ("photo 1.jpg", "photo 3.jpg")
    assert [c.prediction for c in count.differential.cells[:2]] == classifier.scan(photo(1))
    assert [name for name, _ in count.unreadable] == ["photo 2.jpg"]
    assert set(count.pictures) == {(c.photo, c.number) for c in count.differential.cells}
    assert count.progress().done == count.progress().total == 3
    assert not count.progress().running
    again = RunningCount(tmp_path / "c.jsonl")
    assert again.differential == count.differential
    assert again.unreadable == count.unreadable
    assert again.pictures == count.pictures
    assert again.restored == 2


def test_the_same_file_is_counted_once_and_the_same_name_twice(classifier, tmp_path):
    count = RunningCount(tmp_path / "c.jsonl")
    count.add(classifier, given(photo(1), photo(1)))
    count.wait()
    count.add(classifier, given(photo(2)))
    count.wait()
    again = RunningCount(tmp_path / "c.jsonl")
    again.add(classifier, given(photo(2), photo(1), name="other {}.jpg"))
    again.wait()
    assert again.differential.photos == ("photo 1.jpg", "photo 1 (2).jpg")
    assert again.copies == (("other 1.jpg", "photo 1 (2).jpg"), ("other 2.jpg", "photo 1.jpg"))
    again.add(classifier, given(photo(1)), count_copies=True)
    again.wait()
    assert len(again.differential.photos) == 2, "the same name and bytes, as of a watched folder after a restart"
    for copies in (False, True):
        again.add(classifier, [("new.jpg", lambda: photo(1))], count_copies=copies)
        again.wait()
        assert ("new.jpg" in dict(again.copies)) != copies
    assert again.differential.photos[2:] == ("new.jpg",)
    restored = RunningCount(tmp_path / "c.jsonl").differential
    assert restored == again.differential
    origin = Origin(model_identity(classifier), hashlib.sha256(photo(1)).hexdigest())
    assert restored.origins["photo 1.jpg"] == restored.origins["new.jpg"] == origin


def test_a_stack_is_counted_by_its_first_picture_and_it_is_said(classifier):
    data = tiff(*[page(draw_cell("neutrophil", seed=seed)) for seed in (1, 2, 3)])
    count = RunningCount()
    count.add(classifier, [("a.tif", lambda: data), ("b.jpg", lambda: photo(1))])
    count.wait()
    assert count.stacks == (("a.tif", 3),)
    assert count.differential.photos == ("a.tif", "b.jpg")


def test_two_files_that_fail_alike_are_both_listed_and_an_archive_says_what_is_no_photo(classifier):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("notes.txt", b"x")
        archive.writestr("._a.jpg", b"x")
    count = RunningCount()
    count.add(classifier, [(f"{name}.zip", packed.getvalue) for name in "ab"])
    count.wait()
    said = "1 file was not taken for photos: 1 .txt"
    assert count.unreadable == (("a.zip", said), ("b.zip", said))


def test_archives_are_opened(classifier):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/one.jpg", photo(3))
        archive.writestr("in/two.jpg", b"broken")
    count = RunningCount()
    count.add(classifier, given(packed.getvalue(), name="all.zip"))
    count.wait()
    assert count.differential.photos == ("one.jpg",)
    assert [name for name, _ in count.unreadable] == ["two.jpg"]


def test_cancelled_it_keeps_what_is_done_and_goes_on_later(classifier):
    count = RunningCount()
    photos = [photo(seed) for seed in range(4)]
    files = given(*photos)
    name, first = files[1]

    def cancel_in_the_middle() -> bytes:
        count.cancel()
        return first()

    files[1] = (name, cancel_in_the_middle)
    count.add(classifier, files)
    count.wait()
    assert count.differential.photos == ("photo 1.jpg",)
    assert not count.progress().running
    count.add(classifier, given(*photos))
    count.wait()
    assert len(count.differential.photos) == 4


class Waiting:
    """A classifier that answers when it is told to."""

    def __init__(self, classifier):
        self.scan_now, self.spec = classifier.scan, classifier.spec
        self.at_work, self.go_on = threading.Event(), threading.Event()

    def scan(self, image):
        self.at_work.set()
        assert self.go_on.wait(30)
        return self.scan_now(image)


def test_it_runs_until_the_photo_it_was_at_is_counted(classifier):
    # A page that is told too early that it is over does not look again, and misses the last photo.
    count, waiting = RunningCount(), Waiting(classifier)
    count.add(waiting, given(photo(1), photo(2)))
    assert waiting.at_work.wait(30)
    count.cancel()
    assert count.progress().running
    waiting.go_on.set()
    count.wait()
    assert not count.progress().running
    assert count.progress().done == len(count.differential.photos) == 1


def test_what_is_given_after_a_cancel_is_counted(classifier):
    count, waiting = RunningCount(), Waiting(classifier)
    count.add(waiting, given(photo(1), photo(2)))
    assert waiting.at_work.wait(30)
    count.cancel()
    count.add(classifier, given(photo(3), name="later {}.jpg"))
    waiting.go_on.set()
    count.wait()
    assert count.differential.photos == ("photo 1.jpg", "later 1.jpg")
    assert not count.progress().running


def test_decisions_are_kept(classifier, tmp_path):
    count = RunningCount(tmp_path / "c.jsonl")
    count.add(classifier, given(photo(6)))
    count.wait()
    before = count.differential.counted
    count.decide("photo 1.jpg", 1, NOT_COUNTED)
    assert count.differential.counted == before - 1
    assert RunningCount(tmp_path / "c.jsonl").differential == count.differential
    count.decide("photo 1.jpg", 1, None)
    assert RunningCount(tmp_path / "c.jsonl").differential.counted == before
    with pytest.raises(ValueError, match="no cell 9"):
        count.decide("photo 1.jpg", 9, "monocyte")


def test_what_cannot_be_kept_stops_the_count_and_says_so(classifier, tmp_path):
    file = tmp_path / "c.jsonl"
    count = RunningCount(file)
    count.add(classifier, given(photo(1)))
    count.wait()
    file.unlink()
    file.mkdir()  # nothing can be written there, as on a full disk
    count.add(classifier, given(photo(2), photo(3)))
    count.wait()
    assert "cannot be written" in count.problem
    assert count.differential.photos == ("photo 1.jpg",), "what is not kept does not seem done"
    with pytest.raises(OSError, match="directory"):
        count.decide("photo 1.jpg", 1, "monocyte")
    assert count.differential.corrected == 0
    file.rmdir()
    count.add(classifier, given(photo(1), photo(2)))
    count.wait()
    assert count.differential.photos == ("photo 1.jpg", "photo 2.jpg"), "once there is room it can be given again"


def test_a_file_that_is_gone_is_listed(classifier, tmp_path):
    count = RunningCount()
    count.add(classifier, [("gone.jpg", from_path(tmp_path / "gone.jpg"))])
    count.wait()
    assert count.unreadable == (("gone.jpg", "cannot be read: No such file or directory"),)
