import numpy as np

from leukoscope.draw import draw_box, draw_heatmap

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
