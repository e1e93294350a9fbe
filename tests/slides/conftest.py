"""A drawn slide that the tests of this folder share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks import made_slides
from benchmarks.made_slides import Block
from tests.conftest import once

SIDE = 1024  # px of a block
LAYOUT = np.array([[0, 1, 2, 0, 1, 2, 0], [1, 2, 0, 1, 2, 0, 1], [2, 0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 2, 1, 0]])


@dataclass(frozen=True)
class Drawn:
    """path: of a slide of 7168 x 4096 px; blocks, layout: what it is made of; cells: (type, box) of level 0."""

    path: Path
    blocks: list[Block]
    layout: np.ndarray
    cells: list


@pytest.fixture(scope="session")
def blocks(tmp_path_factory) -> list[Block]:
    """Three fields of one layer, with two white cells each."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for number, types in enumerate((["neutrophil", "lymphocyte"], ["monocyte"], ["eosinophil", "neutrophil"])):
            block = made_slides.drawn_block(types, seed=number, side=SIDE)
            np.savez(folder / f"{number}.npz", pixels=block.pixels, names=types, boxes=[box for _, box in block.cells])

    folder = once(tmp_path_factory, "drawn-blocks", make)
    found = []
    for number in range(3):
        with np.load(folder / f"{number}.npz") as kept:
            cells = zip(kept["names"].tolist(), map(tuple, kept["boxes"].tolist()), strict=True)
            found.append(Block(kept["pixels"], tuple(cells)))
    return found


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, blocks) -> Drawn:
    """A slide of one layer everywhere."""
    path = tmp_path_factory.mktemp("slides") / "drawn.tif"
    made_slides.write_slide(path, blocks, LAYOUT)
    return Drawn(path, blocks, LAYOUT, made_slides.cells_of(blocks, LAYOUT))
