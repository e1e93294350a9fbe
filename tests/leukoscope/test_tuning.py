"""A few named cells of a lab -> offsets, and the model that has them: by command, in every process, in the browser."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES, Classifier, Differential, cli, tuning
from leukoscope.classifier import Framed
from leukoscope.counting.counted import NOT_COUNTED, Origin
from leukoscope.drawn.synthetic import Stain, draw_photo
from leukoscope.errors import CheckpointError, TuneError
from leukoscope.model.calibration import probabilities
from leukoscope.model.checkpoint import read_spec
from leukoscope.model.hub import EMBEDDED
from leukoscope.scanning.photos import digest_of
from leukoscope.showing import about
from leukoscope.showing.explain import heatmap
from leukoscope.tuning import Tuning, balanced_accuracy, fit_offsets, parts_of, write_tuned
from training.publishing.card import unseen_labs
from training.scoring.metrics import MetricsError, read_metrics, record

EACH = 4


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    """A folder for each type, of drawn cells in one odd stain."""
    folder = tmp_path_factory.mktemp("lab") / "My Lab"
    stain = Stain.random(np.random.default_rng(3))
    for place, name in enumerate(CELL_TYPES):
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            photo, _ = draw_photo([name], seed=100 * place + number, stain=stain)
            Image.fromarray(photo).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def tuned(cells, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "model"
    assert cli.main(["tune", str(cells), "--out", str(out)]) == 0
    return out


def leaning(count: int, lean: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is as sure as it should be but for what it leans, and the types."""
    rng = np.random.default_rng(seed)
    types = np.repeat(np.arange(4), count)
    logits = 2.0 * np.eye(4)[types] + rng.normal(0, 1, (len(types), 4)) * np.sqrt(2)
    return logits + lean, types


def test_what_a_model_leans_is_taken_back():
    lean = np.array([0.2, -1.0, 0.1, 0.7])
    logits, types = leaning(4_000, lean)
    offsets = fit_offsets(logits, types, 1.0)
    np.testing.assert_allclose(offsets, -lean, atol=0.08)
    assert abs(offsets.mean()) < 1e-9
    right = [balanced_accuracy((logits + some).argmax(axis=1), types) for some in (0.0, offsets, -lean)]
    assert right[1] > right[0] + 0.03
    assert right[1] == pytest.approx(right[2], abs=0.01)
    slight = fit_offsets(logits / 2, types, 0.5)  # the same at another temperature: half the logits, half the offsets
    np.testing.assert_allclose(slight, offsets / 2, atol=0.02)


def test_few_cells_say_little_and_none_that_fits_says_nothing():
    lean = np.array([1.5, -1.5, 0.0, 0.0])
    few, many = (np.abs(fit_offsets(*leaning(count, lean), 1.0)).max() for count in (3, 300))
    assert 0.2 < few < many
    fitting = 30.0 * np.eye(4)[np.repeat(np.arange(4), 5)]
    np.testing.assert_allclose(fit_offsets(fitting, np.repeat(np.arange(4), 5), 1.0), 0, atol=1e-6)


def test_far_more_cells_of_one_type_are_no_reason_to_lean_towards_it():
    logits, types = leaning(2_000, [0.0] * 4)
    kept = np.concatenate([np.flatnonzero(types == 3), *(np.flatnonzero(types == t)[:100] for t in range(3))])
    assert np.abs(fit_offsets(logits[kept], types[kept], 1.0)).max() < 0.25
    extreme = np.array([[1e4, 0, 0, 0], [0, 1e4, 0, 0], [0, 0, 1e4, 0], [0, 0, 0, 1e4]])
    wrong = fit_offsets(extreme, np.array([1, 2, 3, 0]), 1.0)  # surely and wholly wrong: it ends, and is finite
    assert np.isfinite(wrong).all()


def test_three_cells_do_not_outweigh_hundreds():
    """One of the three is labelled wrongly: what it says grows with the others' number only up to a limit."""
    strength = []
    for others in (10, 300):
        logits, types = leaning(others, [0.0] * 4)
        kept = np.concatenate([np.flatnonzero(types == 0)[:3], np.flatnonzero(types)])
        wrong = logits[kept].copy()
        wrong[0] = [0.0, 0.0, 0.0, 4.0]
        offsets = fit_offsets(wrong, types[kept], 1.0)
        strength.append(offsets[0] - offsets[3])
    assert 0.1 < strength[1] < 1.2 * strength[0]


def test_of_a_type_that_is_not_there_nothing_is_learned():
    logits, types = leaning(50, [0.0, 0.0, 0.0, 1.0])
    offsets = fit_offsets(logits[types != 1], types[types != 1], 1.0)
    assert offsets[3] < offsets[1] < max(offsets[0], offsets[2])
    assert fit_offsets(logits[:0], types[:0], 1.0).tolist() == [0.0] * 4


