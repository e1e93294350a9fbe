"""A slide's cells: all that its fields have, each once; what was done is kept; what is broken is told."""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from benchmarks import made_slides
from leukoscope.drawn.synthetic import draw_cell
from leukoscope.errors import SlideError
from leukoscope.slides import Box, Slide, answering, plan, scan_slide
from leukoscope.slides.answering import here
from leukoscope.slides.scan import JOURNAL
from leukoscope.slides.tiles import SIDE
from leukoscope.smear.locate import Cell, shared
from leukoscope.smear.preprocess import framed_square
from tests.slides.test_tiles import Fake

SAME = 0.6  # share of the smaller box


def rows(scan) -> list:
    return [(cell.tile, cell.prediction.box, cell.prediction.label, cell.prediction.confidence) for cell in scan.cells]


def hits(boxes, found) -> list[int]:
    """How many of the found boxes are on each of some boxes."""
    found = np.array(found, float)
    return [int((shared(np.array(box, float), found) > SAME).sum()) for box in boxes]


@pytest.fixture(scope="module")
def whole(drawn, classifier):
    """The drawn slide, all of it."""
    scan = scan_slide(drawn.path, classifier, cells=None)
    yield scan
    scan.slide.close()


def test_every_cell_that_the_fields_have_is_found_once(drawn, classifier, whole):
    found = [cell.prediction.box for cell in whole.cells]
    assert set(hits([box for _, box in drawn.cells], found)) == {1}
    fields = [classifier.locate(block.pixels) for block in drawn.blocks]
    wanted = []
    for (row, column), number in np.ndenumerate(drawn.layout):
        x, y = 1024 * column, 1024 * row
        wanted += [tuple(e + c for e, c in zip(cell.box, (x, y, x, y), strict=True)) for cell in fields[number]]
    assert set(hits(wanted, found)) == {1}
    assert len(found) == len(wanted)
    assert whole.tiles == tuple(range(6))
    assert whole.notes == ("answered at level 0 of 3, 0.1 µm a pixel by what the slide says: 6 tiles",)


def test_labels_are_those_of_the_fields(drawn, classifier, whole):
    """Cut from a tile as from a field: JPEG and the rounding of boxes may turn a doubtful one, no more."""
    fields = [Counter(p.label for p in classifier.scan(block.pixels)) for block in drawn.blocks]
    wanted = sum((fields[number] for number in drawn.layout.ravel()), Counter())
    given = Counter(cell.prediction.label for cell in whole.cells)
    assert sum((wanted - given).values()) <= 0.1 * wanted.total()


def write_pixels(path, pixels: np.ndarray, steps: Sequence[float]) -> None:
    """A slide of these pixels, whose levels are as many times smaller as asked."""
    levels = []
    for step in steps:
        size = int(pixels.shape[1] / step), int(pixels.shape[0] / step)
        level = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        level = np.pad(level, ((0, 256), (0, 256), (0, 0)), mode="edge")  # as far as the file's last tiles reach

        def tile(column: int, row: int, level: np.ndarray = level) -> bytes:
            return made_slides.encoded(level[row * 256 : (row + 1) * 256, column * 256 : (column + 1) * 256])

        levels.append(made_slides.Level(*size, tile))
    made_slides.write_tiff(path, levels)


