"""A recipe of CONTRIBUTING.md, walked: a copy of the project is given a fifth cell type, and works with it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from leukoscope import CELL_TYPES, Differential, Prediction
from leukoscope.drawn.synthetic import DRAWN_TYPES, draw_cell
from leukoscope.errors import CheckpointError
from leukoscope.model.checkpoint import read_spec
from tests.conftest import ROOT
from tests.training.conftest import SMOKE, drawn_alone

CARD = """
    "basophil": CellType(
        name="basophil",
        plural="basophils",
        summary="Takes part in allergic reactions.",
        role="Basophils carry histamine and heparin in their granules. They release both in allergy.",
        size_um=(10, 15),
        nucleus="Segmented, and hidden by the granules.",
        cytoplasm="Filled with granules.",
        granules="Coarse, blue-purple.",
        share_percent=(0.5, 1),
        absolute_per_litre=(0.0, 0.15),
        lifespan="From some hours to 3 days.",
        raised_in=("allergy", "hypothyroidism", "myeloproliferative neoplasms"),
        lowered_in=("nothing that a count can show: none at all is normal",),
        fitting={"granularity": ("yes",), "granule_type": ("round", "coarse"), "granule_colour": ("purple",)},
        colour="#AA3377",
        sources={
            "summary": ("sysmex_basophil",),
            "role": ("sysmex_basophil",),
            "size_um": ("wadsworth_basophil",),
            "nucleus": ("ash_basophil",),
            "cytoplasm": ("ash_basophil",),
            "granules": ("ash_basophil",),
            "share_percent": ("medlineplus_differential",),
            "absolute_per_litre": ("orfanakis",),
            "lifespan": ("hardy",),
            "raised_in": ("ash_basophil",),
            "lowered_in": ("orfanakis",),
        },
    ),"""
SOURCES = """
    "ash_basophil": Reference("ASH Image Bank 60504: Basophil", None, "Looks of the basophil, and what raises it."),
    "sysmex_basophil": Reference("Sysmex Academy: Basophil", None, "What basophils do."),
    "wadsworth_basophil": Reference("Wadsworth Center, slide 040", None, "Size of the basophil."),"""
# File -> (where, what is put there, or in its place).
EDITS = {
    "leukoscope/biology/cells.py": ("CELLS: dict[str, CellType] = {", "CELLS: dict[str, CellType] = {" + CARD),
    "leukoscope/biology/references.py": (
        "REFERENCES: dict[str, Reference] = {",
        "REFERENCES: dict[str, Reference] = {" + SOURCES,
    ),
    "training/recipe/configs/default.toml": ('others = ["basophil", ', "others = ["),
}
FIVE = ["basophil", *CELL_TYPES]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The copy with its fifth type."""
    folder = tmp_path_factory.mktemp("five")
    for part in ("leukoscope", "training", "space"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "figures"))
    for file, (old, new) in EDITS.items():
        text = (folder / file).read_text()
        assert text.count(old) == 1, file
        (folder / file).write_text(text.replace(old, new))
    return folder


def run(copy: Path, *words: str | Path) -> subprocess.CompletedProcess:
    """Python with the copy on its path."""
    environment = drawn_alone() | {"PYTHONPATH": f"{copy}:{copy / 'space'}"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=copy, env=environment, capture_output=True, text=True, timeout=400
    )


