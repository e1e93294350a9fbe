"""Many pictures on several processors: a process each, with a classifier of its own and one thread.

    classifier = Classifier.from_pretrained()
    for prediction in classifier.predict_batch(paths, workers=2):
        ...

Processes, because half of the time of a picture is spent in Python, which runs one thread at a time. They are started
anew, not forked: a fork of a process with threads may hang. A script that asks for workers must therefore do so below
`if __name__ == "__main__":`, as with everything in `multiprocessing`. Paths travel quickest; arrays are copied.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import Any

from leukoscope.errors import ImageError, LeukoscopeError

CHUNK = 8  # pictures handed to a worker at a time
ENDED = "a worker process ended on its own, perhaps for want of memory: try fewer workers"
AHEAD = 2  # chunks that wait for each worker, so that none is idle

_own: Any = None  # what this worker works with


def in_processes(opener: Callable[[], Any], method: str, pictures: Iterable[Any], workers: int) -> Iterator[Any]:
    """What `Classifier.<method>` answers to each picture, in order. Pictures are taken as they are needed.

    Args:
        opener: what opens the classifier in a worker: `Classifier.opener`.
        method: "predict" or "scan".
        pictures: as for that method, but such as can be sent to another process: no open file.
        workers: how many processes.

    Raises:
        ImageError: at the first picture that cannot be read, after the answers to those before it.
        LeukoscopeError: if a worker died.
    """
    for answer in answers(opener, method, pictures, workers):
        if isinstance(answer, ImageError):
            raise answer
        yield answer


def answers(opener: Callable[[], Any], method: str, pictures: Iterable[Any], workers: int) -> Iterator[Any]:
    """As `in_processes`, but an `ImageError` is given in the place of a picture that cannot be read, and all go on."""
    return run(opener, partial(_ask, method), pictures, workers)


def run(
    opener: Callable[[], Any], job: Callable[[Any, list[Any]], list[Any]], items: Iterable[Any], workers: int
) -> Iterator[Any]:
    """The results of `job(opener(), chunk)`, one for each item, in order; no more than a few chunks are under way.

    Raises:
        LeukoscopeError: if a worker died.
        Exception: whatever `job` raises.
    """
    pending = iter(items)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), begin, (opener,))
    waiting: deque[Future[list[Any]]] = deque()
    try:
        while True:
            while len(waiting) < workers * AHEAD and (chunk := list(islice(pending, CHUNK))):
                waiting.append(pool.submit(_work, job, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise LeukoscopeError(ENDED) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def begin(opener: Callable[[], Any]) -> None:
    """Make this process a worker, which works with what `opener` gives."""
    global _own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked; it ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _own = opener()


def opened() -> Any:
    """What this worker works with."""
    return _own


def _end_with_parent() -> None:
    """End with the process that asked, were it killed: a worker would wait for its next chunk for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _work(job: Callable[[Any, list[Any]], list[Any]], items: list[Any]) -> list[Any]:
    return job(_own, items)


def _ask(method: str, classifier: Any, pictures: list[Any]) -> list[Any]:
    """The answers to a chunk, by one run of the network; an error in the place of a picture that cannot be read."""
    prepare, answer = {
        "predict": (classifier.principal, classifier.answer_principals),
        "scan": (classifier.framed, classifier.answer_each),
    }[method]
    prepared, errors = [], {}
    for place, picture in enumerate(pictures):
        try:
            prepared.append(prepare(picture))
        except ImageError as error:
            errors[place] = error
    rest = iter(answer(prepared))
    return [errors[place] if place in errors else next(rest) for place in range(len(pictures))]
