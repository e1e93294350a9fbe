"""What docs/scale.md says was measured is what the measurement wrote, and the simulation agrees with the formula."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from benchmarks.growth import Study, cost_of_a_million_cells, growth, limits, simulate
from benchmarks.pictures import linked, small_pictures
from benchmarks.reading import reading
from benchmarks.scale import DOCUMENT, lines, main, quoted, unlike

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "benchmarks" / "scale.json").read_text())
STUDY = Study(cores=16, core=200.0, portion=256, driver=0.02, listed=20_000, listers=4, store=12.5e9, size=10_000)


@pytest.mark.parametrize("part", RESULTS)
def test_the_document_quotes_what_was_printed(part):
    text = DOCUMENT.read_text()
    for line in lines(RESULTS[part]):
        assert f"    {line.rstrip()}\n" in text, line
    assert quoted(text, RESULTS) == text


def test_what_was_measured_is_what_is_promised():
    assert RESULTS["speed"]["rows_unlike_one_process_1"] == RESULTS["speed"]["rows_unlike_one_process_2"] == 0
    kills = RESULTS.get("kills", {})
    assert [value for name, value in kills.items() if name.endswith("rows_unlike")] == [0, 0][: len(kills)]
    assert RESULTS["memory"]["driver_peak_mb"] < 1000
    tenths = RESULTS["memory"]["driver_mb_at_each_tenth"]
    assert max(tenths[5:]) < 1.15 * max(tenths[:5]), "flat"


@pytest.mark.parametrize(
    ("change", "stopped_by"),
    [({}, "cores"), ({"cores": 1600}, "driver"), ({"listed": 500}, "listing"), ({"store": 10e6}, "store")],
)
def test_the_simulation_meets_the_formula_whatever_stops_it(change, stopped_by):
    study = replace(STUDY, **change)
    each = limits(study)
    assert min(each, key=each.get) == stopped_by
    assert simulate(study, rounds=60) == pytest.approx(each[stopped_by], rel=0.12)


def test_growth_and_cost():
    rows = growth(STUDY)
    assert [row["nodes"] for row in rows] == [1, 2, 5, 10, 20, 50, 100]
    speeds = [row["formula_per_s"] for row in rows]
    assert speeds == sorted(speeds)
    assert rows[-1]["with_small_portions_per_s"] < rows[-1]["formula_per_s"]
    # 1 million photos at 100 a second are 10,000 s; at 3.6 an hour that is 10, and a million reads are another 0.4.
    assert cost_of_a_million_cells(100, 1.0, 3.6, 0.0004) == pytest.approx(10.4)


def test_rows_that_differ_are_counted():
    rows = [("a", 1, 0.1), ("b", 1, 0.2)]
    assert unlike(rows, rows) == 0
    assert unlike(rows, [("a", 1, 0.1), ("b", 1, 0.2000000000000001)]) == 1
    assert unlike([*rows, rows[1]], rows) == 1


def test_single_files_wait_for_a_store_and_archives_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.reading.SECONDS", 0.5)
    monkeypatch.setattr("benchmarks.reading.DELAYS", (0.1,))
    photos = linked(None, tmp_path / "photos", 60)
    found = [reading(photos, tmp_path) for _ in range(3)]  # a machine that other tests use pauses now and then
    assert median(row["one_archive_per_s_100_ms"] / row["single_files_per_s_100_ms"] for row in found) > 1.2
    assert len({path.read_bytes() for path in small_pictures(tmp_path / "small", 30, 10).rglob("*.jpg")}) == 10


def test_parts_that_were_not_asked_for_keep_their_numbers(tmp_path, capsys):
    out = tmp_path / "scale.json"
    out.write_text(json.dumps(RESULTS))
    assert main(["--only", "growth", "--node-hour", "1", "--out", str(out)]) == 0
    again = json.loads(out.read_text())
    assert again["growth"]["node_hour"] == 1
    assert {**again, "growth": 0} == {**RESULTS, "growth": 0}
    assert "with_small_portions_per_s" in capsys.readouterr().out
