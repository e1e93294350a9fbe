import numpy as np
import pytest

from training import compare
from training.compare import TRIALS, configured, markdown, variants
from training.config import ConfigError, read_config, to_toml
from training.sources import OTHER_CELLS


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Results and variants in a folder of the test's own."""
    (tmp_path / "variants.toml").write_text('[plain]\nwhy = "no new stains"\naugment = { gain = 0.0, mix = 0.0 }\n')
    monkeypatch.setattr(compare, "VARIANTS_FILE", tmp_path / "variants.toml")
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(compare, "TABLE_FILE", tmp_path / "results" / "comparison.json")
    return tmp_path


def row(variant: str, trial: str, value: float) -> dict:
    return {
        "variant": variant,
        "trial": trial,
        "accuracy": value,
        "copies_accuracy": value - 0.1,
        "epochs": 80,
        "balanced_accuracy": value,
        "confident": {"share": 0.8, "accuracy": 0.9},
        "unfamiliarity_auroc": {kind: {"auroc": value - 0.2, "n": 9} for kind in OTHER_CELLS},
    }


def test_a_variant_changes_what_it_names_and_no_more(table):
    assert list(variants()) == ["default", "plain"]
    before, after = configured("default", "fold-2"), configured("plain", "fold-2")
    assert (after.augment.gain, after.augment.mix) == (0.0, 0.0)
    assert after.model_copy(update={"augment": before.augment, "name": before.name}) == before
    assert (after.data.fold, after.data.folds) == (2, 5)


def test_a_lab_never_seen_is_not_trained_on(table):
    assert configured("default", "without-bccd").data.labs == ["barcelona"]
    assert configured("default", "without-barcelona").data.labs == ["bccd"]


def test_a_wrong_variant_is_named(table):
    (table / "variants.toml").write_text('[odd]\nwhy = "a slip"\naugment = { gian = 0.1 }\n')
    with pytest.raises(ConfigError, match="variant odd: unknown key 'augment.gian'"):
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
    (default,) = [line for line in lines if line.startswith("| default")]
    (plain,) = [line for line in lines if line.startswith("| plain")]
    assert f"{np.mean([0.7, 0.9]):.3f} ± {np.std([0.7, 0.9]):.3f} (2 folds)" in default
    assert f"{np.mean([0.6, 0.8]):.3f} ± {np.std([0.6, 0.8]):.3f} (2 folds)" in default
    assert "0.800 | 80%, right 90.0% | 0.60 / 0.60 / 0.60 | – | – |" in default
    assert "| – | – | – | 0.610 | 80%, right 90.0% |" in plain
    assert (table / "results" / "comparison.md").read_text().startswith("# Recipes compared")


def test_kinds_that_a_set_lacks_leave_a_dash():
    result = row("default", "without-barcelona", 0.8)
    del result["unfamiliarity_auroc"]["erythroblast"]
    assert "| 0.60 / – / 0.60 |" in "\n".join(markdown([result]))
    result["unfamiliarity_auroc"] = {}
    assert "right 90.0% | – | – | – |" in "\n".join(markdown([result]))


def test_the_command_names_what_is_unknown(table, capsys):
    assert compare.main(["--variants", "best"]) == 2
    assert "unknown variant best: valid are default, plain" in capsys.readouterr().err
    assert compare.main(["--trials", "test"]) == 2
    assert "unknown trial test" in capsys.readouterr().err
    assert compare.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(TRIALS)


def test_a_trial_that_is_done_runs_again_only_if_told_to(table, monkeypatch):
    ran = []

    def run_trial(variant, trial, examples, runs):
        ran.append(trial)
        return row(variant, trial, 0.5)

    monkeypatch.setattr(compare, "run_trial", run_trial)
    monkeypatch.setattr(compare, "load_examples", lambda *_, **__: None)
    command = ["--variants", "default", "--trials", "fold-0"]
    for words in (command, command, [*command, "--again"]):
        assert compare.main(words) == 0
    assert ran == ["fold-0", "fold-0"]