def said(copy: Path, script: str) -> dict:
    """What a script prints there, as JSON."""
    done = run(copy, "-c", script)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def step_files(recipe: str) -> list[str]:
    """The files that steps of a recipe begin with: what is to be changed."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition(f"\n{recipe}")[2].partition("\n\nA page")[0]
    return re.findall(r"^\d\. `([\w/]+\.\w+)`:", text, re.MULTILINE)


def test_each_recipe_has_five_steps_a_line_each():
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## How to add")[2].partition("\n## ")[0]
    steps = re.findall(r"^(\d)\. .{20,118}$", text, re.MULTILINE)
    assert steps == list("12345") * 4
    assert sum(line[:1].isdigit() for line in text.splitlines()) == 20


def test_a_basophil_needs_as_many_files_as_is_written():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    (number,) = re.findall(r"a basophil, which is drawn already, needs (\w+) files", text)
    print(f"{len(EDITS)} files: {', '.join(EDITS)}")
    assert {"two": 2, "three": 3, "four": 4}[number] == len(EDITS)
    assert step_files("A cell type.") == [*EDITS, "leukoscope/drawn/synthetic.py"]
    assert "basophil" in DRAWN_TYPES


def test_its_card_is_held_to_what_every_card_is(copy):
    """By the tests of the cards, but for those that name the four."""
    (copy / "tests").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests/leukoscope/test_cells.py", copy / "tests")
    chosen = "basophil or reference or colours or letter or addresses or changed"
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_cells.py", "-k", chosen)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_library_and_pages_show_it(copy):
    got = said(
        copy,
        """
import json, leukoscope, markup
from datetime import date
from leukoscope import CELL_TYPES, Differential, Prediction
from leukoscope.biology.attributes import Attribute
from leukoscope.counting.differential import CSV_COLUMNS
from leukoscope.drawn.synthetic import DRAWN_TYPES, draw_cell
from leukoscope.model.prediction import no_cell
from leukoscope.showing import about, charts, report, wording

def answer(label, verdict="confident", **more):
    shares = {name: 0.96 if name == label else 0.01 for name in CELL_TYPES}
    return Prediction(label, shares, 0.96, (1, 2, 30, 40), verdict, **more)

seen = {"granule_colour": Attribute("red", 1.0, True)}
count = Differential.from_predictions([("a", [answer(n) for n in CELL_TYPES] + [answer("basophil", "unfamiliar")])])
again = Differential.from_csv(count.to_csv()).reclassify("a", 1, "none of the five")
print(json.dumps({
    "file": leukoscope.__file__,
    "types": CELL_TYPES,
    "drawn": [DRAWN_TYPES, draw_cell("basophil", seed=1).shape],
    "no_cell": no_cell().probabilities,
    "counts": count.counts,
    "limits": [(row.cell_type, row.count, row.low, row.high, row.reference) for row in count.rows()],
    "columns": CSV_COLUMNS,
    "again": [again.counts, again.not_counted],
    "chart": [charts.table_html(count), charts.chart_html(count), charts.chart_text(count)],
    "report": report.to_bytes(count, {}, model="five", made_on=date(2026, 1, 1))[:5].decode(),
    "card": wording.cards_html(answer("basophil")),
    "bars": wording.bars_html(answer("basophil")),
    "seen": wording.seen_text(answer("basophil", attributes=seen)),
    "headline": wording.headline(answer("basophil", "unfamiliar")),
    "strangers": [wording.UNFAMILIAR_ADVICE, *about.LIMITS],
    "sentences": [wording.TAGLINE, *again.sentences()],
    "keys": markup.KEYS,
    "groups": markup.GROUP_TITLES,
    "compare": markup.compare_html(),
}))
""",
    )
    assert Path(got["file"]).is_relative_to(copy)
    assert got["types"] == FIVE
    drawn, shape = got["drawn"]
    assert sorted(drawn) == sorted(FIVE)
    assert shape == [240, 240, 3]
    assert got["no_cell"] == dict.fromkeys(FIVE, 0.2)
    assert list(got["counts"].items()) == [(name, 1) for name in FIVE]
    first = got["limits"][0]
    assert first[:2] == ["basophil", 1]
    assert first[2] < 20 < first[3]
    assert first[4] == [0.5, 1]
    assert [column for column in got["columns"] if column.startswith("p_")] == [f"p_{name}" for name in FIVE]
    assert got["again"] == [dict.fromkeys(FIVE, 1) | {"basophil": 0}, 1]
    assert all("basophil" in part.lower() for part in got["chart"])
    assert got["report"] == "%PDF-"
    for words in ("histamine", "10–15", "Segmented, and hidden", "ASH Image Bank 60504", "#AA3377"):
        assert words in got["card"], words
    assert re.findall(r'data-type="(\w+)"', got["bars"]) == FIVE
    assert "Unusual for a basophil: granules (red)" in got["seen"]
    assert got["headline"] == "Unfamiliar: perhaps none of the five types"
    assert not any("basophil" in text for text in got["strangers"])
    assert not any(re.search(r"\bfour\b", text) for text in got["strangers"] + got["sentences"])
    assert any("1 of them as none of the five" in text for text in got["sentences"])
    assert got["keys"]["B"] == "basophil"
    assert len(got["keys"]) == len(FIVE) + 2
    assert got["groups"]["basophil"] == "Basophils"
    assert got["groups"]["none of the five"] == "None of the five, not counted"
    assert len(re.findall("<img ", got["compare"])) == len(FIVE)


def test_what_was_made_with_four_types_is_refused_in_a_line(copy, tmp_path):
    done = run(copy, "-m", "leukoscope", "info")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"labels must be {FIVE} in this order, not {list(CELL_TYPES)}" in line
    shares = dict.fromkeys(CELL_TYPES, 0.25)
    old = Differential.from_predictions([("a", [Prediction("monocyte", shares, 0.25, (1, 2, 3, 4), "review")])])
    old.write_csv(tmp_path / "old.csv")
    done = run(copy, "-c", f"from leukoscope import Differential; Differential.read_csv({str(tmp_path / 'old.csv')!r})")
    assert done.returncode == 1
    assert "DifferentialError" in done.stderr.splitlines()[-1]


def test_training_teaches_it_and_the_checkpoint_gives_five_probabilities(copy, tmp_path):
    smoke = SMOKE
    for old, new in (("epochs = 3", "epochs = 1"), ("steps = 40", "steps = 10"), ("[framing]", "empty = 8\n[framing]")):
        assert smoke.count(old) == 1
        smoke = smoke.replace(old, new)
    (tmp_path / "smoke.toml").write_text(smoke)
    data = ("--data", "synthetic:50")
    Image.fromarray(draw_cell("basophil", seed=1)).save(tmp_path / "cell.png")
    for words in (
        ("training.train", tmp_path / "smoke.toml", *data, "--out", tmp_path / "run"),
        ("training.export", tmp_path / "run", tmp_path / "checkpoint", *data),
        ("training.evaluate", tmp_path / "checkpoint", *data, "--lab", "synthetic"),
        ("leukoscope", "classify", tmp_path / "cell.png", "--model", tmp_path / "checkpoint"),
    ):
        done = run(copy, "-m", *words)
        assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in FIVE), done.stdout
    got = said(
        copy,
        f"""
