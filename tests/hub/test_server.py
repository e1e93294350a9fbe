"""The Hub of the tests against the real client: each script is a process of its own, which sees only HTTP."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.server import Fault, Hub, Request

pytest_plugins = ["tests.hub.fixtures"]
SCRIPT = Path(__file__).parent / "server.py"

PUBLISH = """
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
api.create_repo("tester/model", exist_ok=True)
card = b"---\\nlicense: mit\\n---\\n# Cells\\n"
files = {"README.md": card, "model.onnx": bytes(range(256)) * 400, "deep/er/a.json": b"{}"}
def commit(files, title, **more):
    operations = [CommitOperationAdd(path, data) for path, data in files.items()]
    return api.create_commit("tester/model", operations, commit_message=title, **more).oid
answer = commit(files, "publish")
"""
WEIGHTS = bytes(range(256)) * 400
DOWNLOAD = """
import hashlib
from huggingface_hub import hf_hub_download
answer = hashlib.sha256(open(hf_hub_download("tester/model", "model.onnx"), "rb").read()).hexdigest()
"""


@pytest.fixture
def model(hub):
    """A model that is already there."""
    repo = hub.create("tester/model")
    repo.commit({"README.md": b"# Cells", "model.onnx": WEIGHTS}, "publish")
    return repo


def test_what_is_published_is_what_is_loaded(hub, client):
    script = """
first = answer
again = commit(files, "again")
api.create_tag("tester/model", tag="v1.0")
api.create_branch("tester/model", branch="next/one")
second = commit({"new.txt": b"new"}, "on a branch", revision="next/one")
try:
    api.create_tag("tester/model", tag="v1.0")
except Exception as error:
    twice = error.response.status_code
api.create_tag("tester/model", tag="v1.0", exist_ok=True)
api.delete_file("model.onnx", "tester/model")
api.delete_folder("deep", "tester/model")
refs = api.list_repo_refs("tester/model")
answer = {
    "first": first, "again": again, "second": second, "twice": twice, "who": api.whoami()["name"],
    "refs": {ref.name: ref.target_commit for ref in refs.branches + refs.tags},
    "titles": [commit.title for commit in api.list_repo_commits("tester/model")],
}
"""
    told = client(PUBLISH + script)
    repo, first = hub.repo("tester/model"), told["first"]
    assert (told["again"], repo.head("v1.0"), hub.count("PUT", "/lfs/")) == (first, first, 1)
    assert told["refs"] == {"main": repo.head(), "next/one": told["second"], "v1.0": first}
    assert (told["twice"], told["who"]) == (409, "tester")
    assert told["titles"][-2:] == ["publish", "initial commit"]
    assert [len(commit.files) for commit in repo.commits()] == [2, 3, 4, 1]
    assert set(repo.files("next/one")) - set(repo.files("v1.0")) == {"new.txt"}
    assert repo.files("v1.0")["model.onnx"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert (repo.read("model.onnx", "v1.0"), repo.read("deep/er/a.json", first[:8])) == (WEIGHTS, b"{}")

    script = """
import os
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
api = HfApi()
def tree(path=None, **more):
    return list(api.list_repo_tree("tester/model", path, revision="v1.0", **more))
