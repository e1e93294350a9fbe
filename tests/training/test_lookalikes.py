import cv2
import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.locate import principal_cell
from leukoscope.patches import enclosed_pixels
from leukoscope.preprocess import Framing, frame
from leukoscope.stain import optical_density
from leukoscope.synthetic import draw_photo
from training import lookalikes as module
from training.data import NONE
from training.lookalikes import basophil, erythroblast, immature, lacking, lookalikes, photographed

FRAMING = Framing("cell", 64, 2.2, 235.0)
MARGIN = 16


def framed(cell_type: str, seed: int) -> np.ndarray:
    photo, _ = draw_photo([cell_type], seed=seed)
    return frame(photo, FRAMING, principal_cell(photo), MARGIN)


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(16) % len(CELL_TYPES)
    return np.stack([framed(CELL_TYPES[label], seed) for seed, label in enumerate(labels)]), labels


def test_as_many_as_asked_for_and_the_same_each_time(crops):
    painted = lookalikes(*crops, FRAMING, 30, seed=1)
    assert painted.shape == (30, 96, 96, 3)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted, lookalikes(*crops, FRAMING, 30, seed=1))
    assert (painted != lookalikes(*crops, FRAMING, 30, seed=2)).any()
    assert lookalikes(*crops, FRAMING, 0, seed=1).shape == (0, 96, 96, 3)


def test_what_is_none_of_the_four_is_not_painted_over(crops):
    pictures, labels = crops
    others = np.full_like(pictures, 128)
    both = np.concatenate([others, pictures]), np.concatenate([np.full(len(others), len(CELL_TYPES)), labels])
    assert len(lookalikes(*both, FRAMING, 12, seed=0)) == 12  # a grey picture would have given none


def test_without_all_of_the_types_nothing_is_painted(crops):
    pictures, labels = crops
    assert len(lookalikes(pictures, np.where(labels == 1, NONE, labels), FRAMING, 9, seed=0)) == 0


def test_where_no_nucleus_stands_out_nothing_is_painted():
    assert len(lookalikes(np.full((4, 96, 96, 3), 200, np.uint8), np.arange(4), FRAMING, 9, seed=0)) == 0


def test_a_nucleus_that_lies_far_from_the_middle_is_another_cells(crops):
    moved = np.full_like(crops[0][0], 235)
    moved[:40, :40] = crops[0][0][28:68, 28:68]
    assert photographed(crops[0][0], FRAMING)
    assert photographed(moved, FRAMING) is None


def test_where_the_photo_ends_it_ends_for_what_is_painted_too(crops):
    pictures, labels = crops
    cut = pictures.copy()
    cut[:, :, :36] = 0
    painted = lookalikes(cut, labels, FRAMING, 12, seed=0)
    assert len(painted) == 12
    assert not painted[:, :, :36].any()
    assert painted[:, :, 36:].any(axis=3).all()


def dark(densities: np.ndarray, dye: np.ndarray) -> np.ndarray:
    """1 where it is nucleus or as dark."""
    return (densities[..., 1] - densities[..., 2] > 0.6 * (dye[1] - dye[2])).astype(np.uint8)


def around(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))) - mask


@pytest.mark.parametrize("seed", range(6))
def test_a_basophil_has_dark_granules_around_its_nucleus(crops, seed):
    cell = photographed(crops[0][seed], FRAMING)
    painted = basophil(cell, np.random.default_rng(seed))
    nucleus = (cell.nucleus[..., 0] > 0.5).astype(np.uint8)
    rim = around(nucleus) > 0
    assert dark(painted, cell.dye)[rim].sum() > dark(cell.densities, cell.dye)[rim].sum()
    outside = cv2.dilate(nucleus, np.ones((31, 31), np.uint8)) == 0
    np.testing.assert_array_equal(painted[outside], cell.densities[outside])


@pytest.mark.parametrize("seed", range(8))
def test_an_erythroblast_has_a_round_nucleus_in_a_body_like_a_red_cell(crops, seed):
    cell = photographed(crops[0][seed], FRAMING)
    painted = erythroblast(cell, np.random.default_rng(seed))
    blobs, _ = cv2.findContours(dark(painted, cell.dye), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    nucleus = max(blobs, key=cv2.contourArea)
    assert cv2.contourArea(nucleus) > 0.85 * cv2.contourArea(cv2.convexHull(nucleus))
    _, sides, _ = cv2.minAreaRect(nucleus)
    assert max(sides) < 1.35 * min(sides)
    assert 0.75 * cell.width < np.sqrt(4 / np.pi * enclosed_pixels(nucleus)) < 1.1 * cell.width
    inside = np.zeros(painted.shape[:2], np.uint8)
    cv2.drawContours(inside, [nucleus], 0, 1, -1)
    near = cv2.dilate(inside, np.ones((5, 5), np.uint8)) - cv2.dilate(inside, np.ones((3, 3), np.uint8))
    body = np.median(painted[near > 0], axis=0)
    assert 0.7 * cell.red_cell[1] < body[1] < 1.5 * cell.red_cell[1] + 0.4 * cell.dye[1]
    assert body[1] - body[2] < 0.45 * (cell.dye[1] - cell.dye[2])


@pytest.mark.parametrize("seed", range(8))
def test_an_immature_granulocyte_has_no_lobes(seed):
    cell = photographed(framed("neutrophil", seed), FRAMING)
    painted = immature(cell, np.random.default_rng(seed))

    def solidity(densities):
        mask = (densities[..., 1] > 0.5 * np.percentile(densities[..., 1], 97)).astype(np.uint8)
        mask &= (cell.nucleus[..., 0] > 0.3).astype(np.uint8)
        hull = cv2.convexHull(cv2.findNonZero(mask))
        return cv2.countNonZero(mask) / enclosed_pixels(hull)

    assert solidity(painted) > 0.85
    assert solidity(painted) > solidity(cell.densities) - 0.02


def test_the_three_kinds_take_turns_and_immature_ones_are_made_of_neutrophils(crops, monkeypatch):
    painted_over = []

    def recorder(kind):
        def paint(cell, rng):
            painted_over.append((kind, cell.densities.tobytes()))
            return cell.densities

        return paint

    kinds = ["basophil", "erythroblast", "immature"]
    for kind in kinds:
        monkeypatch.setattr(module, kind, recorder(kind))
    pictures, labels = crops
    lookalikes(pictures, labels, FRAMING, 12, seed=0)
    assert [kind for kind, _ in painted_over] == 4 * kinds
    neutrophils = pictures[labels == CELL_TYPES.index("neutrophil")]
    densities = {optical_density(p, np.full(3, FRAMING.glass)).tobytes() for p in neutrophils}
    assert all(cell in densities for kind, cell in painted_over if kind == "immature")
    assert not all(cell in densities for _, cell in painted_over)


def test_only_labs_with_hardly_a_photo_of_other_kinds_are_painted_over():
    labs = np.repeat(["rich", "poor", "bare"], [20, 100, 5])
    targets = np.zeros(125, int)
    targets[:2] = NONE  # a tenth of the rich lab's
    targets[20:23] = NONE  # three in a hundred of the poor one's
    np.testing.assert_array_equal(lacking(labs, targets), labs != "rich")
