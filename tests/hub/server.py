"""A small Hub on loopback: it speaks what the unmodified huggingface_hub client speaks, and fails on command.

    with Hub() as hub:
        hub.fail(Fault(method="PUT", cut_upload=100))
        subprocess.run([sys.executable, "-m", ...], env=hub.env(tmp_path / "home"))
        assert hub.repo("tester/model").files("v1.0")

By hand: python tests/hub/server.py --port 8080 [--dir FOLDER]

The token `hf_test` is the user `tester`, who may write below `tester/`. Whatever is not private is read without a
token. Files are stored by hash: 40 hex digits are git's (regular files), 64 are SHA-256 (LFS files).
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import yaml

TOKEN, USER = "hf_test", "tester"
LFS_SUFFIXES = (".onnx", ".h5", ".keras", ".png", ".parquet", ".npz", ".npy", ".bin", ".safetensors", ".zip")
LFS_SIZE = 2**20
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static", "streamlit")


class HubError(Exception):
    """An answer other than 200, told the Hub's way: status, X-Error-Code, X-Error-Message, and JSON."""

    def __init__(self, status: int, code: str = "", message: str = "", headers: dict | None = None, **body):
        message = message or HTTPStatus(status).phrase
        named = {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})}
        self.answer = Answer({"error": message, **body}, status, {key: value for key, value in named.items() if value})


class Answer(NamedTuple):
    """Bytes are sent as they are, anything else as JSON."""

    body: object = b""
    status: int = 200
    headers: dict = {}


class Request(NamedTuple):
    """One line of `hub.requests`; the path is unquoted and without its query."""

    method: str
    path: str


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of this method ("" is any) whose path contains `path`."""

    method: str = ""
    path: str = ""
    times: float = 1
    skip: int = 0  # this many matching requests pass first
    status: int = 0  # answer this, with the three that follow
    code: str = ""
    message: str = ""
    retry_after: int | None = None
    delay: float = 0.0  # seconds; may come with any other
    drop: bool = False  # read the request, then hang up: nothing was done
    lose: bool = False  # do what was asked, then hang up: the client cannot know
    cut_download: int | None = None  # hang up after so many bytes of the answer's body
    cut_upload: int | None = None  # hang up after so many bytes of the request's body
    flip: int | None = None  # invert one bit of this byte of the answer's body
    down: float | None = None  # drop, refuse connections for so many seconds, come back on the same port
    hits: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is hit; counts down."""
        if self.times <= 0 or self.method not in ("", method) or self.path not in path:
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.times, self.hits = self.times - 1, self.hits + 1
        return True


class Commit(NamedTuple):
    """A state of a repo: every path with the oid of its content."""

    oid: str
    parent: str | None
    title: str
    message: str
    date: str
    files: dict[str, str]


