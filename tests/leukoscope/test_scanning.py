"""`leukoscope scan` as a person runs it: in a process of its own."""

import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from leukoscope import Classifier, cli
from leukoscope.counting.differential import NOT_COUNTED, Differential
from leukoscope.counting.tally import many
from leukoscope.drawn.synthetic import draw_cell, draw_photo
from leukoscope.pictures import images
from leukoscope.scanning import photos
from leukoscope.scanning import scan as scanning
from leukoscope.scanning.photos import SUFFIXES, find_pictures
from tests.made_tiffs import page, tiff


def scan(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "leukoscope", "scan", *map(str, words)], capture_output=True, text=True, **options
    )


def draw(path, types, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_photo(types, seed=seed, width=640, height=480)[0]).save(path)


@pytest.fixture
def smear(tmp_path):
    """Three photos with five cells, one of them in a folder below, and three files that are no photos."""
    folder = tmp_path / "smear"
    draw(folder / "a.png", ["neutrophil", "lymphocyte"], 1)
    draw(folder / "b.jpg", ["neutrophil", "eosinophil", "neutrophil"], 2)
    draw(folder / "more" / "c.PNG", [], 3)
    (folder / "broken.png").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("cells")
    (folder / ".hidden.png").write_bytes(b"x")
    return folder


def test_pictures_are_found_in_folders_and_below(smear):
    (smear / ".git").mkdir()
    draw(smear / ".git" / "d.png", [], 3)
    (smear / "folder.png").mkdir()
    files, bad = find_pictures([smear])
    assert [str(path.relative_to(smear)) for path in files] == ["a.png", "b.jpg", "broken.png", "more/c.PNG"]
    assert bad == []
    named = [smear / "notes.txt", smear / "a.png"]
    assert find_pictures([*named, smear / "more" / ".." / "a.png"]) == (named, []), "each file once"
    (smear / "link.png").symlink_to(smear / "a.png")
    assert len(find_pictures([smear])[0]) == 4


