"""What README says to type works."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from PIL import Image

from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.hub import EMBEDDED

pytest_plugins = ["tests.hub.fixtures"]
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands(prefix: str) -> list[str]:
    """Indented lines of the README that begin with these words, comments taken off."""
    return [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith(f"    {prefix}")]


def test_publishing_as_the_readme_says(hub, client, tmp_path):
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
    blocks = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "user/name" not in block]
    assert len(blocks) >= 2
    drawing = (
        "from PIL import Image\nfrom leukoscope.drawn.synthetic import draw_photo\n"
        "Image.fromarray(draw_photo(['neutrophil', 'monocyte'], seed=1, width=640)[0]).save('field.jpg')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", drawing + "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (promised,) = re.findall(r"```text\n(monocyte .*?)```", README, re.DOTALL)
    assert done.stdout.startswith(promised)
    assert (tmp_path / "count.csv").exists()


def test_the_cards_example_runs(model, client, tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "model_card.md").read_text(), re.DOTALL)
    picture = tmp_path / "cell.png"
    Image.fromarray(draw_photo(["neutrophil"], seed=1)[0]).save(picture)
    block = block.replace("{{ repo_id }}", "tester/cells").replace("cell.png", str(picture))
    answer = client(f"{block}\nanswer = [classifier.info()['source'], prediction.verdict]", token=None)
    assert answer[0] == f"tester/cells@{model}"
    assert answer[1] in ("confident", "review", "unfamiliar")


def test_numbers_in_the_results_table_come_from_the_kept_metrics():
    for folder, row in ((EMBEDDED, "| **default**"), (ROOT / "training/results/reference", "| reference recipe")):
        results = json.loads((folder / "metrics.json").read_text())["results"]["bccd-test-copy"]
        (line,) = [line for line in README.splitlines() if line.startswith(row)]
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
