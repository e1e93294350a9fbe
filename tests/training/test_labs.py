"""Further laboratories as sources: a labs.csv, and what it says of each picture."""

import csv
from collections import Counter

import cv2
import numpy as np
import pytest

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_cell
from training.data.boxes import ANNOTATION_FOLDER
from training.data.labs import annotated_boxes, held_out, lab_rows, labs_folder_rows
from training.data.sources import PHOTO_FOLDER, DataError, photo_table
from training.data.table import grouped_folds, load_examples, summary, where
from training.fitting.examples import training_rows
from training.locating.fields.pictures import annotated_photos, kept_small, single_cells
from training.recipe.config import ConfigError, checked

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


# --- boxes, and what the locator learns from ---------------------------------------------------------------


def write_boxes(folder, rows):
    with (folder / "boxes.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("file", "object", "x0", "y0", "x1", "y1"), *rows])


def test_boxes_are_those_of_the_objects_that_are_asked_for(tmp_path):
    write_boxes(
        tmp_path,
        [
            ("labs/a.png", "WBC", 1, 2, 30.5, 40),
            ("labs/a.png", "RBC", 5, 5, 9, 9),
            ("labs/b.png", "Platelet", 0, 0, 4, 4),
        ],
    )
    assert annotated_boxes(tmp_path) == {"labs/a.png": [(1, 2, 30.5, 40)], "labs/b.png": []}
    assert annotated_boxes(tmp_path, ("RBC", "Platelet")) == {
        "labs/a.png": [(5, 5, 9, 9)],
        "labs/b.png": [(0, 0, 4, 4)],
    }


def test_a_table_of_boxes_that_is_missing_or_of_other_columns_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no .*boxes\.csv: the folder of labs"):
        annotated_boxes(tmp_path)
    (tmp_path / "boxes.csv").write_text("file,x0\na.png,1\n")
    with pytest.raises(DataError, match="must have rows and the columns file, object, x0, x1, y0, y1"):
        annotated_boxes(tmp_path)


def test_slides_held_out_hold_a_quarter_and_follow_from_names():
    groups = [f"s{i % 13}" for i in range(200)]
    chosen = held_out(groups)
    assert chosen == held_out(groups[::-1])
    assert 50 <= sum(group in chosen for group in groups) < 50 + 16
    assert held_out([]) == set()


@pytest.fixture
def pbc(tmp_path):
    """A folder of PBC under a name of its own."""
    for cell in CELL_TYPES:
        for i in range(6):
            file = tmp_path / "downloaded" / cell / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), draw_cell(cell, seed=i, size=72)[..., ::-1])
    return tmp_path / "downloaded"


def test_the_locator_learns_from_boxes_where_there_are_any_else_from_the_middle(tmp_path, pbc):
    rows = [("raabin", cell, f"s{i % 8}", "") for i in range(12) for cell in CELL_TYPES]
    rows += [("munich_marrow", "blast", "", "")] * 6 + [("lisc", "monocyte", "", "l0")]
    folder = write_labs(tmp_path / "labs", rows)
    write_boxes(
        folder,
        [
            ("labs/raabin/eosinophil/000.png", "WBC", 10, 12, 50, 48),
            ("labs/raabin/eosinophil/000.png", "RBC", 0, 0, 9, 9),
            ("pbc/monocyte/3.png", "WBC", 5, 6, 60, 61),
            ("labs/raabin/lymphocyte/001.png", "RBC", 0, 0, 9, 9),
        ],
    )
    found = {picture.name: picture for picture in single_cells(pbc, folder)}
    assert Counter(picture.lab for picture in found.values()) == {"raabin": 48, "munich_marrow": 6, "barcelona": 24}
    boxed = found["labs/raabin/eosinophil/000.png"]
    np.testing.assert_array_equal(boxed.boxes, [(10, 12, 50, 48)])
    np.testing.assert_array_equal(boxed.decoys, [(0, 0, 9, 9)])
    assert boxed.complete
    assert boxed.measured
    np.testing.assert_array_equal(found["pbc/monocyte/3.png"].boxes, [(5, 6, 60, 61)])
    bare = found["labs/raabin/lymphocyte/001.png"]
    assert (len(bare.boxes), bare.complete) == (0, True), "annotated, and no white cell"
    for name, wide in (("pbc/monocyte/2.png", 0.38 * 72), ("labs/munich_marrow/blast/050.png", 0.55 * 64)):
        lone = found[name]
        side = len(lone.image)
        np.testing.assert_allclose(lone.boxes, [((side - wide) / 2,) * 2 + ((side + wide) / 2,) * 2])
        assert not lone.complete
        assert not lone.measured


