import csv
import io
import json

import pytest
from scipy.stats import binomtest

from leukoscope.cells import CELL_TYPES
from leukoscope.classifier import Prediction
from leukoscope.differential import (
    CSV_COLUMNS,
    NOT_COUNTED,
    Differential,
    append_csv,
    clopper_pearson,
    resume_csv,
)
from leukoscope.errors import DifferentialError


def cell(label="neutrophil", verdict="confident", confidence=0.97, **more) -> Prediction:
    rest = (1 - confidence) / 3
    probabilities = {name: confidence if name == label else rest for name in CELL_TYPES}
    return Prediction(label, probabilities, confidence, (3, 4, 50, 60), verdict, **more)


def many(**counts: int) -> Differential:
    return Differential.from_predictions(
        (f"{name}.png", [cell(name) for _ in range(count)]) for name, count in counts.items()
    )


# --- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [1, 7, 100, 200, 1234, 50_000])
def test_limits_are_those_of_scipy(total):
    for count in sorted({0, 1, total // 33, total // 3, total // 2, total - 1, total}):
        for level in (0.9, 0.95, 0.99):
            exact = binomtest(count, total).proportion_ci(level, "exact")
            assert clopper_pearson(count, total, level) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Rümke's table of 95 % limits for differentials, in whole percent
        (0, 100, 0, 4), (1, 100, 0, 6), (3, 100, 0, 9), (5, 100, 1, 12), (10, 100, 4, 18), (50, 100, 39, 61),
        (0, 200, 0, 2), (2, 200, 0, 4), (6, 200, 1, 7), (20, 200, 6, 16), (100, 200, 42, 58),
    ],
)  # fmt: skip
def test_limits_are_those_of_the_published_table(count, total, low, high):
    given = clopper_pearson(count, total)
    # The table rounds outwards in places: within one percent either way.
    assert 100 * given[0] == pytest.approx(low, abs=1.0)
    assert 100 * given[1] == pytest.approx(high, abs=1.0)


def test_three_of_a_hundred():
    low, high = clopper_pearson(3, 100)
    assert (round(100 * low, 1), round(100 * high, 1)) == (0.6, 8.5)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="must be 0 to 5, not 6"):
        clopper_pearson(6, 5)
    with pytest.raises(ValueError, match="level"):
        clopper_pearson(1, 5, 95)


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
    assert "2 cells kept apart and not counted: 1 to review and 1 unfamiliar" in " ".join(counted.sentences())


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
    with pytest.raises(ValueError, match="unknown cell type 'blast': valid are eosinophil"):
        before.reclassify("a.png", 1, "blast")
    with pytest.raises(ValueError, match="no cell 9"):
        before.reclassify("a.png", 9, "monocyte")
    with pytest.raises(ValueError, match="counted before"):
        before.add(("a.png", []))


def test_flags_are_raised_only_where_both_limits_agree():
    flags = {row.cell_type: row.flag for row in many(eosinophil=40, lymphocyte=20, monocyte=1, neutrophil=139).rows()}
    assert flags == {"eosinophil": "above", "lymphocyte": "below", "monocyte": "undecided", "neutrophil": "above"}
    assert {row.flag for row in Differential().rows()} == {"undecided"}
    enough = many(eosinophil=250, lymphocyte=3000, monocyte=500, neutrophil=5000)
    assert {row.cell_type: row.flag for row in enough.rows()}["neutrophil"] == "within"
    assert sum(row.percent for row in enough.rows()) == pytest.approx(100)


def test_the_error_of_counting_is_said_in_words():
    words = " ".join(many(eosinophil=3, lymphocyte=30, monocyte=7, neutrophil=60).sentences())
    assert "Counted 100 cells in 4 photos." in words
    assert "With n = 100 the 95 % limits for 3 cells (3 %) are 0.6-8.5 %." in words
    assert "at n = 100 the limits for 3 % are 0.6-8.5 %" in " ".join(many(neutrophil=40).sentences())
    assert "counting alone" in words


# --- files -----------------------------------------------------------------------------------------------

NAMES = [
    "plain.png",
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-2.png",
    "@sum.png",
    "'quoted'.png",
    'a "name", with commas.png',
    "two\nlines\r\n.png",
    "\tтест 细胞 🩸.png",
]


def test_a_csv_comes_back_as_it_was(tmp_path):
    counted = Differential.from_predictions(
        [(name, [cell(cut=True, unfamiliarity=0.125), cell("monocyte", "review", 1 / 3)]) for name in NAMES]
    ).add(("empty.png", []))
    counted = counted.reclassify(NAMES[1], 2, "lymphocyte").reclassify(NAMES[2], 1, NOT_COUNTED)
    counted.write_csv(tmp_path / "out.csv")
    assert Differential.read_csv(tmp_path / "out.csv") == counted
    assert [f.name for f in tmp_path.iterdir()] == ["out.csv"]


