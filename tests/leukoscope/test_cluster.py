"""A scan on three real Ray nodes, on loopback: the same rows as one process, whoever is killed when."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from PIL import Image

from benchmarks.nodes import Cluster
from benchmarks.scale import rows_alone, rows_of, unlike
from leukoscope import CELL_TYPES, Differential, cli
from leukoscope.cluster.tables import slide, slides, total
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.scanning.photos import photo_name

pytest_plugins = ["tests.hub.fixtures"]
ROOT = Path(__file__).parents[2]
PHOTOS = 200
DRIVER = """
import sys
from leukoscope import Classifier
from leukoscope.cluster.scan import scan_to_parquet
places, out, address = sys.argv[1:-2], *sys.argv[-2:]
if __name__ == "__main__":
    seen = lambda photos: print(photos, flush=True)
    print(scan_to_parquet(places, out, Classifier.from_pretrained(), address=address, portion=8, seen=seen))
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Four slides: photos without a cell, with one and with two, a damaged one; names that Ray itself leaves out."""
    folder = tmp_path_factory.mktemp("study")
    for number in range(PHOTOS // 4):
        types = [] if number % 10 == 3 else [CELL_TYPES[number % 4]] * (1 + (number % 5 == 0))
        photo = Image.fromarray(draw_photo(types, seed=number, width=420, height=260, red_cell_px=48.0)[0])
        for name in range(4):
            path = folder / f"slide {name}" / f"_{number:03}.jpg"
            path.parent.mkdir(exist_ok=True)
            photo.save(path, quality=80 + name)
    (folder / "slide 1" / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def alone(study) -> list[tuple]:
    return rows_alone(study)


@pytest.fixture(scope="module")
def cluster():
    with Cluster(2) as cluster:
        yield cluster
    assert cluster.processes() == []
    assert not cluster.folder.exists()


def scan(cluster, *words) -> subprocess.Popen:
    """A driver that prints how many photos each portion had."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, words), cluster.address],
        env=cluster.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> str:
    """The last line that a driver prints: its `Done`."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out.splitlines()[-1]


def some_done(process: subprocess.Popen, photos: int) -> int:
    """Wait until a driver has counted so many."""
    done = 0
    while done < photos and (line := process.stdout.readline()):
        done += int(line)
    assert photos <= done < PHOTOS, process.stderr.read() if process.poll() else done
    return done


def test_rows_are_those_of_one_process_to_the_last_bit(cluster, study, alone, tmp_path):
    assert ended(scan(cluster, study, tmp_path / "out")) == (
        f"Done(photos={PHOTOS}, cells={sum(len(row) > 2 and row[1] is not None for row in alone)}, bad=1, known=0)"
    )
    assert len(alone) > PHOTOS
    assert rows_of(tmp_path / "out") == alone
    hashes = ds.dataset(tmp_path / "out" / "cells").to_table(["photo", "sha256"]).to_pylist()
    assert len({row["sha256"] for row in hashes}) == PHOTOS
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in hashes)


def test_the_command_line_prints_the_same_count_and_goes_on_with_what_is_missing(cluster, study, tmp_path):
    words = [sys.executable, "-m", "leukoscope", "scan"]
    ray = ["--engine", "ray", "--address", cluster.address, "--out", str(tmp_path / "out")]
    given = {"cwd": study.parent, "env": cluster.environment, "capture_output": True, "text": True}
    first = subprocess.run([*words, f"{study.name}/slide [01]", *ray], **given)
    assert first.returncode == 0, first.stderr
    assert "broken.jpg: not a picture of a known format" in first.stderr
    (study / "slide 0/notes.xyz").touch()
    both = subprocess.run([*words, study.name, study / "slide 0", *ray, "--json"], **given)
    assert both.returncode == 0, both.stderr
    assert f"{PHOTOS // 2 + 1:,} of {PHOTOS + 1:,} photos were in" in both.stderr
    assert "1 file was not taken for photos: 1 .xyz" in both.stderr
    (study / "slide 0/notes.xyz").unlink()
    local = subprocess.run([*words, study, "--csv", tmp_path / "local.csv"], **given)
    counted, here = json.loads(both.stdout), Differential.read_csv(tmp_path / "local.csv")
    assert counted["counts"] == here.counts
    assert (counted["photos"], counted["bad"]) == (PHOTOS, 1)
    assert [part["folder"] for part in counted["slides"]] == [photo_name(study / f"slide {n}") for n in range(4)]
    assert len((tmp_path / "out" / "slides.csv").read_text().splitlines()) == 5
    again = subprocess.run([*words, study, *ray], **given)
    assert again.stdout == local.stdout
    assert slide(tmp_path / "out", str(study / "slide 1")).rows() == next(
        part.tally.rows() for part in slides(tmp_path / "out") if part.folder.endswith("slide 1")
    )
    assert total(slides(tmp_path / "out")).tally == here.tally


def test_a_killed_driver_leaves_whole_rows_and_the_same_call_ends_as_if_nothing_had_happened(
    cluster, study, alone, tmp_path
):
    process = scan(cluster, study, tmp_path / "out")
    done = some_done(process, 50)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    found = rows_of(tmp_path / "out")
    assert set(found) < set(alone)
    assert len(found) == len(set(found))
    again = ended(scan(cluster, study, tmp_path / "out"))
    known = int(re.search(r"known=(\d+)", again)[1])
    assert known >= done, "what was counted is not done again"
    assert rows_of(tmp_path / "out") == alone
    assert not list((tmp_path / "out" / "_staged").rglob("*.parquet"))


def test_a_killed_machine_is_done_without(study, alone, tmp_path):
    with Cluster(2) as cluster:
        process = scan(cluster, study, tmp_path / "out")
        some_done(process, 40)
        cluster.kill(2)
        assert f"photos={PHOTOS}," in ended(process)
    assert unlike(rows_of(tmp_path / "out"), alone) == 0


def test_photos_of_an_archive_and_of_the_hub_are_read_where_they_lie(study, alone, hub, tmp_path):
    """By Ray on this machine alone, which the command starts and ends itself."""
    with zipfile.ZipFile(tmp_path / "slide.zip", "w") as archive:
        for path in sorted((study / "slide 2").glob("*.jpg"))[:20]:
            archive.write(path, f"s2/{path.name}")
    files = {f"s3/{path.name}": path.read_bytes() for path in sorted((study / "slide 3").glob("*.jpg"))[:5]}
    hub.create("tester/smear", "dataset").commit(files, "five photos")
    places = [f"zip://::{tmp_path / 'slide.zip'}", "hf://datasets/tester/smear"]
    before = set(Path(tempfile.gettempdir()).glob("leukoscope-ray-*"))
    done = subprocess.run(
        [sys.executable, "-m", "leukoscope", "scan", *places, "--engine", "ray", "--out", tmp_path / "out"],
        env=hub.env(tmp_path / "home") | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "in 25 photos." in done.stdout
    assert set(Path(tempfile.gettempdir()).glob("leukoscope-ray-*")) == before
    found = rows_of(tmp_path / "out")
    assert f"zip://s2/_000.jpg::{tmp_path / 'slide.zip'}" in {row[0] for row in found}
    assert "hf://datasets/tester/smear/s3/_000.jpg" in {row[0] for row in found}
    same = {str(study / f"slide {s}" / f"_{n:03}.jpg") for s, count in ((2, 20), (3, 5)) for n in range(count)}
    wanted = [row[1:] for row in alone if row[0] in same]
    assert sorted((row[1:] for row in found), key=repr) == sorted(wanted, key=repr)


def test_a_cluster_that_is_not_there_is_told(study, tmp_path, capsys):
    words = [sys.executable, "-m", "leukoscope", "scan", study, "--engine", "ray", "--out", tmp_path / "out"]
    done = subprocess.run([*words, "--address", "127.0.0.1:1"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "leukoscope: no Ray cluster at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--engine", "ray"], "--engine ray needs --out"),
        (["--out", "x"], "--out and --address are of --engine ray"),
        (["--engine", "ray", "--out", "x", "--csv", "y"], "--csv, --pdf and --annotated are of --engine local"),
    ],
)
def test_arguments_that_do_not_go_together_are_told(words, told, capsys):
    assert cli.main(["scan", ".", *words]) == 2
    assert told in capsys.readouterr().err


def test_without_ray_one_line_says_how_to_get_it(study, tmp_path):
    """In an interpreter for which Ray is not there, and neither is what it needs."""
    script = """
import sys
import importlib.util as u
real = u.find_spec
u.find_spec = lambda name, *rest: None if name == "ray" else real(name, *rest)
for name in ("ray", "pyarrow"):
    sys.modules[name] = None
from leukoscope.cli import main
status = main(["scan", sys.argv[1], "--engine", "ray", "--out", sys.argv[2]])
print(status)
try:
    import leukoscope.cluster.scan
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, study, tmp_path / "out"], capture_output=True, text=True, cwd=ROOT
    )
    hint = "the engine ray is not installed: pip install 'leukoscope[cluster]'"
    assert done.stderr == f"leukoscope: {hint}\n"
    assert done.stdout.splitlines() == ["2", hint]
    assert not (tmp_path / "out").exists()
