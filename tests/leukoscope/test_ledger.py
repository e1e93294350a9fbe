"""The output of a scan on a cluster, without the cluster: portions staged, counted once, and gone on with."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import pyarrow.dataset as ds
import pytest
from PIL import Image

from benchmarks.scale import rows_alone, rows_of
from leukoscope import Classifier, Differential, DifferentialError, LeukoscopeError
from leukoscope.cluster.ledger import BAD, CELLS, Ledger, slide_key
from leukoscope.cluster.portion import Done, scan_portion
from leukoscope.cluster.stores import Portion, Root, find_roots, list_photos
from leukoscope.cluster.tables import SCHEMAS, bad_pictures, copies, slide, slides, slides_csv, to_json, total
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.showing.about import identity

MODEL = {"name": "a", "graph": "0"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two slides of three photos."""
    folder = tmp_path / "photos"
    for number in range(6):
        place = folder / f"slide{number // 3}" / f"_{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        types = [] if number == 4 else ["neutrophil", "monocyte"][: 1 + number % 2]
        Image.fromarray(draw_photo(types, seed=number, width=420, height=300, red_cell_px=48.0)[0]).save(place)
    return folder


def scan(classifier, place, out, size=2, commit=lambda number: True) -> Done:
    """As the driver does, in this process. `commit` says of each portion whether the driver still lives."""
    done = Done()
    with Ledger.opened(out, MODEL) as ledger:
        for number, portion in enumerate(list_photos(*find_roots([place]), (), size)):
            answer = scan_portion(classifier, ledger, portion)
            if commit(number):
                ledger.commit(answer.slide, answer.staged, answer.stale)
                done += answer.done
    return done


def test_rows_are_those_of_a_scan_and_a_second_run_does_nothing(classifier, photos, tmp_path):
    out = tmp_path / "out"
    assert scan(classifier, photos, out).photos == 6
    before = rows_of(out)
    assert before == rows_alone(photos)
    parts = {path.name for path in out.rglob("part-*")}
    assert scan(classifier, photos, out) == Done(known=6)
    assert rows_of(out) == before
    assert {path.name for path in out.rglob("part-*")} == parts


def test_what_was_staged_and_not_counted_is_done_again(classifier, photos, tmp_path):
    out = tmp_path / "out"
    assert scan(classifier, photos, out, commit=lambda number: number != 1).photos == 5
    assert len(rows_of(out)) < len(rows_alone(photos))
    assert scan(classifier, photos, out) == Done(photos=1, cells=1, known=5)
    assert rows_of(out) == rows_alone(photos)


def test_a_portion_that_is_done_twice_counts_once(classifier, photos, tmp_path):
    """A worker dies after it has staged; another stages the same; both answers come to the driver."""
    with Ledger.opened(tmp_path / "out", MODEL) as ledger:
        for portion in list_photos(*find_roots([photos]), (), 3):
            for _ in range(2):
                answer = scan_portion(classifier, ledger, portion)
                ledger.commit(answer.slide, answer.staged, answer.stale)
    assert rows_of(tmp_path / "out") == rows_alone(photos)


def test_a_changed_photo_is_done_anew_and_its_old_rows_go(classifier, photos, tmp_path):
    out = tmp_path / "out"
    scan(classifier, photos, out, size=3)
    changed = photos / "slide0" / "_1.png"
    Image.fromarray(draw_photo([], seed=9, width=420, height=300)[0]).save(changed)
    assert scan(classifier, photos, out, size=3) == Done(photos=1, known=5)
    assert rows_of(out) == rows_alone(photos)
    changed.write_bytes(b"broken")
    assert scan(classifier, photos, out, size=3) == Done(bad=1, known=5)
    assert rows_of(out) == rows_alone(photos)
    assert scan(classifier, photos, out, size=3) == Done(known=6), "the same bytes are as bad as before"
    assert [name for name, _ in bad_pictures(str(out))] == [str(changed)]
    changed.unlink()
    assert scan(classifier, photos / "slide0" / "_1.png", out) == Done(bad=1), "what cannot be had is tried again"
    assert [reason for _, reason in bad_pictures(str(out))] == [f"no such file: {changed}"]
    Image.fromarray(draw_photo(["monocyte"], seed=9, width=420, height=300)[0]).save(changed)
    assert scan(classifier, photos, out) == Done(photos=1, cells=1, known=5)
    assert rows_of(out) == rows_alone(photos)
    assert list(bad_pictures(str(out))) == []


