import csv
import io
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import train_test_split

from leukoscope.biology.cells import CELL_TYPES
from training.data import table as data
from training.data.sources import COPY_FOLDER, KINDS, PHOTO_FOLDER, DataError, copy_table, from_hub, photo_table
from training.data.table import (
    drop_fields_of,
    grouped_folds,
    labels_of,
    load_examples,
    only_cell_types,
    pictures,
    summary,
    where,
)


def png(shade: int = 255) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 255, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def make_class_folders(root: Path, names=CELL_TYPES, count=2) -> Path:
    for number, name in enumerate(names):
        (root / name.upper()).mkdir(parents=True)
        for i in range(count):
            (root / name.upper() / f"{i}.png").write_bytes(png(number * count + i))
    return root


@pytest.fixture
def fake_kaggle(tmp_path) -> Path:
    """The Kaggle set's layout in full, every picture a blank one (hard links: 12,795 files cost little)."""
    blank = tmp_path / "blank.png"
    blank.write_bytes(png())
    root = tmp_path / "kaggle"
    names = [f"{PHOTO_FOLDER}/BloodImage_{p}.jpg" for p in photo_table()]
    names += [f"{COPY_FOLDER}/{image}" for image in copy_table()]
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(blank)
    return root


def test_tables_hold_the_published_counts():
    photos, copies = photo_table(), copy_table()
    assert len(photos) == 351
    assert len({row["field"] for row in photos.values()}) == 320
    assert Counter((r["split"], r["label"]) for r in photos.values())["test", "monocyte"] == 4
    per_split = Counter(image.split("/")[0] for image in copies)
    assert per_split == {"TRAIN": 9957, "TEST": 2487}
    for image, photo in copies.items():
        split, label, _ = image.lower().split("/")
        assert (photos[photo]["split"], photos[photo]["label"]) == (split, label)


def test_kaggle_layout_loads_with_splits_and_fields(fake_kaggle):
    table = load_examples(fake_kaggle)
    assert len(table) == 351 + 12_444
    test = where(table, split="test", kind="copy")
    assert len(test) == 2487
    assert len(set(test["photo"])) == 71
    assert np.bincount(labels_of(test)).tolist() == [623, 620, 620, 624]
    assert len(only_cell_types(where(table, kind="photo"))) == 348, "three photos show basophils"
    assert len(load_examples(fake_kaggle, kinds=("photo",))) == 351


def test_no_field_is_on_two_sides_of_any_split(fake_kaggle):
    table = only_cell_types(load_examples(fake_kaggle))
    test = where(table, split="test")
    for kind in KINDS:
        train = drop_fields_of(where(table, split="train", kind=kind), test)
        assert not set(train["field"]) & set(test["field"])
        dropped = set(where(table, split="train")["photo"]) - set(train["photo"])
        assert {"00257", "00277", "00264"} & dropped or {"00230", "00204", "00224"} & dropped
        for folds in (4, 5):
            seen = []
            for training, validation in grouped_folds(train, folds, seed=1):
                fields = np.asarray(train["field"])
                assert not set(fields[training]) & set(fields[validation])
                assert len(training) + len(validation) == len(train)
                assert set(labels_of(train.select(validation))) == {0, 1, 2, 3}
                seen.extend(validation)
            assert sorted(seen) == list(range(len(train))), "every row is validated once"


def test_missing_empty_wrong_and_partial_folders_are_told_apart(tmp_path, fake_kaggle):
    with pytest.raises(DataError, match=r"no such folder: .*nowhere(.|\n)*dataset2-master"):
        load_examples(tmp_path / "nowhere" / "deep")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty"):
        load_examples(tmp_path / "empty")
    (tmp_path / "wrong" / "holiday").mkdir(parents=True)
    with pytest.raises(DataError, match="another layout"):
        load_examples(tmp_path / "wrong")
    next((fake_kaggle / COPY_FOLDER / "TEST/MONOCYTE").iterdir()).unlink()
    with pytest.raises(DataError, match="is partial: it lacks 1 .*TEST/MONOCYTE"):
        load_examples(fake_kaggle)
    (tmp_path / "bare" / "dataset2-master").mkdir(parents=True)
    with pytest.raises(DataError, match="holds none of the 12,795"):
        load_examples(tmp_path / "bare")
    with pytest.raises(DataError, match="no folder for monocyte, neutrophil"):
        load_examples(make_class_folders(tmp_path / "two", CELL_TYPES[:2]))
    folder = make_class_folders(tmp_path / "hollow")
    for file in (folder / "MONOCYTE").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no picture in .*MONOCYTE"):
        load_examples(folder)


