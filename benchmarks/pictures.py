"""The pictures that everything is measured on, as files in a folder: real photos, or drawn ones."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_cell, draw_photo

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


def linked(data: Path | None, folder: Path, count: int, a_slide: int = 1000) -> Path:
    """A study of `count` photos, a folder a slide: the copies of TRAIN and TEST, or 500 drawn photos, linked again when
    they run out. The links are hard: a scan takes a photo once, whatever its names, only where links are soft."""
    if data is None:
        sources = _drawn(folder.parent / "drawn", min(count, 500), 320, 240, 48.0)
    else:
        sources = sorted((data / COPIES).parent.glob("T[RE][AS]*[NT]/*/*.jp*g"))[:count]
    for number in range(count):
        place = folder / f"slide-{number // a_slide:03}" / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if number < len(sources):
            place.write_bytes(sources[number].read_bytes())
        else:
            first = number % len(sources)
            place.hardlink_to(folder / f"slide-{first // a_slide:03}" / f"{first:06}.jpg")
    return folder


def small_pictures(folder: Path, count: int, different: int = 300, side: int = 32) -> Path:
    """Links to a few hundred drawn JPEGs of some hundred bytes, in folders of 10,000; one in four shows a cell."""
    for number in range(count):
        place = folder / f"slide-{number // 10_000:03}" / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if number < different:
            red = draw_photo([], seed=number, width=96, height=96, red_cell_px=48.0)[0]
            drawn = red if number % 4 else draw_cell(CELL_TYPES[number // 4 % 4], seed=number)
            Image.fromarray(drawn).resize((side, side)).save(place, quality=50)
        else:
            place.hardlink_to(folder / "slide-000" / f"{number % different:06}.jpg")
    return folder
