"""Commands run as on an older processor, or a busy one; the model's answers are the same there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import processors, steps
from benchmarks.processors import EMULATOR, apart, child, draw, lines, unlike
from leukoscope.model.checkpoint import GOLDEN_TOLERANCE

ROOT = Path(__file__).parents[2]


def elsewhere(*words: str, code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks.elsewhere", *words, "--", sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_mask_reaches_the_libraries():
    code = """
import contextlib, io, json
import cv2
import numpy as np
from training.fitting.precision import native_bfloat16
held = io.StringIO()
with contextlib.redirect_stdout(held):
    np.show_runtime()
used = held.getvalue().split("'not_found'")[0]
lines = [line for line in cv2.getCPUFeaturesLine().split() if "512" in line and not line.endswith("?")]
print(json.dumps([[name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if name in used], lines, native_bfloat16()]))
"""
    done = elsewhere("--isa", "avx2", code=code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], [], False]


def test_others_compute_beside_it_and_end_with_it():
    code = """
import os, pathlib, sys
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdecimal() and (entry / "stat").exists():
        if int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1]) == os.getppid() != os.getpid():
            print(entry.name)
sys.exit(7)
"""
    done = elsewhere("--busy", "2", code=code)
    assert done.returncode == 7
    found = done.stdout.split()
    assert len(found) == 3, "two that only compute, and the command"
    assert not any(Path("/proc", pid).exists() for pid in found)


def test_make_hands_both_on():
    # The tests may be run by such a make themselves, which hands its variables on.
    own = {name: value for name, value in os.environ.items() if name not in ("ISA", "BUSY", "MAKEFLAGS", "MFLAGS")}

    def made(*words: str) -> str:
        command = ["make", "-n", "test", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=own).stdout

    elsewhere = made("ISA=avx2", "BUSY=2")
    assert "python -m benchmarks.elsewhere --isa avx2 --busy 2 -- .venv/bin/python -m pytest" in elsewhere
    plain = made()
    assert "elsewhere" not in plain
    assert ".venv/bin/python -m pytest" in plain


def assert_same(found: dict) -> None:
    assert found["labels"] == found["verdicts"] == 0
    assert found["box_px"] <= 1
    assert found["probability"] <= GOLDEN_TOLERANCE


def test_answers_are_the_same_on_a_processor_without_avx512(tmp_path):
    draw(tmp_path, 20)
    found = unlike(child(str(tmp_path)), child(str(tmp_path), isa="avx2"))
    assert found["cells"] > 20
    assert_same(found)


@pytest.mark.skipif(not shutil.which(EMULATOR), reason="qemu-user is not installed: no emulated processor was asked")
def test_answers_are_the_same_on_an_emulated_processor(tmp_path):
    draw(tmp_path, 2)
    assert_same(unlike(child(str(tmp_path)), child(str(tmp_path), [EMULATOR, "-cpu", "Haswell"])))


def test_what_differs_is_counted():
    here = [["monocyte", "confident", [0, 0, 9, 9], [0.1, 0.9]], ["monocyte", "review", [0, 0, 5, 5], [0.4, 0.6]]]
    there = [["monocyte", "review", [0, 2, 9, 9], [0.2, 0.8]], ["neutrophil", "review", [0, 0, 5, 5], [0.4, 0.6]]]
    assert unlike(here, there) == {
        "cells": 2,
        "labels": 1,
        "verdicts": 1,
        "box_px": 2,
        "probability": pytest.approx(0.1),
    }
    with pytest.raises(RuntimeError, match="2 cells were found here and 1 there"):
        unlike(here, there[:1])
    assert apart([0.5, [3.0, 4.0]], [0.75, [3.0, 3.0]])["weights"] == pytest.approx(0.2)


def test_the_table_of_processors_is_as_measured():
    recorded, text = json.loads(processors.RESULTS.read_text()), (ROOT / "docs/reliability.md").read_text()
    for line in lines(recorded):
        assert f"    {line}\n" in text, line
    for kind in ("masked", "emulated"):
        assert_same(recorded[kind])


def test_the_first_steps_are_timed_in_both_precisions(tmp_path, capsys):
    out = tmp_path / "steps.json"
    other = {"processor": "another", "mask": "", "native": False}
    out.write_text(json.dumps([other]))
    assert steps.main(["--steps", "2", "--out", str(out)]) == 0
    kept, row = json.loads(out.read_text())
    assert kept == other, "another processor's numbers stay"
    printed = capsys.readouterr().out.splitlines()
    assert printed == [steps.heading(row), *(steps.line(row, precision) for precision in steps.PRECISIONS)]
    assert all(row[precision]["steps"] == 2 and row[precision]["step"] > 0 for precision in steps.PRECISIONS)


def test_training_takes_as_long_as_the_documents_say():
    rows = json.loads(steps.RESULTS.read_text())
    assert [row["native"] for row in rows] == [True, False], "both kinds of processor"
    page = (ROOT / "docs/training.md").read_text()
    for row in rows:
        for line in (steps.heading(row), *(steps.line(row, precision) for precision in steps.PRECISIONS)):
            assert f"    {line}\n" in page, line
