"""The command line: leukoscope classify | scan | info.

Nothing heavy is imported before the arguments are parsed, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys

BAD_INPUT = 2
ALL_BAD = 3
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 if every picture was answered, 2 if an input or the model could not be used. `scan` gives 0 also if some
        photos could not be read, and 3 if none could.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    return args.run(args)


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
        description="Name the most prominent white cell of each picture: JPEG, PNG, TIFF, BMP, WebP or GIF. "
        "Exit status 0 if every picture was answered, 2 with a line on standard error for each that was not.",
    )
    classify.add_argument("image", nargs="+", metavar="IMAGE", help="picture file")
    classify.add_argument("--json", action="store_true", help="print a JSON list with all probabilities")
    _add_model(classify)
    classify.set_defaults(run=_classify)

    scan = commands.add_parser(
        "scan",
        help="find, name and count every white cell of many photos",
        description="Find and name every white cell in photos of a smear and count the differential. Cells that the "
        "model is not sure of are kept apart. Files that cannot be read are listed at the end. Exit status 0, or 3 if "
        "no photo could be read.",
        epilog="Not a medical device: for teaching and research.",
    )
    scan.add_argument("path", nargs="+", metavar="FOLDER|FILE", help="photos, or folders of photos and folders")
    scan.add_argument(
        "--csv", metavar="FILE", help="write a row for each cell; photos that are in it already are not done again"
    )
    scan.add_argument("--pdf", metavar="FILE", help="write a report of one page")
    scan.add_argument("--annotated", metavar="DIR", help="write each photo with its cells drawn in")
    scan.add_argument("--json", action="store_true", help="print the count and every cell as JSON")
    _add_model(scan)
    scan.set_defaults(run=_scan)

    info = commands.add_parser(
        "info", help="say which model answers", description="Print what the model is and was trained from, as JSON."
    )
    _add_model(info)
    info.set_defaults(run=_info)
    return parser


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
    for name in args.image:
        try:
            prediction = classifier.predict(name)
        except ImageError as error:
            print(f"leukoscope: {name}: {error}", file=sys.stderr)
            status = BAD_INPUT
            continue
        answers.append({"image": name, **asdict(prediction)})
        if not args.json:
            print(_line(name, prediction))
    if args.json:
        print(json.dumps(answers, indent=1))
    return status


def _scan(args: argparse.Namespace) -> int:
    from pathlib import Path

    from tqdm import tqdm

    from leukoscope.differential import Differential, append_csv, resume_csv
    from leukoscope.errors import LeukoscopeError
    from leukoscope.scanning import find_pictures, scan_files, write_annotated

    files = find_pictures(args.path)
    if not files:
        return _complain(f"no pictures in {', '.join(args.path)}")
    try:
        before = resume_csv(args.csv) if args.csv else Differential()
        for target in filter(None, (args.csv, args.pdf)):
            if not Path(target).absolute().parent.is_dir():
                return _complain(f"{target}: there is no folder {Path(target).absolute().parent}")
        classifier = _load(args.model)
    except LeukoscopeError as error:
        return _complain(error)
    if classifier is None:
        return BAD_INPUT
    known = set(before.photos)
    todo = [file for file in files if str(file) not in known]
    if len(todo) < len(files):
        print(f"{len(files) - len(todo):,} photos are in {args.csv} already", file=sys.stderr)
    fresh = []

    def keep(name, predictions, image):
        if args.annotated:
            write_annotated(Path(args.annotated), name, image, predictions)
        if args.csv:
            append_csv(args.csv, name, predictions)
        fresh.append((name, predictions))

    try:
        unreadable = scan_files(classifier, tqdm(todo, "scanning", unit=" photos", disable=None), keep)
    except KeyboardInterrupt:
        how = "the same command goes on after the last photo" if args.csv else "with --csv it could go on from here"
        print(f"\nleukoscope: interrupted; {how}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        return _complain(error)
    counted = before.extend(fresh)
    if args.pdf and (status := _write_pdf(args.pdf, counted, classifier)):
        return status
    print(counted.to_json() if args.json else _table(counted))
    for name, reason in unreadable:
        print(f"leukoscope: {name}: {reason}", file=sys.stderr)
    if unreadable:
        print(f"leukoscope: {len(unreadable):,} of {len(files):,} files could not be read", file=sys.stderr)
    return ALL_BAD if len(unreadable) == len(files) else 0


def _write_pdf(path: str, counted, classifier) -> int:
    from datetime import date

    from leukoscope.report import write_report
    from leukoscope.scanning import thumbnails_from_files

    try:
        write_report(path, counted, thumbnails_from_files(counted), model=classifier.source.name, made_on=date.today())
    except (ImportError, OSError) as error:
        return _complain(error)
    return 0


def _table(counted) -> str:
    lines = [f"{'':<12}{'cells':>8}{'share':>9}{'95 % limits':>16}{'adults':>12}"]
    for row in counted.rows():
        limits = f"{row.low:.1f} - {row.high:.1f} %"
        adults = f"{row.reference[0]:g} - {row.reference[1]:g} %"
        flag = "" if row.flag == "undecided" else f"  {row.flag}"
        lines.append(f"{row.cell_type:<12}{row.count:>8,}{row.percent:>7.1f} %{limits:>16}{adults:>12}{flag}")
    return "\n".join([*lines, "", *counted.sentences()])


def _complain(reason) -> int:
    print(f"leukoscope: {reason}", file=sys.stderr)
    return BAD_INPUT


def _line(name: str, prediction) -> str:
    if prediction.label is None:
        return f"{name}: no white cell found"
    others = ", ".join(
        f"{cell} {p:.1%}"
        for cell, p in sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
        if cell != prediction.label
    )
    return f"{name}: {prediction.label} {prediction.confidence:.1%} ({prediction.verdict}; {others})"


def _info(args: argparse.Namespace) -> int:
    classifier = _load(args.model)
    if classifier is None:
        return BAD_INPUT
    print(json.dumps(classifier.info(), indent=1))
    return 0


def _load(model: str | None):
    from leukoscope.classifier import Classifier
    from leukoscope.errors import LeukoscopeError

    try:
        return Classifier.from_pretrained(model)
    except LeukoscopeError as error:
        _complain(error)
        return None


if __name__ == "__main__":
    sys.exit(main())
