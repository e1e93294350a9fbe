"""Ray gives its own node up on a busy machine: it is begun again, in the command and in the tests' cluster."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks.nodes import Cluster
from leukoscope.cluster.ray_start import GIVEN_UP, STARTS, start_patiently
from leukoscope.cluster.scan import connected
from leukoscope.errors import LeukoscopeError

BUSY = f"The current node {GIVEN_UP}. This could happen because some of the raylet failed to startup"


class Failing:
    """A start that fails so many times, and says how often it was called."""

    def __init__(self, failures: int, words: str = BUSY) -> None:
        self.failures, self.words, self.calls = failures, words, 0

    def __call__(self, *_, **__):
        self.calls += 1
        if self.calls <= self.failures:
            raise RuntimeError(self.words)
        return "up"


def test_what_ray_gave_up_is_begun_again_and_said(caplog):
    start, cleared = Failing(STARTS - 1), []
    assert start_patiently(start, cleared.append) == "up"
    assert start.calls == STARTS
    assert [str(error) for error in cleared] == [BUSY] * (STARTS - 1)
    assert [record.message.split(":")[0] for record in caplog.records] == ["the machine is busy"] * (STARTS - 1)


@pytest.mark.parametrize(("words", "calls"), [(BUSY, STARTS), ("no such address", 1)])
def test_it_ends_with_what_ray_said(words, calls, caplog):
    start, cleared = Failing(99, words), []
    with pytest.raises(RuntimeError, match=words):
        start_patiently(start, cleared.append)
    assert (start.calls, len(cleared), len(caplog.records)) == (calls, calls, calls - 1)


class Node:
    """Ray's, as far as it matters here: what it started is to be ended though nobody holds it."""

    ended = 0

    def begin(self, start):
        return start()

    def kill_all_processes(self, check_alive, wait):
        Node.ended += 1


@pytest.mark.parametrize("failures", [1, 99])
def test_the_scan_begins_again_and_leaves_no_half_started_node(monkeypatch, failures, caplog):
    start = Failing(failures)
    ray = SimpleNamespace(
        is_initialized=lambda: False, init=lambda **_: Node().begin(start), shutdown=lambda: None, __name__="ray"
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(Node, "ended", 0)
    if failures == 1:
        with connected(None, 1) as given:
            assert given is ray
    else:
        with pytest.raises(LeukoscopeError, match=f"Ray did not start: .*{GIVEN_UP}"), connected(None, 1):
            pass
    assert start.calls == min(failures + 1, STARTS)
    assert Node.ended == min(failures, STARTS)
    assert "the machine is busy" in caplog.text


def test_a_node_of_the_tests_cluster_is_begun_again(monkeypatch):
    started, wait = [], Failing(1)

    def start(self, node, *words):
        started.append(subprocess.Popen(["sleep", "60"], env={"LEUKOSCOPE_NODE": f"{self.mark}-{node}"}))
        self.started.append(started[-1])

    monkeypatch.setattr(Cluster, "_start", start)
    monkeypatch.setattr(Cluster, "_wait", wait)
    with Cluster(2) as cluster:
        assert wait.calls == 4
        assert [process.poll() is None for process in started] == [False, True, True, True]
        assert cluster.started == started[1:]
    assert all(process.poll() is not None for process in started)
