import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.locate import nucleus_density
from leukoscope.synthetic import DRAWN_TYPES, Stain, draw_cell, draw_photo


def test_the_seed_decides_everything():
    one, cells = draw_photo(["neutrophil", "monocyte"], seed=1)
    two, same_cells = draw_photo(["neutrophil", "monocyte"], seed=1)
    other, _ = draw_photo(["neutrophil", "monocyte"], seed=2)
    np.testing.assert_array_equal(one, two)
    assert cells == same_cells
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("cell_type", DRAWN_TYPES)
def test_shapes_and_boxes(cell_type):
    photo, (cell,) = draw_photo([cell_type], seed=0, width=400, height=300, red_cell_px=50.0)
    assert photo.shape == (300, 400, 3)
    assert photo.dtype == np.uint8
    assert cell.cell_type == cell_type
    x0, y0, x1, y1 = cell.box
    assert 0 <= x0 < x1 <= 400
    assert 0 <= y0 < y1 <= 300
    assert draw_cell(cell_type, seed=0, size=120).shape == (120, 120, 3)


def test_the_nucleus_stands_inside_the_box_and_nowhere_else():
    for seed in range(4):
        photo, cells = draw_photo(list(CELL_TYPES), seed=seed, width=900, height=700)
        density = nucleus_density(photo)
        outside = np.ones(density.shape, bool)
        for _, (x0, y0, x1, y1) in cells:
            assert np.percentile(density[y0:y1, x0:x1], 90) > 0.5
            outside[y0:y1, x0:x1] = False
        assert np.percentile(density[outside], 99) < 0.3


def test_cells_do_not_overlap():
    _, cells = draw_photo(["lymphocyte"] * 6, seed=5, width=1000, height=800)
    for i, (_, a) in enumerate(cells):
        for _, b in cells[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def cytoplasm_redness(cell_type: str, seed: int) -> float:
    """Mean red minus green in the cell outside its nucleus."""
    photo, (cell,) = draw_photo([cell_type], seed=seed, stain=Stain())
    x0, y0, x1, y1 = cell.box
    inside = photo[y0:y1, x0:x1].astype(int)
    bare = nucleus_density(photo)[y0:y1, x0:x1] < 0.3
    return float((inside[..., 0] - inside[..., 1])[bare].mean())


def side(cell_type: str, seed: int) -> int:
    _, (cell,) = draw_photo([cell_type], seed=seed)
    return cell.box[2] - cell.box[0]


def test_types_differ_as_real_ones_do():
    for seed in range(4):
        assert cytoplasm_redness("eosinophil", seed) > 1.3 * cytoplasm_redness("neutrophil", seed)
        assert cytoplasm_redness("neutrophil", seed) > cytoplasm_redness("monocyte", seed)
        assert side("lymphocyte", seed) < side("neutrophil", seed) < side("monocyte", seed)
        assert side("lymphocyte", seed) > 96, "a little wider than a red cell"


def test_stains_vary_and_can_be_fixed():
    assert not np.array_equal(draw_cell("monocyte", seed=1, stain=Stain()), draw_cell("monocyte", seed=1))
    rng = np.random.default_rng(0)
    assert Stain.random(rng) != Stain.random(rng)


def test_impossible_wishes_are_refused_by_name():
    with pytest.raises(ValueError, match="unknown cell type 'platelet': valid are eosinophil"):
        draw_cell("platelet", seed=0)
    with pytest.raises(ValueError, match="does not fit"):
        draw_photo(["monocyte"], seed=0, width=100, height=100)
    with pytest.raises(ValueError, match="no room for 40"):
        draw_photo(["monocyte"] * 40, seed=0)
