"""The examples that the locator is trained on, composed of drawn photos, so that no data is needed."""

import dataclasses

import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.smear.locate import SIDE_UNIT, STRIDE
from training.locating.fields import canvas, overlays
from training.locating.fields.canvas import example
from training.locating.fields.geometry import cut, cut_to_picture, moved, share, turned
from training.locating.fields.overlays import overlaid
from training.locating.fields.pictures import Picture, drawn, red_width, with_red_widths
from training.locating.fields.scene import PLACES, SIDE, Scene, half_covered, targets
from training.locating.recipe import Recipe, Round
from training.locating.train import batches
from training.recipe.colours import RED_DYE, as_photographed, recoloured


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
    shown, heat, sides, known, telling, red = first
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown.dtype == np.uint8
    assert heat.shape == known.shape == telling.shape == red.shape == (PLACES, PLACES)
    assert sides.shape == (PLACES, PLACES, 4)
    assert 0 <= heat.min() <= heat.max() <= 1
    assert set(np.unique(known)) <= {0, 1}
    assert telling.min() >= 0
    assert telling.sum() <= (heat == 1).sum() + 1e-5
    assert not sides[telling == 0].any()


def test_red_cells_are_as_much_narrower_than_the_cell_as_in_the_picture():
    """At whatever scale it is shown, alone or beside others; where no picture lies nothing is known."""
    image, (cell,) = draw_photo(["monocyte"], seed=1, width=200, height=160, red_cell_px=30.0)
    box = np.array([cell.box], float)
    alike = [Picture(image, box, "drawn", "g", True, True, "train", "1", red_width=30.0)]
    width = float((box[0, 2:] - box[0, :2]).max())
    ratios = []
    for seed in range(60):
        _, heat, sides, _, telling, red = example({"drawn": alike}, [image], np.random.default_rng(seed))
        middles = (heat == 1) & (telling > 0) & (red > 0)
        wide = np.exp(sides[middles]) * SIDE_UNIT
        sides_of = np.maximum(wide[:, 0] + wide[:, 2], wide[:, 1] + wide[:, 3])
        ratios += (red[middles] / sides_of).tolist()
    assert len(ratios) > 60
    assert np.percentile(ratios, [10, 90]) == pytest.approx([30 / width] * 2, rel=0.15)
    unknown = [dataclasses.replace(alike[0], red_width=0.0)]
    assert not any(example({"drawn": unknown}, [image], np.random.default_rng(seed))[5].any() for seed in range(20))


def test_red_cells_are_as_wide_as_those_that_were_measured_whole():
    image = np.zeros((100, 120, 3), np.uint8)
    whole = [[10, 10, 30, 30], [40, 10, 64, 34], [70, 50, 100, 80]]
    cut_off = [[0, 0, 90, 90], [50, 50, 120, 99]]
    assert red_width(np.array(whole + cut_off, float), image) == 24
    assert red_width(np.array(whole[:1] + cut_off, float), image) == 0, "one red cell may be an odd one"
    assert red_width(np.empty((0, 4)), image) == 0

    of_labs = [
        picture(i, lab, red_width=w) for i, (lab, w) in enumerate([("a", 20.0), ("a", 24.0), ("a", 0.0), ("b", 0.0)])
    ]
    of_labs.append(picture(9, "a", red_width=90.0, split="test"))
    assert [p.red_width for p in with_red_widths(of_labs)] == [20, 24, 22, 0, 90], "a lab's median, of what is taught"


def test_where_all_of_a_picture_lies_beside_the_canvas_there_is_no_cell(pictures):
    scene = canvas.part_of(pictures[0], 1.0, np.random.default_rng(0), near=np.array([-900.0, -900.0]))
    assert len(scene.boxes) == len(scene.measured) == 0


