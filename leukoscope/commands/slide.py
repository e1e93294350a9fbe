"""The part of `leukoscope scan` that is for whole slides: what is one, and what is printed and written of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukoscope.commands.shared import ALL_BAD, BAD_INPUT, complain, load
from leukoscope.errors import visible

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier
    from leukoscope.slides import SlideScan

OF_PHOTOS = ("csv", "pdf", "annotated", "all_pages", "count_copies")


def asks_for_slides(args: argparse.Namespace) -> bool:
    """Whether a command is for slides: by an option that only they have, or by the first path that is one."""
    from leukoscope.pictures.slide import is_slide

    return bool(args.cells or args.all or args.region) or any(is_slide(path) for path in args.path)


def scan_slides(args: argparse.Namespace) -> int:
    """Do what the arguments of `leukoscope scan` say of slides, and give the exit status."""
    from leukoscope.errors import LeukoscopeError

    if reason := _unusable(args):
        return complain(reason)
    slides = _slides(args.path)
    if isinstance(slides, str):
        return complain(slides)
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    done: list[dict[str, Any]] = []
    bad = 0
    for path in slides:
        try:
            scan = _scan(args, classifier, path)
        except (LeukoscopeError, OSError) as error:
            bad += 1
            print(f"leukoscope: {visible(str(path))}: {visible(str(error))}", file=sys.stderr)
            continue
        with scan.slide:
            if args.out:
                from leukoscope.showing.report import Notes
                from leukoscope.slides import write_outputs

                for line in write_outputs(
                    scan, Path(args.out, path.name), Notes(args.sample, args.reader, args.comment)
                ):
                    print(f"leukoscope: {line}", file=sys.stderr)
        if args.json:
            done.append(_values(scan))
            continue
        if len(slides) > 1:
            print(f"{visible(scan.name)}")
        print(scan.differential.tally.table())
    if args.json:
        print(json.dumps(done, indent=1))
    if bad:
        print(f"leukoscope: {bad:,} of {len(slides):,} slides could not be read", file=sys.stderr)
    return ALL_BAD if bad == len(slides) else 0


def _unusable(args: argparse.Namespace) -> str:
    """What is wrong with the arguments; "" if nothing is."""
    from importlib.util import find_spec

    from leukoscope.errors import NO_OPENSLIDE, NO_RAY

    if find_spec("openslide") is None:
        return NO_OPENSLIDE
    if given := [name for name in OF_PHOTOS if getattr(args, name)]:
        return f"--{given[0].replace('_', '-')} is of photos: what is made of a slide is in --out DIR"
    if args.cells and args.all:
        return "--cells N and --all: give one of them"
    if (args.sample or args.reader or args.comment) and not args.out:
        return "--sample, --reader and --comment are for the report in --out DIR"
    if args.address and args.engine != "ray":
        return "--address is of --engine ray"
    if args.engine == "ray" and find_spec("ray") is None:
        return NO_RAY
    if args.out and Path(args.out).exists() and not Path(args.out).is_dir():
        return f"{args.out} is not a folder"
    return ""


def _slides(paths: list[str]) -> list[Path] | str:
    """The slides that are named, and those in the folders that are; or what is wrong."""
    from leukoscope.pictures.slide import is_slide

    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and is_slide(file))
            if not inside:
                return f"no slides in {visible(name)}"
            found += inside
        else:
            found.append(path)
    names = [path.name for path in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        return f"two slides have the name {visible(twice)}: scan them with commands of their own"
    return found


def _scan(args: argparse.Namespace, classifier: Classifier, path: Path) -> SlideScan:
    from tqdm import tqdm

    from leukoscope.model.process import processors
    from leukoscope.slides import CELLS, Progress, scan_slide
    from leukoscope.slides.answering import here
    from leukoscope.slides.scan import Engine

    engine: Engine = here
    workers: int | None = args.workers or processors()
    if args.engine == "ray":
        from leukoscope.slides.on_ray import engine as on_ray

        engine, workers = on_ray(args.address), args.workers

    def tell(note: str) -> None:
        bar.clear()
        print(f"leukoscope: {visible(path.name)}: {visible(note)}", file=sys.stderr)

    def seen(progress: Progress) -> None:
        done, total = progress.tiles, progress.of_tiles
        if progress.of_cells is not None:
            done, total = min(progress.cells, progress.of_cells), progress.of_cells
        if bar.total is None:
            bar.reset(total)
            bar.initial = done
        bar.n = done
        bar.update(0)

    unit = " tiles" if args.all else " cells"
    # Time left by the mean since the start: tiles differ, the last few say less.
    with tqdm(desc="scanning", unit=unit, disable=None, smoothing=0) as bar:
        return scan_slide(
            path,
            classifier,
            out=Path(args.out, path.name) if args.out else None,
            cells=None if args.all else args.cells or CELLS,
            region=args.region,
            workers=workers,
            engine=engine,
            seen=seen,
            told=tell,
        )


def _values(scan: SlideScan) -> dict[str, Any]:
    """What --json prints of a slide: how it was answered, the count and every cell."""
    return {
        "slide": scan.name,
        "level": scan.plan.level,
        "microns_per_pixel": scan.plan.microns,
        "tiles": len(scan.tiles),
        "bad_tiles": len(scan.bad),
        "notes_of_the_scan": list(scan.notes),
        **json.loads(scan.differential.to_json()),
    }