@pytest.mark.parametrize("counts", [(3, 3, 3, 3), (3, 40, 5, 900), (25, 3, 25, 3)])
def test_no_part_holds_all_cells_of_a_type(counts):
    types = np.random.default_rng(0).permutation(np.repeat(np.arange(4), counts))
    parts = parts_of(types, list(range(len(types))))
    assert parts.max() < 20
    for part in range(parts.max() + 1):
        assert (np.bincount(types[parts == part], minlength=4) < counts).all()


def test_cells_of_a_photo_are_answered_as_other_photos_say():
    photos = ["a", "b", "c", "a", "b", "c"]
    parts = parts_of(np.array([0, 0, 0, 1, 1, 1]), photos)
    assert len({(photo, part) for photo, part in zip(photos, parts.tolist(), strict=True)}) == 3
    assert sorted(set(parts.tolist())) == [0, 1, 2]


def test_the_tuned_model_answers_with_its_offsets_everywhere(cells, tuned):
    plain, ours = Classifier.from_pretrained(), Classifier.from_pretrained(tuned)
    offsets = np.array(ours.spec.offsets)
    assert np.abs(offsets).max() > 0.01
    assert abs(offsets.sum()) < 0.01
    assert ours.replay_golden() == 0
    files = sorted(map(str, cells.rglob("*.png")))
    answers = list(ours.predict_batch(files, workers=2))  # processes of their own open it again
    assert answers == [ours.predict(file) for file in files]
    for file, answer in zip(files, answers, strict=True):
        framed = plain.principal(file)
        logits = plain.weighed(plain.logits(framed.crop[None]), [framed])[:, :4] + offsets
        wanted = probabilities(logits, plain.spec.temperature)[0]
        np.testing.assert_allclose(list(answer.probabilities.values()), wanted, atol=1e-12)
        assert answer.label == CELL_TYPES[wanted.argmax()]
    photo = files[0]
    np.testing.assert_array_equal(heatmap(ours, photo), heatmap(ours, photo, answers[0].label))
    assert about.model_identity(ours) != about.model_identity(plain)
    assert "My Lab, by 16 of its cells" in about.model_html(ours)
    assert about.own_results(ours) == {}, "the metrics are of the model without offsets"


def test_a_tuned_model_is_tuned_as_if_it_were_not(cells, tuned, tmp_path):
    words = ["tune", str(cells), "--model", str(tuned), "--out", str(tmp_path / "again"), "--lab", "again"]
    assert cli.main(words) == 0
    first, second = (Classifier.from_pretrained(folder).spec for folder in (tuned, tmp_path / "again"))
    assert first.offsets == second.offsets
    assert second.trained["tuned"] == first.trained["tuned"] | {"lab": "again"}


def test_the_command_says_what_it_found_and_left_out(cells, tmp_path, capsys):
    lab = tmp_path / "lab"
    shutil.copytree(cells, lab)
    shutil.copy(lab / "monocyte/0.png", lab / "monocyte/again.png")
    Image.fromarray(draw_photo([], seed=0)[0]).save(lab / "neutrophil/empty.png")
    (lab / "neutrophil/no.png").write_bytes(b"no picture")
    (lab / "basophil").mkdir()
    out = tmp_path / "new" / "model"
    assert cli.main(["tune", str(lab), "--out", str(out)]) == 0
    said = capsys.readouterr()
    for name in CELL_TYPES:
        assert f"\n{name:<14}{EACH:>7}" in said.out
    told = json.loads((out / "classifier.json").read_text())["trained"]["tuned"]
    assert told["cells"] == dict.fromkeys(CELL_TYPES, EACH)
    assert f"{told['before']:.3f} -> {told['after']:.3f} (each cell answered with what the other photos" in said.out
    assert f"--model {out}" in said.out
    for line in ("1 cell is a copy", "empty.png: no white cell found", "no.png: not a picture", "basophil/"):
        assert line in said.err, line


