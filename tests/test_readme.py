"""README is short, and what it and the pages that it leads to say to type works."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.hub import EMBEDDED
from training.publishing.card import IN_SHORT
from training.studies.compare import UNSEEN, read_table
from training.studies.verdicts import fitted_on_others

pytest_plugins = ["tests.hub.fixtures"]
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
USING, HOSTING, RESULTS_PAGE = ((ROOT / f"docs/{name}.md").read_text() for name in ("using", "hosting", "results"))
MOST_WORDS = 1500


def commands(prefix: str) -> list[str]:
    """Indented lines of the page on hosting that begin with these words, comments taken off."""
    return [line.split("  #")[0].strip() for line in HOSTING.splitlines() if line.startswith(f"    {prefix}")]


def python(page: str) -> list[str]:
    """The Python of a page, block by block."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_the_readme_is_short():
    words = len(README.split())
    assert words <= MOST_WORDS, f"{words:,} words: what not every reader needs goes to a page of docs/"


def test_how_good_it_is_in_short_is_as_measured():
    results = json.loads((EMBEDDED / "metrics.json").read_text())["results"]
    known = {lab: results[f"{lab}-test-photo"]["images"]["all"] for lab in ("barcelona", "raabin", "munich_marrow")}
    lisc = results["lisc-test-photo"]["images"]["all"]
    fitted = fitted_on_others()
    trials = {row["trial"]: row for row in read_table() if row["variant"] == "default"}
    apart = {lab: trials[trial] | fitted[lab] for trial, lab in UNSEEN.items() if trial in trials}
    said = " ".join(README.partition("<!-- short -->")[2].partition("<!-- -->")[0].split())
    lines = re.split(r"(?:^| )- (?=\*\*)", said)[1:]
    assert len(lines) == 4
    for line, labs in ((lines[0], known), (lines[1], apart | {"lisc": lisc})):
        told = {f"{row['balanced_accuracy']:.3f} ({IN_SHORT[lab]})" for lab, row in labs.items()}
        assert set(re.findall(r"\d\.\d+ \([\w -]+\)", line)) == told
    unseen = [row["confident"] for row in (*apart.values(), lisc)]
    shares, right = ([100 * row[key] for row in unseen] for key in ("share", "accuracy"))
    assert f"{min(shares):.1f} to {max(shares):.1f} % of the cells" in lines[2]
    assert f"{min(right):.1f} to {max(right):.1f} % of these are right" in lines[2]
    assert f"the other {100 - max(shares):.1f} to {100 - min(shares):.1f} %" in lines[3]


def test_publishing_as_the_page_on_hosting_says(hub, client, tmp_path):
    listed = commands("python -m training.publish")
    assert len(listed) == 4
    for command in listed:
        words = shlex.split(command.replace("my-checkpoint", str(EMBEDDED)).replace("user/", "tester/"))
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=ROOT, env=hub.env(tmp_path / "home"), capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "v1.0" in hub.repo("tester/name").tags
    assert "app.py" in hub.repo("tester/page", "space").files()
    assert {"index.html", "model/model.onnx"} <= set(hub.repo("tester/free-page", "space").files())
    assert hub.repo("tester/zero-page", "space").runtime()["hardware"]["requested"] == "zero-a10g"
    source = client(
        "from leukoscope import Classifier\nanswer = Classifier.from_pretrained('tester/name@v1.0').info()['source']",
        home="reader",
        token=None,
    )
    assert source == f"tester/name@{hub.repo('tester/name').head()}"


def test_the_python_examples_run(tmp_path):
    (first,), counting = python(README), python(USING)
    assert len(first.splitlines()) <= 6, "five lines and one between"
    assert counting
    drawing = (
        "from PIL import Image\nfrom leukoscope.drawn.synthetic import draw_photo\n"
        "Image.fromarray(draw_photo(['neutrophil', 'monocyte'], seed=1, width=640)[0]).save('field.jpg')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([drawing, first, *counting])], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (promised,) = re.findall(r"```text\n(monocyte .*?)```", README, re.DOTALL)
    assert done.stdout.startswith(promised)
    assert (tmp_path / "count.csv").exists()


def test_the_cards_example_runs(model, client, tmp_path):
    (block,) = python((ROOT / "model_card.md").read_text())
    picture = tmp_path / "cell.png"
    Image.fromarray(draw_photo(["neutrophil"], seed=1)[0]).save(picture)
    block = block.replace("{{ repo_id }}", "tester/cells").replace("cell.png", str(picture))
    answer = client(f"{block}\nanswer = [classifier.info()['source'], prediction.verdict]", token=None)
    assert answer[0] == f"tester/cells@{model}"
    assert answer[1] in ("confident", "review", "unfamiliar")


def test_numbers_in_the_results_table_come_from_the_kept_metrics():
    for folder, row in ((EMBEDDED, "| **default**"), (ROOT / "training/results/reference", "| reference recipe")):
        results = json.loads((folder / "metrics.json").read_text())["results"]["bccd-test-copy"]
        (line,) = [line for line in RESULTS_PAGE.splitlines() if line.startswith(row)]
        cells = [cell.strip().replace("*", "") for cell in line.split("|")[2:-2]]
        images, photos = results["images"], results["photos"]
        expected = [
            (images["all"], "accuracy"),
            (images["all"], "macro_f1"),
            (images["without_doubtful"], "accuracy"),
            (photos["all"], "accuracy"),
        ]
        for cell, (score, key) in zip(cells, expected, strict=True):
            low, high = score[f"{key}_95"]
            assert cell == f"{score[key]:.3f} [{low:.3f}-{high:.3f}]"
