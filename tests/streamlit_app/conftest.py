"""The app as a person at a bench meets it: Streamlit in a process of its own, and a browser."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.ports import free_port
from tests.space.conftest import stop_app

ROOT = Path(__file__).parents[2]
APP = ROOT / "streamlit_app" / "app.py"
START_SECONDS = 120
STEP_SECONDS = 60

sys.path.insert(0, str(ROOT / "streamlit_app"))  # as `streamlit run` does
expect.set_options(timeout=STEP_SECONDS * 1000)


@dataclass
class Bench:
    """An app that is being served: its address, where it keeps sessions, its log and its process."""

    url: str
    sessions: Path
    log: Path
    process: subprocess.Popen


def start_bench(folder: Path, **variables) -> Bench:
    """Run `streamlit run streamlit_app/app.py` from another folder and wait until it is healthy."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    sessions, log = folder / "sessions", folder / "app.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEUKOSCOPE_")}
    settings = {"LEUKOSCOPE_SESSIONS": str(sessions), "PYTHONPATH": str(ROOT)}
    with open(log, "a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(APP), f"--server.port={port}"],
            cwd=folder,
            env=kept | settings | variables,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the app ended with {process.returncode}:\n{log.read_text()}")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
            return Bench(url, sessions, log, process)
        except OSError:
            time.sleep(0.1)
    stop_app(process)
    pytest.fail(f"the app did not answer within {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The app, started once."""
    started = start_bench(tmp_path_factory.mktemp("bench"))
    yield started
    stop_app(started.process)


class BenchVisit:
    """One open page, and what it asked other hosts for and complained of."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, dark: bool = False, height: int = 900) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.host = urlparse(url).netloc
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self.page.set_default_timeout(STEP_SECONDS * 1000)
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        expect(self.page.get_by_role("heading", name="Leukoscope")).to_be_visible()
        expect(self.page.locator(".lk-verdict h2").first).to_be_visible()
        self.settled()

    def _note_request(self, request) -> None:
        parts = urlparse(request.url)
        if parts.scheme not in ("data", "blob", "ws") and parts.netloc != self.host:
            self.foreign.append(request.url)

    def settled(self) -> None:
        """Wait until the app has built the page: what is chosen in a part still being loaded is lost."""
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        self.page.wait_for_load_state("networkidle")

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=name).click()

    def name_count(self, name: str) -> None:
        """Begin or go on with another count; the page shows it when this returns."""
        self.page.get_by_label("Name of the count").fill(name)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_text(re.compile(rf"Kept in .*{re.escape(name)}\.jsonl"))).to_be_visible()
        self.settled()

    def upload(self, label: str, *paths: Path) -> None:
        """Give an uploader files; it has begun to send them when this returns."""
        field = self.page.get_by_test_id("stFileUploader").filter(has_text=label)
        with self.page.expect_request(lambda request: "/_stcore/upload_file/" in request.url):
            field.locator("input[type=file]").set_input_files([str(path) for path in paths])
