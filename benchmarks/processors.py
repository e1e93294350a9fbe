"""How far the same model's answers, and a training, differ between two processors.

    python -m benchmarks.processors                       # this one, and this one masked to AVX2
    python -m benchmarks.processors --emulate Haswell     # and another one, all of it emulated (needs qemu-user; slow)

Asks the embedded model about the same drawn photos (drawn there, some pixels would differ), and trains a small network
on drawn cells for a hundred steps in float32, here and there. A mask does not reach ONNX Runtime, emulation does;
training is not emulated. Prints lines that docs/reliability.md quotes, and keeps the numbers in processors.json beside
this file (--out elsewhere).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.elsewhere import MASKS
from training.fitting.precision import processor

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_suffix(".json")
EMULATOR = "qemu-x86_64"
PHOTOS = 30
DRAWN = "synthetic:80"
WEIGHTS = "weights"  # in place of a folder of pictures


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processors",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", type=int, default=PHOTOS, help="drawn, to ask about; default %(default)s")
    parser.add_argument("--emulate", metavar="PROCESSOR", help=f"one that {EMULATOR} -cpu help lists")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default %(default)s")
    parser.add_argument("--one", metavar="PICTURES", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(weights() if args.one == WEIGHTS else answers(Path(args.one))))
        return 0
    if args.emulate and not shutil.which(EMULATOR):
        print(f"error: --emulate needs {EMULATOR}: apt-get install qemu-user", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as pictures:
        draw(Path(pictures), args.photos)
        here = child(pictures)
        found = {"processor": processor(), "masked": unlike(here, child(pictures, isa="avx2"))}
        if args.emulate:
            emulated = unlike(here, child(pictures, [EMULATOR, "-cpu", args.emulate]))
            found["emulated"] = {"processor": args.emulate, **emulated}
    found["trained"] = apart(child(WEIGHTS), child(WEIGHTS, isa="avx2"))
    print("\n".join(lines(found)))
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def draw(folder: Path, photos: int) -> None:
    """The golden picture, and so many drawn photos of two cells, as files."""
    from PIL import Image

    from leukoscope import CELL_TYPES
    from leukoscope.drawn.synthetic import draw_photo
    from leukoscope.model.checkpoint import GOLDEN_PICTURE
    from leukoscope.model.hub import EMBEDDED

    shutil.copyfile(EMBEDDED / GOLDEN_PICTURE, folder / "golden.png")
    for n in range(photos):
        photo, _ = draw_photo([CELL_TYPES[n % 4], CELL_TYPES[n // 4 % 4]], seed=n, width=640)
        Image.fromarray(photo).save(folder / f"{n:03}.png")


def child(what: str, prefix: list[str] | None = None, isa: str | None = None) -> list:
    """What a process of its own finds, masked or emulated: answers to a folder's pictures, or `WEIGHTS`."""
    command = [*(prefix or []), sys.executable, "-m", "benchmarks.processors", "--one", what]
    given = os.environ | MASKS.get(isa or "", {}) | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answers(folder: Path) -> list[list]:
    """Of every cell of the pictures in a folder: label, verdict, box and probabilities."""
    from leukoscope import Classifier

    classifier = Classifier.from_pretrained()
    return [
        [cell.label, cell.verdict, cell.box, list(cell.probabilities.values())]
        for path in sorted(folder.iterdir())
        for cell in classifier.scan(path)
    ]


def unlike(here: list, there: list) -> dict[str, float]:
    """How far two lists of answers lie apart: cells, labels and verdicts that differ, boxes (px) and probabilities."""
    if len(here) != len(there):
        raise RuntimeError(f"{len(here)} cells were found here and {len(there)} there")
    pairs = list(zip(here, there, strict=True))

    def most(place: int) -> float:
        return max(abs(a - b) for one, other in pairs for a, b in zip(one[place], other[place], strict=True))

    return {
        "cells": len(here),
        "labels": sum(one[0] != other[0] for one, other in pairs),
        "verdicts": sum(one[1] != other[1] for one, other in pairs),
        "box_px": most(2),
        "probability": most(3),
    }


def weights() -> list:
    """[validation accuracy, weights in a row] of a small network after a hundred steps on drawn cells, in float32."""
    import contextlib
    import io

    import keras

    from training.data.table import load_examples
    from training.fitting.loop import train
    from training.fitting.run_folder import KEPT_FILE, open_run, read_history
    from training.recipe.config import CONFIGS, checked, in_precision, read_config, to_toml

    settings = read_config(CONFIGS / "default.toml").model_dump()
    settings["data"] |= {"labs": ["synthetic"], "kind": "photo", "others": [], "empty": 0}
    settings["network"] |= {"filters": [16, 24, 32], "depth": [0, 1, 1], "dropout": []}
    settings["fit"] |= {"epochs": 4, "steps": 25, "batch": 16, "average": 0.9}
    config = in_precision(checked(settings, "a small network"), "float32")
    examples = load_examples(DRAWN, pbc="", labs="")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = Path(folder) / "run"
        open_run(run, to_toml(config), config, examples)
        train(config, examples, run)
        model = keras.saving.load_model(next(run.glob("state-*")) / "model.keras")
        model.load_weights(run / KEPT_FILE)
        accuracy = read_history(run)[-1]["val_accuracy"]
    return [accuracy, [float(x) for array in model.get_weights() for x in array.ravel()]]


def apart(here: list, there: list) -> dict[str, float]:
    """How far two trainings lie apart: accuracies, and the distance of the weights as a share of their length."""
    import numpy as np

    one, other = np.array(here[1]), np.array(there[1])
    share = float(np.linalg.norm(one - other) / np.linalg.norm(one))
    return {"weights": share, "accuracy_here": here[0], "accuracy_masked": there[0]}


def lines(found: dict) -> list[str]:
    """What was found, to read; docs/reliability.md quotes it."""
    said = [f"here: {found['processor']}"]
    for kind in ("masked", "emulated"):
        if row := found.get(kind):
            name = "masked to AVX2" if kind == "masked" else f"emulated {row['processor']}"
            said.append(
                f"{name}: {row['cells']} cells, {row['labels']} labels and {row['verdicts']} verdicts unlike, "
                f"boxes {row['box_px']:g} px, probabilities {row['probability']:.1e} apart"
            )
    row = found["trained"]
    said.append(
        f"trained, masked to AVX2: weights {100 * row['weights']:.2g} % apart, "
        f"accuracies {row['accuracy_here']:.3f} and {row['accuracy_masked']:.3f}"
    )
    return said


if __name__ == "__main__":
    sys.exit(main())
