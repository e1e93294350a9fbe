"""Attributes from table to checkpoint: drawn cells stand for PBC's, with what was drawn as what people saw."""

import csv
import json

import cv2
import numpy as np
import pytest

from leukoscope import CELL_TYPES, Classifier
from leukoscope.biology.attributes import ATTRIBUTES, VALUES, WIDTH, parts
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.showing.explain import heatmap
from leukoscope.smear.preprocess import normalise
from tests.refusal import refusal
from tests.training.conftest import SMOKE, run_here
from training.attributes.scores import fit_sure, macro_f1, scores
from training.data.attributes import attributes_taught, fitting_rows, numbers
from training.data.sources import DataError
from training.data.table import load_examples, where
from training.recipe.config import read_config

DRAWN_AS = {
    "eosinophil": {"nucleus_shape": "segmented-bilobed", "granule_type": "round", "granule_colour": "red"},
    "lymphocyte": {"nucleus_shape": "unsegmented-round", "nuclear_cytoplasmic_ratio": "high"},
    "monocyte": {"nucleus_shape": "unsegmented-indented", "cytoplasm_vacuole": "yes"},
    "neutrophil": {"nucleus_shape": "segmented-multilobed", "granule_type": "small", "granule_colour": "pink"},
}
OF_ONE_TYPE = 40


def seen_in(label: str) -> dict[str, str]:
    values = {name: values[0] for name, values in ATTRIBUTES.items()} | DRAWN_AS[label]
    return values | {"granularity": "no" if values["granule_type"] == "nil" else "yes", "cell_size": "big"}


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """(folder like PBC's, folder of labs with its attributes), of drawn cells."""
    root = tmp_path_factory.mktemp("labs")
    pbc, labs = root / "pbc", root / "labs"
    labs.mkdir()
    seen = []
    for kind, label in enumerate(CELL_TYPES):
        (pbc / label).mkdir(parents=True)
        for number in range(OF_ONE_TYPE):
            photo, _ = draw_photo([label], seed=1000 * kind + number, width=160, height=160, red_cell_px=40.0)
            name = f"{label[:2].upper()}_{number:03d}"
            cv2.imwrite(str(pbc / label / f"{name}.png"), photo[..., ::-1])
            split = ("train", "train", "val", "test")[number % 4]
            seen.append({"file": f"pbc/{label}/{name}.jpg", "wbcatt_split": split} | seen_in(label))
    write(labs / "attributes.csv", seen)
    cv2.imwrite(str(labs / "a.png"), draw_photo(["monocyte"], seed=5)[0])
    lab = {"file": "a.png", "lab": "ours", "cell": "monocyte", "slide_group": "", "field": "", "official_split": ""}
    write(labs / "labs.csv", [lab])
    return pbc, labs


def drawn_cell(number: int) -> np.ndarray:
    return draw_photo([CELL_TYPES[number % 4]], seed=number, width=160, height=160, red_cell_px=40.0)[0]


def write(path, rows) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def examples(labs):
    pbc, folder = labs
    return load_examples("synthetic:40", pbc=pbc, labs=folder, kinds=["photo"])


@pytest.fixture(scope="module")
def checkpoint(labs, tmp_path_factory):
    """A checkpoint that was taught attributes, through the commands."""
    root = tmp_path_factory.mktemp("seeing")
    recipe = SMOKE.replace('labs = ["synthetic"]', 'labs = ["barcelona"]').replace('"smoke"', '"seeing"')
    recipe = recipe.replace("dropout = [0.1]", "dropout = [0.1]\nhalf_turn = true")
    (root / "seeing.toml").write_text(recipe.replace("patience = 0", "patience = 0\nattributes = 0.5"))
    pbc, folder = labs
    data = ["--data", "synthetic:40", "--pbc", pbc, "--labs", folder]
    trained = run_here("training.train", root / "seeing.toml", *data, "--out", root / "run")
    assert trained.returncode == 0, trained.stderr
    exported = run_here("training.export", root / "run", root / "checkpoint", *data)
    assert exported.returncode == 0, exported.stderr
    scored = run_here("training.evaluate", root / "checkpoint", *data, "--lab", "barcelona")
    assert scored.returncode == 0, scored.stderr
    return root / "checkpoint", data


