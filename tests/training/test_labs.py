"""Further laboratories as sources: a labs.csv, and what it says of each picture."""

import csv
from collections import Counter

import cv2
import numpy as np
import pytest

from leukoscope.cells import CELL_TYPES
from leukoscope.synthetic import draw_cell
from training.config import ConfigError, checked
from training.data import grouped_folds, load_examples, summary, where
from training.labs import held_out, lab_rows, labs_folder_rows
from training.sources import DataError
from training.train import training_rows

COLUMNS = ("file", "lab", "cell", "slide_group", "field", "official_split")


def write_labs(folder, rows):
    """A folder of labs with a picture for each (lab, cell, slide, field)."""
    table = []
    for i, (lab, cell, slide, field) in enumerate(rows):
        file = f"{lab or 'nameless'}/{cell}/{i:03d}.png"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        drawn = cell if cell in CELL_TYPES else "basophil"
        cv2.imwrite(str(folder / file), draw_cell(drawn, seed=i, size=64)[..., ::-1])
        table.append((file, lab, cell, slide, field, ""))
    with (folder / "labs.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([COLUMNS, *table])
    return folder


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """A ward with 12 slides, a marrow without any, and LISC."""
    rows = [("ward", cell, f"s{i % 12}", f"f{i}") for i in range(48) for cell in CELL_TYPES]
    rows += [("marrow", cell, "", "") for i in range(6) for cell in (*CELL_TYPES, "blast", "promyelocyte")]
    rows += [("lisc", cell, "", f"l{i}") for i, cell in enumerate((*CELL_TYPES, "basophil"))]
    return write_labs(tmp_path_factory.mktemp("labs") / "labs", rows)


@pytest.fixture(scope="module")
def examples(labs):
    return load_examples("synthetic:40", labs=labs)


def recipe(*taught: str, **data):
    import tomllib

    from tests.training.conftest import SMOKE

    values = tomllib.loads(SMOKE)
    values["data"] |= {"labs": list(taught), **data}
    return checked(values, "test")


def test_every_lab_of_the_folder_is_a_source(examples):
    assert Counter(examples["lab"]) == {"synthetic": 40, "ward": 192, "marrow": 36, "lisc": 5}
    ward = where(examples, lab="ward")
    assert set(ward["slide"]) == {f"ward/s{i}" for i in range(12)}
    assert ward[0]["field"] == "ward/f0"
    assert ward[0]["photo"] == "ward/eosinophil/000.png"
    marrow = where(examples, lab="marrow")
    assert marrow["slide"][:] == marrow["field"][:] == marrow["photo"][:]
    assert "192" not in summary(examples).split("ward · test")[1].split("\n")[0]
    assert "of 9 slides" in summary(examples) or "of 10 slides" in summary(examples)


def test_whole_slides_are_held_out_and_pictures_where_no_slide_is_known(examples):
    ward = where(examples, lab="ward")
    test, train = (set(where(ward, split=split)["slide"]) for split in ("test", "train"))
    assert not test & train
    assert 0.25 <= len(where(ward, split="test")) / len(ward) < 0.5
    assert test == held_out(ward["slide"][:])
    assert 0 < len(where(examples, lab="marrow", split="test")) < 24
    assert len(where(examples, lab="lisc", split="test")) == 5, "all of it"


def test_folds_keep_slides_together(examples):
    ward = where(examples, lab="ward")
    slides = np.asarray(ward["slide"])
    for train, validation in grouped_folds(ward, 4, seed=0):
        assert not set(slides[train]) & set(slides[validation])
        assert len(validation)


def test_labs_are_trained_on_less_what_is_held_out(examples):
    config = recipe("synthetic", "ward", "marrow", others=["blast"])
    train, validation = training_rows(config, examples)
    assert set(train["lab"]) == {"synthetic", "ward", "marrow"}
    assert {"blast"} == {train.features["label"].int2str(i) for i in train["label"]} - set(CELL_TYPES)
    assert not set(train["slide"]) & set(validation["slide"])
    kept_back = set(where(examples, split="test")["slide"])
    assert not kept_back & set(train["slide"]) | kept_back & set(validation["slide"])


def test_a_recipe_that_would_train_on_lisc_is_refused():
    with pytest.raises(ConfigError, match="data.labs: lisc is for research only by its terms: scored, not taught"):
        recipe("synthetic", "lisc")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("ward", "platelet", "", ""), "cell 'platelet': valid are eosinophil, "),
        (("bccd", "monocyte", "", ""), "no lab of its own may be named 'bccd'"),
        (("", "monocyte", "", ""), "no lab of its own may be named ''"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path, row, said):
    with pytest.raises(DataError, match=said):
        labs_folder_rows(write_labs(tmp_path / "labs", [row]))


def test_a_table_that_is_missing_partial_or_of_other_columns_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no .*labs\.csv"):
        load_examples("synthetic:20", labs=tmp_path)
    folder = write_labs(tmp_path / "labs", [("ward", "monocyte", "", "")] * 2)
    (folder / "ward/monocyte/001.png").unlink()
    with pytest.raises(DataError, match="names 1 files that are not there, first .*001.png"):
        lab_rows(folder)
    (folder / "labs.csv").write_text("file,label\na.png,monocyte\n")
    with pytest.raises(DataError, match="must have rows and the columns cell, field, file, lab, slide_group"):
        lab_rows(folder)


def test_the_real_labs_are_split_by_slide(labs_folder):
    rows = labs_folder_rows(labs_folder)
    count = Counter((row["lab"], row["split"]) for row in rows)
    assert count == {
        ("raabin", "train"): 2494,
        ("raabin", "test"): 897,
        ("munich_marrow", "train"): 1022,
        ("munich_marrow", "test"): 338,
        ("lisc", "test"): 241,
    }
    of = {
        split: {row["slide"] for row in rows if (row["lab"], row["split"]) == ("raabin", split)}
        for split in ("train", "test")
    }
    assert (len(of["train"]), len(of["test"])) == (39, 16)
    assert not of["train"] & of["test"]
