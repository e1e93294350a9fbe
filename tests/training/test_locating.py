"""What the locator is trained on, its network, and how it is scored; on drawn photos, so that no data is needed."""

import dataclasses

import numpy as np
import pytest

from leukoscope.locate import SIDE_UNIT, STRIDE, Locator
from leukoscope.synthetic import draw_photo
from training.colours import as_photographed, recoloured
from training.labs import held_out
from training.locating import canvas, score
from training.locating.canvas import PLACES, SIDE, example
from training.locating.overlays import overlaid
from training.locating.pictures import Picture
from training.locating.train import Recipe, batches, relabelled


def picture(seed: int = 0, lab: str = "drawn", **changes) -> Picture:
    image, cells = draw_photo(["neutrophil", "monocyte"], seed=seed, width=240, height=180, red_cell_px=30.0)
    boxes = np.array([cell.box for cell in cells], float)
    made = Picture(image, boxes, lab, f"{lab}/{seed}", complete=True, measured=True, split="train", path=str(seed))
    return dataclasses.replace(made, **changes)


@pytest.fixture(scope="module")
def pictures():
    return [picture(seed) for seed in range(4)]


def boxes_told(heat, sides, telling):
    """The boxes that the targets describe, one for each place where a middle is."""
    rows, columns = np.nonzero((heat == 1.0) & (telling > 0))
    left, top, right, bottom = (np.exp(sides[rows, columns]) * SIDE_UNIT).T
    x, y = (columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE
    return np.stack([x - left, y - top, x + right, y + bottom], axis=1)


@pytest.mark.parametrize("seed", range(8))
def test_an_example_is_made_from_its_seed_alone_and_has_one_middle_for_each_box(pictures, seed):
    first, second = (example({"drawn": pictures}, [pictures[0].image], np.random.default_rng(seed)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    shown, heat, sides, known, telling = first
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown.dtype == np.uint8
    assert heat.shape == known.shape == telling.shape == (PLACES, PLACES)
    assert sides.shape == (PLACES, PLACES, 4)
    assert 0 <= heat.min() <= heat.max() <= 1
    assert not (telling[known == 0] > 0).any() or (known >= 0).all()


def test_boxes_follow_the_picture_wherever_it_is_put(pictures):
    """A white square on black stands for a cell: its box in the canvas is where white pixels are."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 60:110] = 255
    source = picture(image=image, boxes=np.array([[60.0, 40.0, 110.0, 80.0]]))
    checked = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scene = canvas._part(source, 1.0, rng)
        box = scene.boxes[0]
        bright = scene.canvas.min(axis=2) > 200
        if box.min() < 2 or box.max() > SIDE - 2 or not bright.any() or bright.mean() > 0.2:
            continue  # it reaches outside, or what stands beside the picture is white too
        y, x = np.nonzero(bright)
        if abs((x.max() + 1 - x.min()) * (y.max() + 1 - y.min()) - bright.sum()) > 0.1 * bright.sum():
            continue  # turned by no quarter: the box is that of the ellipse within, not of the square
        np.testing.assert_allclose(box, [x.min(), y.min(), x.max() + 1, y.max() + 1], atol=2.5)
        checked += 1
    assert checked > 20


def test_quarter_turns_and_mirrors_take_boxes_along():
    image = np.zeros((30, 50), np.uint8)
    image[5:12, 8:21] = 1
    box = np.array([[8.0, 5.0, 21.0, 12.0]])
    for mirrored in (False, True):
        for turns in range(4):
            turned = np.rot90(image[:, ::-1] if mirrored else image, turns)
            y, x = np.nonzero(turned)
            wanted = [[x.min(), y.min(), x.max() + 1, y.max() + 1]]
            np.testing.assert_array_equal(canvas._turned(box, 50, 30, turns, mirrored), wanted)


def test_targets_describe_the_boxes():
    boxes = np.array([[20.0, 30.0, 70.0, 90.0], [90.0, 100.0, 140.0, 150.0]])
    blank = np.zeros((SIDE, SIDE), bool)
    scene = canvas.Scene(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, np.array([True, True]), blank)
    heat, sides, known, telling = canvas._targets(scene, boxes)
    np.testing.assert_allclose(boxes_told(heat, sides, telling), boxes, atol=1e-3)
    assert known.all()
    assert telling.sum() == pytest.approx(2)


def test_what_is_not_known_teaches_nothing_but_its_middle():
    """A picture of one cell without a box: a cell is in the middle, and what lies at its edge may be one too."""
    source = picture(
        image=np.full((100, 100, 3), 200, np.uint8),
        boxes=np.array([[30.0, 30.0, 70.0, 70.0]]),
        complete=False,
        measured=False,
    )
    scene = canvas._part(source, 1.5, np.random.default_rng(1))
    heat, _, known, telling = canvas._targets(scene, np.clip(scene.boxes, 0, SIDE))
    assert (heat == 1).sum() == 1
    assert known[heat == 1].all()
    assert 0 < known.mean() < 1
    assert not telling.any()


def test_cells_too_small_or_hardly_in_the_picture_are_neither_taught_nor_forbidden():
    boxes = np.array([[50.0, 50.0, 60.0, 60.0], [-40.0, 100.0, 8.0, 148.0]])
    scene = canvas.Scene(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, np.ones(2, bool), np.zeros((SIDE, SIDE), bool))
    heat, _, known, _ = canvas._targets(scene, np.clip(boxes, 0, SIDE))
    assert not heat.any()
    assert known[6, 6] == 0
    assert known[15, 0] == 0
    assert known[12, 12] == 1


def test_a_neighbour_touches_and_does_not_cover(pictures):
    added = 0
    for seed in range(60):
        scene = canvas._part(pictures[seed % 4], 0.5, np.random.default_rng(seed))
        before = len(scene.boxes)
        canvas._add_neighbour(scene, pictures, np.random.default_rng(seed))
        if len(scene.boxes) > before:
            added += 1
            assert all(canvas._share(scene.boxes[-1], box) <= 0.25 for box in scene.boxes[:-1])
    assert added >= 5


def test_other_colours_keep_the_form_and_reach_far(pictures):
    image = pictures[0].image
    made = [recoloured(image, np.random.default_rng(seed)) for seed in range(30)]
    glass = np.array([np.percentile(m.reshape(-1, 3), 90, axis=0) for m in made])
    assert (glass.max(axis=0) - glass.min(axis=0) > 40).all()  # from white to dim and tinted glass
    mean = np.abs(np.array([np.corrcoef(image.mean(axis=2).ravel(), m.mean(axis=2).ravel())[0, 1] for m in made]))
    assert np.median(mean) > 0.8
    np.testing.assert_array_equal(made[3], recoloured(image, np.random.default_rng(3)))
    assert (
        np.abs(recoloured(image, np.random.default_rng(0), strength=0.0).astype(int) - image).mean() < 25
    )  # on white glass


def test_another_camera_changes_pixels_not_the_shape(pictures):
    image = pictures[0].image
    for seed in range(20):
        taken = as_photographed(image.copy(), np.random.default_rng(seed))
        assert taken.shape == image.shape
        assert taken.dtype == np.uint8


def test_overlays_say_what_they_cover(pictures):
    for seed in range(40):
        shown = pictures[0].image.copy()
        covered = overlaid(shown, pictures[0].boxes, np.random.default_rng(seed))
        assert covered.any()
        np.testing.assert_array_equal((shown != pictures[0].image).any(axis=2), covered)


def test_batches_follow_from_seed_and_step_whatever_came_before(pictures):
    recipe = Recipe(
        name="t",
        seed=3,
        labs=["drawn"],
        filters=[4] * 5,
        batch=3,
        steps=[4],
        learning_rate=1e-3,
        weight_decay=0.0,
        average=0.9,
    )
    others = [pictures[0].image]
    whole = list(batches({"drawn": pictures}, others, recipe, 0, 4))
    rest = list(batches({"drawn": pictures}, others, recipe, 2, 4))
    for a, b in zip(whole[2:], rest, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_slides_held_out_hold_a_quarter_and_follow_from_names():
    groups = [f"s{i % 13}" for i in range(200)]
    chosen = held_out(groups)
    assert chosen == held_out(groups[::-1])
    assert 50 <= sum(group in chosen for group in groups) < 50 + 16


def fixed(boxes_and_logits):
    """A locator whose network always answers the same: (box in px of the copy, logit) each."""

    def run(copies):
        _, height, width, _ = copies.shape
        answer = np.full((1, height // STRIDE, width // STRIDE, 5), -9.0, np.float32)
        for (x0, y0, x1, y1), logit in boxes_and_logits:
            row, column = int((y0 + y1) / 2 // STRIDE), int((x0 + x1) / 2 // STRIDE)
            x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            answer[0, row, column] = [logit, *np.log(np.array([x - x0, y - y0, x1 - x, y1 - y]) / SIDE_UNIT)]
        return answer

    return Locator(run, 0.05)


def test_boxes_are_found_again_only_where_a_cell_is_known_to_be():
    image = np.zeros((100, 100, 3), np.uint8)
    middle, beside, hardly = (
        ((30.0, 30.0, 72.0, 72.0), 4.0),
        ((4.0, 4.0, 30.0, 30.0), 1.0),
        ((72.0, 72.0, 96.0, 96.0), -1.0),
    )
    lone = [
        picture(image=image, boxes=np.array([[20.0] * 2 + [80.0] * 2]), complete=False, measured=False)
        for _ in range(2)
    ]
    relabelled(lone[:1], fixed([middle, beside, hardly]))
    assert lone[0].complete
    assert lone[0].measured
    np.testing.assert_allclose(lone[0].boxes, [middle[0]])
    np.testing.assert_allclose(lone[0].doubtful, [beside[0]])
    relabelled(lone[1:], fixed([beside]))
    assert not lone[1].complete


def test_scores_count_what_is_missed_doubled_and_merged():
    photo = np.zeros((160, 160, 3), np.uint8)
    a, b, both = (10, 10, 60, 60), (60, 10, 110, 60), (10, 10, 110, 60)
    exact = score.against_boxes([("p", photo, [a, b])], fixed([(a, 3.0), (b, 3.0)]))
    assert (exact["recall"], exact["precision"], exact["two_on_one"], exact["one_on_two"]) == (1, 1, 0, 0)
    merged = score.against_boxes([("p", photo, [a, b])], fixed([(both, 3.0)]))
    assert merged["one_on_two"] == 1
    assert merged["recall"] < 1
    doubled = score.against_boxes([("p", photo, [both])], fixed([(a, 3.0), (b, 3.0)]))
    assert doubled["two_on_one"] == 1
    assert doubled["misses"] == ["p"]


def test_an_overlay_that_hides_a_cell_is_counted():
    photo = np.full((480, 640, 3), 230, np.uint8)
    photo[200:300, 300:400] = (80, 40, 140)

    def sees_dark(copies):
        answer = np.full((1, copies.shape[1] // STRIDE, copies.shape[2] // STRIDE, 5), -9.0, np.float32)
        if copies[0, :, :, 1].min() > 30:  # blind as soon as anything is black
            answer[0, 7, 10] = [4.0, *np.log(np.array([12.0] * 4) / SIDE_UNIT)]
        return answer

    rows = score.overlaid([photo], Locator(sees_dark, 0.5))
    assert rows["black strip"] == {"cells": 1, "lost": 1, "added": 0}
    assert rows["thin blue boxes"] == {"cells": 1, "lost": 0, "added": 0}
