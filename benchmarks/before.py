"""This build beside another commit's: each installed by itself, the same pictures, calls taking turns.

    python -m benchmarks.before a8b5784      # any commit, tag or branch; some five minutes
    make bench BEFORE=a8b5784                # after the table of make bench

Both are built as wheels and installed with what they need, in the versions that their own requirements.txt names, into
empty environments. A process of each answers; picture after picture goes to the one and then to the other, so that
other work on the machine meets both alike. Prints what each took and the ratio, and writes before.json beside this
file (--out elsewhere).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import process, spread
from benchmarks.ours import COLD, SERVING
from benchmarks.size import ROOT, build, install, weigh

FIELD = (4000, 3000)  # px of the wide field
FIELD_CELLS = 200
BULK = 600  # pictures

ANSWERING = """
import sys, time
from leukoscope import Classifier
classifier = Classifier.from_pretrained()
for line in sys.stdin:
    method, path = line.rstrip().split(" ", 1)
    with open(path, "rb") as file:
        data = file.read()
    began = time.perf_counter()
    getattr(classifier, method)(data)
    print(time.perf_counter() - began, flush=True)
"""
"""Answers to `method path` lines with the seconds that it took."""

BULK_OF_TWO = """
import sys, time
from leukoscope import Classifier
if __name__ == "__main__":
    paths = sys.argv[1:]
    many = (paths * ({total} // len(paths) + 1))[:{total}]
    answers = Classifier.from_pretrained().predict_batch(many, workers=2)
    next(answers)
    began = time.perf_counter()
    print(sum(1 for _ in answers) / (time.perf_counter() - began))
"""
"""Pictures a second with two workers, once they run."""


def installed(source: Path, folder: Path) -> Path:
    """The Python of an environment with a checkout's wheel, in the versions that its requirements.txt names."""
    return install(build(source, folder / "dist"), folder / "environment", versions(source, folder / "versions.txt"))


def versions(source: Path, file: Path) -> Path:
    """The versions that a checkout's requirements.txt names, in a file as pip wants it: without extras."""
    file.write_text(re.sub(r"\[[^]]*\]", "", (source / "requirements.txt").read_text()))
    return file


def checkout(commit: str, folder: Path) -> Path:
    """The files of a commit.

    Raises:
        ValueError: if there is no such commit here.
    """
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
    if archive.returncode:
        raise ValueError(f"{commit}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def in_turns(pythons: dict[str, Path], method: str, paths: list[Path], folder: Path) -> dict[str, list[float]]:
    """Seconds of a method for each picture by each build; the first picture is answered once more before.

    The processes run in `folder`: from this one they would import this checkout instead of what is installed.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": alone(), "cwd": folder}
    running = {name: subprocess.Popen([python, "-c", ANSWERING], **pipes) for name, python in pythons.items()}
    taken: dict[str, list[float]] = {name: [] for name in pythons}
    try:
        for path in (paths[0], *paths):
            for name, asked in running.items():
                asked.stdin.write(f"{method} {path}\n")
                asked.stdin.flush()
                if not (told := asked.stdout.readline()):
                    raise RuntimeError(f"the build {name!r} ended at {method} {path}")
                taken[name].append(float(told))
    finally:
        for asked in running.values():
            asked.stdin.close()
            asked.wait(60)
    return {name: seconds[1:] for name, seconds in taken.items()}


def alone() -> dict[str, str]:
    """The environment without what would lead an installed build to this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def bulk(python: Path, paths: list[Path], total: int) -> float:
    """Pictures a second with two workers."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bulk.py"
        script.write_text(BULK_OF_TWO.format(total=total))
        done = subprocess.run(
            [python, script, *paths], check=True, capture_output=True, text=True, env=alone(), cwd=folder
        )
    return float(done.stdout)


def compare(pythons: dict[str, Path], paths: dict[str, list[Path]], folder: Path, quick: bool) -> dict[str, dict]:
    """Each row: {unit, and for each build its median and its limits}.

    Args:
        pythons: of the environments, by name.
        paths: pictures of "photos", 640x480, and "copies", 320x240.
        folder: for what is drawn.
        quick: once each, on a small field.
    """
    from PIL import Image

    from leukoscope import CELL_TYPES
    from leukoscope.drawn.synthetic import draw_photo

    width, height = (800, 600) if quick else FIELD
    field = folder / "field.jpg"
    types = [CELL_TYPES[i % 4] for i in range(8 if quick else FIELD_CELLS)]
    Image.fromarray(draw_photo(types, seed=0, width=width, height=height, red_cell_px=48.0)[0]).save(field, quality=92)
    repeats = 1 if quick else 3

    def each(measure: Callable[[Path], list[float]], times: int) -> dict[str, list[float]]:
        taken: dict[str, list[float]] = {name: [] for name in pythons}
        for _ in range(times):
            for name, python in pythons.items():
                taken[name] += measure(python)
        return taken

    def whole(code: str, which: int) -> Callable[[Path], list[float]]:
        return lambda python: process(code, python=python, env=alone(), cwd=folder)[which]

    cold, serving = COLD.format(path=str(paths["photos"][0])), SERVING.format(paths=list(map(str, paths["photos"])))
    rows = {
        "one picture, 640x480": ("s", in_turns(pythons, "predict", paths["photos"] * repeats, folder)),
        "one picture, 320x240": ("s", in_turns(pythons, "predict", paths["copies"] * repeats, folder)),
        f"a field of {width:,} x {height:,} px, {len(types)} cells": (
            "s",
            in_turns(pythons, "scan", [field] * repeats, folder),
        ),
        "bulk, 2 workers": (
            "pictures/s",
            each(lambda python: [bulk(python, paths["photos"], 20 if quick else BULK)], repeats),
        ),
        "cold start": ("s", each(whole(cold, 0), 1 if quick else 7)),
        "peak memory of serving": ("MB", each(whole(serving, 1), 1)),
        "installed, without TensorFlow": ("MB", {n: [sum(weigh(python).values())] for n, python in pythons.items()}),
    }
    return {
        what: {"unit": unit, **{name: spread(values) for name, values in taken.items()}}
        for what, (unit, taken) in rows.items()
    }


def table(rows: dict[str, dict], before: str) -> str:
    """Rows to read, with the ratio of this build to the one before."""
    lines = [f"{'':<44}{before[:12]:>12}{'this build':>12}{'ratio':>8}  unit"]
    for what, row in rows.items():
        scale, unit = (1e3, "ms") if row["unit"] == "s" else (1.0, row["unit"])
        old, new = (row[name]["median"] * scale for name in ("before", "now"))
        lines.append(f"{what:<44}{old:>12.4g}{new:>12.4g}{new / old:>8.2f}  {unit}, n = {row['now']['n']}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.before", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="the build before")
    parser.add_argument("--data", type=Path, default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for before.json")
    args = parser.parse_args(argv)
    from benchmarks.__main__ import machine
    from benchmarks.pictures import files

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pictures").mkdir()
        (folder / "now").mkdir()
        try:
            source = checkout(args.commit, folder / "source")
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        paths = files(Path(args.data) if args.data else None, 100, folder / "pictures")
        pythons = {"before": installed(source, source.parent), "now": installed(ROOT, folder / "now")}
        rows = compare(pythons, paths, folder, quick=False)
    args.out.mkdir(parents=True, exist_ok=True)
    results = {"before": args.commit, "machine": machine(), "rows": rows}
    (args.out / "before.json").write_text(json.dumps(results, indent=1) + "\n")
    print(table(rows, args.commit))
    print(f"-> {args.out / 'before.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
