"""The arrows of the README's layout, the public names, and what must not be in the tree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import leukoscope

ROOT = Path(__file__).parents[1]
HEAVY = {
    "tensorflow",
    "keras",
    "gradio",
    "streamlit",
    "matplotlib",
    "sklearn",
    "datasets",
    "torch",
    "ray",
    "pyarrow",
    "fsspec",
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("file", sorted((ROOT / "leukoscope").glob("*.py")), ids=lambda f: f.name)
def test_the_library_stands_alone(file):
    tops = {name.split(".")[0] for name in imports(file)}
    assert not tops & {"training", "space", "streamlit_app", "benchmarks", "tests"}
    assert not tops & {"gradio", "streamlit"}


@pytest.mark.parametrize("folder", ["space", "streamlit_app"])
def test_apps_never_import_training(folder):
    for file in (ROOT / folder).rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(file)}
        assert not tops & {"training", "tensorflow", "keras", "ray", "pyarrow"}, file


def test_inside_the_library_arrows_point_one_way():
    order = ["cells", "errors", "headers", "process", "images", "stain", "redcells", "locate", "preprocess"]
    order += ["checkpoint", "hub", "classifier", "bulk", "stores", "ledger", "tables", "portion", "cluster", "cli"]
    for file in (ROOT / "leukoscope").glob("*.py"):
        if file.stem not in order:
            continue
        later = set(order[order.index(file.stem) :])
        used = {name.removeprefix("leukoscope.") for name in imports(file) if name.startswith("leukoscope.")}
        if file.stem == "classifier":
            used.discard("bulk")  # loaded when workers are asked for
        assert not used & later, f"{file.stem} imports {used & later}"


def test_answering_loads_no_framework():
    script = (
        "import sys; from leukoscope import Classifier; from leukoscope.synthetic import draw_cell;"
        "Classifier.from_pretrained().predict(draw_cell('neutrophil', seed=0));"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_public_names_exist_and_are_sorted():
    assert leukoscope.__all__ == sorted(leukoscope.__all__, key=lambda n: (n.lower().startswith("_"), n))
    for name in leukoscope.__all__:
        assert getattr(leukoscope, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = leukoscope.nonsense


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines()]


def test_no_data_set_image_is_in_the_tree():
    photographs = [f for f in tracked() if f.suffix.lower() in {".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}]
    assert not photographs
    large = [f for f in tracked() if f.exists() and f.stat().st_size > 10 * 2**20]
    assert not large
