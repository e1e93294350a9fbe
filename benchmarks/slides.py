"""What a scan of a whole slide takes: time beside reading alone, memory, 200 cells, Ray, and whether 200 tell all.

python -m benchmarks.slides                      # all of it: some 10 minutes on two quiet cores
python -m benchmarks.slides --only speed cells   # parts of it
python -m benchmarks.slides --slides 10          # fewer slides for the last part

Prints its numbers and writes slides.json beside this file (--out elsewhere). Slides are drawn, of 40,000 x 30,000 px at
0.1 µm, in tiles of JPEG; tiles that look alike lie in the file once, so that the disk has no part in the times. A time
is given by the clock and by the processors: on a machine that others use only the latter can be compared.

speed      --all beside reading every tile of the same level with as many processes, and the memory of all processes
cells      --cells 200
ray        --all by Ray with one worker and with two: as a whole, and from the first answered tile to the last
drawn      slides of other mixtures of types: is the share of each type among all cells within the limits of 200?
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import made_slides
from benchmarks.made_slides import Block
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting.limits import clopper_pearson
from leukoscope.slides import Found

SIZE = (40_000, 30_000)
SIDE = 1024  # px of a block
SPARSE = ([], ["neutrophil"], ["lymphocyte"], ["neutrophil", "monocyte"], ["eosinophil"], ["neutrophil", "lymphocyte"])
PARTS = ("speed", "cells", "ray", "drawn")
EVERY = 0.25  # s from one look at the memory to the next
MOST_MB = 700
TURNS = 3  # of Ray with one worker and with two
READ = """
import sys
from concurrent.futures import ProcessPoolExecutor
import openslide
path, level, side, workers = sys.argv[1], *map(int, sys.argv[2:])
def rows(first):
    slide = openslide.OpenSlide(path)
    width, height = slide.level_dimensions[level]
    step = slide.level_downsamples[level]
    for y in range(first * side, height, side * workers):
        for x in range(0, width, side):
            slide.read_region((round(x * step), round(y * step)), level, (min(side, width - x), min(side, height - y)))
if __name__ == "__main__":
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(rows, range(workers)))
"""
"""Reads every tile of a level, and does nothing with it."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slides", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--slides", type=int, default=40, help="of the last part; default 40")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("W", "H"), help="px; default 40000 30000")
    parser.add_argument("--workers", type=int, default=2, help="processes; default 2")
    parser.add_argument("--work", type=Path, help="folder that keeps what is drawn, for another run; default: none")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("slides.json"))
    args = parser.parse_args(argv)
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "slide.tif"
        work = args.work or folder
        work.mkdir(parents=True, exist_ok=True)
        if set(args.only) - {"drawn"}:
            large_slide(path, tuple(args.size), work)
        for part in args.only:
            load = os.getloadavg()[0]
            if part == "speed":
                row = speed(path, folder, args.workers)
            elif part == "cells":
                row = cells(path, folder, args.workers)
            elif part == "ray":
                row = on_ray(path, folder)
            else:
                row = drawn(folder, args.slides, args.workers, work)
            results[part] = row | {"load_before": round(load, 1), "load_after": round(os.getloadavg()[0], 1)}
            print(part, json.dumps(results[part], indent=1), flush=True)
            args.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def kept_block(work: Path, types: Sequence[str], seed: int) -> Block:
    """A drawn block, or the same from an earlier run."""
    file = work / f"{SIDE}-{seed}-{'-'.join(types)}.npz"
    if not file.exists():
        block = made_slides.drawn_block(types, seed=seed, side=SIDE)
        np.savez(file, pixels=block.pixels, boxes=np.array([box for _, box in block.cells]).reshape(-1, 4))
    with np.load(file) as kept:
        return Block(kept["pixels"], tuple(zip(types, map(tuple, kept["boxes"].tolist()), strict=True)))


