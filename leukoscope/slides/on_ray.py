"""One slide shared among the workers of a Ray cluster, by ranges of tiles. Needs `pip install 'leukoscope[cluster]'`.

The slide's path must lead to the same file on every machine. The checkpoint travels with the job.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from leukoscope import __version__
from leukoscope.classifier import Classifier
from leukoscope.errors import LeukoscopeError
from leukoscope.model.hub import Source
from leukoscope.slides.answering import Answer, Answerer, share
from leukoscope.slides.scan import Engine


def engine(address: str | None = None) -> Engine:
    """What shares tiles among a cluster's workers, for `scan_slide`.

    Args:
        address: of the cluster, "auto" for the one that this machine is part of; None: Ray is started here, and begun
            again where it gave its own start up.
    """

    def run(
        classifier: Classifier, answerer: Answerer, ranges: Sequence[Sequence[int]], workers: int | None
    ) -> Generator[Answer]:
        from leukoscope.cluster.scan import connected

        with connected(address, workers) as ray:
            cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
            names = ["classifier.json", *classifier.spec.files]
            files = ray.put({name: (classifier.folder / name).read_bytes() for name in names})
            # A worker that dies with its machine is begun again elsewhere, with the tiles that it had.
            actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Worker)
            count = min(workers or cpus, len(ranges))
            hands = [actor.remote(files, classifier.source.name, answerer, __version__) for _ in range(count)]
            asks = [lambda tile, hand=hand: hand.answer.remote(tile) for hand in hands]
            try:
                yield from share(ranges, asks, lambda promises: ray.wait(promises, num_returns=1)[0], ray.get)
            except ray.exceptions.RayError as error:
                reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1:]
                raise LeukoscopeError(f"the scan stopped: {''.join(reason) or type(error).__name__}") from None

    return run


class _Worker:
    """An actor: a classifier with one thread, that answers tiles of one slide."""

    def __init__(self, files: dict[str, bytes], name: str, answerer: Answerer, version: str) -> None:
        if version != __version__:
            raise LeukoscopeError(f"leukoscope is {__version__} on a worker and {version} where the scan began")
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                Path(folder, file).write_bytes(content)
            self.classifier = Classifier(Source(Path(folder), name), threads=1)
        self.answerer: Any = answerer

    def answer(self, tile: int) -> Answer:
        answer: Answer = self.answerer(self.classifier, tile)
        return answer