def test_the_table_joins_pbcs_cells_and_no_others(examples):
    own = where(examples, lab="barcelona")
    assert set(own["attributes_split"]) == {"train", "val", "test"}
    assert (numbers(own) >= 0).all()
    others = where(examples, lab="synthetic")
    assert set(others["attributes"]) == {""}
    assert (numbers(others) < 0).all()
    row = dict(zip(ATTRIBUTES, numbers(where(own, attributes_split="test"))[0], strict=True))
    assert ATTRIBUTES["nucleus_shape"][row["nucleus_shape"]] == "segmented-bilobed"


def test_what_is_scored_is_never_taught(examples, smoke_config, tmp_path):
    plain = read_config(smoke_config)
    assert attributes_taught(plain, examples, len(examples)) is None
    config = plain.model_copy(update={"fit": plain.fit.model_copy(update={"attributes": 0.5})})
    taught = attributes_taught(config, examples, len(examples) + 3)
    split = np.asarray(examples["attributes_split"])
    assert (taught[: len(examples)][np.isin(split, ["train", "val"])] >= 0).all()
    assert (taught[: len(examples)][np.isin(split, ["test", ""])] < 0).all()
    assert (taught[len(examples) :] < 0).all(), "crops without a cell"
    fitted = fitting_rows(examples)
    assert set(fitted["split"]) == {"test"}
    assert "test" not in fitted["attributes_split"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nucleus_shape": "square"}, "nucleus_shape 'square' of pbc/eosinophil/EO_000.jpg: valid are segmented-"),
        ({"granularity": None}, "lacks the columns granularity"),
    ],
)
def test_a_table_that_is_none_of_wbcatts_is_refused(labs, tmp_path, change, said):
    pbc, folder = labs
    with open(folder / "attributes.csv", newline="") as file:
        rows = [row | change for row in csv.DictReader(file)]
    rows = [{key: value for key, value in row.items() if value is not None} for row in rows]
    write(tmp_path / "attributes.csv", rows)
    assert said in refusal(DataError, load_examples, "synthetic:40", pbc=pbc, labs=tmp_path)


def test_nobodys_word_on_an_attribute_teaches_nothing():
    import keras

    from training.recipe.heads import HeadsLoss, TypeAccuracy, one_hot

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 5 + WIDTH)).astype(np.float32)
    types = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 6)]
    named = np.stack([rng.integers(0, len(values), 6) for values in ATTRIBUTES.values()], axis=1)
    plain = keras.losses.categorical_crossentropy(types, logits[:, :5], from_logits=True, label_smoothing=0.1)
    loss = HeadsLoss(0.5, 0.1)
    unnamed = np.concatenate([types, one_hot(np.full_like(named, -1))], axis=1)
    np.testing.assert_allclose(loss.call(unnamed, logits), plain, rtol=1e-5)
    full = np.concatenate([types, one_hot(named)], axis=1)
    extra = np.zeros(6)
    start = 5
    for column, values in zip(named.T, ATTRIBUTES.values(), strict=True):
        part = logits[:, start : start + len(values)].astype(float)
        extra -= (part - np.log(np.exp(part).sum(axis=1, keepdims=True)))[np.arange(6), column]
        start += len(values)
    np.testing.assert_allclose(loss.call(full, logits), plain + 0.5 * extra / len(ATTRIBUTES), rtol=1e-4)
    accuracy = TypeAccuracy()
    accuracy.update_state(full, logits)
    assert float(accuracy.result()) == pytest.approx(np.mean(logits[:, :5].argmax(1) == types.argmax(1)))
    assert HeadsLoss.from_config(loss.get_config()).weight == 0.5


def test_scores_know_the_constant_and_what_is_usual():
    assert macro_f1(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])) == 1
    assert macro_f1(np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1])) == pytest.approx((2 / 3) / 2)
    rng = np.random.default_rng(1)
    types = rng.integers(0, 4, 200)
    named = np.stack([np.minimum(types, len(values) - 1) for values in ATTRIBUTES.values()], axis=1)
    logits = np.concatenate([np.eye(len(v))[named[:, i]] for i, v in enumerate(ATTRIBUTES.values())], axis=1)
    logits *= np.linspace(2, 9, 200)[:, None]  # all right, some surer than others
    found = scores(logits, types, named, (types, named), fit_sure(logits, named))
    for row in found["attributes"].values():
        assert row["macro_f1"] == row["usual"] == row["right"] == 1
        assert row["said"] > 0.99
        assert row["constant"] < 0.7
    assert found["macro_f1"] == 1
    logits[:, 2:4] = logits[:, 3:1:-1]  # several lobes are taken for two, and two for several
    found = scores(logits, types, named, (types, named), fit_sure(logits, named))
    of = found["attributes"]
    assert (of["nucleus_shape"]["macro_f1"], of["nucleus_lobes"]["macro_f1"]) == (0.5, 1), "lobes they are"
    assert of["nucleus_lobes"]["said"] > 0.99
    assert found["macro_f1"] == pytest.approx(0.95), "of what is read off the network itself"


