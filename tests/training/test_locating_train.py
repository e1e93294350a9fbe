"""The locator's training: its recipe, its network, the boxes that it finds itself, and a run from start to graph; on
drawn cells."""

import contextlib
import csv
import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.model.graphs import open_locator
from leukoscope.smear.locate import SIDE_UNIT, STRIDE, Locator
from tests.training.conftest import run_here
from training.fitting.run_folder import RunError
from training.locating import network, run, train
from training.locating.fields import found
from training.locating.fields.found import read_boxes, relabel, write_boxes
from training.locating.fields.pictures import Picture
from training.locating.recipe import Recipe, Round, read_recipe
from training.locating.train import WARM_UP, Training, learning_rate
from training.recipe.config import CONFIGS, ConfigError

TINY = """
name = "tiny"
seed = 3
labs = ["one", "two"]
filters = [4, 4, 6, 6, 8]
batch = 2
learning_rate = 1e-2
weight_decay = 1e-3
average = 0.5
rounds = [{ steps = 3 }, { steps = 4, doubtful = 0.5 }, { steps = 3, red = 0.5 }]
"""


def lone(seed: int = 0, lab: str = "two", **changes) -> Picture:
    """A picture of one cell whose box nobody drew."""
    box = np.array([[20.0, 20, 76, 76]])
    made = Picture(
        draw_cell("monocyte", seed=seed, size=96), box, lab, f"{lab}/{seed}", False, False, "train", str(seed)
    )
    return dataclasses.replace(made, **changes)


def boxed(seed: int, lab: str = "one", split: str = "train") -> Picture:
    """A photo with annotated boxes, of red cells too."""
    image, cells = draw_photo(["neutrophil", "lymphocyte"], seed=seed, width=200, height=160, red_cell_px=30.0)
    boxes = np.array([cell.box for cell in cells], float)
    return Picture(image, boxes, lab, f"{lab}/{seed}", True, True, split, f"{lab}-{seed}", red_width=30.0)


def pictures() -> list[Picture]:
    return [boxed(0), boxed(1), lone(0), lone(1)]


