"""Many more photos than one machine can scan, on Ray Data: photos in, Parquet out.

    from leukoscope import Classifier
    from leukoscope.cluster.scan import scan_to_parquet
    from leukoscope.cluster.tables import slides

    scan_to_parquet(["s3://bucket/study"], "s3://bucket/answers", Classifier.from_pretrained(), address="auto")
    for slide in slides("s3://bucket/answers"):
        print(slide.folder, slide.tally.counts)

Two steps that stream: tasks list folders in portions; actors, one a processor and one thread each, take a portion from
bytes to rows. Ray starts them, asks a cluster that can grow for more, holds back whoever is too quick, and does again
what died with a machine. An actor does all of a photo by itself, since the network is the smaller part of its work:
were reading and framing steps of their own, Ray would fuse them with the actor, or pictures would travel for nothing.

Needs `pip install 'leukoscope[cluster]'`, on every machine the same version. The checkpoint travels with the job.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import Any

from leukoscope import __version__
from leukoscope.classifier import Classifier
from leukoscope.cluster.ray_start import start_patiently
from leukoscope.cluster.stores import Portion, Root, find_roots, list_photos
from leukoscope.errors import NO_RAY, LeukoscopeError, visible
from leukoscope.model.hub import Source
from leukoscope.model.process import processors
from leukoscope.scanning.photos import LeftOut
from leukoscope.showing.about import identity

try:
    from leukoscope.cluster.portion import Answer, Done, scan_portion
except ImportError:  # of pyarrow
    raise ImportError(NO_RAY) from None

PORTION = 256  # photos: a second of work, and what is done again when a worker dies
PER_PROCESSOR = 16  # photos a portion, at least, for each processor of the cluster: the driver takes turns with all
LISTERS = 4  # folders that are listed at once; they wait for the store, not for a processor
REACHED = 10.0  # s until a cluster's head must have answered


def scan_to_parquet(
    places: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    classifier: Classifier,
    *,
    address: str | None = None,
    workers: int | None = None,
    portion: int | None = None,
    seen: Callable[[int], object] = lambda photos: None,
    left_out: LeftOut | None = None,
) -> Done:
    """Scan every photo that `out` does not have yet; stopped or killed, the same call goes on.

    Args:
        places: folders (with those below), globs, files, or URLs of these that fsspec knows: s3://, gs://, hf://, ...
            A path must lead to the same files on every machine. Every name has its rows, copies and links too; in the
            sums of `leukoscope.cluster.tables` equal bytes count once.
        out: folder or URL for the tables; see `leukoscope.cluster.ledger` for its files and `leukoscope.cluster.tables`
            for columns.
        classifier: gives the checkpoint.
        address: of a Ray cluster, "auto" for the one that this machine is part of; None: this machine alone.
        workers: most actors; None: as many as the cluster has processors, and more as it grows.
        portion: photos that are handed out at a time, and whose rows share a file; None: as suits the cluster.
        seen: is called with the number of photos that were just done, for a progress bar.
        left_out: is told the files in folders that are not taken for photos.

    Raises:
        ImportError: if Ray is not installed.
        LeukoscopeError: if a place, the output, the cluster or a machine of it cannot be used.
    """
    if find_spec("ray") is None:
        raise ImportError(NO_RAY)
    from leukoscope.cluster.ledger import Ledger

    roots = find_roots(places)
    if not roots:
        return Done()
    with Ledger.opened(out, identity(classifier)) as ledger, connected(address, workers) as ray:
        done = Done()
        try:
            for answer in _answers(ray, roots, _Job.of(ray, classifier, ledger), workers, portion):
                if left_out is not None:
                    left_out.update(answer.left_out)
                ledger.commit(answer.slide, answer.staged, answer.stale)
                done += answer.done
                seen(answer.done.seen)
        except ray.exceptions.RayError as error:
            raise LeukoscopeError(f"the scan stopped: {_reason(error)}; the same call goes on from here") from None
    return done


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Ray, connected to a cluster, or started on this machine alone and for this once, on loopback.

    Raises:
        LeukoscopeError: if there is no such cluster.
    """
    if address is None:  # and is imported for the first time, it listens to 127.0.0.1 alone
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what is scanned here
    # Below Python Ray prints a page for every machine that it loses and recovers from. What ends a scan is raised.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    _check_reachable(address)
    if ray.is_initialized():  # by the caller, who also ends it
        yield ray
        return
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    # Of a cluster nothing is kept here, so that a killed driver leaves nothing behind.
    with nullcontext() if address else tempfile.TemporaryDirectory(prefix="leukoscope-ray-") as folder:
        alone = {
            "num_cpus": min(workers or processors(), processors()),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": folder,
        }
        try:
            start_patiently(
                lambda: ray.init(address=address or "local", **quiet, **({} if address else alone)), _end_half_started
            )
        except Exception as error:  # Ray raises many kinds, plain ones too
            what = f"no Ray cluster at {address}" if address else "Ray did not start"
            raise LeukoscopeError(f"{what}: {_reason(error)}") from None
        try:
            yield ray
        finally:
            ray.shutdown()


