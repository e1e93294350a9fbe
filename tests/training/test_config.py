import pytest

from training.recipe.config import CONFIGS, ConfigError, read_config


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_recipes_are_valid(name):
    assert read_config(CONFIGS / f"{name}.toml").name == name


def test_the_reference_is_the_published_recipe():
    config = read_config(CONFIGS / "reference.toml")
    assert config.framing.kind == "photo"
    assert len(config.network.filters) == 4
    assert config.network.dense == [512, 256, 128]
    assert config.network.dropout == [0.5, 0.4, 0.3]
    assert config.fit.balance == "class-weights"
    assert config.fit.learning_rate == 1e-4
    assert config.fit.epochs == 50
    assert config.fit.patience > 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("epochs = 50", "epoch = 50", "unknown key 'fit.epoch'.*|missing key 'fit.epochs'"),
        ("epochs = 50", 'epochs = "50"', "fit.epochs"),
        ("epochs = 50", "epochs = 0", "fit.epochs"),
        ("epochs = 50", "epochs = 2.5", "fit.epochs"),
        ('kind = "copy"', 'kind = "film"', "data.kind"),
        ("fold = 0", "fold = 5", "data.fold"),
        ("[fit]", "[fit", "not TOML"),
        ("seed = 0", "seed = 0\nsped = 1", "unknown key 'sped'"),
        ("shift = 0.15", "shift = 1.5", "augment.shift"),
        ('kind = "reference"', 'kind = "residual"', "network.depth.*as many numbers"),
        ("[framing]\n", "[framing]\nglass = 235.0\n", "unknown key 'framing.glass'"),
        ("[framing]\n", "[framing]\nfield = 1.4\n", "framing field must be 0 for kind 'photo'"),
        ('labs = ["bccd"]', 'labs = ["bccd", "lisc"]', "data.labs: lisc is for research only.*scored, not taught"),
        ("[fit]", "[locator]\nthreshold = 0.0\n\n[fit]", "locator.threshold"),
        ("brightness = 0.3", "restain = 1.1", "augment.restain"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, old, new, named):
    text = (CONFIGS / "reference.toml").read_text()
    assert old in text
    file = tmp_path / "c.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=named):
        read_config(file)


def test_a_missing_file_names_those_that_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"default\.toml"):
        read_config(tmp_path / "none.toml")
