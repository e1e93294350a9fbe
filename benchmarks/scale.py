"""How a scan grows from one process to a cluster, and what its driver holds meanwhile.

make scale                                    # all of it, on a machine that nothing else uses; about 20 minutes
python -m benchmarks.scale --photos 20000 --many 200000
python -m benchmarks.scale --only speed       # or kills, memory, reading, growth

Prints its numbers, writes scale.json beside this file and puts them into docs/scale.md (with --out: that file alone).
Parts that were not asked for keep their numbers. Photos are those of $BLOOD_CELLS_DIR, linked as often as it takes,
or drawn ones.

speed     the same photos by one process, by a cluster of one worker and by one of two, each worker held to a core of
          its own. Head and driver share the first core, so that a cluster of one worker has one core, and of two, two.
          Every cell's row is compared with the one process's, to the last bit.
kills     SIGKILL to a worker in the middle, and in another run to the driver, which is then started again.
memory    links to a few hundred small pictures, and what the driver holds while they are scanned.
reading   photos from single files and from one archive, from a store that takes its time to answer.
growth    what follows from speed and reading for clusters of up to 100 nodes of 16 cores, and the cost at given prices.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.growth import Study, cost_of_a_million_cells, growth, simulate
from benchmarks.nodes import Cluster
from benchmarks.pictures import linked, small_pictures
from benchmarks.reading import reading
from leukoscope.cluster.scan import LISTERS, PORTION

ROOT = Path(__file__).parents[1]
RESULTS, DOCUMENT = ROOT / "benchmarks" / "scale.json", ROOT / "docs" / "scale.md"
PARTS = ("speed", "kills", "memory", "reading", "growth")
STORE_BYTES = 12.5e9  # bytes/s of an object store to one cluster: 100 Gbit/s, what an account gets without asking
DRIVER = """
import sys, time
from leukoscope import Classifier
from leukoscope.cluster.scan import scan_to_parquet
photos, out, address = sys.argv[1:]
began = time.perf_counter()
def seen(count):
    print(count, time.perf_counter() - began, flush=True)
if __name__ == "__main__":
    scan_to_parquet([photos], out, Classifier.from_pretrained(), address=address, seen=seen)
