"""The page on ZeroGPU hardware: the real package `spaces`, and a server of the tests' own for the platform's."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.space.conftest import EXAMPLES, ROOT, start_app, stop_app
from tests.space.test_ending import upload
from tests.space.test_programs import FILE, call
from training.publish import ZEROGPU_REQUIREMENT, stage_space

WITHOUT = """
import runpy, sys
sys.path.insert(0, {folder!r})
import zerogpu
zerogpu.name_a_gpu_function = lambda: None
runpy.run_path({folder!r} + "/app.py", run_name="__main__")
"""


@pytest.fixture
def platform():
    """What the platform was told: its address, and each request as a line."""
    told = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(f"POST {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    server.server_close()


def switches(address: str) -> dict[str, str]:
    """What the platform sets, and the switch by which Gradio would make a GPU function of every answer."""
    return {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": address,
        "SPACES_GRADIO_AUTO_WRAP": "true",
        "SPACE_ID": "tester/page",
        "SYSTEM": "spaces",
    }


def label_of_an_example(url: str) -> str:
    status, text = call(
        url, "classify", {"path": upload(url, (EXAMPLES / "monocyte.png").read_bytes(), "a.png"), "meta": FILE}
    )
    assert status == 200, text
    assert text.startswith("event: complete"), text
    return json.loads(text.split("data: ")[1])[0]["label"]


def test_the_staged_space_reports_a_gpu_function_and_answers_on_the_cpu(platform, tmp_path):
    address, told = platform
    space = tmp_path / "space"
    space.mkdir()
    stage_space(space, "tester/leukoscope", "0" * 40, ["classifier.json", "model.onnx"], "zerogpu")
    apart = {"PYTHONPATH": "", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    started = start_app(tmp_path / "run", script=space / "app.py", **apart, **switches(address))
    try:
        assert label_of_an_example(started.url) == "monocyte"
        assert told == ["POST /startup-report"], "no GPU is asked for: that would be charged to the visitor"
    finally:
        stop_app(started.process)


def test_without_the_named_function_nothing_is_reported(platform, tmp_path):
    address, told = platform
    script = tmp_path / "without.py"
    script.write_text(WITHOUT.format(folder=str(ROOT / "space")))
    started = start_app(tmp_path / "run", script=script, **switches(address))
    try:
        assert label_of_an_example(started.url) == "monocyte"
        assert told == []
    finally:
        stop_app(started.process)


def run(script: str, **variables) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACE")}
    command = [sys.executable, "-c", f"import sys, zerogpu\n{script}"]
    return subprocess.run(
        command, cwd=ROOT / "space", env=kept | variables, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("switch", [{}, {"SPACES_ZERO_GPU": "false"}], ids=["unset", "off"])
def test_elsewhere_the_package_is_not_imported(switch):
    done = run("zerogpu.name_a_gpu_function(); print('spaces' in sys.modules)", **switch)
    assert done.stdout.strip() == "False", done.stderr


def test_a_missing_package_is_said():
    done = run("sys.modules['spaces'] = None; zerogpu.name_a_gpu_function()", SPACES_ZERO_GPU="true")
    assert done.returncode == 1
    assert "publish this Space with --hardware zerogpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_package_that_is_tested_is_the_one_that_is_published():
    assert ZEROGPU_REQUIREMENT in (ROOT / "requirements.txt").read_text().splitlines()
