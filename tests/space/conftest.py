"""The page as a person meets it: the app in a process of its own, and a browser."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.ports import free_port

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "space" / "examples"
START_SECONDS = 120  # a busy machine with two cores imports Gradio slowly
STEP_SECONDS = 60

sys.path.insert(0, str(ROOT / "space"))  # the page's modules lie beside its app.py, as in a Space


@dataclass
class App:
    """A page that is being served: its address, its upload folder, its log, and how long it took to the first page."""

    url: str
    uploads: Path
    log: Path
    seconds: float
    process: subprocess.Popen


def start_app(folder: Path, *, python: str | Path = sys.executable, script: Path | None = None, **variables) -> App:
    """Start `python space/app.py` and wait for its first page."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    script = script or ROOT / "space" / "app.py"
    uploads, log = folder / "files", folder / "app.log"
    settings = {"PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": str(uploads)}
    kept = {name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "LEUKOSCOPE_MODEL")}
    began = time.monotonic()
    with open(log, "w") as output:
        process = subprocess.Popen(
            [python, script], cwd=script.parent, env=kept | settings | variables, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    while time.monotonic() - began < START_SECONDS:
        if process.poll() is not None:
            pytest.fail(f"{script} ended with {process.returncode}:\n{log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return App(url, uploads, log, time.monotonic() - began, process)
        except OSError:
            time.sleep(0.1)
    stop_app(process)
    pytest.fail(f"{script} did not answer within {START_SECONDS} s:\n{log.read_text()}")


def stop_app(process: subprocess.Popen) -> None:
    """Ask it to end, and end it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """`python space/app.py`, started once."""
    started = start_app(tmp_path_factory.mktemp("app"))
    yield started
    stop_app(started.process)


@pytest.fixture(scope="session")
def page_url(app) -> str:
    """Its address."""
    return app.url


class Visit:
    """One open page, and what it asked for and complained of."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, dark: bool = False, height: int = 800) -> None:
        self.url = url
        self.foreign: list[str] = []
        self.uploads: list[str] = []
        self.errors: list[str] = []
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self.page.set_default_timeout(STEP_SECONDS * 1000)
        self.page.on("request", self._note_request)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", self._note_error)
        self.page.goto(url)
        self.page.wait_for_selector("#verdict h2")

    def _note_request(self, request) -> None:
        parts = urlparse(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlparse(self.url).netloc:
            self.foreign.append(request.url)
        if parts.path.endswith("/upload"):
            self.uploads.append(request.url)

    def _note_error(self, error) -> None:
        # Gradio's own: its client ends its stream of answers when a page goes, and does not wait for the end.
        if not (str(error).startswith("AbortError: signal is aborted") and ".close" in str(error.stack or error)):
            self.errors.append(str(error))

    def until(self, expression: str, arg=None) -> None:
        """Wait until JavaScript says so."""
        self.page.wait_for_function(expression, arg=arg)

    def becomes(self, read: Callable[[], object], expected: object) -> None:
        """Wait until the page reads so: of one answer, each part of the page is drawn by itself."""
        end = time.monotonic() + STEP_SECONDS
        while (got := read()) != expected and time.monotonic() < end:
            self.page.wait_for_timeout(50)
        assert got == expected

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=name).click()

    # --- one photo ---------------------------------------------------------------------------------------

    def wait_for_headline(self, text: str) -> None:
        """Wait until the verdict reads so."""
        self.until("text => document.querySelector('#verdict h2')?.textContent === text", text)

    def wait_for_crop(self, text: str) -> None:
        """Wait until the enlarged cell's caption begins so."""
        self.until("text => document.querySelector('#crop figcaption').textContent.startsWith(text)", text)

    def choose(self, example: str) -> None:
        """Click one of the drawn cells."""
        self.page.locator("#examples").get_by_role("button", name=example).click()

    def upload(self, path: Path) -> None:
        """Give the first tab a file; the example that the page begins with is gone when this returns."""
        self.page.locator("#picture input[type=file]").set_input_files(path)
        self.until("document.querySelector('#photo .lk-which').textContent === ''")

    def bars(self, place: str = "#bars") -> dict[str, str]:
        """Name -> number as written, of each bar in its order."""
        rows = self.page.locator(f"{place} li").all()
        return {row.locator(".lk-name").inner_text(): row.locator(".lk-value").inner_text() for row in rows}

    # --- differential ------------------------------------------------------------------------------------

    def count(self, *paths: Path) -> None:
        """Give the second tab files, and wait for the count."""
        self.page.locator("#files input[type=file]").first.set_input_files(paths)
        self.wait_for_count()

    def wait_for_count(self) -> None:
        """Wait until the count is done."""
        self.until("document.querySelector('#status p').textContent.includes(' found in ')")

    def table(self) -> dict[str, tuple[str, ...]]:
        """Type -> count, share and limits as written."""
        cells = {}
        for row in self.page.locator("#table tbody tr").all():
            name = row.locator("th").inner_text().strip().lower()
            count = row.locator("td").nth(0).inner_text()
            cells[name] = (count, *row.locator("td").nth(1).inner_text().split("\n"))
        return cells

    def gallery(self) -> dict[str, int]:
        """Group -> how many cells stand in it, of those that are shown."""
        sections = self.page.locator("#gallery section:visible").all()
        return {s.get_attribute("data-group"): s.locator(".lk-cell").count() for s in sections}


@pytest.fixture
def visit(browser, page_url):
    """Open the page; afterwards see that it asked no other site for anything and reported no error."""
    expect.set_options(timeout=STEP_SECONDS * 1000)
    visits = []

    def open_page(**options) -> Visit:
        visits.append(Visit(browser, page_url, **options))
        return visits[-1]

    yield open_page
    for opened in visits:
        opened.page.close()
        assert opened.foreign == []
        assert opened.errors == []


AXE = (files("axe_playwright_python") / "axe.min.js").read_text()


def faults(page: Page, framework: str) -> list[str]:
    """What axe-core finds on a page, one line a place, but for a rule that only the app's framework breaks."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document)")["violations"]
    return [
        f"{fault['impact']} {fault['id']}: {place['html'][:200]}"
        for fault in found
        if fault["id"] != framework
        for place in fault["nodes"]
    ]