def test_a_folder_that_cannot_be_listed_is_a_bad_row_until_it_can(classifier, photos, tmp_path):
    out, folder = tmp_path / "out", str(photos / "slide0")
    with Ledger.opened(out, MODEL) as ledger:
        answer = scan_portion(classifier, ledger, Portion(folder, reason="the folder cannot be listed: no"))
        ledger.commit(answer.slide, answer.staged, answer.stale)
    assert list(bad_pictures(str(out))) == [(folder, "the folder cannot be listed: no")]
    scan(classifier, photos, out)
    assert list(bad_pictures(str(out))) == []


def test_names_that_are_no_text_are_spelled_out(classifier, photos, tmp_path):
    os.rename(photos / "slide0" / "_0.png", os.fsencode(photos) + b"/slide0/\xff.png")
    scan(classifier, photos, tmp_path / "out")
    assert rows_of(tmp_path / "out") == rows_alone(photos)
    assert any("\\xff.png" in row[0] for row in rows_of(tmp_path / "out"))


def test_an_object_store_takes_the_tables_too(classifier, photos):
    """The same files by way of fsspec, which uploads and moves instead of renaming."""
    fs = fsspec.filesystem("memory")
    try:
        scan(classifier, photos, "memory://study")
        scan(classifier, photos, "memory://study")
        rows = ds.dataset("/study/cells", SCHEMAS[CELLS], format="parquet", filesystem=fs).to_table().num_rows
        assert rows == len(rows_alone(photos))
        assert total(slides("memory://study")).tally.photos == 6
        assert not fs.exists("/study/_staged")
    finally:
        fs.rm("/study", recursive=True)


def test_an_output_of_another_kind_or_model_is_not_touched(classifier, photos, tmp_path):
    scan(classifier, photos, tmp_path / "out")
    with (
        pytest.raises(LeukoscopeError, match="the answers of another model, a 0: give a new"),
        Ledger.opened(tmp_path / "out", identity(classifier)),
    ):
        pass
    with pytest.raises(LeukoscopeError, match="something that is no output"), Ledger.opened(photos, MODEL):
        pass
    with Ledger.opened(tmp_path / "out", MODEL):
        opening = f"with Ledger.opened({str(tmp_path / 'out')!r}, {MODEL!r}): pass"
        script = f"from leukoscope.cluster.ledger import Ledger\n{opening}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
        assert "another scan is writing to it" in done.stderr
    study = tmp_path / "out" / "study.json"
    study.write_text(json.dumps(json.loads(study.read_text()) | {"format_version": 99}))
    with pytest.raises(LeukoscopeError, match="newer leukoscope"), Ledger.opened(tmp_path / "out", MODEL):
        pass


def test_sums_are_those_of_the_rows(classifier, photos, tmp_path):
    scan(classifier, photos, tmp_path / "out")
    out = str(tmp_path / "out")
    parts = slides(out)
    assert [part.folder for part in parts] == [str(photos / "slide0"), str(photos / "slide1")]
    for part in parts:
        alone = slide(out, part.folder)
        assert alone.tally == part.tally
        assert sorted(alone.photos) == sorted(map(str, Path(part.folder).glob("*.png")))
    values = json.loads(to_json(parts))
    assert values["photos"] == sum(part["photos"] for part in values["slides"]) == 6
    with pytest.raises(DifferentialError, match="no slide 'x'"):
        slide(out, "x")
    with pytest.raises(DifferentialError, match="no such folder"):
        slides(str(tmp_path / "none"))


