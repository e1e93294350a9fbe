import json
import os
import subprocess
import sys

import pytest
from PIL import Image
from pypdf import PdfReader

from leukoscope import CELL_TYPES, Classifier, Prediction, __version__, cli
from leukoscope.commands import shared as command
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.showing.wording import seen_text


@pytest.fixture
def cell(tmp_path):
    path = tmp_path / "cell.png"
    Image.fromarray(draw_photo(["monocyte"], seed=0)[0]).save(path)
    return path


def test_classify_prints_a_line_a_picture(cell, capsys):
    assert cli.main(["classify", str(cell), str(cell)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    answer = Classifier.from_pretrained().predict(cell)
    assert lines[0].startswith(f"{cell}: {answer.label} ")
    assert seen_text(answer)
    assert lines[0].endswith(seen_text(answer))


def test_a_reader_that_ends_early_is_no_error(cell):
    words = [sys.executable, "-m", "leukoscope", "classify", *[str(cell)] * 3]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (command.NOT_READ, "")


def test_classify_json_holds_the_whole_prediction(cell, capsys):
    assert cli.main(["classify", "--json", str(cell)]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    prediction = Classifier.from_pretrained().predict(cell)
    assert answer["image"] == str(cell)
    assert answer["label"] == prediction.label
    assert answer["probabilities"] == prediction.probabilities
    assert list(answer["probabilities"]) == list(CELL_TYPES)
    assert answer["verdict"] == prediction.verdict


def test_an_empty_field_is_an_answer(tmp_path, capsys):
    path = tmp_path / "empty.png"
    Image.fromarray(draw_photo([], seed=0)[0]).save(path)
    assert cli.main(["classify", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no white cell found\n"
    Image.new("RGB", (90, 90)).save(path)
    assert cli.main(["classify", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no white cell found: the picture is nearly black\n"


def test_bad_input_ends_with_2_and_one_line_each_and_the_rest_is_answered(cell, tmp_path, capsys):
    text = tmp_path / "note.jpg"
    text.write_text("not a picture")
    assert cli.main(["classify", str(text), str(cell), str(tmp_path / "none.png")]) == 2
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    errors = printed.err.splitlines()
    assert len(errors) == 2
    assert "note.jpg: not a picture of a known format" in errors[0]
    assert "no such file" in errors[1]


def test_an_unusable_model_ends_with_2(cell, tmp_path, capsys):
    assert cli.main(["classify", "--model", str(tmp_path), str(cell)]) == 2
    assert "is not a checkpoint" in capsys.readouterr().err
    assert cli.main(["info", "--model", "nowhere"]) == 2


def test_info_prints_json(capsys):
    assert cli.main(["info"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["source"] == "embedded"
    assert info["labels"] == list(CELL_TYPES)


def test_help_answers_at_once_and_imports_nothing_heavy():
    times = []  # of the processor: what else the machine does is not the command's fault
    for _ in range(5):
        began = sum(os.times()[2:4])
        done = subprocess.run([sys.executable, "-m", "leukoscope", "--help"], capture_output=True, text=True)
        times.append(sum(os.times()[2:4]) - began)
    assert done.returncode == 0
    assert "not a medical device" in done.stdout
    assert min(times) < 0.3
    script = (
        "import sys, leukoscope.cli; print([m for m in ('numpy', 'cv2', 'onnxruntime', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_no_command_is_an_error():
    with pytest.raises(SystemExit) as stop:
        cli.main([])
    assert stop.value.code == 2


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"leukoscope {__version__}\n"


def test_a_folder_given_to_classify_names_the_command_for_it(tmp_path, capsys):
    assert cli.main(["classify", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"leukoscope: {tmp_path} is a folder: leukoscope scan {tmp_path} counts its photos\n"
    )


def test_a_field_with_more_cells_says_how_many_more(tmp_path, capsys):
    path = tmp_path / "field.png"
    Image.fromarray(draw_photo(["neutrophil", "lymphocyte", "monocyte"], seed=5, width=640, height=480)[0]).save(path)
    found = Classifier.from_pretrained().scan(path)
    assert len(found) == 3
    assert cli.main(["classify", str(path)]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert f"{path}: 2 more white cells in it; leukoscope scan {path} counts them all" in printed.err


def prediction(verdict):
    shares = dict(zip(CELL_TYPES, (0.0, 0.0003, 0.9996, 0.0001), strict=True))
    return Prediction("monocyte", shares, 0.9996, (0, 0, 9, 9), verdict)


def test_the_verdict_comes_first_where_the_label_does_not_stand():
    assert cli._line("a.png", prediction("unfamiliar")) == (
        "a.png: unfamiliar (perhaps none of the four; if it were one of the four: "
        "monocyte >99.9 %, lymphocyte <0.1 %, neutrophil <0.1 %, eosinophil 0.0 %)"
    )
    assert cli._line("a.png", prediction("review")).startswith("a.png: monocyte or lymphocyte? (to review; if it were")
    assert cli._line("a.png", prediction("confident")) == (
        "a.png: monocyte >99.9 % (confident; lymphocyte <0.1 %, neutrophil <0.1 %, eosinophil 0.0 %)"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scan", "nosuchdir"], "nosuchdir: there is no such file or folder"),
        (["scan", ".", "--csv", "report.pdf"], "--csv report.pdf: give it a name that ends with .csv"),
        (["scan", ".", "--pdf", "count.csv"], "--pdf count.csv: give it a name that ends with .pdf"),
        (["scan", ".", "--sample", "A"], "--sample, --reader and --comment are of --pdf FILE"),
        (["info", "--model", "./nodir"], "--model ./nodir: there is no such folder"),
        (["info", "--model", "/nodir/x"], "--model /nodir/x: there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_plain_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert capsys.readouterr().err == f"leukoscope: {said}\n"


def test_what_a_person_says_of_the_sample_stands_in_the_report(cell, tmp_path):
    words = ["scan", str(cell), "--pdf", str(tmp_path / "out.pdf"), "--sample", "Smear 12", "--comment", "thick"]
    assert cli.main(words) == 0
    text = PdfReader(tmp_path / "out.pdf").pages[0].extract_text()
    assert "Sample: Smear 12" in text
    assert "Comment: thick" in text
