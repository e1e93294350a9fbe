"""The Hugging Face Hub: a model's name -> a checked local checkpoint folder, and a folder -> a repo.

A download is untrusted until checked: files are taken by name from a fixed list, no more bytes than a checkpoint may
have, each is compared with the hash that the Hub gave for it, and nothing in them is run. There is no fallback: the
model asked for, or an error.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukoscope.errors import CheckpointError, ModelUnavailable, PublishError
from leukoscope.model.checkpoint import FILE_PATTERNS, SPEC_FILE, check_files, check_size, files_of, read_spec

if TYPE_CHECKING:
    from huggingface_hub import HfApi

EMBEDDED = Path(__file__).parents[1] / "pretrained"
MODEL_VARIABLE = "LEUKOSCOPE_MODEL"
MOST_BYTES = 2**30  # of all files of a checkpoint
VALID_NAMES = "a checkpoint folder, user/name or user/name@revision"

_REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint lies: its folder, and what people call it ("embedded", a path, or user/name@commit)."""

    folder: Path
    name: str


def find(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Source:
    """Turn a model's name into a local folder, downloading it into the Hub's cache if it is not there yet.

    Args:
        name_or_path: a folder, "user/name" or "user/name@revision"; None: $LEUKOSCOPE_MODEL, else the embedded model.
        revision: branch, tag or commit; the default is the repo's main branch as it is now.
        token: of a Hub account, for a private repo; None: the one that `hf auth login` stored, or $HF_TOKEN.
        cache_dir: where downloads are kept; None: the Hub's own cache.
        local_files_only: do not ask the network.

    Raises:
        CheckpointError: if the name is none that can be used.
        ModelUnavailable: if it cannot be had, naming what was tried.
    """
    if name_or_path is None:
        name_or_path = os.environ.get(MODEL_VARIABLE) or EMBEDDED
    path = Path(name_or_path)
    if os.fspath(name_or_path) and path.is_dir():
        return Source(path, "embedded" if path == EMBEDDED else str(path))
    match = _REPO.fullmatch(os.fspath(name_or_path))
    if not match:
        raise CheckpointError(
            f"no such checkpoint folder: {os.fspath(name_or_path)!r}; a model is named by {VALID_NAMES}"
        )
    named = match["revision"]
    if revision and named and revision != named:
        raise CheckpointError(f"two revisions given: {named!r} in the name and {revision!r} beside it")
    folder = _download(match["repo"], revision or named, token, cache_dir, local_files_only)
    _check_against_cache_names(folder)
    return Source(folder, f"{match['repo']}@{folder.name}")


def _download(
    repo: str, revision: str | None, token: str | None, cache_dir: str | os.PathLike[str] | None, local_files_only: bool
) -> Path:
    # Imported here: the embedded model answers without it, half a second earlier.
    from huggingface_hub import constants, errors, snapshot_download
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    wanted = f"{repo}@{revision}" if revision else repo
    place = constants.ENDPOINT
    try:
        downloaded = snapshot_download(
            repo,
            revision=revision,
            token=token,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            local_files_only=local_files_only,
            allow_patterns=list(FILE_PATTERNS),
            library_name="leukoscope",
            tqdm_class=_bounded_bar(wanted),
        )
    except CheckpointError:
        _drop_incomplete(repo, cache_dir)
        raise
    except errors.GatedRepoError:
        raise ModelUnavailable(f"{wanted}: access is by request; ask for it on {place}/{repo}") from None
    except errors.RepositoryNotFoundError:
        raise ModelUnavailable(
            f"{wanted}: {place} has no such model, or it is private and needs a token (hf auth login)"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelUnavailable(f"{wanted}: {place}/{repo} has no branch, tag or commit {revision!r}") from None
    except errors.LocalEntryNotFoundError as error:
        kept = cache_dir or constants.HF_HUB_CACHE
        tried = f"the cache {kept}" if local_files_only else f"{place} and the cache {kept}"
        reason = "" if local_files_only else f" ({_reason(error)})"
        raise ModelUnavailable(f"{wanted}: no whole copy to be had; tried {tried}{reason}") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise ModelUnavailable(f"{wanted}: {place} answered with status {status}; try again later") from None
    except (httpx.HTTPError, OSError) as error:
        raise ModelUnavailable(f"{wanted}: the download from {place} broke off ({_reason(error)}); try again") from None
    except ValueError as error:  # names of files that lead out of the cache, or are none
        raise CheckpointError(f"{wanted} cannot be downloaded: {_reason(error)}") from None
    folder = Path(downloaded)
    if not (folder / SPEC_FILE).is_file():
        raise CheckpointError(f"{wanted} is not a checkpoint of Leukoscope: it has no {SPEC_FILE}")
    return folder


def _bounded_bar(wanted: str) -> type:
    """A progress bar that ends a download of more bytes than a checkpoint may have.

    The Hub's client tells it the bytes that each file is announced with before they are asked for, and those that
    arrive before they are written.
    """
    from huggingface_hub.utils.tqdm import tqdm

    def check(count: float | None) -> None:
        if count and count > MOST_BYTES:
            raise CheckpointError(f"{wanted} has more than {MOST_BYTES // 2**20} MB: no checkpoint of Leukoscope has")

    class Bounded(tqdm):
        arrived = 0.0

        def refresh(self, *args: Any, **kwargs: Any) -> Any:
            check(self.total)
            return super().refresh(*args, **kwargs)

        def update(self, n: float | None = 1) -> Any:
            self.arrived += n or 0
            check(self.arrived)
            return super().update(n)

    return Bounded


def _drop_incomplete(repo: str, cache_dir: str | os.PathLike[str] | None) -> None:
    """Take what a download that was ended left in the cache."""
    from huggingface_hub import constants

    place = Path(cache_dir or constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "blobs"
    for part in place.glob("*.incomplete"):
        part.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """The innermost cause in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _check_against_cache_names(folder: Path) -> None:
    """Compare each file with the hash that the Hub's cache names it by, and drop those that arrived damaged.

    The cache keeps a file under its ETag: SHA-256 for large files, git's SHA-1 for the others. Where the file
    system has no links, names say nothing, and only the checkpoint's own manifest is compared.
    """
    for path in sorted(folder.rglob("*")):
        blob = path.resolve()
        if blob.is_file():
            _check_size(path, blob)
        if not path.is_symlink() or _hash_as_named(blob) in (None, blob.name):
            continue
        path.unlink()
        blob.unlink()
        raise ModelUnavailable(
            f"{path.name} of {folder.parent.parent.name} arrived damaged; it was dropped from the cache, so try again"
        )


def _check_size(path: Path, blob: Path) -> None:
    try:
        check_size(path)
    except CheckpointError:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise


def _hash_as_named(blob: Path) -> str | None:
    data = blob.read_bytes()
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return hashlib.sha256(data).hexdigest()
    if re.fullmatch(r"[0-9a-f]{40}", blob.name):
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return None


# --- sending ---------------------------------------------------------------------------------------------


def upload(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    tag: str | None = None,
    token: str | None = None,
    message: str | None = None,
) -> str:
    """Send a checkpoint folder to a model repo in one commit, made if it is not there yet, then tag that commit.

    Nobody sees new weights under an old card: all files change in the same commit, and files of an earlier checkpoint
    that this one lacks go with it. Run again after a failure, it sends only what is missing.

    Returns:
        The commit: 40 hexadecimal digits.

    Raises:
        CheckpointError: if the folder is no whole checkpoint.
        PublishError: if the Hub refuses, cannot be reached, or the repo or tag holds something else.
    """
    from huggingface_hub import HfApi

    folder = Path(folder)
    check_files(folder, read_spec(folder))
    api = HfApi(token=token, library_name="leukoscope")
    with hub_refusals(repo_id):
        api.create_repo(repo_id, private=private, exist_ok=True)
        there = set(api.list_repo_files(repo_id)) - {".gitattributes", "README.md"}
        if there and SPEC_FILE not in there:
            raise PublishError(f"{repo_id} holds another kind of model (no {SPEC_FILE} in it): choose another name")
        commit = commit_folder(api, repo_id, "model", {name: folder / name for name in files_of(folder)}, message)
        if tag:
            _tag(api, repo_id, tag, commit)
    return commit


def commit_folder(api: HfApi, repo_id: str, repo_type: str, files: dict[str, Path], message: str | None = None) -> str:
    """Make a repo's main branch hold exactly these files, in one commit; unchanged files are not sent again.

    Returns:
        The commit: 40 hexadecimal digits.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    stale = set(api.list_repo_files(repo_id, repo_type=repo_type)) - {".gitattributes"} - set(files)
    return api.create_commit(
        repo_id,
        [
            *(CommitOperationDelete(path_in_repo=name) for name in sorted(stale)),
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in sorted(files.items())),
        ],
        commit_message=message or "Upload with leukoscope",
        repo_type=repo_type,
    ).oid


def _tag(api: HfApi, repo_id: str, tag: str, commit: str) -> None:
    taken = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo_id).tags}
    if tag not in taken:
        api.create_tag(repo_id, tag=tag, revision=commit)
    elif taken[tag] != commit:
        raise PublishError(f"{repo_id}: the tag {tag} exists already, on commit {taken[tag][:8]}: choose another")