@pytest.fixture
def tiny(tmp_path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(TINY)
    return file


# --- the recipe ------------------------------------------------------------------------------------------


def test_the_recipe_that_is_shipped_is_valid():
    recipe = read_recipe(CONFIGS / "locator.toml")
    assert recipe.steps == sum(part.steps for part in recipe.rounds) > 1000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("batch = 2", "batch = 0", "batch: Input should be greater than or equal to 1 (given: 0)"),
        ("batch = 2", 'batch = "2"', "batch: Input should be a valid integer (given: '2')"),
        ("batch = 2", "", "missing key 'batch'"),
        ("batch = 2", "batch = 2\nsteps = 9", "unknown key 'steps'"),
        ("{ steps = 3 }", "{ step = 3 }", "missing key 'rounds.0.steps'; unknown key 'rounds.0.step'"),
        ("[4, 4, 6, 6, 8]", "[4, 4]", "filters: List should have at least 5 items"),
        ('"two"]', '"lisc"]', "labs: lisc is for research only by its terms: scored, not taught"),
        ("{ steps = 3 }", "{ steps = 3, doubtful = 0.5 }", "rounds.0.doubtful: before the first round nothing has"),
        ("batch = 2", "batch =", "is not TOML"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_in_one_line_that_names_the_key(tiny, old, new, said):
    tiny.write_text(TINY.replace(old, new))
    with pytest.raises(ConfigError) as error:
        read_recipe(tiny)
    assert str(error.value).startswith(str(tiny))
    assert said in str(error.value)
    done = run_here("training.locating.train", tiny)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {error.value}\n"
    assert "\n" not in str(error.value) or "TOML" in said


# --- the steps -------------------------------------------------------------------------------------------


def test_the_rate_rises_falls_to_a_hundredth_and_begins_anew_in_each_round():
    recipe = Recipe(**read_recipe(CONFIGS / "locator.toml").model_dump() | {"learning_rate": 0.5})
    steps = 1000
    rates = np.array([learning_rate(recipe, done, steps) for done in range(steps)])
    assert rates[0] == pytest.approx(0.5 / WARM_UP)
    assert (np.diff(rates[:WARM_UP]) > 0).all()
    assert rates[WARM_UP - 1] == pytest.approx(0.5)
    assert (np.diff(rates[WARM_UP:]) < 0).all()
    assert rates[-1] == pytest.approx(0.005, rel=0.01)
    assert learning_rate(recipe, steps // 2, steps) == pytest.approx(0.5 * 0.505)
    short = [learning_rate(recipe, done, 50) for done in range(50)]
    assert short[-1] == pytest.approx(0.5), "a round shorter than the rise"


def test_the_rate_of_a_step_is_that_of_its_place_in_the_round(monkeypatch, tmp_path):
    asked, kinds = [], []
    monkeypatch.setattr(train, "learning_rate", lambda recipe, done, steps: asked.append((done, steps)) or 1e-3)
    monkeypatch.setattr(train, "everyday", lambda rng: [boxed(9).image])
    monkeypatch.setattr(train, "batches", lambda by_lab, others, recipe, first, last: iter(range(first, last)))

    class Counting:
        def __init__(self, recipe, folder):
            self.recipe, self.folder, self.done = recipe, folder, 2

        def step(self, batch, rate, red):
            kinds.append(red)
            assert batch == self.done
            self.done += 1
            return np.zeros(4)

        def save(self):
            pass

    monkeypatch.setattr(train, "Training", Counting)
    rounds = [Round(steps=4), Round(steps=3, red=0.5)]
    recipe = Recipe(**read_recipe(CONFIGS / "locator.toml").model_dump() | {"rounds": rounds})
    train.train(recipe, [boxed(0)], tmp_path)
    assert asked == [(2, 4), (3, 4), (0, 3), (1, 3), (2, 3)]
    assert kinds == [0, 0, 0.5, 0.5, 0.5], "red cells count in the rounds that say so"


def test_the_loss_is_none_for_what_is_right_and_counts_only_what_is_known():
    heat, sides = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2, 4), np.float32)
    heat[0, 0, 0] = 1
    known, telling, red = np.ones((1, 2, 2), np.float32), heat.copy(), np.zeros((1, 2, 2), np.float32)
    right = np.concatenate([np.where(heat == 1, 20.0, -20.0)[..., None], np.zeros((1, 2, 2, 6))], axis=-1)
    right = right.astype(np.float32)

    def of(answer):
        return [float(part) for part in network.loss(answer, heat, sides, known, telling, red, 1.0)]

    assert of(right) == pytest.approx([0, 0, 0, 0], abs=1e-5)
    false = right.copy()
    false[0, 1, 1, 0] = 5.0
    assert of(false)[1] > 4
    known[0, 1, 1] = 0
    assert of(false)[1] == pytest.approx(0, abs=1e-5)

    wide = right.copy()
    wide[0, 0, 0, 1] = np.log(3)  # the box reaches three times as far to the left: half of it is right
    total, _, side_loss, _ = of(wide)
    assert side_loss == pytest.approx(0.5, abs=1e-5)
    assert total == pytest.approx(1.5, abs=1e-4)
    apart = right.copy()
    apart[0, 1, 0, 1:] = 3.0
    assert of(apart) == pytest.approx([0, 0, 0, 0], abs=1e-5), "no box is there, and no red cell was measured"


def test_the_loss_of_the_heat_map_is_focal():
    """What is half sure counts a quarter, and near a middle, where the heat is a half, a sixteenth of that."""
    heat = np.array([[[1.0, 0.5], [0.0, 0.0]]], np.float32)
    answer = np.zeros((1, 2, 2, 7), np.float32)
    answer[0, 1, 1, 0] = -30  # rightly sure

    def of(answer, heat):
        none = np.zeros_like(heat)
        sides = np.zeros((*heat.shape, 4), np.float32)
        return float(network.loss(answer, heat, sides, np.ones_like(heat), none, none, 1.0)[1])

    assert of(answer, heat) == pytest.approx(np.log(2) * 0.25 * (1 + 1 / 16 + 1), rel=1e-4)
    twice = of(np.concatenate([answer, answer], axis=1), np.concatenate([heat, heat], axis=1))
    assert twice == pytest.approx(of(answer, heat)), "of each cell"


def test_the_loss_of_red_cells_is_of_their_width_and_of_how_doubtful_it_is_said_to_be():
    red = np.array([[[32.0, 32.0], [0.0, 0.0]]], np.float32)  # known in two places of four
    answer = np.zeros((1, 2, 2, 7), np.float32)
    answer[0, 0, :, 5] = np.log(32 / SIDE_UNIT), np.log(32 / SIDE_UNIT) + 0.5
    answer[0, 1, :, 5:] = 3.0, -4.0  # where nothing is known nothing is wrong
    none = np.zeros((1, 2, 2), np.float32)

    def of(doubt, weight=1.0, known=red):
        answer[0, 0, :, 6] = np.log(doubt)
        losses = network.loss(answer, none, np.zeros((1, 2, 2, 4), np.float32), none, none, known, weight)
        return float(losses[3]), float(losses[0])

    assert of(0.25)[0] == pytest.approx(0.25 / 0.25 + np.log(0.25))
    assert of(0.25)[0] < min(of(0.2)[0], of(0.3)[0]), "it is best to be as doubtful as one is wrong"
    assert of(0.25, known=none)[0] == 0
    assert of(0.25)[1] == pytest.approx(of(0.25)[0])
    assert of(0.25, 0.5)[1] == pytest.approx(of(0.25)[0] / 2)
    assert of(0.25, 0.0)[1] == 0


# --- the network -----------------------------------------------------------------------------------------


def test_the_whole_photo_has_a_say_once_the_kernel_of_zeros_has_learned():
    """The same cell stands in two photos that differ only beyond what convolutions can see from there."""
    from training.locating.network import build

    cell = draw_cell("neutrophil", seed=0, size=96)
    photos = np.full((2, 96, 960, 3), 230, np.uint8)
    photos[:, :, :96] = cell
    photos[1, :, 640:] = (90, 40, 120)
    model = build((4, 4, 6, 6, 8), seed=1)
    (zeros,) = [w for w in model.trainable_weights if w.path.endswith("kernel") and not w.numpy().any()]
    here, there = model(photos).numpy()[:, :, :12]
    np.testing.assert_allclose(here, there, atol=1e-6)
    zeros.assign(np.random.default_rng(0).normal(size=zeros.shape))
    here, there = model(photos).numpy()[:, :, :12]
    assert np.abs(here[..., 0] - there[..., 0]).max() > 1e-3


def test_the_network_has_a_place_for_each_8_px_of_any_picture_and_expects_no_cells():
    from training.locating.network import PRIOR, build

    model = build((4, 4, 6, 6, 8))
    answer = model(np.zeros((2, 64, 160, 3), np.uint8)).numpy()
    assert answer.shape == (2, 64 // STRIDE, 160 // STRIDE, 7)
    assert answer[..., 0] == pytest.approx(PRIOR, abs=2)
    same = [
        np.array_equal(a, b) for a, b in zip(model.get_weights(), build((4, 4, 6, 6, 8)).get_weights(), strict=True)
    ]
    assert all(same)
    other = build((4, 4, 6, 6, 8), seed=1).get_weights()
    assert not all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other, strict=True))


