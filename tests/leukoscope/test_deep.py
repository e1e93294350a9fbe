"""Photos that are dyed more deeply, exposed darker or noisier than most: red cells, granules and cytoplasm, too dense
for a fixed threshold then, are no nucleus."""

import cv2
import numpy as np
import pytest

from leukoscope import CELL_TYPES
from leukoscope.locate import DEEP, DENSITY_RANGE, _depth, locate, principal_cell
from leukoscope.stain import ZERO, Stain, glass_colour, times, to_density, to_level
from leukoscope.synthetic import draw_photo
from training.altered import OTHERS, dyed, held_out_cells
from training.boxes import intersection_over_union as overlap
from training.data import labels_of, pictures

WAYS = (
    "1.7 times the stain",
    "half as much again in green",
    "half as much in blue",
    "darker and richer in contrast",
    "noisy",
)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
@pytest.mark.parametrize("seed", range(3))
def test_a_deeper_stain_leaves_the_boxes_where_they_were(cell_type, seed):
    photo, _ = draw_photo([cell_type], seed=seed)
    (cell,) = locate(photo)
    (deeper,) = locate(dyed(photo, cell, (1.7, 1.7, 1.7)))
    assert overlap(cell.box, deeper.box) > 0.9
    assert deeper.nucleus_px == pytest.approx(cell.nucleus_px, rel=0.05)
    assert deeper.strength == 1.0, "of a second search"


@pytest.mark.parametrize("way", WAYS)
def test_the_cells_of_a_lab_are_framed_as_they_are_however_deeply_dyed(way, pbc):
    held_out = held_out_cells(None, pbc)
    rows = held_out.select(range(0, len(held_out), 6))
    assert set(labels_of(rows)) == {0, 1, 2, 3}
    overlaps = []
    for photo in pictures(rows):
        cell = principal_cell(photo)
        deeper = principal_cell(OTHERS[way](photo, cell))
        overlaps.append(overlap(cell.box, deeper.box) if deeper else 0.0)
    assert np.mean(np.array(overlaps) >= 0.5) >= 0.98
    assert np.mean(np.array(overlaps) >= 0.75) >= 0.8


def test_the_depth_is_what_three_quarters_of_the_cores_stay_below():
    density = np.full((40, 50), to_level(0.0), np.uint8)
    assert _depth(density) == 0.0
    density[:10] = to_level(0.45)  # above no threshold that is sure
    assert _depth(density) == 0.0
    density[10:13] = to_level(0.7)
    density[13] = to_level(1.4)
    assert _depth(density) == pytest.approx(0.7, abs=0.02)
    density[14] = to_level(1.4)
    assert _depth(density) == pytest.approx(1.4, abs=0.02)


@pytest.mark.parametrize("level", [to_level(DENSITY_RANGE[1]) + 1, 100, 254, 255])
def test_the_depth_of_one_level_is_its_own(level):
    assert _depth(np.full((20, 20), level, np.uint8)) == to_density(level)
    assert _depth(np.full((20, 20), to_level(DENSITY_RANGE[1]), np.uint8)) == 0.0


def test_densities_in_bytes_are_multiplied_about_the_glass():
    density = np.array([[0, int(ZERO), to_level(0.5), to_level(1.0), to_level(3.0)]], np.uint8)
    np.testing.assert_array_equal(times(density, 1.0), density)
    np.testing.assert_allclose(times(density, 0.5)[0, 1:], [ZERO + 32 * d for d in (0, 0.5, 1.0, 3.0)], atol=1.5)
    assert times(density, 4.0)[0, -1] == 255


def test_a_stain_is_multiplied_wherever_it_is_measured():
    photo, _ = draw_photo(["neutrophil"], seed=0)
    stain = Stain(glass_colour(photo))
    weaker = stain.times(0.5)
    assert weaker.strength == 0.5
    usual, halved = (cv2.absdiff(each.measure(photo, 0.8)[0], int(ZERO)).astype(float) for each in (stain, weaker))
    assert np.abs(halved - usual / 2).mean() < 1


def test_what_is_not_deep_is_measured_as_it_is(monkeypatch):
    photo, _ = draw_photo(["neutrophil"], seed=0)
    pale = dyed(photo, principal_cell(photo), (0.6, 0.6, 0.6))
    paler, usual = (_depth(Stain(glass_colour(each)).measure(each, 1.0)[0]) for each in (pale, photo))
    assert paler < DEEP < usual
    asked = []
    monkeypatch.setattr(Stain, "times", lambda self, factor: asked.append(factor) or self)
    locate(pale)
    assert not asked
    locate(photo)
    assert asked