def test_an_attribute_is_said_only_from_where_it_was_right_often_enough():
    logits = np.zeros((100, WIDTH))
    logits[:, 0] = np.linspace(0.1, 5, 100)  # cell_shape: the surer, the more probable
    named = np.zeros((100, len(ATTRIBUTES)), int)
    named[:40, 0] = 1  # the less sure ones are wrong
    sure = fit_sure(logits, named)["cell_shape"]
    shares = np.exp(logits[:, 0]) / (1 + np.exp(logits[:, 0]))
    said = shares >= sure
    assert (named[said, 0] == 0).mean() >= 0.97
    assert 58 <= said.sum() <= 62


def test_a_taught_checkpoint_sees_and_is_scored(checkpoint):
    folder, data = checkpoint
    classifier = Classifier.from_pretrained(folder)
    assert list(classifier.spec.attributes) == list(VALUES)
    told = run_here("training.attributes.scores", folder, *data)
    assert told.returncode == 0, told.stderr
    assert "unseen:" in told.stdout
    kept = json.loads((folder / "metrics.json").read_text())["attributes"]
    for found in kept.values():
        nucleus = found["attributes"]["nucleus_shape"]
        assert nucleus["macro_f1"] > nucleus["constant"] + 0.1, "the drawn nuclei are told apart"
    photo, _ = draw_photo(["neutrophil"], seed=77, width=160, height=160, red_cell_px=40.0)
    seen = classifier.predict(photo).attributes
    assert set(seen) == set(VALUES)
    heat = heatmap(classifier, photo, attribute="nucleus_shape")
    assert heat.max() == pytest.approx(1, abs=0.05)
    said = "attribute 'size': give one of cell_shape"
    assert said in refusal(ValueError, heatmap, classifier, photo, attribute="size")
    both = {"label": "monocyte", "attribute": "nucleus_shape"}
    assert "no label beside it" in refusal(ValueError, heatmap, classifier, photo, **both)
    logits, maps = classifier.run(classifier.framed(photo)[0].crop[None], ["attributes", "attribute_map"])
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), logits, atol=1e-3)


def test_keras_has_the_types_alone_and_finetuning_says_no_attributes(checkpoint, labs, tmp_path):
    folder, data = checkpoint
    assert Classifier.from_pretrained(folder).load_keras().output.shape[1] in (4, 5)
    tuned = run_here(
        "training.finetune", folder, "--cells", labs[0], "--lab", "mine", "--epochs", "1",
        "--run", tmp_path / "run", "--out", tmp_path / "tuned", *data,
    )  # fmt: skip
    assert tuned.returncode == 0, tuned.stderr
    assert Classifier.from_pretrained(tmp_path / "tuned").spec.attributes == {}


def test_a_checkpoint_or_data_without_attributes_is_told(smoke_checkpoint, checkpoint):
    told = run_here("training.attributes.scores", smoke_checkpoint, "--data", "synthetic:40")
    assert (told.returncode, told.stdout) == (2, "")
    assert "sees no attributes: its recipe has fit.attributes = 0" in told.stderr
    told = run_here("training.attributes.scores", checkpoint[0], "--data", "synthetic:40")
    assert (told.returncode, told.stdout) == (2, "")
    assert "no attributes: --pbc and --labs must be given" in told.stderr


