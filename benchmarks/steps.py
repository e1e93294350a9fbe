"""The first steps of a recipe's training, float32 against bfloat16, on the processor at hand.

    python -m benchmarks.steps                             # a hundred steps of the default recipe, on drawn cells
    python -m benchmarks.steps --steps 10 --seconds 60     # fewer
    ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.steps     # as on a processor without AVX-512 and bfloat16

Prints a line for each, which takes its place in steps.json beside this file (--out elsewhere). A step is what training
does: 64 crops augmented and dyed on another thread, while the network learns from those before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from training.fitting.precision import MASK, masked, native_bfloat16, processor

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_suffix(".json")
PRECISIONS = ("float32", "mixed_bfloat16")
DRAWN = 80  # cells that the batches are made of


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100, help="of each; default %(default)s")
    parser.add_argument("--seconds", type=float, default=240, help="after which one stops short; default %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default %(default)s")
    parser.add_argument("--one", choices=PRECISIONS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.steps < 2:
        parser.error("--steps: at least 2, since the first is not timed")
    if args.one:
        print(json.dumps(first_steps(args.one, args.steps, args.seconds)))
        return 0
    row = {"processor": processor(), "mask": os.environ.get(MASK, "") if masked() else "", "native": native_bfloat16()}
    print(heading(row), flush=True)
    for precision in PRECISIONS:
        words = ["--one", precision, "--steps", str(args.steps), "--seconds", str(args.seconds)]
        command = [sys.executable, "-m", "benchmarks.steps", *words]
        given = os.environ | environment(precision)
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True)
        if done.returncode:
            print(f"error: {precision}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return 1
        row[precision] = json.loads(done.stdout.splitlines()[-1])
        print(line(row, precision), flush=True)
    known = json.loads(args.out.read_text()) if args.out.exists() else []
    others = [other for other in known if (other["processor"], other["mask"]) != (row["processor"], row["mask"])]
    args.out.write_text(json.dumps([*others, row], indent=1) + "\n")
    return 0


def environment(precision: str) -> dict[str, str]:
    """What makes a masked processor do as an old one.

    TensorFlow asks the processor, not the mask, whether oneDNN can do bfloat16, and fails if that was wrong; on an old
    one kernels of its own do it.
    """
    own = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return own | ({"TF_ENABLE_ONEDNN_OPTS": "0"} if masked() and precision != "float32" else {})


def first_steps(precision: str, steps: int, seconds: float) -> dict[str, float]:
    """{steps, seconds, step, work}: how many, in how many seconds, and the medians of a step and of its processor time.

    The first step, in which the graph is built, counts in `seconds` alone.
    """
    import numpy as np
    import tensorflow as tf

    from training.data.attributes import attributes_taught
    from training.data.table import load_examples
    from training.fitting.batches import Batches
    from training.fitting.examples import framed, framing_of, with_negatives
    from training.fitting.locator import FirstCells, locator_path
    from training.fitting.loop import compiled
    from training.recipe.config import CONFIGS, checked, in_precision, read_config

    settings = read_config(CONFIGS / "default.toml").model_dump()
    settings["data"] |= {"labs": ["synthetic"], "kind": "photo", "others": [], "empty": DRAWN // 4}
    config = in_precision(checked(settings, "the default recipe on drawn cells"), precision)
    tf.config.experimental.enable_op_determinism()
    framing, margin = framing_of(config), config.framing.size // 4
    cells = FirstCells(locator_path(config.locator), config.locator.threshold)
    crops, rows = framed(load_examples(f"synthetic:{DRAWN}", pbc="", labs=""), framing, margin, "drawn", cells)
    taught = with_negatives(crops, rows, config, margin, cells)
    batches = Batches(*taught, config, attributes_taught(config, rows, len(taught[0])))
    model = compiled(config, batches.steps)
    clock, work = [time.perf_counter()], [time.process_time()]
    for _, (inputs, labels, weights) in zip(range(steps), batches.epoch(0), strict=False):
        model.train_on_batch(inputs, labels, weights)
        clock.append(time.perf_counter())
        work.append(time.process_time())
        if clock[-1] - clock[0] > seconds and len(clock) > 2:
            break
    taken = np.diff(clock)
    step, of_processor = (float(np.median(np.diff(times)[1:])) for times in (clock, work))
    return {"steps": len(taken), "seconds": float(taken.sum()), "step": step, "work": of_processor}


def heading(row: dict) -> str:
    """Which processor a row is of."""
    told = f", masked to {row['mask']}" if row["mask"] else ""
    return f"{row['processor']}{told}: {'' if row['native'] else 'no '}bfloat16 of its own"


def line(row: dict, precision: str) -> str:
    """What a precision took; documents quote it."""
    one = row[precision]
    return (
        f"  {precision:<16}{one['step']:>8.3f} s a step ({one['work']:.3f} s of a processor)"
        f"  {one['seconds']:>8.1f} s for {one['steps']} steps"
    )


if __name__ == "__main__":
    sys.exit(main())
