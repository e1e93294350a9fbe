"""The package as a release would have it: built, looked into, installed beside nothing else, asked for an answer."""

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.size import MOST, build, install, weigh
from leukoscope import __version__
from leukoscope.drawn.synthetic import draw_cell
from leukoscope.model.checkpoint import KERAS_FILES, LOCATOR_FILE, ONNX_FILE, SPEC_FILE, files_of
from leukoscope.model.hub import EMBEDDED

ROOT = Path(__file__).parents[1]


def tracked(*places: str) -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *places]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """Folder with sdist and wheel, built from the project's own files and nothing that lies beside them."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked("leukoscope", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("dist")
    build(source, out)
    return out


@pytest.fixture(scope="module")
def python(dist, tmp_path_factory) -> Path:
    """The Python of an environment that holds the wheel and what it needs."""
    (wheel,) = dist.glob("*.whl")
    return install(wheel, tmp_path_factory.mktemp("empty"))


def test_the_wheel_holds_the_library_and_the_embedded_checkpoint_and_nothing_stray(dist):
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"leukoscope-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read(f"leukoscope/pretrained/{ONNX_FILE}") == (EMBEDDED / ONNX_FILE).read_bytes()
    facts = {name for name in names if name.startswith(f"leukoscope-{__version__}.dist-info/")}
    assert names - facts == set(tracked("leukoscope"))
    assert {f"leukoscope/pretrained/{name}" for name in files_of(EMBEDDED)} <= names
    assert {SPEC_FILE, ONNX_FILE, LOCATOR_FILE, *KERAS_FILES} <= set(files_of(EMBEDDED))
    assert any(name.endswith("/LICENSE") for name in facts)


def test_the_sdist_holds_no_tests_and_no_data(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        tops = {Path(member.name).parts[1] for member in archive.getmembers() if member.isfile()}
    extra = {"leukoscope.egg-info", "PKG-INFO", "setup.cfg"}
    assert tops <= {"leukoscope", "pyproject.toml", "README.md", "LICENSE", *extra}


def test_installed_beside_nothing_else_it_classifies_a_drawn_cell(python, classifier, tmp_path):
    picture = tmp_path / "cell.png"
    Image.fromarray(draw_cell("neutrophil", seed=1)).save(picture)
    command = python.parent / "leukoscope"
    done = subprocess.run([command, "classify", "--json", picture], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    expected = classifier.predict(picture)
    assert (answer["label"], answer["verdict"]) == (expected.label, expected.verdict)
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
    said = subprocess.run([command, "info"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert json.loads(said)["source"] == "embedded"


def test_it_brings_no_framework_and_weighs_what_is_said(python):
    weights = weigh(python)
    assert not {
        "tensorflow",
        "keras",
        "torch",
        "gradio",
        "streamlit",
        "scipy",
        "matplotlib",
        "opencv-python-headless",
    } & set(weights)
    assert weights["leukoscope"] < 11
    assert sum(weights.values()) < MOST, weights
