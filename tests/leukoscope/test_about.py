"""What the pages say of a checkpoint."""

import json
import re
import shutil

import pytest

from leukoscope import Classifier
from leukoscope.model.checkpoint import METRICS_FILE
from leukoscope.model.hub import EMBEDDED
from leukoscope.showing import about
from leukoscope.showing.wording import percent


def tables(html: str) -> dict[str, dict[str, list[str]]]:
    """Caption of each table -> what was scored -> the cells of its row."""
    found = {}
    for caption, body in re.findall(r"<caption>(.*?)</caption>.*?<tbody>(.*?)</tbody>", html):
        rows = found.setdefault(caption, {})
        for row in re.findall(r"<tr>(.*?)</tr>", body):
            name, *cells = (re.sub("<.*?>", " ", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row))
            assert name not in rows
            rows[name] = cells
    return found


def with_interval(score: dict, key: str) -> list[str]:
    return [f"{score[key]:.3f}", "{:.3f}–{:.3f}".format(*score[f"{key}_95"])]


def test_results_are_those_kept_each_once_and_named_in_words(classifier):
    results = json.loads((EMBEDDED / METRICS_FILE).read_text())["results"]
    assert about.own_results(classifier) == results
    shown = tables(about.results_html(about.own_results(classifier)))
    labs = {
        "PBC, the quarter held out of training": results["barcelona-test-photo"],
        "Raabin-WBC, slides held out of training": results["raabin-test-photo"],
        "Munich bone marrow, the quarter held out of training": results["munich_marrow-test-photo"],
        "LISC, a lab that nothing is trained on": results["lisc-test-photo"],
    }
    test = results["bccd-test-copy"]["images"]
    published = "Official TEST of the Kaggle set, images as published"
    copied = {published: test["all"], f"{published}, without doubtful labels": test["without_doubtful"]}
    assert list(shown) == ["By lab", "TEST of the Kaggle set: copies of 71 photos"], "labs come first"
    of_labs, of_test = shown.values()
    assert list(of_labs) == list(labs)
    for name, result in labs.items():
        score = result["images"]["all"]
        number, balanced, sure = of_labs[name]
        assert number == f"{score['n']:,}"
        assert balanced.split() == with_interval(score, "balanced_accuracy")
        share = f"{score['confident']['share']:.1%}"
        assert sure.split() == [share, *with_interval(score["confident"], "accuracy")]
    assert list(of_test) == list(copied)
    for name, score in copied.items():
        number, accuracy, macro_f1 = of_test[name]
        assert number == f"{score['n']:,}"
        assert accuracy.split() == with_interval(score, "accuracy")
        assert macro_f1.split() == with_interval(score, "macro_f1")


def test_whatever_the_order_in_which_it_was_scored_labs_come_first():
    scored = ["bccd-test-copy", "my-lab-test-photo", "lisc-test-photo", "bccd-test-photo", "barcelona-test-photo"]
    assert list(about.in_order(dict.fromkeys(scored))) == [
        "barcelona-test-photo",
        "lisc-test-photo",
        "my-lab-test-photo",
        "bccd-test-copy",
        "bccd-test-photo",
    ]


def test_where_no_answer_is_confident_none_is_right_of_these(classifier):
    score = dict(about.own_results(classifier)["lisc-test-photo"]["images"]["all"])
    score["confident"] = {"share": 0.0, "accuracy": 0.0, "accuracy_95": [0.0, 0.0]}
    (of_labs,) = tables(about.results_html({"lisc-test-photo": {"images": {"all": score}}})).values()
    (cells,) = of_labs.values()
    assert cells[2:] == ["0.0%"]


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


@pytest.mark.parametrize("result", ["barcelona-test-photo", "raabin-test-photo", "lisc-test-photo", "bccd-test-copy"])
def test_figures_are_those_that_lie_there(classifier, result):
    shown = about.figures(classifier, result)
    assert all(path.is_file() and path.parent.name == result for path, _ in shown)
    assert "confusion.png" in {path.name for path, _ in shown}
    assert about.figures(classifier, "nothing") == []


def score(accuracy, share, stands):
    return {"images": {"all": {"accuracy": accuracy, "confident": {"share": share, "accuracy": stands}}}}


def test_how_far_to_trust_it_is_said_from_what_was_measured(classifier, monkeypatch):
    results = {
        "raabin-all-photo": score(0.75, 0.5, 0.9),
        "lisc-test-photo": score(0.81, 0.4, 0.987),
        "barcelona-test-photo": score(0.98, 0.764, 1.0),
        "bccd-test-copy": score(0.862, 0.539, 0.978),
        "synthetic-test-photo": score(0.1, 0.1, 0.1),
    }
    monkeypatch.setattr(about, "own_results", lambda _: results)
    plain = [line.replace("\u00a0", " ") for line in about.trust_sentences(classifier)]
    assert plain == [
        "On 2 labs never seen in training (Raabin-WBC, LISC), 75.0 % to 81.0 % of all labels were right. "
        "It was confident of 40.0 % to 50.0 % of the cells; of these 90.0 % to 98.7 % were right; "
        "50.0 % to 60.0 % it left to a person.",
        "On 2 labs that it learned from, 86.2 % to 98.0 % of all labels were right. "
        "It was confident of 53.9 % to 76.4 % of the cells; of these 97.8 % to 100.0 % were right; "
        "23.6 % to 46.1 % it left to a person.",
    ]
    assert about.trust_note(classifier) == about.trust_sentences(classifier)[0]
    results["lisc-test-photo"] = score(0.5, 0, None)
    results.pop("raabin-all-photo")
    assert "100.0\u00a0% it left to a person" in about.trust_note(classifier), (
        "confident of none: none of these is right"
    )
    monkeypatch.setattr(about, "own_results", lambda _: {})
    assert about.trust_note(classifier) == ""
    assert "nobody measured it" in about.trust_html(classifier)


def test_what_is_shown_of_the_model_is_in_its_own_results(classifier):
    _, unseen = about._by_acquaintance(classifier)
    assert "lisc-test-photo" in unseen
    shares = sorted(score["confident"]["share"] for score in unseen.values())
    for share in (shares[0], shares[-1], 1 - shares[0], 1 - shares[-1]):
        assert percent(share) in about.trust_note(classifier)
