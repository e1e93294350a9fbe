import json
from collections import Counter

import cv2
import numpy as np
import pytest

from leukoscope import Classifier, Prediction
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.hub import EMBEDDED
from leukoscope.pictures.images import read_image
from leukoscope.smear.locate import Cell
from tests.training.conftest import SMOKE
from training.data import sources
from training.data.overlap import same_cell, shift_between
from training.data.sources import DataError, doubted_photos, synthetic, to_dataset
from training.data.table import load_examples
from training.fitting.examples import training_rows
from training.fitting.run_folder import RunError, changes_since, open_run
from training.recipe.config import CONFIGS, checked, read_config, to_toml
from training.studies import audit, findings
from training.studies.audit import FOLDS, ask_all, checkpoint_folder, contradictions, issues, judge, run_folder
from training.studies.findings import Finding, draw, read, write

TRIALS = (*FOLDS, "without-bccd")


@pytest.fixture(scope="module")
def drawn() -> list[dict]:
    """Forty drawn photos, rightly labelled, as if of the Kaggle set: 32 in TRAIN, 8 in TEST."""
    rows = [{**row, "lab": "bccd"} for row in synthetic("synthetic:40", seed=7).cast_column("image", _undecoded())]
    return [{**row, "label": CELL_TYPES[row["label"]]} for row in rows]


def _undecoded():
    import datasets

    return datasets.Image(decode=False)


def config(fold: int = 0, labs: str = "bccd", **data):
    import tomllib

    values = tomllib.loads(SMOKE.replace('"synthetic"', f'"{labs}"'))
    values["data"] |= {"folds": len(FOLDS), "fold": fold, **data}
    return checked(values, "test")


def surest(drawn: list[dict], label: str, split: str) -> int:
    """The cell of a type that the embedded model knows best: what is planted must be wrong beyond doubt."""
    classifier = Classifier.from_pretrained()
    places = [i for i, row in enumerate(drawn) if (row["label"], row["split"]) == (label, split)]
    return max(places, key=lambda i: classifier.predict(drawn[i]["image"]["bytes"]).probabilities[label])


@pytest.fixture
def table(drawn):
    """The drawn photos with one wrong label planted in TRAIN and one in TEST: (table, wrong TRAIN, wrong TEST)."""
    wrong_train = surest(drawn, "neutrophil", "train")
    wrong_test = surest(drawn, "eosinophil", "test")
    changed = {wrong_train: "lymphocyte", wrong_test: "monocyte"}
    rows = [{**row, "label": changed.get(i, row["label"])} for i, row in enumerate(drawn)]
    return to_dataset(rows), rows[wrong_train]["photo"], rows[wrong_test]["photo"]


@pytest.fixture
def runs(table, tmp_path):
    """Runs as `training.studies.compare` leaves them, less the training: the embedded model answers for each."""
    for trial in TRIALS:
        settings = config(FOLDS.index(trial)) if trial in FOLDS else config(labs="barcelona")
        open_run(run_folder(tmp_path / "runs", "default", trial), to_toml(settings), settings, table[0])
        checkpoint_folder(tmp_path / "runs", "default", trial).symlink_to(EMBEDDED)
    return tmp_path / "runs"


@pytest.fixture
def command(table, runs, tmp_path, monkeypatch):
    """The command on the drawn photos; results in a folder of the test's own."""
    monkeypatch.setattr(audit, "examples_of", lambda *_, **__: table[0])
    return lambda *words: audit.main(["--runs", str(runs), "--table", str(tmp_path / "audit.csv"), *map(str, words)])


def prediction(label: str | None, verdict: str = "confident") -> Prediction:
    """An answer that is quite sure of a type."""
    given = {name: 0.91 if name == label else 0.03 for name in CELL_TYPES} if label else dict.fromkeys(CELL_TYPES, 0.25)
    return Prediction(label, given, given.get(label, 0.0), None, verdict)


def test_a_planted_wrong_label_ranks_on_top_and_test_is_never_doubted(command, table, tmp_path, capsys):
    _, wrong_train, wrong_test = table
    assert command() == 0
    rows = {row.photo: row for row in read(tmp_path / "audit.csv")}
    assert {rows[wrong_train].rank, rows[wrong_test].rank} == {1, 2}
    planted, info = rows[wrong_train], rows[wrong_test]
    assert (planted.given, planted.suggested, planted.independent) == ("lymphocyte", "neutrophil", "neutrophil")
    assert (planted.issue, planted.doubted) == ("yes", "yes")
    assert (info.split, info.suggested, info.issue, info.doubted) == ("test", "eosinophil", "yes", "")
    assert [row.photo for row in rows.values() if row.doubted] == [wrong_train]
    assert len(rows) == 40
    assert f"1 TRAIN labels doubted: {wrong_train}" in capsys.readouterr().out
    read_out = (tmp_path / "audit.md").read_text()
    doubted, of_test, _ = read_out.split("\n## ")[1:]
    assert (wrong_train in doubted, wrong_test in doubted) == (True, False)
    assert (wrong_train in of_test, wrong_test in of_test) == (False, True)


