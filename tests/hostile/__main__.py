"""Runs every case of the corpus in this process and prints, a JSON line each, what became of it.

python -m tests.hostile             # all of them
python -m tests.hostile scans       # those with "scans" in their name
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from leukoscope import ImageError
from leukoscope.pictures.images import MAX_PIXELS, MIN_SIDE, read_image
from leukoscope.scanning.archives import LONGEST_NAME, photos_in_zip
from tests.hostile.build import Archive
from tests.hostile.corpus import cases
from tests.hostile.memory import forget_peak, peak_mb


def check(source: object) -> str:
    """Do what the library does with a file: "read", or the reason why not. Anything else raises."""
    try:
        if isinstance(source, Archive):
            return "; ".join(_checked_entry(*entry) for entry in photos_in_zip(source.data))
        return _checked(read_image(source))
    except ImageError as error:
        return str(error)


def _checked(image: np.ndarray) -> str:
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert min(image.shape[:2]) >= MIN_SIDE
    assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    assert image.flags.c_contiguous
    return "read"


def _checked_entry(name: str, content: bytes | str) -> str:
    assert name
    assert name.isprintable()
    assert len(name) <= LONGEST_NAME
    assert "/" not in name
    if isinstance(content, str):
        return content
    try:
        return _checked(read_image(content))
    except ImageError as error:
        return str(error)


def main() -> None:
    """Run the cases, one after the other."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for case in cases():
        if wanted not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            source = case.make(Path(folder))
            forget_peak()  # what building it took
            began = time.process_time()  # of this process alone: others may have the machine
            try:
                outcome, crash = check(source), ""
            except Exception as error:
                outcome, crash = "", f"{type(error).__name__}: {error}"
            spent = time.process_time() - began
        line = {"name": case.name, "outcome": outcome, "crash": crash, "seconds": round(spent, 3), "mb": peak_mb()}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
