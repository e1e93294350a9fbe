"""Temperature and thresholds, fitted on labs that a model never saw."""

import json
import shutil
from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy.special import softmax

from leukoscope import Classifier
from leukoscope.model.calibration import Sizes, unfamiliarity
from leukoscope.model.checkpoint import LOCATOR_FILE, read_spec, sizes_of
from leukoscope.model.hub import EMBEDDED
from tests.training.conftest import run_here
from training.data.table import load_examples, pictures
from training.recipe.config import read_config
from training.scoring.thresholds import (
    Answered,
    VerdictsError,
    as_marked,
    fit,
    fit_confident,
    fit_sizes,
    fit_temperature,
    of_the_recipe,
    read_verdicts,
)
from training.studies import own_lab, verdicts

SIZES = {"mean": [0.6, 0.3, 0.7, 0.5], "spread": [0.1, 0.1, 0.1, 0.1], "weight": 0.5}


def answered(rng, count: int, temperature: float = 1.0, classes: int = 4) -> Answered:
    """Logits that are as sure as they should be at a temperature."""
    logits = rng.normal(0, 2, (count, classes))
    labels = [rng.choice(4, p=p) for p in softmax(logits[:, :4] / temperature, axis=1)]
    return Answered(logits, np.array(labels), missed=count // 100)


def test_temperature_is_the_one_that_made_the_labels():
    rng = np.random.default_rng(0)
    for true in (0.7, 1.0, 2.0):
        assert fit_temperature({"lab": answered(rng, 20_000, true)}) == pytest.approx(true, rel=0.06)


def test_each_lab_counts_the_same_however_many_cells_it_gave():
    rng = np.random.default_rng(1)
    large, small = answered(rng, 20_000, 1.0), answered(rng, 2_000, 3.0)
    alone = fit_temperature({"small": small})
    both = fit_temperature({"large": large, "small": small})
    assert 1.3 < both < alone
    assert fit_temperature({"large": large, "small": small, "again": small}) > both + 0.1


def test_confident_is_the_lowest_threshold_that_keeps_the_promise_in_every_lab():
    rng = np.random.default_rng(2)
    easy, hard = (rng.random(4_000) ** 0.5 for _ in range(2))
    right = rng.random(4_000) < easy, rng.random(4_000) < hard**3  # answers to the second lab are surer than right
    threshold = fit_confident([(easy, right[0]), (hard, right[1])], 0.97)
    for confidence, true in ((easy, right[0]), (hard, right[1])):
        assert true[confidence >= threshold].mean() >= 0.97
    assert right[1][hard >= threshold - 0.01].mean() < 0.97
    assert fit_confident([(easy, right[0])], 0.97) < threshold, "the worst lab decides"
    assert fit_confident([(easy, np.zeros(4_000, bool))], 0.97) == 1.0, "never right: never confident"


def test_what_is_fitted_keeps_what_it_promises():
    rng = np.random.default_rng(3)
    labs = {"a": answered(rng, 6_000, classes=5), "b": answered(rng, 3_000, 1.5, classes=5)}
    found = fit(labs)
    strange = [np.mean(unfamiliarity(own.logits, found.temperature) > found.unfamiliar) for own in labs.values()]
    assert np.mean(strange) == pytest.approx(0.02, abs=1e-3)
    assert found.sure_cell == 0.0, "nothing is known of how surely they were found"
    for own in labs.values():
        row = as_marked(own, found)
        assert row["n"] == len(own.labels) + own.missed
        assert row["right"] >= 0.97
        assert 0 < row["share"] < 1
    assert fit(labs, least=0.999).confident == 0.999
    four = {"a": Answered(labs["a"].logits[:, :4], labs["a"].labels)}
    assert fit(four).unfamiliar == 1.0, "nothing was taught as none of the four"


def test_what_was_hardly_found_is_no_confident_answer_and_costs_the_others_none():
    rng = np.random.default_rng(4)
    plain = {lab: answered(rng, 4_000, 1.2, classes=5) for lab in "ab"}
    labs = {}
    for lab, own in plain.items():
        faint = np.arange(len(own.labels)) % 20 == 0  # one in twenty: no white cell at all, and sure of a type
        logits = np.where(faint[:, None], [12.0, 0, 0, 0, -9], own.logits)
        labels = np.where(faint, rng.integers(1, 4, len(faint)), own.labels)
        scores = np.where(faint, 0.55, rng.uniform(0.7, 0.95, len(faint)))
        labs[lab] = Answered(logits, labels, own.missed, scores)
    found = fit(labs)
    assert 0.55 < found.sure_cell < 0.72
    blind = fit({lab: Answered(own.logits, own.labels, own.missed) for lab, own in labs.items()})
    for own in labs.values():
        row = as_marked(own, found)
        assert row["right"] >= 0.97
        assert row["share"] > as_marked(own, blind)["share"] + 0.01


def with_widths(own: Answered, rng, wide: dict[int, float], doubt: float = 0.0) -> Answered:
    """The same answers, of cells of which some types are known to be so wide, in red cells."""
    logs = [np.log(wide[label]) + rng.normal(0, 0.1) + rng.laplace(0, doubt) for label in own.labels.tolist()]
    known = rng.random(len(logs)) < 0.8
    widths = [(float(np.exp(log)) if told else None, doubt) for log, told in zip(logs, known, strict=True)]
    return replace(own, widths=widths)


WIDE = {0: 1.8, 1: 1.4, 2: 2.1, 3: 1.7}


def test_widths_are_weighed_as_it_helps_and_what_is_doubtful_of_them_is_no_spread():
    rng = np.random.default_rng(5)
    plain = {lab: answered(rng, 4_000, 1.5, classes=5) for lab in "ab"}
    labs = {lab: with_widths(own, rng, WIDE, doubt=0.1) for lab, own in plain.items()}
    sizes = fit_sizes(labs)
    np.testing.assert_allclose(np.exp(sizes.mean), list(WIDE.values()), rtol=0.02)
    np.testing.assert_allclose(sizes.spread, 0.1, atol=0.02)
    assert 0.4 < sizes.weight <= 2, "logits of a temperature of 1.5 need more of it"
    found, blind = fit(labs), fit(plain)
    assert found.sizes == sizes
    for lab, own in labs.items():
        row, before = as_marked(own, found), as_marked(plain[lab], blind)
        assert row["right"] >= 0.97
        assert row["share"] > 2 * before["share"]
        right = [(each.logits[:, :4].argmax(axis=1) == each.labels).mean() for each in (own, own.weighed(sizes))]
        assert right[1] > right[0] + 0.02


def test_widths_that_are_alike_or_not_known_of_every_lab_are_not_weighed():
    rng = np.random.default_rng(6)
    labs = {lab: with_widths(answered(rng, 3_000), rng, WIDE) for lab in "ab"}
    assert fit_sizes(labs | {"c": answered(rng, 500)}) is None
    unmeasured = with_widths(answered(rng, 2_000), rng, dict.fromkeys(range(4), 3.0))
    sizes = fit_sizes(labs | {"c": replace(unmeasured, measured=False)})
    np.testing.assert_allclose(np.exp(sizes.mean), list(WIDE.values()), rtol=0.02)
    no_monocyte = replace(labs["a"], widths=[(None if t == 2 else 1.5, 0.0) for t in labs["a"].labels])
    assert fit_sizes(labs | {"a": no_monocyte}) is None
    shuffled = {lab: replace(own, widths=rng.permutation(own.widths).tolist()) for lab, own in labs.items()}
    sizes = fit_sizes(shuffled)
    assert sizes is None or np.abs(sizes.evidence([1.4, 2.1], [0.0, 0.0])).max() < 0.2


@pytest.fixture
def fitted(smoke_run, tmp_path):
    """A file for the recipe of the drawn run."""
    file = tmp_path / "verdicts.json"
    recipe = of_the_recipe(read_config(smoke_run / "config.toml"))
    numbers = {"temperature": 1.25, "confident": 0.875, "unfamiliar": 0.5, "sure_cell": 0.625, "sizes": SIZES}
    file.write_text(json.dumps(numbers | {"labs": {"raabin": {}, "bccd": {}}, "recipe": recipe}))
    return file


def test_other_labs_folds_names_and_locators_are_no_other_recipe(smoke_run, fitted):
    config = read_config(smoke_run / "config.toml")
    data = config.data.model_copy(update={"labs": ["barcelona"], "folds": 9, "fold": 3})
    locator = config.locator.model_copy(update={"file": "elsewhere.onnx"})
    same = config.model_copy(update={"data": data, "locator": locator, "name": "another"})
    assert read_verdicts(fitted, same)["confident"] == 0.875
    for part, change in (("network", {"dropout": [0.45]}), ("augment", {"grey": 0.9}), ("fit", {"epochs": 99})):
        other = config.model_copy(update={part: getattr(config, part).model_copy(update=change)})
        with pytest.raises(VerdictsError, match=f"it differs in {part};"):
            read_verdicts(fitted, other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"recipe": {}, "temperature": "hot", "confident": 1, "unfamiliar": 1, "sure_cell": 0, "labs": {}}',
        '{"recipe": {}, "temperature": 1, "confident": 1, "unfamiliar": 1, "sure_cell": 0, "sizes": 1, "labs": {}}',
    ],
)
def test_a_file_that_is_none_is_named(smoke_run, tmp_path, text):
    file = tmp_path / "v.json"
    file.write_text(text)
    with pytest.raises(VerdictsError, match=f"{file} is no file of training.studies.verdicts"):
        read_verdicts(file, read_config(smoke_run / "config.toml"))


