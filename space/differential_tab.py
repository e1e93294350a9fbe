"""The second tab: many photos in, a differential out that a person can correct and take home."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import counting
import gradio as gr
import look
import markup
from counting import Count
from uploads import MAX_PHOTO_MB, Uploads

from leukoscope import Classifier
from leukoscope.showing import charts, report, wording

DRAWN_PHOTOS = Path(__file__).parent / "examples" / "twelve_drawn_photos.zip"
MOST_SHOWN = 600  # cells in the gallery; the rest is counted all the same
NEWS_SECONDS = 0.25  # between two updates of the progress bar
FAILED = "That did not work: nothing was counted. Choose the files again."
BUSY = "Busy: {ahead} others are ahead of you, and no more can wait. Try again in a minute."


def differential_tab(classifier: Classifier, uploads: Uploads, model: str) -> None:
    """Build the tab; `model` is the name that stands on the report."""
    remembered = gr.State(Count())
    whole = gr.State(None)  # the count before photos were taken out of it
    download = gr.JSON(visible=False)
    nothing = Count()
    with gr.Row():
        with gr.Column(scale=4, min_width=280):
            files = gr.File(
                label="Photos of one smear, or a .zip",
                file_count="multiple",
                file_types=["image", ".zip"],
                height=190,
                elem_id="files",
            )
            dozen = files.move_resource_to_block_cache(DRAWN_PHOTOS)
            uploads.own.add(Path(dozen).resolve())  # another visitor may be about to count it
            with gr.Row():
                drawn = gr.Button("Try it with 12 drawn photos", size="sm", elem_id="drawn", min_width=150)
                stop = gr.Button("Stop", size="sm", elem_id="stop", interactive=False, min_width=90)
            gr.HTML(
                f'<p class="hint">Up to {counting.MOST_PHOTOS} photos of {MAX_PHOTO_MB} MB; a .zip up to '
                f"{counting.MAX_FILE_MB} MB. Add more at any time: what was decided stands.</p>",
                apply_default_css=False,
            )
            copies = gr.Checkbox(
                label="Count copies of a photo, too", value=False, container=False, elem_id="copies", min_width=150
            )
            status = gr.HTML(markup.progress_html(), apply_default_css=False, elem_id="status")
            back = gr.Button("Bring the photos back", size="sm", visible=False, elem_id="back")
            sentences = gr.HTML(
                charts.sentences_html(nothing.differential), apply_default_css=False, elem_id="sentences"
            )
        with gr.Column(scale=5, min_width=290):
            table = gr.HTML(charts.table_html(nothing.differential), apply_default_css=False, elem_id="table")
            chart = gr.HTML(charts.chart_html(nothing.differential), apply_default_css=False, elem_id="chart")
            with gr.Row():
                csv = gr.Button("Download CSV", interactive=False, elem_id="csv", min_width=120)
                pdf = gr.Button("Download PDF", interactive=False, elem_id="pdf", min_width=120)
            with gr.Accordion("Sample, reader and comment, for the PDF", open=False, elem_id="notes"):
                notes = [
                    gr.Textbox(label=label, max_length=most, max_lines=1)
                    for label, most in (("Sample", 100), ("Reader", 100), ("Comment", 300))
                ]
    with gr.Row(elem_id="cells-row"):
        with gr.Column(scale=7, min_width=280):
            gr.HTML(markup.compare_html(count=True), apply_default_css=False, elem_id="compare")
            gallery = gr.HTML(
                markup.gallery_html(nothing.differential, {}, MOST_SHOWN),
                js_on_load=look.does("gallery", "choose", "decide", **markup.DECIDING),
                apply_default_css=False,
                elem_id="gallery",
            )
        with gr.Column(scale=4, min_width=280, elem_id="decide"):
            panel = gr.HTML(
                markup.chosen_html(), js_on_load=look.does("panel"), apply_default_css=False, elem_id="chosen"
            )

    numbers = [remembered, table, chart, sentences]

    def count(
        sent: list[dict] | None, before: Count | None, full: Count | None, count_copies: object, request: gr.Request
    ) -> Iterator[dict]:
        before = before or nothing
        session = request.session_hash
        last, result = 0.0, before
        sent, drawn_words = _without_the_dozen(sent or [], dozen)
        uploads.start(session)
        yield {
            status: markup.progress_html("Reading the files …", 0.0),
            stop: gr.Button(interactive=True),
            drawn: gr.Button(visible=not sent),
            # What is decided on an older count while a newer one is made would be lost.
            gallery: markup.gallery_html(nothing.differential, {}, MOST_SHOWN),
            panel: markup.chosen_html(),
        }
        for news in counting.count_files(
            classifier, uploads, sent, session, before, lambda: uploads.stopped(session), count_copies is True
        ):
            if isinstance(news, Count):
                result = news
            elif time.monotonic() - last > NEWS_SECONDS:
                last = time.monotonic()
                done, total, photos = news
                words = f"{photos} photo{'' if photos == 1 else 's'} read, file {done + 1} of {total} …"
                yield {status: markup.progress_html(words, (done + 0.5) / total)}
        words = drawn_words + ("Stopped; what was read is counted. " if uploads.stopped(session) else "")
        uploads.stop(session)
        result = replace(result, given=tuple(sent))
        full = full or before
        lost = counting.taken_out(full, result)
        yield {
            **_numbers(result),
            whole: full if lost else None,
            back: gr.Button(f"Bring {lost} photo{'' if lost == 1 else 's'} back", visible=lost > 0),
            status: markup.done_html(result.unreadable, result.differential, words, result.copies)
            + wording.stacks_html(result.stacks),
            gallery: markup.gallery_html(
                result.differential, result.thumbnails, MOST_SHOWN, drawn=set(result.files) <= {dozen}
            ),
            panel: markup.chosen_html(),
            stop: gr.Button(interactive=False),
            csv: gr.Button(interactive=bool(result.differential.photos)),
            pdf: gr.Button(interactive=bool(result.differential.photos)),
        }

    def _numbers(result: Count) -> dict:
        differential = result.differential
        values = (result, charts.table_html(differential), charts.chart_html(differential))
        return dict(zip(numbers, (*values, charts.sentences_html(differential)), strict=True))

    def choose(before: Count | None, event: gr.EventData) -> str:
        count, index = before or nothing, _sent(event, "index")
        cell = counting.cell_at(count, index)
        return markup.chosen_html(index, cell, counting.picture_of(count, cell)) if cell else gr.skip()

    def decide(before: Count | None, event: gr.EventData) -> dict:
        try:
            return _numbers(counting.decided(before or nothing, _sent(event, "decisions")))
        except ValueError:
            raise gr.Error("Choose a cell first.", print_exception=False) from None

    def save_csv(result: Count | None) -> dict:
        return _file("differential.csv", "text/csv", (result or nothing).differential.csv_bytes())

    def save_pdf(result: Count | None, *said: str | None) -> dict:
        result = result or nothing
        page = report.to_bytes(
            result.differential,
            result.report_pictures(),
            model=model,
            made_on=date.today(),
            notes=report.Notes(*(text or "" for text in said)),
        )
        return _file("differential.pdf", "application/pdf", page)

    def draw(given: list[dict] | None) -> list[str] | dict:
        if given:  # never in the place of somebody's photos
            return gr.skip()
        return [files.move_resource_to_block_cache(DRAWN_PHOTOS)]  # anew: it goes with the page that counted it

    def bring_back(now: Count | None, full: Count | None) -> tuple:
        """Undo: with its files in their field again the count is made anew, of what was read already."""
        if full is None:
            return gr.skip(), gr.skip()
        return counting.brought_back(full, now or nothing), list(full.given)

    def stop_count(request: gr.Request) -> None:
        uploads.stop(request.session_hash)

    private = {"api_visibility": "private"}
    counted = gr.on(
        [files.change, copies.change],
        count,
        [files, remembered, whole, copies],
        [*numbers, whole, status, back, gallery, panel, stop, drawn, csv, pdf],
        preprocess=False,
        trigger_mode="multiple",  # one after the other: each goes on from what the one before it read
        show_progress="minimal",
        show_progress_on=status,
        concurrency_id="count",  # a long count must not keep others from a single answer
        concurrency_limit=1,
        **private,
    )
    failed, busy = ([markup.progress_html(words)] for words in (FAILED, BUSY))
    counted.failure(None, outputs=status, js=look.when_failed(failed, busy))
    quiet = {"show_progress": "hidden"} | private
    stop.click(stop_count, concurrency_limit=None, **quiet)
    drawn.click(draw, files, files, preprocess=False, **quiet)
    back.click(bring_back, [remembered, whole], [remembered, files], postprocess=False, **quiet)
    # One at a time, in their order: a decision goes on from the one before it.
    ordered = {"trigger_mode": "multiple", "concurrency_id": "decide", "concurrency_limit": 1} | quiet
    kept = gallery.decide(decide, remembered, numbers, **ordered)
    kept.success(None, js="leukoscope.kept")
    kept.failure(None, js="leukoscope.notKept")
    # Of cells that somebody hurries past only the last is shown.
    gallery.choose(choose, remembered, panel, **(ordered | {"trigger_mode": "always_last", "concurrency_id": "choose"}))
    for button, save, inputs in ((csv, save_csv, [remembered]), (pdf, save_pdf, [remembered, *notes])):
        button.click(save, inputs, download, **quiet).success(None, download, js="leukoscope.download")


def _without_the_dozen(sent: list[dict], dozen: str) -> tuple[list[dict], str]:
    """The files to count, and a word on the drawn photos: beside real ones they do not count."""
    real = [file for file in sent if file.get("path") != dozen]
    return (real, "The drawn photos are not counted beside yours. ") if 0 < len(real) < len(sent) else (sent, "")


def _sent(event: gr.EventData, key: str) -> object:
    """What a browser sent with an event under this key; it may be anything."""
    return event._data.get(key) if isinstance(event._data, dict) else None


def _file(name: str, kind: str, content: bytes) -> dict:
    """A file that the browser makes of an answer: none is written on the server."""
    return {"name": name, "type": kind, "base64": base64.b64encode(content).decode()}
