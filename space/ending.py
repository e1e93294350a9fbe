"""How the page ends: told to, it takes no new question, answers those it has, and leaves no picture behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import gradio as gr
from guard import Traffic
from sessions import forget_sessions
from uploads import sweep

PATIENCE_SECONDS = 60  # for the answers under way; who waits longer has gone
QUIET_SECONDS = 1.0  # without a request: between asking and fetching its answer a program may take a moment
SWEEP_SECONDS = 60
LOOK_SECONDS = 0.2


def serve_until_told(page: gr.Blocks, traffic: Traffic, keep_seconds: float) -> None:
    """Wait for SIGTERM or Ctrl-C, sweeping old uploads and sessions now and then, then end the page that was launched.

    Args:
        page: launched with `prevent_thread_lock=True`.
        traffic: of its guard.
        keep_seconds: older uploads are deleted, those that an earlier process left behind among them.
    """
    # The handler only adds to a list, which takes no lock: one signal may interrupt the handling of another, as when
    # both a terminal and make pass them on, and an Event would then wait for its own lock.
    told = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.append(number))
    folder = Path(page.GRADIO_CACHE)
    own = {Path(path) for block in page.blocks.values() for path in getattr(block, "keep_in_cache", ())}
    sweep(folder, own, keep_seconds)
    swept = time.monotonic()
    while not told:
        time.sleep(LOOK_SECONDS)  # looks again: a signal that another thread took does not wake a longer wait
        if time.monotonic() - swept > SWEEP_SECONDS:
            sweep(folder, own, keep_seconds)
            forget_sessions(page)
            swept = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # who cannot wait says so a second time
    traffic.closing = True
    end, quiet_since = time.monotonic() + PATIENCE_SECONDS, time.monotonic()
    while time.monotonic() < end and time.monotonic() - quiet_since < QUIET_SECONDS:
        time.sleep(0.05)
        if traffic.open or len(page._queue):
            quiet_since = time.monotonic()
    page.close(verbose=False)
    sweep(folder, set(), 0)
