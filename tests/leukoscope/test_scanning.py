"""`leukoscope scan` as a person runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from leukoscope.differential import Differential
from leukoscope.scanning import find_pictures
from leukoscope.synthetic import draw_photo


def scan(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "leukoscope", "scan", *map(str, words)], capture_output=True, text=True, **options
    )


def draw(path, types, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_photo(types, seed=seed, width=640, height=480)[0]).save(path)


@pytest.fixture
def smear(tmp_path):
    """Three photos with five cells, one of them in a folder below, and three files that are no photos."""
    folder = tmp_path / "smear"
    draw(folder / "a.png", ["neutrophil", "lymphocyte"], 1)
    draw(folder / "b.jpg", ["neutrophil", "eosinophil", "neutrophil"], 2)
    draw(folder / "more" / "c.PNG", [], 3)
    (folder / "broken.png").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("cells")
    (folder / ".hidden.png").write_bytes(b"x")
    return folder


def test_pictures_are_found_in_folders_and_below(smear):
    names = [str(path.relative_to(smear)) for path in find_pictures([smear])]
    assert names == ["a.png", "b.jpg", "broken.png", os.path.join("more", "c.PNG")]
    assert find_pictures([smear / "notes.txt", smear / "a.png", smear / "a.png"]) == [
        smear / "notes.txt",
        smear / "a.png",
    ]


def test_everything_at_once(smear, tmp_path):
    done = scan(smear, "--csv", tmp_path / "o.csv", "--pdf", tmp_path / "o.pdf", "--annotated", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    counted = Differential.read_csv(tmp_path / "o.csv")
    assert counted.photos == tuple(str(smear / name) for name in ("a.png", "b.jpg", "more/c.PNG"))
    assert len(counted.cells) == 5
    assert f"Counted {counted.counted} cells in 3 photos." in done.stdout
    assert f"neutrophil  {counted.counts['neutrophil']:>8}" in done.stdout
    assert "broken.png: not a picture of a known format" in done.stderr
    assert "1 of 4 files could not be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(PdfReader(tmp_path / "o.pdf").pages) == 1
    drawn = sorted((tmp_path / "drawn").rglob("*.png"))
    assert [path.name for path in drawn] == ["a.png.png", "b.jpg.png", "c.PNG.png"]
    before, after = (np.asarray(Image.open(path)) for path in (smear / "a.png", drawn[0]))
    assert before.shape == after.shape
    assert (before != after).any()


def test_json_is_all_that_stands_on_standard_output(smear):
    done = scan(smear, "--json")
    values = json.loads(done.stdout)
    assert len(values["photos"]) == 3
    assert len(values["cells"]) == 5


def test_status_tells_some_bad_from_all_bad(smear, tmp_path):
    assert scan(smear / "a.png", smear / "broken.png").returncode == 0
    done = scan(smear / "broken.png", tmp_path / "none.png")
    assert done.returncode == 3
    assert "no such file" in done.stderr
    (tmp_path / "empty").mkdir()
    for words in ([tmp_path / "empty"], [smear, "--model", tmp_path], [smear, "--csv", tmp_path / "no" / "o.csv"]):
        done = scan(*words)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_foreign_csv_is_not_overwritten(smear, tmp_path):
    (tmp_path / "mine.csv").write_text("name,age\nA,1\n")
    done = scan(smear, "--csv", tmp_path / "mine.csv")
    assert done.returncode == 2
    assert "line 1: the columns must be" in done.stderr
    assert (tmp_path / "mine.csv").read_text() == "name,age\nA,1\n"


def test_killed_in_the_middle_it_goes_on(tmp_path):
    folder, csv = tmp_path / "smear", tmp_path / "o.csv"
    for i in range(12):
        draw(folder / f"{i:02d}.png", ["neutrophil", "monocyte"], i)
    whole = tmp_path / "whole.csv"
    assert scan(folder, "--csv", whole).returncode == 0

    process = subprocess.Popen(
        [sys.executable, "-m", "leukoscope", "scan", str(folder), "--csv", str(csv)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not (csv.exists() and csv.stat().st_size > 1000) and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    so_far = csv.read_bytes().count(b"\r\n")
    assert 0 < so_far < whole.read_bytes().count(b"\r\n"), "it was killed in the middle"

    done = scan(folder, "--csv", csv)
    assert done.returncode == 0
    assert f"are in {csv} already" in done.stderr
    assert csv.read_bytes() == whole.read_bytes(), "as if it had not been killed"
    stamp = csv.stat().st_mtime_ns
    again = scan(folder, "--csv", csv)
    assert "11 photos are in" in again.stderr, "all but the last, which may not have been whole"
    assert csv.read_bytes() == whole.read_bytes()
    assert csv.stat().st_mtime_ns > stamp