def test_each_fold_answers_what_it_was_not_trained_on(table, runs, monkeypatch):
    """Each fold's model calls everything by a type of its own, so the table tells who answered."""
    examples, *_ = table
    asked = Counter()

    class Fake:
        def __init__(self, folder):
            self.trial = folder.name.removeprefix("default-").removesuffix("-checkpoint")

        @classmethod
        def from_pretrained(cls, folder):
            return cls(folder)

        def predict_batch(self, images):
            for _ in images:
                asked[self.trial] += 1
                yield prediction(CELL_TYPES[int(self.trial[-1]) % 4] if self.trial in FOLDS else "monocyte")

    monkeypatch.setattr("leukoscope.classifier.Classifier", Fake)
    probabilities, found, independent = ask_all(runs, "default", "bccd", examples, examples)
    for fold in range(len(FOLDS)):
        taught, held_out = (set(rows["photo"]) for rows in training_rows(config(fold), examples))
        assert not taught & held_out
        for i, photo in enumerate(examples["photo"]):
            if photo in held_out:
                assert probabilities[i].argmax() == fold % 4, photo
    of_test = np.asarray(examples["split"]) == "test"
    # Folds 0 and 4 say eosinophil: of five answers each type has one, and it has two.
    np.testing.assert_allclose(probabilities[of_test], [[0.382, 0.206, 0.206, 0.206]] * 8)
    assert found.all()
    assert {p.label for p in independent} == {"monocyte"}
    assert sum(asked[trial] for trial in FOLDS) == 32 + 5 * 8
    assert asked["without-bccd"] == 40


@pytest.mark.parametrize(
    ("voice", "doubted"),
    [
        (prediction("neutrophil"), "yes"),
        (prediction("neutrophil", "review"), ""),
        (prediction("neutrophil", "unfamiliar"), ""),
        (prediction("lymphocyte"), ""),  # it stands by the label
        (prediction("monocyte"), ""),  # it contradicts the label, but does not agree on another
        (prediction(None, "no_cell"), ""),
    ],
)
def test_a_label_falls_only_if_the_other_lab_is_sure_of_the_same(table, voice, doubted):
    examples, wrong_train, wrong_test = table
    places = [examples["photo"].index(photo) for photo in (wrong_train, wrong_test)]
    answers = [prediction(CELL_TYPES[label]) for label in examples["label"]]
    independent = list(answers)
    for place, truth in zip(places, ("neutrophil", "eosinophil"), strict=True):
        answers[place] = prediction(truth)
        independent[place] = voice
    probabilities = np.array([list(p.probabilities.values()) for p in answers])
    rows = judge(examples, probabilities, np.ones(len(answers), bool), independent, [])
    by_photo = {row.photo: row for row in rows}
    assert by_photo[wrong_train].issue == "yes"
    assert by_photo[wrong_train].doubted == doubted
    assert by_photo[wrong_test].doubted == ""
    assert sum(bool(row.doubted) for row in rows) == bool(doubted)


def test_what_is_an_issue_in_train_follows_from_train_alone():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    probabilities = rng.dirichlet([0.4] * 4, 200) + 0.5 * np.eye(4)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    train = np.arange(200) < 150
    quality, flagged = issues(labels, probabilities, train)
    other = np.where(train, labels, (labels + 1) % 4)
    other_quality, other_flagged = issues(other, probabilities, train)
    assert flagged[train].any()
    np.testing.assert_array_equal(flagged[train], other_flagged[train])
    np.testing.assert_array_equal(quality[train], other_quality[train])
    assert other_flagged[~train].sum() > flagged[~train].sum()


# --- one cell, two labels --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    """A drawn field with two white cells, one at the left, one at the right."""
    photo, (one, two) = draw_photo(["neutrophil", "lymphocyte"], seed=25, width=1100, height=480)
    assert one.box[0] > 160
    assert one.box[2] < 400
    assert two.box[0] > 700
    assert two.box[2] < 940
    return photo


def png(photo: np.ndarray) -> dict:
    return {"bytes": cv2.imencode(".png", photo[..., ::-1])[1].tobytes(), "path": None}


