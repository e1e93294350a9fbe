"""The differential: many photos in, a count that a person can correct and take home."""

from __future__ import annotations

import itertools
import os
import re
import threading
from datetime import date
from pathlib import Path

import session_file
import streamlit as st
from photo_page import TYPES
from running_count import RunningCount

from leukoscope import Classifier
from leukoscope.counting.counted import CountedCell
from leukoscope.errors import DifferentialError
from leukoscope.files import write_whole
from leukoscope.scanning.photos import is_photo_below
from leukoscope.showing import about, charts, report, wording
from leukoscope.showing.draw import jpeg_uri

FOLDER_VARIABLE = "LEUKOSCOPE_SESSIONS"
DEFAULT_FOLDER = "leukoscope-sessions"
IN_MEMORY = "off"  # value of the variable: nothing is kept on disk, and every page counts for itself
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,39}")
MOST_ROWS = 300  # in the table of cells: the most doubtful; all are counted
EVERY_SECONDS = 1.0
_given: set[str] = set()  # names of counts that pages began with; a count without a photo has no file yet
_names = threading.Lock()
UNDECIDED, ALL = "Undecided", "All cells"


# --- the session -----------------------------------------------------------------------------------------


@st.cache_resource(show_spinner="Reading the session …")
def kept_count(file: Path) -> RunningCount:
    """The count of a session file: one for all pages that name it, so that none overwrites another's work."""
    return RunningCount(file)


def choose_session() -> RunningCount:
    """The sidebar's part: the count that a name stands for."""
    st.subheader("Session")
    folder = os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER
    if folder == IN_MEMORY:
        st.caption("Kept in memory, until this page is closed.")
        return _count_in_memory()
    here = Path(folder)
    if "session_name" not in st.session_state:
        st.session_state["session_name"] = new_name(here)
    st.button("New count", key="new_count", on_click=lambda: _name_count(new_name(here)), icon=":material/add:")
    earlier = kept_names(here)
    if earlier:
        st.selectbox(
            "Go on with an earlier count",
            earlier,
            index=None,
            key="earlier",
            placeholder="Choose a count",
            on_change=lambda: _name_count(st.session_state["earlier"]),
        )
    name = st.text_input("Name of the count", key="session_name", max_chars=40).strip()
    if not NAME.fullmatch(name):
        st.error("A name has letters, digits, spaces, - and _. Until then the count is kept in memory alone.")
        return _count_in_memory()
    file = Path(folder, f"{name}.jsonl")
    try:
        count = kept_count(file)
    except (DifferentialError, OSError) as error:
        st.error(f"{wording.sentence(error)} Choose another name; until then the count is kept in memory alone.")
        return _count_in_memory()
    began: set[str] = st.session_state.setdefault("began", set())
    if not file.exists():
        began.add(name)
    if name in began:
        st.caption(f"**{name}** is a new count.")
    else:
        photos = len(count.differential.photos)
        st.info(f"Going on with **{name}**: {photos:,} photos were counted before and are still here.")
    st.caption(f"Kept in {file}, photo by photo.")
    if file.exists():
        st.download_button("Save session", file.read_bytes, f"{name}.jsonl", key="save_session", on_click="ignore")
    given = st.file_uploader("Restore a saved session", type=["jsonl"], key="restored_session")
    if given and st.button("Restore it here", key="restore"):
        _restore(given.getvalue(), given.name, file, count)
    return count


def new_name(folder: Path) -> str:
    """A name for a count that no other has: today's date, and a number."""
    today = date.today().isoformat()
    taken = {path.stem for path in folder.glob(f"{today} *.jsonl")}
    with _names:
        number = next(n for n in itertools.count(1) if f"{today} {n}" not in taken | _given)
        _given.add(f"{today} {number}")
    return f"{today} {number}"


def kept_names(folder: Path) -> list[str]:
    """The names of the counts on disk, the last one first."""
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.stem for path in files if NAME.fullmatch(path.stem)]


