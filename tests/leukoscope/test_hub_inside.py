"""Names, downloads and uploads, each step by itself and in the test's own process, against a Hub of the tests' own."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from leukoscope import Classifier
from leukoscope.errors import CheckpointError, ModelUnavailable, PublishError
from leukoscope.model import hub as module
from leukoscope.model.checkpoint import SPEC_FILE, files_of, read_spec, write_spec
from leukoscope.model.hub import EMBEDDED, MODEL_VARIABLE, Source, commit_folder, find, upload
from tests.hub.repos import git_hash
from tests.hub.server import Fault
from tests.refusal import refusal

pytest_plugins = ["tests.hub.fixtures"]

NAME = "tester/cells"


# --- names and folders, without a Hub --------------------------------------------------------------------


def test_folders_and_the_embedded_model_need_no_network(monkeypatch, tmp_path):
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    assert find().name == "embedded"
    assert find(EMBEDDED).name == "embedded"
    copy = shutil.copytree(EMBEDDED, tmp_path / "mine")
    assert find(copy).name == str(copy)
    assert Classifier.from_pretrained(str(copy)).info()["source"] == str(copy)


@pytest.mark.parametrize("name", ["bert", "a/b/c", "/no/where", "user/name@", "user/na me", "", "user/name@v1@v2"])
def test_impossible_names_say_what_is_valid(name, monkeypatch):
    monkeypatch.setenv(MODEL_VARIABLE, "unused")
    with pytest.raises(CheckpointError, match="user/name@revision"):
        find(name)


def test_two_different_revisions_are_refused():
    with pytest.raises(CheckpointError, match="two revisions given: 'v1' in the name and 'v2'"):
        find("user/name@v1", revision="v2")


def test_save_pretrained_copies_all_and_spares_strangers(classifier, tmp_path):
    classifier.save_pretrained(tmp_path / "new" / "model")
    saved = Classifier.from_pretrained(tmp_path / "new" / "model")
    assert saved.spec == classifier.spec
    assert saved.replay_golden() < 1e-6
    names = lambda root: sorted(f.relative_to(root).as_posix() for f in root.rglob("*") if f.is_file())  # noqa: E731
    assert names(tmp_path / "new" / "model") == names(EMBEDDED)
    classifier.save_pretrained(tmp_path / "new" / "model")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="holds something that is no checkpoint"):
        classifier.save_pretrained(tmp_path / "thesis")
    assert names(tmp_path / "thesis") == ["chapter1.txt"]


def test_unavailable_is_an_os_error_that_apps_may_catch():
    assert issubclass(ModelUnavailable, OSError)


@pytest.mark.parametrize("name", ["bert", "", "user/name@"])
def test_an_impossible_name_is_repeated(name):
    assert refusal(CheckpointError, find, name) == (
        f"no such checkpoint folder: {name!r}; a model is named by a checkpoint folder, user/name or user/name@revision"
    )


def test_the_variable_is_asked_only_where_no_name_is_given(monkeypatch, tmp_path):
    copy = shutil.copytree(EMBEDDED, tmp_path / "mine")
    monkeypatch.setenv(MODEL_VARIABLE, str(copy))
    assert find() == Source(copy, str(copy))
    assert find(EMBEDDED) == Source(EMBEDDED, "embedded")
    monkeypatch.setenv(MODEL_VARIABLE, "")
    assert find() == Source(EMBEDDED, "embedded")


# --- downloads -------------------------------------------------------------------------------------------


def test_a_name_a_revision_and_both_find_the_commit(hub, model, here):
    (tag := hub.repo(NAME)).tags["v1.0"] = model
    newer = tag.commit({"README.md": b"a newer card", "surprise.py": b"raise SystemExit(9)"}, "newer")
    snapshots = here / "models--tester--cells" / "snapshots"
    for words, options, commit in (
        (NAME, {}, newer),
        (f"{NAME}@v1.0", {}, model),
        (NAME, {"revision": "v1.0"}, model),
        (f"{NAME}@v1.0", {"revision": "v1.0"}, model),
        (f"{NAME}@{model}", {}, model),
    ):
        assert find(words, **options) == Source(snapshots / commit, f"{NAME}@{commit}")
    assert files_of(snapshots / model) == files_of(EMBEDDED)
    assert not list(here.rglob("surprise.py")), "only a checkpoint's own files are fetched"
    assert hub.count("GET", "surprise.py") == 0


def test_a_cache_of_ones_own_and_the_network_are_used_as_told(hub, model, here, tmp_path):
    own = tmp_path / "own"
    words = refusal(ModelUnavailable, find, NAME, cache_dir=own, local_files_only=True)
    assert words == f"{NAME}: no whole copy to be had; tried the cache {own}"
    assert hub.requests == []
    assert find(NAME, cache_dir=str(own)).folder.is_relative_to(own)
    assert not here.exists()
    asked = len(hub.requests)
    assert find(NAME, cache_dir=own, local_files_only=True).name == f"{NAME}@{model}"
    assert len(hub.requests) == asked
    words = refusal(ModelUnavailable, find, NAME, local_files_only=True)
    assert words == f"{NAME}: no whole copy to be had; tried the cache {here}"


def test_a_token_opens_a_private_repo(hub, here, monkeypatch):
    files = {name: (EMBEDDED / name).read_bytes() for name in files_of(EMBEDDED)}
    commit = hub.create("tester/closed", private=True).commit(files, "a checkpoint")
    token = os.environ["HF_TOKEN"]
    monkeypatch.delenv("HF_TOKEN")
    assert refusal(ModelUnavailable, find, "tester/closed@v1") == (
        f"tester/closed@v1: {hub.url} has no such model, or it is private and needs a token (hf auth login)"
    )
    assert find("tester/closed", token=token).name == f"tester/closed@{commit}"


def test_what_the_hub_refuses_is_said_in_one_sentence(hub, model, here):
    hub.create("other/gated", gated=True).commit({SPEC_FILE: b"{}"}, "add")
    assert refusal(ModelUnavailable, find, "other/gated@main") == (
        f"other/gated@main: access is by request; ask for it on {hub.url}/other/gated"
    )
    assert refusal(ModelUnavailable, find, "tester/none") == (
        f"tester/none: {hub.url} has no such model, or it is private and needs a token (hf auth login)"
    )
    assert refusal(ModelUnavailable, find, f"{NAME}@v9") == (
        f"{NAME}@v9: {hub.url}/{NAME} has no branch, tag or commit 'v9'"
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"method": "HEAD", "path": f"/{SPEC_FILE}", "status": 403},
            "no whole copy to be had; tried {url} and the cache {cache} (Client error '403 Forbidden' for url '{url}/",
        ),
        (
            {"path": "/api/models", "status": 503},
            "no whole copy to be had; tried {url} and the cache {cache} (Server error '503 Service Unavailable' for",
        ),
        ({"method": "GET", "path": "/model.onnx", "status": 418}, "{url} answered with status 418; try again later"),
        (
            {"method": "GET", "path": "/model.onnx", "cut_download": 1000},
            "the download from {url} broke off (peer closed connection without sending complete message body (received",
        ),
    ],
    ids=["no list", "no Hub", "refused", "cut"],
)
def test_what_goes_wrong_on_the_way_is_named(hub, model, here, fault, said):
    hub.fail(Fault(times=99, **fault))
    words = refusal(ModelUnavailable, find, NAME)
    assert words.startswith(f"{NAME}: " + said.format(url=hub.url, cache=here))
    assert len(words.splitlines()) == 1
    hub.heal()
    assert find(NAME).name == f"{NAME}@{model}"


def test_another_cache_is_named_where_the_hub_is_down(hub, model, here, tmp_path):
    hub.stop()
    words = refusal(ModelUnavailable, find, NAME, cache_dir=tmp_path / "own")
    assert words.startswith(f"{NAME}: no whole copy to be had; tried {hub.url} and the cache {tmp_path / 'own'} (")
    assert "refused" in words


def test_what_is_no_checkpoint_is_not_taken(hub, model, here):
    hub.create("tester/bert").commit({"config.json": b"{}"}, "add")
    words = refusal(CheckpointError, find, "tester/bert@main")
    assert words == f"tester/bert@main is not a checkpoint of Leukoscope: it has no {SPEC_FILE}"
    hub.repo(NAME).commit({"figures/../x.png": b"", "surprise.py": b""}, "slip")
    words = refusal(CheckpointError, find, NAME)
    assert words.startswith(f"{NAME} cannot be downloaded: ")
    assert "'..'" in words


@pytest.mark.parametrize("own", [False, True])
def test_a_download_ends_where_no_checkpoint_is_so_large(hub, model, here, tmp_path, monkeypatch, own):
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    cache = tmp_path / "own" if own else here
    blobs = cache / "models--tester--cells" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "begun.incomplete").touch()
    words = refusal(CheckpointError, find, f"{NAME}@main", cache_dir=cache if own else None)
    assert words == f"{NAME}@main has more than 1 MB: no checkpoint of Leukoscope has"
    assert not list(cache.rglob("*.incomplete"))


def test_bytes_are_counted_as_announced_and_as_they_arrive(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 3 * 2**20)
    kind = module._bounded_bar(NAME)
    said = f"{NAME} has more than 3 MB: no checkpoint of Leukoscope has"
    with kind(total=3 * 2**20, disable=True) as bar:
        assert bar.refresh(nolock=True) is None
        for part in (2**20, 2**20, None, 2**20):
            bar.update(part)
        assert refusal(CheckpointError, bar.update, 1) == said
    with kind(total=3 * 2**20, disable=True) as bar:
        bar.update(3 * 2**20 - 1)
        bar.update()
        assert refusal(CheckpointError, bar.update) == said
        bar.total += 1
        assert refusal(CheckpointError, bar.refresh) == said
    with kind(total=None, disable=True) as bar:
        bar.refresh()


def test_the_bar_is_still_a_bar(capsys):
    with module._bounded_bar(NAME)(total=8, desc="cells", mininterval=0, miniters=1) as bar:
        assert bar.update(4) is True
        assert bar.refresh(lock_args=None) is True
        assert bar.n == 4
    assert "50%" in capsys.readouterr().err


def test_only_what_was_not_finished_is_dropped(here, tmp_path):
    for cache in (here, tmp_path / "own"):
        for repo in ("models--tester--cells", "models--tester--other"):
            blobs = cache / repo / "blobs"
            blobs.mkdir(parents=True)
            for name in ("one.incomplete", "two.incomplete", "three"):
                (blobs / name).touch()

    def kept(cache: Path) -> int:
        return len([path for path in cache.rglob("*") if path.is_file()])

    module._drop_incomplete(NAME, None)
    assert (kept(here), kept(tmp_path / "own")) == (4, 6)
    module._drop_incomplete(NAME, tmp_path / "own")
    assert kept(tmp_path / "own") == 4
    module._drop_incomplete("tester/none", None)


def test_the_innermost_cause_is_given_in_one_line():
    inner = OSError("first line\nsecond line")
    middle, outer = ValueError("in between"), KeyError("outside")
    middle.__cause__, outer.__cause__ = inner, middle
    assert module._reason(outer) == module._reason(inner) == "first line"
    assert module._reason(ConnectionResetError()) == "ConnectionResetError"
    assert module._reason(OSError("\nbelow")) == "OSError"
    assert module._reason(OSError("x" * 300)) == "x" * 200


# --- what arrived ----------------------------------------------------------------------------------------


def cached(root: Path, name: str, data: bytes, oid: str, links: bool = True) -> tuple[Path, Path]:
    """A file as the Hub's cache keeps it: its path in the snapshot, and the blob that it leads to."""
    blob = root / "models--tester--cells" / "blobs" / oid
    path = root / "models--tester--cells" / "snapshots" / "abc" / name
    for place in (blob, path):
        place.parent.mkdir(parents=True, exist_ok=True)
    if links:
        blob.write_bytes(data)
        path.symlink_to(blob)
    else:
        path.write_bytes(data)
    return path, blob


