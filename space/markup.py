"""Pictures and cells of the page as HTML: boxes to click, an enlarged cell, a gallery to correct.

Pictures stand in the HTML itself, so that no copy of a visitor's photo is written to the server's disk.
"""

from __future__ import annotations

from html import escape

import numpy as np

from leukoscope import CELL_TYPES, CELLS, Prediction, wording
from leukoscope.differential import NOT_COUNTED, CountedCell, Differential
from leukoscope.draw import data_uri, jpeg_uri, shrunk

SHOWN_SIDE = 1000  # px; longer pictures are shown smaller, so that the answer arrives quickly
THUMBNAIL_SIDE = 144  # px in the gallery, shown at half of it: sharp on fine screens

TO_DECIDE = "to decide"
GROUPS = (TO_DECIDE, *CELL_TYPES, NOT_COUNTED)
GROUP_TITLES = {
    TO_DECIDE: "To decide",
    **{name: CELLS[name].plural.capitalize() for name in CELL_TYPES},
    NOT_COUNTED: "None of the four, not counted",
}
MARKS = {"confident": "", "review": "?", "unfamiliar": "??"}


# --- one photo -------------------------------------------------------------------------------------------


def empty_photo_html(text: str = "") -> str:
    """The place where the picture with its boxes will stand."""
    return _photo(f"<p>{escape(text or 'Your picture appears here, with a box on every white cell.')}</p>", "")


def photo_html(image: np.ndarray, predictions: tuple[Prediction, ...], chosen: int) -> str:
    """The picture with a box to click on every cell, and a list of the cells to choose from by keyboard."""
    height, width = image.shape[:2]
    boxed = [(number, p) for number, p in enumerate(predictions, 1) if p.box]
    boxes = "".join(_box(number, p, width, height, number == chosen) for number, p in boxed)
    picture = f'<img src="{data_uri(shrunk(image, SHOWN_SIDE))}" alt="{escape(photo_text(predictions))}">'
    frame = f'<div class="lk-frame" style="--lk-ratio:{width / height:.4f}">{picture}{boxes}</div>'
    choices = "".join(_choice(number, p, number == chosen) for number, p in enumerate(predictions, 1))
    return _photo(frame, choices)


