"""Tiles cover a slide without a gap, and a cell on a seam is one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukoscope.errors import SlideError
from leukoscope.model.prediction import Prediction
from leukoscope.pictures.slide import Level
from leukoscope.slides import Box, Found, Plan, plan
from leukoscope.slides.tiles import EITHER, SIDE, once_each


class Fake:
    """What of a slide a plan asks for."""

    def __init__(self, width: int, height: int, steps: tuple[float, ...] = (1.0,)) -> None:
        self.levels = tuple(Level(int(width / step), int(height / step), step) for step in steps)
        self.bounds = Box(0, 0, width, height)


def cell(tile: int, score: float, box: tuple[int, int, int, int]) -> Found:
    return Found(tile, score, Prediction("neutrophil", {}, 1.0, box, "confident"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40_000), st.integers(1, 30_000), st.sampled_from([0.08, 0.1, 0.17, 0.25, 0.5]))
def test_cores_cover_the_area_once_and_windows_hold_them_with_a_margin(width, height, microns):
    how = plan(Fake(width, height), microns)
    area = sum(how.core(tile).width * how.core(tile).height for tile in range(how.count))
    assert area == width * height
    for tile in range(how.count):
        core, window = how.core(tile), how.window(tile)
        assert core.width > 0
        assert core.height > 0
        for axis, length in ((0, width), (1, height)):
            begin, end = core[axis], core[axis] + core[axis + 2]
            assert window[axis] == max(0, begin - how.margin) or (begin == 0 and window[axis] == 0)
            assert window[axis] + window[axis + 2] == min(length, end + how.margin) or end == length
        assert max(window.width, window.height) <= SIDE + 2 * how.margin


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_every_place_is_of_one_tile(seed):
    how = plan(Fake(11_000, 7_000), 0.1)
    x, y = np.random.default_rng(seed).uniform((0, 0), (11_000, 7_000))
    assert sum(how.holds(tile, (x - 9, y - 9, x + 9, y + 9)) for tile in range(how.count)) == 1


@pytest.mark.parametrize(
    ("microns", "steps", "level"),
    [
        (0.1, (1, 4, 16), 0),
        (0.1, (1, 2, 4), 1),
        (0.125, (1, 2.002, 4.01), 1),  # sides that do not divide
        (0.06, (1, 4, 16), 1),
        (0.25, (1, 4), 0),
        (0.5, (1, 4), 0),
    ],
)
def test_the_coarsest_level_is_taken_that_shows_what_the_network_sees(microns, steps, level):
    how = plan(Fake(20_000, 20_000, steps), microns)
    assert how.level == level
    assert how.microns == pytest.approx(microns * steps[level])


@pytest.mark.parametrize(
    ("microns", "steps", "sought"),
    [
        (0.1, (1, 4, 16), 1),
        (0.1, (1, 2, 4), 2),
        (0.1016, (1, 4, 16), 1),
        (0.23, (1, 2, 4), 0),  # on 0.46 µm some would be lost
        (0.25, (1, 4, 16), 0),
        (0.17, (1, 2.003, 4.01), 1),
        (0.5, (1, 4), 0),
        (0.1, (1,), 0),
    ],
)
def test_cells_are_looked_for_on_the_coarsest_level_that_shows_them(microns, steps, sought):
    how = plan(Fake(20_000, 20_000, steps), microns)
    assert how.sought == sought
    assert how.coarser == pytest.approx(steps[sought] / steps[how.level])


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 20_000), st.integers(3, 20_000), st.floats(1.0, 5.0))
def test_a_tile_is_looked_at_where_its_window_lies_whatever_the_levels_steps(width, height, coarser):
    how = Plan(0, 1.0, 0.1, Box(0, 0, width, height), 128, "", 1, coarser)
    for tile in range(how.count):
        window, box = how.window(tile), how.sought_in(tile)
        assert min(box[2:]) >= 1
        for axis in (0, 1):
            assert abs(box[axis] * coarser - window[axis]) <= coarser / 2
            end = window[axis] + window[axis + 2]
            assert abs((box[axis] + box[axis + 2]) * coarser - end) <= coarser


def test_a_region_is_cut_to_the_slide_and_one_beside_it_is_refused():
    slide = Fake(10_000, 8_000, (1, 2))
    how = plan(slide, 0.1, Box(9_000, 100, 5_000, 300))
    assert how.area == Box(4_500, 50, 500, 150)
    assert how.at_level_0((4_500, 50, 4_510, 60)) == (9_000, 100, 9_020, 120)
    with pytest.raises(SlideError, match="region 10000,0,5,5 lies outside the slide, which is 10,000 x 8,000 px"):
        plan(slide, 0.1, Box(10_000, 0, 5, 5))


def test_two_tiles_views_of_one_cell_are_one_and_two_cells_that_touch_are_two():
    how = plan(Fake(9_000, 3_000), 0.1)
    seam = how.core(1).x
    assert how.core(0).width == seam
    left, right = cell(0, 0.8, (seam - 60, 500, seam + 60, 620)), cell(1, 0.9, (seam - 63, 503, seam + 58, 622))
    assert once_each(how, [left, right]) == [right]
    assert once_each(how, [right, left]) == [right]
    neighbour = cell(1, 0.7, (seam + 50, 500, seam + 170, 620))
    assert once_each(how, [left, right, neighbour]) == [neighbour, right]  # from top to bottom
    assert once_each(how, [left]) == [left]


def test_near_a_seam_both_tiles_keep_a_cell_and_at_the_edge_none_is_lost():
    how = plan(Fake(9_000, 3_000), 0.1)
    seam = how.core(1).x
    near = (seam - 70, 500, seam + 50, 620)
    assert how.holds(0, near)
    assert not how.holds(1, near)
    assert how.holds(1, near, EITHER)
    assert how.holds(0, (-4, -4, 3, 3), EITHER) is False  # its middle lies outside
    assert how.holds(0, (0, 0, 30, 30), -EITHER)


def test_a_plan_says_where_its_tiles_lie():
    how = Plan(0, 1.0, 0.1, Box(100, 200, 7_000, 3_000), 128, "", 0, 1.0)
    assert (how.columns, how.rows) == (3, 1)
    assert how.core(0) == Box(100, 200, SIDE + 128, 3_000)
    assert how.window(1) == Box(100 + SIDE, 200, SIDE + 256, 3_000)
