"""A small Hub on loopback: it speaks what the unmodified huggingface_hub client speaks, and fails on command.

    with Hub() as hub:
        hub.fail(Fault(method="PUT", cut_upload=100))
        subprocess.run([sys.executable, "-m", "training.publish", ...], env=hub.env(tmp_path / "home"))
        assert "model.onnx" in hub.repo("tester/model").files("v1.0")

By hand: python tests/hub/server.py --port 8080 [--dir FOLDER]

The token `hf_test` is the user `tester`, who may write below `tester/`. What is not private is read without a token.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

if not __package__:  # run by hand
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.hub.api import TOKEN, Answer, Api
from tests.hub.repos import Commit, HubError, Repo


class Request(NamedTuple):
    """A line of `hub.requests`; the path is unquoted and without its query."""

    method: str
    path: str


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of this method ("" is any) whose path contains `path`."""

    method: str = ""
    path: str = ""
    times: float = 1
    skip: int = 0  # so many matching requests pass first
    status: int = 0  # answer this, with the three that follow
    code: str = ""
    message: str = ""
    retry_after: int | None = None
    delay: float = 0.0  # seconds; goes with any of the others
    drop: bool = False  # hang up before anything is done
    lose: bool = False  # do what was asked, then hang up: the client cannot know
    cut_upload: int | None = None  # hang up after so many bytes of the request's body
    cut_download: int | None = None  # hang up after so many bytes of the answer's body
    flood: int | None = None  # announce no length, and send so many bytes more than there are
    flip: int | None = None  # invert one bit of this byte of the answer's body
    down: float | None = None  # hang up, refuse connections for so many seconds, come back on the same port
    hits: int = field(default=0, init=False)

    def strikes(self, request: Request) -> bool:
        """Whether this request is hit. A HEAD has no body to cut or to flip: those let it pass uncounted."""
        bodily = any(what is not None for what in (self.cut_download, self.flood, self.flip))
        matches = self.method in ("", request.method) and self.path in request.path
        if not matches or self.hits >= self.times or (bodily and request.method == "HEAD"):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Hub:
    """The server with its log and faults, and a view of its repos. A `with` block starts and stops it."""

    def __init__(self, port: int = 0, folder: str | os.PathLike | None = None):
        """Port 0 is a free one; with a folder, what it holds is kept for the next time."""
        self.port, self.keep = port, folder is not None
        self.temporary = None if self.keep else tempfile.TemporaryDirectory(prefix="hub-")
        self.folder = Path(folder if self.keep else self.temporary.name)
        (self.folder / "blobs").mkdir(parents=True, exist_ok=True)
        self.api = Api(self.folder / "blobs")
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.hooks: list[Callable[[str, str], object]] = []
        self.lock = threading.Lock()
        self.server: Server | None = None
        self.timer: threading.Timer | None = None
        if (self.folder / "repos.json").exists():
            self.load()

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer.join()
        self.stop()
        if self.temporary:
            self.temporary.cleanup()

    def start(self) -> None:
        """Listen: the first time on the port asked for or a free one, later on the same again."""
        if self.server is None:
            self.server = Server(("127.0.0.1", self.port), Handler)
            self.server.hub, self.port = self, self.server.server_port
            self.api.url = self.url
            threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and hang up the ones that are open."""
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()
            for connection in list(server.connections):
                hang_up(connection)

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is to be."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, home: str | os.PathLike, token: str | None = TOKEN) -> dict[str, str]:
        """The client's variables. Its Xet transfer would not come here, so it is off."""
        off = {f"HF_HUB_DISABLE_{what}": "1" for what in ("XET", "TELEMETRY", "PROGRESS_BARS", "UPDATE_CHECK")}
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home)} | off | ({"HF_TOKEN": token} if token else {})

    def env(self, home: str | os.PathLike, token: str | None = TOKEN) -> dict[str, str]:
        """The whole environment of a client's process: this Hub, this token or none, caches below `home`, no proxy."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}
        return kept | self.settings(home, token)

    def fail(self, fault: Fault) -> Fault:
        """Set a copy of a fault, and return it: its `hits` count. Of several that match, the first set strikes."""
        self.faults.append(replace(fault))
        return self.faults[-1]

    def on_request(self, hook: Callable[[str, str], object]) -> None:
        """Call `hook(method, path)` at each request, before its body is read and anything is done.

        A hook may kill the client: what has arrived whole is then still carried out, unless a fault drops it.
        """
        self.hooks.append(hook)

    def heal(self) -> None:
        """Forget faults, hooks and the log."""
        self.faults, self.hooks, self.requests = [], [], []

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests of this method ("" is any) had `path` in their path."""
        return sum(method in ("", request.method) and path in request.path for request in list(self.requests))

    def repo(self, id: str, kind: str = "model") -> Repo:
        """Look inside a repo; KeyError if there is none."""
        return self.api.repos[kind, id]

    def create(self, id: str, kind: str = "model", **fields) -> Repo:
        """Make a repo without a client, in any namespace; fields are `private`, `gated` and, of a Space, `sdk`."""
        return self.api.create(id, kind, **fields)

    def load(self) -> None:
        """Take up what `save` left."""
        for saved in json.loads((self.folder / "repos.json").read_text()):
            saved["history"] = {oid: Commit(*commit) for oid, commit in saved["history"].items()}
            repo = Repo(store=self.api.store, **saved)
            self.api.repos[repo.kind, repo.id] = repo

    def save(self) -> None:
        """Write down the repos beside their files."""
        saved = [
            {key: value for key, value in vars(repo).items() if key != "store"} for repo in self.api.repos.values()
        ]
        (self.folder / "repos.json").write_text(json.dumps(saved))


