"""The pictures of docs/data.md are drawn from a user's own copy."""

import cv2
import numpy as np
import pytest

from training.data.table import load_examples, only_cell_types, where
from training.studies import sheets


@pytest.fixture(scope="module")
def examples(blood_cells):
    return where(only_cell_types(load_examples(blood_cells)), lab="bccd")


def test_lines_show_what_they_are_for(examples):
    photo, split, field = (np.asarray(examples[column]) for column in ("photo", "split", "field"))
    for line in sheets.copies(examples):
        rows = [i for i, _ in line]
        assert len(rows) == 1 + sheets.COPIES
        assert len(set(photo[rows])) == 1
        assert set(split[rows]) == {"test"}
    for line in sheets.fields(examples):
        rows = [i for i, _ in line]
        assert len(set(field[rows])) == 1
        assert set(split[rows]) == {"train", "test"}
        assert len(set(photo[rows])) == len(rows)
    doubted = [i for line in sheets.doubtful(examples) for i, _ in line]
    assert {"00110", "00206", "00278"} <= set(photo[doubted])
    assert all(examples[i]["doubt"] for i in doubted)


def test_the_command_draws_four_pictures(blood_cells, pbc, tmp_path, capsys):
    assert sheets.main([str(tmp_path / "drawn"), "--data", str(blood_cells), "--pbc", str(pbc), "--labs", ""]) == 0
    said = capsys.readouterr().out
    assert f"colours.png: 8 lines, {8 * (1 + sheets.VARIANTS)} pictures" in said
    for name in ("copies", "fields", "doubtful", "colours"):
        picture = cv2.imread(str(tmp_path / "drawn" / f"{name}.png"))
        assert picture.std() > 20
        assert f"{name}.png: " in said


def test_other_data_is_told(tmp_path, capsys):
    assert sheets.main([str(tmp_path), "--data", "synthetic:20"]) == 2
    assert "not the Kaggle set" in capsys.readouterr().err