"""
"""Prints how many photos each portion had, and when it was done."""


def main(argv: list[str] | None = None) -> int:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=20_000, help="of speed and kills; default 20,000")
    parser.add_argument("--many", type=int, default=200_000, help="small pictures of memory; default 200,000")
    parser.add_argument("--data", type=Path, default=os.environ.get("BLOOD_CELLS_DIR"), help="default $BLOOD_CELLS_DIR")
    parser.add_argument("--only", choices=PARTS, action="append", help="one of the parts; may be given again")
    parser.add_argument("--node-hour", type=float, default=0.714, help="price of a node of 16 cores, an hour")
    parser.add_argument("--requests", type=float, default=0.0004, help="price of 1,000 reads of the object store")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = Path(args.data) if args.data else None
        for part in args.only or PARTS:
            place = work / part
            if part == "memory":
                found = memory(small_pictures(place / "photos", args.many), place / "out")
            elif part == "growth":
                found = growing(results, args.node_hour, args.requests)
            elif part == "reading":
                found = reading(linked(data, place / "photos", 2000), place)
            else:
                photos = linked(data, place / "photos", args.photos)
                found = (speed if part == "speed" else kills)(photos, place)
            results[part] = found | {"pictures": "real" if data and part != "memory" else "drawn", "machine": machine()}
            args.out.write_text(json.dumps(results, indent=1) + "\n")
            print("\n".join([part, *lines(results[part])]), flush=True)
    if args.out == RESULTS:
        DOCUMENT.write_text(quoted(DOCUMENT.read_text(), results))
    print(f"-> {args.out}")
    return 0


# --- speed -----------------------------------------------------------------------------------------------


def speed(photos: Path, work: Path) -> dict:
    """Photos a second of one process and of clusters of one and two workers, and whether their rows are the same."""
    began, alone = time.perf_counter(), rows_alone(photos)
    found = {
        "photos": count(photos),
        "rows": len(alone),
        "one_process_per_s": count(photos) / (time.perf_counter() - began),
    }
    for workers in (1, 2):
        out = work / f"out-{workers}"
        cores = sorted(os.sched_getaffinity(0))[:2]
        with (
            Cluster(workers, [cores[0], *cores][: workers + 1]) as cluster,
            driver(cluster, photos, out, cores[0]) as process,
        ):
            times, cpu = finished(process)
        found[f"workers_{workers}_per_s"] = rate(times)
        found[f"workers_{workers}_seconds"] = times[-1][1]
        found[f"driver_ms_a_portion_{workers}"] = 1000 * cpu / len(times)
        found[f"rows_unlike_one_process_{workers}"] = unlike(rows_of(out), alone)
    found["speed_up"] = found["workers_2_per_s"] / found["workers_1_per_s"]
    size = sum(path.stat().st_size for path in photos.rglob("*") if path.is_file())
    kept = sum(path.stat().st_size for path in (work / "out-2/cells").rglob("*.parquet"))
    cells = sum(len(row) > 2 and row[1] is not None for row in alone)
    found["cells_a_photo"] = cells / found["photos"]
    return found | {"bytes_a_photo": size / found["photos"], "parquet_bytes_a_photo": kept / found["photos"]}


def rows_alone(photos: Path) -> list[tuple]:
    """Every row as `leukoscope scan` has it, by one process and one thread."""
    from leukoscope import Classifier
    from leukoscope.cluster.tables import cell_rows
    from leukoscope.scanning.photos import find_pictures, read_photos
    from leukoscope.scanning.scan import scan_files

    rows: list[tuple] = []
    files, bad = find_pictures([photos])
    bad += scan_files(
        Classifier.from_pretrained(),
        read_photos(files),
        lambda name, cells: rows.extend(map(_key, cell_rows(name, "", "", cells))),
    )
    return sorted([*rows, *((name, reason) for name, reason in bad)], key=repr)


def rows_of(out: Path) -> list[tuple]:
    """The same of an output folder: its cells and its bad pictures."""
    import pyarrow.dataset as ds

    rows = [_key(row) for row in ds.dataset(out / "cells", format="parquet").to_table().to_pylist()]
    if (out / "bad").exists():
        bad = ds.dataset(out / "bad", format="parquet").to_table().to_pylist()
        rows += [(row["photo"], row["reason"]) for row in bad]
    return sorted(rows, key=repr)


def _key(row: dict) -> tuple:
    from leukoscope.cluster.tables import CELLS, SCHEMAS

    return tuple(row.get(name) for name in SCHEMAS[CELLS].names if name not in ("sha256", "folder"))


def unlike(some: list[tuple], others: list[tuple]) -> int:
    """Rows that differ, a missing or a double one included; floats are equal to the last bit or not at all."""
    return abs(len(some) - len(others)) + sum(a != b for a, b in zip(some, others, strict=False))


# --- kills -----------------------------------------------------------------------------------------------


def kills(photos: Path, work: Path) -> dict:
    """Rows that differ from an undisturbed run's after a worker, or the driver, was killed in the middle."""
    total, found = count(photos), {}
    for whom in ("nobody", "worker", "driver"):
        out = work / whom
        with Cluster(2) as cluster:
            with driver(cluster, photos, out) as process:
                if whom == "nobody":
                    finished(process)
                    continue
                done = 0
                while done < total / 3:
                    done += int(process.stdout.readline().split()[0])
                if whom == "worker":
                    cluster.kill(2)
                    finished(process)
                else:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
            found[f"{whom}_killed_after"] = done
            if whom == "driver":
                with driver(cluster, photos, out) as process:
                    finished(process)
        found[f"{whom}_killed_rows_unlike"] = unlike(rows_of(out), rows_of(work / "nobody"))
    return {"photos": total, "rows": len(rows_of(work / "nobody")), **found}


# --- memory ----------------------------------------------------------------------------------------------


def memory(photos: Path, out: Path) -> dict:
    """What the driver holds, MB: the most, and at each tenth of the photos."""
    total, done, peak, tenths = count(photos), 0, 0, []
    with Cluster(2) as cluster, driver(cluster, photos, out) as process:
        began = time.perf_counter()
        while line := process.stdout.readline():
            done += int(line.split()[0])
            if done >= total * (len(tenths) + 1) / 10:
                tenths.append(held(process.pid))
            peak = held(process.pid, "VmHWM") or peak
        if process.wait():
            raise RuntimeError(process.stderr.read())
    return {
        "photos": total,
        "seconds": time.perf_counter() - began,
        "driver_peak_mb": peak,
        "driver_mb_at_each_tenth": tenths,
        "bytes_a_photo": sum(path.stat().st_size for path in photos.rglob("*.jpg")) / total,
    }


