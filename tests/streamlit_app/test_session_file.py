import json

import pytest
import session_file

from leukoscope import Prediction
from leukoscope.errors import DifferentialError


def cell(label="neutrophil", verdict="confident") -> Prediction:
    others = dict.fromkeys(("eosinophil", "lymphocyte", "monocyte", "neutrophil"), 0.02)
    return Prediction(label, others | {label: 0.94}, 0.94, (1, 2, 30, 40), verdict, cut=True, unfamiliarity=0.125)


@pytest.fixture
def written(tmp_path):
    file = tmp_path / "deep" / "count.jsonl"
    cells = [cell(), cell("monocyte", "review")]
    session_file.append(file, session_file.photo_line("=a.png", "d1", cells, [b"one", b"two"]))
    session_file.append(file, session_file.photo_line("empty.png", "d2", [], []))
    session_file.append(file, session_file.unreadable_line("b.png", "d3", "no picture"))
    session_file.append(file, session_file.decision_line("=a.png", 2, "lymphocyte"))
    return file


def test_what_is_written_is_read(written):
    session = session_file.read(written)
    assert session.differential.photos == ("=a.png", "empty.png")
    assert [c.prediction for c in session.differential.cells] == [cell(), cell("monocyte", "review")]
    assert [c.corrected for c in session.differential.cells] == [None, "lymphocyte"]
    assert session.pictures == {("=a.png", 1): b"one", ("=a.png", 2): b"two"}
    assert session.unreadable == [("b.png", "no picture")]
    assert session.digests == {"=a.png": "d1", "empty.png": "d2", "b.png": "d3"}


def test_cut_short_anywhere_it_keeps_every_whole_line(written):
    content = written.read_bytes()
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    for length in range(ends[0] + 1, len(content)):
        photos = session_file.parse(content[:length], "x").differential.photos
        assert len(photos) == sum(end <= length for end in ends[1:3]), length


def test_a_line_after_a_torn_one_is_not_lost(written):
    torn = written.read_bytes()[:-5]
    written.write_bytes(torn)
    session_file.append(written, session_file.photo_line("c.png", "d4", [cell()], [b"three"]))
    session = session_file.read(written)
    assert session.differential.photos == ("=a.png", "empty.png", "c.png")
    assert session.differential.cells[1].corrected is None, "the torn line was the decision"


@pytest.mark.parametrize(
    "content", [b"", b"photo,cell\n", b"[]\n", b'{"leukoscope": "session", "version": 9}\n', b"\x00"]
)
def test_another_file_is_refused_by_name(content):
    with pytest.raises(DifferentialError, match=r"odd\.jsonl: this is no session file"):
        session_file.parse(content, "odd.jsonl")


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [{"photo": "x"}]},
        {"rows": 5},
        {"pictures": ["%%%"]},
        {"sha256": None, "rows": None},
        {"photo": "empty.png", "rows": [], "pictures": []},
    ],
)
def test_a_damaged_line_is_named(written, change):
    lines = written.read_bytes().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change).encode()
    with pytest.raises(DifferentialError, match=r"count\.jsonl"):
        session_file.parse(b"\n".join(lines), "count.jsonl")


def test_a_decision_on_no_cell_is_named(written):
    session_file.append(written, session_file.decision_line("=a.png", 9, "lymphocyte"))
    with pytest.raises(DifferentialError, match="no cell 9"):
        session_file.read(written)
