"""Leukoscope side by side with what a user would pick instead, in one run, on the same pictures.

    python -m benchmarks            # 200 photos and 200 copies of $BLOOD_CELLS_DIR, or drawn ones; within 10 minutes
    python -m benchmarks --quick    # a few drawn pictures and peers: shows that it runs, not how fast

Prints a table of medians with the limits between which 80 % of the values lie, and the bars; writes results.json and
results.png beside this file (--out elsewhere).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.bars import bars, recorded_training

LABELS = {
    "predict": "ours, one picture, 640x480",
    "predict_copies": "ours, one picture, 320x240",
    "decode": "decoding alone, 640x480",
    "decode_copies": "decoding alone, 320x240",
    "keras_predict": "reference CNN, Keras predict",
    "keras_call": "reference CNN, Keras __call__",
    "reference": "reference CNN, ONNX Runtime",
    "mobilenet_v3_small": "MobileNetV3-Small, ONNX Runtime",
    "efficientnet_b0": "EfficientNet-B0, ONNX Runtime",
    "resnet_50": "ResNet-50, ONNX Runtime",
    "vit_b_16": "ViT-B/16, ONNX Runtime",
    "yolo_nano": "detector as YOLOv8n, 640 px, ONNX Runtime",
    "share_read": "of our picture: reading",
    "share_locate": "of our picture: locating",
    "share_frame": "of our picture: framing",
    "share_classify": "of our picture: the classifier's network",
    "share_read_out": "of our picture: reading out",
    "network": "our network alone, one crop",
    "network_of_peak": "our network, share of the peak",
    "multiply_adds": "our network, multiply-adds",
    "multiply_adds_locator": "our locator, multiply-adds, 640x480",
    "gemm_peak": "float32 matrix product, peak",
    "bulk_1": "ours in bulk, 1 worker",
    "bulk_2": "ours in bulk, 2 workers",
    "decode_bulk_2": "decoding alone, 2 workers",
    "cold_start": "ours, process start to first answer",
    "import_tensorflow": "importing TensorFlow alone",
    "memory": "ours, peak memory of serving",
    "memory_import_tensorflow": "memory of importing TensorFlow",
}
BUDGET = 4.0  # s for a row in a round
ROUNDS = 3


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="4 drawn pictures, and the two peers that are exported soonest",
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for results.json and .png")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    from benchmarks.pictures import files

    with tempfile.TemporaryDirectory() as folder:
        data = None if args.quick or not args.data else Path(args.data)
        paths = files(data, 4 if args.quick else 200, Path(folder))
        rows = measure(paths, Path(folder), args.quick)
    training = recorded_training()
    checks = bars(rows, training)
    results = {
        "pictures": "drawn" if data is None else "real",
        "count": {name: len(some) for name, some in paths.items()},
        "quick": args.quick,
        "machine": machine(),
        "rows": rows,
        "training": training,
        "bars": [
            {"what": b.what, "value": b.value, "limit": b.limit, "at_least": b.at_least, "met": b.met, "note": b.note}
            for b in checks
        ],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(rows, args.out / "results.png")
    print(table(rows))
    print("\n".join(map(str, checks)))
    print(f"-> {args.out / 'results.json'}, {args.out / 'results.png'}")
    return 0


def measure(paths: dict[str, list[Path]], folder: Path, quick: bool) -> dict[str, dict]:
    """Every row: {name: {median, low, high, n, unit}}, with a progress bar."""
    from tqdm import tqdm

    from benchmarks import ours, peers
    from benchmarks.measure import spread, timed_over
    from leukoscope import Classifier

    data = {name: [path.read_bytes() for path in some] for name, some in paths.items()}
    side, names = (64, peers.SOONEST) if quick else (peers.SIDE, list(peers.NAMES))
    rows: dict[str, dict] = {}
    with tqdm(total=6, desc="benchmarks", disable=None) as bar:

        def step(what: str) -> None:
            bar.set_postfix_str(what)
            bar.update()

        classifier = Classifier.from_pretrained()
        step("starting processes")
        rows |= ours.cold_start(paths["photos"], 1 if quick else 7)
        step("bulk")
        rows |= ours.bulk(classifier, paths["photos"], 40 if quick else 1500, 1 if quick else 3)
        step("the network")
        rows |= ours.network(classifier, 5 if quick else 300)
        rows |= ours.steps(data["photos"], 1 if quick else ROUNDS)
        step("exporting peers")
        models = {}
        for name in names:
            made = subprocess.run(
                [sys.executable, "-m", "benchmarks.peers", str(folder), str(side), name], capture_output=True, text=True
            )
            if made.returncode:
                rows[name] = {"left_out": made.stderr.strip().splitlines()[-1]}
            else:
                models[name] = folder / f"{name}.onnx"
        step("one picture after the other")
        calls = {
            "decode": (ours.decode, "photos"),
            "predict": (classifier.predict, "photos"),
            "decode_copies": (ours.decode, "copies"),
            "predict_copies": (classifier.predict, "copies"),
        }
        calls |= {n: (peers.by_onnx(path, peers.SIDES.get(n, side)), "photos") for n, path in models.items()}
        model = peers.build("reference")
        calls["keras_call"] = (lambda d: model(peers.whole_picture(d, peers.SIDES["reference"])).numpy(), "photos")
        calls["keras_predict"] = (
            lambda d: model.predict(peers.whole_picture(d, peers.SIDES["reference"]), verbose=0),
            "photos",
        )
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(1 if quick else ROUNDS):  # in turn, so that other work on the machine meets all alike
            for name, (call, kind) in calls.items():
                call(data[kind][0])
                times[name] += timed_over(call, data[kind], BUDGET)
        rows |= {name: spread(values) | {"unit": "s"} for name, values in times.items()}
        step("done")
    return {name: rows[name] for name in LABELS if name in rows}


def machine() -> dict:
    """What it ran on."""
    from leukoscope.model.process import processors

    packages = ("numpy", "onnxruntime", "pillow", "keras", "tensorflow")
    return {
        "processors": processors(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def table(rows: dict[str, dict]) -> str:
    """Rows to read: milliseconds where a row is in seconds and short."""
    lines = [f"{'':<44}{'median':>10}{'10 %':>10}{'90 %':>10}  unit"]
    for name, row in rows.items():
        if "left_out" in row:
            lines.append(f"{LABELS[name]:<44}  left out: {row['left_out']}")
            continue
        scale, unit = (1e3, "ms") if row["unit"] == "s" else (1.0, row["unit"])
        values = "".join(f"{row[key] * scale:>10.3g}" for key in ("median", "low", "high"))
        lines.append(f"{LABELS[name]:<44}{values}  {unit}, n = {row['n']}")
    return "\n".join(lines)


def draw(rows: dict[str, dict], path: Path) -> None:
    """Time of one picture as bars on a logarithmic scale."""
    from matplotlib.figure import Figure

    others = ("network", "cold_start", "import_tensorflow")  # rows in seconds that are no answer to one picture
    shown = [name for name, row in rows.items() if row.get("unit") == "s" and name not in others]
    shown.sort(key=lambda name: -rows[name]["median"])
    figure = Figure((8, 0.42 * len(shown) + 1.2), layout="constrained")
    ax = figure.subplots()
    middle = [1e3 * rows[n]["median"] for n in shown]
    spread = [[1e3 * abs(rows[n][key] - rows[n]["median"]) for n in shown] for key in ("low", "high")]
    colours = ["#0072B2" if n.startswith("predict") else "#999999" for n in shown]
    ax.barh([LABELS[n] for n in shown], middle, xerr=spread, color=colours, ecolor="#333333")
    for index, value in enumerate(middle):
        ax.text(value, index + 0.28, f" {value:.3g}", va="center", fontsize=8)
    ax.set_xscale("log")
    ax.set(xlabel="ms for one picture, from bytes to answer: median, 10-90 %", title="One picture")
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