def test_each_file_is_compared_with_the_hash_that_names_it(tmp_path):
    good, small = b"weights" * 9, b"small"
    cached(tmp_path, "a.onnx", good, hashlib.sha256(good).hexdigest())
    path, blob = cached(tmp_path, "b.json", small, git_hash(small))
    cached(tmp_path, "figures/c.png", b"c", "0" * 39)
    cached(tmp_path, "d.png", b"d", "no-hash-at-all-" + "0" * 64)
    cached(tmp_path, "e.png", b"no link: its name says nothing", "f" * 64, links=False)
    module._check_against_cache_names(path.parent)
    damaged = [cached(tmp_path, "f.onnx", good + b"x", hashlib.sha256(good + b"y").hexdigest())]
    damaged.append(cached(tmp_path, "g.json", small + b"x", git_hash(small + b"y")))
    for path, blob in damaged:
        words = refusal(ModelUnavailable, module._check_against_cache_names, path.parent)
        assert words == (
            f"{path.name} of models--tester--cells arrived damaged; it was dropped from the cache, so try again"
        )
        assert not path.is_symlink()
        assert not blob.exists()
    module._check_against_cache_names(path.parent)
    assert len([path for path in path.parent.rglob("*") if path.is_file()]) == 5


@pytest.mark.parametrize("links", [True, False])
def test_what_is_too_large_is_dropped(tmp_path, links):
    data = b" " * (8 * 2**20 + 1)
    path, blob = cached(tmp_path, "golden.json", data, git_hash(data), links)
    words = refusal(CheckpointError, module._check_against_cache_names, path.parent)
    assert words == f"{path} is larger than 8 MB"
    assert not path.exists()
    assert not path.is_symlink()
    assert not blob.exists()