def test_numbers_that_cannot_be_are_refused(smoke_run, fitted):
    values = json.loads(fitted.read_text())
    config = read_config(smoke_run / "config.toml")
    for change in ({"temperature": 0}, {"confident": 1.5}, {"unfamiliar": -0.1}, {"sure_cell": 2}):
        fitted.write_text(json.dumps(values | change))
        with pytest.raises(VerdictsError, match="must be above 0"):
            read_verdicts(fitted, config)
    fitted.write_text(json.dumps(values | {"sizes": SIZES | {"weight": -1}}))
    with pytest.raises(VerdictsError, match="spread and weight above 0"):
        read_verdicts(fitted, config)
    fitted.write_text(json.dumps(values | {"sizes": None}))
    assert read_verdicts(fitted, config)["sizes"] is None


def test_a_checkpoint_takes_them_over(smoke_run, fitted, tmp_path):
    done = run_here("training.export", smoke_run, tmp_path / "out", "--verdicts", fitted, "--data", "synthetic:80")
    assert done.returncode == 0, done.stderr
    spec = read_spec(tmp_path / "out")
    cell = read_config(smoke_run / "config.toml").locator.threshold
    assert (spec.temperature, *astuple(spec.thresholds)) == (1.25, 0.875, 0.5, cell, 0.625)
    assert spec.sizes == Sizes(**{name: tuple(v) if isinstance(v, list) else v for name, v in SIZES.items()})
    assert spec.trained["verdicts"].endswith("a lab that each had never seen: raabin, bccd")


