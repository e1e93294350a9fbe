"""The command `leukoscope scan`: photos in, a count out, here or on a cluster; for slides see `slide.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from leukoscope.commands.shared import ALL_BAD, BAD_INPUT, INTERRUPTED, complain, load, share_work
from leukoscope.errors import visible

if TYPE_CHECKING:
    from leukoscope.counting.differential import Differential
    from leukoscope.model.prediction import Prediction
    from leukoscope.scanning.known import Sorter
    from leukoscope.scanning.photos import Photo

MOST_NAMED = 20  # bad pictures of a study; all are in its table
COUNTED_TOO = "--count-copies counts such files, too"


def scan(args: argparse.Namespace) -> int:
    """Do what the arguments of `leukoscope scan` say, and give the exit status."""
    from leukoscope.commands.slide import asks_for_slides, scan_slides
    from leukoscope.errors import LeukoscopeError

    part = "photo"
    try:
        if asks_for_slides(args):
            part = "tile"
            return scan_slides(args)
        return _unusable(args) or (_scan_to_parquet if args.engine == "ray" else _scan_photos)(args)
    except KeyboardInterrupt:
        on = f"with {'--out DIR' if part == 'tile' else '--csv FILE'} it could go on from here"
        how = f"the same command goes on after the last {part}" if args.csv or args.out else on
        print(f"\nleukoscope: interrupted; {how}", file=sys.stderr)
        return INTERRUPTED
    except (LeukoscopeError, OSError) as error:
        return complain(error)


def _unusable(args: argparse.Namespace) -> int:
    """Say what is wrong with the arguments before hours are spent; 0 if nothing is."""
    from importlib.util import find_spec
    from pathlib import Path

    if args.engine == "ray":
        return _unusable_on_ray(args)
    if args.out or args.address:
        return complain("--out and --address are of --engine ray, --out of slides, too")
    if not any(Path(path).exists() for path in args.path):
        return complain(f"{visible(', '.join(args.path))}: there is no such file or folder")
    for option, target, valid in (("--csv", args.csv, (".csv", ".tsv", ".txt", "")), ("--pdf", args.pdf, (".pdf", ""))):
        if target and Path(target).suffix.lower() not in valid:
            return complain(f"{option} {target}: give it a name that ends with {valid[0]}")
    if (args.sample or args.reader or args.comment) and not args.pdf:
        return complain("--sample, --reader and --comment are of --pdf FILE")
    for target in filter(None, (args.csv, args.pdf)):
        if Path(target).is_dir():
            return complain(f"{target} is a folder, not a file")
        if not Path(target).absolute().parent.is_dir():
            return complain(f"{target}: there is no folder {Path(target).absolute().parent}")
    if args.csv and args.pdf and Path(args.csv).absolute() == Path(args.pdf).absolute():
        return complain(f"{args.csv} cannot be both CSV and PDF")
    if args.annotated and Path(args.annotated).exists() and not Path(args.annotated).is_dir():
        return complain(f"{args.annotated} is not a folder")
    if args.pdf and find_spec("fpdf") is None:
        return complain("a PDF report needs fpdf2: pip install 'leukoscope[report]'")
    return 0


def _unusable_on_ray(args: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from leukoscope.errors import NO_RAY

    if find_spec("ray") is None:
        return complain(NO_RAY)
    if not args.out:
        return complain("--engine ray needs --out DIR")
    if args.csv or args.pdf or args.annotated:
        return complain("--csv, --pdf and --annotated are of --engine local: with ray all cells are in --out")
    if args.all_pages:
        return complain("--all-pages is of --engine local: with ray of each file the first page is read")
    return 0


def _scan_to_parquet(args: argparse.Namespace) -> int:
    from contextlib import redirect_stdout

    from tqdm import tqdm

    from leukoscope.cluster.scan import scan_to_parquet
    from leukoscope.cluster.tables import bad_pictures, copies, to_json, total, write_slides
    from leukoscope.scanning.photos import LeftOut

    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    # Ray prints there of machines that died: what is printed here is the count alone.
    left_out = LeftOut()
    with tqdm(desc="scanning", unit=" photos", disable=None) as bar, redirect_stdout(sys.stderr):
        done = scan_to_parquet(
            args.path,
            args.out,
            classifier,
            address=args.address,
            workers=args.workers,
            seen=bar.update,
            left_out=left_out,
        )
    if not done.seen:
        return complain("; ".join(filter(None, (f"no pictures in {', '.join(args.path)}", left_out.sentence()))))
    if left_out:
        _say([left_out.sentence()])
    if done.known:
        print(f"leukoscope: {done.known:,} of {done.seen:,} photos were in {args.out}", file=sys.stderr)
    left_out_copies = {} if args.count_copies else copies(args.out)
    _say(_of_copies(list(left_out_copies.items())))
    slides = write_slides(args.out, left_out_copies)
    print(to_json(slides) if args.json else total(slides).tally.table())
    for number, (name, reason) in enumerate(bad_pictures(args.out)):
        if number == MOST_NAMED:
            print(f"leukoscope: and others: see {args.out}/bad", file=sys.stderr)
            break
        print(f"leukoscope: {visible(name)}: {visible(reason)}", file=sys.stderr)
    if done.bad:
        print(f"leukoscope: {done.bad:,} of {done.seen:,} files could not be read", file=sys.stderr)
    return ALL_BAD if done.bad == done.seen else 0


def _scan_photos(args: argparse.Namespace) -> int:
    from pathlib import Path

    from tqdm import tqdm

    from leukoscope.counting.differential import Differential, Origin, append_csv, resume_csv
    from leukoscope.scanning import scan as scanning
    from leukoscope.scanning.known import Sorter, check_model
    from leukoscope.scanning.photos import LeftOut, find_pictures, photo_name, read_photos
    from leukoscope.showing.about import model_identity

    left_out = LeftOut()
    files, bad = find_pictures(args.path, left_out)
    unlisted = len(bad)
    if not files and not bad:
        return complain("; ".join(filter(None, (f"no pictures in {', '.join(args.path)}", left_out.sentence()))))
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    model = model_identity(classifier)
    before = resume_csv(args.csv) if args.csv else Differential()
    check_model(before, model, args.csv)
    _say(_what_is_not_asked(left_out.sentence(), before, args.csv))
    sorter = Sorter(before, args.count_copies)
    stacks: dict[str, int] = {}
    fresh: list[tuple[str, list[Prediction]]] = []
    origins: dict[str, Origin] = {}

    def keep(name: str, predictions: list[Prediction]) -> None:
        if digest := sorter.digests.get(name):
            origins[name] = Origin(model, digest)
        if args.csv:
            append_csv(args.csv, name, predictions, origins.get(name))
        fresh.append((name, predictions))

    annotated = Path(args.annotated) if args.annotated else None
    names = set(before.photos)
    workers = share_work(args.workers, sum(photo_name(file) not in names for file in files))
    with tqdm(total=len(files), desc="scanning", unit=" photos", disable=None) as bar:
        photos = sorter.fresh(_noted(read_photos(files, args.all_pages, bar.update), stacks))
        bad += scanning.scan_files(classifier, photos, keep, annotated, workers)
    bad += sorter.bad
    given = unlisted + sorter.given
    _say(_what_is_left_out(sorter, args.csv))
    if stacks and not args.all_pages:
        _say([_of_stacks(stacks)])
    counted = before.extend(fresh, origins)
    places = dict(sorter.moved)
    if annotated:
        scanning.annotate_from_files(annotated, before, places)
    if args.pdf:
        notes = args.sample, args.reader, args.comment
        _write_pdf(args.pdf, counted, classifier.source.name, places, notes)
    print(counted.to_json() if args.json else counted.tally.table())
    _say(f"{name}: {reason}" for name, reason in bad)
    if bad:
        print(f"leukoscope: {len(bad):,} of {given:,} files could not be read", file=sys.stderr)
    return ALL_BAD if len(bad) == given else 0


def _noted(photos: Iterable[Photo], stacks: dict[str, int]) -> Iterator[Photo]:
    """The photos; `stacks` is given the files that hold several pictures, and how many."""
    for photo in photos:
        if photo.pages > 1:
            stacks[photo.name] = photo.pages
        yield photo


def _of_stacks(stacks: dict[str, int]) -> str:
    name, pages = next(iter(stacks.items()))
    what = "1 file holds" if len(stacks) == 1 else f"{len(stacks):,} files hold"
    return f"{what} several pictures, of which the first is read, as {name} of {pages:,}: --all-pages takes each"


def _what_is_not_asked(skipped: str, before: Differential, csv: str | None) -> Iterator[str]:
    """A line for files that are no photos, and for photos that are known by their names alone."""
    if skipped:
        yield skipped
    unsigned = sum(photo not in before.origins for photo in before.photos)
    if unsigned:
        yield f"{csv} does not say which model answered for {unsigned:,} photos, nor their hashes: names tell them"


def _what_is_left_out(found: Sorter, csv: str | None) -> Iterator[str]:
    """A line for each kind of photos that were not scanned now."""
    if found.known:
        yield f"{found.known:,} of {found.given:,} photos are in {csv}"
    if found.moved:
        name, now = found.moved[0]
        yield f"{len(found.moved):,} of these by another name, as {now} by the name {name}: {COUNTED_TOO}"
    yield from _of_copies(found.copies)


def _of_copies(copies: list[tuple[str, str]]) -> Iterator[str]:
    """A line for (copy, of what), if there are any."""
    if copies:
        name, first = copies[0]
        what = "1 file is a copy" if len(copies) == 1 else f"{len(copies):,} files are copies"
        yield f"{what} of another and not counted, as {name} of {first}: {COUNTED_TOO}"


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"leukoscope: {visible(line)}", file=sys.stderr)


def _write_pdf(
    path: str, counted: Differential, model: str, places: Mapping[str, str], notes: tuple[str, str, str]
) -> None:
    from datetime import date

    from leukoscope.scanning.scan import thumbnails_from_files
    from leukoscope.showing.report import Notes, write_report

    pictures = thumbnails_from_files(counted, places)
    write_report(path, counted, pictures, model=model, made_on=date.today(), notes=Notes(*notes))