def test_a_folder_that_cannot_be_listed_is_told(smear, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    files, bad = find_pictures([smear])
    assert len(files) == 3
    assert bad == [(str(smear / "more"), "the folder cannot be listed: Permission denied")]


def test_everything_at_once(smear, tmp_path):
    done = scan(smear, "--csv", tmp_path / "o.csv", "--pdf", tmp_path / "o.pdf", "--annotated", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    counted = Differential.read_csv(tmp_path / "o.csv")
    assert counted.photos == tuple(str(smear / name) for name in ("a.png", "b.jpg", "more/c.PNG"))
    assert len(counted.cells) == 5
    assert f"Counted {many(counted.counted, 'cell')} in 3 photos." in done.stdout
    assert f"neutrophil  {counted.counts['neutrophil']:>8}" in done.stdout
    assert "broken.png: not a picture of a known format" in done.stderr
    assert "1 of 4 files could not be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert "scanning" not in done.stderr, "no bar where there is no terminal"
    assert len(PdfReader(tmp_path / "o.pdf").pages) == 1
    drawn = sorted((tmp_path / "drawn").rglob("*.png"))
    assert [path.name for path in drawn] == ["a.png.annotated.png", "b.jpg.annotated.png", "c.PNG.annotated.png"]
    before, after = (np.asarray(Image.open(path)) for path in (smear / "a.png", drawn[0]))
    assert before.shape == after.shape
    assert (before != after).any()


def test_json_is_all_that_stands_on_standard_output(smear):
    done = scan(smear, "--json")
    values = json.loads(done.stdout)
    assert len(values["photos"]) == 3
    assert len(values["cells"]) == 5


def test_status_tells_some_bad_from_all_bad(smear, tmp_path):
    assert scan(smear / "a.png", smear / "broken.png").returncode == 0
    done = scan(smear / "broken.png", tmp_path / "none.png")
    assert done.returncode == 3
    assert "no such file" in done.stderr
    assert "0.0 - 100.0 %" not in done.stdout, "nothing counted, no limits"
    assert "Counted 0 cells in 0 photos." in done.stdout
    (tmp_path / "empty").mkdir()
    wrong = [
        [tmp_path / "empty"],
        [smear, "--model", tmp_path],
        [smear, "--csv", tmp_path / "no" / "o.csv"],
        [smear, "--csv", tmp_path / "empty"],
        [smear, "--pdf", tmp_path / "empty"],
        [smear, "--csv", tmp_path / "o", "--pdf", tmp_path / "o"],
        [smear, "--annotated", smear / "a.png"],
    ]
    for words in wrong:
        done = scan(*words)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_foreign_csv_is_not_overwritten(smear, tmp_path):
    (tmp_path / "mine.csv").write_text("name,age\nA,1\n")
    done = scan(smear, "--csv", tmp_path / "mine.csv")
    assert done.returncode == 2
    assert "line 1: column 1 must be 'photo', not 'name'" in done.stderr
    assert (tmp_path / "mine.csv").read_text() == "name,age\nA,1\n"


def wait_for(path, size):
    """Until a file has grown to a size, bytes."""
    end = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > size):
        assert time.monotonic() < end, f"{path} has not grown to {size} bytes"
        time.sleep(0.002)


def test_killed_in_the_middle_it_goes_on(tmp_path):
    folder, csv = tmp_path / "smear", tmp_path / "o.csv"
    for i in range(12):
        draw(folder / f"{i:02d}.png", ["neutrophil", "monocyte"], i)
    whole = tmp_path / "whole.csv"
    assert scan(folder, "--csv", whole).returncode == 0

    process = subprocess.Popen(
        [sys.executable, "-m", "leukoscope", "scan", str(folder), "--csv", str(csv)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(csv, 1000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    content = csv.read_bytes()
    assert whole.read_bytes().startswith(content)
    so_far = sum(
        f",1,{','.join(map(str, cell.prediction.box))},".encode() in content
        for cell in Differential.read_csv(whole).cells
        if cell.number == 1
    )
    assert 0 < so_far < 12, "it was killed in the middle"

    done = scan(folder, "--csv", csv)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line == f"leukoscope: {so_far} of 12 photos are in {csv}", "only the photo in work is done again"
    assert Differential.read_csv(csv) == Differential.read_csv(whole), "as if it had not been killed"
    assert csv.read_bytes() == whole.read_bytes()
    before = csv.stat()
    again = scan(folder, "--csv", csv)
    assert "12 of 12 photos are in" in again.stderr
    assert again.stdout == done.stdout
    assert csv.stat() == before


def test_interrupted_it_says_how_to_go_on(tmp_path):
    folder, csv = tmp_path / "smear", tmp_path / "o.csv"
    for i in range(30):
        draw(folder / f"{i:02d}.png", ["neutrophil"], i)
    process = subprocess.Popen(
        [sys.executable, "-m", "leukoscope", "scan", str(folder), "--csv", str(csv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background is born with Ctrl-C ignored; this one is to take it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(csv, 500)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "leukoscope: interrupted; the same command goes on after the last photo"
    assert printed == ""
    assert 0 < len(Differential.read_csv(csv).photos) < 30


def test_a_photo_is_counted_once_whatever_it_is_called(smear, tmp_path):
    csv = tmp_path / "o.csv"
    assert scan("smear/a.png", "--csv", csv, cwd=tmp_path).returncode == 0
    assert scan(smear / "more", "--csv", csv).returncode == 0
    done = scan(smear, smear / "b.jpg", "--csv", csv, cwd=tmp_path)
    assert "leukoscope: 2 of 4 photos are in" in done.stderr
    assert Differential.read_csv(csv).photos == ("smear/a.png", f"{smear}/more/c.PNG", f"{smear}/b.jpg")


def lines_of(done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("leukoscope: ") for line in done.stderr.splitlines()]


def test_a_photo_is_counted_once_wherever_its_folder_went(tmp_path):
    for i in range(3):
        draw(tmp_path / "smear" / f"{i}.png", ["neutrophil"], i)
    first = scan("smear", "--csv", "count.csv", cwd=tmp_path)
    assert lines_of(first) == []
    whole = (tmp_path / "count.csv").read_bytes()
    elsewhere = scan(".", "--csv", "../count.csv", cwd=tmp_path / "smear")
    assert elsewhere.stdout == first.stdout
    assert lines_of(elsewhere)[0] == "3 of 3 photos are in ../count.csv"
    assert lines_of(elsewhere)[1].startswith("3 of these by another name, as 0.png by the name smear/0.png: --count-c")
    (tmp_path / "smear").rename(tmp_path / "slide1")
    done = scan("slide1", "--csv", "count.csv", "--pdf", "o.pdf", "--annotated", "drawn", cwd=tmp_path)
    assert done.stdout == first.stdout
    assert (tmp_path / "count.csv").read_bytes() == whole
    assert len(list((tmp_path / "drawn" / "smear").glob("*.png"))) == 3, "its photos are found where they are now"
    assert len(PdfReader(tmp_path / "o.pdf").pages[0].images) > 0
    anyway = scan("slide1", "--csv", "count.csv", "--count-copies", cwd=tmp_path)
    assert lines_of(anyway) == []
    assert len(Differential.read_csv(tmp_path / "count.csv").photos) == 6
    again = scan("slide1", "--csv", "count.csv", "--count-copies", cwd=tmp_path)
    assert lines_of(again) == ["3 of 3 photos are in count.csv"]


@pytest.mark.parametrize("workers", [1, 2])
def test_within_a_scan_equal_bytes_count_once(tmp_path, workers):
    draw(tmp_path / "in" / "0.png", ["neutrophil"], 0)
    draw(tmp_path / "in" / "1.png", ["eosinophil"], 1)
    shutil.copy(tmp_path / "in" / "0.png", tmp_path / "in" / "0 - Copy.png")
    done = scan("in", "--json", "--workers", workers, cwd=tmp_path)
    assert json.loads(done.stdout)["photos"] == ["in/0 - Copy.png", "in/1.png"]
    (line,) = lines_of(done)
    assert line.startswith(
        "1 file is a copy of another and not counted, as in/0.png of in/0 - Copy.png: --count-copies"
    )
    anyway = scan("in", "--json", "--count-copies", "--workers", workers, cwd=tmp_path)
    assert len(json.loads(anyway.stdout)["photos"]) == 3
    assert lines_of(anyway) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_each_page_of_a_stack_is_a_photo_if_that_is_asked_for(tmp_path, workers):
    cells = [draw_cell(name, seed=seed) for seed, name in enumerate(("neutrophil", "eosinophil", "lymphocyte"))]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.tif").write_bytes(tiff(*map(page, cells)))
    first = scan("in", "--csv", "count.csv", "--workers", workers, cwd=tmp_path)
    assert lines_of(first) == [
        "1 file holds several pictures, of which the first is read, as in/a.tif of 3: --all-pages takes each"
    ]
    options = ("--all-pages", "--csv", "count.csv", "--annotated", "drawn", "--pdf", "o.pdf", "--workers", workers)
    assert lines_of(scan("in", *options, cwd=tmp_path)) == ["1 of 3 photos are in count.csv"]
    counted = Differential.read_csv(tmp_path / "count.csv")
    names = ("in/a.tif", "in/a.tif#page=2", "in/a.tif#page=3")
    assert counted.photos == names
    assert len({origin.sha256 for origin in counted.origins.values()}) == 3
    classifier = Classifier.from_pretrained()
    for name, cell in zip(names, cells, strict=True):
        found = [known.prediction for known in counted.cells if known.photo == name]
        assert [p.box for p in found] == [p.box for p in classifier.scan(cell)]
        assert (tmp_path / f"drawn/{name}.annotated.png").exists()
    assert len(PdfReader(tmp_path / "o.pdf").pages[0].images) == len(counted.cells)
    assert lines_of(scan("in", *options, cwd=tmp_path)) == ["3 of 3 photos are in count.csv"]
    (tmp_path / "in").rename(tmp_path / "out")
    moved = lines_of(scan("out", *options, cwd=tmp_path))
    assert moved[0] == "3 of 3 photos are in count.csv"
    assert moved[1].startswith("3 of these by another name, as out/a.tif by the name in/a.tif")


def test_each_file_is_read_once(smear, monkeypatch, capsys):
    read: list[str] = []
    once = photos.read_file
    monkeypatch.setattr(photos, "read_file", lambda path: read.append(path.name) or once(path))
    for module in (images, scanning):
        monkeypatch.setattr(module, "read_file", None)
    assert cli.main(["scan", str(smear)]) == 0
    assert len(read) == len(set(read)) == 4


def test_another_photo_of_the_same_name_is_not_taken_for_counted(tmp_path):
    for place, seed in (("one", 1), ("two", 2)):
        draw(tmp_path / place / "0.png", ["neutrophil"], seed)
        done = scan(".", "--csv", "../count.csv", cwd=tmp_path / place)
    assert f"0.png: another photo was counted by this name: give its folder in full, {tmp_path}/two" in done.stderr
    done = scan(tmp_path / "two", "--csv", "count.csv", cwd=tmp_path)
    assert lines_of(done) == []
    assert Differential.read_csv(tmp_path / "count.csv").photos == ("0.png", f"{tmp_path}/two/0.png")


def test_another_model_into_the_same_csv_is_refused(smear, tmp_path, capsys):
    csv = tmp_path / "o.csv"
    assert cli.main(["scan", str(smear / "a.png"), "--csv", str(csv)]) == 0
    (origin,) = Differential.read_csv(csv).origins.values()
    assert origin.sha256 == hashlib.sha256((smear / "a.png").read_bytes()).hexdigest()
    other = csv.read_text().replace(origin.model, "mine 0123")
    csv.write_text(other)
    capsys.readouterr()
    assert cli.main(["scan", str(smear), "--csv", str(csv)]) == 2
    said = capsys.readouterr().err
    assert f"holds the answers of another model, mine 0123, and this is {origin.model}" in said
    assert csv.read_text() == other


def test_an_older_csv_knows_its_photos_by_name_and_says_so(smear, tmp_path):
    csv = tmp_path / "o.csv"
    assert scan(smear / "a.png", "--csv", csv).returncode == 0
    counted = Differential.read_csv(csv)
    replace(counted, origins={}).write_csv(csv)
    text = csv.read_text().replace(",model,sha256", "")
    csv.write_text("\n".join(line.removesuffix(",,") for line in text.splitlines()) + "\n")
    done = scan(smear, "--csv", csv)
    assert lines_of(done)[1:3] == [
        f"{csv} does not say which model answered for 1 photos, nor their hashes: names tell them",
        f"1 of 4 photos are in {csv}",
    ]
    after = Differential.read_csv(csv)
    assert after.photos == tuple(str(smear / name) for name in ("a.png", "b.jpg", "more/c.PNG"))
    assert set(after.origins) == set(after.photos[1:])


def test_what_is_left_out_is_counted_and_named(smear, tmp_path):
    done = scan(smear)
    assert lines_of(done)[0] == "1 file was not taken for photos: 1 .txt"
    only = tmp_path / "only"
    only.mkdir()
    for i in range(3):
        (only / f"{i}.xyz").write_text("x")
    done = scan(only)
    assert done.returncode == 2
    assert done.stderr == f"leukoscope: no pictures in {only}; 3 files were not taken for photos: 3 .xyz\n"


def test_annotated_photos_are_not_scanned_and_can_be_had_later(smear, tmp_path):
    csv, drawn = tmp_path / "o.csv", smear / "drawn"
    assert scan(smear, "--csv", csv).returncode == 0
    counted = Differential.read_csv(csv)
    one, two = counted.cells[0], counted.cells[1]
    counted.reclassify(one.photo, 1, NOT_COUNTED).write_csv(csv)
    done = scan(smear, "--csv", csv, "--annotated", drawn)
    assert done.returncode == 0
    pictures = sorted(drawn.rglob("*.png"))
    assert len(pictures) == 3
    plain, shown = np.asarray(Image.open(one.photo)), np.asarray(Image.open(pictures[0]))
    assert box_is_drawn(plain, shown, two.prediction.box)
    assert not box_is_drawn(plain, shown, one.prediction.box), "a person took it away"
    assert scan(smear, "--csv", csv).stdout == done.stdout


def box_is_drawn(plain, shown, box) -> bool:
    """Whether most of a box's outline differs."""
    x0, y0, x1, y1 = box
    differs = (plain != shown).any(axis=2)
    return np.concatenate([differs[y0, x0:x1], differs[y1 - 1, x0:x1]]).mean() > 0.9


def test_any_file_name_will_do(tmp_path):
    names = [b"caf\xe9.png", b"=1+1.png", "细胞.png".encode(), b"two\nlines.png", b"\x1b[31mred.png", b"-n.png"]
    folder = os.path.join(os.fsencode(tmp_path), b"in")
    os.mkdir(folder)
    for seed, name in enumerate(names):
        draw(tmp_path / "a.png", ["neutrophil"], seed)
        os.rename(tmp_path / "a.png", os.path.join(folder, name))
        with open(os.path.join(folder, b"bad" + name), "wb") as file:
            file.write(name)
    options = ("--csv", "o.csv", "--pdf", "o.pdf", "--annotated", "drawn", "--json")
    done = scan("in", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    photos = json.loads(done.stdout)["photos"]
    assert len(photos) == 6
    assert "in/caf\\xe9.png" in photos
    assert Differential.read_csv(tmp_path / "o.csv").photos == tuple(photos)
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 7, "a line for each bad file and the number of bad ones"
    again = scan("in", *options, cwd=tmp_path)
    assert "6 of 12 photos are in o.csv" in again.stderr
    assert again.stdout == done.stdout
    assert len(list((tmp_path / "drawn").rglob("*.annotated.png"))) == 6


def test_a_terminal_sees_a_bar(smear):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "leukoscope", "scan", str(smear)], stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    while b"could not be read" not in seen:
        seen += os.read(ours, 4096)
    assert process.wait(60) == 0
    os.close(ours)
    assert b"scanning: 100%" in seen
    assert b"4/4" in seen


def test_a_missing_pdf_writer_is_told_before_the_scan(smear, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fpdf", None)
    assert cli.main(["scan", str(smear), "--csv", str(tmp_path / "o.csv"), "--pdf", str(tmp_path / "o.pdf")]) == 2
    assert "pip install 'leukoscope[report]'" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_a_csv_may_name_anything(smear, tmp_path, capsys):
    csv, pdf = tmp_path / "o.csv", tmp_path / "o.pdf"
    assert cli.main(["scan", str(smear / "a.png"), "--csv", str(csv)]) == 0
    found = [cell.prediction for cell in Differential.read_csv(csv).cells]
    names = ["/dev/zero", "nul\0.png", "x" * 5000, str(smear), "", "../../gone.png"]
    counted = Differential.read_csv(csv).extend((name, found) for name in names)
    counted.write_csv(csv)
    words = ["--csv", str(csv), "--pdf", str(pdf), "--annotated", str(tmp_path / "drawn")]
    assert cli.main(["scan", str(smear), *words]) == 0
    assert Differential.read_csv(csv).photos[:7] == counted.photos
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 3
    assert len(PdfReader(pdf).pages[0].images) == len(found) + 3


def test_scan_help_shows_how(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["scan", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert " ".join(sorted(SUFFIXES)) in " ".join(text.split())
    for words in ("leukoscope scan smear/ --csv cells.csv", "same command goes on", "3 if none could", "Not a medical"):
        assert words in " ".join(text.split()), words
