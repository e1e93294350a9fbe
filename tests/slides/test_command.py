"""`leukoscope scan SLIDE`, as it is typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from leukoscope.cli import main
from leukoscope.slides.scan import JOURNAL
from tests.slides.test_outputs import FILES


def test_a_slide_is_scanned_and_another_that_is_broken_told(drawn, tmp_path, capsys):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(drawn.path.read_bytes()[:5000])
    out = tmp_path / "out"
    some = ["--cells", "3", "--workers", "1", "--out", str(out), "--sample", "S 7"]
    assert main(["scan", str(broken), str(drawn.path), *some]) == 0
    said = capsys.readouterr()
    assert "neutrophil" in said.out
    assert "broken.svs: the file is cut short: it has 5,000 bytes" in said.err
    assert "1 of 2 slides could not be read" in said.err
    assert "answered at level 0 of 3, 0.1 µm a pixel by what the slide says: 6 tiles" in said.err
    assert {file.name for file in (out / drawn.path.name).iterdir()} == FILES | {JOURNAL, ".lock"}


def test_a_region_as_json(drawn, capsys):
    assert main(["scan", str(drawn.path), "--all", "--region", "0,0,2048,1024", "--workers", "1", "--json"]) == 0
    (slide,) = json.loads(capsys.readouterr().out)
    assert (slide["level"], slide["tiles"], slide["bad_tiles"]) == (0, 1, 0)
    assert len(slide["cells"]) == 3
    assert all(0 <= cell["box"][0] < 2048 for cell in slide["cells"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--cells", "5", "--csv", "a.csv"], "--csv is of photos: what is made of a slide is in --out DIR"),
        (["--cells", "5", "--all"], "--cells N and --all: give one of them"),
        (["--all", "--sample", "S"], "are for the report in --out DIR"),
        (["--all", "--address", "auto"], "--address is of --engine ray"),
        (["--all", "--out", __file__], "is not a folder"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(options, reason, drawn, capsys):
    assert main(["scan", str(drawn.path), *options]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--cells", "0"], ["--cells", "x"], ["--region", "1,2,3"], ["--region", "0,0,0,5"]])
def test_numbers_that_are_none_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        main(["scan", "a.svs", *option])
    assert f"not '{option[1]}'" in capsys.readouterr().err


def test_what_is_no_slide_is_told(tmp_path, capsys):
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    assert main(["scan", str(tmp_path / "photo.png"), "--all"]) == 3
    assert "photo.png: no slide that OpenSlide reads" in capsys.readouterr().err
    assert main(["scan", str(tmp_path), "--all"]) == 2
    assert "no slides in" in capsys.readouterr().err
    assert main(["scan", str(tmp_path / "a.svs"), str(tmp_path / "b" / "a.svs")]) == 2
    assert "two slides have the name a.svs" in capsys.readouterr().err


def lives(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_command_goes_on_and_leaves_no_process(drawn, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["scan", str(drawn.path), "--all", "--workers", "2", "--out", str(out)]
    kept = out / drawn.path.name / JOURNAL
    run = subprocess.Popen([sys.executable, "-m", "leukoscope", *words], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while time.monotonic() < end and not (kept.exists() and kept.read_bytes().count(b"\n") >= 3):
        time.sleep(0.005)
    workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert len(workers) >= 2
    while time.monotonic() < end and any(map(lives, workers)):
        time.sleep(0.05)
    assert not any(map(lives, workers))
    done = kept.read_bytes().split(b"\n")[1:-1]
    assert 2 <= len(done) < 6
    assert main([*words, "--json"]) == 0
    (slide,) = json.loads(capsys.readouterr().out)
    assert slide["tiles"] == 6
    assert kept.read_bytes().split(b"\n")[1 : 1 + len(done)] == done
