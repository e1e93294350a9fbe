"""Fixtures shared by all tests. Pictures are drawn by the project; real ones are used where their folder is given."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def blood_cells() -> Path:
    """The Kaggle folder; tests that need it are left out, and say so, where BLOOD_CELLS_DIR is not set."""
    return _folder("BLOOD_CELLS_DIR")


@pytest.fixture(scope="session")
def pbc() -> Path:
    """The PBC folder, likewise."""
    return _folder("PBC_DIR")


@pytest.fixture(scope="session")
def labs_folder() -> Path:
    """The folder of further labs, likewise."""
    return _folder("LABS_DIR")


def _folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: not run on real pictures")
    folder = Path(os.environ[variable])
    assert folder.is_dir(), f"{variable}={folder} is no folder"
    return folder


def once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is dear to make: one of the processes that share the tests makes it, the others wait for it."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    folder, made = common / name, common / f"{name}.made"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not made.exists():
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def classifier():
    """The embedded default model."""
    from leukoscope import Classifier

    return Classifier.from_pretrained()


@pytest.fixture(scope="session")
def space_python(tmp_path_factory) -> Path:
    """The Python of an empty environment with the Space's own requirements, and nothing of this checkout."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", ROOT / "space" / "requirements.txt"], check=True, timeout=400)

    return once(tmp_path_factory, "space-environment", make) / "bin" / "python"


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: one for both apps, since Playwright runs once in a process."""
    from playwright.sync_api import sync_playwright

    from tests.browser import start_browser

    with sync_playwright() as playwright:
        chromium = start_browser(playwright)
        yield chromium
        chromium.close()