def test_nothing_given_says_what_to_give(monkeypatch):
    monkeypatch.delenv("BLOOD_CELLS_DIR", raising=False)
    with pytest.raises(DataError, match="--data kaggle.*--data synthetic"):
        load_examples()


def test_class_folders_become_a_lab_of_their_own(tmp_path):
    table = load_examples(make_class_folders(tmp_path / "ward7", (*CELL_TYPES, "basophil")))
    assert set(table["lab"]) == {"ward7"}
    assert len(table) == 10
    assert len(only_cell_types(table)) == 8
    assert len(set(table["field"])) == 10


def test_equal_bytes_share_field_and_split_and_what_is_left_out_is_said(tmp_path, capsys):
    folder = make_class_folders(tmp_path / "ward7", count=20)
    for name in ("again", "and again", "yet again"):
        (folder / "MONOCYTE" / f"{name}.png").write_bytes((folder / "MONOCYTE/3.png").read_bytes())
    (folder / "EOSINOPHIL/of two.png").write_bytes((folder / "LYMPHOCYTE/3.png").read_bytes())
    (folder / "NEUTROPHIL/more").mkdir()
    (folder / "NEUTROPHIL/more/a.png").write_bytes(png())
    (folder / "NEUTROPHIL/list.txt").touch()
    table = load_examples(folder)
    of_slide: dict[str, set] = {}
    for slide, field, split, photo in zip(table["slide"], table["field"], table["split"], table["photo"], strict=True):
        of_slide.setdefault(slide, set()).add((field, split))
        if "again" in photo or photo == "ward7/monocyte/3":
            assert slide == "ward7/monocyte/3"
    assert len(of_slide) == 80
    assert all(len(found) == 1 for found in of_slide.values())
    for options in (["--data", str(folder)], ["--data", "synthetic:20", "--pbc", str(folder)]):
        assert data.main([*options, "--labs", "", "--no-read"] + ([] if "--pbc" in options else ["--pbc", ""])) == 0
        said = capsys.readouterr().err
        assert "4 pictures are copies of others, byte for byte" in said
        assert "the same picture is given two types: EOSINOPHIL/of two.png is LYMPHOCYTE/3.png" in said
        assert "left out: NEUTROPHIL/more/" in said
        assert "1 file was not taken for photos: 1 .txt" in said


def test_a_second_lab_is_added(tmp_path):
    table = load_examples("synthetic:20", pbc=make_class_folders(tmp_path / "pbc"))
    assert Counter(table["lab"]) == {"synthetic": 20, "barcelona": 8}


def test_drawn_examples_are_reproducible_and_named_as_drawn():
    one, two = load_examples("synthetic:24", seed=5), load_examples("synthetic:24", seed=5)
    other = load_examples("synthetic:24", seed=6)
    first = next(pictures(one))
    np.testing.assert_array_equal(first, next(pictures(two)))
    assert not np.array_equal(first, next(pictures(other)))
    assert np.bincount(labels_of(one)).tolist() == [6, 6, 6, 6]
    assert set(one["split"]) == {"train", "test"}
    assert "drawn" in summary(one)
    with pytest.raises(DataError, match="synthetic:3"):
        load_examples("synthetic:3")


def test_the_table_survives_parquet_and_load_dataset(tmp_path):
    import datasets

    table = load_examples(make_class_folders(tmp_path / "lab"))
    folder = tmp_path / "set"
    folder.mkdir()
    # Paths become bytes as they do in a push to the Hub.
    embedded = table.with_format("arrow").map(datasets.table.embed_table_storage, batched=True)
    embedded.with_format(None).to_parquet(folder / "train.parquet")
    for file in (tmp_path / "lab").rglob("*.png"):
        file.unlink()
    again = from_hub(str(folder))
    assert again.features == table.features
    assert again["photo"][:] == table["photo"][:]
    assert next(pictures(again)).shape == (32, 32, 3)


