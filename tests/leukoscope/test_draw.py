import numpy as np
import pytest

from leukoscope.biology.cells import CELL_TYPES, CELLS
from leukoscope.model.prediction import Prediction
from leukoscope.showing.draw import draw_box, draw_cells, draw_heatmap

GREY = np.full((100, 200, 3), 128, np.uint8)


def test_a_box_is_drawn_on_a_copy():
    drawn = draw_box(GREY, (20, 10, 60, 50))
    assert (GREY == 128).all()
    assert drawn.shape == GREY.shape
    assert (drawn[10, 20:60] == 255).all()
    assert (drawn[30, 40] == 128).all(), "the cell itself stays in view"
    assert (drawn[80:, 100:] == 128).all()


def test_no_box_leaves_the_picture_as_it_was():
    np.testing.assert_array_equal(draw_box(GREY, None), GREY)


def test_large_pictures_shrink_with_their_box():
    drawn = draw_box(GREY, (100, 0, 200, 100), longest=100)
    assert drawn.shape == (50, 100, 3)
    assert (drawn[25, 50] == 255).all()
    assert (drawn[:, :45] == 128).all()


def test_heat_colours_only_what_is_hot():
    heat = np.zeros((100, 200), np.float32)
    heat[40:60, 40:60] = 1.0
    drawn = draw_heatmap(GREY, heat)
    assert (drawn[:40] == 128).all()
    hot = drawn[50, 50].astype(int)
    assert hot[0] > hot[2] + 50, "yellow"


def cell(label, box, verdict="confident") -> Prediction:
    return Prediction(label, {name: float(name == label) for name in CELL_TYPES}, 1.0, box, verdict)


def has_colour(drawn, code) -> bool:
    return (drawn == [int(code[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).any()


@pytest.mark.parametrize("name", CELL_TYPES)
def test_every_box_is_drawn_in_its_type_colour(name):
    picture = np.full((300, 500, 3), 128, np.uint8)
    other = next(n for n in CELL_TYPES if n != name)
    drawn = draw_cells(picture, [cell(name, (20, 60, 120, 160)), cell(other, (260, 60, 380, 160))])
    assert (picture == 128).all()
    assert has_colour(drawn[:, :200], CELLS[name].colour)
    assert not has_colour(drawn[:, 250:], CELLS[name].colour)
    assert has_colour(drawn[:, 250:], CELLS[other].colour)
    assert (drawn[90:130, 50:90] == 128).all(), "the cell itself stays in view"
    assert (drawn[30:59, 20:120] == 255).all(axis=2).any(), "its name stands above it"


def test_cells_kept_apart_are_drawn_in_white():
    picture = np.full((300, 500, 3), 128, np.uint8)
    for verdict in ("review", "unfamiliar"):
        drawn = draw_cells(picture, [cell("monocyte", (20, 60, 120, 160), verdict)])
        assert not has_colour(drawn, CELLS["monocyte"].colour)
        assert (drawn[100, 15:26] == 255).all(axis=1).any()


def test_names_stay_within_any_picture():
    for box in ((0, 0, 60, 24), (440, 270, 500, 300), (0, 0, 500, 300)):
        drawn = draw_cells(np.full((300, 500, 3), 128, np.uint8), [cell("lymphocyte", box)])
        assert drawn.shape == (300, 500, 3)
        assert (drawn == 0).all(axis=2).sum() > 200, "the black behind the name"
        assert (drawn == 255).all(axis=2).any(), "the name"
    tiny = draw_cells(np.full((24, 24, 3), 128, np.uint8), [cell("lymphocyte", (0, 0, 24, 24)), cell("monocyte", None)])
    assert tiny.shape == (24, 24, 3)
