"""Loading from and pushing to the Hub: the real client, real HTTP, a Hub of the tests' own on loopback."""

import json
import shutil

import pytest

from leukoscope import Classifier
from leukoscope.model.checkpoint import FORMAT_VERSION, SPEC_FILE
from leukoscope.model.hub import EMBEDDED, MODEL_VARIABLE
from tests.hub.fixtures import IMPATIENT
from tests.hub.server import Fault

pytest_plugins = ["tests.hub.fixtures"]

ASK = """
from leukoscope import Classifier, LeukoscopeError
from leukoscope.drawn.synthetic import draw_cell
try:
    classifier = Classifier.from_pretrained({arguments})
    picture = draw_cell("monocyte", seed=1)
    answer = [classifier.info()["source"], classifier.predict(picture).probabilities]
except LeukoscopeError as error:
    answer = [type(error).__name__, str(error)]
"""


@pytest.fixture
def ask(client):
    """`ask('"tester/cells"')` loads that in a fresh process: [source, probabilities], or [error, its words]."""
    return lambda arguments, **options: client(ASK.format(arguments=arguments), **options)


@pytest.fixture
def model(hub, client) -> str:
    """The embedded checkpoint, pushed as tester/cells with the tag v1.0; its commit."""
    return client(
        "from leukoscope import Classifier\n"
        "answer = Classifier.from_pretrained().push_to_hub('tester/cells', tag='v1.0')",
        home="publisher",
    )


@pytest.fixture(scope="module")
def expected() -> dict:
    from leukoscope.drawn.synthetic import draw_cell

    return Classifier.from_pretrained().predict(draw_cell("monocyte", seed=1)).probabilities


def test_a_pushed_model_answers_bit_for_bit_the_same(hub, model, ask, expected):
    for i, name in enumerate(['"tester/cells@v1.0"', '"tester/cells"', f'"tester/cells", revision="{model}"']):
        source, probabilities = ask(name, home=f"fresh{i}", token=None)
        assert source == f"tester/cells@{model}"
        assert probabilities == expected
    assert hub.repo("tester/cells").read("model.onnx") == (EMBEDDED / "model.onnx").read_bytes()


def test_a_push_is_one_commit_and_a_second_sends_nothing(hub, model, client):
    assert len(hub.repo("tester/cells").commits()) == 2, "the repo's first commit, and ours"
    again = client(
        "from leukoscope import Classifier\n"
        "answer = Classifier.from_pretrained().push_to_hub('tester/cells', tag='v1.0')"
    )
    assert again == model
    assert len(hub.repo("tester/cells").commits()) == 2


def test_the_variable_names_the_default(hub, model, ask):
    source, _ = ask("", **{MODEL_VARIABLE: "tester/cells@v1.0"})
    assert source == f"tester/cells@{model}"
    assert ask("")[0] == "embedded"


def test_the_command_line_takes_hub_names(hub, model, client):
    run = "import contextlib, io; from leukoscope.cli import main\n"
    run += "out, err = io.StringIO(), io.StringIO()\n"
    run += "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n    status = main({words})\n"
    run += "answer = [status, out.getvalue(), err.getvalue()]"
    status, out, _ = client(run.format(words=["info", "--model", "tester/cells@v1.0"]))
    assert status == 0
    assert f'"source": "tester/cells@{model}"' in out
    status, _, err = client(run.format(words=["info", "--model", "tester/none"]))
    assert status == 2
    assert "has no such model" in err


def test_offline_a_cached_copy_answers_and_without_one_it_is_said(hub, model, ask, expected):
    ask('"tester/cells"', home="warm")
    hub.stop()
    assert ask('"tester/cells"', home="warm") == [f"tester/cells@{model}", expected]
    assert ask('"tester/cells", local_files_only=True', home="warm") == [f"tester/cells@{model}", expected]
    assert ask('"tester/cells@v1.0"', home="warm")[0] == "ModelUnavailable", "only main was fetched by that name"
    error, words = ask('"tester/cells"', home="cold")
    assert error == "ModelUnavailable"
    assert hub.url in words
    assert "no whole copy to be had" in words
    error, words = ask('"tester/cells", local_files_only=True', home="cold")
    assert error == "ModelUnavailable"
    assert "tried the cache" in words