def _photo(stage: str, choices: str) -> str:
    choices = choices or '<p class="lk-note">No cell to choose yet.</p>'
    return (
        f'<div class="lk lk-photo"><div class="lk-stage">{stage}</div>'
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
    """The chosen cell enlarged; without one, the place where it will stand."""
    inside = f'<img src="{data_uri(image)}" alt="{escape(text)}">' if image is not None else "<div></div>"
    caption = escape(text) if image is not None else "The chosen cell, enlarged."
    return f'<figure class="lk lk-crop">{inside}<figcaption>{caption}</figcaption></figure>'


# --- differential ----------------------------------------------------------------------------------------


def group_of(cell: CountedCell) -> str:
    """The group of the gallery that a cell stands in."""
    return TO_DECIDE if cell.undecided else cell.type or NOT_COUNTED


def gallery_html(differential: Differential, thumbnails: dict[tuple[str, int], bytes], most: int) -> str:
    """Every cell as a button, grouped by what it counts as, the most doubtful first."""
    cells = sorted(enumerate(differential.cells), key=lambda pair: pair[1].prediction.confidence)
    shown = cells[:most]
    sections = "".join(
        _group(group, [(index, cell) for index, cell in shown if group_of(cell) == group], thumbnails)
        for group in GROUPS
    )
    note = ""
    if len(cells) > most:
        note = f'<p class="lk-note">The {most:,} most doubtful of {len(cells):,} cells are shown; all are counted.</p>'
    return f'<div class="lk lk-gallery">{note}{sections}</div>'


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
    image = f'<img src="{jpeg_uri(picture)}" alt="" width="72" height="72">' if picture else "<i></i>"
    return (
        f'<button type="button" class="lk-cell" data-index="{index}" data-verdict="{cell.prediction.verdict}" '
        f'data-doubt="{1 - cell.prediction.confidence:.4f}" aria-pressed="false" aria-label="{text}" title="{text}">'
        f"{image}<span>{escape(mark_of(cell))}</span></button>"
    )


def mark_of(cell: CountedCell) -> str:
    """What stands under a cell of the gallery: how sure the model is, or that a person decided."""
    if cell.corrected:
        return "by you"
    return f"{wording.percent(cell.prediction.confidence)}{MARKS[cell.prediction.verdict]}"


def cell_text(cell: CountedCell) -> str:
    """One cell of a count in words."""
    decided = f", by you: {cell.corrected}" if cell.corrected else ""
    return f"{cell.photo}, cell {cell.number}: {wording.short(cell.prediction)}{decided}"


def chosen_html(index: int = 0, cell: CountedCell | None = None, picture: bytes | None = None) -> str:
    """The cell that is to be decided on, enlarged, its four bars, and what it may be called."""
    title, image, bars = "No cell chosen", '<div class="lk-blank"></div>', wording.bars_html()
    if cell is not None:
        title, bars = f"Cell {cell.number} of {cell.photo}", wording.bars_html(cell.prediction)
        image = f'<img src="{jpeg_uri(picture)}" alt="The chosen cell, enlarged.">' if picture else image
    now = cell and (cell.corrected or wording.AS_THE_MODEL)
    choices = "".join(
        f'<label{_type_style(value)}><input type="radio" name="lk-type" value="{escape(value)}"'
        f"{' checked' if value == now else ''}><span>{escape(text)}</span></label>"
        for value, text in wording.DECISIONS.items()
    )
    return (
        f'<div class="lk lk-chosen" data-index="{index}"><h2 title="{escape(title)}">{escape(title)}</h2>'
        f'<div class="lk-chosen-row">{image}{bars}</div>'
        f'<fieldset class="lk-choices lk-types"{"" if cell else " disabled"}><legend>It counts as</legend>'
        f"<div>{choices}</div></fieldset></div>"
    )


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
    apart = differential.in_review + differential.unfamiliar
    words += f"{len(differential.cells):,} cells found in {len(differential.photos):,} photos" + (
        f"; {apart:,} wait for your decision below." if apart else "."
    )
    lists = wording.copies_html(copies) + wording.unreadable_html(files)
    return f'<div class="lk lk-status"><p>{escape(words)}</p>{lists}</div>'


STYLE = """
.lk-stage { aspect-ratio: 4 / 3; container-type: size; display: grid; place-items: center; overflow: hidden;
  border: 1px solid var(--lk-line); border-radius: 8px; background: color-mix(in srgb, currentColor 6%, transparent); }
.lk-stage > p { padding: 1rem; max-width: 18rem; text-align: center; }
.lk-frame { position: relative; aspect-ratio: var(--lk-ratio); width: min(100cqw, 100cqh * var(--lk-ratio)); }
.lk-frame img { display: block; width: 100%; height: 100%; margin: 0; border-radius: 0; }
.lk-box { position: absolute; padding: 0; margin: 0; background: none; cursor: pointer; border-radius: 4px;
  border: 2px solid #fff; outline: 2px solid #000; outline-offset: 0; min-width: 14px; min-height: 14px; }
.lk-box[data-verdict="review"] { border-style: dashed; }
.lk-box[data-verdict="unfamiliar"] { border-style: dotted; }
.lk-box span { position: absolute; left: -2px; bottom: 100%; font: 600 12px/1.25 ui-sans-serif, system-ui, sans-serif;
  padding: 0 4px; color: #fff; background: #000; border-bottom: 3px solid var(--lk-colour, #fff); white-space: nowrap; }
.lk-box[data-label] span { bottom: auto; top: -2px; }
.lk-box:hover { background: rgb(255 255 255 / .16); }
.lk-box[aria-pressed="true"] { border-width: 4px; border-color: var(--lk-colour, #fff); outline-width: 3px; }
.lk-box[aria-pressed="true"] { z-index: 1; }
.lk-box[aria-pressed="true"] span { left: -4px; }
.lk-choices { margin: .5rem 0 0; padding: .1rem .6rem .5rem; border: 1px solid var(--lk-line); border-radius: 8px; }
.lk-choices { min-width: 0; }
.lk-choices legend { padding: 0 .3rem; font-size: .85rem; }
.lk-choices > div { height: 6.4rem; overflow-y: auto; display: grid; align-content: start; gap: .15rem .8rem;
  grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); }
.lk-choices label { display: flex; gap: .4rem; align-items: baseline; padding: .15rem .2rem; border-radius: 4px; }
.lk-choices label { border-left: 4px solid var(--lk-colour, transparent); padding-left: .4rem; cursor: pointer; }
.lk-choices label:has(:checked) { background: color-mix(in srgb, currentColor 12%, transparent); }
.lk-choices input { accent-color: currentColor; }
.lk-types > div { height: auto; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.lk-types:disabled { opacity: .55; }
.lk-crop { margin: 0; display: grid; justify-items: center; gap: .3rem; }
.lk-crop img, .lk-crop > div { width: 220px; height: 220px; margin: 0; border-radius: 8px; }
.lk-crop > div { border: 1px solid var(--lk-line); background: color-mix(in srgb, currentColor 6%, transparent); }
.lk-crop figcaption { font-size: .85rem; min-height: 2.6em; text-align: center; }
.lk-gallery { display: grid; gap: .8rem; }
.lk-gallery h2, .lk-chosen h2 { margin: 0 0 .4rem; font-size: 1.05rem; }
.lk-gallery section:not([style]) .lk-swatch { background: none; border: 2px dashed currentColor; }
.lk-count { font-weight: 400; opacity: .8; }
.lk-cells { display: grid; grid-template-columns: repeat(auto-fill, minmax(76px, 1fr)); gap: .4rem .2rem; }
.lk-cell { display: grid; justify-items: center; gap: .1rem; padding: 4px 2px; border: 2px solid transparent;
  border-radius: 8px; background: none; color: inherit; cursor: pointer; font: inherit; font-size: .8rem; }
.lk-cell:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
.lk-cell img, .lk-cell i { width: 72px; height: 72px; margin: 0; border-radius: 6px; }
.lk-cell i { background: var(--lk-line); }
.lk-cell span { font-variant-numeric: tabular-nums; white-space: nowrap; }
.lk-cell[aria-pressed="true"] { border-color: currentColor; }
.lk-cell[aria-pressed="true"] span { font-weight: 700; }
.lk-chosen h2 { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lk-chosen-row { display: grid; grid-template-columns: 120px 1fr; gap: .8rem; align-items: center; }
.lk-chosen img, .lk-blank { width: 120px; height: 120px; margin: 0; border-radius: 8px; }
.lk-blank { border: 1px dashed var(--lk-line); }
.lk-chosen .lk-bars li { grid-template-columns: 5.6rem 1fr 3.6rem; gap: .3rem; font-size: .85rem; }
.lk-chosen .lk-track { height: .7rem; }
.lk-status { min-height: 3.2rem; }
.lk-status progress { width: 100%; height: .8rem; accent-color: var(--primary-700); }
.lk-unreadable, .lk-copies { margin-top: .4rem; }
:is(.lk-unreadable, .lk-copies) ul { margin: .3rem 0 0 1.1rem;
  overflow-wrap: anywhere; max-height: 12rem; overflow-y: auto; }
"""
"""Rules for the HTML of this module, beside those of `leukoscope.wording`."""
