"""A portion of photos, from bytes to rows in files: the work of one actor, and of nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from itertools import islice
from typing import Any

from leukoscope.classifier import Classifier
from leukoscope.cluster.ledger import BAD, CELLS, Ledger, slide_key
from leukoscope.cluster.stores import Portion, read_ahead
from leukoscope.cluster.tables import SCHEMAS, cell_rows
from leukoscope.errors import ImageError
from leukoscope.model.ahead import BATCH
from leukoscope.scanning.photos import digest_of, photo_name


@dataclass(frozen=True)
class Done:
    """What became of some files.

    photos: read and scanned now. cells: in them. bad: could not be read. known: an earlier run has the same name with
    the same bytes, so nothing was done.
    """

    photos: int = 0
    cells: int = 0
    bad: int = 0
    known: int = 0

    def __add__(self, other: Done) -> Done:
        """Both together."""
        return Done(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def seen(self) -> int:
        """All files."""
        return self.photos + self.bad + self.known


@dataclass(frozen=True)
class Answer:
    """What a portion came to.

    slide: its slide's folder in the tables. staged: names of the files written, by table; they count when the ledger
    commits them. stale: names whose rows of earlier runs no longer hold. left_out: as of the portion.
    """

    slide: str
    staged: dict[str, str]
    stale: tuple[str, ...]
    done: Done
    left_out: Mapping[str, int] = field(default_factory=dict)


def scan_portion(classifier: Classifier, ledger: Ledger, portion: Portion) -> Answer:
    """Read, hash, scan and stage the photos of a portion that no earlier run has.

    Cells are answered in batches over several photos; the answers are the same, to the last bit, as photo by photo.
    """
    folder = photo_name(portion.folder)
    slide = slide_key(folder)
    known = ledger.known(slide)
    rows: dict[str, list[dict[str, Any]]] = {CELLS: [], BAD: []}
    # A folder that could not be listed has a row by its own name. It has been listed now, or gets a new one.
    stale = [folder] if folder in known else []
    photos = same = 0

    def refuse(photo: str, sha256: str | None, reason: str) -> None:
        rows[BAD].append({"photo": photo, "sha256": sha256, "folder": folder, "reason": reason})

    if portion.reason:
        refuse(folder, None, portion.reason)
    contents = read_ahead(portion.photos)
    while batch := list(islice(contents, BATCH)):
        names, hashes, framed = [], [], []
        for photo, content in batch:
            sha256 = None if isinstance(content, ImageError) else digest_of(content)
            if photo in known:
                if sha256 and known[photo] == sha256:
                    same += 1
                    continue
                stale.append(photo)
            try:
                if isinstance(content, ImageError):
                    raise content
                framed.append(classifier.framed(content))
            except ImageError as error:
                refuse(photo, sha256, str(error))
                continue
            names.append(photo)
            hashes.append(sha256)
        for photo, digest, answers in zip(names, hashes, classifier.answer_each(framed), strict=True):
            rows[CELLS] += cell_rows(photo, digest, folder, answers)
        photos += len(names)
    staged = {table: ledger.stage(table, some, SCHEMAS[table]) for table, some in rows.items() if some}
    cells = sum(row.get("cell") is not None for row in rows[CELLS])
    return Answer(slide, staged, tuple(stale), Done(photos, cells, len(rows[BAD]), same), portion.left_out)
