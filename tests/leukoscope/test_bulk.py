"""Many pictures in several processes: the same answers in the same order, and errors where they belong."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES, ImageError, LeukoscopeError, cli
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.bulk import AHEAD, CHUNK, answers, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty pictures, one of them empty."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(20):
        types = [] if i == 3 else [CELL_TYPES[i % 4]]
        Image.fromarray(draw_photo(types, seed=i, width=320, height=240, red_cell_px=48.0)[0]).save(
            folder / f"{i:02}.png"
        )
    return folder


@pytest.fixture(scope="module")
def paths(folder):
    return sorted(map(str, folder.glob("*.png")))


def test_workers_answer_as_one_process_does(classifier, paths):
    alone = [classifier.predict(path) for path in paths]
    together = list(classifier.predict_batch(paths, workers=2))
    assert [(p.label, p.box, p.verdict) for p in together] == [(p.label, p.box, p.verdict) for p in alone]
    np.testing.assert_allclose([p.confidence for p in together], [p.confidence for p in alone], atol=1e-5)
    scanned = list(classifier.scan_batch(paths, workers=2))
    assert [len(cells) for cells in scanned] == [len(classifier.scan(path)) for path in paths]
    assert scanned[3] == []
    assert list(classifier.scan_batch(paths[:4])) == [classifier.scan(path) for path in paths[:4]]


def test_pictures_are_taken_as_they_are_needed(classifier, paths):
    taken = []

    def pictures():
        for path in paths * 10:
            taken.append(path)
            yield path

    next(classifier.predict_batch(pictures(), workers=2))
    assert len(taken) <= 2 * AHEAD * CHUNK


def test_an_unreadable_picture_is_an_error_in_its_place(classifier, paths):
    mixed = [paths[0], b"nothing", paths[1]]
    first, error, last = answers(classifier.opener, "predict", mixed, 2)
    assert (first.label, last.label) == (classifier.predict(paths[0]).label, classifier.predict(paths[1]).label)
    assert isinstance(error, ImageError)
    given = classifier.predict_batch(mixed, workers=2)
    assert next(given).label == first.label
    with pytest.raises(ImageError, match="not a picture"):
        next(given)


def _die(classifier, items):
    os._exit(1)


def test_a_worker_that_dies_is_told(classifier):
    with pytest.raises(LeukoscopeError, match="ended on its own"):
        list(run(classifier.opener, _die, range(3), 2))


def test_one_process_does_not_load_what_several_need():
    script = "import sys; from leukoscope import Classifier; Classifier.from_pretrained(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'leukoscope.model.hub'" in done.stdout
    assert "'leukoscope.model.bulk'" not in done.stdout


def test_the_command_line_shares_the_work(folder, paths, tmp_path):
    words = [sys.executable, "-m", "leukoscope"]
    outputs = [
        subprocess.run([*words, "classify", "--workers", n, *paths], capture_output=True, text=True).stdout
        for n in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == len(paths)
    (folder / "broken.jpg").write_bytes(b"x")
    counts = []
    for n in ("1", "2"):
        done = subprocess.run(
            [*words, "scan", str(folder), "--workers", n, "--csv", tmp_path / n, "--annotated", tmp_path / f"drawn{n}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "broken.jpg" in done.stderr
        counts.append(done.stdout)
        assert len(list((tmp_path / f"drawn{n}").rglob("*.png"))) == len(paths)
    assert counts[0] == counts[1]
    assert (tmp_path / "1").read_text() == (tmp_path / "2").read_text()


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1000"])
def test_a_wrong_number_of_workers_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["scan", ".", "--workers", wrong])
    assert stop.value.code == 2
    assert "whole number from 1 to 256" in capsys.readouterr().err
