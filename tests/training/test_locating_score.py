"""How a locator is scored, with hand-made locators and drawn photos, so that every count is known beforehand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.smear.locate import SIDE_UNIT, STRIDE, Cell, Locator
from tests.training.conftest import run_here
from training.locating import score
from training.locating.fields import marked
from training.locating.fields.pictures import Picture

GRAPH = Path(__file__).parents[2] / "leukoscope" / "pretrained" / "locator.onnx"


def answering(cells, shape) -> np.ndarray:
    """What a network says of a copy of this shape (H, W): (box in px of the copy, score) each."""
    answer = np.full((1, shape[0] // STRIDE, shape[1] // STRIDE, 5), -9.0, np.float32)
    for (x0, y0, x1, y1), sure in cells:
        row, column = int((y0 + y1) / 2 // STRIDE), int((x0 + x1) / 2 // STRIDE)
        x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        sides = np.log(np.array([x - x0, y - y0, x1 - x, y1 - y]) / SIDE_UNIT)
        answer[0, row, column] = [np.log(sure / (1 - sure)), *sides]
    return answer


def fixed(*cells, threshold: float = 0.05) -> Locator:
    """A locator whose network always says the same."""
    return Locator(lambda copies: answering(cells, copies.shape[1:3]), threshold)


class Knowing:
    """Stands in for a locator: it knows the cells of each photo, by its pixels."""

    def __init__(self) -> None:
        self.cells: dict[bytes, list] = {}

    def locate(self, photo: np.ndarray) -> list[Cell]:
        return [Cell(box, 0.9) for box in self.cells.get(photo.tobytes(), [])]


def drawn_photos(count: int = 3) -> list[score.Annotated]:
    """Drawn photos of two cells each."""
    made = [
        draw_photo(["neutrophil", "lymphocyte"], seed=i, width=240, height=180, red_cell_px=30) for i in range(count)
    ]
    return [(f"photo {i}", photo, [cell.box for cell in cells]) for i, (photo, cells) in enumerate(made)]


def moved(box, right: int) -> tuple[int, int, int, int]:
    return (box[0] + right, box[1], box[2] + right, box[3])


# --- annotated boxes -------------------------------------------------------------------------------------


def test_what_is_found_exactly_scores_one():
    photos, knows = drawn_photos(), Knowing()
    for _, photo, boxes in photos:
        knows.cells[photo.tobytes()] = boxes
    assert score.against_boxes(photos, knows) == {
        "pictures": 3,
        "annotated": 6,
        "found": 6,
        "matched": 6,
        "two_on_one": 0,
        "one_on_two": 0,
        "recall": 1.0,
        "precision": 1.0,
        "mean_overlap": 1.0,
        "misses": [],
    }


def test_a_cell_that_is_missed_one_too_many_and_one_beside_its_place_are_counted_and_drawn(tmp_path):
    photos, knows = drawn_photos(), Knowing()
    (_, first, one), (_, second, two), (_, third, three) = photos
    wide = two[0][2] - two[0][0]
    knows.cells[first.tobytes()] = one[:1]
    knows.cells[second.tobytes()] = [moved(two[0], wide // 4), two[1], (0, 0, 9, 9)]
    knows.cells[third.tobytes()] = three
    row = score.against_boxes(photos, knows, tmp_path / "drawn")
    assert (row["annotated"], row["found"], row["matched"]) == (6, 6, 5)
    assert row["recall"] == row["precision"] == 5 / 6
    assert row["mean_overlap"] == pytest.approx((4 + (wide - wide // 4) / (wide + wide // 4)) / 5)
    assert row["misses"] == ["photo 0", "photo 1"]
    shown = cv2.imread(str(tmp_path / "drawn" / "photo 1.png"))[..., ::-1]
    x0, y0, x1, _ = two[1]
    assert (shown[0, 0:9] == 0).all(), "what was found is black"
    assert (shown[y0, x0:x1] == 0).all()
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_no_photo_at_all_scores_nothing():
    row = score.against_boxes([], Knowing())
    assert row["recall"] == row["precision"] == row["mean_overlap"] == 0


def test_doubled_and_merged_cells_are_counted():
    photo = np.zeros((160, 160, 3), np.uint8)
    a, b, both = (10, 10, 60, 60), (60, 10, 110, 60), (10, 10, 110, 60)
    exact = score.against_boxes([("p", photo, [a, b])], fixed((a, 0.9), (b, 0.9)))
    assert (exact["recall"], exact["precision"], exact["two_on_one"], exact["one_on_two"]) == (1, 1, 0, 0)
    merged = score.against_boxes([("p", photo, [a, b])], fixed((both, 0.9)))
    assert (merged["two_on_one"], merged["one_on_two"]) == (0, 1)
    assert merged["recall"] < 1
    doubled = score.against_boxes([("p", photo, [both])], fixed((a, 0.9), (b, 0.9)))
    assert (doubled["two_on_one"], doubled["one_on_two"]) == (1, 0)
    assert doubled["misses"] == ["p"]


def test_the_threshold_is_the_one_at_which_labs_do_best_in_the_mean():
    photo, other = np.zeros((160, 160, 3), np.uint8), np.ones((160, 160, 3), np.uint8)
    a, b = (10, 10, 60, 60), (90, 90, 140, 140)

    def sees(first, second):
        """In the first lab's photo a cell with one score beside something else with another; in the second's a cell."""

        def run(copies):
            return answering([(a, 0.9), (b, first)] if copies[0, 0, 0, 0] == 0 else [(a, second)], copies.shape[1:3])

        return Locator(run, 0.99)

    labs = {"first": [("p", photo, [a])], "second": [("q", other, [a])]}
    threshold, scores = score.chosen_threshold(labs, sees(0.42, 0.57))
    assert threshold == 0.5, "from 0.45 on nothing is added, up to 0.55 nothing is lost"
    assert scores[0.4] == {"first": pytest.approx(2 / 3), "second": 1}
    assert scores[0.45] == scores[0.55] == {"first": 1, "second": 1}
    assert scores[0.6] == {"first": 1, "second": 0}
    assert score.chosen_threshold(labs, sees(0.42, 0.52))[0] == 0.45, "of 0.45 and 0.5 the one that loses fewer"
    threshold, _ = score.chosen_threshold(labs, sees(0.52, 0.44))
    assert threshold == 0.35, "one lab without any cell is worse than another with one too many"


def test_photos_are_scored_at_their_own_size_and_without_boxes_not_at_all(tmp_path):
    photo = draw_photo([], seed=0, width=700, height=350)[0]
    cv2.imwrite(str(tmp_path / "a.png"), photo[..., ::-1])
    small, none = np.zeros((175, 350, 3), np.uint8), np.empty((0, 4))
    given = [
        Picture(small, none, "x", "g", True, True, "test", str(tmp_path / "a.png"), name=name) for name in ("a", "b")
    ]
    ((name, shown, boxes),) = score.whole_photos(given, {"a": [(1, 2, 3, 4)]})
    assert (name, boxes) == ("a", [(1, 2, 3, 4)])
    np.testing.assert_array_equal(shown, photo)


# --- pictures of one cell, fields, patches, overlays -------------------------------------------------------------


def test_of_a_picture_of_one_cell_the_first_must_cover_the_middle(tmp_path):
    given, knows = [], Knowing()
    for i, found in enumerate(([(30, 30, 70, 70)], [(0, 0, 30, 30), (30, 30, 70, 70)], [(0, 0, 50, 50)], [])):
        photo = draw_cell("monocyte", seed=i, size=100)
        cv2.imwrite(str(tmp_path / f"{i}.png"), photo[..., ::-1])
        knows.cells[photo.tobytes()] = found
        given.append(Picture(photo, np.empty((0, 4)), "x", "g", False, False, "test", str(tmp_path / f"{i}.png")))
    assert score.in_the_middle(given, knows) == {"pictures": 4, "first": 1, "any": 2, "first_share": 0.25}


def test_fields_count_as_found_if_anything_is_found_in_them(tmp_path, monkeypatch):
    rows, knows = [], Knowing()
    for i, lab in enumerate(("lisc", "lisc", "ward")):
        photo = draw_cell("monocyte", seed=i, size=100)
        cv2.imwrite(str(tmp_path / f"{i}.png"), photo[..., ::-1])
        rows.append({"lab": lab, "file": str(tmp_path / f"{i}.png")})
        knows.cells[photo.tobytes()] = [(1, 1, 40, 40), (50, 50, 90, 90)] if i else []
    monkeypatch.setattr(score, "lab_rows", lambda folder: rows)
    row = score.fields(tmp_path, knows, tmp_path / "sheet")
    assert row == {"pictures": 2, "found": 1, "cells": 2, "found_share": 0.5}
    assert sorted(file.name for file in (tmp_path / "sheet" / "lisc").iterdir()) == ["0.png", "1.png"]


def test_cells_that_are_found_among_red_cells_alone_are_counted_each_time(tmp_path, monkeypatch):
    from training.studies.altered import OTHERS

    bare = [draw_photo([], seed=i, width=200, height=200)[0] for i in range(2)]
    monkeypatch.setattr(score, "patches", lambda root: iter(bare))
    knows = Knowing()
    knows.cells[bare[1].tobytes()] = [(1, 1, 40, 40)]
    row = score.red_cells_alone(tmp_path, knows)
    assert (row["patches"], row["as_they_are"], row["altered"]) == (2, 1, 2 * len(OTHERS))
    assert row["altered_share"] == row["altered_with_cell"] / row["altered"] < 0.2


@pytest.mark.parametrize("name", marked.OVERLAYS)
def test_an_overlay_is_drawn_on_a_copy(name):
    photo = draw_photo(["neutrophil"], seed=0)[0]
    before = photo.copy()
    shown = marked.OVERLAYS[name](photo, [(200, 150, 320, 270)])
    np.testing.assert_array_equal(photo, before)
    assert shown.shape[1:] == photo.shape[1:]
    assert shown.dtype == np.uint8
    assert len(shown) > len(photo) or (shown != photo).any()


def test_cells_that_are_lost_and_added_under_an_overlay_are_counted():
    photo = np.full((480, 640, 3), 230, np.uint8)
    photo[200:300, 300:400] = (80, 40, 140)

    def run(copies):
        cell, second, other = (70, 45, 105, 80), (110, 75, 150, 115), (10, 10, 40, 40)
        black, yellow = copies[0, :, :, :].max(axis=2).min() < 30, (copies[0, :, :, 2] < 60).any()
        cells = (
            [] if black else [(cell, 0.9), (second, 0.9)]
        )  # blind as soon as anything is black, and taken in by yellow
        return answering([*cells, (other, 0.8)] if yellow and not black else cells, copies.shape[1:3])

    rows = marked.overlaid([photo, photo], Locator(run, 0.5))
    assert rows["black strip"] == {"cells": 4, "lost": 4, "added": 0}
    assert rows["yellow boxes with labels"] == {"cells": 4, "lost": 0, "added": 2}
    assert rows["thin blue boxes"] == {"cells": 4, "lost": 0, "added": 0}
    assert set(rows) == set(marked.OVERLAYS)


# --- the table and the command ---------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_score():
    text = score.table(
        {
            "boxes, x": {"recall": 0.5, "found": 3, "misses": ["a", "b"]},
            "one cell, y": {"first": 2},
            "overlays": {"logo": {"cells": 2, "lost": 1, "added": 0}},
        }
    )
    assert text.splitlines() == [
        "boxes, x: recall 0.5000, found 3",
        "  with a miss: a, b",
        "one cell, y: first 2",
        "overlays: logo: cells 2, lost 1, added 0",
    ]


def test_what_is_said_of_red_cells_is_compared_with_those_that_were_measured():
    photo, cut = np.zeros((100, 100, 3), np.uint8), (0, 0, 50, 20)
    measured = [(10, 10, 30, 30), (40, 10, 60, 30), cut]  # 20 px

    class Telling:
        """Finds a cell 40 px wide, so many red cells wide."""

        def __init__(self, *wide):
            self.wide = iter(wide)

        def locate(self, photo):
            wide = next(self.wide)
            return [Cell((10, 10, 50, 50), 0.9, wide, 0.1)] if wide != 0 else []

    pictures = [("", photo, measured)] * 5 + [("", photo, [cut])]
    row = score.against_red_cells(pictures, Telling(2.0, 1.6, 2.5, 0, None, 2.0))
    assert row["pictures"] == 3, "of one nothing is found, of one nothing said, of one too few were measured"
    assert row["of_measured"] == pytest.approx(1.0)
    assert row["off_90"] == pytest.approx(0.24)
    assert score.against_red_cells(pictures[:1], Telling(None)) == {"pictures": 0}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Folders that are named, and what lies in them: a photo and a cell to train on, and as many held out."""
    made = []
    for lab in ("bccd", "ward"):
        for split in ("train", "test"):
            photo = draw_cell("lymphocyte", seed=len(made), size=160)
            file = tmp_path / f"{lab}-{split}.png"
            cv2.imwrite(str(file), photo[..., ::-1])
            box = np.array([[45.0, 45, 115, 115]])
            name = file.stem if lab == "bccd" else ""
            made.append(Picture(photo, box, lab, "g", lab == "bccd", lab == "bccd", split, str(file), name=name))
    for variable in ("BLOOD_CELLS_DIR", "PBC_DIR", "LABS_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(score, "all_pictures", lambda *folders: made)
    monkeypatch.setattr(
        score, "annotations", lambda root, names=(): {f"bccd-{s}": [(45, 45, 115, 115)] for s in ("train", "test")}
    )
    monkeypatch.setattr(score, "annotated_boxes", lambda folder, names=(): {})
    monkeypatch.setattr(score, "contradicted", lambda root, boxes: set())
    monkeypatch.setattr(score, "lab_rows", lambda folder: [])
    monkeypatch.setattr(score, "patches", lambda root: iter(()))
    return made


def test_what_was_held_out_is_scored_and_kept(data, tmp_path):
    done = run_here("training.locating.score", GRAPH, "--threshold", "0.4", "--json", tmp_path / "s.json")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "s.json").read_text())
    assert list(results) == [
        "boxes, bccd",
        "red cells, bccd",
        "one cell, ward",
        "boxes, bccd, where labels.csv agrees",
        "fields, lisc",
        "patches of red cells",
        "overlays",
    ]
    assert results["boxes, bccd"]["pictures"] == results["one cell, ward"]["pictures"] == 1
    assert done.stdout == score.table(results) + "\n"


