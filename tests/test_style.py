"""The code is as `make lint` wants it, as far as that needs no network."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = ("ruff check .", "ruff format --check .", "mypy")


@pytest.mark.parametrize("check", CHECKS)
def test_check_passes_and_is_what_make_lint_runs(check):
    assert f"\t$(BIN)/{check}\n" in (ROOT / "Makefile").read_text()
    done = subprocess.run([sys.executable, "-m", *check.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
