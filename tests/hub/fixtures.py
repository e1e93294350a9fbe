"""Fixtures for tests that talk to the Hub. A test module takes them with `pytest_plugins = ["tests.hub.fixtures"]`."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leukoscope.model.checkpoint import files_of
from leukoscope.model.hub import EMBEDDED
from tests.hub.server import TOKEN, Hub

ROOT = Path(__file__).parents[2]
IMPATIENT = "import time\ntime.sleep = lambda seconds: None\n"
"""Begins a script whose client does not wait, longer and longer, between two tries."""
LOAD = """
from leukoscope import Classifier, LeukoscopeError
try:
    answer = Classifier.from_pretrained("tester/cells").info()["source"]
except LeukoscopeError as error:
    answer = [type(error).__name__, str(error)]
"""
"""A script that loads `model`: it answers with its source, or with the error and its words."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty Hub that listens."""
    with Hub() as hub:
        yield hub


@pytest.fixture
def model(hub) -> str:
    """The embedded checkpoint as tester/cells; its commit."""
    files = {name: (EMBEDDED / name).read_bytes() for name in files_of(EMBEDDED)}
    return hub.create("tester/cells").commit(files, "a checkpoint")


@pytest.fixture
def here(hub, tmp_path, monkeypatch) -> Iterator[Path]:
    """The real client talks to this Hub from the test's own process, as `tester`, and waits for nothing; its cache."""
    from huggingface_hub import close_session, constants

    for name in [name for name in os.environ if name.startswith("HF_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    close_session()  # it would know the proxies of before
    yield tmp_path / "cache"
    close_session()


@pytest.fixture
def client(hub, tmp_path) -> Callable[..., object]:
    """Runs a script with the real client in a process of its own.

    `client(script, home="home", token=..., **variables)` returns what the script leaves in `answer`, through JSON.
    Calls with the same `home` share their cache. With `fails=True` the script must end in an exception, and its
    traceback is returned; without, a traceback fails the test.
    """

    def run(
        script: str, home: str = "home", token: str | None = TOKEN, fails: bool = False, **variables: str
    ) -> object:
        source = f"answer = None\n{textwrap.dedent(script)}\nimport json\nprint(json.dumps(answer))"
        env = hub.env(tmp_path / home, token) | variables
        done = subprocess.run([sys.executable, "-c", source], env=env, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stderr or done.stdout
        return done.stderr if fails else json.loads(done.stdout.splitlines()[-1])

    return run
