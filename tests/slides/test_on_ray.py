"""One slide shared among a cluster's workers: the same rows."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from leukoscope.cluster import scan as cluster
from leukoscope.errors import LeukoscopeError
from leukoscope.slides import on_ray, scan_slide
from leukoscope.slides.on_ray import engine
from tests.slides.test_scan import rows


class Here:
    """What of Ray the engine asks for, without a node: actors live here, and work when they are waited for."""

    exceptions = SimpleNamespace(RayError=ConnectionError)

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def cluster_resources(self) -> dict:
        return {"CPU": 2.0}

    def put(self, value):
        return value

    def remote(self, **options):
        assert options["max_restarts"] == options["max_task_retries"] == -1

        def actor(kind):
            def begun(*given):
                worker, asked = kind(*given), []
                self.asked.append(asked)

                def ask(tile: int):
                    asked.append(tile)
                    return partial(worker.answer, tile)

                return SimpleNamespace(answer=SimpleNamespace(remote=ask))

            return SimpleNamespace(remote=begun)

        return actor

    def wait(self, promises, num_returns):
        return promises[-num_returns:], promises[:-num_returns]

    def get(self, promise):
        return promise() if callable(promise) else promise


@pytest.fixture
def node(monkeypatch) -> Here:
    ray = Here()

    @contextmanager
    def connected(address, workers):
        assert (address, workers) == ("auto", None)
        yield ray

    monkeypatch.setattr(cluster, "connected", connected)
    return ray


def test_tiles_are_shared_by_ranges_whatever_is_done_first(drawn, classifier, node):
    region = (0, 0, 6000, 3072)
    here = scan_slide(drawn.path, classifier, cells=None, region=region)
    there = scan_slide(drawn.path, classifier, cells=None, region=region, engine=engine("auto"))
    assert rows(there) == rows(here)
    assert sorted(tile for asked in node.asked for tile in asked) == list(here.tiles)


def test_what_ends_the_cluster_ends_the_scan_in_a_line(drawn, classifier, node, monkeypatch):
    monkeypatch.setattr(on_ray._Worker, "answer", lambda *_: (_ for _ in ()).throw(ConnectionError("the node is gone")))
    with pytest.raises(LeukoscopeError, match="the scan stopped: the node is gone"):
        scan_slide(drawn.path, classifier, cells=None, engine=engine("auto"))


def test_two_workers_of_a_cluster_give_the_same_rows_and_share_the_tiles(drawn, classifier):
    here = scan_slide(drawn.path, classifier, cells=None)
    there = scan_slide(drawn.path, classifier, cells=None, workers=2, engine=engine())
    assert rows(there) == rows(here)
    assert there.tiles == tuple(range(6))