_ADVICE = {
    400: "the Hub does not accept what was sent",
    401: "the token is missing or not valid: log in with `hf auth login`, or set HF_TOKEN",
    402: "the Hub asks for a paid plan for this: a Gradio Space on cpu-basic needs one, on ZeroGPU it does not",
    403: "this token may not write there: use one with write permission, or a name of your own",
    404: "there is no such repo, or this token may not see it",
    409: "the repo was changed or made by someone else at the same moment: run it again",
    412: "the repo was changed by someone else at the same moment: run it again",
    429: "too many requests: wait some minutes, then run it again",
}


@contextmanager
def hub_refusals(repo_id: str) -> Iterator[None]:
    """Turn what the Hub client raises while sending into one sentence with what to do."""
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    place = constants.ENDPOINT
    try:
        yield
    except PublishError:
        raise
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        advice = _ADVICE.get(status, "the Hub has a fault of its own: run it again later")
        said = f" ({error.server_message})" if error.server_message else ""
        raise PublishError(f"{repo_id}: {place} answered {status}: {advice}{said}") from None
    except errors.HFValidationError as error:
        raise PublishError(f"{repo_id}: not a valid name of a repo: {error}") from None
    except errors.LocalTokenNotFoundError:
        raise PublishError(f"{repo_id}: {_ADVICE[401]}") from None
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise PublishError(
            f"{repo_id}: the connection to {place} broke off ({_reason(error)}); run it again to finish"
        ) from None
