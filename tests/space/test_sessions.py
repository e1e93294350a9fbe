"""Gradio keeps the messages of so many sessions; who waits for an answer is never among those that go."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from sessions import forget_sessions, keep_sessions

from benchmarks.ports import free_port
from benchmarks.visitors import called, fetched
from tests.space.conftest import ROOT

MOST = 3


@pytest.fixture
def served():
    """(page, address, what may go on): an endpoint that waits before it answers, and one that does not."""
    going_on = threading.Event()

    def wait(text: str) -> str:
        assert going_on.wait(60)
        return text

    with gr.Blocks(analytics_enabled=False) as page:
        text = gr.Textbox()
        gr.Button().click(wait, text, text, api_name="wait", concurrency_limit=1)
        gr.Button().click(str.upper, text, text, api_name="upper", concurrency_limit=None)
    page.queue(max_size=32)
    keep_sessions(page, MOST)
    _, url, _ = page.launch(prevent_thread_lock=True, server_port=free_port(), quiet=True, ssr_mode=False)
    yield page, url.rstrip("/"), going_on
    going_on.set()
    page.close(verbose=False)


def test_who_waits_is_answered_however_many_come_meanwhile(served):
    page, url, going_on = served
    waiting = [called(url, "wait", f"number {i}") for i in range(2)]  # one is worked on, one is in the queue
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(fetched, url, "wait", event) for event in waiting]
        for i in range(4 * MOST):
            assert fetched(url, "upper", called(url, "upper", f"caller {i}")) == [f"CALLER {i}"]
        assert not any(future.done() for future in answers)
        going_on.set()
        assert [future.result(30) for future in answers] == [["number 0"], ["number 1"]]
    assert fetched(url, "upper", called(url, "upper", "after all")) == ["AFTER ALL"]
    assert len(page._queue.pending_messages_per_session) == MOST
    assert len(page._queue.event_analytics) == MOST


def test_answers_that_nobody_fetches_are_not_kept_for_good(served):
    page, url, _ = served
    for i in range(4 * MOST):
        called(url, "upper", f"caller {i}")
    end = time.monotonic() + 30
    while page._queue.event_ids_to_events and time.monotonic() < end:
        time.sleep(0.05)
    assert not page._queue.event_ids_to_events, "all are answered"
    assert fetched(url, "upper", called(url, "upper", "the next")) == ["THE NEXT"]
    forget_sessions(page)
    assert len(page._queue.pending_messages_per_session) == MOST
    assert set(page._queue.pending_event_ids_session) <= set(page._queue.pending_messages_per_session)


def test_sessions_that_wait_for_nothing_are_forgotten(served):
    page, url, going_on = served
    event = called(url, "wait", "patient")
    fetched(url, "upper", called(url, "upper", "quick"))
    forget_sessions(page)
    assert list(page._queue.pending_event_ids_session.values()) == [{event}]
    going_on.set()
    assert fetched(url, "wait", event) == ["patient"]


PAGE = """
from app import build_page
from leukoscope import Classifier
queue = build_page(Classifier.from_pretrained())._queue
print(type(queue.pending_messages_per_session).__name__, queue.pending_messages_per_session.most, queue.max_size)
"""


def test_the_page_keeps_its_sessions_so():
    # In a process of its own: modules of the page have names that those of the bench's app have too.
    done = subprocess.run([sys.executable, "-c", PAGE], cwd=ROOT / "space", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    kind, most, waiting = done.stdout.split()
    assert kind == "Messages"
    assert int(most) > 10 * int(waiting)
