"""What is seen in a cell: numbers to values, values to words, words that the cards use too."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES
from leukoscope.biology.attributes import (
    ATTRIBUTES,
    FITTING,
    LOOKS,
    VALUES,
    WIDTH,
    Attribute,
    contradictions,
    looks,
    parts,
)
from leukoscope.biology.cells import CELLS
from leukoscope.classifier import Classifier
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.errors import CheckpointError
from leukoscope.model.calibration import attributes_of
from leukoscope.model.checkpoint import read_spec, write_spec
from leukoscope.model.prediction import Prediction, no_cell
from leukoscope.showing import wording

EVEN = dict.fromkeys(VALUES, 0.0)


def seeing(label="eosinophil", verdict="confident", **values) -> Prediction:
    """An answer with these attributes sure, as {name: value}, underscores for what a name cannot hold."""
    seen = {name: Attribute(value, 0.99, True) for name, value in values.items()}
    return Prediction(label, dict.fromkeys(CELL_TYPES, 0.25), 0.99, (1, 2, 30, 40), verdict, attributes=seen)


def test_each_attribute_has_its_own_columns():
    logits = np.full((2, WIDTH), -9.0)
    columns = parts(np.arange(WIDTH)[None])
    chosen = {name: len(values) - 1 for name, values in ATTRIBUTES.items()}
    for name, last in chosen.items():
        logits[1, columns[name][0, last]] = 9.0
    first, second = attributes_of(logits, EVEN)
    assert {name: second[name].value for name in ATTRIBUTES} == {name: v[-1] for name, v in ATTRIBUTES.items()}
    for name, values in ATTRIBUTES.items():
        assert first[name].probability == pytest.approx(1 / len(values)), "all alike: no value is more probable"
        assert second[name].probability > 0.999


def test_a_value_is_said_from_its_probability_on():
    logits = np.zeros((1, WIDTH))
    sure = dict.fromkeys(ATTRIBUTES, 0.5)
    (seen,) = attributes_of(logits, sure)
    assert {name for name, one in seen.items() if one.sure} == {n for n, v in ATTRIBUTES.items() if len(v) == 2}


def nucleus(**shares) -> np.ndarray:
    """Logits (1, `WIDTH`) of a nucleus whose shape is so probable, underscores for hyphens."""
    logits = np.full((1, WIDTH), -9.0)
    places = dict(zip(ATTRIBUTES["nucleus_shape"], parts(np.arange(WIDTH))["nucleus_shape"], strict=True))
    for value, share in shares.items():
        logits[0, places[value.replace("_", "-")]] = np.log(share)
    return logits


def test_that_there_are_lobes_is_sure_though_not_how_many():
    sure = dict.fromkeys(VALUES, 0.9)
    (seen,) = attributes_of(nucleus(segmented_multilobed=0.55, segmented_bilobed=0.42, unsegmented_band=0.03), sure)
    assert not seen["nucleus_shape"].sure
    assert seen["nucleus_lobes"] == Attribute("yes", pytest.approx(0.97, abs=1e-3), True)
    assert looks(seen) == {"Nucleus": "in lobes"}
    assert contradictions("neutrophil", seen) == contradictions("eosinophil", seen) == []
    assert contradictions("lymphocyte", seen) == contradictions("monocyte", seen) == ["nucleus_lobes"]
    assert wording.seen_text(seeing("monocyte", nucleus_lobes="yes")).endswith(
        "Unusual for a monocyte: nucleus (in lobes)."
    )
    (seen,) = attributes_of(nucleus(unsegmented_band=0.5, irregular=0.45, segmented_bilobed=0.05), sure)
    assert looks(seen) == {"Nucleus": "not in lobes"}
    assert contradictions("neutrophil", seen) == [], "a band is one too"
    (seen,) = attributes_of(nucleus(segmented_bilobed=0.95, irregular=0.05), sure)
    assert looks(seen) == {"Nucleus": "in two lobes"}, "which says it"
    (seen,) = attributes_of(nucleus(segmented_bilobed=0.6, irregular=0.4), sure)
    assert looks(seen) == {}


def test_only_what_is_sure_is_said_and_by_parts_of_the_cell():
    eosinophil = seeing(
        nucleus_shape="segmented-bilobed",
        chromatin_density="densely",
        granularity="yes",
        granule_type="round",
        granule_colour="red",
        nuclear_cytoplasmic_ratio="low",
        cytoplasm_colour="light blue",
        cytoplasm_vacuole="no",
    )
    assert wording.seen_text(eosinophil) == (
        "Nucleus: in two lobes, condensed chromatin. Granules: seen, coarse and round, red. "
        "Cytoplasm: abundant, pale, no vacuoles."
    )
    unsure = {name: replace(one, sure=name == "granule_colour") for name, one in eosinophil.attributes.items()}
    assert looks(unsure) == {"Granules": "red"}
    assert wording.seen_text(replace(eosinophil, attributes={})) == ""
    assert looks({name: Attribute("nil", 1.0, True) for name in ("granule_type", "granule_colour")}) == {
        "Granules": "none seen"
    }


def test_what_speaks_against_the_type_is_said_where_the_type_is_an_answer():
    odd = seeing("neutrophil", granularity="no", nucleus_shape="unsegmented-round")
    assert wording.seen_text(odd) == (
        "Nucleus: round. Granules: none seen. Unusual for a neutrophil: nucleus (round), granules (none seen)."
    )
    assert wording.seen_text(replace(odd, label="eosinophil")).endswith(
        "Unusual for an eosinophil: nucleus (round), granules (none seen)."
    )
    assert wording.seen_text(replace(odd, verdict="unfamiliar")) == "Nucleus: round. Granules: none seen."
    fitting = seeing("lymphocyte", granularity="no", nucleus_shape="unsegmented-round")
    assert contradictions("lymphocyte", fitting.attributes) == []
    doubted = {name: replace(one, sure=False) for name, one in odd.attributes.items()}
    assert contradictions("neutrophil", doubted) == []


def test_the_words_stand_in_the_answer_escaped_and_none_without_a_cell():
    html = wording.verdict_html(seeing(nucleus_shape="segmented-bilobed"))
    assert '<p class="lk-seen">Seen in the cell: Nucleus: in two lobes.</p>' in html
    assert '<p class="lk-seen"></p>' in wording.verdict_html(no_cell())


def test_every_value_has_words_and_every_rule_names_values():
    named = {name: set(words) for part in LOOKS.values() for name, words in part.items()}
    assert named == {name: set(values) for name, values in VALUES.items()}
    assert set(FITTING) == set(CELL_TYPES)
    for fitting in FITTING.values():
        for name, values in fitting.items():
            assert 0 < len(values) < len(VALUES[name])
            assert set(values) <= set(VALUES[name])


@pytest.mark.parametrize(
    ("label", "attribute", "value", "card"),
    [
        ("eosinophil", "nucleus_shape", "segmented-bilobed", "nucleus"),
        ("eosinophil", "granule_type", "round", "granules"),
        ("eosinophil", "granule_colour", "red", "granules"),
        ("eosinophil", "nuclear_cytoplasmic_ratio", "low", "cytoplasm"),
        ("eosinophil", "chromatin_density", "densely", "nucleus"),
        ("lymphocyte", "nucleus_shape", "unsegmented-round", "nucleus"),
        ("lymphocyte", "chromatin_density", "densely", "nucleus"),
        ("lymphocyte", "nuclear_cytoplasmic_ratio", "high", "cytoplasm"),
        ("monocyte", "nucleus_shape", "unsegmented-indented", "nucleus"),
        ("monocyte", "chromatin_density", "loosely", "nucleus"),
        ("monocyte", "cytoplasm_vacuole", "yes", "cytoplasm"),
        ("monocyte", "nuclear_cytoplasmic_ratio", "low", "cytoplasm"),
        ("neutrophil", "nucleus_shape", "segmented-multilobed", "nucleus"),
        ("neutrophil", "granule_type", "small", "granules"),
        ("neutrophil", "chromatin_density", "densely", "nucleus"),
        ("neutrophil", "cytoplasm_colour", "light blue", "cytoplasm"),
    ],
)
def test_cards_and_attributes_use_the_same_words(label, attribute, value, card):
    """What is usual of a type is said as its card says it."""
    said = next(part[attribute][value] for part in LOOKS.values() if attribute in part)
    stems = {word[:4] for word in re.findall(r"[a-z]{3,}", said.lower())} - {"chro", "seen", "and"}
    written = {word[:4] for word in re.findall(r"[a-z]{3,}", getattr(CELLS[label], card).lower())}
    assert stems & written, f"{said!r} and {getattr(CELLS[label], card)!r}"
    assert value in FITTING[label].get(attribute, (value,))


def test_a_checkpoint_without_attributes_has_none_and_one_with_foreign_ones_is_refused(classifier, tmp_path):
    plain = tmp_path / "plain"
    classifier.save_pretrained(plain)
    spec = read_spec(plain)
    write_spec(plain, replace(spec, attributes={}))
    assert Classifier.from_pretrained(plain).predict(plain / "golden.png").attributes == {}
    older = json.loads((plain / "classifier.json").read_text())
    del older["attributes"]
    (plain / "classifier.json").write_text(json.dumps(older | {"format_version": 3}))
    assert Classifier.from_pretrained(plain).spec.attributes == {}
    (plain / "classifier.json").write_text(json.dumps(older | {"attributes": dict.fromkeys(ATTRIBUTES, 0.5)}))
    old = Classifier.from_pretrained(plain).predict(plain / "golden.png").attributes
    assert list(old) == list(ATTRIBUTES), "as before format 6"
    (plain / "classifier.json").write_text(json.dumps(older | {"attributes": {"colour": 0.5}}))
    with pytest.raises(CheckpointError, match="attributes must be cell_shape, .*, not colour"):
        read_spec(plain)
    (plain / "classifier.json").write_text(json.dumps(older | {"attributes": dict.fromkeys(ATTRIBUTES, 2)}))
    with pytest.raises(CheckpointError, match="cell_shape must be 0-1, not 2"):
        read_spec(plain)
    with pytest.raises(ValueError, match="attributes must be cell_shape"):  # their order is the graph's
        replace(spec, attributes=dict.fromkeys(reversed(ATTRIBUTES), 0.5))


def test_an_answer_carries_what_is_seen_also_through_json(classifier):
    answer = classifier.predict(classifier.folder / "golden.png")
    assert list(answer.attributes) == list(VALUES)
    for name, seen in answer.attributes.items():
        assert seen.value in VALUES[name]
        assert 0 < seen.probability <= 1
        assert seen.sure == (seen.probability >= classifier.spec.attributes[name])
    plain = json.loads(json.dumps(asdict(answer)))["attributes"]["nucleus_shape"]
    assert plain == asdict(answer.attributes["nucleus_shape"])


def test_what_is_seen_is_the_same_whichever_way_a_picture_comes_in(classifier, tmp_path):
    photo, _ = draw_photo(["eosinophil", "lymphocyte"], seed=4)
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    first, second = ([one.attributes for one in classifier.scan(source)] for source in (photo, path))
    assert first == second
    assert len(first) == 2
    assert [classifier.predict(photo).attributes] == first[:1]
    (batch,) = classifier.scan_batch([path.read_bytes()])
    assert [one.attributes for one in batch] == first
    for cells in classifier.scan_batch([path] * 2, workers=2):
        assert [one.attributes for one in cells] == first


def test_a_crop_is_answered_the_same_alone_and_among_others(classifier):
    """To the last bit, whatever the graph gives: no answer may depend on what else was asked."""
    size = classifier.spec.framing.size
    crops = np.random.default_rng(0).integers(0, 256, (9, size, size, 3), dtype=np.uint8)
    for output in classifier.outputs:
        alone = np.concatenate([classifier.run(crops[i : i + 1], [output])[0] for i in range(len(crops))])
        for count in (2, 3, 9):
            np.testing.assert_array_equal(classifier.run(crops[:count], [output])[0], alone[:count], err_msg=output)
