"""A whole training run on drawn cells, made once: small, on the same code path as the real ones."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import once

ROOT = Path(__file__).parents[2]

SMOKE = """
name = "smoke"
seed = 3

[data]
kind = "photo"
labs = ["synthetic"]
drop_test_fields = true
folds = 4
fold = 0

[framing]
kind = "cell"
size = 32
field = 1.4

[network]
kind = "residual"
filters = [8, 8, 16, 16]
depth = [0, 1, 1, 1]
dropout = [0.1]

[augment]
rotation = 90.0
mirror = "both"
zoom = 0.1

[fit]
epochs = 3
steps = 40
batch = 16
balance = "sampling"
learning_rate = 5e-3
schedule = "cosine"
average = 0.9
patience = 0
"""


def drawn_alone() -> dict[str, str]:
    """The environment without the labs that it may name: what is made from drawn cells is made from these alone."""
    return {key: value for key, value in os.environ.items() if key not in ("PBC_DIR", "LABS_DIR")}


def run_module(*words: str, **options) -> subprocess.CompletedProcess:
    """`python -m words...` in the project's root, output captured."""
    options = {"cwd": ROOT, "env": drawn_alone(), "capture_output": True, "text": True, "timeout": 500} | options
    return subprocess.run([sys.executable, "-m", *map(str, words)], **options)


def run_here(module: str, *words: str) -> subprocess.CompletedProcess:
    """The same in this process, where TensorFlow need not be loaded anew; drawn cells are alone here, too."""
    if any(str(word).startswith("synthetic:") for word in words) and "--pbc" not in words:
        words = (*words, "--pbc", "", "--labs", "")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = importlib.import_module(module).main([*map(str, words)])
    return subprocess.CompletedProcess([module, *words], status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def smoke_config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("config") / "smoke.toml"
    file.write_text(SMOKE)
    return file


@pytest.fixture(scope="session")
def smoke_run(smoke_config, tmp_path_factory) -> Path:
    """A run folder, trained to its end."""

    def make(folder: Path) -> None:
        done = run_module("training.train", smoke_config, "--data", "synthetic:80", "--out", folder)
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "smoke-run", make)


@pytest.fixture(scope="session")
def smoke_checkpoint(smoke_run, tmp_path_factory) -> Path:
    """Its checkpoint, exported and scored."""

    def make(folder: Path) -> None:
        done = run_module("training.export", smoke_run, folder, "--data", "synthetic:80")
        assert done.returncode == 0, done.stderr
        done = run_module("training.evaluate", folder, "--data", "synthetic:80", "--lab", "synthetic")
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "smoke-checkpoint", make)
