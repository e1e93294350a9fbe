"""The page as a person meets it: the app in a process of its own, and a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
START_SECONDS = 120  # a busy machine with two cores imports Gradio slowly
STEP_SECONDS = 60
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def page_url(tmp_path_factory):
    """Address of `python space/app.py`, started once."""
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": str(folder / "files")}
    env = {name: value for name, value in os.environ.items() if name != "SPACE_ID"} | settings
    log = folder / "app.log"
    with open(log, "w") as output:
        app = subprocess.Popen(
            [sys.executable, "space/app.py"], cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, app, log)
        yield url
    finally:
        app.terminate()
        try:
            app.wait(20)
        except subprocess.TimeoutExpired:
            app.kill()


def _wait_until_up(url: str, app: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if app.poll() is not None:
            pytest.fail(f"space/app.py ended with {app.returncode}:\n{log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"space/app.py did not answer within {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; the environment variable CHROME names another one."""
    wanted = [os.environ["CHROME"]] if os.environ.get("CHROME") else ["chromium", "google-chrome"]
    program = next(filter(None, map(shutil.which, wanted)), None)
    if program is None:
        pytest.fail(f"no browser: none of {', '.join(wanted)} is there. Install chromium, or set CHROME to its path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(FLAGS), timeout=START_SECONDS * 1000)
        yield chromium
        chromium.close()


class Visit:
    """One open page, and what it asked for and complained of."""

    def __init__(self, browser: Browser, url: str, width: int, dark: bool) -> None:
        self.url = url
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        self.page.set_default_timeout(STEP_SECONDS * 1000)
        self.page.on("request", self._note_request)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_selector("#verdict h2")

    def _note_request(self, request) -> None:
        parts = urlparse(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlparse(self.url).netloc:
            self.foreign.append(request.url)

    def wait_for_headline(self, text: str) -> None:
        """Wait until the verdict reads so."""
        self.page.wait_for_function("text => document.querySelector('#verdict h2')?.textContent === text", arg=text)

    def choose(self, example: str) -> None:
        """Click one of the drawn cells."""
        self.page.locator(".examples").get_by_role("button", name=example).click()

    def upload(self, path: Path) -> None:
        """Give the page a file."""
        self.page.locator("#picture input[type=file]").set_input_files(path)

    def bars(self) -> dict[str, str]:
        """Name -> number as written, of each bar in its order."""
        rows = self.page.locator("#bars li").all()
        return {row.locator(".lk-name").inner_text(): row.locator(".lk-value").inner_text() for row in rows}


@pytest.fixture
def visit(browser, page_url):
    """Open the page; afterwards see that it asked no other site for anything and reported no error."""
    visits = []

    def open_page(width: int = 1280, dark: bool = False) -> Visit:
        visits.append(Visit(browser, page_url, width, dark))
        return visits[-1]

    yield open_page
    for opened in visits:
        opened.page.close()
        assert opened.foreign == []
        assert opened.errors == []
