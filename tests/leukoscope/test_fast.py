"""What is fast answers as what was slow did.

`fast_expected.json` holds the cells that the first, unhurried implementation found in drawn photos: on a larger copy,
in floating point, with every disc applied to every pixel. Answers are compared with the steps written out one by one
here, so that no step can be dropped for speed whatever the weights are.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.checkpoint import ONNX_FILE
from leukoscope.locate import locate
from leukoscope.preprocess import frame
from leukoscope.stain import glass_colour, median_colour
from leukoscope.synthetic import draw_photo
from training.boxes import intersection_over_union

EXPECTED = json.loads((Path(__file__).parent / "fast_expected.json").read_text())


def drawn(case: dict) -> np.ndarray:
    width, height = case["size"]
    return draw_photo(case["types"], seed=case["seed"], width=width, height=height, red_cell_px=case["red_cell_px"])[0]


def test_the_cases_show_every_type_and_size():
    assert {cell for case in EXPECTED for cell in case["types"]} == set(CELL_TYPES)
    assert len({tuple(case["size"]) for case in EXPECTED}) >= 4
    assert any(not case["types"] for case in EXPECTED)


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: f"{case['size'][0]}-{case['seed']}")
def test_cells_are_found_where_they_were(case):
    found = locate(drawn(case))
    assert len(found) == len(case["cells"])
    for box, nucleus_px in case["cells"]:
        best = max(found, key=lambda cell: intersection_over_union(cell.box, box))
        assert intersection_over_union(best.box, box) > 0.85
        assert best.nucleus_px == pytest.approx(nucleus_px, rel=0.08)
    if len(found) == 1:
        assert intersection_over_union(found[0].box, case["cells"][0][0]) > 0.85


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 1000, 1001])
def test_a_median_is_what_numpy_says(count):
    colours = np.random.default_rng(count).integers(0, 256, (count, 3), np.uint8)
    np.testing.assert_array_equal(median_colour(colours), np.median(colours, axis=0))


def step_by_step(classifier, image: np.ndarray) -> list[tuple]:
    """(label, verdict, box, probabilities) of every cell of a photo, each by itself and with nothing kept."""
    spec = classifier.spec
    session = onnxruntime.InferenceSession(classifier.folder / ONNX_FILE, providers=["CPUExecutionProvider"])
    answers = []
    for cell in locate(image, glass_colour(image)):
        crop = frame(image, spec.framing, cell).astype(np.float64) / 255
        inputs = ((crop - spec.normalisation.mean) / spec.normalisation.std)[None].astype(np.float32)
        logits = session.run(["logits"], {"image": inputs})[0][0].astype(np.float64)
        powers = np.exp((logits - logits.max()) / spec.temperature)
        strange = powers[4] / powers.sum() if len(powers) == 5 else 0.0
        if cell.red_cell_px:
            clearness = np.clip(np.log(cell.nucleus_px / cell.red_cell_px / spec.size_evidence.even), -0.6, 0.6)
            logits[[1, 2]] += spec.size_evidence.weight * clearness / 2 * np.array([-1, 1])
        powers = np.exp((logits[:4] - logits[:4].max()) / spec.temperature)
        probabilities = powers / powers.sum()
        if strange > spec.thresholds.unfamiliar:
            verdict = "unfamiliar"
        else:
            verdict = "confident" if probabilities.max() >= spec.thresholds.confident else "review"
        answers.append((spec.labels[probabilities.argmax()], verdict, cell.box, probabilities))
    return answers


def test_answers_are_those_of_the_steps_one_by_one(classifier):
    photos = [drawn(case) for case in EXPECTED if max(case["size"]) <= 1000]
    slow = [step_by_step(classifier, photo) for photo in photos]
    assert sum(map(len, slow)) >= 12
    scanned = [classifier.scan(photo) for photo in photos]
    for one_by_one, fast in zip(slow, scanned, strict=True):
        assert [(p.label, p.verdict, p.box) for p in fast] == [answer[:3] for answer in one_by_one]
        for prediction, answer in zip(fast, one_by_one, strict=True):
            np.testing.assert_allclose(list(prediction.probabilities.values()), answer[3], atol=1e-4)
    for predictions in (map(classifier.predict, photos), classifier.predict_batch(photos)):
        for prediction, cells in zip(predictions, scanned, strict=True):
            first = cells[0] if cells else None
            assert (prediction.label, prediction.box) == ((first.label, first.box) if first else (None, None))
            assert prediction.verdict == (first.verdict if first else "no_cell")
