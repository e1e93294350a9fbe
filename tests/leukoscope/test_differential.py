import csv
import io
import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict

import pytest
from scipy.special import betainc
from scipy.stats import binomtest

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting import differential as module
from leukoscope.counting.counted import from_row, to_row
from leukoscope.counting.differential import (
    CSV_COLUMNS,
    LINES_IN_A_NAME,
    NOT_COUNTED,
    CountedCell,
    Differential,
    Origin,
    append_csv,
    clopper_pearson,
    resume_csv,
)
from leukoscope.counting.limits import _beta_area
from leukoscope.errors import DifferentialError
from leukoscope.model.prediction import Prediction


def cell(label="neutrophil", verdict="confident", confidence=0.97, **more) -> Prediction:
    rest = (1 - confidence) / 3
    probabilities = {name: confidence if name == label else rest for name in CELL_TYPES}
    return Prediction(label, probabilities, confidence, (3, 4, 50, 60), verdict, **more)


def many(**counts: int) -> Differential:
    return Differential.from_predictions(
        (f"{name}.png", [cell(name) for _ in range(count)]) for name, count in counts.items()
    )


# --- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1, 2, 3, 7, 20, 100, 200, 1234, 50_000, 1_000_000])
def test_limits_are_those_of_scipy(total):
    counts = range(total + 1) if total <= 200 else {0, 1, 2, total // 33, total // 3, total // 2, total - 1, total}
    for count in counts:
        for level in (0.9, 0.95, 0.99):
            exact = binomtest(count, total).proportion_ci(level, "exact")
            assert clopper_pearson(count, total, level) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 9), (9, 1), (3, 98), (98, 3), (2500, 1500)])
def test_areas_are_those_of_scipy_on_both_sides_of_the_middle(a, b):
    middle = a / (a + b)
    for x in (middle / 2, middle, 0.01, 0.5, 0.99, (1 + middle) / 2):
        assert _beta_area(x, a, b) == pytest.approx(betainc(a, b, x), rel=1e-9, abs=1e-300)


PUBLISHED = """
 0  0- 4  0- 2    7  2-14  3-12   25 16-35 19-32
 1  0- 6  0- 4    8  3-16  4-13   30 21-40 23-37
 2  0- 8  0- 6    9  4-17  5-14   35 25-46 28-43
 3  0- 9  1- 7   10  4-18  6-16   40 30-51 33-48
 4  1-10  1- 8   15  8-24 10-21   45 35-56 37-53
 5  1-12  2-10   20 12-30 14-27   50 39-61 42-58
 6  2-13  3-11
"""
"""Rümke 1979, 95 % limits: the share in %, its limits in a differential of 100 cells, in one of 200 cells."""


def test_limits_are_those_of_the_published_table():
    words = PUBLISHED.replace("- ", "-").split()
    table = list(zip(*[iter(words)] * 3, strict=True))
    assert len(table) == 19
    for percent, *published in table:
        for total, limits in zip((100, 200), published, strict=True):
            low, high = clopper_pearson(int(percent) * total // 100, total)
            assert f"{math.floor(100 * low)}-{math.ceil(100 * high)}" == limits, (percent, total)


def test_three_of_a_hundred():
    low, high = clopper_pearson(3, 100)
    assert (round(100 * low, 1), round(100 * high, 1)) == (0.6, 8.5)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="must be 0 to 5, not 6"):
        clopper_pearson(6, 5)
    with pytest.raises(ValueError, match="level"):
        clopper_pearson(1, 5, 95)


def test_limits_need_no_scipy():
    script = "import sys; sys.modules['scipy'] = None; from leukoscope import Differential; Differential().rows()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- counting --------------------------------------------------------------------------------------------