tag = Path(snapshot_download("tester/model", revision="v1.0"))
sha = Path(snapshot_download("tester/model", revision=os.environ["SHA"]))
info = api.model_info("tester/model", revision="v1.0", files_metadata=True)
answer = {
    "same": tag == sha, "commit": tag.name, "size": (tag / "model.onnx").stat().st_size,
    "files": sorted(p.relative_to(tag).as_posix() for p in tag.rglob("*.*") if p.is_file()),
    "branch": Path(hf_hub_download("tester/model", "new.txt", revision="next/one")).read_text(),
    "card": [info.card_data.license, info.tags],
    "lfs": [s.rfilename for s in info.siblings if s.lfs and s.lfs.size == s.size],
    "tree": sorted(e.path for e in tree(recursive=True)),
    "top": sorted(e.path for e in tree()),
    "deep": [(e.path, e.last_commit.title) for e in tree("deep/er", expand=True)],
    "paths": [e.path for e in api.get_paths_info("tester/model", ["deep", "model.onnx", "no"], revision="v1.0")],
    "revisions": [api.revision_exists("tester/model", name) for name in ("v1.0", "v2.0")],
}
"""
    files = [".gitattributes", "README.md", "deep/er/a.json", "model.onnx"]
    assert client(script, home="fresh", token=None, SHA=first) == {
        "same": True,
        "commit": first,
        "size": len(WEIGHTS),
        "files": files,
        "branch": "new",
        "card": ["mit", ["license:mit"]],
        "lfs": ["model.onnx"],
        "tree": sorted([*files, "deep", "deep/er"]),
        "top": sorted({file.split("/")[0] for file in files}),
        "deep": [["deep/er/a.json", "publish"]],
        "paths": ["deep", "model.onnx"],
        "revisions": [True, False],
    }


def test_the_card_is_read_and_a_broken_one_refused(hub, client):
    answer = client(
        """
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData
api = HfApi()
api.create_repo("tester/model", private=True)
result = EvalResult("image-classification", "blood-cells", "Blood cells", "accuracy", 0.97)
data = ModelCardData(license="mit", tags=["blood"], library_name="keras", model_name="cells", eval_results=[result])
ModelCard(f"---\\n{data.to_yaml()}\\n---\\n# Cells").push_to_hub("tester/model")
info = api.model_info("tester/model")
wrong = {"broken": "license: [mit", "list": "- mit", "colour": "sdk: gradio\\ncolorFrom: crimson"}
answer = {"card": [info.card_data.eval_results[0].metric_value, info.tags, info.library_name, info.private]}
api.create_repo("tester/wrong", repo_type="space", space_sdk="gradio")
for name, text in wrong.items():
    card = f"---\\n{text}\\n---\\n".encode()
    try:
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="tester/wrong", repo_type="space")
    except ValueError as error:
        answer[name] = str(error)
"""
    )
    assert answer["card"] == [0.97, ["blood", "license:mit"], "keras", True]
    assert answer["broken"].startswith("Invalid metadata in README.md.\n- while parsing")
    assert "must be a mapping" in answer["list"]
    assert '"colorFrom" must be one of' in answer["colour"]
    assert list(hub.repo("tester/wrong", "space").files()) == [".gitattributes"]


ERRORS = {
    'api.model_info("tester/none")': ("RepositoryNotFoundError", 404),
    'api.model_info("tester/none", token=False)': ("RepositoryNotFoundError", 401),
    'hf_hub_download("tester/secret", "a.txt", token=False)': ("RepositoryNotFoundError", 401),
    'hf_hub_download("tester/model", "README.md", revision="v9")': ("RevisionNotFoundError", 404),
    'commit(revision="v9")': ("RevisionNotFoundError", 404),
    'hf_hub_download("tester/model", "none.txt")': ("RemoteEntryNotFoundError", 404),
    'list(api.list_repo_tree("tester/model", "none"))': ("RemoteEntryNotFoundError", 404),
    'api.delete_file("none.txt", "tester/model")': ("RemoteEntryNotFoundError", 404),
    'hf_hub_download("other/gated", "a.txt")': ("GatedRepoError", 403),
    'api.model_info("tester/asked")': ("GatedRepoError", 403),
    'api.whoami("hf_wrong")': ("HfHubHTTPError", 401),
    'api.upload_file(path_or_fileobj=b"b", path_in_repo="a.txt", repo_id="other/model")': ("HfHubHTTPError", 403),
    "commit(parent_commit=old)": ("HfHubHTTPError", 412),
    'api.create_repo("tester/new", token=False)': ("HfHubHTTPError", 401),
    'api.create_repo("other/new")': ("HfHubHTTPError", 403),
    'api.create_repo("tester/model")': ("HfHubHTTPError", 409),
    'api.create_repo("tester/space", repo_type="space", space_sdk="gradio")': ("HfHubHTTPError", 402),
    'api.create_repo("tester/often")': ("HfHubHTTPError", 429),
}


def test_errors_are_the_clients_own(hub, client, model):
    hub.create("tester/secret", private=True)
    hub.create("other/model").commit({"a.txt": b"a"}, "add")
    hub.create("other/gated", gated=True).commit({"a.txt": b"a"}, "add")
    hub.fail(Fault(path="/api/models/tester/asked", status=403, code="GatedRepo", message="Ask for access"))
    # the last two of the five calls that create
    hub.fail(Fault(path="/api/repos/create", skip=3, status=402, message="Spaces need a plan"))
    hub.fail(Fault(path="/api/repos/create", skip=3, status=429, retry_after=60))
    script = """
