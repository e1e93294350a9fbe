from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import DRAWN_TYPES, Stain, draw_cell, draw_photo

SEEDS = range(4)


def nucleus_density(picture: np.ndarray) -> np.ndarray:
    """Optical density of green minus that of blue, over the glass: about 1 in nuclei, 0.1 in red cells, 0 on glass."""
    glass = np.median(picture[picture[..., 1] >= np.percentile(picture[..., 1], 90)], axis=0)
    density = np.log(glass / picture.clip(12).astype(float))
    return gaussian_filter(density[..., 1] - density[..., 2], max(1.0, max(picture.shape[:2]) / 300))


def blue_minus_green(picture: np.ndarray) -> np.ndarray:
    return picture[..., 2].astype(int) - picture[..., 1]


def test_the_seed_decides_everything():
    one, cells = draw_photo(["neutrophil", "monocyte"], seed=1)
    two, same_cells = draw_photo(["neutrophil", "monocyte"], seed=1)
    other, other_cells = draw_photo(["neutrophil", "monocyte"], seed=2)
    assert one.tobytes() == two.tobytes()
    assert cells == same_cells
    assert one.tobytes() != other.tobytes()
    assert cells != other_cells
    assert draw_cell("lymphocyte", seed=1).tobytes() == draw_cell("lymphocyte", seed=1).tobytes()
    assert draw_cell("lymphocyte", seed=1).tobytes() != draw_cell("lymphocyte", seed=2).tobytes()


