"""What a count adds up to, however many cells it has: shares with exact limits, and what a reader must know of them.

Only cells whose label stands are counted; those to review and unfamiliar ones are kept apart. Limits are those of
counting alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from leukoscope.cells import CELLS
from leukoscope.limits import clopper_pearson


@dataclass(frozen=True)
class Share:
    """One line of the differential.

    percent, low, high: the share of all counted cells and its Clopper-Pearson 95 % limits, in %. reference: of adults,
    in %. flag: "below", "within" or "above" the reference where both limits say so, else "undecided".
    """

    cell_type: str
    count: int
    total: int
    percent: float
    low: float
    high: float
    reference: tuple[float, float]
    flag: str


@dataclass(frozen=True)
class Tally:
    """The numbers of a count.

    photos: how many were looked at. counts: counted cells of each type, in the order of `CELL_TYPES`. in_review,
    unfamiliar: cells kept apart, on which nobody has decided. corrected: cells that a person has decided on.
    not_counted: those of them that are none of the four.
    """

    photos: int
    counts: dict[str, int]
    in_review: int
    unfamiliar: int
    corrected: int = 0
    not_counted: int = 0

    @property
    def counted(self) -> int:
        """Cells that count."""
        return sum(self.counts.values())

    def rows(self) -> list[Share]:
        """The table: one line a type, in the order of `CELL_TYPES`, over the cells that count."""
        return [_share(name, count, self.counted) for name, count in self.counts.items()]

    def table(self) -> str:
        """The lines as text to read in a terminal, and the sentences below."""
        lines = [f"{'':<12}{'cells':>8}{'share':>9}{'95 % limits':>16}{'adults':>12}"]
        for row in self.rows():
            share, limits = (f"{row.percent:.1f} %", f"{row.low:.1f} - {row.high:.1f} %") if row.total else ("-", "-")
            adults = f"{row.reference[0]:g} - {row.reference[1]:g} %"
            flag = f"  {row.flag}" if row.total else ""
            lines.append(f"{row.cell_type:<12}{row.count:>8,}{share:>9}{limits:>16}{adults:>12}{flag}")
        return "\n".join([*lines, "", *self.sentences()])

    def sentences(self) -> list[str]:
        """What a reader of the table must know, in words."""
        total = self.counted
        lines = [f"Counted {many(total, 'cell')} in {many(self.photos, 'photo')}."]
        apart = [(self.in_review, "to review"), (self.unfamiliar, "unfamiliar")]
        if kept := [f"{n:,} {what}" for n, what in apart if n]:
            cells = many(self.in_review + self.unfamiliar, "cell")
            lines.append(f"{cells} kept apart and not counted: {' and '.join(kept)}. Look and decide.")
        if self.corrected:
            none = f", {self.not_counted} of them as none of the four" if self.not_counted else ""
            lines.append(f"A person decided on {many(self.corrected, 'cell')}{none}.")
        if total:
            few = round(0.03 * total)
            low, high = (100 * limit for limit in clopper_pearson(few, total))
            cells = f"{many(few, 'cell')} ({100 * few / total:.2g} %)"
            line = f"With n = {total:,} the 95 % limits for {cells} are {low:.1f}-{high:.1f} %"
            lines.append(line + ("." if total == 100 else "; at n = 100 the limits for 3 % are 0.6-8.5 %."))
        lines.append(
            "The limits hold the error of counting alone: not wrong labels, a poor smear or an uneven choice of fields."
        )
        return lines


def _share(name: str, count: int, total: int) -> Share:
    low, high = (100 * limit for limit in clopper_pearson(count, total))
    reference = CELLS[name].share_percent
    if total == 0:
        flag = "undecided"
    elif high < reference[0]:
        flag = "below"
    elif low > reference[1]:
        flag = "above"
    elif low >= reference[0] and high <= reference[1]:
        flag = "within"
    else:
        flag = "undecided"
    return Share(name, count, total, 100 * count / total if total else 0.0, low, high, reference, flag)


def many(count: int, what: str) -> str:
    """A number of things: "1 cell", "1,007 cells"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