import json, os
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
api = HfApi()
def commit(**more):
    api.create_commit("tester/model", [CommitOperationAdd("a.txt", b"b")], commit_message="add", **more)
old = api.model_info("tester/model").sha
api.upload_file(path_or_fileobj=b"c", path_in_repo="c.txt", repo_id="tester/model")
answer = []
for call in json.loads(os.environ["CALLS"]):
    try:
        eval(call)
    except Exception as error:
        answer.append([call, type(error).__name__, error.response.status_code, error.server_message])
"""
    told = client(script, CALLS=json.dumps(list(ERRORS)))
    assert {call: (name, status) for call, name, status, _ in told} == ERRORS
    assert told[-2][3] == "Spaces need a plan"
    assert 'rights to create or change a repo under "other"' in told[-4][3]
    assert ("model", "tester/often") not in hub.api.repos


def test_a_space_has_secrets_variables_and_a_state(hub, client):
    answer = client(
        """
from huggingface_hub import HfApi
api = HfApi()
url = api.create_repo(
    "tester/space", repo_type="space", space_sdk="gradio", space_hardware="cpu-upgrade",
    space_secrets=[{"key": "TOKEN", "value": "hidden"}], space_variables=[{"key": "MODEL", "value": "tester/model"}],
)
empty = api.get_space_runtime("tester/space").stage
api.add_space_secret("tester/space", "OTHER", "hidden too", description="why")
api.add_space_variable("tester/space", "LAB", "A")
api.delete_space_variable("tester/space", "LAB")
api.upload_file(path_or_fileobj=b"print()", path_in_repo="app.py", repo_id="tester/space", repo_type="space")
runtime = api.get_space_runtime("tester/space")
answer = {
    "url": url, "sdk": api.space_info("tester/space").sdk,
    "runtime": [empty, runtime.stage, runtime.hardware],
    "secrets": {k: s.description for k, s in api.get_space_secrets("tester/space").items()},
    "variables": {k: v.value for k, v in api.get_space_variables("tester/space").items()},
}
api.delete_repo("tester/space", repo_type="space")
"""
    )
    assert answer == {
        "url": f"{hub.url}/spaces/tester/space",
        "sdk": "gradio",
        "runtime": ["NO_APP_FILE", "RUNNING", "cpu-upgrade"],
        "secrets": {"TOKEN": None, "OTHER": "why"},
        "variables": {"MODEL": "tester/model"},
    }
    assert not hub.api.repos


def test_a_data_set_goes_and_comes_back(hub, client):
    answer = client(
        """