def test_the_shift_between_two_photos_is_found(field):
    found = shift_between(field[:440, 150:790], field[30:470, 100:740])
    np.testing.assert_allclose(found, (50, -30), atol=0.5)
    other, _ = draw_photo(["neutrophil"], seed=900)
    assert shift_between(field[:440, 150:790], other) is None
    assert shift_between(field[:440, :640], np.ascontiguousarray(field[:440, :640][::-1, ::-1])) is None
    assert shift_between(np.full((100, 100, 3), 230, np.uint8), other) is None


def test_one_cell_is_told_from_two_of_a_field(field, classifier):
    left, left_again, right = field[:440, 100:700], field[30:, 140:740], field[:, 420:1060]
    assert shift_between(left, right) is not None, "they overlap ..."
    assert not same_cell(left, right, classifier.locate), "... and show different cells"
    assert same_cell(left, left_again, classifier.locate)


def test_a_cell_with_two_labels_is_doubted_and_a_neighbour_is_not(drawn, field, classifier):
    base = {**drawn[0], "field": "f", "slide": "f"}
    views = {"a": field[:440, 100:700], "b": field[30:, 140:740], "c": field[:, 420:1060]}
    labels = {"a": "neutrophil", "b": "monocyte", "c": "lymphocyte"}
    splits = {"a": "test", "b": "train", "c": "train"}
    planted = [
        {**base, "photo": name, "image": png(view), "label": labels[name], "split": splits[name]}
        for name, view in views.items()
    ]
    examples = to_dataset(drawn + planted)
    pairs = contradictions(examples, classifier.locate)
    n = len(drawn)
    assert sorted(pairs) == [(n, n + 1, True), (n, n + 2, False), (n + 1, n + 2, False)]
    answers = [prediction(CELL_TYPES[label]) for label in examples["label"]]
    probabilities = np.array([list(p.probabilities.values()) for p in answers])
    rows = {r.photo: r for r in judge(examples, probabilities, np.ones(len(answers), bool), answers, pairs)}
    assert "the same cell as a (test, neutrophil)" in rows["b"].reasons
    assert "another cell in the field of c (train, lymphocyte)" in rows["b"].reasons
    assert [r.photo for r in rows.values() if r.doubted] == ["b"], "of the two, the one in TRAIN"


def test_the_known_pair_of_the_data_set(blood_cells, classifier):
    """206 and 278 are one cell; 19 and 20, 239 and 240 are neighbours in one field."""
    photo = lambda name: read_image(blood_cells / sources.PHOTO_FOLDER / f"BloodImage_{name}.jpg")  # noqa: E731
    same = lambda one, other: same_cell(photo(one), photo(other), classifier.locate)  # noqa: E731
    assert same("00206", "00278")
    assert not same("00019", "00020")
    assert not same("00239", "00240")


# --- the command -----------------------------------------------------------------------------------------


def test_missing_models_name_the_command_that_makes_them(command, runs, tmp_path, capsys):
    checkpoint_folder(runs, "default", "fold-3").unlink()
    (run_folder(runs, "default", "without-bccd") / "run.json").unlink()
    assert command() == 2
    said = capsys.readouterr().err
    assert "lacks the run or the checkpoint of default: fold-3, without-bccd" in said
    assert (
        f"python -m training.studies.compare --variants default --trials fold-3 without-bccd --runs {runs} --again"
        in said
    )
    assert not (tmp_path / "audit.csv").exists()


def test_models_of_other_data_are_refused(command, runs, capsys):
    record = run_folder(runs, "default", "fold-1") / "run.json"
    record.write_text(record.read_text().replace('"pictures": 40', '"pictures": 41'))
    assert command() == 2
    assert "default-fold-1 was trained with another pictures" in capsys.readouterr().err


def test_a_voice_that_knows_the_lab_is_refused(command, runs, table, capsys):
    folder = run_folder(runs, "default", "without-bccd")
    (folder / "run.json").unlink()
    open_run(folder, to_toml(config()), config(), table[0])
    assert command() == 2
    assert "was trained on lab 'bccd': it is no other voice" in capsys.readouterr().err


