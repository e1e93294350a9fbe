import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from leukoscope import CELL_TYPES, Classifier, cli, command
from leukoscope.synthetic import draw_photo


@pytest.fixture
def cell(tmp_path):
    path = tmp_path / "cell.png"
    Image.fromarray(draw_photo(["monocyte"], seed=0)[0]).save(path)
    return path


def test_classify_prints_a_line_a_picture(cell, capsys):
    assert cli.main(["classify", str(cell), str(cell)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{cell}: {Classifier.from_pretrained().predict(cell).label} ")


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