import numpy as np
from PIL import Image as Picture
import datasets
names = ["lymphocyte", "monocyte"]
features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
pictures = [Picture.fromarray(np.full((8, 8, 3), 60 * i, np.uint8)) for i in range(4)]
made = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1, 1, 0]}, features=features)
made.push_to_hub("tester/cells", commit_message="push")
back = datasets.load_dataset("tester/cells", split="train")
rows = [[row["image"].size, row["image"].getpixel((0, 0))[0], row["label"]] for row in back]
answer = {"rows": rows, "names": back.features["label"].names}
"""
    )
    assert answer["rows"] == [[[8, 8], 0, 0], [[8, 8], 60, 1], [[8, 8], 120, 1], [[8, 8], 180, 0]]
    assert answer["names"] == ["lymphocyte", "monocyte"]


def test_a_cut_download_goes_on_where_it_was(hub, client):
    large = WEIGHTS * 120
    hub.create("tester/model").commit({"model.onnx": large}, "12 MB")
    cut = hub.fail(Fault(path="model.onnx", cut_download=11_000_000, times=9))
    assert client(DOWNLOAD) == hashlib.sha256(large).hexdigest()
    assert cut.hits == 2, "without a Range, 11 MB at a time would never be enough"


def test_a_small_cut_download_starts_again(hub, client, model):
    """The client counts what has come in steps of 10 MiB."""
    hub.fail(Fault(path="model.onnx", cut_download=60_000))
    assert client(DOWNLOAD) == hashlib.sha256(WEIGHTS).hexdigest()
    assert (hub.count("GET", "model.onnx"), hub.count("HEAD", "model.onnx")) == (2, 1)


def test_a_flipped_byte_reaches_the_client(hub, client, model):
    hub.fail(Fault(path="model.onnx", flip=1000))
    flipped = WEIGHTS[:1000] + bytes([WEIGHTS[1000] ^ 1]) + WEIGHTS[1001:]
    assert client(DOWNLOAD) == hashlib.sha256(flipped).hexdigest()
    assert client(DOWNLOAD, home="fresh") == hashlib.sha256(WEIGHTS).hexdigest()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="PUT", cut_upload=5000),
        Fault(method="PUT", drop=True),
        Fault(path="/objects/batch", status=503),
        Fault(path="/preupload/", status=429, retry_after=0),
        Fault(method="PUT", down=0.5),
        Fault(path="/commit/", delay=0.5),
    ],
    ids=["upload cut", "dropped", "503", "429", "down", "slow"],
)
def test_the_client_gets_over_one_failure(hub, client, fault):
    fault = hub.fail(fault)
    assert client(PUBLISH) == hub.repo("tester/model").head()
    assert fault.hits == 1
    assert len(hub.repo("tester/model").commits()) == 2


@pytest.mark.parametrize(
    "fault",
    [Fault(drop=True), Fault(lose=True), Fault(status=500), Fault(cut_upload=100)],
    ids=["dropped", "answer lost", "500", "cut"],
)
def test_a_commit_is_never_tried_twice(hub, client, fault):
    hub.fail(replace(fault, path="/commit/"))
    assert re.search("RemoteProtocolError|ReadError|WriteError|500 Internal Server Error", client(PUBLISH, fails=True))
    assert (len(hub.repo("tester/model").commits()) == 2) is fault.lose
    assert client(PUBLISH) == hub.repo("tester/model").head()
    assert len(hub.repo("tester/model").commits()) == 2


@pytest.mark.parametrize("place", ["/preupload/", "/lfs/", "/commit/"])
def test_a_client_can_be_killed_at_a_request(hub, client, tmp_path, place):
    command = [sys.executable, "-c", "input()\n" + PUBLISH]
    process = subprocess.Popen(command, env=hub.env(tmp_path / "home"), stdin=subprocess.PIPE)
    hub.on_request(lambda method, path: place in path and os.kill(process.pid, signal.SIGKILL))
    process.communicate(b"\n")
    assert process.returncode == -signal.SIGKILL
    assert place in hub.requests[-1].path
    hub.heal()
    assert client(PUBLISH) == hub.repo("tester/model").head()
    assert set(hub.repo("tester/model").files()) == {".gitattributes", "README.md", "deep/er/a.json", "model.onnx"}


def test_a_hub_that_is_down_refuses_and_comes_back(hub, client, model):
    port, expected = hub.port, hashlib.sha256(WEIGHTS).hexdigest()
    hub.stop()
    assert "ConnectError" in client("from huggingface_hub import model_info; model_info('tester/model')", fails=True)
    hub.start()
    assert hub.port == port
    assert client(DOWNLOAD) == expected
    hub.stop()
    assert client(DOWNLOAD) == expected, "the client falls back on its cache"


def test_faults_strike_in_order_and_run_out():
    get, head = Request("GET", "/a/resolve/main/x"), Request("HEAD", "/a/resolve/main/x")
    fault = Fault(method="GET", path="/resolve/", skip=1, times=2)
    assert [fault.strikes(request) for request in (get, head, get, get, get)] == [False, False, True, True, False]
    assert [Fault(flip=0).strikes(request) for request in (head, get)] == [False, True]


def test_served_by_hand_it_keeps_its_folder(tmp_path):
    command = [sys.executable, SCRIPT, "--port", "0", "--dir", tmp_path / "kept"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        lines = [process.stdout.readline() for _ in range(7)]
        settings = dict(re.fullmatch(r"export (\w+)=(.*)\n", line).groups() for line in lines)
        subprocess.run([sys.executable, "-c", PUBLISH], env=os.environ | settings, check=True)
    finally:
        process.terminate()
        process.communicate()
    with Hub(folder=tmp_path / "kept") as hub:
        assert [commit.title for commit in hub.repo("tester/model").commits()] == ["publish", "initial commit"]
        assert hub.repo("tester/model").read("model.onnx") == WEIGHTS
