"""What it costs to look for a slide's white cells on a coarser level of its file instead of on the finest.

python -m benchmarks.slide_levels            # a minute; needs BLOOD_CELLS_DIR and LABS_DIR (docs/training.md)

Takes photos of three labs for the finest level of a slide, and makes the coarser one of them as a scanner does: each
pixel the mean of those that it stands for, kept as JPEG. Cells are looked for on both as a scan does. Prints, and
writes to slide_levels.json beside this file (--out elsewhere), how many cells were found on both and on one alone, how
many of those that the coarser one has more would count, and how far apart the edges of boxes lie.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from leukoscope import Classifier
from leukoscope.model.prediction import Prediction
from leukoscope.pictures.slide import Box
from leukoscope.slides.answering import located
from leukoscope.slides.tiles import SOUGHT_AT, SOUGHT_ON
from leukoscope.smear.locate import ONE_CELL, Cell, shared
from training.data.boxes import annotations
from training.data.labs import lab_rows
from training.data.sources import PHOTO_FOLDER

RED_CELL = 7.5  # µm
RED_CELL_PX = {"bccd": 95, "lisc": 42, "raabin": 55}  # in these labs' photos
QUALITY = 80


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slide_levels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", type=int, default=400, help="of each lab at most, taken evenly; default 400")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args(argv)
    classifier = Classifier.from_pretrained()
    results = {}
    for lab, files in photos().items():
        some = files[:: -(-len(files) // args.photos)]
        pictures = [Image.open(file).convert("RGB") for file in some]
        microns = RED_CELL / RED_CELL_PX[lab]
        results[lab] = {f"{at} µm": beside(classifier, pictures, microns, at) for at in (SOUGHT_AT, SOUGHT_ON)}
        print(lab, json.dumps(results[lab], indent=1, ensure_ascii=False), flush=True)
    args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0


def photos() -> dict[str, list[Path]]:
    """The photos of each lab."""
    root, labs = Path(os.environ["BLOOD_CELLS_DIR"]), Path(os.environ["LABS_DIR"])
    rows = [(row["lab"], Path(row["file"])) for row in lab_rows(labs)]
    kept = {lab: [file for of, file in rows if of == lab] for lab in ("lisc", "raabin")}
    return {"bccd": [root / PHOTO_FOLDER / f"{name}.jpg" for name in annotations(root)], **kept}


def beside(classifier: Classifier, pictures: Iterable[Image.Image], microns: float, coarse: float) -> dict:
    """The cells found on pictures of so many µm a pixel, and on a level of `coarse` µm a pixel made of each."""
    count = both = 0
    apart: list[float] = []
    lost: list[Cell] = []
    answers: list[Prediction] = []
    surest = 0.0
    for picture in pictures:
        window = Box(0, 0, *picture.size)
        fine = located(classifier, picture, microns, window)
        found = located(classifier, as_level(picture, coarse / microns), coarse, window)
        count += 1
        for cell in fine:
            same = _same(cell, found)
            if same:
                both += 1
                apart.append(float(abs(np.subtract(same.box, cell.box)).max()) * microns)
            else:
                lost.append(cell)
        more = [cell for cell in found if _same(cell, fine) is None]
        answers += classifier.answer([classifier.framed_cell(np.asarray(picture), cell) for cell in more])
        surest = max([surest, *(cell.score for cell in more)])
    return {
        "photos": count,
        "on_both": both,
        "on_the_finest_alone": len(lost),
        "on_the_coarser_alone": len(answers),
        "of_these_confident": sum(prediction.verdict == "confident" for prediction in answers),
        "highest_score_of_one_alone": round(max([surest, *(cell.score for cell in lost)]), 2),
        "edges_apart_um_median_and_99_percent": [round(float(q), 2) for q in np.percentile(apart, [50, 99])]
        if apart
        else [],
    }


def _same(cell: Cell, others: list[Cell]) -> Cell | None:
    """The one of other cells that is this one."""
    shares = shared(np.array(cell.box), np.array([other.box for other in others]).reshape(-1, 4))
    return others[int(shares.argmax())] if len(others) and shares.max() >= ONE_CELL else None


def as_level(picture: Image.Image, step: float) -> Image.Image:
    """A picture so many times smaller, as a file of a scanner keeps it."""
    size = max(1, round(picture.width / step)), max(1, round(picture.height / step))
    held = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX).save(held, "JPEG", quality=QUALITY)
    return Image.open(held).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
