"""The locator that frames the examples of a run, as it frames what is served; what it finds is kept beside the runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

import leukoscope.smear.locate
from leukoscope.model.checkpoint import LOCATOR_FILE, sha256
from leukoscope.model.graphs import open_locator
from leukoscope.model.hub import EMBEDDED
from leukoscope.smear.locate import Cell
from training.data.sources import DataError
from training.recipe.config import LocatorSettings


def locator_path(settings: LocatorSettings) -> Path:
    """The graph that a recipe names.

    Raises:
        DataError: if there is none.
    """
    path = Path(settings.file) if settings.file else EMBEDDED / LOCATOR_FILE
    if not path.is_file():
        raise DataError(f"locator.file: there is no {path}: python -m training.locating.train makes one")
    return path


class FirstCells:
    """The first cell of each picture, which training frames. A file remembers it by the picture's pixels, so that no
    two runs with the same locator look for it twice."""

    def __init__(self, path: Path, threshold: float, folder: Path | None = None) -> None:
        """Load the locator, and what it found before.

        Args:
            path: of its graph.
            threshold: its.
            folder: where to remember what is found; None: nowhere.
        """
        self.locator = open_locator(path, threshold)
        # Another graph, or other code around it, may find other boxes.
        finder = hashlib.sha256(
            f"{sha256(path)}{sha256(leukoscope.smear.locate.__file__)}{threshold}".encode()
        ).hexdigest()
        self._file = folder / f"cells-{finder[:12]}.npz" if folder else None
        self._boxes: dict[bytes, tuple[int, ...]] = {}  # of no cell: ()
        if self._file and self._file.exists():
            with np.load(self._file, allow_pickle=False) as kept:
                for key, box in zip(kept["keys"], kept["boxes"].tolist(), strict=True):
                    self._boxes[key.tobytes()] = tuple(box) if any(box) else ()
        self._known = len(self._boxes)

    def of(self, image: np.ndarray) -> Cell | None:
        """The first cell of a picture, RGB uint8 (H, W, 3), if there is one; of its score nothing is remembered."""
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()[:16]
        if key not in self._boxes:
            found = self.locator.locate(image)
            self._boxes[key] = found[0].box if found else ()
        box = self._boxes[key]
        return Cell(box, self.locator.threshold) if box else None  # type: ignore[arg-type]

    def keep(self) -> None:
        """Write down what is new."""
        if not self._file or len(self._boxes) == self._known:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        keys = np.frombuffer(b"".join(self._boxes), np.uint8).reshape(-1, 16)
        boxes = np.array([box or (0, 0, 0, 0) for box in self._boxes.values()], np.int32)
        with open(partial, "wb") as file:
            np.savez(file, keys=keys, boxes=boxes)
        os.replace(partial, self._file)
        self._known = len(self._boxes)