def test_only_cells_whose_label_stands_are_counted():
    counted = Differential.from_predictions(
        [
            ("a.png", [cell(), cell("monocyte", "review", 0.5), cell("eosinophil", "unfamiliar")]),
            ("b.png", []),
            ("c.png", [Prediction(None, dict.fromkeys(CELL_TYPES, 0.25), 0.0, None, "no_cell")]),
        ]
    )
    assert counted.counts == {"eosinophil": 0, "lymphocyte": 0, "monocyte": 0, "neutrophil": 1}
    assert (counted.counted, counted.in_review, counted.unfamiliar) == (1, 1, 1)
    assert counted.photos == ("a.png", "b.png", "c.png")
    assert len(counted.cells) == 3
    assert "2 cells undecided and not counted: 1 to review and 1 unfamiliar" in " ".join(counted.sentences())


def test_a_person_decides():
    before = Differential.from_predictions([("a.png", [cell(), cell("monocyte", "review", 0.5)])])
    after = before.reclassify("a.png", 2, "lymphocyte")
    assert before.counts["lymphocyte"] == 0, "the count before stays what it was"
    assert (after.counts["lymphocyte"], after.counted, after.in_review, after.corrected) == (1, 2, 0, 1)
    assert after.cells[1].prediction.label == "monocyte", "what the model said is kept"
    away = after.reclassify("a.png", 1, NOT_COUNTED)
    assert (away.counts["neutrophil"], away.counted, away.not_counted) == (0, 1, 1)
    assert "A person decided on 2 cells, 1 of them as none of the four." in away.sentences()
    assert away.reclassify("a.png", 1, None).reclassify("a.png", 2, None) == before
    valid = "eosinophil, lymphocyte, monocyte, neutrophil, none of the four, None"
    with pytest.raises(ValueError, match=f"^unknown cell type 'blast': valid are {valid}$"):
        before.reclassify("a.png", 1, "blast")
    for photo, number in (("a.png", 9), ("b.png", 1)):
        with pytest.raises(ValueError, match=f"^no cell {number} in a photo '{photo}'$"):
            before.reclassify(photo, number, "monocyte")
    with pytest.raises(ValueError, match=r"^'a.png' was counted before: each photo needs a name of its own$"):
        before.add("a.png", [])


def test_nothing_changes_a_count():
    counted = many(neutrophil=2)
    with pytest.raises(FrozenInstanceError):
        counted.cells = ()
    with pytest.raises(FrozenInstanceError):
        counted.cells[0].corrected = "monocyte"
    assert isinstance(counted.cells, tuple)
    assert isinstance(counted.photos, tuple)
    more = counted.add("b.png", [cell()]).extend([("c.png", [cell()]), ("d.png", [])])
    assert (counted.counted, more.counted, len(more.photos)) == (2, 4, 4)


def test_flags_are_raised_only_where_both_limits_agree():
    flags = {row.cell_type: row.flag for row in many(eosinophil=40, lymphocyte=20, monocyte=1, neutrophil=139).rows()}
    assert flags == {"eosinophil": "above", "lymphocyte": "below", "monocyte": "open", "neutrophil": "above"}
    assert {row.flag for row in Differential().rows()} == {"open"}
    enough = many(eosinophil=250, lymphocyte=3000, monocyte=500, neutrophil=5000)
    assert {row.cell_type: row.flag for row in enough.rows()}["neutrophil"] == "within"
    assert sum(row.percent for row in enough.rows()) == pytest.approx(100)


def test_the_error_of_counting_is_said_in_words():
    words = " ".join(many(eosinophil=3, lymphocyte=30, monocyte=7, neutrophil=60).sentences())
    assert "Counted 100 cells in 4 photos." in words
    assert "With n = 100 the 95 % confidence interval for 3 cells (3 %) is 0.6-8.5 %." in words
    assert "at n = 100 that for 3 % is 0.6-8.5 %" in " ".join(many(neutrophil=40).sentences())
    assert "counting alone" in words


# --- files -----------------------------------------------------------------------------------------------

NAMES = [
    "plain.png",
    " spaced.png",
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-2.png",
    "@sum.png",
    "'quoted'.png",
    "'=both.png",
    "\r.png",
    "\uff1dwide.png",
    'a "name", with commas.png',
    "two\nlines\r\n.png",
    "\tтест 细胞 🩸.png",
]


