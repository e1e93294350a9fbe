"""A hand that works as a person does, and counts: a click, a tap, a key, a choice of files in a dialog are one each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Locator, Page


class Hand:
    """What a person does on a page or at a prompt, and how much of it."""

    def __init__(self, page: Page | None = None) -> None:
        self.page = page
        self.count = 0

    def click(self, target: Locator) -> None:
        """A click or a tap."""
        target.click()
        self.count += 1

    def double_click(self, x: float, y: float) -> None:
        """Two clicks on a place, px."""
        self.page.mouse.dblclick(x, y)
        self.count += 2

    def press(self, keys: Iterable[str]) -> None:
        """Keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1

    def give(self, field: Locator, *paths: Path) -> None:
        """Files, however many, chosen in one go."""
        field.set_input_files([str(path) for path in paths])
        self.count += 1

    def command(self, words: str, folder: Path) -> str:
        """A line typed at a prompt and sent with Enter; returns all that it prints."""
        self.count += len(words) + 1
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", words], cwd=folder, env=os.environ | path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr
