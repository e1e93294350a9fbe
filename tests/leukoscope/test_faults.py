"""Hard times for the library: full disks, killed writers, models that vanish. `docs/reliability.md` lists them all."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from leukoscope import Classifier, ImageError
from leukoscope.counting.differential import Differential, append_csv
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.files import write_whole
from leukoscope.model.hub import EMBEDDED
from leukoscope.showing.about import model_html
from tests.hub.fixtures import IMPATIENT, LOAD
from tests.hub.server import Fault

pytest_plugins = ["tests.hub.fixtures"]

ROOT = Path(__file__).parents[2]


def full_after(size: int):
    """For a child: no file may grow beyond so many bytes, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture(scope="module")
def smear(tmp_path_factory) -> Path:
    """Six photos of two cells."""
    folder = tmp_path_factory.mktemp("smear")
    for i in range(6):
        photo = draw_photo(["neutrophil", "monocyte"], seed=i, width=480, height=360)[0]
        Image.fromarray(photo).save(folder / f"{i}.png")
    return folder


def scan(*words, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "leukoscope", "scan", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


# --- full disks ------------------------------------------------------------------------------------------


def test_a_scan_on_a_full_disk_says_so_keeps_what_it_has_and_goes_on(smear, tmp_path):
    whole, csv = tmp_path / "whole.csv", tmp_path / "o.csv"
    assert scan(smear, "--csv", whole).returncode == 0
    room = whole.stat().st_size * 2 // 3
    done = scan(smear, "--csv", csv, preexec_fn=full_after(room))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "photos are in" not in line]
    assert line.startswith("leukoscope: ")
    assert os.strerror(errno.EFBIG) in line
    content = csv.read_bytes()
    assert len(content) == room
    assert whole.read_bytes().startswith(content)
    again = scan(smear, "--csv", csv)
    assert again.returncode == 0
    assert "of 6 photos are in" in again.stderr
    assert Differential.read_csv(csv) == Differential.read_csv(whole), "as if the disk had never been full"


@contextlib.contextmanager
def small_disk(folder: Path):
    """A file system of 64 kB; None where this process may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    try:
        yield folder if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_file_that_does_not_fit_leaves_the_old_one_and_nothing_else(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        if disk:
            write_whole(disk / "o.csv", b"old")
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                write_whole(disk / "o.csv", bytes(2**20))
            assert (disk / "o.csv").read_bytes() == b"old"
            assert list(disk.iterdir()) == [disk / "o.csv"]
    script = """
import resource
from pathlib import Path
from leukoscope.files import write_whole
write_whole(Path("o.csv"), b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path("o.csv"), bytes(2000))
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.stdout.split() == [str(errno.EFBIG).encode()], done.stderr
    assert (tmp_path / "o.csv").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"o.csv", "disk"}


CACHE = f"""
import resource
import leukoscope
resource.setrlimit(resource.RLIMIT_FSIZE, ({{room}}, resource.RLIM_INFINITY))
{LOAD}
"""


def test_a_disk_that_fills_up_while_caching_is_told_and_the_cache_stays_usable(hub, model, client):
    error, words = client(CACHE.format(room=2**20))
    assert error == "ModelUnavailable"
    assert os.strerror(errno.EFBIG) in words
    assert client(CACHE.format(room=2**30)) == f"tester/cells@{model}"


def test_a_slow_hub_is_given_up_and_named(hub, model, client):
    hub.fail(Fault(delay=2, times=99))
    soon = {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    error, words = client(IMPATIENT + CACHE.format(room=2**30), **soon)
    assert error == "ModelUnavailable"
    assert hub.url in words
    hub.heal()
    assert client(CACHE.format(room=2**30), **soon) == f"tester/cells@{model}"


# --- killed writers --------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from leukoscope.files import write_whole
print("ready", flush=True)
number = 0
while True:
    number += 1
    write_whole(Path(sys.argv[1]), b"%07d" % number * 100_000)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "o.csv"
    for pause in (0.0, 0.003, 0.011, 0.02, 0.05, 0.1):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout.readline() == b"ready\n"
        end = time.monotonic() + 30
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        content = path.read_bytes()
        assert content == content[:7] * 100_000


def test_an_append_that_fails_half_way_is_mended_by_the_next(classifier, tmp_path, monkeypatch):
    csv = tmp_path / "o.csv"
    cells = classifier.scan(draw_photo(["neutrophil", "monocyte"], seed=1, width=480)[0])
    append_csv(csv, "a.png", cells)
    whole = csv.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        append_csv(csv, "b.png", cells)
    monkeypatch.undo()
    csv.write_bytes(csv.read_bytes()[: len(whole) + 40])  # what such a disk may hold of it
    append_csv(csv, "c.png", cells)
    assert Differential.read_csv(csv).photos == ("a.png", "c.png")


# --- models that vanish ----------------------------------------------------------------------------------


def test_a_model_deleted_or_replaced_while_it_serves_goes_on_answering(tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "model")
    serving = Classifier.from_pretrained(folder)
    picture = draw_cell("monocyte", seed=1)
    before, told = serving.predict(picture), model_html(serving)
    for name in ("model.onnx", "classifier.json"):
        (folder / name).write_bytes(b"another")
    assert serving.predict(picture) == before
    shutil.rmtree(folder)
    assert serving.predict(picture) == before
    assert serving.scan(draw_photo(["neutrophil"], seed=1, width=320)[0])
    graphs = [EMBEDDED / name for name in ("model.onnx", "locator.onnx")]
    assert serving.info()["model_bytes"] == sum(graph.stat().st_size for graph in graphs)
    assert model_html(serving) == told
    with pytest.raises(ImageError):
        serving.predict(b"no picture")