def test_cells_to_read_are_chosen_by_name_alone_and_drawn_without_their_types(monkeypatch, checkpoint, tmp_path):
    """Two labs of drawn cells stand for Raabin and LISC."""
    from training.attributes import by_eye

    folder = tmp_path / "labs"
    folder.mkdir()
    rows = []
    for lab, split in (("raabin", ""), ("lisc", "")):
        for number in range(16):
            name = f"{lab}-{number}.png"
            cv2.imwrite(str(folder / name), drawn_cell(number))
            rows.append({"file": name, "lab": lab, "cell": CELL_TYPES[number % 4], "slide_group": split, "field": ""})
    write(folder / "labs.csv", rows)
    examples = load_examples("synthetic:40", labs=folder, kinds=["photo"])
    said = refusal(DataError, by_eye.chosen, examples)
    assert said == "the data lacks cells of raabin or lisc: pass --labs"
    monkeypatch.setattr(by_eye, "OF_EACH_TYPE", {"lisc": 2})
    chosen = by_eye.chosen(examples)
    assert sorted(np.asarray(examples["label"])[chosen]) == [0, 0, 1, 1, 2, 2, 3, 3]
    data = ["--data", "synthetic:40", "--pbc", "", "--labs", folder]
    drawn = run_here("training.attributes.by_eye", tmp_path / "sheets", *data)
    assert drawn.returncode == 0, drawn.stderr
    assert [file.name for file in (tmp_path / "sheets").iterdir()] == ["by-eye-1.png"]

    monkeypatch.setattr(by_eye, "TABLE", tmp_path / "read.csv")
    answers = [Classifier.from_pretrained(checkpoint[0]).predict(folder / examples[i]["photo"]) for i in chosen]
    read = [
        {"photo": examples[i]["photo"], "nucleus_shape": one.attributes["nucleus_shape"].value}
        for i, one in zip(chosen, answers, strict=True)
        if one.attributes
    ]
    write(tmp_path / "read.csv", read)
    scored = run_here("training.attributes.by_eye", "--score", checkpoint[0], "--json", tmp_path / "found.json", *data)
    assert scored.returncode == 0, scored.stderr
    found = json.loads((tmp_path / "found.json").read_text())["lisc"]["nucleus_shape"]
    assert found["alike"] == 1
    assert found["cells"] == len(read)
    assert run_here("training.attributes.by_eye", "--score", checkpoint[0], "--data", "synthetic:40").returncode == 2


def read_by_eye() -> list[dict[str, str]]:
    from training.attributes.by_eye import TABLE

    with open(TABLE, newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_read_is_of_known_values():
    from training.attributes.by_eye import OF_EACH_TYPE

    rows = read_by_eye()
    assert len(rows) == len(CELL_TYPES) * sum(OF_EACH_TYPE.values())
    for row in rows:
        del row["photo"]
        assert all(value in ATTRIBUTES[name] for name, value in row.items())


def test_what_was_read_is_of_cells_that_are_there(labs_folder):
    assert all((labs_folder / row["photo"]).is_file() for row in read_by_eye())


def test_the_head_is_fitted_on_finished_features_and_changes_no_type():
    """Of two values, of more, of one alone, and of some that were never taught."""
    import keras

    from training.recipe.heads import NEVER, fit_head
    from training.recipe.networks import NORMALISATION

    rng = np.random.default_rng(3)
    picture = keras.Input((16, 16, 3))
    features = keras.layers.GlobalAveragePooling2D(name="features")(picture)
    heads = [keras.layers.Dense(width, name=name)(features) for name, width in (("logits", 5), ("attributes", WIDTH))]
    model = keras.Model(picture, keras.layers.Concatenate()(heads))
    colours = rng.integers(0, 256, (300, 1, 1, 3))
    crops = np.broadcast_to(colours, (300, 16, 16, 3)).astype(np.uint8)
    before = model.predict(normalise(crops, NORMALISATION), verbose=0)[:, :5]
    named = np.zeros((300, len(ATTRIBUTES)), int)
    red, third = colours[:, 0, 0, 0] > 128, colours[:, 0, 0, 1] // 86
    places = {name: place for place, name in enumerate(ATTRIBUTES)}
    named[:, places["granularity"]] = red
    named[:, places["cytoplasm_colour"]] = third
    named[:, places["granule_type"]] = np.where(red, 2, 1)  # 0 and 3 are never named
    fit_head(model, crops, named, NORMALISATION)
    logits = model.predict(normalise(crops, NORMALISATION), verbose=0)
    np.testing.assert_array_equal(logits[:, :5], before)
    given = {name: part.argmax(axis=1) for name, part in parts(logits[:, 5:]).items()}
    assert (given["granularity"] == red).mean() > 0.95
    assert (given["cytoplasm_colour"] == third).mean() > 0.9
    assert (given["granule_type"] == np.where(red, 2, 1)).mean() > 0.95
    assert not given["cell_shape"].any()
    np.testing.assert_allclose(parts(logits[:, 5:])["granule_type"][:, [0, 3]], NEVER)
