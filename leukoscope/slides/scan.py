"""A whole slide -> its white cells, each once, and what became of every tile."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from leukoscope.classifier import Classifier
from leukoscope.counting.differential import Differential, Origin
from leukoscope.errors import SlideError
from leukoscope.pictures.slide import Box, Slide
from leukoscope.showing.about import model_identity
from leukoscope.slides.answering import RANGE, Answer, Answerer, here, in_ranges, scale_by_cells
from leukoscope.slides.journal import Journal, locked
from leukoscope.slides.overview import Overview, look
from leukoscope.slides.tiles import Found, Plan, once_each, plan

CELLS = 200
"""White cells that are answered, unless told otherwise."""
JOURNAL = "tiles.jsonl"

Engine = Callable[[Classifier, Answerer, Sequence[Sequence[int]], int | None], Generator[Answer]]


@dataclass(frozen=True)
class Progress:
    """How far a scan is: tiles of the order that are done, of all; cells so far, of those wanted (None: all)."""

    tiles: int
    of_tiles: int
    cells: int
    of_cells: int | None


@dataclass(frozen=True)
class SlideScan:
    """What a slide came to.

    Attributes:
        slide: which; open.
        plan: how it was answered.
        overview: what it looks like from afar.
        model: which answered.
        tiles: that were answered, in the order in which they were taken.
        cells: of these, each once.
        bad: tiles that could not be read, and why.
        wanted: cells that were asked for; None: all.
        notes: sentences for the user.
    """

    slide: Slide
    plan: Plan
    overview: Overview
    model: str
    tiles: tuple[int, ...]
    cells: tuple[Found, ...]
    bad: dict[int, str]
    wanted: int | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The slide's name in tables: its path as given."""
        from leukoscope.scanning.photos import photo_name

        return photo_name(os.fspath(self.slide.path))

    @property
    def differential(self) -> Differential:
        """The count: the slide stands in the place of a photo, boxes are px of its level 0."""
        predictions = [cell.prediction for cell in self.cells]
        origins = {self.name: Origin(self.model, self.slide.digest)}
        return Differential(of="slide").extend([(self.name, predictions)], origins)


def scan_slide(
    path: str | os.PathLike[str],
    classifier: Classifier,
    *,
    out: str | os.PathLike[str] | None = None,
    cells: int | None = CELLS,
    region: tuple[int, int, int, int] | None = None,
    workers: int | None = None,
    engine: Engine = here,
    seen: Callable[[Progress], object] = lambda progress: None,
    told: Callable[[str], object] = lambda note: None,
) -> SlideScan:
    """Find and name the white cells of a slide.

    Args:
        path: of a slide that OpenSlide reads.
        classifier: answers; with more than one worker each has its own of the same checkpoint.
        out: folder of this slide's answers, made if it is not there; stopped or killed, the same call goes on. None:
            nothing is kept.
        cells: tiles are taken best first until so many cells are answered; those of the last tile all count. None: all
            tiles, good places or not.
        region: x, y, width and height of the part to answer, px of level 0; None: all.
        workers: processes that share the work; None: one, or with Ray one a processor of the cluster.
        engine: `here`, or `leukoscope.slides.on_ray.engine` of a cluster.
        seen: hears after each tile how far it is.
        told: hears each note as soon as it is known.

    Raises:
        SlideError: if it is no slide, nothing of it can be read, `out` holds another's answers, or the model finds no
            cells.
        LeukoscopeError: if a worker died.
        ImportError: if OpenSlide is not installed.
    """
    try:
        _ = classifier.locator
    except ValueError as error:
        raise SlideError(str(error)) from None
    slide = Slide(path)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        told(text)

    for text in slide.notes:
        note(text)
    if slide.microns is None:
        how = plan(slide, scale_by_cells(classifier, slide), Box(*region) if region else None, "the cells' own size")
    else:
        how = plan(slide, slide.microns, Box(*region) if region else None, "what the slide says")
    note(level_sentence(slide, how))
    overview = look(slide, how)
    order = list(range(how.count)) if cells is None else overview.best_first()
    if not order:
        note("no place was found where red cells lie in one layer, in focus: --all counts everywhere")
    folder = Path(out) if out is not None else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) if folder else nullcontext():
        head = {"slide": slide.digest, "model": model_identity(classifier), "plan": asdict(how)}
        journal = Journal(folder / JOURNAL if folder else None, head)
        _fill(journal, order, cells, classifier, Answerer(slide, how), workers, engine, seen)
    tiles = _taken(journal, order, cells, how)
    found = _each_once(journal, tiles, how)
    bad = {tile: journal.answers[tile].bad for tile in tiles if journal.answers[tile].bad}
    if bad and len(bad) == len(tiles):
        raise SlideError(f"none of its {len(tiles):,} tiles can be read: {next(iter(bad.values()))}")
    if cells is not None and order and len(found) < cells:
        note(f"only {len(found):,} white cells where red cells lie in one layer, in focus: --all counts everywhere")
    if bad:
        tile, reason = next(iter(bad.items()))
        x, y, *_ = how.at_level_0(how.core(tile)[:2] * 2)
        note(f"{len(bad):,} of {len(tiles):,} tiles could not be read, as that at {x:,},{y:,}: {reason}")
    model = model_identity(classifier)
    return SlideScan(slide, how, overview, model, tuple(tiles), tuple(found), bad, cells, tuple(notes))


def level_sentence(slide: Slide, how: Plan) -> str:
    """Which level is answered, at which scale, and how that is known."""
    many = f"level {how.level} of {len(slide.levels)}"
    return f"answered at {many}, {how.microns:.3g} µm a pixel by {how.told}: {how.count:,} tiles"


def _fill(
    journal: Journal,
    order: list[int],
    cells: int | None,
    classifier: Classifier,
    answerer: Answerer,
    workers: int | None,
    engine: Engine,
    seen: Callable[[Progress], object],
) -> None:
    """Answer what is missing until there are cells enough."""
    how = answerer.plan
    missing = [tile for tile in order if tile not in journal.answers]
    done = len(order) - len(missing)
    count = len(_each_once(journal, _taken(journal, order, cells, how), how))
    seen(Progress(done, len(order), count, cells))
    if not missing or (cells is not None and count >= cells):
        return
    ranges = in_ranges(missing, RANGE if cells is None else 1)
    with closing(engine(classifier, answerer, ranges, workers)) as answers:
        for answer in answers:
            journal.add(answer)
            done += 1
            if cells is None:
                count += len(answer.cells)  # those on seams twice, until the end
            else:
                count = len(_each_once(journal, _taken(journal, order, cells, how), how))
            seen(Progress(done, len(order), count, cells))
            if cells is not None and count >= cells:
                return


def _taken(journal: Journal, order: list[int], cells: int | None, how: Plan) -> list[int]:
    """The tiles that count: in order, up to the one with which there are cells enough, whatever else is done."""
    taken: list[int] = []
    raw = 0
    for tile in order:
        answer = journal.answers.get(tile)
        if answer is None:
            break
        taken.append(tile)
        raw += len(answer.cells)
        if cells is not None and raw >= cells and len(_each_once(journal, taken, how)) >= cells:
            break
    return taken


def _each_once(journal: Journal, tiles: Iterable[int], how: Plan) -> list[Found]:
    return once_each(how, (cell for tile in tiles for cell in journal.answers[tile].cells))
