"""What the huggingface_hub client asks of a Hub, and what it is told. No sockets here."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.repos import LFS_SUFFIXES, SDKS, HubError, Repo, check_card, is_lfs

TOKEN, USER = "hf_test", "tester"
PAGES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


@dataclass(frozen=True)
class Answer:
    """Bytes go out as they are, anything else as JSON."""

    body: object
    status: int = 200
    headers: dict = field(default_factory=dict)


class Api:
    """All repos, and one method that answers every request. Not safe for threads: its user takes turns."""

    def __init__(self, store: Path):
        self.url = ""  # known when the server listens
        self.store = store
        self.repos: dict[tuple[str, str], Repo] = {}
        self.awaited: set[str] = set()  # LFS files announced by one who may write: their PUT carries no token

    def create(self, id: str, kind: str = "model", sdk: str = "gradio", **fields) -> Repo:
        """Make a repo in any namespace; its first commit holds .gitattributes, as on the Hub."""
        if kind == "space":
            fields["space"] = {"sdk": sdk} | fields.get("space", {})
        repo = self.repos[kind, id] = Repo(kind, id, self.store, **fields)
        repo.commit({".gitattributes": ATTRIBUTES}, "initial commit")
        return repo

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Do what a request asks; HubError if it cannot be."""
        path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] not in ("api", "lfs", "datasets", "spaces"):
            parts.insert(0, "models")
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            raise HubError(401, message="Invalid credentials in Authorization header")
        user = USER if token else None
        match ("GET" if method == "HEAD" else method, *parts):
            case "GET", "api", "whoami-v2":
                may_write(USER, user)
                auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
                return Answer({"type": "user", "name": user, "fullname": "Tester", "orgs": [], "auth": auth})
            case "POST", "api", "validate-yaml":
                card = json.loads(body)
                errors, warnings = check_card(card["content"], card["repoType"])
                told = {"errors": [{"message": m} for m in errors], "warnings": [{"message": m} for m in warnings]}
                return Answer(told, 400 if errors else 200)
            case "POST", "api", "repos", "create":
                return self.make(user, json.loads(body))
            case "DELETE", "api", "repos", "delete":
                asked = json.loads(body)
                repo = self.find(asked.get("type", "model"), named(asked, user), user, write=True)
                return Answer({"deleted": self.repos.pop((repo.kind, repo.id)).id})
            case "PUT", "lfs", oid:
                if oid not in self.awaited or hashlib.sha256(body).hexdigest() != oid:
                    raise HubError(400, message="these are not the bytes that were announced")
                (self.store / oid).write_bytes(body)
                return Answer({})
            case "POST", "lfs", oid if (self.store / oid).exists():
                return Answer({})
            case "POST", kind, space, name, "info", "lfs", "objects", "batch":
                self.find(kind[:-1], f"{space}/{name.removesuffix('.git')}", user, write=True)
                return Answer({"transfer": "basic", "objects": [self.lfs(o) for o in json.loads(body)["objects"]]})
            case "GET", kind, space, name, "resolve", revision, *file:
                repo = self.find(kind[:-1], f"{space}/{name}", user)
                if repo.gated and space != user:
                    message = f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list."
                    raise HubError(403 if user else 401, "GatedRepo", message)
                return download(repo, revision, "/".join(file), headers.get("Range", ""))
            case asked, "api", "models" | "datasets" | "spaces" as kind, space, name, *rest:
                write = asked != "GET" and rest[:1] != ["paths-info"]
                repo = self.find(kind[:-1], f"{space}/{name}", user, write)
                told = talk(repo, asked, rest, query, body)
                if rest[:1] == ["commit"]:
                    told["commitUrl"] = f"{self.page(repo)}/commit/{told['commitOid']}"
                return Answer(told)
        raise HubError(404, message=f"this Hub does not know {method} {path}")

    def page(self, repo: Repo) -> str:
        """Where a person would read about a repo."""
        return f"{self.url}/{PAGES[repo.kind]}{repo.id}"

    def find(self, kind: str, id: str, user: str | None, write: bool = False) -> Repo:
        """A repo that this user may read, or write; to others a private one does not exist."""
        repo, namespace = self.repos.get((kind, id)), id.split("/")[0]
        if repo is None or (repo.private and namespace != user):
            raise HubError(404 if user else 401, "RepoNotFound", "Repository not found")
        if write:
            may_write(namespace, user)
        return repo

    def make(self, user: str | None, asked: dict) -> Answer:
        """Create a repo for a client."""
        kind, id = asked.get("type", "model"), named(asked, user)
        may_write(id.split("/")[0], user)
        if (kind, id) in self.repos:
            message = f"You already created this {kind} repo: {id}"
            raise HubError(409, message=message, url=self.page(self.repos[kind, id]))
        space = {}
        if kind == "space":
            if asked.get("sdk") not in SDKS:
                raise HubError(400, message=f"sdk must be one of {', '.join(SDKS)}")
            entries = {key: {e["key"]: e for e in asked.get(key, [])} for key in ("secrets", "variables")}
            space = {"sdk": asked["sdk"], "hardware": asked.get("hardware", "cpu-basic"), **entries}
        repo = self.create(id, kind, private=asked.get("visibility") == "private", space=space)
        return Answer({"url": self.page(repo), "name": id})

    def lfs(self, wanted: dict) -> dict:
        """Where to put one LFS file; no actions if it is here already."""
        told = {"oid": wanted["oid"], "size": wanted["size"]}
        if not (self.store / wanted["oid"]).exists():
            self.awaited.add(wanted["oid"])
            href = {"href": f"{self.url}/lfs/{wanted['oid']}"}
            told["actions"] = {"upload": href, "verify": href}
        return told


