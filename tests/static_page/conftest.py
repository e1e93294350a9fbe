"""The page that answers in the browser: its files, staged once and served as they are, and visits to it."""

import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import once
from training.publishing.static_page import server, stage_static_page

STEP_SECONDS = 120  # a busy machine gives a browser's worker little time

ASK = """async ([paths, options]) => {
  const { Client } = await import('./client.js')
  window.engine ??= new Client()
  window.started ??= window.engine.ask('start')
  await window.started
  return Promise.all(paths.map(async path => {
    const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer())
    return window.engine.ask('scan', bytes, options).catch(error => ({ error }))
  }))
}"""
"""Has files of the server answered by an engine of its own, without the page around it."""


@pytest.fixture(scope="session")
def staged(tmp_path_factory) -> Path:
    """The page's files."""

    def make(folder: Path) -> None:
        folder.mkdir()
        stage_static_page(folder)

    return once(tmp_path_factory, "static-page", make)


class Site:
    """A folder that is being served; `asked` holds the paths that were answered with a file."""

    def __init__(self, folder: Path, headers: dict[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self.server = server(folder, 0)
        handler = self.server.RequestHandlerClass.func

        class Noted(handler):
            def log_request(noted, code="-", size="-") -> None:  # noqa: N805
                if code == 200:
                    self.asked.append(urlparse(noted.path).path)

            def end_headers(noted) -> None:  # noqa: N805
                for name, value in (headers or {}).items():
                    noted.send_header(name, value)
                super().end_headers()

        self.server.RequestHandlerClass = lambda *given: Noted(*given, directory=str(folder))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def site(staged):
    """The page's address."""
    serving = Site(staged)
    yield serving
    serving.stop()


class Visit:
    """One open page, in a browser profile of its own, and what it asked for and complained of."""

    def __init__(self, browser: Browser, url: str, ready: bool | None = True, **options) -> None:
        expect.set_options(timeout=STEP_SECONDS * 1000)
        self.url = url
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(STEP_SECONDS * 1000)
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.open()
        if ready is not None:
            self.page.wait_for_selector(f"body[data-ready={str(ready).lower()}]")

    def open(self) -> Page:
        """One more tab."""
        page = self.context.new_page()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.url)
        return page

    @property
    def foreign(self) -> list[str]:
        """What was asked of any other place than the page's own."""
        return [a for a in self.asked if not a.startswith((self.url, "data:", f"blob:{self.url}"))]

    def scan(self, path: str, **options) -> dict:
        """The engine's answer to a file of the server."""
        return self.scan_all([path], **options)[0]

    def scan_all(self, paths: list[str], **options) -> list[dict]:
        """Its answers to several, one after the other without a pause."""
        return self.page.evaluate(ASK, [paths, options])

    def headline(self, text: str) -> None:
        """Wait until the verdict reads so."""
        expect(self.page.locator("#verdict h2")).to_have_text(text)

    def count(self, *files: Path) -> None:
        """Give the second tab files, and wait for the count."""
        self.page.get_by_role("tab", name="Differential").click()
        self.page.locator("#count-files").set_input_files(files)
        expect(self.page.locator("#status p")).to_contain_text("found in")
        expect(self.page.locator("#stop")).to_be_disabled()

    def table(self) -> dict[str, list[str]]:
        """Type -> count, share, limits, flag as written."""
        read = "rows => rows.map(row => [row.dataset.type, ...[...row.querySelectorAll('td')].map(td => td.innerText)])"
        rows = self.page.locator("#table tbody tr").evaluate_all(read)
        return {name: [count, *share.split("\n"), adults.split("\n")[1]] for name, count, share, adults in rows}


@pytest.fixture
def visit(browser, site) -> Callable[..., Visit]:
    """Open the page; afterwards see that it asked no other place for anything, and complained of nothing."""
    visits = []

    def open_page(**options) -> Visit:
        visits.append(Visit(browser, site.url, **options))
        return visits[-1]

    yield open_page
    for seen in visits:
        seen.context.close()
        assert seen.foreign == []
        assert seen.errors == []