@pytest.mark.parametrize("steps", [(1,), (1, 3.7)])
def test_a_cell_on_every_seam_and_on_the_corner_of_four_tiles_is_one(steps, classifier, tmp_path):
    how = plan(Fake(7168, 4096), 0.1)
    x, y = how.core(1).x, how.core(how.columns).y
    pixels = np.tile(made_slides.drawn_block([], seed=9, side=1024).pixels, (4, 7, 1))
    offsets = [-70, -33, -16, -8, 0, 1, 8, 16, 31, 75]
    centres = [(x + offset, 200 + 150 * k) for k, offset in enumerate(offsets)]
    centres += [(200 + 150 * k, y + offset) for k, offset in enumerate(offsets)] + [(x, y), (x + SIDE + 6, y - 11)]
    picture = draw_cell("neutrophil", seed=4, size=240, red_cell_px=75, stain=made_slides.GLASS)
    for left, top in ((cx - 90, cy - 90) for cx, cy in centres):
        pixels[top : top + 180, left : left + 180] = picture[30:210, 30:210]
    write_pixels(tmp_path / "seams.tif", pixels, steps)
    scan = scan_slide(tmp_path / "seams.tif", classifier, cells=None)
    assert scan.plan.sought == len(steps) - 1
    found = [cell.prediction.box for cell in scan.cells]
    assert hits([(cx - 60, cy - 60, cx + 60, cy + 60) for cx, cy in centres], found) == [1] * len(centres)
    seen_twice = len([c for t in range(6) for c in answering.Answerer(scan.slide, scan.plan)(classifier, t).cells])
    assert seen_twice > len(found)  # so that it was not luck


