"""What a count adds up to, word for word."""

import pytest

from leukoscope import tally as module
from leukoscope.cells import CELL_TYPES
from leukoscope.limits import clopper_pearson
from leukoscope.tally import Share, Tally

LAST = "The limits hold the error of counting alone: not wrong labels, a poor smear or an uneven choice of fields."
OF_A_HUNDRED = "; at n = 100 the limits for 3 % are 0.6-8.5 %."


def tally(*counts: int, photos: int = 1, **more: int) -> Tally:
    return Tally(photos, dict(zip(CELL_TYPES, counts, strict=True)), **({"in_review": 0, "unfamiliar": 0} | more))


def test_the_table_as_it_is_printed():
    assert tally(2, 1500, 0, 2500, photos=1200, in_review=1, unfamiliar=1100).table().splitlines() == [
        "               cells    share     95 % limits      adults",
        "eosinophil         2    0.0 %     0.0 - 0.2 %     1 - 4 %  below",
        "lymphocyte     1,500   37.5 %   36.0 - 39.0 %   20 - 40 %  within",
        "monocyte           0    0.0 %     0.0 - 0.1 %     2 - 8 %  below",
        "neutrophil     2,500   62.5 %   60.9 - 64.0 %   40 - 60 %  above",
        "",
        "Counted 4,002 cells in 1,200 photos.",
        "1,101 cells kept apart and not counted: 1 to review and 1,100 unfamiliar. Look and decide.",
        "With n = 4,002 the 95 % limits for 120 cells (3 %) are 2.5-3.6 %" + OF_A_HUNDRED,
        LAST,
    ]
    assert tally(0, 0, 0, 0, photos=0).table().splitlines() == [
        "               cells    share     95 % limits      adults",
        "eosinophil         0        -               -     1 - 4 %",
        "lymphocyte         0        -               -   20 - 40 %",
        "monocyte           0        -               -     2 - 8 %",
        "neutrophil         0        -               -   40 - 60 %",
        "",
        "Counted 0 cells in 0 photos.",
        LAST,
    ]


def test_every_sentence():
    assert tally(0, 1, 0, 0, unfamiliar=1).sentences() == [
        "Counted 1 cell in 1 photo.",
        "1 cell kept apart and not counted: 1 unfamiliar. Look and decide.",
        "With n = 1 the 95 % limits for 0 cells (0 %) are 0.0-97.5 %" + OF_A_HUNDRED,
        LAST,
    ]
    assert tally(3, 30, 7, 60, photos=2, in_review=2, corrected=1).sentences() == [
        "Counted 100 cells in 2 photos.",
        "2 cells kept apart and not counted: 2 to review. Look and decide.",
        "A person decided on 1 cell.",
        "With n = 100 the 95 % limits for 3 cells (3 %) are 0.6-8.5 %.",
        LAST,
    ]
    assert (
        "With n = 33 the 95 % limits for 1 cell (3 %) are 0.1-15.8 %" + OF_A_HUNDRED in tally(3, 30, 0, 0).sentences()
    )
    assert tally(0, 10, 0, 30, corrected=5, not_counted=4).sentences() == [
        "Counted 40 cells in 1 photo.",
        "A person decided on 5 cells, 4 of them as none of the four.",
        "With n = 40 the 95 % limits for 1 cell (2.5 %) are 0.1-13.2 %" + OF_A_HUNDRED,
        LAST,
    ]


def test_a_line_of_the_table():
    low, high = clopper_pearson(30, 100)
    assert tally(3, 30, 7, 60).rows()[1] == Share(
        "lymphocyte", 30, 100, 30.0, 100 * low, 100 * high, (20, 40), "within"
    )
    assert tally(0, 0, 0, 0).rows()[3] == Share("neutrophil", 0, 0, 0.0, 0.0, 100.0, (40, 60), "undecided")


@pytest.mark.parametrize(
    ("limits", "flag"),
    [
        ((0.1, 0.399), "below"),
        ((0.1, 0.4), "undecided"),
        ((0.399, 0.5), "undecided"),
        ((0.4, 0.6), "within"),
        ((0.5, 0.601), "undecided"),
        ((0.6, 0.9), "undecided"),
        ((0.601, 0.9), "above"),
    ],
)
@pytest.mark.parametrize("total", [1, 100])
def test_a_flag_changes_where_a_limit_meets_the_reference(monkeypatch, limits, flag, total):
    """Adults have 40 to 60 % neutrophils: limits that end there are within, and say neither below nor above."""
    monkeypatch.setattr(module, "clopper_pearson", lambda count, total: limits)
    assert tally(0, 0, 0, total).rows()[3].flag == flag
