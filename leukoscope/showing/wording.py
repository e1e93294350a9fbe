"""What the apps say about a prediction: words, and HTML made of them.

Plain functions from a `Prediction` or a `CellType` to strings. All text is escaped; style.css holds the rules that the
HTML needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leukoscope.biology.attributes import contradictions, looks
from leukoscope.biology.cells import (
    CELL_TYPES,
    CELLS,
    HOW_MANY,
    NOT_A_MEDICAL_DEVICE,
    OTHERS,
    RANGE_NOTE,
    CellType,
    with_article,
)
from leukoscope.biology.references import REFERENCES
from leukoscope.counting.counted import NOT_COUNTED
from leukoscope.model.prediction import Prediction

TAGLINE = (
    f"Give it photos of a stained blood smear: it finds the white cells, says which of {HOW_MANY} types each is "
    "and how sure it is, and shows what that type does in the body."
)

NOT_A_DIAGNOSIS = "For teaching and research: not a diagnosis."

NOTHING_LIKE_IT = "Nothing in the picture looks like a white cell."

NO_CELL_ADVICE = (
    "Try a sharp, bright photo of a stained smear (Wright, Giemsa or alike) in which one white cell fills a good part "
    "of the picture."
)

CUT_NOTE = "This cell reaches the edge of the picture: a part of it may be missing."

UNFAMILIAR_ADVICE = (
    f"It may be another kind of cell ({OTHERS}), a damaged one, two cells that overlap, or a picture "
    "unlike those that the model learned from. Try a sharper picture or another cell, and ask somebody who knows."
)

AS_THE_MODEL = "as the model says"
DECISIONS = {name: name.capitalize() for name in (*CELL_TYPES, NOT_COUNTED, AS_THE_MODEL)}
"""What a person may call a cell: value -> text."""
LEAVE = "Leave undecided (not counted)"
"""What `AS_THE_MODEL` means where the model's label does not stand."""


SEEN = "Seen in the cell:"
PROBABILITIES = "Probability of each type"
IF_ONE_OF_FOUR = f"Not an answer: if it were one of the {HOW_MANY}"


def percent(share: float) -> str:
    """A share of 0-1 as a percentage with one decimal; never a 0 or a 100 that it is not."""
    if 0 < share < 0.001:
        return "<0.1\u00a0%"
    if 0.999 < share < 1:
        return ">99.9\u00a0%"
    return f"{100 * share:.1f}\u00a0%"


def ranked(prediction: Prediction) -> list[str]:
    """The cell types, the most probable first."""
    return sorted(CELL_TYPES, key=lambda name: -prediction.probabilities[name])


def shown_types(prediction: Prediction) -> list[str]:
    """The types that an answer speaks of: the label, both rivals of a `review`, none of what is none of the four."""
    return ranked(prediction)[: {"confident": 1, "review": 2, "unfamiliar": 0, "no_cell": 0}[prediction.verdict]]


def headline(prediction: Prediction) -> str:
    """The answer in a few words."""
    if prediction.verdict == "no_cell":
        return "No white cell found"
    if prediction.verdict == "unfamiliar":
        return f"Unfamiliar: perhaps {NOT_COUNTED} types"
    names = " or ".join(shown_types(prediction)).capitalize()
    return names + "?" if prediction.verdict == "review" else names


def explanation(prediction: Prediction) -> str:
    """How sure the model is, and what to do when it is not."""
    if prediction.verdict == "no_cell":
        return f"{sentence(prediction.reason or NOTHING_LIKE_IT)} {NO_CELL_ADVICE}"
    if prediction.verdict == "unfamiliar":
        return f"This does not look like the cells that the model knows. {UNFAMILIAR_ADVICE}"
    first, second = ranked(prediction)[:2]
    p_first, p_second = (percent(prediction.probabilities[name]) for name in (first, second))
    cut = f" {CUT_NOTE}" if prediction.cut else ""
    if prediction.verdict == "review":
        return (
            f"The model is not sure enough, of the type or that this is a white cell: {first} {p_first}, "
            f"{second} {p_second}. Look yourself, and compare the cards of both below.{cut}"
        )
    return f"The model is {p_first} sure. Next comes {second} with {p_second}.{cut}"


def short(prediction: Prediction) -> str:
    """The answer for one cell among many: "neutrophil 98.2 %", "monocyte or neutrophil? 61.0 %", "unfamiliar"."""
    if prediction.verdict == "no_cell":
        return "no white cell"
    if prediction.verdict == "unfamiliar":
        return f"unfamiliar, nearest to {prediction.label}"
    name = " or ".join(shown_types(prediction))
    return f"{name}{'?' if prediction.verdict == 'review' else ''} {percent(prediction.confidence)}"


