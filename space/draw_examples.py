"""Redraw the examples of the page: a drawn cell of each type, smears with several and with none, a dozen to count.

python space/draw_examples.py
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from leukoscope import CELL_TYPES
from leukoscope.drawn.synthetic import draw_cell, draw_photo

FOLDER = Path(__file__).parent / "examples"
SIDE = 320  # px
DOZEN_SIZE = (560, 420)  # px
# What an adult's smear might hold, for the dozen photos; a basophil is none of the four.
DOZEN = {"neutrophil": 27, "lymphocyte": 14, "monocyte": 4, "eosinophil": 2, "basophil": 1}
# Typical of their type to the eye, among those that the embedded model is sure of: an example shows an answer.
SEEDS = {"eosinophil": 43, "lymphocyte": 12, "monocyte": 47, "neutrophil": 3}


def draw_examples(folder: Path = FOLDER) -> None:
    """Write `<cell type>.png`, `no_white_cell.png`, `several_cells.webp` and `twelve_drawn_photos.zip`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CELL_TYPES:
        Image.fromarray(draw_cell(name, seed=SEEDS.get(name, 0), size=SIDE)).save(folder / f"{name}.png", optimize=True)
    empty, _ = draw_photo([], seed=6, width=SIDE, height=SIDE, red_cell_px=0.22 * SIDE)
    Image.fromarray(empty).save(folder / "no_white_cell.png", optimize=True)
    several, _ = draw_photo([*CELL_TYPES, "neutrophil", "basophil"], seed=1, width=800, height=600, red_cell_px=66)
    (folder / "several_cells.webp").write_bytes(_webp(several))
    with zipfile.ZipFile(folder / "twelve_drawn_photos.zip", "w") as archive:
        for name, photo in dozen():
            archive.writestr(zipfile.ZipInfo(name), _webp(photo))


def dozen():
    """(name, RGB uint8 (H, W, 3)) of twelve drawn photos that together hold the cells of `DOZEN`."""
    cells = [name for name, count in DOZEN.items() for _ in range(count)]
    order = np.random.default_rng(0).permutation(len(cells))
    for number in range(12):
        types = [cells[i] for i in order[number::12]]
        photo, _ = draw_photo(types, seed=number, width=DOZEN_SIZE[0], height=DOZEN_SIZE[1], red_cell_px=52)
        yield f"drawn_{number + 1:02}.webp", photo


def _webp(photo: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "WEBP", quality=85, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    draw_examples()
