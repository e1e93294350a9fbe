"""What a count adds up to, word for word."""

import pytest

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting import tally as module
from leukoscope.counting.limits import clopper_pearson
from leukoscope.counting.tally import Share, Tally

LAST = "The intervals hold the error of counting alone: not wrong labels, a poor smear or an uneven choice of fields."
OF_A_HUNDRED = "; at n = 100 that for 3 % is 0.6-8.5 %."
WAIT = (
    "While more than 5 % are undecided, the table gives the least and the most that each share can be, if none or all "
    "of them are of that type, and no verdict."
)


def tally(*counts: int, photos: int = 1, nearest: dict[str, int] | None = None, **more: int) -> Tally:
    more = {"in_review": 0, "unfamiliar": 0} | more
    return Tally(photos, dict(zip(CELL_TYPES, counts, strict=True)), **more, nearest=nearest or {})


def test_the_table_as_it_is_printed():
    assert tally(2, 1500, 0, 2500, photos=1200, in_review=1, unfamiliar=110).table().splitlines() == [
        "               cells    share  95 % confidence interval      adults",
        "eosinophil         2    0.0 %               0.0 - 0.2 %     1 - 4 %  open",
        "lymphocyte     1,500   37.5 %             36.0 - 39.0 %   20 - 40 %  open",
        "monocyte           0    0.0 %               0.0 - 0.1 %     2 - 8 %  open",
        "neutrophil     2,500   62.5 %             60.9 - 64.0 %   40 - 60 %  open",
        "",
        "Counted 4,002 cells in 1,200 photos.",
        "111 cells undecided and not counted: 1 to review and 110 unfamiliar. Look and decide.",
        "With n = 4,002 the 95 % confidence interval for 120 cells (3 %) is 2.5-3.6 %" + OF_A_HUNDRED,
        LAST,
    ]
    assert tally(0, 0, 0, 0, photos=0).table().splitlines() == [
        "               cells    share  95 % confidence interval      adults",
        "eosinophil         0        -                         -     1 - 4 %",
        "lymphocyte         0        -                         -   20 - 40 %",
        "monocyte           0        -                         -     2 - 8 %",
        "neutrophil         0        -                         -   40 - 60 %",
        "",
        "Counted 0 cells in 0 photos.",
        LAST,
    ]


def test_every_sentence():
    assert tally(0, 1, 0, 0, unfamiliar=1).sentences() == [
        "Counted 1 cell in 1 photo.",
        "1 cell undecided and not counted: 1 unfamiliar. Look and decide.",
        WAIT,
        "With n = 1 the 95 % confidence interval for 0 cells (0 %) is 0.0-97.5 %" + OF_A_HUNDRED,
        LAST,
    ]
    assert tally(3, 30, 7, 60, photos=2, in_review=2, corrected=1).sentences() == [
        "Counted 100 cells in 2 photos.",
        "2 cells undecided and not counted: 2 to review. Look and decide.",
        "A person decided on 1 cell.",
        "With n = 100 the 95 % confidence interval for 3 cells (3 %) is 0.6-8.5 %.",
        LAST,
    ]
    words = "With n = 33 the 95 % confidence interval for 1 cell (3 %) is 0.1-15.8 %"
    assert words + OF_A_HUNDRED in tally(3, 30, 0, 0).sentences()
    assert tally(0, 10, 0, 30, corrected=5, not_counted=4).sentences() == [
        "Counted 40 cells in 1 photo.",
        "A person decided on 5 cells, 4 of them as none of the four.",
        "With n = 40 the 95 % confidence interval for 1 cell (2.5 %) is 0.1-13.2 %" + OF_A_HUNDRED,
        LAST,
    ]


def test_a_line_of_the_table():
    low, high = clopper_pearson(30, 100)
    assert tally(3, 30, 7, 60).rows()[1] == Share(
        "lymphocyte", 30, 100, 30.0, 100 * low, 100 * high, (20, 40), "within", 30.0, 30.0
    )
    assert tally(0, 0, 0, 0).rows()[3] == Share("neutrophil", 0, 0, 0.0, 0.0, 100.0, (40, 60), "open", 0.0, 0.0)


def test_no_verdict_while_many_cells_are_undecided():
    many = tally(12, 5, 1, 12, in_review=10, unfamiliar=7)
    assert (many.undecided, many.settled) == (17, False)
    assert {row.flag for row in many.rows()} == {"open"}, "12 of 30 eosinophils would be above"
    assert tally(12, 5, 1, 12).rows()[0].flag == "above"
    row = many.rows()[0]
    assert (row.least, row.most) == (100 * 12 / 47, 100 * 29 / 47)
    assert many.table().splitlines()[:2] == [
        "               cells    share              least - most      adults",
        "eosinophil        12     open             25.5 - 61.7 %     1 - 4 %",
    ]
    assert WAIT in many.sentences()


def test_the_five_percent_are_of_all_cells():
    assert tally(0, 0, 0, 95, in_review=5).settled
    assert not tally(0, 0, 0, 94, in_review=5).settled
    assert tally(0, 0, 0, 0).settled


def test_few_undecided_cells_may_not_turn_a_verdict():
    assert tally(0, 280, 40, 680).rows()[3].flag == "above"
    assert tally(0, 280, 40, 680, in_review=50).rows()[3].flag == "above", "also if none of the 50 is a neutrophil"
    assert tally(0, 350, 20, 630, in_review=50).rows()[3].flag == "open"
    assert tally(0, 350, 20, 630).rows()[3].flag == "open"
    assert tally(0, 345, 20, 635).rows()[3].flag == "above"
    assert tally(0, 345, 20, 635, in_review=50).rows()[3].flag == "open", "if none of the 50 is one, it is within"


def test_how_unevenly_cells_are_left_undecided_is_said():
    nearest = {"eosinophil": 25, "lymphocyte": 0, "monocyte": 0, "neutrophil": 58}
    words = " ".join(tally(63, 0, 0, 149, in_review=83, nearest=nearest).sentences())
    assert "Counted of the cells nearest to each: eosinophil 63 of 88, neutrophil 149 of 207." in words
    assert "has too small a share" in words


@pytest.mark.parametrize(
    ("limits", "flag"),
    [
        ((0.1, 0.399), "below"),
        ((0.1, 0.4), "open"),
        ((0.399, 0.5), "open"),
        ((0.4, 0.6), "within"),
        ((0.5, 0.601), "open"),
        ((0.6, 0.9), "open"),
        ((0.601, 0.9), "above"),
    ],
)
@pytest.mark.parametrize("total", [1, 100])
def test_a_flag_changes_where_a_limit_meets_the_reference(monkeypatch, limits, flag, total):
    """Adults have 40 to 60 % neutrophils: limits that end there are within, and say neither below nor above."""
    monkeypatch.setattr(module, "clopper_pearson", lambda count, total: limits)
    assert tally(0, 0, 0, total).rows()[3].flag == flag
