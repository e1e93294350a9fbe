"""The command line: leukoscope classify | scan | tune | info.

Nothing heavy is imported before the arguments are parsed, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from leukoscope.biology.cells import CELL_TYPES, HOW_MANY
from leukoscope.commands.shared import BAD_INPUT, MANY, NOT_READ, complain, load, share_work
from leukoscope.errors import visible

if TYPE_CHECKING:
    from leukoscope.classifier import Classifier
    from leukoscope.errors import ImageError
    from leukoscope.model.prediction import Prediction

MOST_WORKERS = 256
MOST_CELLS = 1_000_000


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
        description=f"Tell {', '.join(CELL_TYPES[:-1])} and {CELL_TYPES[-1]} apart in photos of stained blood smears. "
        "For teaching and research; not a medical device.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    classify = commands.add_parser(
        "classify",
        help="name the white cell in each picture",
        description="Name the most prominent white cell of each picture: JPEG, PNG, TIFF, BMP, WebP, GIF, AVIF, "
        "JPEG 2000, or HEIC and DICOM by leukoscope[microscopy]; of several pages the first. Where the label does not "
        "stand the verdict comes first; where there are more cells a line on standard error says how many. "
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
        "model is not sure of are undecided and not counted. Folders are searched, and those below.",
        epilog="""examples:
  leukoscope scan smear/                             print the differential
  leukoscope scan smear/ --csv cells.csv             keep every cell; stopped, the same command goes on
  leukoscope scan smear/ --csv cells.csv --pdf report.pdf --annotated drawn/
  leukoscope scan slide.svs --out answers/           a whole slide: 200 cells where it is best (leukoscope[slides])
  leukoscope scan study/ --engine ray --out answers/               on every processor of this machine, to Parquet
  leukoscope scan s3://bucket/study --engine ray --address auto --out s3://bucket/answers      on a cluster

