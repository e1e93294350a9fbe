"""A whole slide of this machine: looked at from afar, counted where it is best, looked at tile by tile, corrected."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st
from count_page import DEFAULT_FOLDER, FOLDER_VARIABLE, IN_MEMORY, take_edits
from folder_watch import allowed

from leukoscope import Classifier, Differential
from leukoscope.errors import NO_OPENSLIDE, LeukoscopeError, SlideError
from leukoscope.files import write_whole
from leukoscope.showing import charts, wording
from leukoscope.showing.about import identity
from leukoscope.showing.draw import draw_cells, jpeg, jpeg_uri, shrunk
from leukoscope.slides import CELLS, Progress, SlideScan, is_slide, outputs, pictures, scan_slide

DECISIONS = "decisions.json"
MOST_ROWS = 200  # in the table of cells: the most doubtful
TILE_SHOWN = 1400  # px
TAKEN, SCORE = "Where cells were taken", "Score"


class SlideCount:
    """A slide's count that a person corrects; what was decided is kept by the cells' boxes, in the slide's folder."""

    def __init__(self, scan: SlideScan, folder: Path | None) -> None:
        """Take up what was decided before."""
        self.scan = scan
        self._file = folder / DECISIONS if folder else None
        self.differential: Differential = scan.differential
        self._decided: dict[str, str] = {}
        if self._file and self._file.exists():
            self._decided = json.loads(self._file.read_text())
            for cell in self.differential.cells:
                if to := self._decided.get(_place(cell.prediction.box)):
                    self.differential = self.differential.reclassify(cell.photo, cell.number, to)

    def decide(self, photo: str, number: int, to: str | None) -> None:
        """A person calls a cell something; None takes it back."""
        self.differential = self.differential.reclassify(photo, number, to)
        place = _place(self.scan.cells[number - 1].prediction.box)
        self._decided = {key: value for key, value in self._decided.items() if key != place}
        if to:
            self._decided[place] = to
        if self._file:
            write_whole(self._file, json.dumps(self._decided, indent=1).encode())


def _place(box: tuple[int, int, int, int] | None) -> str:
    return ",".join(map(str, box or ()))


def slide_page(classifier: Classifier) -> None:
    """Build the tab."""
    try:
        import openslide  # noqa: F401
    except ImportError:
        st.info(wording.sentence(NO_OPENSLIDE))
        return
    chosen = _choose()
    if chosen is None:
        return
    wanted, everything, begin = _how_many()
    key = (str(chosen), None if everything else wanted, classifier.source.name)
    if begin:
        st.session_state.pop("slide_count", None)
        if count := _count(classifier, chosen, key[1]):
            st.session_state["slide_count"] = key, count
    known = st.session_state.get("slide_count")
    if known and known[0][0] == key[0]:
        _show(known[1])


def _choose() -> Path | None:
    """The slide that a person names: below the folder that the app may look into."""
    folder = st.text_input("Folder of slides", value=".", key="slide_folder", help="Below the folder that is watched.")
    try:
        here = allowed(folder.strip() or ".")
    except ValueError as error:
        st.error(str(error))
        return None
    slides = sorted(path.name for path in here.iterdir() if path.is_file() and is_slide(path))
    if not slides:
        st.write("No slide lies there: SVS, NDPI, MRXS, SCN, BIF, or a TIFF too large for a photo.")
        return None
    name = st.selectbox("Slide", slides, key="slide_name")
    return here / name if name else None


def _how_many() -> tuple[int, bool, bool]:
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    wanted = left.number_input("White cells to answer", 1, 100_000, CELLS, key="slide_cells")
    everything = middle.toggle("All of the slide", key="slide_all", help="The thick and the bare parts, too.")
    return int(wanted), everything, right.button("Count", key="slide_begin", type="primary")


def _count(classifier: Classifier, path: Path, cells: int | None) -> SlideCount | None:
    """Scan a slide, saying how far it is; None, and why, if it cannot be."""
    kept = os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER
    name = (
        f"{path.parent.name}-{path.name}-{identity(classifier)['graph'][:8]}"  # answers of two models are no one count
    )
    folder = None if kept == IN_MEMORY else Path(kept, "slides", name)
    bar = st.progress(0.0, "Looking at the slide from afar …")

    def seen(progress: Progress) -> None:
        of = progress.of_cells or progress.of_tiles
        done = progress.cells if progress.of_cells else progress.tiles
        words = f"{progress.cells:,} cells in {progress.tiles:,} of {progress.of_tiles:,} tiles"
        bar.progress(min(1.0, done / max(1, of)), words)

    try:
        scan = scan_slide(path, classifier, out=folder, cells=cells, seen=seen)
        return SlideCount(scan, folder)
    except (LeukoscopeError, OSError, ValueError) as error:
        st.error(wording.sentence(error))
        return None
    finally:
        bar.empty()


