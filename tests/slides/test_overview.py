"""Where cells lie in one layer and in focus is told from glass, from thick parts and from what is blurred."""

import numpy as np
import pytest

from benchmarks import made_slides
from leukoscope.errors import SlideError
from leukoscope.slides import Slide, look, overview, plan
from leukoscope.slides.overview import LEAST, NO_WHITE
from leukoscope.slides.pictures import scored

PER_TILE = 3  # blocks


@pytest.fixture(scope="module", params=[(1, 4, 16), (1,)], ids=["pyramid", "one level"])
def kinds(request, blocks, tmp_path_factory):
    """A slide of tiles of one kind each: glass, one layer, thick, blurred, one layer again, and what it looks like."""
    five = [*blocks, made_slides.glass_block(side=1024), made_slides.thick_block(blocks[0])]
    five.append(made_slides.blurred_block(blocks[0]))
    row = np.repeat([3, 3, 0, 4, 5, 1], PER_TILE)
    path = tmp_path_factory.mktemp("kinds") / "kinds.tif"
    made_slides.write_slide(path, five, np.tile(row, (PER_TILE, 1)), steps=request.param)
    with pytest.MonkeyPatch.context() as patch, Slide(path) as slide:
        patch.setattr(overview, "MOST_LOW", 4_000_000)  # so that level 0 is as far from being one as on a real slide
        how = plan(slide, 0.1)
        assert (how.columns, how.rows) == (6, 1)
        yield look(slide, how), how, len(slide.levels) == 1


def test_one_layer_in_focus_is_best_and_glass_thick_and_blurred_are_not_taken(kinds):
    seen, *_ = kinds
    glass, _, layer, thick, blurred, again = seen.score
    assert min(layer, again) > 0.6
    assert max(glass, thick, blurred) < LEAST
    assert set(seen.best_first()) == {2, 5}


def test_each_part_of_the_score_tells_what_it_is_for(kinds):
    seen, _, windows = kinds  # of a slide without a pyramid a window a tile is seen
    assert seen.layer[0] == 0
    assert seen.layer[3] < 0.3
    assert seen.layer[4] > 0.5  # blurred, but one layer
    assert seen.focus[4] < 0.2
    assert seen.white[0] == (1 if windows else NO_WHITE)
    assert seen.white[2] == seen.white[5] == 1


def test_the_picture_shows_the_slide_and_the_score_lies_over_it(kinds):
    seen, how, _ = kinds
    width = seen.picture.shape[1]
    assert width * seen.scale == pytest.approx(6 * 3 * 1024, rel=0.02)
    assert abs(seen.picture[:, : width // 4].mean(axis=(0, 1)) - made_slides.GLASS.glass).max() < 6
    over = scored(seen, how)
    assert over.shape == seen.picture.shape
    assert (over[:, : width // 4] == seen.picture[:, : width // 4]).all()
    assert (over[:, width * 5 // 12] != seen.picture[:, width * 5 // 12]).any()


def test_a_type_is_not_preferred(blocks, tmp_path):
    """Lymphocytes are the smallest, monocytes the largest: a tile with either is as good."""
    shares = []
    for number in (0, 1):
        path = tmp_path / f"{number}.tif"
        made_slides.write_slide(path, blocks, np.full((3, 3), number))
        with Slide(path) as slide:
            shares.append(look(slide, plan(slide, 0.1)).white.tolist())
    assert shares == [[1.0], [1.0]]


def test_a_slide_of_which_nothing_can_be_read_is_told(tmp_path):
    broken = b"\xff\xd8\xff\xdb no JPEG" + b"\0" * 64
    made_slides.write_tiff(tmp_path / "a.tif", [made_slides.Level(2048, 2048, lambda *_: broken)])
    with Slide(tmp_path / "a.tif") as slide, pytest.raises(SlideError, match="cut short or broken"):
        look(slide, plan(slide, 0.1))
