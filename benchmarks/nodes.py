"""A Ray cluster of several node processes on this machine, on loopback, for tests and measurements.

    with Cluster(workers=2) as cluster:
        driver = subprocess.Popen([..., "--address", cluster.address], env=cluster.environment)
        cluster.kill(1)                     # SIGKILL to all of a node, as if its machine had lost its power

The head has no processor to give, as on a real cluster; each worker has one. Not by `ray start`: that would listen to
the whole network, since it takes 127.0.0.1 for a mistake. All processes carry a mark in their
environment, by which they are found and ended, whatever happened to those that started them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

from benchmarks.ports import free_port
from leukoscope.cluster.ray_start import start_patiently

MARK = "LEUKOSCOPE_NODE"
START_SECONDS = 300  # importing Ray alone takes minutes beside a dozen other processes
HOST = "127.0.0.1"
READY = "the node is up"
OBJECT_STORE = 100 * 2**20  # bytes; rows of names and numbers are all that passes through it
ROOT = Path(__file__).parents[1]


class Cluster:
    """Head and workers; `address` is what `scan_to_parquet` and `--address` take.

    workers: nodes with one processor each. cores: of each node the processor's core that it is held to, the head first;
    None: wherever the system puts them.
    """

    def __init__(self, workers: int = 2, cores: list[int] | None = None) -> None:
        self.workers, self.cores = workers, cores
        self.mark = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: a socket's path may have 107 bytes
        self.address = ""
        # For nodes and drivers alike. The token is this cluster's own: Ray would leave one in the home folder.
        self.environment = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid.uuid4().hex * 2,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the address of this machine is 127.0.0.1, for drivers too
            "RAY_worker_niceness": "0",  # else Ray lets every other process of the machine go first
            "PYTHONPATH": str(ROOT),
        }
        self.started: list[subprocess.Popen] = []

    def __enter__(self) -> Cluster:
        try:
            port = free_port()
            self.address = f"{HOST}:{port}"
            self._add("head", str(port), str(self.folder))
            for _ in range(self.workers):  # one after the other: a busy machine is too slow for two at once
                self._add("worker", self.address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def kill(self, node: int) -> None:
        """SIGKILL to every process of a node; 0 is the head."""
        self._end(node)
        self.started[node].wait()

    def _end(self, node: int | None = None) -> None:
        """SIGKILL to every process of a node, or of all, until none is left that might still hold a port."""
        end = time.monotonic() + 10
        while (pids := self.processes(node)) and time.monotonic() < end:
            for pid in pids:
                _kill(pid)
            time.sleep(0.05)

    def processes(self, node: int | None = None) -> list[int]:
        """Processes of a node, or of all."""
        wanted = f"{MARK}={self.mark}" + ("" if node is None else f"-{node}")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                except OSError:  # it has ended, or is another user's
                    continue
                if any(line == wanted or (node is None and line.startswith(f"{wanted}-")) for line in environment):
                    found.append(int(entry.name))
        return found

    def __exit__(self, *_) -> None:
        self._end()
        for process in self.started:
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, *words: str) -> None:
        """Start a node and wait until it has joined."""
        node = len(self.started)

        def start() -> None:
            self._start(node, *words)
            self._wait(node)

        def clear(_: Exception) -> None:
            self.kill(node)
            self.started.pop()

        start_patiently(start, clear)

    def _start(self, node: int, *words: str) -> None:
        core = None if self.cores is None else {self.cores[node]}
        command = [sys.executable, "-m", "benchmarks.nodes", *words]
        self.started.append(
            subprocess.Popen(
                command,
                env=self.environment | {MARK: f"{self.mark}-{node}"},
                cwd=ROOT,
                stdout=open(self.folder / f"node-{node}.log", "wb"),  # noqa: SIM115
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, core)) if core else None,
            )
        )

    def _wait(self, node: int) -> None:
        """Until a node says that it has joined."""
        log, end = self.folder / f"node-{node}.log", time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.started[node].poll() is None:
            if READY in log.read_text(errors="replace"):
                return
            time.sleep(0.1)
        raise RuntimeError(f"node {node} did not start: {log.read_text(errors='replace')[-2000:]}")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _node(kind: str, *words: str) -> None:
    """Be a node: the head, given its port and folder, or a worker, given the head's address."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    shared = {"node_ip_address": HOST, "object_store_memory": OBJECT_STORE, "min_worker_port": 0, "max_worker_port": 0}
    shared |= {"include_log_monitor": False}  # nobody reads what workers print, and a start is short of time
    if kind == "head":
        port, folder = words
        own = {"gcs_server_port": int(port), "temp_dir": folder, "num_cpus": 0, "include_dashboard": False}
    else:
        own = {"gcs_address": words[0], "num_cpus": 1, "node_manager_port": 0, "dashboard_agent_listen_port": None}
    Node(RayParams(**shared, **own), head=kind == "head", shutdown_at_exit=True, spawn_reaper=False)
    print(READY, flush=True)
    signal.pause()


if __name__ == "__main__":
    _node(*sys.argv[1:])
