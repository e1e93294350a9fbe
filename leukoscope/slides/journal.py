"""What a scan of a slide has done so far, a line a tile: whoever is killed, the next run goes on with the other tiles.

{"format": 2, "slide": ..., "model": ..., "plan": {...}}         of what the lines below hold
{"tile": 7, "cells": [[score, box, label, probabilities, confidence, verdict, unfamiliarity, cut], ...]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.errors import SlideError
from leukoscope.files import write_whole
from leukoscope.model.prediction import Prediction
from leukoscope.slides.answering import Answer
from leukoscope.slides.tiles import Found

FORMAT = 2


class Journal:
    """The answers to a slide's tiles, in memory and, with a file, on disk as soon as they are known."""

    def __init__(self, file: Path | None = None, head: dict[str, Any] | None = None) -> None:
        """Take up what a file holds.

        Args:
            file: where; None keeps nothing.
            head: what slide, model and plan the answers are of.

        Raises:
            SlideError: if the file holds answers of others.
        """
        self._file = file
        self.answers: dict[int, Answer] = {}
        if file is None:
            return
        head = {"format": FORMAT, **(head or {})}
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []  # what no line end follows is torn
        if not lines:
            write_whole(file, json.dumps(head).encode() + b"\n")
            return
        _check(file, _read(file, 1, lines[0]), head)
        for number, line in enumerate(lines[1:], 2):
            answer = _answer(_read(file, number, line))
            self.answers[answer.tile] = answer
        whole = b"\n".join(lines) + b"\n"
        if file.stat().st_size != len(whole):
            write_whole(file, whole)

    def add(self, answer: Answer) -> None:
        """Keep an answer. A tile that could not be read is not written down: the next run tries it again."""
        self.answers[answer.tile] = answer
        if self._file is None or answer.bad:
            return
        with open(self._file, "ab") as file:
            file.write(json.dumps(_line(answer)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder: two scans at once would both do what is missing.

    Raises:
        SlideError: if another scan holds it.
    """
    import fcntl

    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SlideError(f"another scan is writing to {folder}: wait for its end") from None
        yield


def _read(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
        if isinstance(values, dict):
            return values
    except ValueError:
        pass
    raise SlideError(f"{file}: line {number} is damaged: give a new --out, or take that line away")


def _check(file: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if found.get("format") != FORMAT:
        raise SlideError(f"{file} was written by another version of leukoscope: give a new --out")
    wanted = json.loads(json.dumps(wanted))
    for key, what in (
        ("slide", "another slide, or of this one before it changed"),
        ("model", f"another model, {found.get('model')}"),
        ("plan", "another region, level or scale"),
    ):
        if found.get(key) != wanted.get(key):
            raise SlideError(f"{file.parent} holds the answers of {what}: give a new --out")


def _line(answer: Answer) -> dict[str, Any]:
    cells = [
        [
            cell.score,
            cell.prediction.box,
            cell.prediction.label,
            [cell.prediction.probabilities[name] for name in CELL_TYPES],
            cell.prediction.confidence,
            cell.prediction.verdict,
            cell.prediction.unfamiliarity,
            cell.prediction.cut,
        ]
        for cell in answer.cells
    ]
    return {"tile": answer.tile, "cells": cells}


def _answer(line: dict[str, Any]) -> Answer:
    tile = int(line["tile"])
    return Answer(
        tile,
        tuple(
            Found(
                tile,
                score,
                Prediction(
                    label=label,
                    probabilities=dict(zip(CELL_TYPES, probabilities, strict=True)),
                    confidence=confidence,
                    box=tuple(box),
                    verdict=verdict,
                    cut=cut,
                    unfamiliarity=unfamiliarity,
                ),
            )
            for score, box, label, probabilities, confidence, verdict, unfamiliarity, cut in line["cells"]
        ),
    )
