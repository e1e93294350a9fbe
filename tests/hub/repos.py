"""What the Hub of the tests holds: models, data sets and Spaces, their commits, and how it describes them.

Files are stored by hash: 40 hex digits are git's (regular files), 64 are SHA-256 (LFS files).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import yaml  # huggingface_hub brings it

LFS_SUFFIXES = (".onnx", ".h5", ".keras", ".png", ".parquet", ".npz", ".npy", ".bin", ".safetensors", ".zip")
LFS_SIZE = 2**20
SDKS = ("gradio", "docker", "static", "streamlit")
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


class HubError(Exception):
    """An answer other than success; `code` is what the client tells its error classes by."""

    def __init__(self, status: int, code: str = "", message: str = "", headers: dict | None = None, **body):
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.headers, self.body = status, code, message, headers or {}, body


class Commit(NamedTuple):
    """A state of a repo: every path with the hash of its content."""

    oid: str
    parent: str | None
    title: str
    message: str
    date: str
    files: dict[str, str]


@dataclass
class Repo:
    """One repo with its history. A `revision` is a branch, a tag or (the start of) a commit."""

    kind: str
    id: str
    store: Path
    private: bool = False
    gated: bool = False
    space: dict = field(default_factory=dict)  # sdk, hardware, secrets, variables
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    history: dict[str, Commit] = field(default_factory=dict)

    def head(self, revision: str = "main") -> str:
        """The full name of a revision's commit."""
        named = self.branches.get(revision) or self.tags.get(revision)
        found = [named] if named else [oid for oid in self.history if len(revision) > 6 and oid.startswith(revision)]
        if len(found) != 1:
            raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found[0]

    def files(self, revision: str = "main") -> dict[str, str]:
        """Every path of a revision with its hash."""
        return self.history[self.head(revision)].files

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's bytes."""
        if path not in self.files(revision):
            here = {"X-Repo-Commit": self.head(revision)}  # lets the client remember that there is no such file
            raise HubError(404, "EntryNotFound", f'{path} does not exist on "{revision}"', here)
        return (self.store / self.files(revision)[path]).read_bytes()

    def commits(self, revision: str = "main") -> list[Commit]:
        """Newest first; the last is the Hub's own."""
        found = [self.history[self.head(revision)]]
        while found[-1].parent:
            found.append(self.history[found[-1].parent])
        return found

    def put(self, data: bytes, lfs: bool) -> str:
        """Store bytes, return their hash."""
        oid = hashlib.sha256(data).hexdigest() if lfs else git_hash(data)
        (self.store / oid).write_bytes(data)
        return oid

    def commit(
        self, changes: dict[str, bytes | str | None], title: str, message: str = "", branch: str = "main"
    ) -> str:
        """Lay changes over the branch's files, and return the new commit.

        A change is the file's bytes, the hash of bytes already stored, or None to delete.
        """
        parent = self.branches.get(branch)
        files = dict(self.history[parent].files) if parent else {}
        for path, new in changes.items():
            files.pop(path, None)
            if new is not None:
                files[path] = self.put(new, is_lfs(path, len(new))) if isinstance(new, bytes) else new
        oid = hashlib.sha1(repr((self.id, parent, title, files, time.time_ns())).encode()).hexdigest()
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self.history[oid] = Commit(oid, parent, title, message, date, dict(sorted(files.items())))
        self.branches[branch] = oid
        return oid

    def entries(self, revision: str) -> dict[str, dict]:
        """Every file and folder of a revision as the tree and paths-info calls describe it."""
        found = {}
        for path, oid in self.files(revision).items():
            for folder in list(PurePosixPath(path).parents)[:-1]:
                name = str(folder)
                found[name] = {"type": "directory", "path": name, "oid": git_hash(name.encode()), "size": 0}
            size = (self.store / oid).stat().st_size
            found[path] = {"type": "file", "path": path, "oid": oid, "size": size}
            if len(oid) == 64:
                pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
                lfs = {"oid": oid, "sha256": oid, "size": size, "pointerSize": len(pointer)}
                found[path] |= {"oid": git_hash(pointer), "lfs": lfs}
        return found

    def last_commit(self, path: str, revision: str) -> dict:
        """The newest commit that touched a file, or anything in a folder."""
        for commit in self.commits(revision):
            before = self.history[commit.parent].files if commit.parent else {}
            if any(f"{name}/".startswith(f"{path}/") for name, _ in before.items() ^ commit.files.items()):
                return {"id": commit.oid, "title": commit.title, "date": commit.date}
        raise AssertionError(f"no commit brought {path}")

    def info(self, revision: str, blobs: bool) -> dict:
        """What `model_info`, `dataset_info` and `space_info` read; sizes and hashes of the files if `blobs`."""
        first, last, entries = self.commits(revision)[-1], self.commits(revision)[0], self.entries(revision)
        card = {}
        if "README.md" in last.files:
            with contextlib.suppress(yaml.YAMLError):
                card = front_matter(self.read("README.md", revision).decode())
        details = {path: {"size": e["size"], "blobId": e["oid"], "lfs": e.get("lfs")} for path, e in entries.items()}
        found = {
            "id": self.id,
            "author": self.id.split("/")[0],
            "sha": last.oid,
            "private": self.private,
            "gated": self.gated and "manual",
            "createdAt": first.date,
            "lastModified": last.date,
            "cardData": card,
            "tags": card.get("tags", []) + [f"license:{card[key]}" for key in ("license",) if key in card],
            "siblings": [{"rfilename": path} | (details[path] if blobs else {}) for path in last.files],
        }
        if self.kind == "space":
            found |= {"sdk": self.space["sdk"], "runtime": self.runtime()}
        return found | {key: card[key] for key in ("pipeline_tag", "library_name", "model-index") if key in card}

    def runtime(self) -> dict:
        """A Space's state: it is taken to run as soon as there is something to run."""
        starts = {"app.py", "streamlit_app.py", "Dockerfile", "index.html"} & set(self.files())
        hardware = self.space.get("hardware") or "cpu-basic"
        return {
            "stage": "RUNNING" if starts else "NO_APP_FILE",
            "hardware": {"current": hardware, "requested": hardware},
        }


def git_hash(data: bytes) -> str:
    """What `git hash-object` prints."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_lfs(path: str, size: int) -> bool:
    """The Hub's choice between LFS and regular; an empty file the client never sends to LFS."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size > LFS_SIZE)


def front_matter(text: str) -> dict:
    """The YAML block on top of a README; yaml.YAMLError if it is broken."""
    block = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", text, re.DOTALL | re.MULTILINE)
    card = yaml.safe_load(block[1]) if block else None
    if not isinstance(card, dict | None):
        raise yaml.YAMLError("the metadata must be a mapping")
    return card or {}


def check_card(text: str, kind: str) -> tuple[list[str], list[str]]:
    """What the Hub says to a README before it takes it: errors, warnings."""
    try:
        card = front_matter(text)
    except yaml.YAMLError as error:
        return [str(error)], []
    errors = []
    if kind == "space":
        allowed = {"sdk": SDKS, "colorFrom": COLOURS, "colorTo": COLOURS}
        errors = [f'"{k}" must be one of {", ".join(v)}' for k, v in allowed.items() if card.get(k, v[0]) not in v]
        if len(card.get("short_description", "")) > 60:
            errors.append('"short_description" length must be less than or equal to 60 characters long')
    return errors, [] if card else ["empty or missing yaml metadata in repo card"]
