"""A count on disk: one JSON line for each thing that happened, so that a killed process loses nothing that was done.

A line is written, flushed and synced before the count goes on; a line that a crash cut short is dropped on reading.
Lines are of three kinds: {"photo", "sha256", "model", "rows", "pictures"}, {"photo", "sha256", "reason"} of a file that
could not be read, and {"photo", "number", "decision"} of a person. Rows hold what a row of the CSV export holds.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leukoscope import Prediction
from leukoscope.counting.counted import CountedCell, Origin, from_row, to_row
from leukoscope.counting.differential import Differential
from leukoscope.errors import DifferentialError

KIND = {"leukoscope": "session", "version": 1}
MOST_BYTES = 256 * 2**20


@dataclass
class Session:
    """What a session file tells.

    digests: SHA-256 of each photo's file, by the photo's name. pictures: JPEG of each cell, by photo and number.
    unreadable: (name, reason).
    """

    differential: Differential = field(default_factory=Differential)
    digests: dict[str, str] = field(default_factory=dict)
    pictures: dict[tuple[str, int], bytes] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def photo_line(
    photo: str, digest: str, predictions: list[Prediction], pictures: list[bytes], model: str = ""
) -> dict[str, Any]:
    """A photo that was read, and which model answered."""
    cells = (CountedCell(photo, number, prediction) for number, prediction in enumerate(predictions, 1))
    rows = [{column: str(value) for column, value in to_row(cell).items()} for cell in cells]
    coded = [base64.b64encode(picture).decode() for picture in pictures]
    return {"photo": photo, "sha256": digest, "model": model, "rows": rows, "pictures": coded}


def unreadable_line(photo: str, digest: str, reason: str) -> dict[str, Any]:
    """A file that could not be read."""
    return {"photo": photo, "sha256": digest, "reason": reason}


def decision_line(photo: str, number: int, decision: str | None) -> dict[str, Any]:
    """What a person called a cell; None takes it back."""
    return {"photo": photo, "number": number, "decision": decision}


def append(file: Path, line: dict[str, Any]) -> None:
    """Add a line, on disk when this returns.

    Raises:
        OSError: if it cannot be written, such as on a full disk.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists() or file.stat().st_size == 0
    with open(file, "a+b") as out:
        if not new:
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":  # a crash cut the last line short: it must not swallow this one
                out.write(b"\n")
        for part in ([KIND] if new else []) + [line]:
            out.write(json.dumps(part).encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())


def read(file: Path) -> Session:
    """What a session file tells.

    Raises:
        DifferentialError: if it is no session file, naming the line.
        OSError: if it cannot be read.
    """
    if file.stat().st_size > MOST_BYTES:
        raise DifferentialError(f"{file.name}: larger than {MOST_BYTES // 2**20} MB")
    return parse(file.read_bytes(), file.name)


def parse(content: bytes, name: str) -> Session:
    """What the content of a session file tells; `name` stands in errors.

    Raises:
        DifferentialError: if it is no session file, naming the line.
    """
    lines = content.split(b"\n")
    if _loaded(lines[0]) != KIND:
        raise DifferentialError(f"{name}: this is no session file of Leukoscope")
    session = Session()
    photos: list[tuple[str, list[Prediction]]] = []
    origins: dict[str, Origin] = {}
    decisions: list[tuple[str, int, str | None]] = []
    for place, text in enumerate(lines[1:], 2):
        line = _loaded(text)
        if line is None:  # cut short by a crash
            continue
        try:
            _take(line, session, photos, origins, decisions, f"{name}: line {place}")
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise DifferentialError(f"{name}: line {place} is damaged ({type(error).__name__}: {error})") from None
    try:
        session.differential = Differential().extend(photos, origins)
        for decision in decisions:
            session.differential = session.differential.reclassify(*decision)
    except ValueError as error:
        raise DifferentialError(f"{name}: {error}") from None
    return session


def _loaded(text: bytes) -> dict | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _take(line: dict, session: Session, photos: list, origins: dict, decisions: list, where: str) -> None:
    photo = str(line["photo"])
    if "decision" in line:
        decisions.append((photo, int(line["number"]), line["decision"]))
        return
    session.digests[photo] = str(line["sha256"])
    if "reason" in line:
        session.unreadable.append((photo, str(line["reason"])))
        return
    cells = [from_row({str(k): str(v) for k, v in row.items()}, where) for row in line["rows"]]
    photos.append((photo, [cell.prediction for cell in cells if cell]))
    if line.get("model"):  # lines of earlier versions have none
        origins[photo] = Origin(str(line["model"]), session.digests[photo])
    for number, picture in enumerate(line["pictures"], 1):
        session.pictures[photo, number] = base64.b64decode(picture, validate=True)
