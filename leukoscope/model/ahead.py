"""Work in two steps, the first of which is done a batch ahead in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

BATCH = 32  # pictures to one step; crops to one run of the network

Source = TypeVar("Source")
Prepared = TypeVar("Prepared")
Answer = TypeVar("Answer")


def overlapped(
    sources: Iterable[Source],
    prepare: Callable[[Source], Prepared],
    answer: Callable[[list[Prepared]], list[Answer]],
) -> Iterator[Answer]:
    """The answer to each source, in order. Sources are taken in the caller's thread, as they are needed.

    Args:
        sources: of any number.
        prepare: is done to each in another thread, while a batch is answered.
        answer: of a batch of what was prepared, one each.

    Raises:
        Exception: whatever the first to fail of `prepare` and `answer` raises.
    """
    pending = iter(sources)
    with ThreadPoolExecutor(1) as ahead:

        def submit() -> Future[list[Prepared]] | None:
            chunk = list(islice(pending, BATCH))
            return ahead.submit(lambda: [prepare(source) for source in chunk]) if chunk else None

        future = submit()
        while future:
            prepared, future = future.result(), submit()
            yield from answer(prepared)
