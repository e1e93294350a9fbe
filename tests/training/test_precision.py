"""bfloat16 only where the processor has it; what a run began in it keeps."""

import json
import os
import re

import pytest

from tests.training.conftest import SMOKE, run_module
from training.data.table import load_examples
from training.fitting import precision
from training.fitting.loop import compiled, expected
from training.fitting.run_folder import RunError, changes_since, load_state, open_run, precision_of
from training.recipe.config import CONFIGS, in_precision, read_config, to_toml

NEW = "processor\t: 0\nmodel name\t: New\nflags\t\t: fpu avx2 avx512f avx512_bf16 rdpid\n\nflags\t\t: fpu\n"
AMX = "model name\t: Newer\nflags\t\t: fpu avx2 amx_bf16 amx_tile\n"
OLD = "model name\t: Old\nflags\t\t: fpu avx2 avx512_bf16_like\n"


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Lets the machine have another processor, and no mask."""
    monkeypatch.delenv(precision.MASK, raising=False)

    def have(text: str | None) -> None:
        file = tmp_path / "cpuinfo"
        monkeypatch.setattr(precision, "CPUINFO", file)
        if text is not None:
            file.write_text(text)

    return have


@pytest.fixture
def auto(smoke_config):
    return in_precision(read_config(smoke_config), "auto")


@pytest.mark.parametrize(
    ("text", "native"),
    [(NEW, True), (AMX, True), (OLD, False), ("", False), ("processor\t: 0\n", False), (None, False)],
)
def test_bfloat16_is_native_where_the_processor_says_so(processor, text, native):
    processor(text)
    assert precision.native_bfloat16() is native
    assert precision.resolved("auto") == ("mixed_bfloat16" if native else "float32")
    for given in ("float32", "mixed_bfloat16"):
        assert precision.resolved(given) == given, "what a recipe names overrules"


@pytest.mark.parametrize(
    ("mask", "native"),
    [("AVX2", False), ("avx512_core_vnni", False), ("AVX512_CORE_BF16", True), ("DEFAULT", True), ("no mask", True)],
)
def test_a_mask_hides_it_as_it_does_for_onednn(processor, monkeypatch, mask, native):
    processor(NEW)
    monkeypatch.setenv(precision.MASK, mask)
    assert precision.native_bfloat16() is native


def test_the_processor_is_named_with_what_tells_kinds_apart(processor):
    processor(NEW)
    assert precision.processor() == "New (avx2, avx512f, avx512_bf16)"
    processor("")
    assert precision.processor().endswith("(flags unknown)")


@pytest.mark.parametrize("name", ["default", "reference"])
def test_the_recipes_follow_the_processor(name):
    assert read_config(CONFIGS / f"{name}.toml").fit.precision == "auto"


def test_a_run_keeps_what_it_began_with_on_another_processor(processor, auto, tmp_path):
    examples, run = load_examples("synthetic:40"), tmp_path / "run"
    processor(OLD)
    open_run(run, to_toml(auto), auto, examples)
    assert precision_of(run, auto) == "float32"
    assert json.loads((run / "run.json").read_text())["config"]["fit"]["precision"] == "float32"
    assert read_config(run / "config.toml") == auto, "the recipe stays as it was written"
    processor(NEW)
    assert precision_of(tmp_path / "another", auto) == "mixed_bfloat16"
    open_run(run, to_toml(auto), auto, examples)
    assert precision_of(run, auto) == "float32"
    assert changes_since(run, in_precision(auto, "float32"), examples) == []
    with pytest.raises(RunError, match="another config"):
        open_run(run, "", in_precision(auto, "mixed_bfloat16"), examples)


@pytest.mark.parametrize("before", ["mixed_bfloat16", "float32", None])
def test_a_run_from_before_the_rule_goes_on_as_it_is(auto, before, tmp_path):
    """Its record names the arithmetic, or is older than the choice, when all was float32."""
    examples, run = load_examples("synthetic:40"), tmp_path / "run"
    open_run(run, to_toml(auto), in_precision(auto, before or "float32"), examples)
    if before is None:
        record = json.loads((run / "run.json").read_text())
        del record["config"]["fit"]["precision"]
        (run / "run.json").write_text(json.dumps(record))
    assert changes_since(run, auto, examples) == []
    assert precision_of(run, auto) == (before or "float32")


def test_a_network_is_made_in_it(auto):
    for given, dtype in (("float32", "float32"), ("mixed_bfloat16", "bfloat16")):
        model = compiled(in_precision(auto, given), 4)
        assert model.get_layer("feature_map").compute_dtype == dtype
        assert model.get_layer("logits").compute_dtype == "float32"


def test_the_time_is_told_with_the_arithmetic(processor, auto):
    processor(OLD)
    assert expected(in_precision(auto, "float32"), [9.0, 0.3, 0.3], 5000) == (
        "float32, 0.3 s a step: about 25 min for 5,000 steps"
    )
    assert "float32 would take less" in expected(in_precision(auto, "mixed_bfloat16"), [8.0], 10)
    processor(NEW)
    assert expected(in_precision(auto, "mixed_bfloat16"), [0.01], 10).endswith("about 1 min for 10 steps")


def test_trained_under_a_mask_it_is_float32_to_the_end(tmp_path):
    """As on a processor without bfloat16: run folder, network, checkpoint, and what it prints."""
    masked = {"env": os.environ | {precision.MASK: "AVX2"}}
    recipe, run, out = tmp_path / "auto.toml", tmp_path / "run", tmp_path / "checkpoint"
    recipe.write_text(
        SMOKE.replace("patience = 0", 'patience = 0\nprecision = "auto"')
        .replace("epochs = 3", "epochs = 1")
        .replace("steps = 40", "steps = 14")
    )
    done = run_module("training.train", recipe, "--data", "synthetic:40", "--out", run, **masked)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^float32, \S+ s a step: about \S+ min for 14 steps$", done.stdout, re.MULTILINE)
    assert load_state(run)[1].get_layer("feature_map").compute_dtype == "float32"
    done = run_module("training.export", run, out, "--data", "synthetic:40", **masked)
    assert done.returncode == 0, done.stderr
    trained = json.loads((out / "classifier.json").read_text())["trained"]
    assert trained["precision"] == "float32"
    assert trained["config"]["fit"]["precision"] == "auto"
