import pytest

from training.data.boxes import annotations, contradicted, intersection_over_union, match
from training.data.sources import DataError


def test_overlap_of_known_boxes():
    assert intersection_over_union((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert intersection_over_union((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert intersection_over_union((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0


def test_each_box_is_matched_once():
    wanted = [(0, 0, 10, 10), (100, 0, 110, 10)]
    assert match(wanted, [(0, 0, 10, 10), (1, 0, 11, 10)]) == [1.0]
    assert len(match(wanted, [(1, 0, 11, 10), (101, 0, 111, 10)])) == 2
    assert match(wanted, [(50, 0, 60, 10)]) == []
    assert match([], [(0, 0, 1, 1)]) == []


def test_photos_are_left_out_for_their_labels_alone(blood_cells):
    """By the number of cells in labels.csv, whatever was found in them."""
    boxes_ = annotations(blood_cells)
    left_out = contradicted(blood_cells, boxes_)
    assert len(left_out) == 9
    assert {"BloodImage_00133", "BloodImage_00242"} < left_out, "a named cell without a box; two named, one box"
    assert "BloodImage_00117" not in left_out, "labels.csv names nothing there"


def test_a_folder_without_annotations_is_named(tmp_path):
    with pytest.raises(DataError, match="no annotated photos"):
        annotations(tmp_path)
