"""What a count adds up to, however many cells it has: shares with exact limits, and what a reader must know of them.

Only cells whose label stands are counted; those to review and unfamiliar ones are undecided until a person has looked.
Limits are those of counting alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leukoscope.biology.cells import CELLS, HOW_MANY
from leukoscope.counting.limits import clopper_pearson

FEW = 0.05
"""Up to this part of all cells may be undecided before the table says where a share lies."""


@dataclass(frozen=True)
class Share:
    """One line of the differential.

    percent, low, high: the share of all counted cells and its Clopper-Pearson 95 % confidence interval, in %.
    reference: of adults, in %. flag: "below", "within" or "above" the reference where the whole interval is, whatever
    the undecided cells are and at most `FEW` of all are undecided; else "open". least, most: the share of counted and
    undecided cells if none, or all, of the undecided ones are of this type, in %.
    """

    cell_type: str
    count: int
    total: int
    percent: float
    low: float
    high: float
    reference: tuple[float, float]
    flag: str
    least: float
    most: float


@dataclass(frozen=True)
class Tally:
    """The numbers of a count.

    photos: how many were looked at. counts: counted cells of each type, in the order of `CELL_TYPES`. in_review,
    unfamiliar: undecided cells. corrected: cells that a person has decided on. not_counted: those of them that are none
    of the four. nearest: the undecided cells by the type that each is nearest to, where that is known. of: what a photo
    is called in the sentences, "photo" or "slide".
    """

    photos: int
    counts: dict[str, int]
    in_review: int
    unfamiliar: int
    corrected: int = 0
    not_counted: int = 0
    nearest: Mapping[str, int] = field(default_factory=dict, compare=False)
    of: str = "photo"

    @property
    def counted(self) -> int:
        """Cells that count."""
        return sum(self.counts.values())

    @property
    def undecided(self) -> int:
        """Cells that do not count until a person has decided on them."""
        return self.in_review + self.unfamiliar

    @property
    def settled(self) -> bool:
        """Whether so few cells are undecided that the shares can be read."""
        return self.undecided <= FEW * (self.counted + self.undecided)

    def rows(self) -> list[Share]:
        """The table: one line a type, in the order of `CELL_TYPES`, over the cells that count."""
        return [_share(name, count, self) for name, count in self.counts.items()]

    def table(self) -> str:
        """The lines as text to read in a terminal, and the sentences below."""
        interval = "95 % confidence interval" if self.settled else "least - most"
        lines = [f"{'':<12}{'cells':>8}{'share':>9}{interval:>26}{'adults':>12}"]
        for row in self.rows():
            share, limits = (f"{row.percent:.1f} %", f"{row.low:.1f} - {row.high:.1f} %") if row.total else ("-", "-")
            if not self.settled:
                share, limits = "open", f"{row.least:.1f} - {row.most:.1f} %"
            adults = f"{row.reference[0]:g} - {row.reference[1]:g} %"
            flag = f"  {row.flag}" if row.total and self.settled else ""
            lines.append(f"{row.cell_type:<12}{row.count:>8,}{share:>9}{limits:>26}{adults:>12}{flag}")
        return "\n".join([*lines, "", *self.sentences()])

    def sentences(self) -> list[str]:
        """What a reader of the table must know, in words."""
        total = self.counted
        lines = [f"Counted {many(total, 'cell')} in {many(self.photos, self.of)}."]
        kinds = [(self.in_review, "to review"), (self.unfamiliar, "unfamiliar")]
        if kept := [f"{n:,} {what}" for n, what in kinds if n]:
            cells = many(self.undecided, "cell")
            lines.append(f"{cells} undecided and not counted: {' and '.join(kept)}. Look and decide.")
        if not self.settled:
            lines.append(
                f"While more than {100 * FEW:g} % are undecided, the table gives the least and the most that each "
                "share can be, if none or all of them are of that type, and no verdict."
            )
            lines += self._uneven()
        if self.corrected:
            none = f", {self.not_counted} of them as none of the {HOW_MANY}" if self.not_counted else ""
            lines.append(f"A person decided on {many(self.corrected, 'cell')}{none}.")
        if total:
            few = round(0.03 * total)
            low, high = (100 * limit for limit in clopper_pearson(few, total))
            cells = f"{many(few, 'cell')} ({100 * few / total:.2g} %)"
            line = f"With n = {total:,} the 95 % confidence interval for {cells} is {low:.1f}-{high:.1f} %"
            lines.append(line + ("." if total == 100 else "; at n = 100 that for 3 % is 0.6-8.5 %."))
        lines.append(
            "The intervals hold the error of counting alone: not wrong labels, a poor smear or an uneven choice of "
            "fields."
        )
        return lines

    def _uneven(self) -> list[str]:
        """How many cells count of those nearest to each type: the model is surer of some types than of others."""
        parts = [
            f"{name} {count:,} of {count + self.nearest[name]:,}"
            for name, count in self.counts.items()
            if self.nearest.get(name)
        ]
        if not parts:
            return []
        return [
            f"The model is surer of some types than of others. Counted of the cells nearest to each: "
            f"{', '.join(parts)}. A type of which fewer are counted has too small a share among the counted."
        ]


def _share(name: str, count: int, tally: Tally) -> Share:
    total, undecided = tally.counted, tally.undecided
    low, high = (100 * limit for limit in clopper_pearson(count, total))
    everything = total + undecided
    least, most = (100 * n / everything if everything else 0.0 for n in (count, count + undecided))
    bounds = low, high
    if undecided and tally.settled:
        bounds = 100 * clopper_pearson(count, everything)[0], 100 * clopper_pearson(count + undecided, everything)[1]
    reference = CELLS[name].share_percent
    if total == 0 or not tally.settled:
        flag = "open"
    elif bounds[1] < reference[0]:
        flag = "below"
    elif bounds[0] > reference[1]:
        flag = "above"
    elif bounds[0] >= reference[0] and bounds[1] <= reference[1]:
        flag = "within"
    else:
        flag = "open"
    percent = 100 * count / total if total else 0.0
    return Share(name, count, total, percent, low, high, reference, flag, least, most)


def many(count: int, what: str) -> str:
    """A number of things: "1 cell", "1,007 cells"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