def test_the_answers_are_the_models_to_what_it_found(smoke_checkpoint):
    classifier, rows = Classifier.from_pretrained(smoke_checkpoint), load_examples("synthetic:80")
    own = verdicts.answers_of(verdicts.opened(smoke_checkpoint, None), rows)
    predictions = [p for p in classifier.predict_batch(pictures(rows)) if p.label]
    assert len(own.labels) == len(predictions) > 70
    assert own.missed == len(rows) - len(predictions)
    np.testing.assert_allclose(
        classifier.probabilities(own.logits), [list(p.probabilities.values()) for p in predictions], atol=1e-6
    )


def test_the_command_writes_what_an_export_takes(smoke_run, smoke_checkpoint, tmp_path, monkeypatch):
    """Two trials, each scored on half of the drawn photos; a locator of its own has one of them."""
    (tmp_path / "locators").mkdir()
    shutil.copy(EMBEDDED / LOCATOR_FILE, tmp_path / "locators" / "without-a.onnx")
    for trial in ("without-a", "without-b"):
        shutil.copytree(smoke_checkpoint, tmp_path / "runs" / f"default-{trial}-checkpoint")
    monkeypatch.setattr(verdicts, "UNSEEN", {"without-a": "a", "without-b": "b", "without-c": "c"})
    monkeypatch.setattr(verdicts, "VERDICTS_FILE", tmp_path / "verdicts.json")
    halves = {"without-a": range(0, 80, 2), "without-b": range(1, 80, 2)}
    monkeypatch.setattr(verdicts, "held_out", lambda trial, config, examples: examples.select(halves[trial]))
    words = ["--runs", tmp_path / "runs", "--locators", tmp_path / "locators", "--data", "synthetic:80"]
    done = run_here("training.studies.verdicts", *words)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "verdicts.json").read_text())
    assert list(written["labs"]) == ["a", "b"]
    assert all(row["n"] == row["by_the_others"]["n"] == 40 for row in written["labs"].values())
    assert all(0.25 < row["by_the_others"]["balanced_accuracy"] <= 1 for row in written["labs"].values())
    assert all(row["right"] >= 0.97 or not row["share"] for row in written["labs"].values())
    assert f"confident from {written['confident']}" in done.stdout
    assert "without c: " in done.stdout
    assert read_verdicts(tmp_path / "verdicts.json", read_config(smoke_run / "config.toml")) == written | {
        "sizes": sizes_of(written["sizes"])
    }
    others = verdicts.fitted_on_others()
    assert {lab: row["locator"] for lab, row in others.items()} == {"a": "without-a.onnx", "b": ""}
    assert all(0.9 < row["found"] <= 1 for row in others.values())
    sure = {row["share"] for row in (each["confident"] for each in others.values())}
    assert sure == {row["by_the_others"]["share"] for row in written["labs"].values()}


