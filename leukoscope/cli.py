"""The command line: leukoscope classify | info.

Nothing heavy is imported before the arguments are parsed, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys

BAD_INPUT = 2


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 if every picture was answered, 2 if an input or the model could not be used.
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
        print(f"leukoscope: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
