"""The pictures that everything is measured on, as files in a folder: real photos, or drawn ones."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from leukoscope.cells import CELL_TYPES
from leukoscope.synthetic import draw_photo

PHOTOS = "dataset-master/dataset-master/JPEGImages"
COPIES = "dataset2-master/dataset2-master/images/TEST"


def files(data: Path | None, count: int, folder: Path) -> dict[str, list[Path]]:
    """{"photos": 640x480 as the camera gave them, "copies": 320x240 as TEST has them}, `count` of each.

    Args:
        data: the Kaggle folder; None: JPEGs of both sizes are drawn into `folder`.

    Raises:
        FileNotFoundError: if the folder holds no such pictures.
    """
    if data is None:
        return {
            "photos": _drawn(folder / "photos", count, 640, 480, 96.0),
            "copies": _drawn(folder / "copies", count, 320, 240, 48.0),
        }
    found = {
        "photos": sorted((data / PHOTOS).glob("*.jpg")),
        "copies": sorted((data / COPIES).glob("*/*.jp*g")),
    }
    for name, paths in found.items():
        if not paths:
            raise FileNotFoundError(f"no {name} in {data}")
    return {name: [paths[i * len(paths) // count] for i in range(count)] for name, paths in found.items()}


def _drawn(folder: Path, count: int, width: int, height: int, red_cell_px: float) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(count):
        photo, _ = draw_photo([CELL_TYPES[i % 4]], seed=i, width=width, height=height, red_cell_px=red_cell_px)
        held = io.BytesIO()
        Image.fromarray(photo).save(held, "JPEG", quality=90)
        paths.append(folder / f"{i:03}.jpg")
        paths[-1].write_bytes(held.getvalue())
    return paths