With --engine ray FOLDER|FILE may also be a glob or a URL that fsspec knows (s3://, gs://, hf://datasets/...). DIR gets
cells/ and bad/ (Parquet, a folder a slide) and slides.csv (a row a slide); the same command does only what is missing.

In folders and those below, files are taken for photos by the ending of their names: .avif .bmp .dcm .gif .heic
.heif .j2k .jfif .jp2 .jpeg .jpg .png .tif .tiff .webp.
Links are followed. Hidden files and folders are passed over, and so is what --annotated draws.

A photo is known by its bytes: renamed, moved or copied it counts once, and a line says so; with --engine ray
every name has its rows, and the sums leave copies out. FILE of --csv belongs to
one model. A file of an earlier version, without hashes and model, knows its photos by name.

A whole slide (.svs .ndpi .mrxs .scn .vms .vmu .bif .svslide, a TIFF too large for a photo, or whatever --cells, --all
or --region is given for) is looked at from afar; tiles are answered best first until there are --cells N. DIR of --out
gets CSV, Parquet, GeoJSON for QuPath, pictures and a report of each; stopped, the same command goes on.

Files that cannot be read are listed at the end. Exit status 0 also if some could not be read, 3 if none could, 2 if
an argument or the model cannot be used, 130 if interrupted. Not a medical device: for teaching and research.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scan.add_argument("path", nargs="+", metavar="FOLDER|FILE", help="photos, or folders of photos and folders")
    scan.add_argument(
        "--csv",
        metavar="FILE",
        help="write a row for each cell; photos that are in it already, by whatever name, are not done again",
    )
    scan.add_argument(
        "--count-copies",
        action="store_true",
        help="count a photo again that is there, or in the CSV, under another name; else equal bytes count once",
    )
    scan.add_argument(
        "--all-pages",
        action="store_true",
        help="take each page of a TIFF stack for a photo, called a.tif, a.tif#page=2 and so on; else the first alone",
    )
    scan.add_argument("--pdf", metavar="FILE", help="write a report of one page")
    for option, text in (("sample", "name of the sample"), ("reader", "who read it"), ("comment", "a comment")):
        scan.add_argument(f"--{option}", metavar="TEXT", default="", help=f"with --pdf: {text}, for the report")
    scan.add_argument("--annotated", metavar="DIR", help="write each photo with its cells drawn in")
    scan.add_argument("--json", action="store_true", help="print the count and every cell as JSON, nothing else")
    scan.add_argument("--engine", choices=("local", "ray"), default="local", help="ray needs leukoscope[cluster]")
    scan.add_argument(
        "--out",
        metavar="DIR",
        help="of slides: folder that gets one a slide; with --engine ray: folder or URL that tables are written to",
    )
    scan.add_argument(
        "--cells",
        type=_up_to(MOST_CELLS),
        metavar="N",
        help="of a slide: white cells to answer, the best places first; default 200",
    )
    scan.add_argument(
        "--all", action="store_true", help="of a slide: answer all of it, the thick and the bare parts too"
    )
    region = "of a slide: the part to answer, px of its level 0"
    scan.add_argument("--region", type=_region, metavar="X,Y,W,H", help=region)
    here = "of a Ray cluster, or auto: that of this machine; default: start Ray here"
    scan.add_argument("--address", metavar="ADDRESS", help=here)
    _add_workers(scan)
    _add_model(scan)
    scan.set_defaults(run=_scan)

    tune = commands.add_parser(
        "tune",
        help="fit the model to your lab with a few of its cells, in seconds",
        description="Learn from a few cells of your lab, named by you, how far the model leans towards each type "
        "there, and write a model that takes it back. At least 3 cells of each type, better 10 or more, of several "
        "patients. The network stays as it is; python -m training.finetune learns more, from more cells, in minutes.",
        epilog="CELLS is a folder that holds one for each type, eosinophil/, lymphocyte/, monocyte/ and neutrophil/, "
        "of whose pictures the most prominent cell counts; or the CSV of a count, of which the cells count that a "
        "person decided on. Exit status 0, or 2 with a line on standard error. "
        "Not a medical device: for teaching and research.",
    )
    tune.add_argument("cells", nargs="+", metavar="CELLS", help="your cells: folders, or CSV files of counts")
    tune.add_argument("--out", metavar="DIR", required=True, help="checkpoint folder to write: new, or an older one")
    tune.add_argument("--lab", metavar="TEXT", help="what your lab is called; default: the name of the first CELLS")
    _add_model(tune)
    tune.set_defaults(run=_tune)

    info = commands.add_parser(
        "info", help="say which model answers", description="Print what the model is and was trained from, as JSON."
    )
    _add_model(info)
    info.set_defaults(run=_info)
    return parser


class _Version(argparse.Action):
    """Print the version: read only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from leukoscope import __version__

        print(f"leukoscope {__version__}")
        parser.exit()


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_up_to(MOST_WORKERS),
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
    from leukoscope.showing.wording import seen_text

    for name in args.image:
        if os.path.isdir(name):
            return complain(f"{visible(name)} is a folder: leukoscope scan {shlex.quote(name)} counts its photos")
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    answers, status = [], 0
    for name, cells in zip(args.image, _scans(classifier, args.image, args.workers), strict=True):
        if isinstance(cells, ImageError):
            print(f"leukoscope: {name}: {cells}", file=sys.stderr)
            status = BAD_INPUT
            continue
        prediction = cells[0] if cells else classifier.predict(name)  # which says why there is none
        answers.append({"image": name, **asdict(prediction)})
        if note := _page_note(name):
            print(f"leukoscope: {visible(name)}: {note}", file=sys.stderr)
        if not args.json:
            print(f"{_line(name, prediction)} {seen_text(prediction)}".rstrip())  # a line a picture
            if more := len(cells[1:]):
                others = "1 more white cell" if more == 1 else f"{more:,} more white cells"
                how = f"leukoscope scan {shlex.quote(name)} counts them all"
                print(f"leukoscope: {visible(name)}: {others} in it; {how}", file=sys.stderr)
    if args.json:
        print(json.dumps(answers, indent=1))
    return status


def _page_note(name: str) -> str | None:
    """What to say of a file that was answered, if it is still there."""
    from pathlib import Path

    from leukoscope.errors import ImageError
    from leukoscope.pictures.images import page_note, read_file

    try:
        return page_note(read_file(Path(name)))
    except ImageError:
        return None


def _scans(classifier: Classifier, names: list[str], workers: int | None) -> Iterator[list[Prediction] | ImageError]:
    """The cells of each picture, the most prominent first, or the error in their place."""
    from leukoscope.errors import ImageError
    from leukoscope.model.bulk import answers

    processes = share_work(workers, len(names))
    if processes > 1:
        yield from answers(classifier.opener, "scan", names, processes)
        return
    for name in names:
        try:
            yield classifier.scan(name)
        except ImageError as error:
            yield error


def _up_to(most: int) -> Callable[[str], int]:
    """Takes a whole number from 1 to `most`."""

    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most:,}, not {text!r}")
        return int(text)

    return number


def _region(text: str) -> tuple[int, int, int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.isdecimal() for part in parts) or not int(parts[2]) or not int(parts[3]):
        raise argparse.ArgumentTypeError(f"must be X,Y,W,H in whole px, such as 0,0,4000,3000, not {text!r}")
    x, y, width, height = map(int, parts)
    return x, y, width, height


def _line(name: str, prediction: Prediction) -> str:
    if prediction.label is None:
        return f"{name}: no white cell found{f': {prediction.reason}' if prediction.reason else ''}"
    from leukoscope.showing.wording import percent, ranked, shown_types

    shares = [f"{cell} {percent(prediction.probabilities[cell])}".replace("\u00a0", " ") for cell in ranked(prediction)]
    if prediction.verdict == "confident":
        return f"{name}: {shares[0]} (confident; {', '.join(shares[1:])})"
    answer = f"{' or '.join(shown_types(prediction))}?" if prediction.verdict == "review" else "unfamiliar"
    verdict = "to review" if prediction.verdict == "review" else f"perhaps none of the {HOW_MANY}"
    return f"{name}: {answer} ({verdict}; if it were one of the {HOW_MANY}: {', '.join(shares)})"


def _info(args: argparse.Namespace) -> int:
    classifier = load(args.model)
    if classifier is None:
        return BAD_INPUT
    print(json.dumps(classifier.info(), indent=1))
    return 0


def _tune(args: argparse.Namespace) -> int:
    from leukoscope.commands.tune import tune

    return tune(args)


def _scan(args: argparse.Namespace) -> int:
    from leukoscope.commands.scan import scan

    return scan(args)
