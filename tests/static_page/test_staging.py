"""The page's files: what is laid out, what it is pinned to, and what is refused before anything is sent."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from leukoscope.model.checkpoint import sha256
from leukoscope.model.hub import EMBEDDED
from leukoscope.showing import STYLE_SHEET
from training.publishing import static_page
from training.publishing.page_texts import pattern

pytest_plugins = ["tests.hub.fixtures"]
ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "browser").glob("*.js"))


def test_the_page_is_whole_and_its_model_is_the_checkpoint(staged):
    rules = json.loads((staged / "page.json").read_text())
    for name, digest in rules["model"]["files"].items():
        assert sha256(staged / "model" / name) == digest == sha256(EMBEDDED / name)
    listed = json.loads((staged / "files.js").read_text().split("FILES = ")[1].rstrip(";\n"))
    there = {f.relative_to(staged).as_posix() for f in staged.rglob("*") if f.is_file()}
    assert there - set(listed) == {"README.md", "sw.js", "files.js"}
    assert set(listed) <= there
    assert (staged / "library.css").read_bytes() == STYLE_SHEET.read_bytes()
    asked = re.findall(r'(?:src|href)="([^"]+)"', (staged / "index.html").read_text())
    for source in SOURCES:
        asked += [name.removeprefix("./") for name in re.findall(r'from "(\./[^"]+)"', source.read_text())]
    assert asked
    assert set(asked) <= there


def test_the_modules_are_short_and_know_no_other_place():
    assert len(SOURCES) > 10
    for source in SOURCES:
        text = source.read_text()
        assert len(text.splitlines()) <= 350, source.name
        assert not re.search(r"https?:|\beval\b|new Function|document\.write", text), source.name


def test_every_text_that_the_page_asks_for_is_there(staged):
    texts = json.loads((staged / "texts" / "en.json").read_text())
    sources = [*SOURCES, ROOT / "browser" / "index.html"]
    asked = {key for file in sources for key in re.findall(r'(?:say|words|many)\("([\w.]+)"', file.read_text())}
    asked |= set(re.findall(r'data-(?:text|label)="([\w.]+)"', (ROOT / "browser" / "index.html").read_text()))
    assert len(asked) > 40
    for key in asked:
        part = texts
        for name in key.split("."):
            assert name in part, key
            part = part[name]


def test_words_that_changed_beyond_recognition_are_not_guessed():
    assert pattern("3 of 30 (3 %)", few="«3» of", share="(«3» %)") == "{few} of 30 ({share} %)"
    with pytest.raises(ValueError, match="'7' is not once in '3 of 30'"):
        pattern("3 of 30", n="7")
    with pytest.raises(ValueError, match="'3' is not once in '3 of 30'"):
        pattern("3 of 30", n="3")


class Registry(BaseHTTPRequestHandler):
    """Sends another package than the one that was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"another package")

    def log_message(self, *words) -> None:
        """Nothing."""


def test_a_runtime_that_is_not_the_pinned_one_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(static_page, "ROOT", tmp_path)  # where what was fetched before would lie
    registry = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{registry.server_address[1]}/")
    with pytest.raises(
        static_page.RuntimeUnavailable, match=r"is not what browser/package-lock\.json pins: its sha512"
    ):
        static_page.stage_static_page(tmp_path / "page")
    registry.shutdown()
    registry.server_close()
    with pytest.raises(static_page.RuntimeUnavailable, match="cannot be had"):
        static_page.stage_static_page(tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_same_files(staged, tmp_path):
    words = [sys.executable, "-m", "training.publishing.static_page", "--out", tmp_path / "page"]
    done = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page" / "files.js").read_text() == (staged / "files.js").read_text()
    before = sorted((tmp_path / "page").rglob("*"))
    again = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr == f"error: {tmp_path / 'page'} is not empty: give a new folder\n"
    assert sorted((tmp_path / "page").rglob("*")) == before


def test_the_static_space_is_pinned_and_whole(hub, staged, tmp_path):
    command = [sys.executable, "-m", "training.publish", EMBEDDED, "--repo", "tester/cells"]
    command += ["--static-space", "tester/page"]
    planned = subprocess.run(
        [*map(str, command), "--dry-run"], cwd=ROOT, env=hub.env(tmp_path / "home"), capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"static Space tester/page: \d+ files, 1\d\.\d\d MiB in one commit", planned.stdout)
    assert hub.requests == []
    done = subprocess.run(
        [*map(str, command)], cwd=ROOT, env=hub.env(tmp_path / "home"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    space, model = hub.repo("tester/page", "space"), hub.repo("tester/cells")
    assert f"static Space tester/page@{space.head()}, with tester/cells@{model.head()}" in done.stdout
    assert len(space.commits()) == 2, "one commit beside the repo's first"
    metadata = yaml.safe_load(space.read("README.md").decode().split("---")[1])
    assert (metadata["sdk"], metadata["models"], metadata["app_file"]) == ("static", ["tester/cells"], "index.html")
    rules = json.loads(space.read("page.json"))
    assert rules["model"]["source"] == f"tester/cells@{model.head()}"
    assert f"default (tester/cells@{model.head()})" in json.loads(space.read("texts/en.json"))["about"]["html"]
    assert space.read("model/model.onnx") == (EMBEDDED / "model.onnx").read_bytes()
    ours = {f.relative_to(staged).as_posix() for f in staged.rglob("*") if f.is_file()}
    assert set(space.files()) - {".gitattributes"} == ours