# --- uploads ---------------------------------------------------------------------------------------------


def test_a_folder_becomes_one_commit_with_a_tag(hub, here):
    commit = upload(str(EMBEDDED), "tester/new", tag="v1.0")
    repo = hub.repo("tester/new")
    assert (repo.head(), repo.head("v1.0"), repo.private) == (commit, commit, False)
    assert set(repo.files()) == {".gitattributes", *files_of(EMBEDDED)}
    assert all(repo.read(name) == (EMBEDDED / name).read_bytes() for name in files_of(EMBEDDED))
    assert [c.title for c in repo.commits()] == ["Upload with leukoscope", "initial commit"]
    assert upload(EMBEDDED, "tester/new", tag="v1.0") == commit, "nothing is sent twice"


def test_a_private_repo_and_a_message_are_as_told(hub, here, monkeypatch):
    token = os.environ["HF_TOKEN"]
    monkeypatch.delenv("HF_TOKEN")
    commit = upload(EMBEDDED, "tester/closed", private=True, token=token, message="The first of all")
    repo = hub.repo("tester/closed")
    assert (repo.private, repo.tags) == (True, {})
    assert repo.history[commit].title == "The first of all"
    words = refusal(PublishError, upload, EMBEDDED, "tester/closed")
    assert words.startswith("tester/closed: ")
    assert "hf auth login" in words