def _end_half_started(error: Exception) -> None:
    """End the processes of a node that did not come up. Ray has lost sight of it by then, the error's frames have not.

    They would end with this process, but too late for the folder in which they write.
    """
    for frame, _ in walk_tb(error.__traceback__):
        node: Any = frame.f_locals.get("self")
        if hasattr(node, "kill_all_processes"):
            node.kill_all_processes(check_alive=False, wait=True)


def _check_reachable(address: str | None) -> None:
    """See that somebody listens there: Ray itself would try for minutes."""
    host, separator, port = (address or "").rpartition(":")
    if separator and "/" not in host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), REACHED).close()
        except OSError as error:
            raise LeukoscopeError(f"no Ray cluster at {address}: {error.strerror or error}") from None


@dataclass(frozen=True)
class _Job:
    """What every actor is given. checkpoint: a reference to the files of it, by name."""

    checkpoint: Any
    model: str
    ledger: Any
    version: str = __version__

    @classmethod
    def of(cls, ray: Any, classifier: Classifier, ledger: Any) -> _Job:
        names = ["classifier.json", *classifier.spec.files]
        files = {name: (classifier.folder / name).read_bytes() for name in names}
        return cls(ray.put(files), classifier.source.name, ledger)


def _answers(ray: Any, roots: list[Root], job: _Job, workers: int | None, portion: int | None) -> Iterator[Answer]:
    """What the actors tell of each portion, as it is done."""
    import ray.data as data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # byte: so that every portion is a block by itself, which is what Ray hands out
    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
    portion = portion or max(PORTION, PER_PROCESSOR * cpus)
    pool = data.ActorPoolStrategy(min_size=1, initial_size=min(workers or cpus, cpus), max_size=workers)
    with data.DataContext.current(context):
        lister = data.TaskPoolStrategy(size=min(LISTERS, len(roots)))
        whole = {"batch_size": None, "batch_format": "pyarrow"}
        listed = data.from_items([{"root": number} for number in range(len(roots))], override_num_blocks=len(roots))
        listed = listed.map_batches(_list, fn_args=(roots, portion), num_cpus=0, compute=lister, **whole)
        scanned = listed.map_batches(_Scanner, fn_constructor_args=(job,), compute=pool, num_cpus=1, **whole)
    for batch in scanned.iter_batches(**whole):
        for row in batch.to_pylist():
            done, left_out = Done(*row["done"]), dict(row["left_out"])
            yield Answer(row["slide"], dict(row["staged"]), tuple(row["stale"]), done, left_out)


def _schemas() -> tuple[Any, Any]:
    """Columns of what listers give, and of what scanners give. Names of files need not be UTF-8, as text must."""
    import pyarrow as pa

    text, names, counts = pa.string(), pa.list_(pa.binary()), pa.map_(pa.string(), pa.int64())
    listed = {"folder": pa.binary(), "photos": names, "reason": text, "left_out": counts}
    answer = {"slide": text, "staged": pa.map_(text, text), "stale": pa.list_(text), "done": pa.list_(pa.int64())}
    answer |= {"left_out": counts}
    return pa.schema(listed), pa.schema(answer)


def _list(batch: Any, roots: list[Root], size: int) -> Iterator[Any]:
    """Rows of `roots` -> a table of one row for each portion of their photos."""
    import pyarrow as pa

    for number in batch["root"].to_pylist():
        for portion in list_photos(roots[number], roots[:number], size):
            photos = [os.fsencode(photo) for photo in portion.photos]
            row = {"folder": os.fsencode(portion.folder), "photos": photos, "reason": portion.reason}
            row |= {"left_out": [(visible(kind), count) for kind, count in portion.left_out.items()]}
            yield pa.Table.from_pylist([row], _schemas()[0])


class _Scanner:
    """An actor: a classifier with one thread, that takes portions of photos to rows in staged files."""

    def __init__(self, job: _Job) -> None:
        import ray

        if job.version != __version__:
            raise LeukoscopeError(f"leukoscope is {__version__} on a worker and {job.version} where the scan began")
        with tempfile.TemporaryDirectory() as folder:
            for name, content in ray.get(job.checkpoint).items():
                Path(folder, name).write_bytes(content)
            self.classifier = Classifier(Source(Path(folder), job.model), threads=1)
        self.ledger = job.ledger

    def __call__(self, batch: Any) -> Any:
        import pyarrow as pa

        answers = []
        for row in batch.to_pylist():
            portion = Portion(
                os.fsdecode(row["folder"]), tuple(map(os.fsdecode, row["photos"])), row["reason"], dict(row["left_out"])
            )
            answer = scan_portion(self.classifier, self.ledger, portion)
            row = {"slide": answer.slide, "staged": list(answer.staged.items()), "stale": answer.stale}
            answers.append(row | {"done": astuple(answer.done), "left_out": list(answer.left_out.items())})
        return pa.Table.from_pylist(answers, _schemas()[1])


def _reason(error: Exception) -> str:
    """The words of what went wrong on a worker, without the tale of how they came here."""
    cause = getattr(error, "cause", None)
    lines = [line.strip() for line in str(cause or error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