def large_slide(path: Path, size: tuple[int, int], work: Path) -> None:
    """Draw a slide: thick at its left, one layer in the middle with a part out of focus, glass at its right."""
    fields = [kept_block(work, types, number) for number, types in enumerate(SPARSE)]
    blocks = [*fields, made_slides.glass_block(side=SIDE), made_slides.thick_block(fields[0])]
    blocks.append(made_slides.blurred_block(fields[1]))
    rows, columns = -(-size[1] // SIDE), -(-size[0] // SIDE)
    layout = np.random.default_rng(1).integers(0, len(fields), (rows, columns))
    layout[:, : columns // 8] = len(fields) + 1
    layout[rows // 3 : rows // 2, columns // 2 : columns * 5 // 8] = len(fields) + 2
    layout[:, columns * 7 // 8 :] = len(fields)
    made_slides.write_slide(path, blocks, layout, size)


class Watched:
    """A command, its time by the clock and by the processors, and the memory of it and its processes."""

    def __init__(self, command: list[str]) -> None:
        self.memory: list[tuple[float, float]] = []
        before = os.times()
        began = time.perf_counter()
        self._run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        self.output = self._run.communicate()[0]
        self.seconds = time.perf_counter() - began
        after = os.times()
        self.processors = after.children_user + after.children_system - before.children_user - before.children_system
        if self._run.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {self._run.returncode}")

    def _watch(self) -> None:
        while self._run.poll() is None:
            self.memory.append((time.perf_counter(), sum(map(_mb, _tree(self._run.pid)))))
            time.sleep(EVERY)

    def times(self) -> dict:
        return {"seconds": round(self.seconds, 1), "processor_seconds": round(self.processors, 1)}


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(below for child in children for below in _tree(int(child)))]


def _mb(pid: int) -> float:
    """The memory of a process, its part of what it shares included, MB; 0 if it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def speed(path: Path, folder: Path, workers: int) -> dict:
    from leukoscope.slides import Slide, plan
    from leukoscope.slides.tiles import SIDE as TILE

    with Slide(path) as slide:
        level = plan(slide, slide.microns or 0.1).level
    script = folder / "read.py"
    script.write_text(READ)
    read = Watched([sys.executable, str(script), str(path), str(level), str(TILE), str(workers)])
    whole = Watched(scan(path, folder / "all", "--all", "--workers", str(workers)))
    kept = [megabytes for _, megabytes in whole.memory]
    tenth = max(1, len(kept) // 10)
    settled = kept[tenth:]  # the first tenth is of starting
    counted = json.loads(whole.output)[0]
    return {
        "pixels": slide.levels[0].width * slide.levels[0].height,
        "level": level,
        "workers": workers,
        "tiles": counted["tiles"],
        "cells": len(counted["cells"]),
        "reading": read.times(),
        "all": whole.times(),
        "ratio_by_clock": round(whole.seconds / read.seconds, 2),
        "ratio_by_processors": round(whole.processors / read.processors, 2),
        "memory_mb_most": round(max(kept)),
        "memory_mb_by_tenth": [round(max(part)) for part in np.array_split(np.array(settled), 9) if len(part)],
        "memory_under_700": max(kept) <= MOST_MB,
    }


def scan(path: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "leukoscope", "scan", str(path), "--json", "--out", str(out), *options]


def cells(path: Path, folder: Path, workers: int) -> dict:
    run = Watched(scan(path, folder / "cells", "--cells", "200", "--workers", str(workers)))
    counted = json.loads(run.output)[0]
    lines = (folder / "cells" / path.name / "tiles.jsonl").read_text().splitlines()[1:]
    return {"cells": len(counted["cells"]), "tiles": counted["tiles"], "tiles_done": len(lines)} | run.times()


def on_ray(path: Path, folder: Path) -> dict:
    """The same scan by Ray with one worker and with two: its start and end, a good part of the whole, do not shrink.

    They take turns, and the quickest of each stands: other work on the machine slows some of them.
    """
    runs = [[by_ray(path, folder / f"ray{workers}-{turn}", workers) for workers in (1, 2)] for turn in range(TURNS)]
    cells = [found for turn in runs for found, _ in turn]
    one, two = (
        {key: min(times[key] for _, times in some) for key in ("whole", "first_tile_to_last")}
        for some in zip(*runs, strict=True)
    )
    return {
        "cells": len(cells[0]),
        "same_rows": all(found == cells[0] for found in cells),
        "turns": TURNS,
        "1_worker": one,
        "2_workers": two,
        "times_as_fast": {key: round(one[key] / two[key], 2) for key in one},
    }


def by_ray(path: Path, out: Path, workers: int) -> tuple[Sequence[Found], dict]:
    """The cells, and the seconds by the clock."""
    from leukoscope import Classifier
    from leukoscope.slides import scan_slide
    from leukoscope.slides.on_ray import engine

    heard: list[float] = []  # first that nothing is done yet, then each tile
    began = time.perf_counter()
    scan = scan_slide(
        path,
        Classifier.from_pretrained(),
        out=out,
        cells=None,
        workers=workers,
        engine=engine(),
        seen=lambda progress: heard.append(time.perf_counter()),
    )
    whole = time.perf_counter() - began
    scan.slide.close()
    return scan.cells, {"whole": round(whole, 1), "first_tile_to_last": round(heard[-1] - heard[1], 1)}


def drawn(folder: Path, count: int, workers: int, work: Path) -> dict:
    """40 slides of other mixtures: after --all, what 200 cells say follows from the same tiles' answers."""
    from leukoscope import Classifier
    from leukoscope.slides import scan_slide

    classifier = Classifier.from_pretrained()
    pool: list[Block] = []
    for number in range(12):
        rng = np.random.default_rng(100 + number)
        shares = rng.dirichlet([1.0, 2.0, 1.0, 3.0])
        pool.append(kept_block(work, rng.choice(CELL_TYPES, 6, p=shares).tolist(), number))
    hits, inside, joint = [], 0, 0
    for number in range(count):
        rng = np.random.default_rng(number)
        layout = rng.choice(len(pool), (8, 10), p=rng.dirichlet([1.0] * len(pool)))
        path, out = folder / f"{number}.tif", folder / f"drawn-{number}"
        made_slides.write_slide(path, pool, layout)
        whole = scan_slide(path, classifier, out=out, cells=None, workers=workers)
        some = scan_slide(path, classifier, out=out, cells=200)
        whole.slide.close()
        some.slide.close()
        path.unlink()
        everything = [cell.prediction.label for cell in whole.cells]
        sample = [cell.prediction.label for cell in some.cells]
        within = []
        for name in CELL_TYPES:
            low, high = clopper_pearson(sample.count(name), len(sample))
            within.append(low <= everything.count(name) / len(everything) <= high)
        inside += sum(within)
        joint += all(within)
        hits.append([len(sample), len(everything), *within])
    return {
        "slides": count,
        "types_within": f"{inside} of {4 * count}",
        "share_of_types_within": round(inside / (4 * count), 3),
        "slides_with_all_four_within": joint,
        "median_cells": [int(np.median([hit[k] for hit in hits])) for k in (0, 1)],
    }


if __name__ == "__main__":
    sys.exit(main())