def test_a_csv_comes_back_as_it_was(tmp_path):
    counted = Differential.from_predictions(
        [(name, [cell(cut=True, unfamiliarity=0.125), cell("monocyte", "review", 1 / 3)]) for name in NAMES]
    ).add("empty.png", [])
    counted = counted.reclassify(NAMES[1], 2, "lymphocyte").reclassify(NAMES[2], 1, NOT_COUNTED)
    counted.write_csv(tmp_path / "out.csv")
    assert Differential.read_csv(tmp_path / "out.csv") == counted
    assert [f.name for f in tmp_path.iterdir()] == ["out.csv"]


def test_no_cell_of_the_csv_is_a_formula():
    text = many(neutrophil=1).to_csv() + Differential.from_predictions((n, [cell()]) for n in NAMES).to_csv()
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(value[:1] in ("=", "+", "-", "@", "\t", "\r", "\uff1d") for value in row), row


def test_appended_photos_read_like_written_ones(tmp_path):
    path = tmp_path / "out.csv"
    counted = Differential()
    for name in [*NAMES, "empty.png"]:
        predictions = [] if name == "empty.png" else [cell(), cell("eosinophil")]
        append_csv(path, name, predictions)
        counted = counted.add(name, predictions)
    assert Differential.read_csv(path) == counted
    assert sorted(path.read_bytes().split(b"\r\n")) == sorted(counted.csv_bytes().split(b"\r\n"))
    assert resume_csv(path) == counted


def test_a_file_cut_at_any_byte_loses_no_more_than_its_last_photo(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    path = tmp_path / "out.csv"
    names = ("a.png", "b\r\n.png", "细胞.png", "empty.png", "e.png")
    sizes = []
    for name in names:
        append_csv(path, name, [] if name == "empty.png" else [cell(), cell("monocyte"), cell()])
        sizes.append(path.stat().st_size)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        done = resume_csv(path).photos
        # A last line that lacks nothing but its end is whole.
        assert done == names[: sum(whole - 2 <= size for whole in sizes)], size
        for name in names[len(done) :]:
            append_csv(path, name, [] if name == "empty.png" else [cell(), cell("monocyte"), cell()])
        again = Differential.read_csv(path)
        assert again.photos == names
        assert [c.number for c in again.cells] == [1, 2, 3] * 4


def test_appending_alone_mends_a_torn_line_too(tmp_path):
    path = tmp_path / "out.csv"
    append_csv(path, "a.png", [cell()])
    append_csv(path, "b.png", [cell(), cell()])
    path.write_bytes(path.read_bytes()[:-30])
    append_csv(path, "c.png", [cell()])
    assert Differential.read_csv(path).photos == ("a.png", "c.png")
    path.write_text("something else")
    with pytest.raises(DifferentialError):
        append_csv(path, "d.png", [cell()])
    assert path.read_text() == "something else"


def test_what_was_whole_is_left_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    counted = Differential.from_predictions([("a.png", [cell()]), ("b.png", [cell(), cell()])])
    counted.reclassify("b.png", 2, "monocyte").write_csv(path)
    before = path.stat()
    assert resume_csv(path) == counted.reclassify("b.png", 2, "monocyte")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert resume_csv(tmp_path / "none.csv") == Differential()


@pytest.mark.parametrize("name", ["a.png", "a, b.png"])
def test_a_wrong_last_line_is_no_torn_one(tmp_path, name):
    path = tmp_path / "out.csv"
    counted = Differential.from_predictions([(name, [cell(), cell()])]).reclassify(name, 2, "monocyte")
    text = counted.to_csv().replace("monocyte,,\r\n", "mono,,\r\n")
    path.write_bytes(text.encode())
    with pytest.raises(DifferentialError, match="line 3: corrected: 'mono' must be one of"):
        resume_csv(path)
    assert path.read_bytes() == text.encode()


def test_what_a_spreadsheet_saved_is_read(tmp_path):
    counted = Differential.from_predictions([("a.png", [cell(), cell("monocyte", "review", 0.5)]), ("b.png", [])])
    text = "\ufeff" + counted.to_csv().replace("\r\n", "\n").rstrip("\n")
    (tmp_path / "out.csv").write_bytes(text.encode())
    assert Differential.read_csv(tmp_path / "out.csv") == counted
    assert resume_csv(tmp_path / "out.csv") == counted
    assert Differential.from_csv(text.replace("\n", "\r")) == counted, "as some save it"
    append_csv(tmp_path / "out.csv", "c.png", [cell()])
    assert Differential.read_csv(tmp_path / "out.csv") == counted.add("c.png", [cell()])


ORIGIN = Origin("default 0123456789abcdef", "0f" * 32)


def test_where_cells_come_from_is_written_and_read(tmp_path):
    path = tmp_path / "out.csv"
    append_csv(path, "a.png", [cell(), cell("monocyte")], ORIGIN)
    append_csv(path, "none.png", [], Origin("=another", "ab" * 32))
    append_csv(path, "unknown.png", [cell()])
    counted = Differential.read_csv(path)
    assert counted.origins == {"a.png": ORIGIN, "none.png": Origin("=another", "ab" * 32)}
    assert Differential.from_csv(counted.to_csv()) == counted
    assert path.read_bytes().startswith(b"\xef\xbb\xbfphoto,cell"), "Excel takes it for UTF-8"
    assert path.read_bytes().count(b"\xef\xbb\xbf") == 1
    counted.write_csv(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes().startswith(b"\xef\xbb\xbfphoto,cell")
    assert ",'=another," in counted.to_csv(), "no formula"


def test_a_file_cut_within_the_last_photos_hash_is_torn(tmp_path):
    path = tmp_path / "out.csv"
    append_csv(path, "a.png", [cell()], ORIGIN)
    whole = path.read_bytes()
    append_csv(path, "b.png", [cell()], Origin(ORIGIN.model, "ab" * 32))
    content = path.read_bytes()
    for size in range(len(whole), len(content) - 2):
        path.write_bytes(content[:size])
        assert resume_csv(path).photos == ("a.png",), size
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": ""}, "model: '' must be the name of one beside a sha256"),
        ({"sha256": ""}, "sha256: '' must be 64 hex digits"),
        ({"sha256": "0f" * 31}, f"sha256: '{'0f' * 31}' must be 64 hex digits"),
        ({"sha256": "ab" * 32}, "sha256: 'a.png' has another in a line before"),
    ],
)
def test_half_an_origin_is_named(change, said):
    counted = Differential().add("a.png", [cell(), cell()], ORIGIN)
    header, first, second, _ = counted.to_csv().split("\r\n")
    row = dict(zip(CSV_COLUMNS, next(csv.reader([second])), strict=True)) | change
    with pytest.raises(DifferentialError) as caught:
        Differential.from_csv("\r\n".join([header, first, ",".join(row.values())]))
    assert str(caught.value) == f"the file: line 3: {said}"