def test_the_locator_never_learns_from_what_is_held_out(tmp_path, pbc):
    rows = [("raabin", cell, f"s{i % 8}", "") for i in range(12) for cell in CELL_TYPES]
    folder = write_labs(tmp_path / "labs", rows)
    write_boxes(folder, [("labs/raabin/eosinophil/000.png", "WBC", 10, 12, 50, 48)])
    pictures = single_cells(pbc, folder)
    split = {lab: Counter(p.split for p in pictures if p.lab == lab) for lab in ("raabin", "barcelona")}
    assert all(0 < counts["test"] < counts["train"] for counts in split.values())
    classified = {row["photo"]: row["split"] for row in labs_folder_rows(folder)}
    assert {p.name.removeprefix("labs/"): p.split for p in pictures if p.lab == "raabin"} == classified, (
        "as for the classifier"
    )


def test_large_pictures_are_kept_small_with_their_boxes():
    image, boxes, none = kept_small(np.zeros((700, 900, 3), np.uint8), [(30, 60, 90, 120)], [])
    assert image.shape == (233, 300, 3)
    np.testing.assert_array_equal(boxes, [(10, 20, 30, 40)])
    assert none.shape == (0, 4)
    image, boxes = kept_small(np.zeros((200, 320, 3), np.uint8), [(30, 60, 90, 120)])
    assert image.shape == (200, 320, 3)
    np.testing.assert_array_equal(boxes, [(30, 60, 90, 120)])


ANNOTATED = """<annotation>
<object><name>WBC</name><bndbox><xmin>200</xmin><ymin>150</ymin><xmax>320</xmax><ymax>280</ymax></bndbox></object>
<object><name>RBC</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>90</xmax><ymax>100</ymax></bndbox></object>
</annotation>"""


def test_half_of_the_annotated_photos_are_held_out(tmp_path):
    with pytest.raises(DataError, match="no annotated photos in"):
        annotated_photos(tmp_path)
    photo = draw_cell("neutrophil", seed=0, size=480)
    names = [f"BloodImage_{number:05d}" for number in range(40)]
    for folder, suffix in ((PHOTO_FOLDER, "jpg"), (ANNOTATION_FOLDER, "xml")):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            file = tmp_path / folder / f"{name}.{suffix}"
            file.write_text(ANNOTATED) if suffix == "xml" else cv2.imwrite(str(file), photo)
    pictures = annotated_photos(tmp_path)
    assert [picture.name for picture in pictures] == names
    np.testing.assert_array_equal(pictures[0].boxes, [(100, 75, 160, 140)])
    np.testing.assert_array_equal(pictures[0].decoys, [(5, 10, 45, 50)])
    assert 20 <= sum(picture.split == "test" for picture in pictures) <= 26
    split_of = {}
    for picture in pictures:
        facts = photo_table().get(picture.name.removeprefix("BloodImage_"), {})
        assert split_of.setdefault(picture.group, picture.split) == picture.split, "a field is of one split"
        assert picture.group == f"bccd/{facts.get('field', picture.name)}"
        assert facts.get("split") != "test" or picture.split == "test"
