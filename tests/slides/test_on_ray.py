"""One slide shared among a cluster's workers: the same rows."""

from leukoscope.slides import scan_slide
from leukoscope.slides.on_ray import engine
from tests.slides.test_scan import rows


def test_two_workers_of_a_cluster_give_the_same_rows_and_share_the_tiles(drawn, classifier):
    here = scan_slide(drawn.path, classifier, cells=None)
    there = scan_slide(drawn.path, classifier, cells=None, workers=2, engine=engine())
    assert rows(there) == rows(here)
    assert there.tiles == tuple(range(6))
