"""The benchmarks of slides run, on a slide and photos that are small."""

import json
from pathlib import Path

from PIL import Image

from benchmarks import slide_levels, slides


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


def test_what_a_coarser_level_costs_is_counted(tmp_path, monkeypatch, blocks):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, block in zip(files, blocks, strict=True):
        Image.fromarray(block.pixels).save(file)
    monkeypatch.setattr(slide_levels, "photos", lambda: {"bccd": files})
    out = tmp_path / "slide_levels.json"
    assert slide_levels.main(["--out", str(out)]) == 0
    for row in json.loads(out.read_text())["bccd"].values():
        assert row["photos"] == 3
        assert row["on_both"] >= sum(len(block.cells) for block in blocks)
        assert 0 < row["edges_apart_um_median_and_99_percent"][0] < 0.5


def test_on_a_level_without_the_photos_cells_all_are_on_the_finest_alone(blocks, classifier, monkeypatch):
    monkeypatch.setattr(slide_levels, "as_level", lambda picture, step: Image.new("RGB", (256, 256), (235, 230, 228)))
    row = slide_levels.beside(classifier, [Image.fromarray(blocks[0].pixels)], 0.1, 0.4)
    assert (row["on_both"], row["on_the_coarser_alone"]) == (0, 0)
    assert row["on_the_finest_alone"] >= len(blocks[0].cells)
    assert row["edges_apart_um_median_and_99_percent"] == []


NAMES = {"bccd": "the Kaggle set", "lisc": "LISC", "raabin": "Raabin"}


def test_the_page_quotes_what_was_measured():
    root = Path(slides.__file__).parents[1]
    page = (root / "docs/slides.md").read_text()
    measured = json.loads((root / "benchmarks/slides.json").read_text())
    speed, cells, ray, drawn = (measured[part] for part in slides.PARTS)
    reading, whole = (speed[what]["processor_seconds"] for what in ("reading", "all"))
    memory = ", ".join(map(str, speed["memory_mb_by_tenth"]))
    one, two, gain = ray["1_worker"], ray["2_workers"], ray["times_as_fast"]
    tiles = "first_tile_to_last"
    wanted = [
        f"{whole} s against {reading} s: {speed['ratio_by_processors']} times",
        f"{speed['memory_mb_most']} MB at most; by ninth of the run {memory}",
        f"{cells['processor_seconds']} s ({cells['cells']} cells, {cells['tiles']} tiles of {speed['tiles']})",
        f"{two[tiles]} s against {one[tiles]} s: {gain[tiles]} times as fast",
        f"{two['whole']} s against {one['whole']} s: {gain['whole']} times as fast",
        f"{drawn['types_within']} types; all four of {drawn['slides_with_all_four_within']} of {drawn['slides']}",
    ]
    for lab, levels in json.loads((root / "benchmarks/slide_levels.json").read_text()).items():
        for level, row in levels.items():
            numbers = " | ".join(str(value) for value in list(row.values())[:5])
            wanted.append(f"| {NAMES[lab]}, {level} | {numbers} |")
    assert [words for words in wanted if words not in page] == []