@dataclass
class Repo:
    """A model, data set or Space with its history; `revision` is a branch, a tag or (the start of) a commit."""

    kind: str
    id: str
    store: Path = field(repr=False)
    private: bool = False
    gated: bool = False
    space: dict = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    history: dict[str, Commit] = field(default_factory=dict, repr=False)

    def put(self, data: bytes, lfs: bool) -> str:
        """Store bytes, return their oid."""
        oid = hashlib.sha256(data).hexdigest() if lfs else git_hash(data)
        self.store.joinpath(oid).write_bytes(data)
        return oid

    def size(self, oid: str) -> int:
        return self.store.joinpath(oid).stat().st_size

    def commit(self, files: dict[str, bytes | str | None], title: str = "commit", branch: str = "main") -> str:
        """Commit bytes (stored as the Hub would), an oid already stored, or None to delete; return the new head."""
        old = self.history[self.branches[branch]].files if branch in self.branches else {}
        new = {
            path: self.put(data, is_lfs(path, len(data))) if isinstance(data, bytes) else data
            for path, data in (old | files).items()
            if data is not None
        }
        return self.record(new, title, "", branch)

    def record(self, files: dict[str, str], title: str, message: str, branch: str) -> str:
        """Append a commit with exactly these files to a branch."""
        parent = self.branches.get(branch)
        oid = hashlib.sha1(
            repr((self.id, parent, len(self.history), sorted(files.items()), title)).encode()
        ).hexdigest()
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.history[oid] = Commit(oid, parent, title, message, date, dict(sorted(files.items())))
        self.branches[branch] = oid
        return oid

    def head(self, revision: str = "main") -> str:
        """The commit's full name; RevisionNotFound if there is none."""
        for refs in (self.branches, self.tags):
            if revision in refs:
                return refs[revision]
        found = [oid for oid in self.history if len(revision) >= 7 and oid.startswith(revision)]
        if len(found) != 1:
            raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found[0]

    def files(self, revision: str = "main") -> dict[str, str]:
        """Every path of a revision with its oid."""
        return self.history[self.head(revision)].files

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's bytes; EntryNotFound if there is none."""
        oid = self.files(revision).get(path)
        if oid is None:
            headers = {"X-Repo-Commit": self.head(revision)}
            raise HubError(404, "EntryNotFound", f"{path} does not exist on {revision}", headers)
        return self.store.joinpath(oid).read_bytes()

    def commits(self, revision: str = "main") -> list[Commit]:
        """Newest first; the last is the Hub's own initial commit."""
        found, oid = [], self.head(revision)
        while oid:
            found.append(self.history[oid])
            oid = found[-1].parent
        return found

    def entries(self, revision: str, expand: bool) -> dict[str, dict]:
        """Every file and folder of a revision as the tree and paths-info calls describe it."""
        found = {}
        for path, oid in self.files(revision).items():
            for folder in Path(path).parents[:-1]:
                name = folder.as_posix()
                found[name] = {"type": "directory", "path": name, "oid": git_hash(name.encode()), "size": 0}
            found[path] = {"type": "file", "path": path, "oid": oid, "size": self.size(oid)}
            if len(oid) == 64:
                pointer = (
                    f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {self.size(oid)}\n".encode()
                )
                lfs = {"oid": oid, "sha256": oid, "size": self.size(oid), "pointerSize": len(pointer)}
                found[path] |= {"oid": git_hash(pointer), "lfs": lfs}
        if expand:
            commits = self.commits(revision)
            for path, entry in found.items():
                last = next(commit for commit in commits if self.changed(commit, path))
                entry["lastCommit"] = {"id": last.oid, "title": last.title, "date": last.date}
        return found

    def changed(self, commit: Commit, path: str) -> bool:
        """Whether a commit touched a file, or anything in a folder."""
        before = self.history[commit.parent].files if commit.parent else {}
        touched = (name for name, _ in before.items() ^ commit.files.items())
        return any(name == path or name.startswith(path + "/") for name in touched)


def git_hash(data: bytes) -> str:
    """What `git hash-object` prints."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(path: str, size: int) -> bool:
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size > LFS_SIZE)


def front_matter(text: str) -> dict:
    """The YAML block at the top of a README; yaml.YAMLError if it is broken."""
    block = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*$", text, re.DOTALL | re.MULTILINE)
    card = yaml.safe_load(block[1]) if block else {}
    if not isinstance(card, dict | None):
        raise yaml.YAMLError("the metadata is no mapping")
    return card or {}


class Hub:
    """The server, its repos, its log and its faults. Use it in a `with` block, or `start()` and `stop()` it."""

    def __init__(self, port: int = 0, folder: str | os.PathLike | None = None):
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="hub-")
        self.folder = Path(folder or self.temporary.name)
        self.store = self.folder / "blobs"
        self.store.mkdir(parents=True, exist_ok=True)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.hooks: list[Callable[[str, str], object]] = []
        self.lock, self.switch = threading.RLock(), threading.RLock()
        self.connections: set[socket.socket] = set()
        self.port, self.server, self.verbose = port, None, False
        self.load()

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        if self.temporary:
            self.temporary.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen: at first on a free port (or the one asked for), later on the same again."""
        with self.switch:
            if self.server is None:
                pass