# --- boxes that it finds itself --------------------------------------------------------------------------


def fixed(*boxes_and_logits) -> Locator:
    """A locator whose network always answers the same: (box in px of the copy, logit) each."""

    def answer(copies):
        _, height, width, _ = copies.shape
        cells = np.full((1, height // STRIDE, width // STRIDE, 5), -9.0, np.float32)
        for (x0, y0, x1, y1), logit in boxes_and_logits:
            row, column = int((y0 + y1) / 2 // STRIDE), int((x0 + x1) / 2 // STRIDE)
            x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            cells[0, row, column] = [logit, *np.log(np.array([x - x0, y - y0, x1 - x, y1 - y]) / SIDE_UNIT)]
        return cells

    return Locator(answer, found.LEAST * found.DOUBTFUL)


MIDDLE, BESIDE, BELOW = (30.0, 30.0, 72.0, 72.0), (2.0, 2.0, 30.0, 30.0), (66.0, 66.0, 94.0, 94.0)
SURE, HALF, THIRD, UNSURE = 4.0, 0.0, -0.7, -1.0  # logits: scores of 0.98, 0.5, 0.33, 0.27


def test_of_a_picture_of_one_cell_the_middle_one_is_taken_and_others_that_are_half_as_sure_are_doubtful():
    picture = lone()
    relabel([picture], fixed((MIDDLE, SURE), (BESIDE, HALF), (BELOW, THIRD)), doubtful=0.5)
    np.testing.assert_array_equal(picture.boxes, [MIDDLE])
    np.testing.assert_array_equal(picture.doubtful, [BESIDE])
    assert picture.complete
    assert picture.measured
    assert picture.cell_width == 42
    relabel([picture], fixed((MIDDLE, SURE), (BESIDE, HALF), (BELOW, THIRD)), doubtful=0.8)
    assert picture.doubtful.shape == (0, 4)
    relabel([picture], fixed((MIDDLE, HALF), (BESIDE, HALF), (BELOW, THIRD)), doubtful=0.6)
    assert len(picture.doubtful) == 2, "the share is of the middle cell's score"


@pytest.mark.parametrize("cells", [[(BESIDE, SURE)], [(MIDDLE, UNSURE)], []])
def test_where_the_middle_one_is_unsure_or_none_a_picture_stays_as_it_is(cells):
    picture = lone()
    before = picture.boxes.copy()
    assert picture.cell_width == 56
    relabel([picture], fixed(*cells), doubtful=0.5)
    np.testing.assert_array_equal(picture.boxes, before)
    assert not picture.complete
    assert not picture.measured
    relabel([picture], fixed((MIDDLE, SURE)), doubtful=0.5)
    relabel([picture], fixed(*cells), doubtful=0.5)
    np.testing.assert_array_equal(picture.boxes, [MIDDLE], "what an earlier round found stays")


def test_boxes_that_were_found_are_kept_to_the_bit(tmp_path):
    first, second = lone(0), lone(1)
    first.give_boxes([(0.1, 1 / 3, 50.7, 60)], [(1, 2, 3, 4.5)])
    write_boxes(tmp_path / "found.json", [first, second])
    assert [file.name for file in tmp_path.iterdir()] == ["found.json"]
    again = [lone(1), lone(0), lone(2)]
    assert [picture.cell_width for picture in again] == [56] * 3
    read_boxes(tmp_path / "found.json", again)
    np.testing.assert_array_equal(again[1].boxes, first.boxes)
    np.testing.assert_array_equal(again[1].doubtful, first.doubtful)
    assert again[1].cell_width == first.cell_width == 60 - 1 / 3
    assert [picture.complete for picture in again] == [picture.measured for picture in again] == [False, True, False]


# --- a whole run -----------------------------------------------------------------------------------------


class Stopped(Exception):
    pass


@contextlib.contextmanager
def eagerly():
    """For so few steps graphs are not worth their making."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run twice, the second time stopped and gone on with: the folders."""
    whole, torn = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("torn")
    recipe = Recipe(**tomllib.loads(TINY))
    step, locator = Training.step, Training.locator

    def stopping(self, batch, rate, red):
        if self.done == 5:
            raise Stopped
        return step(self, batch, rate, red)

    with pytest.MonkeyPatch.context() as patch, eagerly():
        patch.setattr(train, "SAVED_EVERY", 2)
        patch.setattr(train, "everyday", lambda rng: [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)])
        patch.setattr(Training, "locator", lambda self, least: Locator(sure_of_the_middle(locator(self, least)), least))
        train.train(recipe, pictures(), whole)
        patch.setattr(Training, "step", stopping)
        with pytest.raises(Stopped):
            train.train(recipe, pictures(), torn)
        patch.setattr(Training, "step", step)
        (torn / "stopped").write_text(str(run.steps_done(torn)))
        train.train(recipe, pictures(), torn)
    for folder in (whole, torn):
        (folder / run.CONFIG).write_text(TINY)
    return whole, torn


def sure_of_the_middle(locator: Locator):
    """The network of a locator, as it would be if it had learned that a cell is in the middle."""

    def sure(copies):
        cells = locator.run(copies).copy()
        cells[0, cells.shape[1] // 2, cells.shape[2] // 2, 0] = 3.0
        return cells

    return sure


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(runs):
    whole, torn = runs
    assert (torn / "stopped").read_text() == "4"
    assert run.steps_done(whole) == run.steps_done(torn) == 10
    with np.load(whole / run.STATE) as a, np.load(torn / run.STATE) as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert (whole / "found-2.json").read_text() == (torn / "found-2.json").read_text()


def test_a_run_finds_boxes_before_the_round_that_asks_for_them(runs):
    kept = json.loads((runs[0] / "found-2.json").read_text())
    assert set(kept) == {"0", "1"}, "pictures of one cell"
    assert all(complete for _, _, complete in kept.values())
    assert not (runs[0] / "found-1.json").exists()


def test_boxes_are_found_with_the_averaged_weights(tmp_path):
    training = Training(Recipe(**tomllib.loads(TINY)), tmp_path)
    photo = draw_cell("monocyte", seed=0, size=96)[None]
    plain = training.model(photo).numpy()
    training.average = [array + 0.1 for array in training.average]
    answer = training.locator(0.5).run(photo)
    np.testing.assert_array_equal(training.model(photo).numpy(), plain)
    training.model.set_weights(training.average)
    np.testing.assert_allclose(answer, training.model(photo).numpy(), rtol=1e-4, atol=1e-4)
    assert np.abs(answer - plain).max() > 0.01


def test_red_cells_are_learned_in_the_rounds_that_say_so(tmp_path):
    training = Training(Recipe(**tomllib.loads(TINY)), tmp_path)
    rng = np.random.default_rng(0)
    batch = next(
        train.batches({"one": [boxed(0)]}, [rng.integers(0, 256, (64, 64, 3), np.uint8)], training.recipe, 0, 1)
    )
    telling = training.model.get_layer("red")
    for red in (0.0, 0.5):
        before = telling.bias.numpy()  # which no weight decay moves
        with eagerly():
            total, heat, sides, of_red = training.step(batch, 1e-2, red)
        assert np.array_equal(before, telling.bias.numpy()) == (red == 0)
        assert total == pytest.approx(heat + 3 * sides + red * of_red, rel=1e-5)
        assert of_red != 0


def test_a_run_keeps_its_losses(runs):
    for folder in runs:
        rows = list(csv.DictReader((folder / run.HISTORY).open()))
        assert [row["step"] for row in rows] == ["2", "3", "4", "6", "7", "8", "10"]
        weights = [0] * 5 + [0.5] * 2
        sums = [
            float(row["heat"]) + 3 * float(row["sides"]) + weight * float(row["red"])
            for row, weight in zip(rows, weights, strict=True)
        ]
        assert [float(row["loss"]) for row in rows] == pytest.approx(sums, abs=1e-2)
        assert 1 < float(rows[0]["loss"]) < 100


def test_the_weights_that_are_kept_are_the_average_not_the_last(runs):
    from training.locating.network import build

    model = build((4, 4, 6, 6, 8))
    model.load_weights(runs[0] / run.WEIGHTS)
    with np.load(runs[0] / run.STATE) as state:
        weights = model.get_weights()
        for i, array in enumerate(weights):
            np.testing.assert_array_equal(array, state[f"a{i}"])
        assert any(np.abs(array - state[f"v{i}"]).max() > 1e-4 for i, array in enumerate(weights))


def test_a_trained_locator_becomes_a_graph_that_serving_opens(runs, tmp_path):
    graph = tmp_path / "locator.onnx"
    done = run_here("training.locating.export", runs[0], graph)
    assert done.returncode == 0, done.stderr
    assert "off by at most" in done.stdout
    locator = open_locator(graph, 0.5)
    assert locator.run(np.zeros((1, 96, 64, 3), np.uint8)).shape == (1, 12, 8, 7)


# --- the commands ----------------------------------------------------------------------------------------


@pytest.fixture
def no_training(monkeypatch, tmp_path):
    """The command with data at hand and nothing trained: what would have been learned from."""
    given = []
    monkeypatch.setattr(
        train, "all_pictures", lambda *folders: [*pictures(), boxed(7, "two", split="test"), boxed(8, "x")]
    )
    monkeypatch.setattr(train, "train", lambda recipe, taught, folder: given.append((recipe.name, taught, folder)))
    monkeypatch.setattr(train, "DRAWN", 2)
    for variable in ("BLOOD_CELLS_DIR", "PBC_DIR", "LABS_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return given


def test_what_is_held_out_or_of_no_lab_of_the_recipe_is_not_learned_from(no_training, tiny):
    done = run_here("training.locating.train", tiny)
    assert done.returncode == 0, done.stderr
    ((_, taught, folder),) = no_training
    assert folder == Path("runs/tiny")
    assert (folder / run.CONFIG).read_text() == TINY
    assert [picture.path for picture in taught] == ["one-0", "one-1", "0", "1", "drawn/0", "drawn/1"]
    assert "next: python -m training.locating.export runs/tiny" in done.stdout


def test_a_lab_is_left_out_and_the_run_is_another(no_training, tiny):
    assert run_here("training.locating.train", tiny).returncode == 0
    done = run_here("training.locating.train", tiny, "--without", "two")
    assert done.returncode == 0, done.stderr
    _, taught, folder = no_training[-1]
    assert folder == Path("runs/tiny-without-two")
    assert {picture.lab for picture in taught} == {"one", "drawn"}
    done = run_here("training.locating.train", tiny, "--out", folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {folder} holds a run with another lab left out: ")


@pytest.mark.parametrize("lab", ["raabin", "lisc", ""])
def test_only_a_lab_of_the_recipe_can_be_left_out(no_training, tiny, lab):
    done = run_here("training.locating.train", tiny, "--without", lab)
    assert (done.returncode, done.stderr) == (2, f"error: --without {lab}: tiny learns from one, two\n")
    assert not no_training


def test_the_only_lab_cannot_be_left_out(no_training, tiny):
    tiny.write_text(TINY.replace('["one", "two"]', '["one"]'))
    done = run_here("training.locating.train", tiny, "--without", "one")
    assert (done.returncode, done.stderr) == (2, "error: --without one: tiny learns from no other lab\n")


def test_a_lab_without_pictures_is_named(no_training, tiny):
    tiny.write_text(TINY.replace('"two"]', '"ward"]'))
    done = run_here("training.locating.train", tiny)
    assert done.returncode == 2
    assert done.stderr == "error: no training pictures from lab ward; the data has labs one, two, x\n"
    assert not Path("runs").exists(), "a recipe that is put right must not find the run of one that was not"


def test_a_run_of_another_recipe_or_of_other_pictures_is_refused(no_training, tiny, monkeypatch):
    assert run_here("training.locating.train", tiny).returncode == 0
    assert run_here("training.locating.train", tiny).returncode == 0, "the same goes on"
    monkeypatch.setattr(train, "all_pictures", lambda *folders: pictures()[:3])
    done = run_here("training.locating.train", tiny)
    assert done.returncode == 2
    assert "error: runs/tiny holds a run with another pictures and data sha256: give another --out" in done.stderr
    tiny.write_text(TINY.replace("batch = 2", "batch = 4"))
    done = run_here("training.locating.train", tiny)
    assert (done.returncode, len(no_training)) == (2, 2)
    assert done.stderr == "error: runs/tiny holds a run with another config: give another --out, or remove it\n"
    with pytest.raises(RunError):
        run.open_run(Path("runs/tiny"), tiny.read_text(), run.identity(read_recipe(tiny)))
    assert Path("runs/tiny/config.toml").read_text() == TINY


def test_a_finished_run_says_that_nothing_is_left_and_reads_no_picture(no_training, tiny, monkeypatch):
    assert run_here("training.locating.train", tiny).returncode == 0
    np.savez(Path("runs/tiny") / run.STATE, done=9)
    assert run_here("training.locating.train", tiny).returncode == 0
    assert len(no_training) == 2, "a step is left"
    np.savez(Path("runs/tiny") / run.STATE, done=10)
    monkeypatch.setattr(train, "all_pictures", lambda *folders: pytest.fail("pictures are read"))
    done = run_here("training.locating.train", tiny)
    assert done.returncode == 0
    assert done.stdout.startswith("nothing is left to train in runs/tiny\n")


def test_a_run_that_is_interrupted_says_how_it_goes_on(no_training, tiny, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    done = run_here("training.locating.train", tiny)
    assert done.returncode == 130
    assert "interrupted: the same command goes on after the last whole 250 steps" in done.stderr


@pytest.mark.parametrize("module", ["train", "score"])
def test_a_folder_of_data_that_is_missing_is_named(no_training, tiny, tmp_path, monkeypatch, module):
    graph = Path(__file__).parents[2] / "leukoscope/pretrained/locator.onnx"
    words = [tiny] if module == "train" else [graph, "--threshold", "0.4"]
    gone = tmp_path / "gone"
    done = run_here(f"training.locating.{module}", *words, "--pbc", gone)
    assert done.returncode == 2
    assert done.stderr == f"error: no such folder: {gone} (--pbc, PBC_DIR), which should be that of the PBC set\n"
    monkeypatch.delenv("LABS_DIR")
    done = run_here(f"training.locating.{module}", *words)
    assert done.returncode == 2
    assert done.stderr == "error: the folder of further labs is needed: give --labs DIR, or set LABS_DIR\n"
    assert not Path("runs").exists()


def test_a_run_without_weights_cannot_be_exported(tmp_path):
    done = run_here("training.locating.export", tmp_path, tmp_path / "locator.onnx")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path} holds no weights: python -m training.locating.train makes them\n"
    done = run_here("training.locating.export", tmp_path, tmp_path / "nowhere" / "locator.onnx")
    assert (done.returncode, done.stderr) == (2, f"error: no such folder: {tmp_path / 'nowhere'}\n")


@pytest.mark.parametrize("module", ["train", "export", "score"])
def test_help_says_what_each_word_means(module, capsys):
    import importlib

    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"training.locating.{module}").main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"python -m training.locating.{module}" in said
    assert module == "export" or all(f"default ${name}" in said for name in ("BLOOD_CELLS_DIR", "PBC_DIR", "LABS_DIR"))