def test_what_the_hub_does_not_have_is_named(hub, model, ask):
    hub.create("tester/closed", private=True)
    for name, words in {
        "tester/none": "has no such model, or it is private",
        "tester/closed": "has no such model, or it is private",
        "tester/cells@v9": "no branch, tag or commit 'v9'",
    }.items():
        error, said = ask(f'"{name}"', token=None)
        assert error == "ModelUnavailable"
        assert words in said


@pytest.mark.parametrize("status", [403, 500])
def test_refusals_carry_their_status(hub, model, ask, status):
    hub.fail(Fault(path="/api/models/tester/cells", status=status, times=99))
    error, words = ask('"tester/cells"')
    assert error == "ModelUnavailable"
    assert str(status) in words or "no whole copy" in words


@pytest.mark.parametrize("name", ["model.onnx", SPEC_FILE])
def test_a_flipped_byte_is_noticed_dropped_and_fetched_again(hub, model, ask, expected, name):
    hub.fail(Fault(method="GET", path=f"/{name}", flip=300))
    error, words = ask('"tester/cells"', home="one")
    assert error == "ModelUnavailable"
    assert f"{name} of" in words
    assert "arrived damaged" in words
    assert ask('"tester/cells"', home="one") == [f"tester/cells@{model}", expected]


def test_a_download_cut_midway_leaves_the_cache_whole(hub, model, client, ask, expected):
    hub.fail(Fault(method="GET", path="/model.onnx", cut_download=100_000, times=99))
    error, _words = client(IMPATIENT + ASK.format(arguments='"tester/cells"'), home="one")
    assert error == "ModelUnavailable"
    hub.heal()
    assert ask('"tester/cells"', home="one") == [f"tester/cells@{model}", expected]


def test_foreign_and_newer_repos_are_refused(hub, ask, client, tmp_path):
    client(
        """
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("tester/bert")
api.upload_file(repo_id="tester/bert", path_in_repo="config.json", path_or_fileobj=b"{}")
"""
    )
    error, words = ask('"tester/bert"')
    assert error == "CheckpointError"
    assert f"it has no {SPEC_FILE}" in words

    newer = shutil.copytree(EMBEDDED, tmp_path / "newer")
    spec = json.loads((newer / SPEC_FILE).read_text())
    (newer / SPEC_FILE).write_text(json.dumps(spec | {"format_version": FORMAT_VERSION + 1}))
    client(
        f"""
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("tester/newer")
api.upload_folder(repo_id="tester/newer", folder_path={str(newer)!r})
"""
    )
    error, words = ask('"tester/newer"')
    assert error == "CheckpointError"
    assert "newer than this library reads" in words


def test_only_a_checkpoints_own_files_are_downloaded(hub, model, client, tmp_path):
    client(
        """
from huggingface_hub import HfApi
HfApi().upload_file(repo_id="tester/cells", path_in_repo="surprise.py", path_or_fileobj=b"raise SystemExit(9)")
"""
    )
    ask = ASK.format(arguments='"tester/cells"')
    client(ask, home="fresh")
    assert hub.count("GET", "surprise.py") == 0
    assert not list((tmp_path / "fresh").rglob("surprise.py"))


def test_keras_opens_the_repo_by_its_own_loader(hub, model, client):
    difference = client(
        """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
from leukoscope import Classifier
classifier = Classifier.from_pretrained("tester/cells")
crops = np.random.default_rng(0).integers(0, 256, (3, *[classifier.spec.framing.size] * 2, 3), dtype=np.uint8)
ours = classifier.probabilities(classifier.logits(crops))
differences = []
for model in (keras.saving.load_model("hf://tester/cells"), classifier.load_keras()):
    logits = model.predict(crops.astype("float32") / 255, verbose=0)
    differences.append(float(abs(classifier.probabilities(logits) - ours).max()))
answer = max(differences)
"""
    )
    assert difference < 0.05, "of noise; the graph is in integers of 8 bits, Keras's file in float32"


def test_a_repo_of_another_kind_is_not_overwritten(hub, client):
    words = client(
        """
from huggingface_hub import HfApi
from leukoscope import Classifier, PublishError
api = HfApi()
api.create_repo("tester/bert")
api.upload_file(repo_id="tester/bert", path_in_repo="pytorch_model.bin", path_or_fileobj=b"precious")
try:
    Classifier.from_pretrained().push_to_hub("tester/bert")
except PublishError as error:
    answer = str(error)
"""
    )
    assert "holds another kind of model" in words
    assert "model.onnx" not in hub.repo("tester/bert").files()