def test_a_lab_that_was_left_out_is_scored_whole(data):
    done = run_here("training.locating.score", GRAPH, "--threshold", "0.4", "--lab", "ward")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("one cell, ward: pictures 2, ")
    assert len(done.stdout.splitlines()) == 1


def test_no_threshold_is_chosen_on_the_lab_that_is_scored(data):
    done = run_here("training.locating.score", GRAPH, "--lab", "ward")
    assert done.returncode == 0, done.stderr
    chosen, result = done.stdout.splitlines()[:-1], done.stdout.splitlines()[-1]
    assert len(chosen) == len(score.THRESHOLDS)
    assert all(": F1 bccd " in line for line in chosen)
    assert sum(line.endswith("<- chosen") for line in chosen) == 1
    assert result.startswith("one cell, ward: pictures 2, ")
    done = run_here("training.locating.score", GRAPH, "--lab", "bccd")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no other lab has annotated boxes held out" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lab", "lisc"], "the data has no lab 'lisc' with cells whose places are known, but bccd, ward"),
        (["--threshold", "0"], "--threshold must be above 0 and below 1, not 0"),
        (["--threshold", "40"], "--threshold must be above 0 and below 1, not 40"),
    ],
)
def test_words_that_cannot_be_are_refused(data, words, said):
    done = run_here("training.locating.score", GRAPH, "--threshold", "0.4", *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {said}\n")


def test_a_graph_that_is_none_is_refused_in_one_line(data, tmp_path):
    done = run_here("training.locating.score", tmp_path / "gone.onnx", "--threshold", "0.4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: there is no {tmp_path / 'gone.onnx'}: python -m training.locating.export")
    (tmp_path / "text.onnx").write_text("no graph")
    for file in (tmp_path / "text.onnx", GRAPH.with_name("model.onnx")):
        done = run_here("training.locating.score", file, "--threshold", "0.4")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {file} ")
        assert done.stderr.count("\n") == 1