def test_the_sheet_shows_the_first_of_the_table(command, table, tmp_path, capsys):
    assert command("--draw", tmp_path / "sheet.png") == 2
    assert "audit.csv: python -m training.studies.audit makes it" in capsys.readouterr().err
    rows = [
        Finding(
            i + 1, photo, "bccd", "train", "monocyte", "neutrophil", 0.1, "neutrophil", 0.9, "confident", "yes", "", ""
        )
        for i, photo in enumerate(table[0]["photo"])
    ]
    write(rows, tmp_path / "audit.csv", "default")
    assert read(tmp_path / "audit.csv") == rows
    shown = []
    for top in (1, 7):
        assert command("--draw", tmp_path / f"{top}.png", "--top", top) == 0
        shown.append(cv2.imread(str(tmp_path / f"{top}.png")))
    one, seven = shown
    assert seven.shape[0] == 2 * one.shape[0], "six a line"
    drawn_part = lambda picture: (picture.min(axis=2) < 200).sum()  # noqa: E731
    assert drawn_part(seven) > 4 * drawn_part(one) > 4000
    assert command("--draw", tmp_path / "sheet.png", "--top", 0) == 2
    assert command("--draw", tmp_path / "sheet.holiday") == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_photo_that_is_not_there_is_named(table, tmp_path):
    row = Finding(1, "00999", "bccd", "train", "monocyte", "", 0.1, "", 0.0, "no_cell", "", "", "")
    with pytest.raises(DataError, match="lacks 1 of the photos to draw, first 00999"):
        draw([row], table[0], tmp_path / "sheet.png", lambda photo: [])


def test_a_tile_holds_the_whole_cell():
    photo, (cell,) = draw_photo(["neutrophil"], seed=3)
    tile = findings.tile(photo, [Cell(cell.box, 0.9)])
    assert tile.shape == (findings.TILE, findings.TILE, 3)
    x0, y0, x1, y1 = cell.box
    nucleus = lambda picture: (picture[..., 1].astype(int) < 110).sum()  # noqa: E731
    scale = findings.TILE / (1.5 * max(x1 - x0, y1 - y0))
    assert nucleus(tile) == pytest.approx(nucleus(photo) * scale**2, rel=0.35)
    assert findings.tile(photo, []).shape == (findings.TILE, findings.TILE, 3), "the whole photo"


# --- training without the doubted ------------------------------------------------------------------------


@pytest.fixture
def kept(table, tmp_path, monkeypatch):
    """A kept audit that doubts some TRAIN photos, and, against the rule, one of TEST."""
    monkeypatch.setattr(sources, "AUDIT_FILE", tmp_path / "kept.csv")
    photos, splits = table[0]["photo"], table[0]["split"]
    rows = [
        Finding(i + 1, photo, "bccd", split, "", "", 0.1, "", 0.0, "", "", "yes" if i % 5 in (0, 2) else "", "")
        for i, (photo, split) in enumerate(zip(photos, splits, strict=True))
    ]
    assert any(row.doubted and row.split == "test" for row in rows)
    write(rows, tmp_path / "kept.csv", "default")
    return {row.photo for row in rows if row.doubted and row.split == "train"}


def test_doubted_photos_are_left_out_of_training_alone(table, kept):
    examples, *_ = table
    assert doubted_photos() == {("bccd", photo) for photo in kept}
    everything, held_out = training_rows(config(), examples)
    fewer, same = training_rows(config(drop_doubted=True), examples)
    gone = set(everything["photo"]) & kept
    assert gone
    assert set(fewer["photo"]) == set(everything["photo"]) - gone
    assert same["photo"] == held_out["photo"]
    assert set(same["photo"]) & kept, "what is held out stays whole"


def test_recipes_leave_nothing_out_unless_they_say_so(table, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "AUDIT_FILE", tmp_path / "none.csv")
    assert not read_config(CONFIGS / "default.toml").data.drop_doubted
    training_rows(config(), table[0])
    with pytest.raises(DataError, match=r"no .*none\.csv: python -m training\.studies\.audit makes it"):
        training_rows(config(drop_doubted=True), table[0])
    (tmp_path / "none.csv").write_text("photo,label\n1,monocyte\n")
    with pytest.raises(DataError, match="lacks rows or columns"):
        doubted_photos()


def test_a_run_remembers_what_was_doubted(table, kept, tmp_path):
    settings, folder = config(drop_doubted=True), tmp_path / "run"
    open_run(folder, to_toml(settings), settings, table[0])
    open_run(folder, to_toml(settings), settings, table[0])
    file = sources.AUDIT_FILE
    file.write_text(file.read_text().replace(",yes,", ",,", 1))
    with pytest.raises(RunError, match="another doubted"):
        open_run(folder, to_toml(settings), settings, table[0])


def test_a_run_older_than_a_setting_goes_on(table, tmp_path):
    open_run(tmp_path / "run", to_toml(config()), config(), table[0])
    record = tmp_path / "run" / "run.json"
    before = json.loads(record.read_text())
    del before["config"]["data"]["drop_doubted"]
    record.write_text(json.dumps(before))
    assert changes_since(tmp_path / "run", config(), table[0]) == []
    assert changes_since(tmp_path / "run", config(fold=1), table[0]) == ["config"]


def test_the_audit_needs_photos_of_the_lab(runs):
    with pytest.raises(DataError, match="no photos of lab 'bccd'; it has synthetic"):
        audit.audit(runs, "default", "bccd", load_examples("synthetic:20"))