def _show(count: SlideCount) -> None:
    scan = count.scan
    st.caption(" ".join(wording.sentence(note) for note in scan.notes))
    left, right = st.columns([5, 4], gap="large")
    with left:
        what = st.segmented_control(
            "Show",
            ["Where cells were taken", "Score"],
            default="Where cells were taken",
            required=True,
            key="slide_map",
        )
        shown = pictures.scored(scan.overview, scan.plan) if what == "Score" else pictures.taken(scan)
        st.image(shown, caption="Tiles that were answered; a dot a white cell, grey where it is undecided.")
    with right:
        st.html(charts.table_html(count.differential))
        st.html(charts.sentences_html(count.differential))
        name = scan.slide.path.stem
        microns = scan.plan.microns / scan.plan.step
        st.download_button("CSV", count.differential.csv_bytes, f"{name}.csv", key="slide_csv", on_click="ignore")
        made = outputs.geojson(count.differential, scan.slide, microns)
        st.download_button("GeoJSON for QuPath", made, f"{name}.geojson", key="slide_geojson", on_click="ignore")
    _tile(count)
    _cells(count)


def _tile(count: SlideCount) -> None:
    """One tile as it was answered, with its cells."""
    scan = count.scan
    names = {f"Tile {tile + 1}": tile for tile in scan.tiles}
    name = st.selectbox("Look at a tile", list(names), index=None, key="slide_tile")
    if name is None:
        return
    tile = names[name]
    window = scan.plan.window(tile)
    try:
        image = np.asarray(scan.slide.read(window, scan.plan.level))
    except SlideError as error:
        st.error(wording.sentence(error))
        return
    inside = []
    for cell in scan.cells:
        if cell.tile == tile and cell.prediction.box:
            corners = zip(cell.prediction.box, window[:2] * 2, strict=True)
            x0, y0, x1, y1 = (round(edge / scan.plan.step) - corner for edge, corner in corners)
            inside.append(replace(cell.prediction, box=(x0, y0, x1, y1)))
    st.image(shrunk(draw_cells(image, inside), TILE_SHOWN))


def _cells(count: SlideCount) -> None:
    """The cells as a table whose last column a person may change."""
    cells = sorted(count.differential.cells, key=lambda cell: cell.prediction.confidence)[:MOST_ROWS]
    if not cells:
        return
    st.subheader("Cells of the slide", anchor=False)
    keys = [(cell.photo, cell.number) for cell in cells]
    version = st.session_state.setdefault("slide_editor", 0)
    rows = [
        {
            "Cell": _picture(count, cell.number),
            "It counts as": wording.DECISIONS[cell.corrected]
            if cell.corrected
            else wording.LEAVE
            if cell.undecided
            else wording.DECISIONS[wording.AS_THE_MODEL],
            "The model says": wording.short(cell.prediction),
            "Number": cell.number,
        }
        for cell in cells
    ]

    def edited(key: str) -> None:
        take_edits(count, keys, st.session_state[key]["edited_rows"])
        st.session_state["slide_editor"] += 1  # the rows are others now

    st.data_editor(
        rows,
        key=f"slide_cells_{version}",
        hide_index=True,
        num_rows="fixed",
        row_height=100,
        disabled=["Cell", "The model says", "Number"],
        column_config={
            "Cell": st.column_config.ImageColumn(width=100),
            "It counts as": st.column_config.SelectboxColumn(
                options=[*wording.DECISIONS.values(), wording.LEAVE], required=True, width=150
            ),
        },
        on_change=edited,
        args=(f"slide_cells_{version}",),
    )


def _picture(count: SlideCount, number: int) -> str | None:
    kept: dict[int, str | None] = st.session_state.setdefault("slide_pictures", {}).setdefault(id(count), {})
    if number not in kept:
        box = count.scan.cells[number - 1].prediction.box
        try:
            kept[number] = jpeg_uri(jpeg(pictures.cell_picture(count.scan.slide, count.scan.plan, box), 80))
        except SlideError:
            kept[number] = None
    return kept[number]
