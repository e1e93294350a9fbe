"""A tile -> its white cells, and many tiles shared among processes, each of which goes on beside the tile it has done.

The scale is known, so that cells are looked for on one copy of a tile, at `SOUGHT_AT` µm a pixel, and not on finer and
finer ones as in a photo. Where the slide has a level that is coarse enough for that, it alone is read as a whole, and
of the level that is answered what the network sees of each cell. Neighbours go to the same process, which still has the
file's tiles that they share.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from leukoscope.classifier import Classifier, Framed
from leukoscope.errors import LeukoscopeError, SlideError
from leukoscope.model.bulk import ENDED, begin, opened
from leukoscope.pictures.slide import Box, Slide
from leukoscope.slides.tiles import EITHER, SOUGHT_AT, Found, Plan, plan
from leukoscope.smear.locate import Cell, cell_of
from leukoscope.smear.preprocess import framed_square

WIDTH = 13.0  # µm, what a white cell of a smear has in the middle: told by it where a slide names no microns
SAMPLED = 1024  # px of level 0
MOST_SAMPLES = 60
ENOUGH = 12  # cells
AHEAD = 2  # tiles that a process has: one that it does, one that waits
RANGE = 4  # tiles of a row that go to one process


@dataclass(frozen=True)
class Answer:
    """What became of a tile: its cells, or why there are none."""

    tile: int
    cells: tuple[Found, ...] = ()
    bad: str = ""


@dataclass
class Answerer:
    """Answers tiles of one slide. It may be sent to other processes."""

    slide: Slide
    plan: Plan

    def __call__(self, classifier: Classifier, tile: int) -> Answer:
        """The cells of a tile that are its own, or why it cannot be read."""
        how, level = self.plan, self.slide.levels[self.plan.level]
        try:
            picture = self.slide.read(how.sought_in(tile), how.sought)
            cells = located(classifier, picture, how.microns * how.coarser, how.window(tile))
            own = sorted((cell for cell in cells if how.holds(tile, cell.box, EITHER)), key=_from_the_top)
            framed = [self._framed(classifier, cell, tile, picture) for cell in own]
        except SlideError as error:
            return Answer(tile, bad=str(error))
        found = [
            Found(
                tile,
                cell.score,
                replace(prediction, box=how.at_level_0(cell.box), cut=cell.cut((level.height, level.width))),
            )
            for cell, prediction in zip(own, classifier.answer(framed), strict=True)
        ]
        return Answer(tile, tuple(found))

    def _framed(self, classifier: Classifier, cell: Cell, tile: int, picture: Image.Image) -> Framed:
        """What the network sees of a cell: of the picture in which it was found, or read anew if that is coarser."""
        how, level = self.plan, self.slide.levels[self.plan.level]
        anew = how.sought != how.level
        limits = Box(0, 0, level.width, level.height) if anew else how.window(tile)
        left, top, side = framed_square(classifier.spec.framing, cell)  # and a pixel around it, since it is rounded
        x0, y0 = max(limits.x, left - 1), max(limits.y, top - 1)
        x1 = min(limits.x + limits.width, left + side + 1)
        y1 = min(limits.y + limits.height, top + side + 1)
        if anew:
            part = self.slide.read(Box(x0, y0, x1 - x0, y1 - y0), how.level)
        else:
            part = picture.crop((x0 - limits.x, y0 - limits.y, x1 - limits.x, y1 - limits.y))
        box = cell.box
        inside = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
        return classifier.framed_cell(np.asarray(part), cell._replace(box=inside))


def _from_the_top(cell: Cell) -> tuple[int, int]:
    """The order in which cells are read: those beside each other share tiles of the file."""
    return cell.box[1], cell.box[0]


def located(classifier: Classifier, picture: Image.Image, microns: float, window: Box) -> list[Cell]:
    """The white cells of a part of a slide whose scale is known.

    Args:
        classifier: whose locator looks.
        picture: of the part, RGB.
        microns: of a pixel of the picture, µm.
        window: where the part lies, px of the level in whose px the cells are wanted.
    """
    small = [max(1, round(side * microns / SOUGHT_AT)) for side in picture.size]
    copy = picture.resize((small[0], small[1]), Image.Resampling.BILINEAR, reducing_gap=1.0)
    seen = classifier.locator.found(np.asarray(copy))
    scales, corner = np.array([window.width / small[0], window.height / small[1]] * 2), np.array(window[:2] * 2)
    whole = corner + np.clip(np.rint(seen.boxes * scales), 0, window[2:] * 2).astype(int)
    boxes = zip(seen.boxes, whole.tolist(), seen.scores.tolist(), strict=True)
    return [cell_of(box, at, score, seen.red, seen.doubt) for box, at, score in boxes]


def scale_by_cells(classifier: Classifier, slide: Slide) -> float:
    """µm a pixel of level 0, told by the cells' own width, where the slide does not say.

    Raises:
        SlideError: if too few white cells are found to tell.
    """
    from leukoscope.slides.overview import look

    guess = plan(slide, 0.25)  # the score does not need the true scale to rank
    order = look(slide, guess).best_first() or list(range(guess.count))
    sides: list[int] = []
    for tile in order[:MOST_SAMPLES]:
        core = guess.core(tile)
        box = Box(core.x + (core.width - SAMPLED) // 2, core.y + (core.height - SAMPLED) // 2, SAMPLED, SAMPLED)
        try:
            cells = classifier.locate(np.asarray(slide.read(box, guess.level)))
        except SlideError:
            continue
        sides += [max(c.box[2] - c.box[0], c.box[3] - c.box[1]) for c in cells if not c.cut((SAMPLED, SAMPLED))]
        if len(sides) >= ENOUGH:
            break
    if len(sides) < ENOUGH / 3:
        raise SlideError("it does not say how many microns a pixel is, and has too few white cells to tell it by")
    return WIDTH / (float(np.median(sides)) * guess.step)


def in_ranges(tiles: Sequence[int], size: int) -> list[list[int]]:
    """Tiles in runs of so many."""
    return [list(tiles[start : start + size]) for start in range(0, len(tiles), size)]


def share(
    ranges: Sequence[Sequence[int]],
    ask: Sequence[Callable[[int], Any]],
    ready: Callable[[list[Any]], Sequence[Any]],
    result: Callable[[Any], Answer],
) -> Iterator[Answer]:
    """The answers to all tiles, as they are done.

    Args:
        ranges: tiles that should go to the same worker.
        ask: of each worker, what has it do a tile and gives a promise.
        ready: waits for at least one of some promises, and gives those that are done.
        result: the answer of a promise that is done.
    """
    waiting = deque(deque(some) for some in ranges if some)
    hands: list[deque[int]] = [deque() for _ in ask]
    promises: dict[Any, int] = {}
    while True:
        for worker, hand in enumerate(hands):
            while sum(owner == worker for owner in promises.values()) < AHEAD and (hand or waiting):
                if not hand:
                    hand = hands[worker] = waiting.popleft()
                promises[ask[worker](hand.popleft())] = worker
        if not promises:
            return
        for promise in ready(list(promises)):
            del promises[promise]
            yield result(promise)


def here(
    classifier: Classifier, answerer: Answerer, ranges: Sequence[Sequence[int]], workers: int | None = None
) -> Generator[Answer]:
    """The answers to all tiles, by processes of this machine; one works in this process.

    Raises:
        LeukoscopeError: if a process died.
    """
    workers = min(workers or 1, len(ranges))
    if workers <= 1:
        yield from (answerer(classifier, tile) for some in ranges for tile in some)
        return
    spawn = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, spawn, _start, (classifier.opener, answerer)) for _ in range(workers)]

    def ready(promises: list[Any]) -> list[Any]:
        return sorted(wait(promises, return_when=FIRST_COMPLETED).done, key=promises.index)

    try:
        asks = [lambda tile, pool=pool: pool.submit(_answer, tile) for pool in pools]
        yield from share(ranges, asks, ready, lambda promise: promise.result())
    except BrokenProcessPool:
        raise LeukoscopeError(ENDED) from None
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)


_answerer: Any = None  # of a worker, whose classifier is bulk's


def _start(opener: Callable[[], Any], answerer: Answerer) -> None:
    global _answerer
    begin(opener)
    _answerer = answerer


def _answer(tile: int) -> Answer:
    answer: Answer = _answerer(opened(), tile)
    return answer
