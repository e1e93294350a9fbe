"""The page's end: what is asked is answered, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.space.conftest import EXAMPLES, start_app, stop_app
from tests.space.test_programs import FILE, ask, call

SEVERAL = EXAMPLES / "several_cells.webp"
QUESTIONS = 12


def upload(url: str, content: bytes, name: str = "a.webp") -> str:
    """Put a file where programs put theirs; where it lies."""
    body = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    status, text = ask(f"{url}/gradio_api/upload", body + content + b"\r\n--b--\r\n", headers)
    assert status == 200, text
    return json.loads(text)[0]


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory) -> dict[str, Path]:
    """What lies in the upload folder before the page starts, as a killed process leaves it."""
    folder = tmp_path_factory.mktemp("ending")
    files = {
        "old": folder / "files" / ("0" * 64) / "patient.png",
        "young": folder / "files" / ("f" * 64) / "patient.png",
        "foreign": folder / "files" / "somebody else's" / "old.png",
    }
    for path in files.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a picture of somebody")
    for name in ("old", "foreign"):
        os.utime(files[name], (time.time() - 3600,) * 2)
    return files | {"folder": folder}


@pytest.fixture(scope="module")
def started(left_behind):
    app = start_app(left_behind["folder"])
    yield app
    stop_app(app.process)


def test_what_a_killed_process_left_behind_is_swept(started, left_behind):
    end = time.monotonic() + 30
    while left_behind["old"].exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not left_behind["old"].parent.exists()
    assert left_behind["young"].exists()
    assert left_behind["foreign"].exists()


def test_told_to_end_it_answers_what_was_asked_and_leaves_no_picture(started, left_behind, classifier):
    path = upload(started.url, SEVERAL.read_bytes())
    answers = []
    askers = [
        threading.Thread(target=lambda: answers.append(call(started.url, "scan", {"path": path, "meta": FILE})))
        for _ in range(QUESTIONS)
    ]
    for asker in askers:
        asker.start()
    end = time.monotonic() + 60
    while not answers and time.monotonic() < end:
        time.sleep(0.01)
    assert len(answers) < QUESTIONS, "it was told in the middle"
    started.process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(60)
    assert started.process.wait(60) == 0
    labels = [p.label for p in classifier.scan(SEVERAL)]
    assert len(answers) == QUESTIONS
    refused = [text for status, text in answers if status != 200]
    assert all("about to end" in text for text in refused)
    done = [text for status, text in answers if status == 200]
    assert len(done) > 1
    for text in done:
        assert text.startswith("event: complete"), text
        assert [cell["label"] for cell in json.loads(text.split("data: ")[1])[0]["cells"]] == labels
    assert [path for path in started.uploads.rglob("*") if path.is_file()] == [left_behind["foreign"]]
    assert "Traceback" not in started.log.read_text()


BURSTS = """
import os, signal, sys, tempfile, threading, time
sys.path.insert(0, "space")
from types import SimpleNamespace
import ending
from guard import Traffic

ending.QUIET_SECONDS = 0.05

def burst():
    time.sleep(0.05)
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

folder = tempfile.mkdtemp()
page = SimpleNamespace(GRADIO_CACHE=folder, blocks={}, _queue=[], close=lambda verbose: None)
for _ in range(20):
    teller = threading.Thread(target=burst)
    teller.start()
    ending.serve_until_told(page, Traffic(), 100)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    teller.join()
"""


def test_told_many_times_at_once_it_ends_all_the_same():
    """One signal may interrupt the handling of another. What comes after the first was handled may kill it at once."""
    done = subprocess.run([sys.executable, "-c", BURSTS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGTERM, -signal.SIGINT), done.stderr