def _name_count(name: str | None) -> None:
    if name:
        st.session_state["session_name"] = name


def _count_in_memory() -> RunningCount:
    """The count of this page alone."""
    return st.session_state.setdefault("count", RunningCount())


def _restore(content: bytes, name: str, file: Path, count: RunningCount) -> None:
    """Put a saved session in the place of an empty one."""
    if count.differential.photos or count.unreadable:
        st.error("This count is not empty. Name a new one above, then restore.")
        return
    try:
        session_file.parse(content, name)
    except DifferentialError as error:
        st.error(wording.sentence(error))
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)
    kept_count.clear()
    st.rerun()


# --- the tab ---------------------------------------------------------------------------------------------


def count_page(classifier: Classifier, count: RunningCount, watching: bool) -> None:
    """Build the tab."""
    if other := count.other_model(classifier):
        st.error(two_models(other))
    else:
        _take_files(classifier, count)
    running = count.progress().running
    st.session_state["was_running"] = running
    st.session_state["shown_cells"] = len(count.differential.cells)

    @st.fragment(run_every=EVERY_SECONDS if running or watching else None)
    def live() -> None:
        left, right = st.columns([4, 5], gap="large")
        with left:
            _progress(count)
        with right:
            st.html(charts.table_html(count.differential))
            st.html(charts.chart_html(count.differential))
        if count.progress().running:
            return
        more = st.session_state["shown_cells"] != len(count.differential.cells)
        if st.session_state["was_running"] or more:
            st.rerun()  # the table of cells below, and the downloads

    live()
    if count.copies:
        st.html(wording.copies_html(count.copies))
    if count.stacks:
        st.html(wording.stacks_html(count.stacks))
    if count.unreadable:
        st.html(wording.unreadable_html(count.unreadable))
    if count.differential.photos and not running:
        _downloads(classifier, count)
        _cells(count)


def two_models(other: str) -> str:
    """Why a count takes no more photos."""
    return (
        f"This count holds the answers of another model, {other}. Choose that model, or begin a new count: answers of "
        "two models are no one count."
    )


def _take_files(classifier: Classifier, count: RunningCount) -> None:
    how = st.segmented_control(
        "What to choose",
        ["Photos", "A folder"],
        default="Photos",
        required=True,
        key="choose_what",
        label_visibility="collapsed",
    )
    files = st.file_uploader(
        "Photos of one smear, or a .zip" if how != "A folder" else "A folder of photos of one smear",
        type=[*TYPES, ".zip"],
        accept_multiple_files="directory" if how == "A folder" else True,
        key="folder" if how == "A folder" else "files",
    )
    copies = st.toggle(
        "Count copies, too",
        key="count_copies",
        help="A photo is known by its bytes: under another name it is not counted again. Switch this on before you "
        "choose files to have each name counted.",
    )
    given: set[str] = st.session_state.setdefault("given_files", set())
    new = [file for file in files or [] if file.file_id not in given]
    given.update(file.file_id for file in new)
    if how == "A folder":  # what one picks by name is read whatever it is called
        new = [file for file in new if is_photo_below(file.name) or file.name.lower().endswith(".zip")]
    count.add(classifier, [(Path(file.name).name, file.getvalue) for file in new], copies)


def _progress(count: RunningCount) -> None:
    progress = count.progress()
    if count.problem:
        st.error(count.problem)
    if progress.running:
        left = f", about {progress.seconds_left:.0f} s left" if progress.seconds_left is not None else ""
        st.progress(progress.done / progress.total, f"{progress.done:,} of {progress.total:,} files done{left}")
        st.button("Cancel", key="cancel", on_click=count.cancel, help="What is done stays.")
    elif progress.total:
        files = "1 file" if progress.total == 1 else f"{progress.total:,} files"
        st.success(f"{files} done.", icon=":material/check:")
    st.html(charts.sentences_html(count.differential))