def result_text(predictions: Sequence[Prediction]) -> str:
    """The answers for a photo's cells as lines to copy, and what they are not."""
    lines = [f"{number}: {short(prediction)}" for number, prediction in enumerate(predictions, 1)]
    return "\n".join([*(lines or ["No white cell found."]), NOT_A_DIAGNOSIS])


def picture_text(prediction: Prediction, cells: int = 1) -> str:
    """Alternative text of the picture that shows where the cells are, and the answer for one of them."""
    if prediction.verdict == "no_cell":
        return "Your picture; no white cell was found in it."
    name = " or ".join(shown_types(prediction)) or "an unfamiliar cell"
    where = "where the white cell is" if cells == 1 else f"on each of {cells} white cells; the chosen one"
    return f"Your picture{f' with a box {where}' if prediction.box else ''}: {name}."


def seen_text(prediction: Prediction) -> str:
    """What the model sees in the cell, and what of it does not fit the type that it names; "" if nothing is sure.

    "Size: about 1.8 red cells wide. Nucleus: in two lobes, condensed chromatin. Cytoplasm: abundant, pale."
    """
    seen = prediction.attributes
    said = [f"Size: about {prediction.wide:.1f} red cells wide."] if prediction.wide else []
    said += [f"{part}: {words}." for part, words in looks(seen).items()]
    # Of a cell that may be none of the four the type is no answer that anything could speak against.
    if prediction.label and prediction.verdict != "unfamiliar" and (odd := contradictions(prediction.label, seen)):
        unlike = looks({name: seen[name] for name in odd})
        against = ", ".join(f"{part.lower()} ({words})" for part, words in unlike.items())
        said.append(f"Unusual for {with_article(prediction.label)}: {against}.")
    return " ".join(said)


def verdict_html(prediction: Prediction, trust: str = "") -> str:
    """Headline and explanation of a prediction; `trust` says how far answers like it were right."""
    tag = {
        "confident": "Predicted type",
        "review": "To review",
        "unfamiliar": "Unfamiliar",
        "no_cell": "No answer",
    }[prediction.verdict]
    colour = CELLS[prediction.label].colour if prediction.label and prediction.verdict == "confident" else ""
    note = "" if prediction.verdict == "no_cell" else NOT_A_DIAGNOSIS
    note = f"{trust} {note}".strip()
    return message_html(headline(prediction), explanation(prediction), tag, colour, note, seen_text(prediction))


def message_html(title: str, text: str, tag: str = "", colour: str = "", note: str = "", seen: str = "") -> str:
    """A message where a verdict would stand, such as why a picture cannot be read."""
    return (
        f'<section class="lk lk-verdict"{_colour(colour)}>'
        f'<p class="lk-tag">{escape(tag)}</p><h2>{escape(title)}</h2><p>{escape(text)}</p>'
        f'<p class="lk-seen">{escape(f"{SEEN} {seen}") if seen else ""}</p>'
        f'<p class="lk-note">{escape(note)}</p></section>'
    )


def unreadable(error: Exception) -> str:
    """What stands in place of an answer when the file is no picture that can be read."""
    return message_html("This picture cannot be read", sentence(error), "No answer")


def sentence(reason: Exception | str) -> str:
    """An error's message, or another reason, as a sentence."""
    text = str(reason)
    return text[:1].upper() + text[1:].rstrip(".") + "."


def unreadable_html(files: tuple[tuple[str, str], ...]) -> str:
    """The files that could not be read, and why."""
    titles = "file was not read", "files were not read"
    return _files_html('"lk lk-unreadable" open', titles, [(name, escape(reason)) for name, reason in files])


def copies_html(files: tuple[tuple[str, str], ...]) -> str:
    """The files that are not counted, since their bytes were under another name."""
    rest = "of others and not counted again"
    titles = f"file is a copy {rest}", f"files are copies {rest}"
    return _files_html('"lk lk-copies"', titles, [(name, f"a copy of {escape(first)}") for name, first in files])


def stacks_html(files: tuple[tuple[str, int], ...]) -> str:
    """The files of several pictures, (name, how many), of which the first was read."""
    rest = "several pictures, of which the first was read"
    titles = f"file holds {rest}", f"files hold {rest}"
    return _files_html('"lk lk-copies"', titles, [(name, f"{count:,} pictures") for name, count in files])


