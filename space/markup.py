"""Pictures and cells of the page as HTML: boxes to click, an enlarged cell, a gallery to correct.

Pictures stand in the HTML itself, so that no copy of a visitor's photo is written to the server's disk.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from html import escape

import numpy as np

from leukoscope import CELL_TYPES, CELLS, Prediction
from leukoscope.counting.differential import NOT_COUNTED, CountedCell, Differential
from leukoscope.drawn.synthetic import draw_cell
from leukoscope.showing import wording
from leukoscope.showing.draw import data_uri, jpeg_uri, shrunk

SHOWN_SIDE = 1400  # px; longer pictures are shown smaller, so that the answer arrives quickly
THUMBNAIL_SIDE = 144  # px in the gallery, shown at half of it: sharp on fine screens
DRAWN_SEED = 4  # of the cells to compare with
VIEW_SIDE = 340  # px of a cell that is to be decided on, its surroundings included

UNDECIDED = "undecided"
GROUPS = (UNDECIDED, *CELL_TYPES, NOT_COUNTED)
GROUP_TITLES = {
    UNDECIDED: "Undecided, not counted",
    **{name: CELLS[name].plural.capitalize() for name in CELL_TYPES},
    NOT_COUNTED: f"{NOT_COUNTED.capitalize()}, not counted",
}
MARKS = {"confident": "", "review": "?", "unfamiliar": "??"}
LEGEND = (
    ("confident", "1", "the type stands, in its colour"),
    ("review", "2?", "to review: not sure enough"),
    ("unfamiliar", "3??", f"unfamiliar: perhaps {NOT_COUNTED}"),
)
TOOLS = (
    ("in", "+", "Zoom in"),
    ("out", "−", "Zoom out"),
    ("fit", "Whole photo", "Whole photo"),
    ("copy", "Copy the result", "Copy the result"),
    ("save", "Download the picture", "Download the picture"),
)
KEYS = {
    **{name[0].upper(): name for name in CELL_TYPES},
    "0": NOT_COUNTED,
    "-": wording.AS_THE_MODEL,
}
"""Key -> what a person calls the chosen cell with it; U takes the last decision back."""
DECIDING = {
    "keys": {key.lower(): value for key, value in KEYS.items()},
    "asTheModel": wording.AS_THE_MODEL,
    "undecided": UNDECIDED,
}
"""What deciding.js must know of the gallery."""


# --- one photo -------------------------------------------------------------------------------------------


def empty_photo_html(text: str = "") -> str:
    """The place where the picture with its boxes will stand."""
    return _photo(f"<p>{escape(text or 'Your picture appears here, with a box on every white cell.')}</p>", "")


def photo_html(image: np.ndarray, predictions: tuple[Prediction, ...], chosen: int, note: str = "") -> str:
    """The picture with a box to click on every cell, and a list of the cells to choose from by keyboard.

    `note` says what picture it is.
    """
    height, width = image.shape[:2]
    boxed = [(number, p) for number, p in enumerate(predictions, 1) if p.box]
    boxes = "".join(_box(number, p, width, height, number == chosen) for number, p in boxed)
    picture = f'<img src="{data_uri(shrunk(image, SHOWN_SIDE))}" alt="{escape(photo_text(predictions))}">'
    frame = f'<div class="lk-frame" style="--lk-ratio:{width / height:.4f}">{picture}{boxes}</div>'
    choices = "".join(_choice(number, p, number == chosen) for number, p in enumerate(predictions, 1))
    return _photo(frame, choices, note, wording.result_text(predictions))


def _photo(stage: str, choices: str, note: str = "", copied: str = "") -> str:
    choices = choices or '<p class="lk-note">No cell to choose yet.</p>'
    off = "" if copied else " disabled"
    tools = "".join(
        f'<button type="button" data-do="{do}" aria-label="{title}"{off}>{text}</button>' for do, text, title in TOOLS
    )
    legend = "".join(
        f'<li><span class="lk-sample" data-verdict="{verdict}">{mark}</span>{escape(text)}</li>'
        for verdict, mark, text in LEGEND
    )
    return (
        f'<div class="lk lk-photo" data-copy="{escape(copied)}"><p class="lk-which">{escape(note)}</p>'
        f'<div class="lk-stage">{stage}</div>'
        f'<div class="lk-tools">{tools}<span class="lk-said" role="status"></span></div>'
        f'<ul class="lk-legend" aria-label="What the boxes say">{legend}</ul>'
        f'<fieldset class="lk-choices"><legend>Cells found</legend><div>{choices}</div></fieldset></div>'
    )


def photo_text(predictions: tuple[Prediction, ...]) -> str:
    """What the picture shows, in words."""
    if not predictions:
        return "Your picture; no white cell was found in it."
    if not predictions[0].box:
        return "Your picture; the model answered about it as a whole."
    cells = "the one cell" if len(predictions) == 1 else f"each of {len(predictions)} cells"
    return f"Your picture with a box on {cells} found."


def _box(number: int, prediction: Prediction, width: int, height: int, chosen: bool) -> str:
    x0, y0, x1, y1 = prediction.box
    place = (
        f"left:{100 * x0 / width:.2f}%;top:{100 * y0 / height:.2f}%;"
        f"width:{100 * (x1 - x0) / width:.2f}%;height:{100 * (y1 - y0) / height:.2f}%"
    )
    # Out of the tab order: by keyboard the list below does the same with fewer stops.
    inside = ' data-label="inside"' if y0 < 0.07 * height else ""
    return (
        f'<button type="button" tabindex="-1" class="lk-box"{inside} data-number="{number}" '
        f'data-verdict="{prediction.verdict}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="Cell {number}: {escape(wording.short(prediction))}" style="{place}{_colour(prediction)}">'
        f"<span>{number}{MARKS[prediction.verdict]}</span></button>"
    )


def _choice(number: int, prediction: Prediction, chosen: bool) -> str:
    return (
        f'<label{_style(prediction)}><input type="radio" name="lk-cell" value="{number}"{" checked" if chosen else ""}>'
        f"<span>{number}: {escape(wording.short(prediction))}</span></label>"
    )


def _colour(prediction: Prediction) -> str:
    return f";--lk-colour:{CELLS[prediction.label].colour}" if prediction.verdict == "confident" else ""


def _style(prediction: Prediction) -> str:
    colour = _colour(prediction).lstrip(";")
    return f' style="{colour}"' if colour else ""


def crop_html(image: np.ndarray | None = None, text: str = "") -> str:
    """The chosen cell enlarged; without one, the place where it will stand, or why it does not."""
    inside = f'<img src="{data_uri(image)}" alt="{escape(text)}">' if image is not None else "<div></div>"
    caption = escape(text) or "The chosen cell, enlarged."
    return f'<figure class="lk lk-crop">{inside}<figcaption>{caption}</figcaption></figure>'


# --- differential ----------------------------------------------------------------------------------------


def group_of(cell: CountedCell) -> str:
    """The group of the gallery that a cell stands in."""
    return UNDECIDED if cell.undecided else cell.type or NOT_COUNTED


def gallery_html(
    differential: Differential, thumbnails: dict[tuple[str, int], bytes], most: int, drawn: bool = False
) -> str:
    """Every cell as a button, grouped by what it counts as, the most doubtful first; `drawn`: nothing is lost with it.

    A cell that is decided on stays where it is, so that nothing moves under the pointer, until the groups are sorted.
    """
    cells = sorted(enumerate(differential.cells), key=lambda pair: pair[1].prediction.confidence)
    shown = cells[:most]
    sections = "".join(
        _group(group, [(index, cell) for index, cell in shown if group_of(cell) == group], thumbnails)
        for group in GROUPS
    )
    note = ""
    if len(cells) > most:
        note = f'<p class="lk-note">The {most:,} most doubtful of {len(cells):,} cells are shown; all are counted.</p>'
    sort = '<button type="button" class="lk-sort" disabled>Sort decided cells into their groups</button>'
    return (
        f'<div class="lk lk-gallery" data-drawn="{str(drawn).lower()}">{note}'
        f'<div class="lk-sorting"{"" if cells else " hidden"}>{sort}<span class="lk-kept" role="status"></span></div>'
        f"{sections}</div>"
    )


def _group(group: str, cells: list[tuple[int, CountedCell]], thumbnails: dict[tuple[str, int], bytes]) -> str:
    colour = f' style="--lk-colour:{CELLS[group].colour}"' if group in CELLS else ""
    buttons = "".join(_thumbnail(index, cell, thumbnails.get((cell.photo, cell.number))) for index, cell in cells)
    return (
        f'<section data-group="{escape(group)}"{colour}{"" if cells else " hidden"}><h2><span class="lk-swatch"></span>'
        f'{escape(GROUP_TITLES[group])} <span class="lk-count">{len(cells)}</span></h2>'
        f'<div class="lk-cells">{buttons}</div></section>'
    )


def _thumbnail(index: int, cell: CountedCell, picture: bytes | None) -> str:
    text = escape(cell_text(cell))
    decided = f", by you: {cell.corrected}" if cell.corrected else ""
    mark = f"{cell.corrected}\nby you" if cell.corrected else escape(mark_of(cell.prediction))
    image = f'<img src="{jpeg_uri(picture)}" alt="" width="72" height="72">' if picture else "<i></i>"
    return (
        f'<button type="button" class="lk-cell" data-index="{index}" data-verdict="{cell.prediction.verdict}" '
        f'data-doubt="{1 - cell.prediction.confidence:.4f}" data-own="{group_of(replace(cell, corrected=None))}" '
        f'data-group="{group_of(cell)}" data-to="{cell.corrected or wording.AS_THE_MODEL}" '
        f'data-text="{text}" data-mark="{escape(mark_of(cell.prediction))}" aria-pressed="false" '
        f'aria-label="{text}{decided}" title="{text}{decided}">{image}<span>{mark}</span></button>'
    )


def mark_of(prediction: Prediction) -> str:
    """What stands under a cell of the gallery: its type and how sure the model is, or its verdict."""
    if prediction.verdict == "confident":
        return f"{prediction.label}\n{wording.percent(prediction.confidence)}"
    return f"{prediction.label}?\nto review" if prediction.verdict == "review" else "unfamiliar"


def cell_text(cell: CountedCell) -> str:
    """One cell of a count in words, as the model sees it."""
    return f"{cell.photo}, cell {cell.number}: {wording.short(cell.prediction)}"


def chosen_html(index: int = 0, cell: CountedCell | None = None, picture: bytes | None = None) -> str:
    """The cell that is to be decided on, large, its verdict and a bar for each type, and what it may be called."""
    title, image, bars = "No cell chosen", '<p class="lk-blank">Choose a cell.</p>', wording.bars_html()
    said = ""
    if cell is not None:
        title, bars = f"{cell.photo}, cell {cell.number}", wording.bars_html(cell.prediction)
        said = wording.headline(cell.prediction)
        image = f'<img src="{jpeg_uri(picture)}" alt="The chosen cell and what is around it.">' if picture else image
    now = cell and (cell.corrected or wording.AS_THE_MODEL)
    stands = cell is None or cell.prediction.verdict == "confident"
    texts = wording.DECISIONS | ({} if stands else {wording.AS_THE_MODEL: wording.LEAVE})
    off = "" if cell else " disabled"
    buttons = "".join(
        f'<button type="button" data-to="{escape(value)}" aria-pressed="{str(value == now).lower()}"'
        f"{off}{_type_style(value)}><kbd>{key}</kbd>"
        f"<span>{escape(texts[value])}</span></button>"
        for key, value in KEYS.items()
    )
    return (
        f'<div class="lk lk-chosen" data-index="{index if cell else -1}">'
        f'<h2 title="{escape(title)}">{escape(title)}</h2>'
        f'<div class="lk-view">{image}</div><p class="lk-says">{escape(said)}</p>{bars}'
        f'<div class="lk-decide" role="group" aria-label="It counts as">{buttons}'
        '<button type="button" data-do="undo"><kbd>U</kbd><span>Undo the last decision</span></button></div></div>'
    )


@cache
def _drawn_uri(name: str) -> str:
    return data_uri(draw_cell(name, seed=DRAWN_SEED, size=THUMBNAIL_SIDE))


def compare_html(count: bool = False) -> str:
    """A drawn cell of each type to compare a cell with; with `count` also a place for the surest of the same count.

    The browser fills these places from the gallery.
    """
    words = "a drawing of each type" + (
        ", and the cell of it that the model is surest of in this count" if count else ""
    )
    items = "".join(
        f"<li{_type_style(name)}><span>{escape(name.capitalize())}</span>"
        f'<img src="{_drawn_uri(name)}" alt="Drawn {escape(name)}">'
        + (f'<img class="lk-surest" data-type="{escape(name)}" alt="" hidden>' if count else "")
        + "</li>"
        for name in CELL_TYPES
    )
    return f'<figure class="lk lk-compare"><figcaption>To compare: {words}.</figcaption><ul>{items}</ul></figure>'


def _type_style(name: str) -> str:
    return f' style="--lk-colour:{CELLS[name].colour}"' if name in CELLS else ""


def progress_html(words: str = "", share: float | None = None) -> str:
    """What the count is doing, and a bar while it runs (share 0-1)."""
    words = words or "Choose the photos of one smear: every white cell in them is counted."
    bar = "" if share is None else f'<progress max="1" value="{share:.3f}" aria-label="Progress"></progress>'
    return f'<div class="lk lk-status"><p>{escape(words)}</p>{bar}</div>'


def done_html(
    files: tuple[tuple[str, str], ...],
    differential: Differential,
    words: str = "",
    copies: tuple[tuple[str, str], ...] = (),
) -> str:
    """What came of a count, which files were not read and which are copies; `words` stand before it."""
    if not differential.photos and not files:
        return progress_html(words)
    undecided = differential.in_review + differential.unfamiliar
    words += f"{len(differential.cells):,} cells found in {len(differential.photos):,} photos" + (
        f"; {undecided:,} undecided: decide below." if undecided else "."
    )
    lists = wording.copies_html(copies) + wording.unreadable_html(files)
    return f'<div class="lk lk-status"><p>{escape(words)}</p>{lists}</div>'
