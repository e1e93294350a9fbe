"""Every case of the corpus, in a process of its own: no crash, no hang, no memory, and a reason for each refusal."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from leukoscope.counting.counted import neutral, restore
from leukoscope.counting.differential import Differential
from tests.hostile.corpus import cases

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 2
MOST_MB = 600


@pytest.fixture(scope="module")
def results() -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile"], cwd=ROOT, capture_output=True, text=True, timeout=550
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_case_was_run_and_there_are_many(results):
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names) >= 400
    assert [result["name"] for result in results] == names


def test_nothing_but_image_error_is_raised(results):
    assert [(r["name"], r["crash"]) for r in results if r["crash"]] == []


def test_what_is_refused_is_told_why_and_what_is_good_is_read(results):
    expected = {case.name: case.expected for case in cases()}
    wrong = [(r["name"], r["outcome"]) for r in results if not re.search(expected[r["name"]], r["outcome"])]
    assert wrong == []


def test_no_case_takes_long(results):
    assert [(r["name"], r["seconds"]) for r in results if r["seconds"] > MOST_SECONDS] == []


def test_no_case_takes_much_memory(results):
    assert [(r["name"], r["mb"]) for r in results if r["mb"] > MOST_MB] == []


def test_no_reason_holds_a_control_character_or_the_words_of_a_crash(results):
    for result in results:
        reason = result["outcome"]
        assert "Traceback" not in reason
        assert "site-packages" not in reason
        assert len(reason) < 2000 or "left out" in reason, result["name"]


NAMES = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x", "'=1", "''", "'"),
    *("=cmd|' /C calc'!A0", '=HYPERLINK("http://127.0.0.1","x")', "a,b", 'a"b', "a\nb", "a\r\nb", "a;b", "a\0b"),
    *("", " ", "x" * 300, "\x1b[31m", "\u202egnp.exe", "細胞", "\ufeff=1", "a\x85b", "a\u2028b", "NaN", "1e9"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_goes_into_a_csv_and_comes_back_and_is_no_formula(name, tmp_path):
    count = Differential.from_predictions([(name, [])])
    count.write_csv(tmp_path / "o.csv")
    assert Differential.read_csv(tmp_path / "o.csv").photos == (name,)
    cell = neutral(name)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert restore(cell) == name
