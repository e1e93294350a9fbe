"""The output folder of a scan on a cluster: every photo's rows are in it once, whoever is killed when.

    study.json, slides.csv                            the model that answers; a row a slide
    cells/slide=NAME~HASH/part-RUN-HASH.parquet       a row a cell, one for each photo without any
    bad/slide=NAME~HASH/part-RUN-HASH.parquet         pictures that could not be read, with the reason
    _runs/RUN, _staged/RUN/                           the runs so far; what workers have written and nobody has counted

Workers write whole files into _staged. The driver alone moves them to where they count, in one step each. So what a
worker writes twice, because another one died, counts once; and what the workers of a killed driver still finish counts
never: the next run does it again. A file's name follows from its photos, so that even a second move would change
nothing. A photo is done if a file of an earlier run has its name and the hash of its bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leukoscope.cluster.stores import is_url, open_place
from leukoscope.errors import LeukoscopeError
from leukoscope.files import move_whole, write_whole

CELLS, BAD = "cells", "bad"
STUDY, REPORT, RUNS, STAGED, LOCK = "study.json", "slides.csv", "_runs", "_staged", ".lock"
FORMAT_VERSION = 1
COMPRESSION = "zstd"

_PART = re.compile(r"part-(\d{6})-[0-9a-f]+\.parquet")


def slide_key(folder: str) -> str:
    """The name of a slide's folder in the tables: readable, no longer than a file's name may be, and its own."""
    last = re.sub(r"[^A-Za-z0-9.-]", "_", re.split(r"[/\\]", folder.partition("::")[0].rstrip("/"))[-1])[:80]
    return f"slide={last}~{hashlib.sha256(folder.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Ledger:
    """An output folder, as one run sees it. It may be sent to other processes.

    out: path or URL. run: number of this run, from 1.
    """

    out: str
    run: int = 0
    _known: dict[str, dict[str, str | None]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _place(self) -> tuple[Any, str]:
        return open_place(self.out)

    def __getstate__(self) -> dict[str, object]:
        """Sent to a worker without what is known: each reads the slides it has to do with."""
        return {"out": self.out, "run": self.run, "_known": {}}

    # --- the driver --------------------------------------------------------------------------------------

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: str | os.PathLike[str], model: dict[str, str]) -> Iterator[Ledger]:
        """The output folder for a new run; what a killed run has left in _staged goes, now and at the end.

        Args:
            out: folder or URL; made if it is not there.
            model: says which model answers.

        Raises:
            LeukoscopeError: if it holds something else, another model's answers, or a run that is still going on.
        """
        first = cls.at(out)
        first._mkdir("")
        with first._locked():
            first._check_study(model)
            ledger = cls(first.out, max(map(int, first._names(RUNS)), default=0) + 1)
            ledger._remove(STAGED)
            ledger.write(f"{RUNS}/{ledger.run:06}", b"")
            try:
                yield ledger
            finally:
                ledger._remove(STAGED)

    @classmethod
    def at(cls, out: str | os.PathLike[str]) -> Ledger:
        """The output folder as it is, outside of any run."""
        return cls(os.fspath(out) if is_url(os.fspath(out)) else os.path.abspath(out))

    def commit(self, slide: str, staged: dict[str, str], stale: Iterable[str]) -> None:
        """Let what a worker has staged count.

        Args:
            slide: folder of the slide within each table.
            staged: names of its parts, by table.
            stale: photos whose rows of earlier runs no longer hold; these go first.
        """
        stale = set(stale)
        for table in (CELLS, BAD) if stale else ():
            self._forget(f"{table}/{slide}", stale)
        for table, part in staged.items():
            self._move(f"{STAGED}/{self.run:06}/{table}-{part}", f"{table}/{slide}/{part}")

    def _forget(self, folder: str, photos: set[str]) -> None:
        """Write each earlier file of a slide anew, without these photos; a file without rows goes."""
        for path in self._earlier(folder):
            rows = self._read(path)
            kept = rows.filter(pa.array([photo not in photos for photo in rows["photo"].to_pylist()], pa.bool_()))
            if not len(kept):
                self._place[0].rm(self._path(path))
            elif len(kept) < len(rows):
                self.write(path, _parquet(kept))

    # --- the workers -------------------------------------------------------------------------------------

    def known(self, slide: str) -> dict[str, str | None]:
        """Photo -> hash (None if its bytes could not be had) of what earlier runs have of a slide."""
        if slide not in self._known:
            self._known.clear()  # portions of a slide come one after the other
            photos: dict[str, str | None] = {}
            for table in (BAD, CELLS):
                for path in self._earlier(f"{table}/{slide}"):
                    columns = self._read(path, ["photo", "sha256"])
                    photos |= dict(zip(columns["photo"].to_pylist(), columns["sha256"].to_pylist(), strict=True))
            self._known[slide] = photos
        return self._known[slide]

    def stage(self, table: str, rows: list[dict[str, Any]], schema: pa.Schema) -> str:
        """Write rows where they do not count yet.

        Returns:
            The name of the part; it follows from the photos and their hashes.
        """
        key = json.dumps(sorted({(row["photo"], row["sha256"] or "") for row in rows}))
        part = f"part-{self.run:06}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.parquet"
        self.write(f"{STAGED}/{self.run:06}/{table}-{part}", _parquet(pa.Table.from_pylist(rows, schema)))
        return part

    # --- files -------------------------------------------------------------------------------------------

    def _check_study(self, model: dict[str, str]) -> None:
        names = set(self._names("")) - {LOCK}
        if not names:
            self.write(STUDY, json.dumps({"format_version": FORMAT_VERSION, "model": model}, indent=1).encode())
            return
        if STUDY not in names:
            raise LeukoscopeError(f"{self.out} holds something that is no output of a scan: give a new --out")
        study = json.loads(self._place[0].cat_file(self._path(STUDY)))
        if study["format_version"] > FORMAT_VERSION:
            raise LeukoscopeError(f"{self.out} was written by a newer leukoscope: upgrade it")
        if study["model"] != model:
            raise LeukoscopeError(
                f"{self.out} holds the answers of another model, {study['model']['name']} "
                f"{study['model'].get('graph', '')[:16]}: give a new --out, "
                "since answers of two models are no one count"
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Two runs at once would both do what is missing. An object store has no locks: there it is up to the user."""
        if is_url(self.out):
            yield
            return
        import fcntl

        with open(self._path(LOCK), "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LeukoscopeError(f"{self.out}: another scan is writing to it: wait for its end") from None
            yield

    def _path(self, name: str) -> str:
        return f"{self._place[1].rstrip('/')}/{name}"

    def _names(self, folder: str) -> list[str]:
        """Names of what lies in a folder; empty if it is not there."""
        fs, path = self._place[0], self._path(folder)
        fs.invalidate_cache(path)
        try:
            return sorted(os.path.basename(found.rstrip("/")) for found in fs.ls(path, detail=False))
        except FileNotFoundError:
            return []

    def _earlier(self, folder: str) -> list[str]:
        """The files of a slide that were there before this run; what it adds itself must not change its answers."""
        matches = map(_PART.fullmatch, self._names(folder))
        return [f"{folder}/{match[0]}" for match in matches if match and int(match[1]) < self.run]

    def _read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        with self._place[0].open(self._path(name), "rb") as file:
            return pq.read_table(file, columns=columns)

    def _mkdir(self, folder: str) -> None:
        self._place[0].makedirs(self._path(folder), exist_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole: on a disk by renaming, on an object store by one upload."""
        self._mkdir(os.path.dirname(name))
        if is_url(self.out):
            self._place[0].pipe_file(self._path(name), content)
        else:
            write_whole(Path(self._path(name)), content)

    def _move(self, source: str, target: str) -> None:
        self._mkdir(os.path.dirname(target))
        if is_url(self.out):
            self._place[0].mv(self._path(source), self._path(target))
        else:
            move_whole(Path(self._path(source)), Path(self._path(target)))

    def _remove(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._place[0].rm(self._path(folder), recursive=True)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=COMPRESSION)
    return buffer.getvalue()
