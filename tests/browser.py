"""The browser that shows the pages to the tests and to the screenshots."""

import os
import shutil

import pytest
from playwright.sync_api import Browser

START_SECONDS = 120
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def start_browser(playwright) -> Browser:
    """Headless Chromium; the environment variable CHROME names another one."""
    wanted = [os.environ["CHROME"]] if os.environ.get("CHROME") else ["chromium", "google-chrome"]
    program = next(filter(None, map(shutil.which, wanted)), None)
    if program is None:
        pytest.fail(f"no browser: none of {', '.join(wanted)} is there. Install chromium, or set CHROME to its path")
    return playwright.chromium.launch(executable_path=program, args=list(FLAGS), timeout=START_SECONDS * 1000)