def test_an_older_checkpoint_is_replaced_as_a_whole(hub, model, here, tmp_path):
    repo = hub.repo(NAME)
    repo.commit({"figures/old/one.png": b"1", "figures/old/two.png": b"2", "README.md": b"old"}, "more")
    folder = shutil.copytree(EMBEDDED, tmp_path / "new")
    (folder / "README.md").write_text("new")
    upload(folder, NAME)
    assert set(repo.files()) == {".gitattributes", *files_of(folder)}
    assert repo.read("README.md") == b"new"


def test_what_is_there_of_another_kind_stays(hub, here):
    hub.create("tester/card").commit({"README.md": b"to be a checkpoint"}, "card")
    upload(EMBEDDED, "tester/card")
    hub.create("tester/bert").commit({"pytorch_model.bin": b"precious"}, "add")
    assert refusal(PublishError, upload, EMBEDDED, "tester/bert") == (
        f"tester/bert holds another kind of model (no {SPEC_FILE} in it): choose another name"
    )
    assert set(hub.repo("tester/bert").files()) == {".gitattributes", "pytorch_model.bin"}


def test_a_tag_is_never_moved(hub, here, tmp_path):
    first = upload(EMBEDDED, NAME, tag="v1.0")
    folder = shutil.copytree(EMBEDDED, tmp_path / "new")
    (folder / "README.md").write_text("new")
    assert refusal(PublishError, upload, folder, NAME, tag="v1.0") == (
        f"{NAME}: the tag v1.0 exists already, on commit {first[:8]}: choose another"
    )
    assert hub.repo(NAME).tags == {"v1.0": first}
    second = upload(folder, NAME, tag="v1.1")
    assert hub.repo(NAME).tags == {"v1.0": first, "v1.1": second}