def test_no_cell_of_the_csv_is_a_formula():
    text = many(neutrophil=1).to_csv() + Differential.from_predictions((n, [cell()]) for n in NAMES).to_csv()
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(value[:1] in ("=", "+", "-", "@", "\t", "\r") for value in row), row


def test_appended_photos_read_like_written_ones(tmp_path):
    path = tmp_path / "out.csv"
    counted = Differential()
    for name in [*NAMES, "empty.png"]:
        predictions = [] if name == "empty.png" else [cell(), cell("eosinophil")]
        append_csv(path, name, predictions)
        counted = counted.add((name, predictions))
    assert Differential.read_csv(path) == counted
    assert path.read_bytes().decode() == counted.to_csv()


@pytest.mark.parametrize("missing", [1, 20, 90, 120])
def test_a_file_that_was_cut_off_goes_on_before_its_last_photo(tmp_path, missing):
    path = tmp_path / "out.csv"
    for name in ("a.png", "b.png", "c.png"):
        append_csv(path, name, [cell(), cell()])
    content = path.read_bytes()
    path.write_bytes(content[:-missing])
    resumed = resume_csv(path)
    assert resumed.photos == ("a.png", "b.png")
    assert Differential.read_csv(path) == resumed
    append_csv(path, "c.png", [cell(), cell()])
    assert path.read_bytes() == content


def test_resuming_at_every_byte_loses_no_more_than_one_photo(tmp_path):
    path = tmp_path / "out.csv"
    for name in ("a.png", "b\r\n.png", "c.png"):
        append_csv(path, name, [cell()])
    content = path.read_bytes()
    whole = [len(Differential.from_predictions([("a.png", [cell()])]).to_csv())]
    for size in range(len(content)):
        path.write_bytes(content[:size])
        done = resume_csv(path).photos
        assert done == ("a.png", "b\r\n.png", "c.png")[: len(done)]
        assert len(done) <= 2
        if size > whole[0] + 150:
            assert done, f"{size} bytes hold a whole photo and more"


def test_a_decided_last_photo_is_not_done_again(tmp_path):
    path = tmp_path / "out.csv"
    counted = Differential.from_predictions([("a.png", [cell()]), ("b.png", [cell()])]).reclassify(
        "b.png", 1, "monocyte"
    )
    counted.write_csv(path)
    assert resume_csv(path) == counted
    assert resume_csv(tmp_path / "none.csv") == Differential()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[0].__setitem__(0, "foto"), "line 1: the columns must be photo, cell"),
        (lambda rows: rows[2].__setitem__(1, "two"), "line 3: cell: 'two' must be a number from 1"),
        (lambda rows: rows[2].__setitem__(1, "1"), "line 3: cell: 1 is there twice"),
        (lambda rows: rows[1].__setitem__(6, "blast"), "line 2: label: 'blast' must be one of eosinophil"),
        (lambda rows: rows[1].__setitem__(7, "1.5"), "line 2: p_eosinophil: '1.5' must be 0-1"),
        (lambda rows: rows[1].__setitem__(7, "nan"), "line 2: p_eosinophil: 'nan' must be 0-1"),
        (lambda rows: rows[1].__setitem__(12, "sure"), "line 2: verdict: 'sure' must be one of confident"),
        (lambda rows: rows[1].__setitem__(15, "blast"), "line 2: corrected: 'blast' must be one of"),
        (lambda rows: rows[1].pop(), "line 2: it has not 16 columns"),
        (lambda rows: rows[1].append("x"), "line 2: it has not 16 columns"),
    ],
)
def test_a_wrong_file_is_named_by_line_and_column(tmp_path, change, words):
    assert len(CSV_COLUMNS) == 16
    rows = list(csv.reader(io.StringIO(many(neutrophil=2).to_csv(), newline="")))
    change(rows)
    with open(tmp_path / "bad.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(DifferentialError, match=words):
        Differential.read_csv(tmp_path / "bad.csv")


def test_what_is_no_csv_is_said(tmp_path):
    for content in (b"\xff\xfe\x00", b"", b"hello", b'"' * 999, b"\x00" * 50):
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(DifferentialError):
            Differential.read_csv(tmp_path / "bad.csv")
    with pytest.raises(DifferentialError, match="cannot be read"):
        Differential.read_csv(tmp_path / "none.csv")


def test_json_holds_the_table_and_every_cell():
    counted = Differential.from_predictions([("a.png", [cell(), cell("monocyte", "review", 0.5)]), ("b.png", [])])
    values = json.loads(counted.reclassify("a.png", 2, "monocyte").to_json())
    assert values["counted"] == 2
    assert [row["count"] for row in values["shares"]] == [0, 0, 1, 1]
    assert values["photos"] == ["a.png", "b.png"]
    assert values["cells"][1]["corrected"] == "monocyte"
    assert values["cells"][0]["probabilities"]["neutrophil"] == 0.97