def _downloads(classifier: Classifier, count: RunningCount) -> None:
    differential = count.differential

    with st.expander("Sample, reader and comment, for the PDF"):
        notes = [
            st.text_input(label, key=f"note_{label.lower()}", max_chars=most)
            for label, most in (("Sample", 100), ("Reader", 100), ("Comment", 300))
        ]

    def page() -> bytes:
        return report.to_bytes(
            differential,
            count.report_pictures(),
            model=about.model_name(classifier),
            made_on=date.today(),
            notes=report.Notes(*notes),
        )

    csv, pdf, _ = st.columns([1, 1, 3])
    with csv:
        st.download_button(
            "Download CSV",
            differential.csv_bytes,
            "differential.csv",
            "text/csv",
            key="csv",
            on_click="ignore",
            help="Cells that you decided on can fit the model to your lab: "
            "`leukoscope tune differential.csv --out my-model`",
        )
    with pdf:
        st.download_button("Download PDF", page, "differential.pdf", "application/pdf", key="pdf", on_click="ignore")


def _cells(count: RunningCount) -> None:
    """The cells as a table whose last column a person may change."""
    st.header("Cells", anchor=False)
    apart = sum(cell.undecided for cell in count.differential.cells)
    which = st.segmented_control(
        "Which cells", [UNDECIDED, ALL], default=UNDECIDED if apart else ALL, required=True, key="which_cells"
    )
    cells = [cell for cell in count.differential.cells if which == ALL or cell.undecided]
    cells = sorted(cells, key=lambda cell: cell.prediction.confidence)
    if not cells:
        st.write("No cell waits for a decision.")
        return
    if len(cells) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS} most doubtful of {len(cells):,} cells are shown; all are counted.")
    shown = cells[:MOST_ROWS]
    keys = [(cell.photo, cell.number) for cell in shown]
    rows = [
        {
            "Cell": jpeg_uri(count.pictures[key]) if key in count.pictures else None,
            "It counts as": _decision(cell),
            "The model says": wording.short(cell.prediction),
            "Photo": cell.photo,
            "Number": cell.number,
        }
        for key, cell in zip(keys, shown, strict=True)
    ]
    version = st.session_state.setdefault("editor_version", 0)
    key = f"cells_{version}"
    st.data_editor(
        rows,
        key=key,
        hide_index=True,
        num_rows="fixed",
        row_height=100,
        disabled=["Cell", "Photo", "Number", "The model says"],
        column_config={
            "Cell": st.column_config.ImageColumn(width=100),
            "It counts as": st.column_config.SelectboxColumn(
                options=[*wording.DECISIONS.values(), wording.LEAVE],
                required=True,
                width=150,
                help="Choose what you see: it is counted so.",
            ),
        },
        on_change=_edited,
        args=(count, keys, key),
    )


def _decision(cell: CountedCell) -> str:
    """What stands in the column that a person changes."""
    if cell.corrected:
        return wording.DECISIONS[cell.corrected]
    return wording.LEAVE if cell.undecided else wording.DECISIONS[wording.AS_THE_MODEL]


def _edited(count: RunningCount, keys: list[tuple[str, int]], key: str) -> None:
    take_edits(count, keys, st.session_state[key]["edited_rows"])
    st.session_state["editor_version"] += 1  # the rows are others now


def take_edits(count: RunningCount, keys: list[tuple[str, int]], edits: dict[int, dict[str, str]]) -> None:
    """Take over what a person chose in the table.

    Args:
        count: the count.
        keys: photo and number of the cell in each row.
        edits: row -> changed values, as `st.data_editor` tells them.
    """
    values = {text: value for value, text in wording.DECISIONS.items()} | {wording.LEAVE: wording.AS_THE_MODEL}
    for row, changed in edits.items():
        if "It counts as" in changed:
            to = values[changed["It counts as"]]
            count.decide(*keys[int(row)], None if to == wording.AS_THE_MODEL else to)