import json
import numpy as np
from leukoscope import Classifier
from leukoscope.drawn.synthetic import draw_cell
from training.data.sources import LABELS, OTHER_CELLS
from training.publishing.page_texts import library_texts
from training.recipe.config import CONFIGS, read_config
classifier = Classifier.from_pretrained({str(tmp_path / "checkpoint")!r})
crops = [cell.crop for cell in classifier.framed(draw_cell("basophil", seed=1))]
texts = library_texts(classifier)
print(json.dumps({{
    "labels": LABELS,
    "default": read_config(CONFIGS / "default.toml").data.classes,
    "others": OTHER_CELLS,
    "logits": classifier.logits(np.stack(crops[:1])).shape,
    "answers": [classifier.predict(draw_cell(name, seed=1)).probabilities for name in classifier.spec.labels],
    "texts": [list(texts["types"]), list(texts["cards"]), list(texts["verdict"]["seen"]["fitting"])],
}}))
""",
    )
    assert got["labels"] == [*FIVE, *got["others"]]
    assert "basophil" not in got["others"]
    assert got["default"] == 6
    assert got["logits"] == [1, 6]
    for answer in got["answers"]:
        assert list(answer) == FIVE
        assert sum(answer.values()) == pytest.approx(1)
    assert got["texts"] == [FIVE] * 3
    (result,) = json.loads((tmp_path / "checkpoint/metrics.json").read_text())["results"].values()
    assert list(result["images"]["all"]["per_class"]) == FIVE
    with pytest.raises(CheckpointError, match="labels must be"):  # where there are four types
        read_spec(tmp_path / "checkpoint")