def named(asked: dict, user: str | None) -> str:
    """The repo that a request to create or delete names."""
    return f"{asked.get('organization') or user}/{asked['name']}"


def may_write(namespace: str, user: str | None) -> None:
    """A user's rights: to the namespace of the same name."""
    if user is None:
        raise HubError(401, message="Invalid username or password.")
    if namespace != user:
        raise HubError(403, message=f'You don\'t have the rights to create or change a repo under "{namespace}"')


def download(repo: Repo, revision: str, path: str, span: str) -> Answer:
    """A file or, with a Range header, a part of it."""
    data, oid = repo.read(path, revision), repo.files(revision)[path]
    headers = {"X-Repo-Commit": repo.head(revision), "ETag": f'"{oid}"', "Accept-Ranges": "bytes"}
    if len(oid) == 64:
        headers |= {"X-Linked-ETag": f'"{oid}"', "X-Linked-Size": len(data)}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", span)
    if not asked:
        return Answer(data, 200, headers)
    first, last = asked.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    if start >= len(data):
        raise HubError(416, headers={"Content-Range": f"bytes */{len(data)}"})
    part = data[start : int(last) + 1 if first and last else None]
    return Answer(part, 206, headers | {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})


def talk(repo: Repo, method: str, rest: list[str], query: dict, body: bytes) -> dict | list:
    """What `/api/{kind}s/{id}/{rest}` gives; rights have been looked at before."""
    match (method, *rest):
        case ("GET",):
            return repo.info("main", "blobs" in query)
        case "GET", "revision", revision:
            return repo.info(revision, "blobs" in query)
        case "GET", "auth-check":
            return {}
        case "GET", "tree", revision, *folder:
            found = tree(repo, revision, "/".join(folder), query.get("recursive") == ["true"])
            return expanded(repo, revision, found, query.get("expand"))
        case "POST", "paths-info", revision:
            form = parse_qs(body.decode())
            found = [entry for path, entry in repo.entries(revision).items() if path in form.get("paths", [])]
            return expanded(repo, revision, found, form.get("expand"))
        case "POST", "preupload", revision:
            have, asked = repo.files(revision), json.loads(body)["files"]
            modes = {file["path"]: "lfs" if is_lfs(file["path"], file["size"]) else "regular" for file in asked}
            told = {path: {"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()}
            return {"files": [told[path] | ({"oid": have[path]} if path in have else {}) for path in told]}
        case "POST", "commit", branch:
            return {"commitOid": commit(repo, branch, [json.loads(line) for line in body.splitlines()])}
        case "GET", "commits", revision:
            who = {"authors": [{"user": repo.id.split("/")[0]}]}
            return [
                who | {"id": c.oid, "title": c.title, "message": c.message, "date": c.date}
                for c in repo.commits(revision)
            ]
        case "GET", "refs":
            return {
                "branches": [
                    {"name": n, "ref": f"refs/heads/{n}", "targetCommit": o} for n, o in repo.branches.items()
                ],
                "tags": [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": o} for n, o in repo.tags.items()],
                "converts": [],
                "pullRequests": [],
            }
        case "POST", "tag", revision:
            return point(repo.tags, json.loads(body)["tag"], repo.head(revision))
        case "POST", "branch", name:
            return point(repo.branches, name, repo.head(json.loads(body).get("startingPoint", "main")))
        case "DELETE", "tag" | "branch" as which, name if name != "main":
            if (repo.tags if which == "tag" else repo.branches).pop(name, None) is None:
                raise HubError(404, "RevisionNotFound", f"Invalid rev id: {name}")
            return {}
        case "GET", "runtime" if repo.kind == "space":
            return repo.runtime()
        case "POST", "hardware" if repo.kind == "space":
            repo.space["hardware"] = json.loads(body)["flavor"]
            return repo.runtime()
        case _, "secrets" | "variables" as which if repo.kind == "space":
            kept = repo.space.setdefault(which, {})
            asked = json.loads(body or b"{}")
            if method == "POST":
                kept[asked["key"]] = asked
            elif method == "DELETE":
                kept.pop(asked["key"], None)
            hidden = "value" if which == "secrets" else ""
            return {key: {k: v for k, v in entry.items() if k != hidden} for key, entry in kept.items()}
    raise HubError(404, message=f"this Hub does not know {method} {'/'.join(rest)} of a {repo.kind}")


def tree(repo: Repo, revision: str, path: str, recursive: bool) -> list[dict]:
    """What lies in a folder; a file lies in itself."""
    entries = repo.entries(revision)
    if path and path not in entries:
        raise HubError(404, "EntryNotFound", f'{path} does not exist on "{revision}"')
    if path and entries[path]["type"] == "file":
        return [entries[path]]
    start = f"{path}/" if path else ""
    inside = {name.removeprefix(start): entry for name, entry in entries.items() if name.startswith(start)}
    return [entry for name, entry in inside.items() if recursive or "/" not in name]


def expanded(repo: Repo, revision: str, entries: list[dict], wanted: list[str] | None) -> list[dict]:
    """Entries with their last commits, where the client asks for them."""
    return [e | {"lastCommit": repo.last_commit(e["path"], revision)} if wanted == ["true"] else e for e in entries]


def point(refs: dict[str, str], name: str, oid: str) -> dict:
    """Make a branch or a tag; neither is moved by making it again."""
    if name in refs:
        raise HubError(409, message=f"Reference {name} exists already")
    refs[name] = oid
    return {}


def commit(repo: Repo, branch: str, lines: list[dict]) -> str:
    """All that the lines of a commit say or, if one is wrong, nothing."""
    if branch not in repo.branches:
        raise HubError(404, "RevisionNotFound", f"Invalid rev id: {branch}")
    head, files, changes = lines[0]["value"], repo.files(branch), {}
    if not repo.branches[branch].startswith(head.get("parentCommit", "")):
        raise HubError(412, message="A commit has happened since. Please refresh and try again.")
    for line in lines[1:]:
        value = line["value"]
        path = value["path"].rstrip("/")
        match line["key"]:
            case "file":
                changes[path] = repo.put(base64.b64decode(value["content"]), lfs=False)
            case "lfsFile":
                if not (repo.store / value["oid"]).exists():
                    raise HubError(400, message=f"{path}: no LFS file {value['oid']} has been uploaded")
                changes[path] = value["oid"]
            case "deletedFile" | "deletedFolder" as what:
                gone = [n for n in files if (n.startswith(f"{path}/") if what == "deletedFolder" else n == path)]
                if not gone:
                    raise HubError(404, "EntryNotFound", "A file with this name doesn't exist")
                changes |= dict.fromkeys(gone)
            case other:
                raise HubError(400, message=f"this Hub does not know the commit operation {other}")
    return repo.commit(changes, head["summary"], head.get("description", ""), branch)
