"""A short run of the fuzzer; `make fuzz` is the long one."""

import subprocess
import sys

import pytest

from leukoscope.errors import ImageError
from tests.conftest import ROOT
from tests.hostile import fuzz
from tests.hostile.fuzz import Tally, targets

EXECUTIONS = 1000


def test_a_short_run_ends_without_a_crash():
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--executions", str(EXECUTIONS), "--seed", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    last = done.stdout.splitlines()[-1]
    assert int(last.split()[0].replace(",", "")) >= EXECUTIONS
    assert int(last.split()[-2]) < 600, "MB"


def test_good_files_are_read():
    for name, (read, seeds, _) in targets().items():
        for data in seeds:
            read(data)
        assert seeds, name


def refuse(error):
    def read(data):
        raise error

    return read


def test_it_notices_a_crash_and_a_refusal_without_a_reason():
    tally = Tally()
    tally.run("x", refuse(ImageError("because")), b"")
    assert tally.outcomes["x", "refused"] == 1
    for error in (IndexError("x"), MemoryError(), ImageError("")):
        with pytest.raises(type(error)):
            tally.run("x", refuse(error), b"")


def test_it_notices_what_takes_long(monkeypatch):
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.01)
    with pytest.raises(AssertionError, match=" s"):
        Tally().run("x", lambda data: sum(range(2_000_000)), b"")
