"""Publishing: the real client, real HTTP, a Hub of the tests' own on loopback."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from leukoscope import Classifier
from leukoscope.model.checkpoint import files_of, read_spec
from leukoscope.model.hub import EMBEDDED
from tests.hub.fixtures import IMPATIENT
from tests.hub.server import Fault
from training.publish import stage_model
from training.publishing.card import CardError, render_card, unseen_labs
from training.scoring.metrics import MetricsError

pytest_plugins = ["tests.hub.fixtures"]
ROOT = Path(__file__).parents[2]
REPO = "tester/leukoscope"


@pytest.fixture
def publish(hub, tmp_path):
    """Runs `python -m training.publish` against the tests' Hub; `home` names the client's cache."""

    def run(*words, checkpoint=EMBEDDED, home="home", impatient=False, **variables) -> subprocess.CompletedProcess:
        script = "import runpy\nrunpy.run_module('training.publish', run_name='__main__', alter_sys=True)"
        start = ["-c", IMPATIENT + script] if impatient else ["-m", "training.publish"]
        command = [sys.executable, *start, checkpoint, "--repo", REPO, *words]
        env = hub.env(tmp_path / home) | variables
        return subprocess.run([*map(str, command)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def second_checkpoint(tmp_path) -> Path:
    """The embedded checkpoint under another name: other files, the same weights."""
    folder = shutil.copytree(EMBEDDED, tmp_path / "second")
    spec = json.loads((folder / "classifier.json").read_text())
    (folder / "classifier.json").write_text(json.dumps(spec | {"name": "second"}))
    shutil.rmtree(folder / "figures" / "bccd-test-copy")
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["results"]["bccd-test-copy"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


# --- the card --------------------------------------------------------------------------------------------


def test_every_number_on_the_card_is_in_the_metrics():
    metrics = json.loads((EMBEDDED / "metrics.json").read_text())
    card = render_card(EMBEDDED, REPO)
    for name, result in metrics["results"].items():
        for level, subset in (("images", "all"), ("images", "without_doubtful")):
            score = result[level][subset]
            for key in ("accuracy", "macro_f1"):
                low, high = score[f"{key}_95"]
                assert f"{score[key]:.4f} ({low:.3f}-{high:.3f})" in card, (name, level, subset, key)
            assert f"{score['n']:,}" in card
        if not name.startswith("bccd"):
            of_all = result["images"]["all"]
            for values, key in ((of_all, "balanced_accuracy"), (of_all["confident"], "accuracy")):
                low, high = values[f"{key}_95"]
                assert f"| {values[key]:.4f} ({low:.3f}-{high:.3f}) |" in card, (name, key)
        for cell, row in result["images"]["all"]["per_class"].items():
            line = f"| {cell} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']:,} |"
            assert line in card
    # And the other way round: each table's number comes from there.
    known = set(re.findall(r"\d+\.\d+", _rounded(metrics)))
    tables = "\n".join(line for line in card.splitlines() if line.startswith("|"))
    assert set(re.findall(r"\d\.\d{3,4}", tables)) <= known


def _rounded(values) -> str:
    """All numbers below, printed with three and with four digits."""
    if isinstance(values, dict):
        return " ".join(map(_rounded, values.values()))
    if isinstance(values, list):
        return " ".join(map(_rounded, values))
    return f"{values:.3f} {values:.4f}" if isinstance(values, int | float) else ""


def test_the_card_says_what_the_recipe_does_in_a_lab_it_never_saw(monkeypatch, tmp_path):
    from training.studies import compare, verdicts

    spec = read_spec(EMBEDDED)
    rows = [
        {"variant": "default", "trial": "without-bccd", "n": 348, "balanced_accuracy": 0.7654},
        {"variant": "default", "trial": "without-raabin", "n": 3241, "balanced_accuracy": 0.8642},
        {"variant": "short", "trial": "without-bccd", "n": 348, "balanced_accuracy": 0.1111},
        {"variant": "default", "trial": "fold-0", "n": 55, "balanced_accuracy": 0.2222},
    ]
    for row in rows:
        row["confident"] = {"share": 0.6789, "accuracy": 0.9123}
        row["balanced_accuracy_95"] = [row["balanced_accuracy"] - 0.02, row["balanced_accuracy"] + 0.03]
    table = tmp_path / "comparison.json"
    table.write_text(json.dumps({"trials": rows}))
    monkeypatch.setattr(compare, "TABLE_FILE", table)
    scored = {"n": 3241, "accuracy": 0.85, "balanced_accuracy": 0.8753}
    scored |= {"accuracy_95": [0.8, 0.9], "balanced_accuracy_95": [0.8553, 0.9053], "found": 1.0, "locator": ""}
    others = {"labs": {"raabin": {"by_the_others": scored | {"share": 0.4321, "right": 0.9876}}}}
    (tmp_path / "verdicts.json").write_text(json.dumps(others))
    monkeypatch.setattr(verdicts, "VERDICTS_FILE", tmp_path / "verdicts.json")
    assert [row["lab"] for row in unseen_labs(spec)] == ["bccd", "raabin"]
    card = " ".join(render_card(EMBEDDED, REPO).split())
    kaggle = "trained without the Kaggle photos, reached a balanced accuracy of 0.765 (0.745-0.795) on its 348 cells"
    raabin = "trained without Raabin-WBC, reached a balanced accuracy of 0.875 (0.855-0.905) on its 3,241 cells"
    assert kaggle in card
    assert raabin in card
    assert f"{kaggle}; 68 % were marked `confident`, and 91.2 % of these were right" in card
    assert f"{raabin}; 43 % were marked `confident`, and 98.8 % of these were right" in card, "by the other labs alone"
    before, after = card.split("### All results")
    assert kaggle in before
    assert "TEST" not in before.partition("### By lab")[2], "labs come first, TEST after them"
    assert "Official TEST of the Kaggle set" in after
    other = replace(spec, trained=spec.trained | {"config": spec.trained["config"] | {"fit": {}}})
    assert unseen_labs(other) == [], "numbers of one recipe say nothing about another"


def test_the_cards_metadata_shows_results_on_the_hub():
    metrics = json.loads((EMBEDDED / "metrics.json").read_text())
    metadata = yaml.safe_load(render_card(EMBEDDED, REPO, dataset="tester/cells").split("---")[1])
    assert metadata["license"] == "mit"
    assert metadata["pipeline_tag"] == "image-classification"
    assert metadata["datasets"] == ["tester/cells"]
    (model,) = metadata["model-index"]
    listed = {r["dataset"]["config"]: {m["type"]: m["value"] for m in r["metrics"]} for r in model["results"]}
    for name, result in metrics["results"].items():
        assert listed[name] == {
            "accuracy": round(result["images"]["all"]["accuracy"], 4),
            "f1": round(result["images"]["all"]["macro_f1"], 4),
        }


def test_the_card_says_what_it_is_not_for():
    card = render_card(EMBEDDED, REPO)
    assert "not a medical device" in card
    assert "CC BY 4.0" in card
    assert "10.17632/snkd93bnjr.1" in card
    assert "{{" not in card.replace("{Leukoscope", "")


def test_a_card_with_an_unfilled_field_is_refused(tmp_path):
    template = tmp_path / "card.md"
    template.write_text("accuracy {{ accuracy_of_tomorrow }}")
    with pytest.raises(CardError, match="accuracy_of_tomorrow"):
        render_card(EMBEDDED, REPO, template=template)


def test_metrics_of_other_weights_or_none_are_refused(tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "c")
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(metrics | {"model_sha256": "0" * 64}))
    with pytest.raises(MetricsError, match="belongs to other weights"):
        stage_model(folder, REPO, tmp_path / "out")
    (folder / "metrics.json").unlink()
    with pytest.raises(MetricsError, match=r"metrics\.json is missing: run python -m training\.evaluate"):
        stage_model(folder, REPO, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_drawn_cells_says_so(smoke_checkpoint):
    card = render_card(smoke_checkpoint, REPO)
    assert "Drawn cells, no photographs" in card


# --- sending ---------------------------------------------------------------------------------------------


def test_round_trip(hub, publish, client):
    done = publish("--tag", "v1.0")
    assert done.returncode == 0, done.stderr
    commit = hub.repo(REPO).head()
    assert f"model {REPO}@{commit} (v1.0): loaded back, golden pair replayed" in done.stdout
    assert len(hub.repo(REPO).commits()) == 2, "one commit beside the repo's first"
    assert hub.repo(REPO).head("v1.0") == commit
    assert set(hub.repo(REPO).files()) - {".gitattributes"} == {*files_of(EMBEDDED), "README.md"}
    answer = client(
        "from leukoscope import Classifier\n"
        "from leukoscope.drawn.synthetic import draw_cell\n"
        f"answer = Classifier.from_pretrained('{REPO}@v1.0').predict(draw_cell('eosinophil', seed=4)).probabilities",
        home="reader",
        token=None,
    )
    from leukoscope.drawn.synthetic import draw_cell

    assert answer == Classifier.from_pretrained().predict(draw_cell("eosinophil", seed=4)).probabilities


def test_a_newer_checkpoint_replaces_all_files_in_one_commit(hub, publish, second_checkpoint):
    assert publish().returncode == 0
    assert publish(checkpoint=second_checkpoint).returncode == 0
    assert len(hub.repo(REPO).commits()) == 3
    assert not [name for name in hub.repo(REPO).files() if "bccd-test-copy" in name], "stale figures are gone"
    assert json.loads(hub.repo(REPO).read("classifier.json"))["name"] == "second"


def test_publishing_the_same_again_changes_nothing(hub, publish):
    assert publish("--tag", "v1.0").returncode == 0
    before = hub.repo(REPO).head()
    again = publish("--tag", "v1.0")
    assert again.returncode == 0, again.stderr
    assert hub.repo(REPO).head() == before


def test_a_taken_tag_is_not_moved(hub, publish, second_checkpoint):
    assert publish("--tag", "v1.0").returncode == 0
    first = hub.repo(REPO).head()
    done = publish("--tag", "v1.0", checkpoint=second_checkpoint)
    assert done.returncode == 2
    assert "tag v1.0 exists already" in done.stderr
    assert hub.repo(REPO).head("v1.0") == first


def test_dry_run_sends_nothing(hub, publish):
    done = publish("--tag", "v1.0", "--space", "tester/page", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"model tester/leukoscope: \d+ files, \d+\.\d\d MiB in one commit", done.stdout)
    assert f"{(EMBEDDED / 'model.onnx').stat().st_size:,}  model.onnx" in done.stdout
    assert "Space tester/page" in done.stdout
    assert hub.requests == []


def test_a_damaged_checkpoint_is_not_sent(hub, publish, tmp_path):
    folder = shutil.copytree(EMBEDDED, tmp_path / "c")
    golden = json.loads((folder / "golden.json").read_text())
    golden["probabilities"][golden["label"]] -= 0.1
    (folder / "golden.json").write_text(json.dumps(golden))
    done = publish(checkpoint=folder)
    assert done.returncode == 2
    assert "golden picture's probabilities are off" in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 401}, "log in with `hf auth login`"),
        ({"status": 402}, "paid plan"),
        ({"status": 403}, "may not write there"),
        ({"status": 429, "times": 99}, "too many requests"),
        ({"status": 500, "times": 99}, "fault of its own"),
        ({"drop": True, "times": 99}, "run it again to finish"),
    ],
    ids=lambda value: str(value.get("status", "drop")) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("place", ["/api/repos/create", "/commit/main"])
def test_refusals_say_what_to_do_and_leave_the_repo_whole(hub, publish, place, fault, words):
    hub.fail(Fault(method="POST", path=place, **fault))
    done = publish()
    assert done.returncode == 2
    assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    if ("model", REPO) in hub.api.repos:
        assert set(hub.repo(REPO).files()) <= {".gitattributes"}
    hub.heal()
    assert publish().returncode == 0
    assert "model.onnx" in hub.repo(REPO).files()


def test_a_missing_token_is_said(hub, publish):
    done = publish(HF_TOKEN="")
    assert done.returncode == 2
    assert "hf auth login" in done.stderr


def test_an_upload_cut_midway_is_finished_by_the_same_command(hub, publish):
    hub.fail(Fault(method="PUT", cut_upload=200_000, times=99))
    done = publish(impatient=True)
    assert done.returncode == 2
    assert "broke off" in done.stderr
    assert set(hub.repo(REPO).files()) <= {".gitattributes"}
    hub.heal()
    assert publish().returncode == 0


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("POST", "/api/repos/create"),
        ("POST", "/preupload/"),
        ("POST", "/objects/batch"),
        ("PUT", "/"),
        ("POST", "/commit/"),
        ("POST", "/tag/"),
        ("GET", "/resolve/"),
    ],
)
def test_killed_anywhere_main_is_all_old_or_all_new(hub, publish, second_checkpoint, tmp_path, method, place):
    """SIGKILL as the client asks for this; then the same command again finishes the job."""
    assert publish().returncode == 0
    repo = hub.repo(REPO)
    old = {name: repo.read(name) for name in repo.files()}

    words = ["-m", "training.publish", second_checkpoint, "--repo", REPO, "--tag", "v2"]
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=hub.env(tmp_path / "killed"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    hub.on_request(lambda m, p: os.kill(process.pid, signal.SIGKILL) if m == method and place in p else None)
    process.wait(120)
    hub.heal()
    main = {name: repo.read(name) for name in repo.files()}
    assert main == old or json.loads(main["classifier.json"])["name"] == "second"
    if main != old:
        assert main["metrics.json"] == (second_checkpoint / "metrics.json").read_bytes()

    again = publish("--tag", "v2", checkpoint=second_checkpoint)
    assert again.returncode == 0, again.stderr
    assert json.loads(repo.read("classifier.json", "v2"))["name"] == "second"
    assert repo.head("v2") == repo.head()


# --- the Space and the data set --------------------------------------------------------------------------


def test_the_space_is_pinned_and_whole(hub, publish):
    done = publish("--space", "tester/page")
    assert done.returncode == 0, done.stderr
    model, space = hub.repo(REPO), hub.repo("tester/page", "space")
    pin = json.loads(space.read("pinned.json"))
    assert pin["model"] == f"{REPO}@{model.head()}"
    metadata = yaml.safe_load(space.read("README.md").decode().split("---")[1])
    assert metadata["sdk"] == "gradio"
    assert metadata["models"] == [REPO]
    preloaded = ",".join(sorted({*files_of(EMBEDDED), "README.md"}))
    assert metadata["preload_from_hub"] == [f"{REPO} {preloaded} {model.head()}"], "all that loading asks for"
    assert metadata["app_file"] == "app.py"
    for name in ("app.py", "requirements.txt", "leukoscope/classifier.py", "leukoscope/pretrained/model.onnx"):
        assert name in space.files()
    assert {"page.css", "page.js", "leukoscope/showing/style.css"} <= set(space.files())
    own = subprocess.run(["git", "ls-files"], cwd=ROOT / "space", capture_output=True, text=True, check=True).stdout
    assert set(own.splitlines()) <= set(space.files())
    assert not [name for name in space.files() if "__pycache__" in name or name.startswith(("tests", "training"))]


def test_on_zerogpu_the_space_has_what_that_platform_asks_for(hub, publish):
    done = publish("--space", "tester/page", "--hardware", "zerogpu")
    assert done.returncode == 0, done.stderr
    space = hub.repo("tester/page", "space")
    assert space.runtime()["hardware"]["requested"] == "zero-a10g"
    assert hub.count("POST", "/hardware") == 0, "made there, not moved: elsewhere it would need a paid plan"
    asked_for = (ROOT / "space" / "requirements.txt").read_text() + "spaces==0.51.3\n"
    assert space.read("requirements.txt").decode() == asked_for
    metadata = yaml.safe_load(space.read("README.md").decode().split("---")[1])
    assert (metadata["suggested_hardware"], metadata["python_version"]) == ("zero-a10g", "3.12")


def test_a_space_moves_to_zerogpu_when_asked(hub, publish):
    assert publish("--space", "tester/page").returncode == 0
    space = hub.repo("tester/page", "space")
    assert space.runtime()["hardware"]["requested"] == "cpu-basic"
    assert b"spaces==" not in space.read("requirements.txt")
    assert publish("--space", "tester/page", "--hardware", "zerogpu").returncode == 0
    assert space.runtime()["hardware"]["requested"] == "zero-a10g"
    assert b"spaces==" in space.read("requirements.txt")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hardware", "zerogpu"], "--hardware goes with --space"),
        (["--space", "tester/page", "--hardware", "t4-small"], "choose from 'zerogpu'"),
    ],
    ids=["no-space", "other"],
)
def test_hardware_that_cannot_be_had_is_refused_before_anything_is_sent(hub, publish, words, said):
    done = publish(*words)
    assert done.returncode == 2
    assert said.replace("'", "") in done.stderr.replace("'", "")
    assert hub.requests == []


def test_an_older_spaces_files_are_deleted(hub, publish, client):
    client(
        """
