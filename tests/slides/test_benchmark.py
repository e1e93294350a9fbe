"""The benchmark of slides runs, on a slide that is small."""

import json

from benchmarks import slides


def test_each_part_is_measured_on_a_small_slide(tmp_path, monkeypatch):
    monkeypatch.setattr(slides, "SIDE", 512)
    out = tmp_path / "slides.json"
    some = ["--only", "speed", "cells", "--size", "4096", "3072", "--workers", "1", "--out", str(out)]
    assert slides.main(some) == 0
    results = json.loads(out.read_text())
    assert results["speed"]["tiles"] == 2
    assert results["speed"]["cells"] > 0
    assert results["speed"]["all"]["processor_seconds"] > results["speed"]["reading"]["processor_seconds"] > 0
    assert 50 < results["speed"]["memory_mb_most"] < 2000
    assert results["cells"]["tiles"] <= 2