def _files_html(kind: str, titles: tuple[str, str], files: list[tuple[str, str]]) -> str:
    """A list to open of (name, HTML of what to know of it), titled by what one file or several are; "" without any."""
    if not files:
        return ""
    items = "".join(f"<li><strong>{escape(name)}</strong>: {text}</li>" for name, text in files)
    title = f"{len(files):,} {titles[len(files) > 1]}"
    return f"<details class={kind}><summary>{title}</summary><ul>{items}</ul></details>"


def bars_html(prediction: Prediction | None = None) -> str:
    """How probable each type is, in the order of `CELL_TYPES`; without a cell the bars are empty.

    Where the label does not stand the bars are hatched, and say that they hold only if it is one of the four.
    """
    shares = prediction.probabilities if prediction and prediction.verdict != "no_cell" else {}
    rows = [_bar(CELLS[name], shares.get(name)) for name in CELL_TYPES]
    open_ = bool(shares) and prediction is not None and prediction.verdict != "confident"
    title = IF_ONE_OF_FOUR if open_ else PROBABILITIES
    return (
        f'<div class="lk lk-shares{" lk-open" if open_ else ""}"><p class="lk-if">{title}</p>'
        f'<ul class="lk-bars" aria-label="{title}">{"".join(rows)}</ul></div>'
    )


def _bar(cell: CellType, share: float | None) -> str:
    name = cell.name.capitalize()
    if share is None:
        value, meter, width = "–", 'aria-hidden="true"', 0.0
    else:
        value, width = percent(share), 100 * share
        meter = (
            f'role="meter" aria-label="{escape(name)}" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{width:.2f}" aria-valuetext="{escape(value)}"'
        )
    return (
        f'<li data-type="{escape(cell.name)}"{_colour(cell.colour)}>'
        f'<span class="lk-name">{escape(name)}</span>'
        f'<span class="lk-track" {meter}><span class="lk-fill" style="width:{width:.2f}%"></span></span>'
        f'<span class="lk-value">{escape(value)}</span></li>'
    )


def cards_html(prediction: Prediction | None = None) -> str:
    """The role cards that belong to a prediction; an empty string if none does."""
    if prediction is None or not (names := shown_types(prediction)):
        return ""
    return f'<div class="lk-cards">{"".join(card_html(CELLS[name]) for name in names)}</div>'


def card_html(cell: CellType) -> str:
    """One role card: looks, role, normal values, what raises and lowers the count, and the sources."""
    looks = {
        "Size": f"{span(cell.size_um)} µm across in a smear",
        "Nucleus": cell.nucleus,
        "Cytoplasm": cell.cytoplasm,
        "Granules": cell.granules,
    }
    blood = {
        "Share": f"{span(cell.share_percent)} % of white cells in adults",
        "Absolute count": f"{span(cell.absolute_per_litre)} × 10⁹ per litre in adults",
        "Raised in": "; ".join(cell.raised_in),
        "Lowered in": "; ".join(cell.lowered_in),
        "Lifespan": cell.lifespan,
    }
    return (
        f'<article class="lk lk-card"{_colour(cell.colour)}>'
        f"<h2>{escape(cell.name.capitalize())}</h2><p>{escape(cell.summary)}</p>"
        f'<div class="lk-columns"><div><h3>How to know it</h3>{_facts(looks)}'
        f"<h3>What it does</h3><p>{escape(cell.role)}</p></div>"
        f'<div><h3>In the blood</h3>{_facts(blood)}<p class="lk-note">{escape(RANGE_NOTE)}</p></div></div>'
        f"<details><summary>Sources for the {escape(cell.name)}</summary>{_references(cell)}</details>"
        "</article>"
    )


def span(limits: tuple[float, float]) -> str:
    """A range: "0.2–0.95"."""
    return f"{limits[0]:g}–{limits[1]:g}"


def disclaimer_html() -> str:
    """The line that no page may go without."""
    return f'<p class="lk lk-disclaimer" role="note"><strong>{escape(NOT_A_MEDICAL_DEVICE)}</strong></p>'


def _facts(facts: dict[str, str]) -> str:
    rows = (f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items())
    return f"<dl>{''.join(rows)}</dl>"


def _references(cell: CellType) -> str:
    items = []
    for reference in (REFERENCES[key] for key in cell.references):
        title = escape(reference.title)
        if reference.url:
            title = f'<a href="{escape(reference.url)}" target="_blank" rel="noopener noreferrer">{title}</a>'
        items.append(f"<li>{title}<br><span>{escape(reference.supports)}</span></li>")
    return f"<ul>{''.join(items)}</ul>"


def _colour(code: str) -> str:
    return f' style="--lk-colour:{escape(code)}"' if code else ""