def test_a_tag_is_on_the_commit_that_was_sent_whatever_came_after(hub, here):
    def overtake(method: str, path: str) -> None:
        if path.endswith("/refs"):
            hub.repo(NAME).commit({"README.md": b"by somebody else"}, "meanwhile")

    hub.on_request(overtake)
    commit = upload(EMBEDDED, NAME, tag="v1.0")
    assert hub.repo(NAME).tags == {"v1.0": commit}
    assert hub.repo(NAME).head() != commit


def test_a_folder_that_is_not_whole_is_not_sent(hub, here, tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "new")
    (folder / "model.onnx").write_bytes(b"other")
    assert "model.onnx is damaged" in refusal(CheckpointError, upload, folder, NAME)
    spec = read_spec(EMBEDDED)
    (folder / "model.onnx").unlink()
    write_spec(folder, spec)
    assert "model.onnx is missing" in refusal(CheckpointError, upload, folder, NAME)
    assert hub.requests == []


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_commit_makes_a_repo_hold_these_files_alone(hub, here, tmp_path, kind):
    from huggingface_hub import HfApi

    other = {"model": "dataset", "dataset": "model"}[kind]
    repo = hub.create("tester/files", kind)
    hub.create("tester/files", other).commit({"mine.txt": b"mine"}, "add")
    repo.commit({"stale.txt": b"stale", "old.txt": b"old", "kept.txt": b"kept"}, "add")
    files = {}
    for name in ("kept.txt", "new.txt"):
        files[f"in/{name}" if name == "new.txt" else name] = tmp_path / name
        (tmp_path / name).write_text(name.removesuffix(".txt"))
    commit = commit_folder(HfApi(), "tester/files", kind, files)
    assert commit == repo.head()
    assert set(repo.files()) == {".gitattributes", "kept.txt", "in/new.txt"}
    assert repo.read("in/new.txt") == b"new"
    assert repo.commits()[0].title == "Upload with leukoscope"
    commit_folder(HfApi(), "tester/files", kind, {"a.txt": tmp_path / "new.txt"}, "One alone")
    assert set(repo.files()) == {".gitattributes", "a.txt"}
    assert repo.commits()[0].title == "One alone"
    assert set(hub.repo("tester/files", other).files()) == {".gitattributes", "mine.txt"}
