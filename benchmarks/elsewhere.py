"""A command as on another machine: with an older processor, or with one that others use.

    python -m benchmarks.elsewhere --isa avx2 -- python -m pytest tests/training     # libraries stop at AVX2
    python -m benchmarks.elsewhere --busy 2 -- python -m pytest                      # two processes that only compute

A mask is what the libraries themselves read: oneDNN (TensorFlow), numpy, OpenBLAS, OpenCV. ONNX Runtime reads none; it
sees another processor only where all of it is emulated, as by `qemu-x86_64 -cpu Haswell python ...`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

MASKS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENCV_CPU_DISABLE": "AVX512-SKX",
    }
}
LOAD = "while True: pass"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.elsewhere", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--isa", choices=MASKS, help="the newest instructions that libraries may use")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="processes that compute beside it")
    parser.add_argument("command", nargs="+", help="after --")
    args = parser.parse_args(argv)
    beside = [subprocess.Popen([sys.executable, "-c", LOAD]) for _ in range(args.busy)]
    try:
        return subprocess.run(args.command, env=os.environ | MASKS.get(args.isa, {})).returncode
    finally:
        for process in beside:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
