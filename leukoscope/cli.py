"""The command line: leukoscope classify | scan | info.

Nothing heavy is imported before the arguments are parsed, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier, Prediction
    from leukoscope.differential import Differential
    from leukoscope.errors import ImageError

BAD_INPUT = 2
ALL_BAD = 3
INTERRUPTED = 130
NOT_READ = 141  # as of other commands that a closed pipe ends
MANY = 200  # pictures from which on starting more processes pays
MOST_WORKERS = 256
MOST_NAMED = 20  # bad pictures of a study; all are in its table


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 if every picture was answered, 2 if an input or the model could not be used. `scan` gives 0 also if some
        photos could not be read, and 3 if none could; 141 if what reads the output, such as `head`, has ended.
    """
    args = _parser().parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()  # here, where it can still be told that nobody reads on
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own flush at exit would complain
        return NOT_READ
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="leukoscope",
        description="Tell eosinophil, lymphocyte, monocyte and neutrophil apart in photos of stained blood smears. "
        "For teaching and research; not a medical device.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    classify = commands.add_parser(
        "classify",
        help="name the white cell in each picture",
        description="Name the most prominent white cell of each picture: JPEG, PNG, TIFF, BMP, WebP or GIF, "
        "of several pages the first. "
        "Exit status 0 if every picture was answered, 2 with a line on standard error for each that was not.",
    )
    classify.add_argument("image", nargs="+", metavar="IMAGE", help="picture file")
    classify.add_argument("--json", action="store_true", help="print a JSON list with all probabilities")
    _add_workers(classify)
    _add_model(classify)
    classify.set_defaults(run=_classify)

    scan = commands.add_parser(
        "scan",
        help="find, name and count every white cell of many photos",
        description="Find and name every white cell in photos of a smear and count the differential. Cells that the\n"
        "model is not sure of are kept apart and not counted. Folders are searched, and those below.",
        epilog="""examples:
  leukoscope scan smear/                             print the differential
  leukoscope scan smear/ --csv cells.csv             keep every cell; stopped, the same command goes on
  leukoscope scan smear/ --csv cells.csv --pdf report.pdf --annotated drawn/
  leukoscope scan study/ --engine ray --out answers/               on every processor of this machine, to Parquet
  leukoscope scan s3://bucket/study --engine ray --address auto --out s3://bucket/answers      on a cluster

With --engine ray FOLDER|FILE may also be a glob or a URL that fsspec knows (s3://, gs://, hf://datasets/...). DIR gets
cells/ and bad/ (Parquet, a folder a slide) and slides.csv (a row a slide); the same command does only what is missing.

Files that cannot be read are listed at the end. Exit status 0 also if some could not be read, 3 if none could, 2 if
an argument or the model cannot be used, 130 if interrupted. Not a medical device: for teaching and research.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scan.add_argument("path", nargs="+", metavar="FOLDER|FILE", help="photos, or folders of photos and folders")
    scan.add_argument(
        "--csv", metavar="FILE", help="write a row for each cell; photos that are in it already are not done again"
    )
    scan.add_argument("--pdf", metavar="FILE", help="write a report of one page")
    scan.add_argument("--annotated", metavar="DIR", help="write each photo with its cells drawn in")
    scan.add_argument("--json", action="store_true", help="print the count and every cell as JSON, nothing else")
    scan.add_argument("--engine", choices=("local", "ray"), default="local", help="ray needs leukoscope[cluster]")
    scan.add_argument("--out", metavar="DIR", help="with --engine ray: folder or URL that the tables are written to")
    here = "of a Ray cluster, or auto: that of this machine; default: start Ray here"
    scan.add_argument("--address", metavar="ADDRESS", help=here)
    _add_workers(scan)
    _add_model(scan)
    scan.set_defaults(run=_scan)

    info = commands.add_parser(
        "info", help="say which model answers", description="Print what the model is and was trained from, as JSON."
    )
    _add_model(info)
    info.set_defaults(run=_info)
    return parser


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help=f"processes that share the work; default: one a processor from {MANY} pictures on, else 1; "
        "with --engine ray one a processor of the cluster",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="checkpoint folder, or user/name or user/name@revision on the Hugging Face Hub; "
        "default: $LEUKOSCOPE_MODEL, else the embedded model",
    )


def _classify(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from leukoscope.errors import ImageError

    classifier = _load(args.model)
    if classifier is None:
        return BAD_INPUT
    answers, status = [], 0
    for name, prediction in zip(args.image, _predictions(classifier, args.image, args.workers), strict=True):
        if isinstance(prediction, ImageError):
            print(f"leukoscope: {name}: {prediction}", file=sys.stderr)
            status = BAD_INPUT
            continue
        answers.append({"image": name, **asdict(prediction)})
        if not args.json:
            print(_line(name, prediction))
    if args.json:
        print(json.dumps(answers, indent=1))
    return status


def _predictions(classifier: Classifier, names: list[str], workers: int | None) -> Iterator[Prediction | ImageError]:
    """The answer to each picture, or the error in its place."""
    from leukoscope.bulk import answers
    from leukoscope.errors import ImageError

    processes = _workers(workers, len(names))
    if processes > 1:
        yield from answers(classifier.source, "predict", names, processes)
        return
    for name in names:
        try:
            yield classifier.predict(name)
        except ImageError as error:
            yield error


def _workers(wanted: int | None, pictures: int) -> int:
    """As many as asked for; else one a processor where there are pictures enough for more than one to pay."""
    from leukoscope.process import processors

    return min(wanted, max(1, pictures)) if wanted else processors() if pictures >= MANY else 1


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_WORKERS}, not {text!r}")
    return int(text)


def _scan(args: argparse.Namespace) -> int:
    from leukoscope.errors import LeukoscopeError

    try:
        return _unusable(args) or (_scan_to_parquet if args.engine == "ray" else _scan_photos)(args)
    except KeyboardInterrupt:
        on = "with --csv FILE it could go on from here"
        how = "the same command goes on after the last photo" if args.csv or args.out else on
        print(f"\nleukoscope: interrupted; {how}", file=sys.stderr)
        return INTERRUPTED
    except (LeukoscopeError, OSError) as error:
        return _complain(error)


def _unusable(args: argparse.Namespace) -> int:
    """Say what is wrong with the arguments before hours are spent; 0 if nothing is."""
    from importlib.util import find_spec
    from pathlib import Path

    if args.engine == "ray":
        return _unusable_on_ray(args)
    if args.out or args.address:
        return _complain("--out and --address are of --engine ray")
    for target in filter(None, (args.csv, args.pdf)):
        if Path(target).is_dir():
            return _complain(f"{target} is a folder, not a file")
        if not Path(target).absolute().parent.is_dir():
            return _complain(f"{target}: there is no folder {Path(target).absolute().parent}")
    if args.csv and args.pdf and Path(args.csv).absolute() == Path(args.pdf).absolute():
        return _complain(f"{args.csv} cannot be both CSV and PDF")
    if args.annotated and Path(args.annotated).exists() and not Path(args.annotated).is_dir():
        return _complain(f"{args.annotated} is not a folder")
    if args.pdf and find_spec("fpdf") is None:
        return _complain("a PDF report needs fpdf2: pip install 'leukoscope[report]'")
    return 0


def _unusable_on_ray(args: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from leukoscope.errors import NO_RAY

    if find_spec("ray") is None:
        return _complain(NO_RAY)
    if not args.out:
        return _complain("--engine ray needs --out DIR")
    if args.csv or args.pdf or args.annotated:
        return _complain("--csv, --pdf and --annotated are of --engine local: with ray all cells are in --out")
    return 0


def _scan_to_parquet(args: argparse.Namespace) -> int:
    from contextlib import redirect_stdout

    from tqdm import tqdm

    from leukoscope.cluster import scan_to_parquet
    from leukoscope.tables import bad_pictures, to_json, total, write_slides

    classifier = _load(args.model)
    if classifier is None:
        return BAD_INPUT
    # Ray prints there of machines that died: what is printed here is the count alone.
    with tqdm(desc="scanning", unit=" photos", disable=None) as bar, redirect_stdout(sys.stderr):
        done = scan_to_parquet(
            args.path, args.out, classifier, address=args.address, workers=args.workers, seen=bar.update
        )
    if not done.seen:
        return _complain(f"no pictures in {', '.join(args.path)}")
    if done.known:
        print(f"leukoscope: {done.known:,} of {done.seen:,} photos were in {args.out}", file=sys.stderr)
    slides = write_slides(args.out)
    print(to_json(slides) if args.json else total(slides).tally.table())
    for number, (name, reason) in enumerate(bad_pictures(args.out)):
        if number == MOST_NAMED:
            print(f"leukoscope: and others: see {args.out}/bad", file=sys.stderr)
            break
        print(f"leukoscope: {_visible(name)}: {_visible(reason)}", file=sys.stderr)
    if done.bad:
        print(f"leukoscope: {done.bad:,} of {done.seen:,} files could not be read", file=sys.stderr)
    return ALL_BAD if done.bad == done.seen else 0


def _scan_photos(args: argparse.Namespace) -> int:
    from pathlib import Path

    from tqdm import tqdm

    from leukoscope import scanning
    from leukoscope.differential import Differential, append_csv, resume_csv

    files, bad = scanning.find_pictures(args.path)
    given = len(files) + len(bad)
    if not given:
        return _complain(f"no pictures in {', '.join(args.path)}")
    classifier = _load(args.model)
    if classifier is None:
        return BAD_INPUT
    before = resume_csv(args.csv) if args.csv else Differential()
    todo = scanning.not_yet_counted(files, before)
    if len(todo) < len(files):
        print(f"leukoscope: {len(files) - len(todo):,} of {len(files):,} photos are in {args.csv}", file=sys.stderr)
    if args.annotated:
        scanning.annotate_from_files(Path(args.annotated), before)
    fresh: list[tuple[str, list[Prediction]]] = []

    def keep(name: str, predictions: list[Prediction]) -> None:
        if args.csv:
            append_csv(args.csv, name, predictions)
        fresh.append((name, predictions))

    annotated = Path(args.annotated) if args.annotated else None
    workers = _workers(args.workers, len(todo))
    with tqdm(total=len(todo), desc="scanning", unit=" photos", disable=None) as bar:
        bad += scanning.scan_files(classifier, todo, keep, annotated, workers, bar.update)
    counted = before.extend(fresh)
    if args.pdf:
        _write_pdf(args.pdf, counted, classifier.source.name)
    print(counted.to_json() if args.json else counted.tally.table())
    for name, reason in bad:
        print(f"leukoscope: {_visible(name)}: {_visible(reason)}", file=sys.stderr)
    if bad:
        print(f"leukoscope: {len(bad):,} of {given:,} files could not be read", file=sys.stderr)
    return ALL_BAD if len(bad) == given else 0


def _write_pdf(path: str, counted: Differential, model: str) -> None:
    from datetime import date

    from leukoscope.report import write_report
    from leukoscope.scanning import thumbnails_from_files

    write_report(path, counted, thumbnails_from_files(counted), model=model, made_on=date.today())


def _visible(text: str) -> str:
    """A name with its control characters spelled out: a terminal would obey them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _complain(reason: object) -> int:
    print(f"leukoscope: {reason}", file=sys.stderr)
    return BAD_INPUT


def _line(name: str, prediction: Prediction) -> str:
    if prediction.label is None:
        return f"{name}: no white cell found{f': {prediction.reason}' if prediction.reason else ''}"
    _, *others = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    less_likely = ", ".join(f"{cell} {p:.1%}" for cell, p in others)
    return f"{name}: {prediction.label} {prediction.confidence:.1%} ({prediction.verdict}; {less_likely})"


def _info(args: argparse.Namespace) -> int:
    classifier = _load(args.model)
    if classifier is None:
        return BAD_INPUT
    print(json.dumps(classifier.info(), indent=1))
    return 0


def _load(model: str | None) -> Classifier | None:
    from leukoscope.classifier import Classifier
    from leukoscope.errors import LeukoscopeError

    try:
        return Classifier.from_pretrained(model)
    except LeukoscopeError as error:
        _complain(error)
        return None