def test_trials_that_were_not_run_are_named(tmp_path):
    refused = run_here("training.studies.verdicts", "--runs", tmp_path, "--data", "synthetic:8")
    assert refused.returncode == 2
    assert f"{tmp_path} lacks without-barcelona, without-bccd" in refused.stderr
    assert "python -m training.studies.compare --variants default --trials without-barcelona" in refused.stderr


def leaning_lab(seed: int, lean: float) -> Answered:
    """Answers of a model that leans towards the last type."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), 50)
    logits = 3 * np.eye(4)[labels] + rng.normal(0, 1.5, (200, 4)) + [0, 0, 0, lean]
    return Answered(logits, labels, scores=np.ones(200))


def test_tuning_is_scored_on_cells_that_it_was_not_learned_from():
    others = fit({"a": leaning_lab(1, 0.0), "b": leaning_lab(2, 0.0)})
    rows = own_lab.tuned(leaning_lab(3, 3.0), others, seed=0)
    assert list(rows) == ["n", "untuned", *map(str, own_lab.TRIED)]
    right = [rows[name]["balanced_accuracy"] for name in list(rows)[1:]]
    assert right == sorted(right), "more cells bring more"
    assert right[-1] > right[0] + 0.1
    for name in list(rows)[2:]:
        assert rows[name]["lowest"] <= rows[name]["balanced_accuracy"] <= 1
        assert 0 < rows[name]["confident"]["share"] < 1
    few = replace(leaning_lab(3, 3.0), labels=np.where(np.arange(200) < 38, 1, leaning_lab(3, 3.0).labels))
    assert list(own_lab.tuned(few, others, seed=0)) == ["n", "untuned", "3", "5"], "12 of a type are left"
    noise = replace(leaning_lab(3, 3.0), labels=np.random.default_rng(0).permutation(np.repeat(np.arange(4), 50)))
    untold = own_lab.tuned(noise, others, seed=0)
    assert max(untold[name]["balanced_accuracy"] for name in list(untold)[1:]) < 0.35, "nothing can be learned"


def test_the_command_tunes_every_lab_by_a_model_that_never_saw_it(smoke_checkpoint, tmp_path, monkeypatch):
    for trial in ("without-a", "without-b"):
        shutil.copytree(smoke_checkpoint, tmp_path / "runs" / f"default-{trial}-checkpoint")
    monkeypatch.setattr(verdicts, "UNSEEN", {"without-a": "a", "without-b": "b"})
    monkeypatch.setattr(own_lab, "TUNED_FILE", tmp_path / "tuned.json")
    monkeypatch.setattr(own_lab, "SCORED_ONLY", ("synthetic",))
    halves = {"without-a": range(0, 80, 2), "without-b": range(1, 80, 2)}
    monkeypatch.setattr(own_lab, "held_out", lambda trial, config, examples: examples.select(halves[trial]))
    done = run_here("training.studies.own_lab", "--tune", "--runs", tmp_path / "runs", "--data", "synthetic:80")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "tuned.json").read_text())
    assert written["draws"] == own_lab.DRAWS
    assert list(written["labs"]) == ["a", "synthetic, without a", "b", "synthetic, without b"]
    for lab, row in written["labs"].items():
        assert row["n"] <= (80 if "synthetic" in lab else 40)
        assert "untuned" in row
        assert f"{lab:<28}" in done.stdout