def test_the_global_random_state_neither_matters_nor_changes():
    np.random.seed(1)  # noqa: NPY002 - what a careless caller does
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw_cell("monocyte", seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("cell_type", DRAWN_TYPES)
@pytest.mark.parametrize(("width", "height", "red_cell_px"), [(640, 480, 96.0), (321, 243, 48.0), (40, 60, 8.0)])
def test_shapes_and_boxes(cell_type, width, height, red_cell_px):
    photo, (cell,) = draw_photo([cell_type], seed=0, width=width, height=height, red_cell_px=red_cell_px)
    assert photo.shape == (height, width, 3)
    assert photo.dtype == np.uint8
    assert cell.cell_type == cell_type
    x0, y0, x1, y1 = cell.box
    assert all(type(side) is int for side in cell.box)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


@pytest.mark.parametrize("size", [60, 240, 301])
def test_a_single_cell_stands_in_the_middle(size):
    for cell_type in DRAWN_TYPES:
        picture = draw_cell(cell_type, seed=0, size=size)
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8
        rows, columns = np.nonzero(nucleus_density(picture) > 0.5)
        assert abs(rows.mean() - size / 2) < 0.15 * size
        assert abs(columns.mean() - size / 2) < 0.15 * size


@pytest.mark.parametrize("seed", SEEDS)
def test_the_nucleus_stands_inside_the_box_and_nowhere_else(seed):
    photo, cells = draw_photo(DRAWN_TYPES, seed=seed, width=900, height=700)
    assert tuple(cell.cell_type for cell in cells) == DRAWN_TYPES
    density, difference = nucleus_density(photo), blue_minus_green(photo)
    outside = np.ones(density.shape, bool)
    for _, (x0, y0, x1, y1) in cells:
        assert np.percentile(density[y0:y1, x0:x1], 90) > 0.5
        assert np.percentile(difference[y0:y1, x0:x1], 90) > 50
        outside[y0:y1, x0:x1] = False
    assert np.percentile(density[outside], 99) < 0.3
    assert np.percentile(difference[outside], 99) < 30


@pytest.mark.parametrize("seed", SEEDS)
def test_a_smear_without_white_cells_has_red_cells_and_no_nucleus(seed):
    photo, cells = draw_photo([], seed=seed)
    assert cells == []
    density = nucleus_density(photo)
    assert np.percentile(density, 99.9) < 0.4
    redder = photo[..., 0].astype(int) - photo[..., 1] > 25
    assert 0.2 < redder.mean() < 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_do_not_overlap(seed):
    _, cells = draw_photo(["lymphocyte", "monocyte", "neutrophil"] * 2, seed=seed, width=1000, height=800)
    for (_, a), (_, b) in combinations(cells, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("seed", range(10))
def test_one_cell_of_each_type_finds_room_in_a_photo_of_the_usual_size(seed):
    _, cells = draw_photo(CELL_TYPES, seed=seed)
    assert len(cells) == 4


def test_size_follows_the_red_cells():
    _, (near,) = draw_photo(["neutrophil"], seed=3, width=640, height=480, red_cell_px=96.0)
    _, (far,) = draw_photo(["neutrophil"], seed=3, width=320, height=240, red_cell_px=48.0)
    assert side(far.box) == pytest.approx(side(near.box) / 2, abs=3)


def side(box) -> float:
    return (box[2] - box[0] + box[3] - box[1]) / 2


def cell_pixels(cell_type: str, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Colours of the cytoplasm and of the nucleus, int (n, 3), in the ellipse that fills the box; the box's side."""
    photo, (cell,) = draw_photo([cell_type], seed=seed, stain=Stain())
    x0, y0, x1, y1 = cell.box
    density = nucleus_density(photo)[y0:y1, x0:x1]
    down, across = np.mgrid[-1 : 1 : 1j * (y1 - y0), -1 : 1 : 1j * (x1 - x0)]
    inside = down**2 + across**2 < 0.8
    pixels = photo[y0:y1, x0:x1].astype(int)
    return pixels[inside & (density < 0.3)], pixels[inside & (density > 0.6)], side(cell.box)


@pytest.mark.parametrize("seed", SEEDS)
def test_types_differ_as_real_ones_do(seed):
    cytoplasm, nucleus, box_side = {}, {}, {}
    for name in CELL_TYPES:
        cytoplasm[name], nucleus[name], box_side[name] = cell_pixels(name, seed)
    redness = {name: (pixels[:, 0] - pixels[:, 1]).mean() for name, pixels in cytoplasm.items()}
    assert redness["eosinophil"] > 1.5 * redness["neutrophil"]
    assert redness["neutrophil"] > redness["monocyte"] + 10, "pink against grey-blue"
    blueness = {name: (pixels[:, 2] - pixels[:, 0]).mean() for name, pixels in cytoplasm.items()}
    assert min(blueness["monocyte"], blueness["lymphocyte"]) > 0 > blueness["eosinophil"]
    assert blueness["monocyte"] > blueness["neutrophil"]
    assert 96 < box_side["lymphocyte"] < box_side["neutrophil"] < box_side["monocyte"], "a red cell is 96 px wide"
    share = {name: len(nucleus[name]) / (len(nucleus[name]) + len(cytoplasm[name])) for name in CELL_TYPES}
    assert max(share, key=share.get) == "lymphocyte", "scant cytoplasm"
    assert nucleus["monocyte"].mean() > nucleus["lymphocyte"].mean() + 5, "finer chromatin"


def test_stains_vary_and_can_be_fixed():
    assert not np.array_equal(draw_cell("monocyte", seed=1, stain=Stain()), draw_cell("monocyte", seed=1))
    rng = np.random.default_rng(0)
    assert Stain.random(rng) != Stain.random(rng)
    assert Stain.random(np.random.default_rng(5)) == Stain.random(np.random.default_rng(5))


def test_impossible_wishes_are_refused_by_name():
    with pytest.raises(ValueError, match="unknown cell type 'platelet': valid are eosinophil, .*, basophil"):
        draw_cell("platelet", seed=0)
    with pytest.raises(ValueError, match="unknown cell type 'Monocyte'"):
        draw_photo(["neutrophil", "Monocyte"], seed=0)
    with pytest.raises(ValueError, match="does not fit"):
        draw_photo(["monocyte"], seed=0, width=100, height=100)
    with pytest.raises(ValueError, match="no room for 40"):
        draw_photo(["monocyte"] * 40, seed=0)
    with pytest.raises(ValueError, match="at least 8 px"):
        draw_photo([], seed=0, red_cell_px=4.0)
