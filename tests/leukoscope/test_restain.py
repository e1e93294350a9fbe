import numpy as np
import pytest

from leukoscope.locate import principal_cell
from leukoscope.preprocess import Framing, frame
from leukoscope.restain import NUCLEUS, RED_CELL, restain
from leukoscope.stain import glass_colour
from leukoscope.synthetic import Stain, draw_photo

FRAMING = Framing("cell", 64, 2.2, glass=235.0, stain=True)
PLAIN = Framing("cell", 64, 2.2, glass=235.0)

# The dyes of another lab: the densities of red, green and blue that its nuclei and red cells have of ours.
OTHER_LAB = np.array([[1.5, 0.2, 0.0], [0.1, 1.4, 0.1], [0.0, 0.3, 1.3]])


def photo(kind: str, seed: int) -> np.ndarray:
    return draw_photo([kind], seed=seed, stain=Stain())[0]


def elsewhere(image: np.ndarray) -> np.ndarray:
    """The same smear, dyed by another lab and under another lamp."""
    glass = glass_colour(image)
    density = np.log(glass / np.maximum(image, 12.0))
    return np.clip(np.array([250, 215, 190]) * np.exp(-density @ OTHER_LAB.T) + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["eosinophil", "lymphocyte", "monocyte", "neutrophil"])
def test_two_labs_look_alike(kind):
    for seed in range(3):
        image = photo(kind, seed)
        other = elsewhere(image)
        cell = principal_cell(image)

        def apart(framing, image=image, other=other, cell=cell):
            one, two = (frame(picture, framing, cell).astype(int) for picture in (image, other))
            return np.abs(one - two).mean()

        assert apart(FRAMING) < 0.35 * apart(PLAIN)


def test_the_nucleus_gets_its_fixed_colour_and_glass_its_level():
    image = photo("lymphocyte", 1)
    crop = frame(image, FRAMING, principal_cell(image))
    density = np.log(235 / np.maximum(crop, 1.0))
    nucleus = density[density[..., 1] - density[..., 2] > 0.6].mean(axis=0)
    np.testing.assert_allclose(nucleus, NUCLEUS, atol=0.15)
    assert np.abs(np.median(crop[(crop > 215).all(axis=2)], axis=0) - 235).max() < 6


def test_a_margin_changes_nothing_within():
    image = photo("monocyte", 2)
    cell = principal_cell(image)
    wide = frame(image, FRAMING, cell, margin=16)
    assert np.abs(wide[16:80, 16:80].astype(int) - frame(image, FRAMING, cell)).mean() < 3
    crop = np.random.default_rng(0).integers(12, 256, (96, 96, 3), np.uint8)
    inner = restain(np.ascontiguousarray(crop[16:80, 16:80]), np.full(3, 240.0), 235.0)
    np.testing.assert_array_equal(restain(crop, np.full(3, 240.0), 235.0, margin=16)[16:80, 16:80], inner)


def test_black_becomes_glass_and_what_has_no_nucleus_keeps_its_hue():
    glass = np.array([220.0, 210.0, 190.0])
    crop = np.full((64, 64, 3), (200, 150, 160), np.uint8)
    crop[:20] = 0
    plain = restain(crop, glass, 235.0)
    assert (plain[:21] == 235).all(), "with a rim, which is darker than what it is of"
    np.testing.assert_allclose(plain[40, 40], np.array([200, 150, 160]) * 235 / glass, atol=1)


def test_a_colour_that_cannot_be_told_from_red_cells_changes_strength_alone():
    glass = np.full(3, 235.0)
    dye = np.array([0.3, 0.9, 0.35])
    crop = np.empty((64, 64, 3), np.uint8)
    crop[:] = np.round(235 * np.exp(-dye / 3))  # all around: the same dye, thinner
    crop[20:44, 20:44] = np.round(235 * np.exp(-dye))
    density = np.log(235 / restain(crop, glass, 235.0)[32, 32].astype(float))
    np.testing.assert_allclose(density, dye * NUCLEUS[1] / dye[1], atol=0.03)


def test_deep_red_cells_get_their_fixed_colour_too():
    """Their green and blue densities differ by more than those of red cells in most photos do."""
    crop = np.full((64, 64, 3), 235, np.uint8)
    crop[22:42, 22:42] = np.round(235 * np.exp([-1.4, -2.2, -0.6]))
    crop[:, :6] = crop[:, -6:] = np.round(235 * np.exp([-0.4, -0.75, -0.47]))
    density = np.log(235 / restain(crop, np.full(3, 235.0), 235.0).astype(float))
    np.testing.assert_allclose(density[32, 32], NUCLEUS, atol=0.03)
    np.testing.assert_allclose(density[32, 2], RED_CELL, atol=0.03)


def test_stain_needs_a_cell_and_a_glass():
    for wrong in ({"kind": "photo", "size": 64, "glass": 235.0}, {"kind": "cell", "size": 64, "field": 2.0}):
        with pytest.raises(ValueError, match="stain needs kind 'cell' and a glass above 0"):
            Framing(**wrong, stain=True)