def test_a_foreign_hub_data_set_is_refused_by_its_columns(tmp_path):
    (tmp_path / "train.csv").write_text("text\nhello\n")
    with pytest.raises(DataError, match="another format: it lacks the columns doubt, field, image"):
        from_hub(str(tmp_path))
    with pytest.raises(DataError, match="cannot load the data set"):
        from_hub(str(tmp_path / "none"))


def test_summary_counts_and_lists_unreadable_files(tmp_path, capsys):
    folder = make_class_folders(tmp_path / "lab")
    (folder / "MONOCYTE" / "0.png").write_bytes(b"broken")
    assert data.main(["--data", str(folder), "--pbc", "", "--labs", ""]) == 0
    printed = capsys.readouterr().out
    assert "8 pictures" in printed
    assert "unreadable files: 1" in printed
    assert "MONOCYTE/0.png: not a picture" in printed
    with pytest.raises(DataError, match=r"MONOCYTE/0\.png"):
        list(pictures(load_examples(folder)))


def test_bad_data_ends_the_command_with_2(tmp_path, capsys):
    assert data.main(["--data", str(tmp_path / "none" / "x")]) == 2
    assert "no such folder" in capsys.readouterr().err


# --- against the real pictures ---------------------------------------------------------------------------


def test_official_split_is_reproduced_from_labels(blood_cells):
    with (blood_cells / "dataset-master/dataset-master/labels.csv").open(newline="") as file:
        labels = {row["Image"].zfill(5): row["Category"] for row in csv.DictReader(file)}
    photos = photo_table()
    single = [p for p, label in labels.items() if label and "," not in label and p in photos]
    assert len(single) == len(photos)
    assert all(labels[p].lower() == photos[p]["label"] for p in single)
    train, test = train_test_split(single, test_size=0.2, random_state=10)
    assert {photos[p]["split"] for p in train} == {"train"}
    assert {photos[p]["split"] for p in test} == {"test"}


def test_copies_show_the_photos_they_are_said_to_be_made_from(blood_cells):
    """Match SIFT keypoints of some copies with their photo and with another of the same class and split."""
    rng = np.random.default_rng(0)
    images = rng.choice(list(copy_table()), 12, replace=False)
    sift, matcher = cv2.SIFT_create(1500), cv2.BFMatcher()

    def keypoints(path: Path, scale=1.0, mirrored=False):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        grey = cv2.flip(grey, 1) if mirrored else grey
        return sift.detectAndCompute(cv2.resize(grey, None, fx=scale, fy=scale), None)

    def consistent(copy: str, photo: str) -> int:
        return max(aligned(copy, photo, mirrored) for mirrored in (False, True))  # SIFT does not see through mirrors

    def aligned(copy: str, photo: str, mirrored: bool) -> int:
        points_a, a = keypoints(blood_cells / COPY_FOLDER / copy, 2.0, mirrored)
        points_b, b = keypoints(blood_cells / PHOTO_FOLDER / f"BloodImage_{photo}.jpg")
        pairs = [m for m, n in matcher.knnMatch(a, b, k=2) if m.distance < 0.8 * n.distance]
        if len(pairs) < 4:
            return 0
        source = np.float32([points_a[m.queryIdx].pt for m in pairs])
        target = np.float32([points_b[m.trainIdx].pt for m in pairs])
        _, kept = cv2.estimateAffine2D(source, target, ransacReprojThreshold=3.0)
        return 0 if kept is None else int(kept.sum())

    for image in images:
        photo = copy_table()[image]
        facts = photo_table()[photo]
        others = [
            p
            for p, r in photo_table().items()
            if r["field"] != facts["field"] and (r["label"], r["split"]) == (facts["label"], facts["split"])
        ]
        other = rng.choice(others)
        assert consistent(image, photo) > 2 * max(4, consistent(image, other)), (image, photo, other)


def test_real_folders_load_whole(blood_cells, pbc):
    table = load_examples(blood_cells, pbc=pbc)
    assert Counter(zip(table["lab"], table["kind"], strict=True)) == {
        ("bccd", "photo"): 351,
        ("bccd", "copy"): 12_444,
        ("barcelona", "photo"): 5_250,
    }
