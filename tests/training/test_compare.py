import numpy as np
import pytest

from training.data.sources import OTHER_CELLS
from training.data.table import load_examples
from training.recipe.config import ConfigError, read_config, to_toml
from training.studies import compare
from training.studies.compare import FOLDS, TRIALS, UNSEEN, configured, markdown, variants


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Results and variants in a folder of the test's own."""
    (tmp_path / "variants.toml").write_text('[plain]\nwhy = "no new stains"\naugment = { restain = 0.0 }\n')
    monkeypatch.setattr(compare, "VARIANTS_FILE", tmp_path / "variants.toml")
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(compare, "TABLE_FILE", tmp_path / "results" / "comparison.json")
    return tmp_path


def scored(value: float) -> dict:
    return {
        "n": 100,
        "accuracy": value,
        "balanced_accuracy": value,
        "balanced_accuracy_95": [value - 0.1, value + 0.1],
        "confident": {"share": 0.8, "accuracy": 0.9},
        "found": 0.99,
        "unfamiliarity_auroc": {kind: {"auroc": value - 0.2, "n": 9} for kind in OTHER_CELLS[:2]},
    }


def row(variant: str, trial: str, value: float) -> dict:
    also = {} if trial in FOLDS else {"lisc": scored(value + 0.1)}
    return {
        "variant": variant,
        "trial": trial,
        **scored(value),
        "copies_accuracy": value - 0.1,
        "epochs": 80,
        "also": also,
    }


def test_a_variant_changes_what_it_names_and_no_more(table):
    assert list(variants()) == ["default", "plain"]
    before, after = configured("default", "fold-2"), configured("plain", "fold-2")
    assert (before.augment.restain, after.augment.restain) == (1.0, 0.0)
    assert after.model_copy(update={"augment": before.augment, "name": before.name}) == before
    assert (after.data.fold, after.data.folds) == (2, 5)


def test_a_lab_never_seen_is_not_trained_on(table):
    labs = configured("default", "fold-0").data.labs
    assert labs == ["bccd", "barcelona", "raabin", "munich_marrow"]
    for lab in labs:
        assert configured("default", f"without-{lab}").data.labs == [other for other in labs if other != lab]


def test_a_locator_that_never_saw_the_lab_is_taken_where_it_is_there(table):
    (table / "without-raabin.onnx").touch()
    assert configured("default", "without-raabin", table).locator.file == str(table / "without-raabin.onnx")
    recipe = configured("default", "without-bccd").locator
    assert configured("default", "without-bccd", table).locator == recipe


def test_a_wrong_variant_is_named(table):
    (table / "variants.toml").write_text('[odd]\nwhy = "a slip"\naugment = { restian = 0.1 }\n')
    with pytest.raises(ConfigError, match="variant odd: unknown key 'augment.restian'"):
        configured("odd", "fold-0")


@pytest.mark.parametrize("trial", TRIALS)
def test_settings_survive_being_written(table, tmp_path, trial):
    config = configured("default", trial)
    (tmp_path / "c.toml").write_text(to_toml(config))
    assert read_config(tmp_path / "c.toml") == config


def test_the_table_keeps_the_newest_result_of_each_trial(table):
    compare.add_to_table(row("default", "fold-0", 0.5))
    compare.add_to_table(row("default", "fold-1", 0.9))
    compare.add_to_table(row("plain", "without-bccd", 0.61))
    compare.add_to_table(row("default", "fold-0", 0.7))
    compare.add_to_table(row("default", "without-barcelona", 0.8))
    assert [r["accuracy"] for r in compare.read_table()] == [0.9, 0.61, 0.7, 0.8]
    lines = list(markdown(compare.read_table()))
    default, *_ = [line for line in lines if line.startswith("| default")]
    plain, *_ = [line for line in lines if line.startswith("| plain")]
    folds = f"{np.mean([0.7, 0.9]):.3f} ± {np.std([0.7, 0.9]):.3f} (2 folds)"
    copies = f"{np.mean([0.6, 0.8]):.3f} ± {np.std([0.6, 0.8]):.3f} (2 folds)"
    assert default == f"| default | 80 | 0.800 of 1 | 0.800 (barcelona) | 0.900 | {folds} | {copies} |"
    assert plain == "| plain | 80 | 0.610 of 1 | 0.610 (bccd) | 0.710 | – | – |"
    assert (table / "results" / "comparison.md").read_text().startswith("# Recipes compared")


def test_the_worst_lab_is_named_beside_the_mean():
    rows = [row("default", trial, value) for trial, value in zip(UNSEEN, (0.9, 0.8, 0.7, 0.6), strict=True)]
    lines = list(markdown(rows))
    assert "| default | 80 | 0.750 of 4 | 0.600 (munich_marrow) | 0.850 | – | – |" in lines
    kinds = "basophil 0.50, erythroblast 0.50"
    assert f"| default | raabin | 100 | 99.0% | 0.700 (0.600-0.800) | 80%, right 90.0% | {kinds} |" in lines
    assert any(line.startswith("| default | lisc, without raabin | 100 | 99.0% | 0.800 (") for line in lines)


def test_what_a_result_lacks_leaves_a_dash():
    old = row("before", "without-barcelona", 0.8)
    for key in ("found", "balanced_accuracy_95", "also"):
        del old[key]
    old["unfamiliarity_auroc"] = {}
    text = "\n".join(markdown([old]))
    assert "| before | 80 | 0.800 of 1 | 0.800 (barcelona) | – | – | – |" in text
    assert "| before | barcelona | 100 | – | 0.800 | 80%, right 90.0% | – |" in text
    assert "- **before**: no longer a variant" in text


def test_what_was_answered_is_kept(tmp_path, classifier):
    rows = load_examples("synthetic:20")
    result = compare.scored(classifier, rows, tmp_path / "answers.npz")
    with np.load(tmp_path / "answers.npz", allow_pickle=False) as kept:
        assert result["accuracy"] == pytest.approx((kept["labels"] == kept["predicted"]).mean())
        assert result["confident"]["share"] == pytest.approx(kept["confident"].mean())
        assert len(kept["confidence"]) == result["n"] == 20


def test_the_command_names_what_is_unknown(table, capsys):
    assert compare.main(["--variants", "best"]) == 2
    assert "unknown variant best: valid are default, plain" in capsys.readouterr().err
    assert compare.main(["--trials", "test"]) == 2
    assert "unknown trial test" in capsys.readouterr().err
    assert compare.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(TRIALS)


def test_a_trial_that_is_done_runs_again_only_if_told_to(table, monkeypatch):
    ran = []

    def run_trial(variant, trial, examples, runs, locators):
        ran.append(trial)
        return row(variant, trial, 0.5)

    monkeypatch.setattr(compare, "run_trial", run_trial)
    monkeypatch.setattr(compare, "load_examples", lambda *_, **__: None)
    command = ["--variants", "default", "--trials", "fold-0"]
    for words in (command, command, [*command, "--again"]):
        assert compare.main(words) == 0
    assert ran == ["fold-0", "fold-0"]
