"""How both apps bear up under many visitors at once, on loopback alone.

make load                                                    # 50 visitors of the page, then 10 of the bench's app
python -m benchmarks.load --clients 50 --seconds 60          # the page: half of them programs, half people
python -m benchmarks.load --app streamlit --clients 10 --seconds 60

Starts the app itself, asks once alone, then lets all visitors ask as fast as they are answered until the time is up.
Ends with 1 if an answer failed or differed from the one given alone. What the queue refuses with "Busy: n others are
ahead of you" is counted apart: the visitor waits for a second or so and asks again, as the words say.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ports import free_port
from benchmarks.visitors import SECONDS, BenchVisitor, Busy, Failed, PageVisitor, Program, ask

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "space" / "examples"
KINDS = {"gradio": (Program, PageVisitor), "streamlit": (BenchVisitor,)}
CLIENTS = {"gradio": 50, "streamlit": 10}
MOST_CLIENTS, MOST_SECONDS = 200, 600  # this is a measurement, not an attack
START_SECONDS = 180
WARM_UP = 0.1  # of the time; memory is looked at only then


@contextmanager
def serving(app: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """An app of its own on a free port of loopback: its address and its process."""
    port = str(free_port())
    with tempfile.TemporaryDirectory() as folder:
        settings = {"PORT": port, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": folder}
        settings |= {"LEUKOSCOPE_SESSIONS": "off", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(ROOT / "space" / "app.py")]
        if app == "streamlit":
            script = str(ROOT / "streamlit_app" / "app.py")
            command = [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=folder, env=os.environ | settings, **quiet)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/_stcore/health" if app == "streamlit" else url, process)
            yield url, process
        finally:
            process.terminate()
            process.wait(90)


def _wait_for(url: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            ask(url)
            return
        except Failed:
            time.sleep(0.2)
    raise SystemExit("the app did not start")


@dataclass
class Outcome:
    """What the visitors met. It is shared by their threads.

    seconds: of each answer, from the upload's first byte to the answer's last. memory: (seconds since the start, MB).
    """

    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    failures: Counter = field(default_factory=Counter)
    different: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)
    lasted: float = 0.0

    @property
    def bad(self) -> int:
        """Answers that failed or differed."""
        return sum(self.failures.values()) + self.different

    def part(self, first: bool) -> float:
        """Median memory of the first quarter after warming up, or of the last one, MB."""
        begin = self.lasted * WARM_UP
        quarter = (self.lasted - begin) / 4
        low, high = (begin, begin + quarter) if first else (self.lasted - quarter, self.lasted)
        return statistics.median([mb for at, mb in self.memory if low <= at <= high] or [mb for _, mb in self.memory])


def run(app: str, clients: int, seconds: float) -> Outcome:
    """Let visitors at an app that is started for them."""
    with serving(app) as (url, process):
        return visits(app, url, process.pid, clients, seconds)


def visits(app: str, url: str, pid: int, clients: int, seconds: float, patience: float = SECONDS) -> Outcome:
    """Let visitors at an app that is being served, and wait so many seconds at the end for answers under way."""
    pictures = [(path.name, path.read_bytes()) for path in sorted(PICTURES.glob("*.[pw]*"))]
    kinds, outcome = KINDS[app], Outcome()
    alone = {(kind, name): kind(url).visit(name, picture) for kind in kinds for name, picture in pictures}
    began = time.monotonic()

    def live(number: int) -> None:
        kind = kinds[number % len(kinds)]
        rng, visitor = random.Random(number), None  # which picture is no secret  # nosec B311
        while time.monotonic() < began + seconds:
            name, picture = rng.choice(pictures)
            asked = time.monotonic()
            try:
                visitor = visitor or kind(url)
                answer = visitor.visit(name, picture)
                outcome.seconds.append(time.monotonic() - asked)
                outcome.different += answer != alone[kind, name]
            except Busy:
                outcome.busy += 1
                time.sleep(rng.uniform(0.5, 1.5))
            except Failed as failure:
                outcome.failures[str(failure)] += 1

    threads = [threading.Thread(target=live, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    # A server that sends signs of life and no answer would be waited for without end.
    while any(thread.is_alive() for thread in threads) and time.monotonic() < began + seconds + patience:
        outcome.memory.append((time.monotonic() - began, _memory(pid)))
        time.sleep(0.25)
    outcome.lasted = time.monotonic() - began
    if hanging := sum(thread.is_alive() for thread in threads):
        outcome.failures[f"no answer within {patience} s"] += hanging
    return outcome


def _memory(pid: int) -> int:
    """Resident memory of a process, MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


def report(app: str, clients: int, outcome: Outcome) -> None:
    """Print what was met."""
    cuts = statistics.quantiles(outcome.seconds, n=100, method="inclusive") if len(outcome.seconds) > 1 else []
    print(f"{app}, {clients} visitors, {outcome.lasted:.0f} s, {os.cpu_count()} processors")
    print(f"  answers            {len(outcome.seconds):,} ({len(outcome.seconds) / outcome.lasted:.1f} a second)")
    if cuts:
        print(f"  time of an answer  p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, p99 {cuts[98]:.2f} s")
    print(f"  busy, asked again  {outcome.busy:,}")
    print(f"  failed             {sum(outcome.failures.values()):,}")
    print(f"  unlike alone       {outcome.different:,}")
    first, last = outcome.part(True), outcome.part(False)
    print(f"  memory             {first:.0f} MB in the first quarter after warming up, {last:.0f} MB in the last")
    for words, count in outcome.failures.most_common(5):
        print(f"    {count:,} x {words}")


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for, by default both apps."""
    parser = argparse.ArgumentParser(description="Many visitors at once, on loopback.")
    parser.add_argument("--app", choices=list(KINDS), help="default: both; with --clients the page alone")
    parser.add_argument("--clients", type=int, help=f"default: {CLIENTS['gradio']} and {CLIENTS['streamlit']}")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args(argv)
    if (args.clients is not None and not 1 <= args.clients <= MOST_CLIENTS) or not 1 <= args.seconds <= MOST_SECONDS:
        parser.error(f"at most {MOST_CLIENTS} clients and {MOST_SECONDS} seconds")
    apps = [args.app] if args.app else ["gradio"] if args.clients else list(KINDS)
    bad = 0
    for app in apps:
        clients = args.clients or CLIENTS[app]
        outcome = run(app, clients, args.seconds)
        report(app, clients, outcome)
        bad += outcome.bad + (not outcome.seconds)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
