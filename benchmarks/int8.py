"""Does int8 pay? Quantises a checkpoint's network statically and measures what it costs and brings.

    python -m benchmarks.int8                     # the embedded checkpoint; needs BLOOD_CELLS_DIR
    python -m benchmarks.int8 --checkpoint runs/x

Calibrated on crops of TRAIN photos, scored on TEST. Nothing is written but the lines printed. They are of the processor
at hand: without VNNI, sums of 8-bit products saturate, and int8 answers otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import spread, timed

CALIBRATION_CROPS = 256
REPEATS = 200


def quantise(source: Path, target: Path, inputs: np.ndarray) -> None:
    """Write an int8 copy of a graph: one scale a channel for weights, activations calibrated on these inputs."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(inputs)

        def get_next(self):
            one = next(self.rest, None)
            return None if one is None else {"image": one[None]}

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.int8", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder; default: the embedded one")
    parser.add_argument("--data", default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    args = parser.parse_args(argv)
    if not args.data:
        print("error: no data given: pass --data DIR or set BLOOD_CELLS_DIR", file=sys.stderr)
        return 2
    from tqdm import tqdm

    from benchmarks.peers import session
    from leukoscope import Classifier
    from leukoscope.model.checkpoint import ONNX_FILE
    from leukoscope.smear.preprocess import normalise
    from training.data.table import labels_of, load_examples, pictures, where
    from training.fitting.precision import processor

    classifier = Classifier.from_pretrained(args.checkpoint)
    examples = load_examples(args.data, pbc="", labs="")

    def inputs(rows) -> tuple[np.ndarray, np.ndarray]:
        """Network inputs of the rows in which a cell was found, and their labels."""
        framed = [classifier.framed(p, first=True) for p in tqdm(pictures(rows), total=len(rows), leave=False)]
        found = np.array([bool(cells) for cells in framed])
        crops = np.stack([cells[0].crop for cells in framed if cells])
        return normalise(crops, classifier.spec.normalisation), labels_of(rows)[found]

    train, test = where(examples, split="train", kind="photo"), where(examples, split="test")
    test, labels = inputs(where(test, kind="copy" if "copy" in test["kind"] else "photo"))
    print(processor())
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        quantise(classifier.folder / ONNX_FILE, small, inputs(train)[0][:CALIBRATION_CROPS])
        for name, path in (("float32", classifier.folder / ONNX_FILE), ("int8", small)):
            logits = np.concatenate(
                [
                    session(path).run(["logits"], {"image": part})[0]
                    for part in np.array_split(test, max(1, len(test) // 64))
                ]
            )
            right = (classifier.probabilities(logits).argmax(axis=1) == labels).mean()
            line = f"{name:<8} {path.stat().st_size / 2**20:5.2f} MiB   TEST accuracy, cells found, {right:.4f}"
            for threads in (1, 2):
                net = session(path, threads)
                one = spread(timed(lambda net=net: net.run(["logits"], {"image": test[:1]}), REPEATS))
                line += f"   {threads} thread: {one['median'] * 1e3:.2f} ms"
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