def test_equal_bytes_count_once_whatever_their_names(classifier, photos, tmp_path):
    """Where the first of them by its path lies; the rows of all are kept."""
    shutil.copy(photos / "slide1" / "_3.png", photos / "slide0" / "_a copy.png")
    shutil.copy(photos / "slide1" / "_3.png", photos / "slide1" / "_a copy.png")
    scan(classifier, photos, tmp_path / "out")
    out = str(tmp_path / "out")
    first, second = str(photos / "slide0" / "_a copy.png"), str(photos / "slide1" / "_3.png")
    assert copies(out) == {second: first, str(photos / "slide1" / "_a copy.png"): first}
    parts = slides(out)
    assert [(part.tally.photos, part.copies) for part in parts] == [(4, 0), (2, 2)]
    assert [slide(out, part.folder).tally for part in parts] == [part.tally for part in parts]
    whole, each = total(parts), total(slides(out, left_out={}))
    assert (whole.tally.photos, whole.copies) == (6, 2)
    assert (each.tally.photos, each.copies) == (8, 0)
    assert slide(out, parts[1].folder, left_out={}).tally.photos == 4
    local = Differential.from_predictions((path.name, classifier.scan(path)) for path in photos.glob("*/_[0-9].png"))
    assert whole.tally == local.tally
    assert json.loads(to_json(parts))["copies"] == 2
    assert [line.rsplit(",", 1)[1] for line in slides_csv(parts).splitlines()] == ["copies", "0", "2"]
    assert len(ds.dataset(tmp_path / "out" / "cells").to_table(["photo"])["photo"].unique()) == 8


def test_a_slide_has_a_name_of_its_own_that_any_disk_takes():
    assert slide_key("/a/slide 1") != slide_key("/b/slide 1")
    assert slide_key("/a/slide 1").startswith("slide=slide_1~")
    assert len(slide_key("/a/" + "x" * 300)) < 110
    assert slide_key("zip://s1::/a.zip") != slide_key("zip://s1::/b.zip")


def test_no_photo_is_listed_twice(photos):
    one = str(photos / "slide0" / "_1.png")
    roots = find_roots([photos, photos / "slide0", one, f"{photos}/*/_[0-2].png", photos])
    assert [root.kind for root in roots] == ["folder", "folder", "file", "glob"]
    listed = [p for i, root in enumerate(roots) for portion in list_photos(root, roots[:i], 2) for p in portion.photos]
    assert sorted(listed) == sorted(map(str, photos.rglob("*.png")))
    (glob,) = find_roots([f"{photos}/**/_[0-2].png"])
    assert [len(portion.photos) for portion in list_photos(glob, (), 2)] == [2, 1]
    for pattern in ("slide*", "*", "**", "slide[01]"):
        (glob,) = find_roots([f"{photos}/{pattern}"])
        listed = [p for portion in list_photos(glob, (), 2) for p in portion.photos]
        assert sorted(listed) == sorted(map(str, photos.rglob("*.png"))), pattern
        assert list(list_photos(*find_roots([one]), [glob], 2)) == []
    assert not Root("/a/b", "folder").holds("/a/bc/d.png")


def test_hidden_and_drawn_files_are_left_out_behind_a_url_too(photos):
    for name in (".hidden.png", "_0.png.annotated.png", "notes.txt", ".cache/x.png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"")
    for place in (str(photos), f"file://{photos}"):
        names = [p for portion in list_photos(*find_roots([place]), (), 9) for p in portion.photos]
        assert sorted(os.path.basename(name) for name in names) == [f"_{n}.png" for n in range(6)]


def test_what_is_no_photo_is_counted_once(photos):
    for name in ("notes.txt", "slide0/notes.txt", "slide1/a.xyz", ".hidden.txt", "_0.png.annotated.png"):
        (photos / name).write_bytes(b"")
    for place in (str(photos), f"file://{photos}", f"{photos}/**"):
        *others, last = list_photos(*find_roots([place]), (), 9)
        assert last.left_out == {".txt": 2, ".xyz": 1}, place
        assert last.photos == ()
        assert not any(portion.left_out for portion in others)
    inside = find_roots([photos, photos / "slide0"])
    assert not any(portion.left_out for portion in list_photos(inside[1], inside[:1], 9))


def test_a_store_that_is_not_known_is_told():
    with pytest.raises(LeukoscopeError, match="nowhere://x cannot be opened"):
        find_roots(["nowhere://x"])


def test_identity_tells_models_apart(classifier):
    assert identity(classifier)["graph"] == classifier.spec.files["model.onnx"]
    assert isinstance(classifier, Classifier)
    assert set(SCHEMAS) == {CELLS, BAD}