def older(counted: Differential) -> str:
    """The CSV of a count as it was before photos were told by their bytes."""
    return "\r\n".join(line.removesuffix(",model,sha256").removesuffix(",,") for line in counted.to_csv().splitlines())


def test_an_older_file_is_read_and_written_anew_when_it_grows(tmp_path):
    counted = Differential.from_predictions([("a.png", [cell(), cell("monocyte")]), ("b.png", [])])
    text = older(counted) + "\r\n"
    assert text.splitlines()[0].endswith(",cut,corrected")
    assert Differential.from_csv(text) == counted
    path = tmp_path / "out.csv"
    path.write_bytes(text.encode())
    append_csv(path, "c.png", [cell()], ORIGIN)
    assert Differential.read_csv(path) == counted.add("c.png", [cell()], ORIGIN)
    path.write_bytes(text.encode())
    assert resume_csv(path) == counted
    assert path.read_bytes() == counted.csv_bytes()


SAVED = Differential().extend(
    [("a, b;c.png", [cell(), cell("monocyte", "review", 0.5, cut=True)]), ("细胞.png", []), ("=c.png", [cell()])],
    {"a, b;c.png": ORIGIN},
)


def as_excel_saves(counted: Differential, delimiter: str) -> str:
    """Decimal commas, another delimiter, capitals that somebody typed, rows of nothing at the end."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    for row in csv.reader(io.StringIO(counted.to_csv(), newline="")):
        name, *values, model, sha256 = row
        writer.writerow([name, *(value.replace(".", ",") for value in values), model, sha256])
    writer.writerows([[""] * 18, [""] * 18])
    return "\ufeff" + text.getvalue().replace(f"{delimiter}monocyte{delimiter}", f"{delimiter}Monocyte {delimiter}")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_excel_saves_elsewhere_is_read_and_goes_on(tmp_path, delimiter):
    text = as_excel_saves(SAVED, delimiter)
    assert "0,97" in text
    assert "Monocyte " in text
    assert Differential.from_csv(text) == SAVED
    path = tmp_path / "out.csv"
    path.write_bytes(text.encode())
    append_csv(path, "d.png", [cell()])
    assert Differential.read_csv(path) == SAVED.add("d.png", [cell()])


@pytest.mark.parametrize("index", [False, True])
def test_what_pandas_saves_is_read(tmp_path, index):
    import pandas

    SAVED.write_csv(tmp_path / "out.csv")
    table = pandas.read_csv(tmp_path / "out.csv")
    table.to_csv(tmp_path / "again.csv", index=index)
    text = (tmp_path / "again.csv").read_text()
    assert ",3.0,4.0,50.0,60.0," in text
    assert Differential.from_csv(text) == SAVED
    assert resume_csv(tmp_path / "again.csv") == SAVED
    if index:  # otherwise rows can be added to it as it is
        assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda rows: rows[0].__setitem__(0, "foto"),
            "line 1: column 1 must be 'photo', not 'foto'; valid are photo, cell",
        ),
        (lambda rows: rows[2].__setitem__(1, "two"), "line 3: cell: 'two' must be a number from 1"),
        (lambda rows: rows[2].__setitem__(1, "1"), "line 3: cell: 1 is there twice"),
        (lambda rows: rows[1].__setitem__(6, "blast"), "line 2: label: 'blast' must be one of eosinophil"),
        (lambda rows: rows[1].__setitem__(7, "1.5"), "line 2: p_eosinophil: '1.5' must be 0-1"),
        (lambda rows: rows[1].__setitem__(7, "nan"), "line 2: p_eosinophil: 'nan' must be 0-1"),
        (lambda rows: rows[1].__setitem__(12, "sure"), "line 2: verdict: 'sure' must be one of confident"),
        (lambda rows: rows[1].__setitem__(15, "blast"), "line 2: corrected: 'blast' must be one of"),
        (lambda rows: rows[0].append("more"), "line 1: column 19 'more' is one too many"),
        (lambda rows: rows[1].__setitem__(2, "-1"), "line 2: x0: '-1' must be a whole number of px"),
        (lambda rows: rows[1].__setitem__(4, "3"), "line 2: x1: '3' must be more than x0, 3"),
        (lambda rows: rows[1].__setitem__(14, "yes"), "line 2: cut: 'yes' must be one of 0, 1"),
        (lambda rows: rows[1].pop(), "line 2: it has not 18 columns"),
        (lambda rows: rows[1].append("x"), "line 2: it has not 18 columns"),
    ],
)
def test_a_wrong_file_is_named_by_line_and_column(tmp_path, change, words):
    assert len(CSV_COLUMNS) == 18
    rows = list(csv.reader(io.StringIO(many(neutrophil=2).to_csv(), newline="")))
    change(rows)
    with open(tmp_path / "bad.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(DifferentialError, match=words):
        Differential.read_csv(tmp_path / "bad.csv")


def test_a_column_is_named_with_all_that_are_valid():
    valid = "; valid are photo, cell, x0, y0, x1, y1, label, p_eosinophil, p_lymphocyte, p_monocyte, p_neutrophil, "
    valid += "confidence, verdict, unfamiliarity, cut, corrected, model, sha256"
    for header, said in {
        "photo,cell,x0,z0": "column 4 must be 'y0', not 'z0'",
        "photo,cell": "column 3 must be 'x0', not ''",
        "x" * 99: f"column 1 must be 'photo', not '{'x' * 80}'",
        ",".join([*CSV_COLUMNS, "y" * 99]): f"column 19 '{'y' * 80}' is one too many",
        "": "column 1 must be 'photo', not ''",
    }.items():
        with pytest.raises(DifferentialError) as caught:
            Differential.from_csv(header)
        assert str(caught.value) == f"the file: line 1: {said}{valid}"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,1,,,,,label", "it has not 18 columns"),
        ('"a"b.png', "',' expected after '\"'"),
        ('"a.png', "unexpected end of data"),
        ("{row}\r\n{row}", "cell: 1 is there twice"),
        ("{x},0.5,confident,0,0,,,", "label: '' must be one of eosinophil, lymphocyte, monocyte, neutrophil"),
        ("{cut}mono,,", "corrected: 'mono' must be one of {types}, none of the four, empty"),
        ("{cut}" + "m" * 99 + ",,", "corrected: '" + "m" * 80 + "' must be one of {types}, none of the four, empty"),
    ],
)
def test_a_row_is_named_with_what_is_wrong(row, said):
    header, good = many(neutrophil=1).to_csv().splitlines()
    types = ", ".join(CELL_TYPES)
    row = row.format(row=good, cut=good.removesuffix(",,"), x="a.png,1,3,4,50,60,,0,0,0,1")
    line = 2 + row.count("\n")
    for source in ((), ("out.csv",)):
        with pytest.raises(DifferentialError) as caught:
            Differential.from_csv(f"{header}\r\n{row}", *source)
        assert str(caught.value) == f"{(*source, 'the file')[0]}: line {line}: {said.format(types=types)}"


@pytest.mark.parametrize(
    ("column", "value", "valid"),
    [
        ("cell", "0", "a number from 1"),
        ("cell", "1.5", "a number from 1"),
        *((edge, "-1", "a whole number of px") for edge in ("x0", "y0", "x1", "y1")),
        ("x0", "", "a whole number of px"),
        ("y1", "", "a whole number of px"),
        ("x1", "3", "more than x0, 3"),
        ("y1", "4", "more than y0, 4"),
        ("p_monocyte", "-0.01", "0-1"),
        ("p_lymphocyte", "1.01", "0-1"),
        ("confidence", "sure", "0-1"),
        ("unfamiliarity", "1.01", "0-1"),
        ("cut", "2", "one of 0, 1"),
        ("verdict", "", "one of confident, review, unfamiliar, no_cell"),
        ("corrected", "blast", f"one of {', '.join(CELL_TYPES)}, none of the four, empty"),
    ],
)
def test_a_value_is_named_with_what_is_valid(column, value, valid):
    row = to_row(CountedCell("a.png", 1, cell()))
    assert from_row({name: str(text) for name, text in row.items()}, "here") == CountedCell("a.png", 1, cell())
    with pytest.raises(DifferentialError) as caught:
        from_row({name: str(text) for name, text in row.items()} | {column: value}, "here")
    assert str(caught.value) == f"here: {column}: {value!r} must be {valid}"


def test_a_row_lacks_no_column_and_has_none_beside():
    for change in ({None: ["more"]}, {"corrected": None}):
        with pytest.raises(DifferentialError) as caught:
            from_row({name: str(text) for name, text in to_row(CountedCell("a", 1, cell())).items()} | change, "here")
        assert str(caught.value) == "here: it has not 18 columns"


def test_the_least_and_the_most_that_a_row_may_hold():
    row = {name: str(text) for name, text in to_row(CountedCell("a.png", 1, cell(confidence=0.0))).items()}
    read = from_row(row | {"x0": "0", "y0": "0", "x1": "1", "y1": "1", "p_monocyte": "0", "p_eosinophil": "1"}, "here")
    assert read.prediction.box == (0, 0, 1, 1)
    assert (read.prediction.probabilities["monocyte"], read.prediction.probabilities["eosinophil"]) == (0, 1)
    assert from_row(row | dict.fromkeys(("x0", "y0", "x1", "y1"), ""), "here").prediction.box is None
    assert from_row(row | {"verdict": "no_cell", "cell": "", "label": ""}, "here") is None


def test_every_column_of_a_row():
    row = to_row(CountedCell("=a.png", 7, cell("monocyte", "review", 0.5, cut=True, unfamiliarity=0.25), "neutrophil"))
    sixth = repr((1 - 0.5) / 3)
    assert row == dict(
        zip(
            CSV_COLUMNS,
            [
                "'=a.png",
                7,
                3,
                4,
                50,
                60,
                "monocyte",
                sixth,
                sixth,
                "0.5",
                sixth,
                "0.5",
                "review",
                "0.25",
                1,
                "neutrophil",
                "",
                "",
            ],
            strict=True,
        )
    )
    assert to_row(CountedCell("a=b'.png", 1, cell()))["photo"] == "a=b'.png", (
        "only what begins like a formula is marked"
    )
    boxless = Prediction("monocyte", dict.fromkeys(CELL_TYPES, 0.25), 0.25, None, "confident")
    assert [to_row(CountedCell("a", 1, boxless))[edge] for edge in ("x0", "y0", "x1", "y1")] == [""] * 4
    assert to_row(CountedCell("a", 1, boxless))["corrected"] == ""
    assert (
        Differential.from_csv(Differential.from_predictions([("a", [boxless])]).to_csv()).cells[0].prediction == boxless
    )
    header, empty = Differential(("=b.png",)).to_csv().split("\r\n", 1)
    assert header == ",".join(CSV_COLUMNS)
    assert empty == "'=b.png,,,,,,,,,,,,no_cell,,,,,\r\n"


def test_cells_are_put_in_order_and_photos_are_not():
    text = Differential.from_predictions([("b", [cell(), cell("monocyte")]), ("a", [cell()])]).to_csv()
    header, first, second, third, _ = text.split("\r\n")
    read = Differential.from_csv("\r\n".join([header, second, third, first]))
    assert [(c.photo, c.number, c.prediction.label) for c in read.cells] == [
        ("b", 1, "neutrophil"),
        ("b", 2, "monocyte"),
        ("a", 1, "neutrophil"),
    ]
    assert read.photos == ("b", "a")


def test_what_is_added_is_seen_onto_the_disk(tmp_path, monkeypatch):
    path, synced = tmp_path / "out.csv", []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append((handle, path.read_bytes())))
    append_csv(path, "a.png", [cell(), cell()])
    assert len(synced) == 1
    handle, content = synced[0]
    assert isinstance(handle, int)
    assert content == path.read_bytes()
    assert [line.split(b",")[1] for line in content.splitlines()] == [b"cell", b"2", b"1"], "the last cell goes first"


def test_a_whole_file_is_not_read_again_for_each_photo(tmp_path, monkeypatch):
    path, read = tmp_path / "out.csv", []
    monkeypatch.setattr(module, "resume_csv", read.append)
    path.touch()
    for name in ("a.png", "b.png"):
        append_csv(path, name, [cell()])
    assert read == []
    for torn in (path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(torn)
        append_csv(path, "c.png", [cell()])
    assert read == [path, path]


def test_a_name_of_many_lines_is_mended_and_one_of_more_is_not(tmp_path):
    path = tmp_path / "out.csv"
    append_csv(path, "a.png", [cell()])
    whole = path.read_bytes()
    for lines, mended in ((LINES_IN_A_NAME, True), (LINES_IN_A_NAME + 1, False)):
        path.write_bytes(torn := whole + b'"' + b"x\n" * lines + b"end")
        if mended:
            assert resume_csv(path).photos == ("a.png",)
            assert path.read_bytes() == whole
        else:
            with pytest.raises(DifferentialError, match="line 14: unexpected end of data"):
                resume_csv(path)
            assert path.read_bytes() == torn


def test_a_file_stopped_in_its_first_line_begins_anew(tmp_path):
    path = tmp_path / "out.csv"
    header = f"{','.join(CSV_COLUMNS)}\r\n".encode()
    for size in range(len(header) + 1):
        path.write_bytes(header[:size])
        assert resume_csv(path) == Differential()
        assert path.read_bytes() == b""
    path.write_bytes(header.replace(b"\r\n", b"\n"))
    assert resume_csv(path) == Differential()


def test_a_photo_whose_first_cell_is_missing_is_done_again_and_no_other(tmp_path):
    path = tmp_path / "out.csv"
    counted = Differential.from_predictions([("a", [cell(), cell()]), ("b", [cell(), cell()]), ("c", [])])
    lines = counted.to_csv().splitlines(keepends=True)
    path.write_bytes("".join([*lines[:3], lines[4]]).encode())
    assert resume_csv(path) == Differential.from_predictions([("a", [cell(), cell()])])
    assert path.read_bytes() == b"\xef\xbb\xbf" + "".join(lines[:3]).encode()
    path.write_bytes("".join([lines[0], *lines[2:]]).encode())
    assert resume_csv(path).photos == ("a", "b", "c"), "a photo that is not the last was never being written"
    path.write_bytes("".join(lines[:3]).encode()[:-2])
    assert resume_csv(str(path)).photos == ("a",)
    assert path.read_bytes() == b"\xef\xbb\xbf" + "".join(lines[:3]).encode(), "the end of its last line is put back"


def test_what_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "none.csv"
    for file, said in ((path, "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(DifferentialError) as caught:
            Differential.read_csv(file)
        assert str(caught.value) == f"{file} cannot be read: {said}"
    for content in (b"photo\xff", "photo 细".encode()[:-1]):
        path.write_bytes(content)
        with pytest.raises(DifferentialError) as caught:
            Differential.read_csv(str(path))
        assert str(caught.value).startswith(f"{path} cannot be read: 'utf-8' codec can't decode byte")
    path.write_bytes(many(neutrophil=1).to_csv().encode() + b"\xff\xfe")
    with pytest.raises(DifferentialError, match="cannot be read: 'utf-8' codec"):
        resume_csv(path)
    path.write_text(many(neutrophil=1).to_csv().replace("confident", "sure"))
    with pytest.raises(DifferentialError) as caught:
        Differential.read_csv(path)
    assert str(caught.value).startswith(f"{path}: line 2: verdict: 'sure' must be one of")
    with pytest.raises(DifferentialError) as caught:
        resume_csv(path)
    assert str(caught.value).startswith(f"{path}: line 2: verdict: 'sure' must be one of")


def test_what_is_no_csv_is_said(tmp_path):
    for content in (b"\xff\xfe\x00", b"", b"hello", b'"' * 999, b"\x00" * 50):
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(DifferentialError):
            Differential.read_csv(tmp_path / "bad.csv")
    with pytest.raises(DifferentialError, match="cannot be read"):
        Differential.read_csv(tmp_path / "none.csv")


def test_json_holds_the_table_and_every_cell():
    predictions = [cell(), cell("monocyte", "review", 0.5), cell("monocyte", "review"), cell(verdict="unfamiliar")]
    counted = Differential.from_predictions([("a.png", [*predictions, cell()]), ("b.png", [])])
    counted = counted.reclassify("a.png", 2, "monocyte").reclassify("a.png", 5, NOT_COUNTED)
    text = counted.to_json()
    values = json.loads(text)
    cells = values.pop("cells")
    assert values == {
        "counted": 2,
        "in_review": 1,
        "unfamiliar": 1,
        "not_counted": 1,
        "corrected_by_a_person": 2,
        "shares": [asdict(row) | {"reference": list(row.reference)} for row in counted.rows()],
        "notes": counted.sentences(),
        "photos": ["a.png", "b.png"],
    }
    assert [row["count"] for row in values["shares"]] == [0, 0, 1, 1]
    assert cells[1] == {
        "photo": "a.png",
        "cell": 2,
        **{name: value for name, value in asdict(predictions[1]).items() if name not in ("attributes", "wide")},
        "box": [3, 4, 50, 60],
        "corrected": "monocyte",
        "type": "monocyte",
    }
    assert [c["type"] for c in cells] == ["neutrophil", "monocyte", None, None, None]
    assert text.startswith('{\n "counted": 2,\n "in_review": 1,\n'), "a line for each value, a space ahead"
    assert Differential.from_predictions([("细胞.png", [])]).to_json().isascii(), "any terminal can print it"