def hang_up(connection: socket.socket) -> None:
    """End a connection at once, for both sides."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Server(ThreadingHTTPServer):
    """Knows its open connections: a client keeps its own, and would not notice that nobody listens any more."""

    request_queue_size = 64
    hub: Hub

    def __init__(self, *args):
        self.connections: set[socket.socket] = set()
        super().__init__(*args)

    def handle_error(self, request, client_address) -> None:
        """That a client goes away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets the faults at it, and sends the answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for the first's receipt
    server: Server

    def setup(self) -> None:
        """Remember the connection."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args) -> None:
        """Stay silent: the log is `hub.requests`."""

    def handle_any(self) -> None:
        """One request, whatever its method."""
        hub, request = self.server.hub, Request(self.command, unquote(urlsplit(self.path).path))
        with hub.lock:
            hub.requests.append(request)
            fault = next((fault for fault in hub.faults if fault.strikes(request)), Fault())
        for hook in list(hub.hooks):
            hook(*request)
        time.sleep(fault.delay)
        body = self.read_body(fault.cut_upload)
        if fault.down is not None:
            hub.stop()
            hub.timer = threading.Timer(fault.down, hub.start)
            hub.timer.start()
        if body is None or fault.drop or hub.server is not self.server:  # the Hub may have been stopped meanwhile
            return self.end()
        answer = self.answer(fault, body)
        if fault.lose:
            return self.end()
        self.send(answer, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def read_body(self, limit: int | None) -> bytes | None:
        """The request's body; None if it ends too early, or is cut at the limit."""
        try:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length if limit is None else min(limit, length))
                return body if len(body) == length else None
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size + 2)[:size]
                if limit is not None and len(body) > limit:
                    return None
            self.rfile.readline()
            return body
        except (ConnectionError, ValueError):
            return None

    def answer(self, fault: Fault, body: bytes) -> Answer:
        """The Hub's answer, or the fault's."""
        hub = self.server.hub
        try:
            if fault.status:
                wait = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                raise HubError(fault.status, fault.code, fault.message, wait)
            with hub.lock:
                answer = hub.api.answer(self.command, self.path, self.headers, body)
                if hub.keep and self.command not in ("GET", "HEAD"):
                    hub.save()
                return answer
        except HubError as error:
            message = error.message or HTTPStatus(error.status).phrase
            headers = {"X-Error-Code": error.code, "X-Error-Message": message.encode("ascii", "replace").decode()}
            return Answer({"error": message, **error.body}, error.status, headers | error.headers)

    def send(self, answer: Answer, fault: Fault) -> None:
        """The answer, whole or spoiled."""
        raw = isinstance(answer.body, bytes)
        body = bytearray(answer.body if raw else json.dumps(answer.body, default=str).encode())
        if fault.flip is not None:
            body[fault.flip % len(body)] ^= 1
        self.send_response(answer.status)
        headers = {
            "Content-Type": "application/octet-stream" if raw else "application/json",
            "Content-Length": len(body),
        }
        if fault.flood is not None:
            headers |= {"Content-Length": "", "Connection": "close"}
        for name, value in (headers | answer.headers).items():
            if value != "":
                self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: fault.cut_download])
        with contextlib.suppress(ConnectionError):
            for _ in range((fault.flood or 0) // 2**16):
                self.wfile.write(bytes(2**16))
        if fault.cut_download is not None or fault.flood is not None:
            self.end()

    def end(self) -> None:
        """Hang up."""
        self.close_connection = True
        hang_up(self.connection)


def main() -> None:
    """Serve by hand until interrupted."""
    parser = argparse.ArgumentParser(description="A small Hub on loopback, for the unmodified huggingface_hub client.")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--dir", type=Path, help="keep what is published here (else it is gone with the server)")
    args = parser.parse_args()
    with Hub(args.port, args.dir) as hub:
        for name, value in hub.settings(hub.folder / "home").items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
