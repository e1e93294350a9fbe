"""Redraw the examples of the page: one drawn cell of each type, and a smear without a white cell.

python space/draw_examples.py
"""

from pathlib import Path

from PIL import Image

from leukoscope import CELL_TYPES
from leukoscope.synthetic import draw_cell, draw_photo

FOLDER = Path(__file__).parent / "examples"
SIDE = 320  # px
# Chosen by eye, typical of their type; never by what a model says of them.
SEEDS = {"eosinophil": 10, "lymphocyte": 4, "monocyte": 4, "neutrophil": 4}


def draw_examples(folder: Path = FOLDER) -> None:
    """Write `<cell type>.png` and `no_white_cell.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CELL_TYPES:
        Image.fromarray(draw_cell(name, seed=SEEDS[name], size=SIDE)).save(folder / f"{name}.png", optimize=True)
    empty, _ = draw_photo([], seed=6, width=SIDE, height=SIDE, red_cell_px=0.22 * SIDE)
    Image.fromarray(empty).save(folder / "no_white_cell.png", optimize=True)


if __name__ == "__main__":
    draw_examples()