@pytest.mark.parametrize("step", [3.9, 4.0, 4.15])
def test_cells_are_the_same_where_they_are_looked_for_on_a_coarser_level(step, drawn, classifier, tmp_path):
    """Sides that no step divides; cells at the slide's right and lower edges are cut by them."""
    pixels = np.concatenate([np.concatenate([drawn.blocks[k].pixels for k in row[:4]], 1) for row in drawn.layout[:3]])
    *_, (_, box) = [cell for cell in drawn.cells if cell[1][2] <= 4000 and cell[1][3] <= 3000]
    pixels = pixels[: (box[1] + box[3]) // 2, : box[2] + 267]
    write_pixels(tmp_path / "fine.tif", pixels, (1,))
    write_pixels(tmp_path / "both.tif", pixels, (1, step))
    fine, both = (scan_slide(tmp_path / name, classifier, cells=None) for name in ("fine.tif", "both.tif"))
    assert (fine.plan.sought, both.plan.sought) == (0, 1)
    assert len(fine.cells) == len(both.cells) > 6
    assert 0 < sum(cell.prediction.cut for cell in fine.cells) < len(fine.cells)
    boxes = np.array([cell.prediction.box for cell in both.cells], float)
    for cell in fine.cells:
        box = np.array(cell.prediction.box, float)
        same = int(shared(box, boxes).argmax())
        assert abs(boxes[same] - box).max() <= 2 * step
        assert both.cells[same].prediction.cut == cell.prediction.cut


def test_of_the_finest_level_only_what_lies_around_cells_is_read(drawn, classifier, monkeypatch):
    read: Counter[int] = Counter()
    kept = Slide.read

    def counting(slide, box, level=0):
        read[level] += box.width * box.height
        return kept(slide, box, level)

    with Slide(drawn.path) as slide:
        answerer = answering.Answerer(slide, plan(slide, 0.1))
        monkeypatch.setattr(Slide, "read", counting)
        cells = [cell for tile in range(6) for cell in answerer(classifier, tile).cells]
    assert len(cells) > 30
    assert read[0] < 7168 * 4096 / 10


def test_two_processes_give_the_same_rows(drawn, classifier, whole):
    scan = scan_slide(drawn.path, classifier, cells=None, workers=2)
    assert rows(scan) == rows(whole)


def test_tiles_are_taken_best_first_until_there_are_cells_enough(drawn, classifier, whole):
    heard = []
    scan = scan_slide(drawn.path, classifier, cells=12, seen=heard.append)
    assert list(scan.tiles) == scan.overview.best_first()[: len(scan.tiles)]
    assert len(scan.cells) >= 12
    assert len(scan.tiles) < 6
    found = [cell.prediction.box for cell in scan.cells]
    assert set(hits(found, [cell.prediction.box for cell in whole.cells])) == {1}
    own = [cell.prediction.box for cell in whole.cells if cell.tile in scan.tiles]
    assert set(hits(own, found)) == {1}
    assert (heard[0].cells, heard[0].of_cells, heard[-1].cells) == (0, 12, len(scan.cells))


def test_too_few_cells_are_told(drawn, classifier):
    scan = scan_slide(drawn.path, classifier, cells=1000, region=(0, 0, 2048, 1024))
    assert "only 3 white cells where red cells lie in one layer" in scan.notes[-1]
    assert all(x1 <= 2048 and y1 <= 1024 for _, (_, _, x1, y1), _, _ in rows(scan))


class Killed(Exception):
    """What ends a run in the middle."""


def test_a_run_that_is_killed_goes_on_with_the_other_tiles(drawn, classifier, whole, tmp_path):
    asked = []

    def stopping(classifier, answerer, ranges, workers):
        for number, answer in enumerate(here(classifier, answerer, ranges, workers)):
            if number == 2:
                raise Killed
            yield answer

    def counting(classifier, answerer, ranges, workers):
        asked.extend(tile for some in ranges for tile in some)
        yield from here(classifier, answerer, ranges, workers)

    with pytest.raises(Killed):
        scan_slide(drawn.path, classifier, cells=None, out=tmp_path, engine=stopping)
    kept = tmp_path / JOURNAL
    with open(kept, "ab") as file:
        file.write(b'{"tile": 4, "cells": [[0.9')  # cut in the middle of a line
    scan = scan_slide(drawn.path, classifier, cells=None, out=tmp_path, engine=counting)
    assert asked == [2, 3, 4, 5]
    assert rows(scan) == rows(whole)
    assert [json.loads(line)["tile"] for line in kept.read_text().splitlines()[1:]] == [0, 1, 2, 3, 4, 5]
    asked.clear()
    assert rows(scan_slide(drawn.path, classifier, cells=None, out=tmp_path, engine=counting)) == rows(whole)
    assert asked == []


def test_answers_of_another_slide_model_or_plan_are_not_mixed(drawn, classifier, tmp_path):
    scan_slide(drawn.path, classifier, cells=1, out=tmp_path, region=(0, 0, 1024, 1024))
    with pytest.raises(SlideError, match="holds the answers of another region, level or scale: give a new --out"):
        scan_slide(drawn.path, classifier, cells=1, out=tmp_path)
    kept = tmp_path / JOURNAL
    lines = kept.read_text().splitlines()
    head = json.loads(lines[0])
    for key, words in (("slide", "another slide"), ("model", "another model, other")):
        kept.write_text("\n".join([json.dumps(head | {key: "other"}), *lines[1:]]) + "\n")
        with pytest.raises(SlideError, match=words):
            scan_slide(drawn.path, classifier, cells=1, out=tmp_path, region=(0, 0, 1024, 1024))
    kept.write_text("\n".join([lines[0], "nonsense", *lines[1:]]) + "\n")
    with pytest.raises(SlideError, match="line 2 is damaged"):
        scan_slide(drawn.path, classifier, cells=1, out=tmp_path, region=(0, 0, 1024, 1024))


def write_broken(path, drawn, level: int, at: tuple[int, int], monkeypatch) -> None:
    """The drawn slide with one broken tile of the file: (column, row) of a level."""
    write = made_slides.write_tiff

    def broken(path, levels, *more):
        kept = levels[level].tile
        bad = b"\xff\xd8\xff\xdb no JPEG" + b"\0" * 64
        hurt = levels[level]._replace(tile=lambda *place: bad if place == at else kept(*place))
        write(path, [*levels[:level], hurt, *levels[level + 1 :]], *more)

    with monkeypatch.context() as patched:
        patched.setattr(made_slides, "write_tiff", broken)
        made_slides.write_slide(path, drawn.blocks, drawn.layout)


def hurt_by(whole, classifier, box: Box) -> set[int]:
    """The tiles of which a cell is framed by what lies in a box of level 0."""
    hurt = set()
    for tile in range(whole.plan.count):
        for cell in answering.Answerer(whole.slide, whole.plan)(classifier, tile).cells:
            x, y, side = framed_square(classifier.spec.framing, Cell(cell.prediction.box, 1.0))
            beside = (x - 1, y - 1, x + side + 1, y + side + 1)
            if shared(np.array(beside), np.array([[box.x, box.y, box.x + box.width, box.y + box.height]]))[0] > 0:
                hurt.add(tile)
    return hurt


def test_a_broken_tile_is_told_the_rest_done_and_tried_again(drawn, classifier, whole, tmp_path, monkeypatch):
    x0, y0, x1, y1 = whole.cells[0].prediction.box
    column, row = (x0 + x1) // 512, (y0 + y1) // 512
    write_broken(tmp_path / "broken.tif", drawn, 0, (column, row), monkeypatch)
    hurt = hurt_by(whole, classifier, Box(256 * column, 256 * row, 256, 256))
    assert whole.cells[0].tile in hurt
    assert len(hurt) < 6
    scan = scan_slide(tmp_path / "broken.tif", classifier, cells=None, out=tmp_path / "out")
    assert set(scan.bad) == hurt
    assert f"{len(hurt)} of 6 tiles could not be read, as that at" in scan.notes[-1]
    assert {row for row in rows(whole) if row[0] not in hurt} <= set(rows(scan))
    kept = (tmp_path / "out" / JOURNAL).read_text().splitlines()[1:]
    assert {json.loads(line)["tile"] for line in kept} == set(range(6)) - hurt


def test_a_tile_that_is_broken_where_no_cell_lies_loses_none(drawn, classifier, whole, tmp_path, monkeypatch):
    free = next(
        (column, row)
        for row in range(16)
        for column in range(28)
        if not hurt_by(whole, classifier, Box(256 * column, 256 * row, 256, 256))
    )
    write_broken(tmp_path / "broken.tif", drawn, 0, free, monkeypatch)
    scan = scan_slide(tmp_path / "broken.tif", classifier, cells=None)
    assert scan.bad == {}
    assert rows(scan) == rows(whole)


def test_a_broken_tile_of_the_level_on_which_cells_are_looked_for_is_told(
    drawn, classifier, whole, tmp_path, monkeypatch
):
    write_broken(tmp_path / "broken.tif", drawn, 1, (0, 0), monkeypatch)
    scan = scan_slide(tmp_path / "broken.tif", classifier, cells=None)
    assert list(scan.bad) == [0]
    assert {row for row in rows(whole) if row[0] != 0} <= set(rows(scan))


def test_without_microns_the_cells_tell_the_scale(drawn, classifier, tmp_path):
    path = tmp_path / "no microns.tif"
    made_slides.write_slide(path, drawn.blocks, drawn.layout, um_per_px=None)
    scan = scan_slide(path, classifier, cells=6)
    assert scan.plan.microns / scan.plan.step == pytest.approx(0.1, rel=0.25)
    assert "by the cells' own size" in scan.notes[1]
    assert len(scan.cells) >= 6


def test_without_microns_and_cells_it_is_told(classifier, tmp_path):
    path = tmp_path / "glass.tif"
    made_slides.write_slide(path, [made_slides.glass_block(side=1024)], np.zeros((2, 2), int), um_per_px=None)
    with pytest.raises(SlideError, match="has too few white cells to tell it by"):
        scan_slide(path, classifier)


def test_a_model_that_finds_no_cells_is_told(drawn):
    class Whole:
        @property
        def locator(self):
            raise ValueError("model 'reference' looks at the whole picture and finds no cells in it")

    with pytest.raises(SlideError, match="looks at the whole picture"):
        scan_slide(drawn.path, Whole())


def test_forty_thousand_by_thirty_thousand_pixels_are_counted_in(drawn, classifier, tmp_path):
    path = tmp_path / "large.tif"
    layout = np.tile(drawn.layout, (8, 6))[:30, :40]
    made_slides.write_slide(path, drawn.blocks, layout, (40_000, 30_000))
    scan = scan_slide(path, classifier, cells=40)
    assert scan.plan.count == 130
    assert 40 <= len(scan.cells) < 80
    truth = [box for _, box in made_slides.cells_of(drawn.blocks, layout, (40_000, 30_000))]
    own = [box for box in truth if any(scan.plan.holds(tile, box, -20) for tile in scan.tiles)]
    assert set(hits(own, [cell.prediction.box for cell in scan.cells])) == {1}