from huggingface_hub import HfApi
api = HfApi()
api.create_repo("tester/page", repo_type="space", space_sdk="gradio")
api.upload_file(repo_id="tester/page", repo_type="space", path_in_repo="old.py", path_or_fileobj=b"pass")
"""
    )
    commits = len(hub.repo("tester/page", "space").commits())
    assert publish("--space", "tester/page").returncode == 0
    assert "old.py" not in hub.repo("tester/page", "space").files()
    assert len(hub.repo("tester/page", "space").commits()) == commits + 1


def test_the_staged_space_alone_answers_with_the_pinned_model(hub, publish, space_python, tmp_path):
    """An empty environment with the Space's own requirements, its files alone, its model from the Hub."""
    assert publish("--space", "tester/page").returncode == 0
    space, folder = hub.repo("tester/page", "space"), tmp_path / "space"
    for name in space.files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(space.read(name))
    assert space.read("requirements.txt") == (ROOT / "space" / "requirements.txt").read_bytes()
    script = """
import json, app, leukoscope, importlib.util
classifier, notice = app.load_model()
label = classifier.predict("examples/monocyte.png").label
page = app.build_page(classifier)
heavy = [name for name in ("tensorflow", "keras", "sklearn", "training") if importlib.util.find_spec(name)]
print(json.dumps([leukoscope.__file__, classifier.info()["source"], notice, label, heavy]))
"""
    done = subprocess.run(
        [space_python, "-c", script], cwd=folder, env=hub.env(tmp_path / "space-home"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    place, source, notice, label, heavy = json.loads(done.stdout.splitlines()[-1])
    assert place == str(folder / "leukoscope" / "__init__.py")
    assert source == f"{REPO}@{hub.repo(REPO).head()}"
    assert notice == ""
    assert label == "monocyte"
    assert heavy == []


def test_the_data_set_opens_with_load_dataset(hub, publish, client, tmp_path):
    from PIL import Image

    from leukoscope.biology.cells import CELL_TYPES

    for i, name in enumerate(CELL_TYPES * 2):
        (tmp_path / "lab" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (i * 20, 0, 0)).save(tmp_path / "lab" / name / f"{i}.png")
    done = publish("--dataset", "tester/photos", "--data", tmp_path / "lab")
    assert done.returncode == 0, done.stderr
    answer = client(
        """
import datasets
table = datasets.load_dataset("tester/photos", split="train")
from training.data.table import load_examples, pictures
ours = load_examples("tester/photos")
answer = [table.column_names, table.features["label"].names, len(table), [p[0, 0, 0].item() for p in pictures(ours)]]
"""
    )
    columns, names, count, reds = answer
    usual = ["image", "label", "photo", "field", "slide", "lab", "split", "kind", "doubt"]
    assert columns == [*usual, "attributes", "attributes_split"]
    assert names[:4] == list(CELL_TYPES)
    assert count == 8
    assert sorted(reds) == [20 * i for i in range(8)]
    assert "tester/photos" in hub.repo(REPO).read("README.md").decode()
    card = hub.repo("tester/photos", "dataset").read("README.md").decode()
    assert "group by it in every split" in card
    assert "dataset_info" in card.split("---")[1], "and the columns' types"