def test_boxes_follow_the_picture_wherever_it_is_put(pictures):
    """A white square on black stands for a cell: its box in the canvas is where white pixels are."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 60:110] = 255
    source = picture(image=image, boxes=np.array([[60.0, 40.0, 110.0, 80.0]]))
    checked = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scene = canvas.part_of(source, 1.0, rng)
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
            y, x = np.nonzero(np.rot90(image[:, ::-1] if mirrored else image, turns))
            wanted = [[x.min(), y.min(), x.max() + 1, y.max() + 1]]
            np.testing.assert_array_equal(turned(box, 50, 30, turns, mirrored), wanted)


def test_targets_describe_the_boxes():
    boxes = np.array([[20.0, 30.0, 70.0, 90.0], [90.0, 100.0, 140.0, 150.0]])
    blank = np.zeros((SIDE, SIDE), bool)
    scene = Scene(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, np.array([True, True]), blank)
    heat, sides, known, telling, _ = targets(scene, boxes)
    np.testing.assert_allclose(boxes_told(heat, sides, telling), boxes, atol=1e-3)
    assert known.all()
    assert telling.sum() == pytest.approx(2)


def test_the_middle_of_a_cell_is_known_whatever_is_not():
    box = np.array([[40.0, 40.0, 100.0, 100.0]])
    scene = Scene(np.zeros((SIDE, SIDE, 3), np.uint8), box, np.array([False]), np.ones((SIDE, SIDE), bool))
    _, _, known, *_ = targets(scene, box)
    assert known[7:10, 7:10].all()
    assert known.sum() < 20


def test_places_tell_of_the_nearer_of_two_cells():
    boxes = np.array([[40.0, 40.0, 120.0, 120.0], [68.0, 40.0, 148.0, 120.0]])
    for order in ([0, 1], [1, 0]):
        blank = np.zeros((SIDE, SIDE), bool)
        scene = Scene(np.zeros((SIDE, SIDE, 3), np.uint8), boxes[order], np.ones(2, bool), blank)
        heat, sides, _, telling, _ = targets(scene, boxes[order])
        told = boxes_told(heat, sides, telling)
        np.testing.assert_allclose(told[np.argsort(told[:, 0])], boxes, atol=1e-3)
        left = 11.5 * STRIDE - np.exp(sides[9, 11, 0]) * SIDE_UNIT  # of a place nearer to the first's middle
        assert left == pytest.approx(40, abs=1e-3)


def test_what_is_not_known_teaches_nothing_but_its_middle():
    """A picture of one cell without a box: a cell is in the middle, and what lies at its edge may be one too."""
    source = picture(
        image=np.full((100, 100, 3), 200, np.uint8),
        boxes=np.array([[30.0, 30.0, 70.0, 70.0]]),
        complete=False,
        measured=False,
    )
    scene = canvas.part_of(source, 1.5, np.random.default_rng(1))
    heat, _, known, telling, _ = targets(scene, cut(scene.boxes, (0, 0, SIDE, SIDE)))
    assert (heat == 1).sum() == 1
    assert known[heat == 1].all()
    assert 0 < known.mean() < 1
    assert not telling.any()


def test_cells_too_small_or_hardly_in_the_picture_are_neither_taught_nor_forbidden():
    boxes = np.array([[50.0, 50.0, 60.0, 60.0], [-40.0, 100.0, 8.0, 148.0]])
    scene = Scene(np.zeros((SIDE, SIDE, 3), np.uint8), boxes, np.ones(2, bool), np.zeros((SIDE, SIDE), bool))
    heat, _, known, *_ = targets(scene, np.clip(boxes, 0, SIDE))
    assert not heat.any()
    assert known[6, 6] == 0
    assert known[15, 0] == 0
    assert known[12, 12] == 1


def test_a_neighbour_touches_and_does_not_cover(pictures):
    added = 0
    for seed in range(60):
        scene = canvas.part_of(pictures[seed % 4], 0.5, np.random.default_rng(seed))
        before = len(scene.boxes)
        canvas.add_neighbour(scene, pictures, np.random.default_rng(seed))
        if len(scene.boxes) > before:
            added += 1
            assert all(share(scene.boxes[-1], box) <= 0.25 for box in scene.boxes[:-1])
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


def bluer_red_cells(mixed: float, seeds: int = 300) -> int:
    """In how many of the pictures in other colours red cells take up red light nearly as well as blue."""
    picture = np.full((16, 16, 3), 255, np.uint8)
    picture[8:] = 255 * np.exp(-0.6 * RED_DYE)
    count = 0
    for seed in range(seeds):
        made = recoloured(picture, np.random.default_rng(seed), mixed=mixed).astype(float).clip(1)
        red, _, blue = np.log(made[0, 0] / made[-1, -1])
        count += red > 0.8 * blue > 0.02
    return count


def test_dyes_are_mixed_as_far_as_is_asked_for():
    assert bluer_red_cells(0.0) <= 6
    assert bluer_red_cells(0.9) >= 12


def test_another_camera_changes_pixels_not_the_shape(pictures):
    image = pictures[0].image
    for seed in range(20):
        taken = as_photographed(image.copy(), np.random.default_rng(seed))
        assert taken.shape == image.shape
        assert taken.dtype == np.uint8


@pytest.mark.parametrize("kind", range(len(overlays.KINDS)))
def test_overlays_say_what_they_cover(pictures, monkeypatch, kind):
    monkeypatch.setattr(overlays, "KINDS", overlays.KINDS[kind : kind + 1])
    covers = []
    for seed in range(10):
        shown = pictures[0].image.copy()
        covered = overlaid(shown, pictures[0].boxes, np.random.default_rng(seed))
        np.testing.assert_array_equal((shown != pictures[0].image).any(axis=2), covered)
        covers.append(covered.any())
    assert sum(covers) >= 7, "a field may be as wide as the picture, a colour that of the glass"


def test_a_picture_may_be_overlaid_twice(pictures, monkeypatch):
    drawn_over = []
    monkeypatch.setattr(overlays, "KINDS", [lambda *given: drawn_over.append(given)])
    for seed in range(100):
        overlaid(pictures[0].image.copy(), pictures[0].boxes, np.random.default_rng(seed))
    assert 100 < len(drawn_over) < 170


def test_batches_follow_from_seed_and_step_whatever_came_before(pictures):
    recipe = Recipe(
        name="t",
        seed=3,
        labs=["drawn"],
        filters=[4] * 5,
        batch=3,
        rounds=[Round(steps=4)],
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


# --- boxes -----------------------------------------------------------------------------------------------


def test_boxes_are_cut_to_a_frame():
    boxes = np.array([[-5.0, 10, 30, 50], [10, 10, 20, 20], [200, 10, 220, 20]])
    np.testing.assert_array_equal(cut(boxes, (0, 0, 100, 40)), [[0, 10, 30, 40], [10, 10, 20, 20], [100, 10, 100, 20]])
    assert cut(np.empty((0, 4)), (0, 0, 9, 9)).shape == (0, 4)


def test_boxes_are_cut_to_the_picture_but_not_to_the_canvas():
    """What a picture does not show nobody sees, what the canvas does not show is a part of a cell all the same."""
    inside = np.zeros((SIDE, SIDE), np.uint8)
    inside[30:, 20:90] = 1
    boxes = np.array([[10.0, 10, 50, 50], [70, 140, 110, 200]])
    np.testing.assert_array_equal(cut_to_picture(boxes, inside), [[20, 30, 50, 50], [70, 140, 90, 200]])
    assert len(cut_to_picture(boxes, np.zeros_like(inside))) == 0
    beyond = np.array([[-30.0, -10, 200, 180]])
    np.testing.assert_array_equal(cut_to_picture(beyond, np.ones_like(inside)), beyond)


def test_a_box_moves_as_the_round_cell_in_it():
    square = np.array([[10.0, 10, 30, 30]])
    eighth = np.sqrt(0.5) * np.array([[1.0, -1], [1, 1]])
    shifted = moved(square, np.column_stack([eighth, [100, 0]]))
    middle = eighth @ [20, 20] + [100, 0]
    np.testing.assert_allclose(shifted, [[*(middle - 10), *(middle + 10)]])
    np.testing.assert_allclose(moved(square, np.array([[2.0, 0, 5], [0, 1, 0]])), [[25, 10, 65, 30]])


def test_what_two_boxes_share_is_of_the_smaller():
    a = np.array([0.0, 0, 20, 20])
    assert share(a, np.array([10.0, 0, 20, 20])) == 1
    assert share(a, np.array([10.0, 10, 30, 30])) == 0.25
    assert share(a, np.array([30.0, 30, 40, 40])) == 0
    assert share(a, np.array([19.5, 0, 20, 1])) == 0.5, "half a pixel is no cell"


def test_pictures_side_by_side_take_their_boxes_along():
    """Again a white square on black, which lies in each tile where its box says."""
    image = np.zeros((100, 140, 3), np.uint8)
    image[30:60, 50:90] = 255
    source = picture(image=image, boxes=np.array([[50.0, 30.0, 90.0, 60.0]]))
    scene = canvas._mosaic([source], 24.0, np.random.default_rng(5))
    assert len(scene.boxes) == len(scene.measured) >= 4
    bright = (scene.canvas.min(axis=2) > 128) & (scene.canvas.min(axis=2) != canvas.FILL)
    for x0, y0, x1, y1 in cut(scene.boxes, (0, 0, SIDE, SIDE)).round().astype(int):
        assert bright[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
        bright[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = False
    assert not bright.any(), "each has a box"


def test_in_pictures_side_by_side_no_box_reaches_into_the_next():
    source = picture(image=np.full((60, 60, 3), 200, np.uint8), boxes=np.array([[-30.0, 20, 30, 50]]))
    scene = canvas._mosaic([source], 30.0, np.random.default_rng(0))
    sides = (scene.boxes[:, 2:] - scene.boxes[:, :2]).max(axis=1)
    np.testing.assert_allclose(sides, 15, rtol=0.25)  # half of each, as of the tile


def test_in_pictures_side_by_side_only_what_is_known_is_taught():
    known = picture(image=np.full((60, 60, 3), 200, np.uint8), boxes=np.array([[20.0, 20, 40, 40]]))
    lone = dataclasses.replace(known, complete=False, measured=False)
    assert not canvas._mosaic([known], 20.0, np.random.default_rng(0)).unknown.any()
    scene = canvas._mosaic([lone], 20.0, np.random.default_rng(0))
    assert 0.3 < scene.unknown.mean() < 1
    assert not scene.measured.any()
    doubted = dataclasses.replace(known, doubtful=np.array([[40.0, 40, 60, 60]]))
    assert 0.03 < canvas._mosaic([doubted], 20.0, np.random.default_rng(0)).unknown.mean() < 0.2


def test_what_lies_beside_the_cells_is_looked_at_from_close_by():
    image = np.full((200, 200, 3), 128, np.uint8)
    image[150:170, 150:170] = (255, 0, 0)
    source = picture(image=image, boxes=np.array([[20.0, 20, 60, 60]]), decoys=np.array([[150.0, 150, 170, 170]]))
    for seed in range(20):
        scene = canvas._close_by(source, np.random.default_rng(seed))
        red = (scene.canvas[..., 0] > 200) & (scene.canvas[..., 1] < 60)
        assert red.any()
        assert (red[1:-1, 1:-1].any(axis=1).sum() >= 18) or red[[0, -1]].any() or red[:, [0, -1]].any()


def test_a_cell_that_is_half_covered_is_neither_taught_nor_forbidden():
    covered = np.zeros((SIDE, SIDE), bool)
    covered[:, :30] = True
    boxes = np.array([[10.0, 10, 50, 50], [22, 100, 62, 140]])  # of the first a half, of the second a fifth
    unknown = half_covered(boxes, covered)
    assert unknown[10:50, 10:50].all()
    assert unknown.sum() == 40 * 40


def test_drawn_photos_follow_from_the_seed_and_have_their_boxes():
    made, again = drawn(4, seed=5), drawn(4, seed=5)  # for all of the cells of the first there is no room
    for a, b in zip(made, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert a.boxes.shape == (len(a.boxes), 4)
        assert a.complete
    assert len({len(a.boxes) for a in made}) > 1


def test_copies_are_halves_and_a_typical_cell_is_the_median():
    source = picture(image=np.zeros((130, 200, 3), np.uint8), boxes=np.array([[0.0, 0, 10, 20], [0, 0, 30, 8]]))
    assert [copy.shape[:2] for copy in source.copies] == [(130, 200), (65, 100), (32, 50), (16, 25)]
    assert source.cell_width == 25
    source.give_boxes([(0, 0, 40, 40)], [])
    assert source.cell_width == 40, "of the boxes that it has now"
    assert picture(image=source.image, boxes=np.empty((0, 4))).cell_width == pytest.approx(0.35 * 130)