def held(pid: int, what: str = "VmRSS") -> int:
    """Memory of a process, MB."""
    match = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) // 1024 if match else 0


# --- growth ----------------------------------------------------------------------------------------------


def growing(results: dict, node_hour: float, requests: float) -> dict:
    """Rows of `growth` from what was measured, how well the formula meets the measured speed-up, and costs."""
    speed, read = results["speed"], results["reading"]
    here = Study(
        cores=1,
        core=speed["workers_1_per_s"],
        portion=PORTION,
        driver=speed["driver_ms_a_portion_2"] / 1000,
        listed=read["listed_per_s"],
        listers=LISTERS,
        store=STORE_BYTES,
        size=speed["bytes_a_photo"],
    )
    one, two = (simulate(replace(here, cores=cores), rounds=speed["photos"] // PORTION // cores) for cores in (1, 2))
    cells = speed["cells_a_photo"]
    return {
        "simulated_speed_up_of_2": two / one,
        "store_gb_per_s": STORE_BYTES / 1e9,
        "node_hour": node_hour,
        "price_of_1000_reads": requests,
        "cost_of_a_million_cells_single_files": cost_of_a_million_cells(here.core, cells, node_hour / 16, requests),
        "cost_of_a_million_cells_archives": cost_of_a_million_cells(here.core, cells, node_hour / 16, 0.0),
        "rows_by_nodes": growth(here),
    }


# --- what all share --------------------------------------------------------------------------------------


@contextmanager
def driver(cluster: Cluster, photos: Path, out: Path, core: int | None = None) -> Iterator[subprocess.Popen]:
    """A scan of its own process, at its beginning; ended at the end, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(photos), str(out), cluster.address],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen) -> tuple[list[tuple[int, float]], float]:
    """(photos, seconds since the start) of each portion, and seconds that the driver's processor took."""
    times, ticks = [], []
    for line in process.stdout:
        if not (told := re.fullmatch(r"(\d+) ([\d.]+)\n", line)):
            print(line, end="", file=sys.stderr)  # what Ray has to say of a machine that died
            continue
        times.append((int(told[1]), float(told[2])))
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        ticks.append(int(user) + int(system))
    if process.wait():
        raise RuntimeError(process.stderr.read())
    return times, (ticks[-1] - ticks[0]) / os.sysconf("SC_CLK_TCK")


def rate(times: list[tuple[int, float]]) -> float:
    """Photos a second from the first portion that was done to the last: without what Ray takes to start its actors."""
    return sum(photos for photos, _ in times[1:]) / (times[-1][1] - times[0][1])


def count(photos: Path) -> int:
    """Files in a folder and below."""
    return sum(len(files) for _, _, files in os.walk(photos))


def machine() -> dict:
    """What it ran on, and how busy that was before: 1-minute load."""
    import ray

    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "ray": ray.__version__,
        "load": os.getloadavg()[0],
    }


def lines(found: dict) -> list[str]:
    """What is printed of a part."""
    own = ("rows_by_nodes", "machine")
    plain = [f"  {name:<40}{_shown(value)}" for name, value in found.items() if name not in own]
    table = found.get("rows_by_nodes", [])
    head = ["  " + "".join(f"{name:>{len(name) + 3}}" for name in table[0])] if table else []
    rows = ["  " + "".join(f"{_shown(value):>{len(name) + 3}}" for name, value in row.items()) for row in table]
    machine = [f"  {name:<40}{_shown(value)}" for name, value in found.get("machine", {}).items()]
    return [*plain, *machine, *head, *rows]


def quoted(text: str, results: dict) -> str:
    """The document with what was printed of each part where it has `<!-- part -->`, up to `<!-- -->`."""
    for part, found in results.items():
        block = "\n".join(f"    {line}".rstrip() for line in lines(found))
        text = re.sub(f"<!-- {part} -->.*?<!-- -->", f"<!-- {part} -->\n\n{block}\n\n<!-- -->", text, flags=re.DOTALL)
    return text


def _shown(value) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
