"""The load test, short: the page under more visitors than its queue takes; and that it tells bad from good."""

import os
import socket
import threading

import pytest

from benchmarks import load
from benchmarks.load import Outcome, visits
from benchmarks.visitors import Busy, Failed, ask
from tests.space.conftest import EXAMPLES


def test_many_visitors_at_once_get_the_answers_that_one_gets(app):
    outcome = visits("gradio", app.url, app.process.pid, clients=44, seconds=3)
    assert outcome.failures == {}
    assert outcome.different == 0
    assert len(outcome.seconds) > 10
    assert outcome.busy > 0, "more than wait in the queue"
    assert outcome.memory


class Moody:
    """A visitor that is answered differently each time."""

    moods = iter(())

    def __init__(self, url: str) -> None:
        pass

    def visit(self, name: str, picture: bytes) -> object:
        mood = next(Moody.moods, "good")
        if isinstance(mood, Exception):
            raise mood
        return mood


def test_failed_busy_and_other_answers_are_counted(monkeypatch):
    monkeypatch.setitem(load.KINDS, "gradio", (Moody,))
    monkeypatch.setattr(load.time, "sleep", lambda seconds: None)
    alone = len(list(EXAMPLES.glob("*.[pw]*")))
    Moody.moods = iter(["good"] * alone + [Failed("500"), Busy("2 are ahead of you"), "other", Failed("500")])
    outcome = visits("gradio", "", os.getpid(), clients=1, seconds=0.2)
    assert outcome.failures == {"500": 2}
    assert outcome.busy == 1
    assert outcome.different == 1
    assert outcome.bad == 3


def test_who_is_never_answered_is_counted(monkeypatch):
    class Hanging(Moody):
        def visit(self, name: str, picture: bytes) -> object:
            return "good" if threading.current_thread() is threading.main_thread() else threading.Event().wait()

    monkeypatch.setitem(load.KINDS, "gradio", (Hanging,))
    outcome = visits("gradio", "", os.getpid(), clients=3, seconds=0.1, patience=0.2)
    assert outcome.failures == {"no answer within 0.2 s": 3}
    assert outcome.bad == 3


def test_an_answer_that_breaks_off_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=break_off, args=(server,), daemon=True).start()
        with pytest.raises(Failed, match="IncompleteRead"):
            ask(f"http://127.0.0.1:{server.getsockname()[1]}")


def break_off(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


def test_the_report_holds_what_was_met(capsys):
    outcome = Outcome([0.1 * i for i in range(101)], 7, different=2, lasted=100.0)
    outcome.memory = [(float(second), 300 + second) for second in range(101)]
    load.report("gradio", 50, outcome)
    printed = capsys.readouterr().out
    assert "p50 5.00 s, p95 9.50 s, p99 9.90 s" in printed
    assert "busy, asked again  7" in printed
    assert "unlike alone       2" in printed
    assert "memory             321 MB in the first quarter after warming up, 389 MB in the last" in printed


@pytest.mark.parametrize("words", [["--clients", "0"], ["--clients", "9999"], ["--seconds", "99999"]])
def test_it_is_bounded(monkeypatch, words):
    monkeypatch.setattr(load, "run", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit) as stop:
        load.main(words)
    assert stop.value.code == 2
