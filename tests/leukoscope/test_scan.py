"""Whole fields: every white cell once, whatever the size of the photo."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.pictures.images import ImageError, read_image
from training.data.boxes import PHOTO_FOLDER, annotations, contradicted, match


@pytest.fixture(scope="module")
def annotated(blood_cells) -> list[tuple[np.ndarray, list]]:
    """(photo, boxes) of the annotated photos whose annotation agrees with labels.csv."""
    boxes = annotations(blood_cells)
    left_out = contradicted(blood_cells, boxes)
    return [
        (read_image(blood_cells / PHOTO_FOLDER / f"{name}.jpg"), wanted)
        for name, wanted in boxes.items()
        if name not in left_out
    ]


def tiled(parts: list[tuple[np.ndarray, list]], side: int) -> tuple[np.ndarray, list]:
    """A field of side x side photos, and the boxes in it."""
    height, width = parts[0][0].shape[:2]
    rows = [np.hstack([image for image, _ in parts[i * side : (i + 1) * side]]) for i in range(side)]
    boxes = [
        (x0 + width * (i % side), y0 + height * (i // side), x1 + width * (i % side), y1 + height * (i // side))
        for i, (_, wanted) in enumerate(parts)
        for x0, y0, x1, y1 in wanted
    ]
    return np.vstack(rows), boxes


def test_scan_answers_for_every_cell_as_predict_does_for_the_first(classifier):
    photo, drawn = draw_photo(["neutrophil", "lymphocyte", "eosinophil"], seed=4, width=900, height=700)
    found = classifier.scan(photo)
    assert sorted(p.label for p in found) == sorted(cell.cell_type for cell in drawn)
    first = classifier.predict(photo)
    assert first.box == found[0].box
    np.testing.assert_allclose(list(first.probabilities.values()), list(found[0].probabilities.values()), atol=1e-6)
    assert classifier.scan(draw_photo([], seed=1)[0]) == []
    with pytest.raises(ImageError):
        classifier.scan(b"nothing")


def test_a_cell_cut_by_the_frame_is_marked(classifier):
    photo, drawn = draw_photo(["monocyte"], seed=0)
    assert not classifier.scan(photo)[0].cut
    x0, _, x1, _ = drawn[0].box
    (cut,) = classifier.scan(np.ascontiguousarray(photo[:, (x0 + x1) // 2 :]))
    assert cut.cut
    assert cut.box[0] == 0


@pytest.mark.parametrize("side", [2, 4])
def test_drawn_fields_of_photos_hold_every_cell_once(classifier, side):
    parts = []
    for i in range(side * side):
        photo, drawn = draw_photo([CELL_TYPES[i % 4]], seed=i, width=640, height=480)
        parts.append((photo, [cell.box for cell in drawn]))
    field, boxes = tiled(parts, side)
    found = [cell.box for cell in classifier.locate(field)]
    assert len(found) == len(boxes)
    middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in found]
    for x0, y0, x1, y1 in boxes:
        assert sum(x0 < x < x1 and y0 < y < y1 for x, y in middles) == 1


def test_two_cells_that_touch_are_two(classifier):
    counts = []
    for seed in range(10):
        left, drawn = draw_photo(["lymphocyte"], seed=seed, width=400, height=400)
        right, other = draw_photo(["neutrophil"], seed=seed + 50, width=400, height=400)
        cut_left, cut_right = drawn[0].box[2] - 4, other[0].box[0] + 4
        field = np.hstack([left[:, :cut_left], right[:, cut_right:]])
        counts.append(len(classifier.locate(field)))
    assert set(counts) <= {1, 2}
    assert counts.count(2) >= 8


@pytest.mark.parametrize("side", [2, 4])
def test_real_fields_hold_every_cell_once(annotated, classifier, side):
    """Up to 2560x1920."""
    rng = np.random.default_rng(side)
    expected = found = matched = 0
    for _ in range(10 if side == 2 else 4):
        chosen = rng.choice(len(annotated), side * side, replace=False)
        field, boxes = tiled([annotated[i] for i in chosen], side)
        given = [cell.box for cell in classifier.locate(field)]
        expected, found, matched = expected + len(boxes), found + len(given), matched + len(match(boxes, given))
    assert matched >= 0.98 * expected
    assert matched >= 0.98 * found


def test_real_red_cells_alone_seldom_give_a_cell_and_never_a_confident_answer(annotated, classifier):
    """Patches of 160-320 px cut between the annotated cells of the photos, platelets on some of them."""
    rng = np.random.default_rng(0)
    empty = patches = 0
    verdicts = []
    for photo, boxes in annotated:
        for _ in range(4):
            side = int(rng.integers(160, 321))
            x, y = int(rng.integers(0, 640 - side)), int(rng.integers(0, 480 - side))
            if any(
                x0 < x + side + 12 and x1 + 12 > x and y0 < y + side + 12 and y1 + 12 > y for x0, y0, x1, y1 in boxes
            ):
                continue
            patches += 1
            answers = classifier.scan(np.ascontiguousarray(photo[y : y + side, x : x + side]))
            empty += not answers
            verdicts += [answer.verdict for answer in answers]
    assert patches > 250
    assert empty >= 0.975 * patches
    assert "confident" not in verdicts


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0, 3.0])
def test_the_same_photo_larger_or_smaller_gets_the_same_labels(annotated, classifier, factor):
    cells = same = 0
    for photo, _ in annotated[::6]:
        size = (round(factor * photo.shape[1]), round(factor * photo.shape[0]))
        other = classifier.scan(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
        for before in classifier.scan(photo):
            cells += 1
            same += any(
                match([before.box], [tuple(v / factor for v in after.box)]) and after.label == before.label
                for after in other
            )
    assert cells >= 60
    assert same >= 0.95 * cells


def test_twelve_megapixels_take_little_time_and_memory():
    """In a process of its own, whose peak memory is its own; the bars are 1.5 s and 600 MB on an idle machine.

    Time is that of the processor, which other work on the machine lengthens little.
    """
    script = """
import json, re, time
import numpy as np
from leukoscope import Classifier
from leukoscope.drawn.synthetic import draw_photo
part = draw_photo(["neutrophil", "lymphocyte"], seed=3, width=800, height=600)[0]
field = np.tile(part, (5, 5, 1))
classifier = Classifier.from_pretrained()
times = []
for _ in range(3):
    began = time.process_time()
    cells = len(classifier.scan(field))
    times.append(time.process_time() - began)
# Not getrusage: what it tells includes the memory of the tests that this process was forked from.
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(json.dumps([field.shape, cells, min(times), kilobytes / 1024]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    shape, cells, seconds, megabytes = json.loads(done.stdout)
    assert shape == [3000, 4000, 3]
    assert cells == 50
    assert seconds < 3.0, "twice the bar: processors differ, and may be shared"
    assert megabytes < 600