def broken(cells: Path, lab: Path, how: str) -> None:
    """A lab's folder with something wrong."""
    if how == "missing":
        return
    if how == "picture":
        shutil.copy(cells / "monocyte/0.png", lab)
        return
    shutil.copytree(cells, lab)
    if how == "flat":
        for name in CELL_TYPES:
            (lab / name).rename(lab / f"{name}s")
    elif how == "few":
        for number in range(2):
            (lab / "monocyte" / f"{number}.png").unlink()
    elif how == "none":
        shutil.rmtree(lab / "eosinophil")
    else:
        shutil.copy(lab / "monocyte/0.png", lab / "neutrophil/twin.png")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "missing",
            "there is no such folder or file; wanted is a folder that holds one for each type (eosinophil/",
        ),
        ("flat", "has no folder of a type; wanted is a folder that holds one for each type (eosinophil/"),
        (
            "few",
            "too few cells of monocyte: at least 3 of each type are needed (eosinophil 4, lymphocyte 4, monocyte 2",
        ),
        ("none", "too few cells of eosinophil: at least 3 of each type are needed (eosinophil 0"),
        ("two", "the same cell is given two types: monocyte in "),
        ("picture", "is a picture; wanted is a folder that holds one for each type"),
    ],
)
def test_cells_that_nothing_can_be_learned_from_are_refused(cells, tmp_path, capsys, how, said):
    lab = tmp_path / ("lab.png" if how == "picture" else "lab")
    broken(cells, lab, how)
    assert cli.main(["tune", str(lab), "--out", str(tmp_path / "model")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_what_is_no_checkpoint_is_not_replaced(cells, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert cli.main(["tune", str(cells), "--out", str(tmp_path)]) == 2
    assert "holds something that is no checkpoint" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_nothing_of_the_person_is_lost(cells, tuned, tmp_path, capsys):
    """Neither the cells nor the model, nor what lies in a checkpoint's folder beside it."""
    own = tmp_path / "own"
    shutil.copytree(tuned, own)
    shutil.copytree(cells, own / "cells")
    (own / "note.txt").write_text("dear")
    before = sorted(own.rglob("*"))
    assert cli.main(["tune", str(cells), "--out", str(own)]) == 2
    assert "which is of no checkpoint: not replaced" in capsys.readouterr().err
    (own / "note.txt").unlink()
    shutil.rmtree(own / "cells")
    assert cli.main(["tune", str(cells), "--model", str(own), "--out", str(own)]) == 2
    assert "holds the model that is tuned, which would be lost" in capsys.readouterr().err
    assert sorted(tuned.rglob("*")) == [tuned / path.relative_to(own) for path in sorted(own.rglob("*"))]
    assert len(before) > len(list(own.rglob("*")))
    around = tmp_path / "around"
    shutil.copytree(cells, around / "cells")
    assert cli.main(["tune", str(around / "cells"), "--out", str(around / "cells" / "..")]) == 2
    assert (around / "cells" / "monocyte" / "0.png").exists()
    (tmp_path / "link").symlink_to(own)
    assert cli.main(["tune", str(cells), "--out", str(tmp_path / "link")]) == 2
    assert cli.main(["tune", str(cells), "--out", str(own)]) == 0, "an older checkpoint alone may go"


def test_interrupted_it_writes_nothing(cells, tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "principal", interrupt)
    assert cli.main(["tune", str(cells), "--out", str(tmp_path / "model")]) == 130
    assert "interrupted; nothing is written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_breaks_nothing(cells, tmp_path):
    lab = tmp_path / "St. M\udce9ry\n"
    shutil.copytree(cells, lab)
    out = tmp_path / "m\udcf6del"
    assert cli.main(["tune", str(lab), "--out", str(out)]) == 0
    tuned = Classifier.from_pretrained(out)
    assert tuned.spec.trained["tuned"]["lab"] == "St. M\\udce9ry\\n"
    about.model_html(tuned).encode()


def test_scores_of_the_model_without_offsets_are_not_its_own(tuned, tmp_path):
    shutil.copytree(tuned, tmp_path / "model")
    shutil.copy(EMBEDDED / "metrics.json", tmp_path / "model")
    ours = Classifier.from_pretrained(tmp_path / "model")
    assert about.own_results(Classifier.from_pretrained()) != {}
    assert about.own_results(ours) == {}
    with pytest.raises(MetricsError, match="belongs to other weights"):
        read_metrics(tmp_path / "model")
    record(tmp_path / "model", "lab-all-photo", {"images": {}})
    assert read_metrics(tmp_path / "model")["results"] == {"lab-all-photo": {"images": {}}}
    assert unseen_labs(ours.spec) == []


def test_from_python_wrong_calls_are_named():
    classifier = Classifier.from_pretrained()
    logits, types = leaning(4, [0.0] * 4)
    labels, photos = [CELL_TYPES[t] for t in types], list(range(16))
    with pytest.raises(ValueError, match="unknown cell type 'basophil': valid are eosinophil"):
        tuning.tuning(classifier, logits, [*labels[:-1], "basophil"], photos)
    with pytest.raises(ValueError, match="16 cells need as many labels, not 15"):
        tuning.tuning(classifier, logits, labels[:-1], photos)
    with pytest.raises(TuneError, match="too few cells of neutrophil"):
        tuning.tuning(classifier, logits[:14], labels[:14], photos[:14])
    one = tuning.tuning(classifier, logits, labels, ["one photo"] * 16)
    assert one.after == one.before, "of one photo alone nothing can be told"
    assert np.abs(one.offsets).max() > 0
    nothing = Tuning((0.0,) * 4, {}, 0.0, 0.0)
    classifier.folder = Path("nowhere")
    with pytest.raises(CheckpointError, match=r"golden\.png is missing"):
        write_tuned(classifier, nothing, "lab", Path("out"))


def decided_count(model: Path | None, cells: Path, origin: bool = True) -> Differential:
    """A count of the cells' pictures in which a person decided on all, and on one that it is none of the four."""
    classifier, count = Classifier.from_pretrained(model), Differential()
    for number, file in enumerate(sorted(cells.rglob("*.png"))):
        told = Origin(about.model_identity(classifier), digest_of(file.read_bytes())) if origin else None
        count = count.add(str(file), classifier.scan(file)[:1], told)
        count = count.reclassify(str(file), 1, NOT_COUNTED if number == 0 else file.parent.name)
    return count


def test_what_a_person_decided_in_a_count_says_the_same_as_the_pictures(cells, tuned, tmp_path, capsys):
    others = tmp_path / "others"
    shutil.copytree(cells, others)
    min(others.rglob("*.png")).unlink()
    assert cli.main(["tune", str(others), "--out", str(tmp_path / "by-pictures")]) == 0
    wanted = read_spec(tmp_path / "by-pictures").offsets
    for name, model in (("plain", None), ("tuned", tuned)):
        file = tmp_path / f"{name}.csv"
        decided_count(model, cells).write_csv(file)
        model_words = ["--model", str(model)] if model else []
        assert cli.main(["tune", str(file), "--out", str(tmp_path / name), *model_words]) == 0
        np.testing.assert_allclose(read_spec(tmp_path / name).offsets, wanted, atol=2e-3)
        assert read_spec(tmp_path / name).trained["tuned"]["lab"] == name
    both = [str(tmp_path / "plain.csv"), str(others), str(others)]
    assert cli.main(["tune", *both, "--out", str(tmp_path / "both")]) == 0
    assert "31 cells are copies of others" not in capsys.readouterr().err
    assert read_spec(tmp_path / "both").trained["tuned"]["cells"]["monocyte"] == EACH, "each counts once"
    assert read_spec(tmp_path / "both").offsets == read_spec(tmp_path / "plain").offsets
    assert cli.main(["tune", str(tmp_path / "tuned.csv"), "--out", str(tmp_path / "no")]) == 2
    assert "tuned.csv holds the answers of another model, default " in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_count_that_says_too_little_is_told(cells, tmp_path, capsys):
    file = tmp_path / "count.csv"
    decided_count(None, cells, origin=False).write_csv(file)
    assert cli.main(["tune", str(file), "--out", str(tmp_path / "model")]) == 0
    assert "does not say of all cells which model answered: it is taken for this one" in capsys.readouterr().err
    mixed = decided_count(None, cells)
    other = {name: replace(origin, model="other 0") for name, origin in mixed.origins.items() if "monocyte/0" in name}
    replace(mixed, origins=mixed.origins | other).write_csv(file)
    assert cli.main(["tune", str(file), "--out", str(tmp_path / "model")]) == 0
    assert "left out what another model answered: 1 of 15 cells" in capsys.readouterr().err
    Differential().write_csv(file)
    assert cli.main(["tune", str(file), "--out", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert f"in {file} nobody decided on a cell" in said
    assert "too few cells of eosinophil, lymphocyte, monocyte, neutrophil" in said
    file.write_text("no,count\n1,2\n")
    assert cli.main(["tune", str(file), "--out", str(tmp_path / "other")]) == 2
    assert "count.csv" in capsys.readouterr().err


@pytest.mark.parametrize(("offsets", "said"), [([1.0], "a number for each of eosinophil"), (["a"] * 4, "of numbers")])
def test_offsets_that_are_none_are_refused(tmp_path, offsets, said):
    shutil.copytree(EMBEDDED, tmp_path / "model")
    spec = tmp_path / "model" / "classifier.json"
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"offsets": offsets}))
    with pytest.raises(CheckpointError, match=said):
        Classifier.from_pretrained(tmp_path / "model")


def test_offsets_move_unfamiliarity_only_by_what_the_types_share():
    """Their mean is 0: a lab's leaning is none towards or away from "none of the four"."""
    classifier = Classifier.from_pretrained()
    spec = replace(classifier.spec, offsets=(0.5, -0.5, 0.0, 0.0))
    logits = np.array([[0.0, 0.0, 0.0, 0.0, 1.0]])
    moved = classifier.weighed(logits, [Framed(np.zeros((72, 72, 3), np.uint8), None, True, 1.0)], spec)
    assert moved.tolist() == [[0.5, -0.5, 0.0, 0.0, 1.0]]
