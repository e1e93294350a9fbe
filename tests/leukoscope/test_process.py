"""A process that answers keeps the memory of one picture for the next."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from leukoscope.model.process import prepare

SCRIPT = """
import io, resource
from leukoscope import Classifier
from leukoscope.pictures.images import read_image
from leukoscope.drawn.synthetic import draw_photo
from PIL import Image
held = io.BytesIO()
Image.fromarray(draw_photo(["neutrophil"], seed=0, width=640, height=480)[0]).save(held, "JPEG")
Classifier.from_pretrained()
for _ in range(5):
    read_image(held.getvalue())
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    read_image(held.getvalue())
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


def test_no_page_is_asked_for_anew():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert float(done.stdout) < 100, done.stderr


@pytest.mark.parametrize("missing", [OSError, TypeError, AttributeError], ids=["no library", "Windows", "no mallopt"])
def test_another_c_library_is_left_alone(monkeypatch, missing):
    def library(name):
        if missing is AttributeError:
            return SimpleNamespace()
        raise missing

    monkeypatch.setattr(ctypes, "CDLL", library)
    prepare()
