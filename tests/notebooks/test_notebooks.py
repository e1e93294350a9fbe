"""Every notebook is executed from top to bottom in a kernel of its own."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import nbclient
import nbformat
import pytest
from PIL import Image

from benchmarks.ports import free_port
from leukoscope.drawn.synthetic import draw_photo

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def outputs(notebook) -> str:
    """All text that the cells gave."""
    given = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in given)


def execute(path: Path, folder: Path):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_there_and_name_no_machine(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run from top to bottom"
    assert outputs(notebook)
    assert str(Path.home()) not in path.read_text()


DECIMAL = re.compile(r"\d+\.\d+(?:e-\d+)?")


def words_and_numbers(text: str) -> tuple[list[str], list[float]]:
    """Text without its decimals and without how many spaces align them, and the decimals."""
    return DECIMAL.sub("#", text).split(), [float(number) for number in DECIMAL.findall(text)]


def figures(notebook) -> int:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)


def test_training_learns_and_finetunes_on_drawn_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("LEUKOSCOPE_RUNS", str(tmp_path))
    for name in ("BLOOD_CELLS_DIR", "LEUKOSCOPE_CELLS", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    (path,) = [path for path in NOTEBOOKS if path.stem == "training"]
    notebook = execute(path, path.parent)
    said = outputs(notebook)
    assert float(re.search(r"accuracy (\S+) \[", said).group(1)) > 0.7
    # The network never met another lamp, so the new lab is hard for it whichever way its training went.
    before, after = map(float, re.search(r"my-lab, held out +\d+ +(\S+) +(\S+)", said).groups())
    assert after > before + 0.1
    assert (tmp_path / "tuned" / "classifier.json").exists()
    assert figures(notebook) == 2, "the examples and the curves"


def test_quickstart_shows_what_the_embedded_model_answers(tmp_path, monkeypatch):
    for name in ("LEUKOSCOPE_PHOTOS", "LEUKOSCOPE_MODEL", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    (path,) = [path for path in NOTEBOOKS if path.stem == "quickstart"]
    stored, stored_numbers = words_and_numbers(outputs(nbformat.read(path, as_version=4)))
    fresh, fresh_numbers = words_and_numbers(outputs(execute(path, tmp_path)))
    assert stored == fresh, "run the notebook anew: jupyter nbconvert --execute --inplace"
    assert stored_numbers == pytest.approx(fresh_numbers, abs=2e-3)  # as far as processors differ, and rounding


def test_quickstart_answers_on_drawn_cells_and_on_a_users_folder(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(draw_photo(["lymphocyte"], seed=0)[0]).save(photos / "a.png")
    (photos / "b.jpg").write_text("not a picture")
    monkeypatch.setenv("LEUKOSCOPE_PHOTOS", str(photos))
    monkeypatch.delenv("LEUKOSCOPE_MODEL", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # Streamlit sets it when it is imported; a kernel would inherit it
    (path,) = [path for path in NOTEBOOKS if path.stem == "quickstart"]
    notebook = execute(path, tmp_path)
    said = outputs(notebook)
    assert "Prediction(label='monocyte'" in said
    assert "a.png" in said
    assert "not read: not a picture" in said
    assert figures(notebook) == 2, "the bars and the heatmap"


def test_make_opens_the_notebooks(tmp_path):
    port = free_port()
    options = f"--no-browser --port={port} --port-retries=0 --IdentityProvider.token=''"
    own = {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "run")}
    with open(tmp_path / "log", "w") as log:
        command = ["make", "notebook", f"ARGS={options}"]
        server = subprocess.Popen(
            command, cwd=NOTEBOOKS[0].parents[1], env=os.environ | own, stdout=log, stderr=log, start_new_session=True
        )
    try:
        found, end = None, time.monotonic() + 120
        while found is None and time.monotonic() < end and server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=5) as answer:
                    found = json.load(answer)
            except OSError:
                time.sleep(0.2)
        assert found, (tmp_path / "log").read_text()
        assert {path.name for path in NOTEBOOKS} <= {file["name"] for file in found["content"]}
    finally:
        os.killpg(server.pid, signal.SIGKILL)
