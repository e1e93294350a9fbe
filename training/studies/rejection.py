"""Show a checkpoint what is no white cell, and count how often it is sure of a type all the same.

    python -m training.studies.rejection CHECKPOINT

Adds "rejection" to CHECKPOINT/metrics.json: for each kind of picture how many there were, in how many something was
taken for a cell, and in how many an answer was `confident`, which should be less than one in a hundred.

Everyday pictures are those that come with scikit-image (one of them, ihc, is stained tissue), whole and in parts; the
patches are cut between the annotated cells of the Kaggle set's TEST photos, which no network was trained on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.errors import CheckpointError, ImageError
from leukoscope.model.checkpoint import METRICS_FILE
from leukoscope.pictures.images import read_image
from training.data.boxes import annotations
from training.data.negatives import draw_cartoon
from training.data.sources import PHOTO_FOLDER, DataError, photo_table
from training.scoring.metrics import MetricsError, add_counts

PATCHES = 300
MADE = 200  # pictures of each made-up kind
BETWEEN = 12  # px kept between a patch and an annotated cell


def everyday() -> Iterator[np.ndarray]:
    """The pictures of scikit-image, whole and in four parts, at their own size and smaller."""
    import skimage.data

    for path in sorted(Path(skimage.data.__file__).parent.glob("*.[jp][pn]g")):
        try:
            whole = read_image(path)
        except ImageError:
            continue  # too small to be a photo
        height, width = whole.shape[:2]
        parts = [whole] + [
            whole[y : y + height // 2, x : x + width // 2] for y in (0, height // 2) for x in (0, width // 2)
        ]
        for part in parts:
            yield np.ascontiguousarray(part)
            if min(part.shape[:2]) >= 200:
                yield cv2.resize(part, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)


def patches(root: Path) -> Iterator[np.ndarray]:
    """Squares of 160-320 px without an annotated white cell, from TEST photos."""
    rng = np.random.default_rng(0)
    boxes = annotations(root)
    names = [f"BloodImage_{photo}" for photo, facts in photo_table().items() if facts["split"] == "test"]
    names = [name for name in names if boxes.get(name)]
    made = 0
    while made < PATCHES:
        name = names[rng.integers(len(names))]
        photo = read_image(root / PHOTO_FOLDER / f"{name}.jpg")
        side = int(rng.integers(160, 321))
        x, y = int(rng.integers(0, photo.shape[1] - side)), int(rng.integers(0, photo.shape[0] - side))
        reach = (x - BETWEEN, y - BETWEEN, x + side + BETWEEN, y + side + BETWEEN)
        if not any(b[0] < reach[2] and b[2] > reach[0] and b[1] < reach[3] and b[3] > reach[1] for b in boxes[name]):
            made += 1
            yield np.ascontiguousarray(photo[y : y + side, x : x + side])


def made_up() -> Iterator[tuple[str, np.ndarray]]:
    """(kind, picture): flat and graded grounds, noise, drawn smears without white cells, cartoons of cells."""
    rng = np.random.default_rng(0)
    for i in range(MADE):
        height, width = rng.integers(60, 500, 2)
        ramp = np.linspace(0, 1, width)[None, :, None] * rng.uniform(-80, 80)
        yield "blank", np.clip(rng.integers(0, 256, 3) + ramp * np.ones((height, 1, 1)), 0, 255).astype(np.uint8)
        fine = rng.normal(128, rng.uniform(5, 90), (height, width, 3))
        coarse = cv2.GaussianBlur(fine, (0, 0), rng.uniform(0.5, 12)) if i % 2 else fine
        spread = 40 * (coarse - coarse.mean()) / max(1e-6, coarse.std()) + rng.integers(60, 200, 3)
        yield "noise", np.clip(spread, 0, 255).astype(np.uint8)
        yield "drawn smear without white cells", draw_photo([], seed=5000 + i, width=320, height=240)[0]
        yield "cartoon", draw_cartoon(int(height), int(width), rng)


def measure(classifier, root: Path) -> dict[str, dict]:
    """{kind: {n, cell_found, confident}} over all kinds, with a progress bar."""
    from tqdm import tqdm

    pictures = [("everyday picture", p) for p in everyday()]
    pictures += [("patch of red cells", p) for p in patches(root)]
    pictures += list(made_up())
    counts: dict[str, dict] = {}
    for kind, picture in tqdm(pictures, "rejecting", unit=" pictures", leave=False, disable=None):
        answers = classifier.scan(picture)
        row = counts.setdefault(kind, {"n": 0, "cell_found": 0, "confident": 0})
        row["n"] += 1
        row["cell_found"] += bool(answers)
        row["confident"] += any(answer.verdict == "confident" for answer in answers)
    return counts


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.studies.rejection",
        description="Count confident answers to pictures without a white cell.",
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint folder that was scored by training.evaluate")
    parser.add_argument("--data", type=Path, default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    args = parser.parse_args(argv)
    try:
        if not args.data:
            raise DataError("no data given: pass --data DIR or set BLOOD_CELLS_DIR")
        counts = add_counts(args.checkpoint, "rejection", lambda c: measure(c, args.data))
    except (MetricsError, CheckpointError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    total = {key: sum(row[key] for row in counts.values()) for key in ("n", "cell_found", "confident")}
    for kind, row in [*counts.items(), ("all", total)]:
        print(
            f"{kind:<34}n {row['n']:>5}   something found in {row['cell_found']:>4}   confident {row['confident']:>4}"
        )
    print(f"confident in {total['confident'] / total['n']:.2%} -> {args.checkpoint / METRICS_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
