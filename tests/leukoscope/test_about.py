"""What the pages say of a checkpoint."""

import json
import re
import shutil

import pytest

from leukoscope import Classifier, about
from leukoscope.checkpoint import METRICS_FILE
from leukoscope.hub import EMBEDDED


def rows(html: str) -> dict[str, list[str]]:
    """What was scored -> the cells of its row."""
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html.partition("<tbody>")[2]):
        name, *cells = (re.sub("<.*?>", " ", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row))
        found[name] = cells
    return found


def test_results_are_those_kept_each_once_and_named_in_words(classifier):
    results = json.loads((EMBEDDED / METRICS_FILE).read_text())["results"]
    assert about.own_results(classifier) == results
    shown = rows(about.results_html(results))
    test, pbc = results["bccd-test-copy"]["images"], results["barcelona-test-photo"]["images"]
    published = "Official TEST of the Kaggle set, images as published"
    expected = {
        published: test["all"],
        f"{published}, without doubtful labels": test["without_doubtful"],
        "PBC, the quarter held out of training": pbc["all"],  # where no label is doubted there is no second row
    }
    assert list(shown) == list(expected)
    for name, score in expected.items():
        number, accuracy, macro_f1 = shown[name]
        assert number == f"{score['n']:,}"
        assert accuracy.split() == [f"{score['accuracy']:.3f}", "{:.3f}–{:.3f}".format(*score["accuracy_95"])]
        assert macro_f1.split()[0] == f"{score['macro_f1']:.3f}"


def test_a_checkpoint_without_results_of_its_own_says_so(tmp_path):
    shutil.copytree(EMBEDDED, tmp_path / "other")
    (tmp_path / "other" / METRICS_FILE).write_text(json.dumps({"model_sha256": "0" * 64, "results": {}}))
    other = Classifier.from_pretrained(tmp_path / "other")
    assert about.own_results(other) == {}
    assert "no results of its own weights" in about.results_html({})
    assert about.model_name(other) == "default (folder other)", "no path of this machine is shown"


def test_the_model_is_told_by_its_facts(classifier):
    html = about.model_html(classifier)
    assert classifier.spec.files["model.onnx"] in html
    assert f"<dd>{classifier.spec.trained['parameters']:,}</dd>" in html
    assert all(about.LABS[lab] in html for lab in classifier.spec.trained["labs"])


@pytest.mark.parametrize("result", ["bccd-test-copy", "barcelona-test-photo"])
def test_figures_are_those_that_lie_there(classifier, result):
    shown = about.figures(classifier, result)
    assert all(path.is_file() and path.parent.name == result for path, _ in shown)
    assert "confusion.png" in {path.name for path, _ in shown}
    assert about.figures(classifier, "nothing") == []
