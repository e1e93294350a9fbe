"""What is taken for a photo: the same in a folder, an archive, behind a URL and in a folder of a watched camera."""

import io
import os
import zipfile

import pytest

from leukoscope.cluster.stores import find_roots, list_photos
from leukoscope.scanning.archives import photos_in_zip
from leukoscope.scanning.photos import LeftOut, digests_of, find_pictures, is_photo, is_photo_below, is_searched

PHOTOS = {"a.png", "B.JPG", "c.jfif", "more/d.tiff"}
LITTER = {
    *("._a.png", ".ipynb_checkpoints/a-checkpoint.png", ".thumbnails/a.png", "more/.thumbnails/deep/a.png"),
    *("a.png.annotated.png", "A.PNG.ANNOTATED.PNG", "Thumbs.db", "more/desktop.ini", "__MACOSX/a.png", "@eaDir/a.png"),
    *(".DS_Store", "$RECYCLE.BIN/a.png"),
}
OTHERS = {"notes.txt", "more/list.TXT", "raw.xyz", "README"}


@pytest.fixture
def folder(tmp_path):
    """A folder with photos, and with all that may lie beside them."""
    for name in PHOTOS | LITTER | OTHERS:
        path = tmp_path / "smear" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "smear"


def in_zip(folder, left_out=None) -> set[str]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"smear/{path.relative_to(folder)}")
    return {content.decode() for _, content in photos_in_zip(packed.getvalue(), left_out=left_out)}


def in_store(place: str) -> set[str]:
    (root,) = find_roots([place])
    return {photo for portion in list_photos(root, (), 100) for photo in portion.photos}


def test_the_same_files_are_photos_everywhere(folder):
    wanted = {str(folder / name) for name in PHOTOS}
    assert {str(path) for path in find_pictures([folder])[0]} == wanted
    assert in_zip(folder) == PHOTOS
    assert in_store(str(folder)) == wanted
    assert in_store(f"{folder}/**") == wanted
    assert in_store(f"{folder}/*") == wanted
    assert in_store(f"file://{folder}/*") == {f"file://{path}" for path in wanted}
    packed = folder.parent / "smear.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, str(path.relative_to(folder)))
    assert {photo.split("::")[0].removeprefix("zip://") for photo in in_store(f"zip://**::{packed}")} == PHOTOS


def test_what_is_left_out_is_counted_by_kind_and_litter_is_not(folder):
    for names in (find_pictures([folder], left_out := LeftOut()), in_zip(folder, left_out_of_zip := LeftOut())):
        assert names
    said = "4 files were not taken for photos: 2 .txt, 1 .xyz, 1 without an ending"
    assert left_out.sentence() == left_out_of_zip.sentence() == said
    find_pictures([folder, folder / "more"], twice := LeftOut())
    assert twice.sentence() == said, "a folder that is named twice is looked at once"
    assert LeftOut().sentence() == ""
    assert LeftOut({".a": 1}).sentence() == "1 file was not taken for photos: 1 .a"
    many = LeftOut({f".{kind}": 9 - place for place, kind in enumerate("abcdefg")})
    assert many.sentence() == "42 files were not taken for photos: 9 .a, 8 .b, 7 .c, 6 .d, 5 .e, 7 others"


def test_links_to_folders_are_followed_and_circles_end(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "below").mkdir(parents=True)
    (elsewhere / "below" / "e.png").write_bytes(b"e")
    (folder / "0-first").symlink_to(elsewhere)
    (elsewhere / "below" / "back").symlink_to(folder)
    (folder / "self").symlink_to(folder)
    (folder / "also-more").symlink_to(folder / "more")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    wanted = {str(folder / name) for name in PHOTOS} | {str(folder / "0-first" / "below" / "e.png")}
    assert {str(path) for path in find_pictures([folder])[0]} == wanted, "by their own names where they have one"
    assert in_store(str(folder)) == wanted
    assert str(folder / "0-first" / "below" / "e.png") in in_store(f"{folder}/*")
    only = tmp_path / "only"
    only.mkdir()
    (only / "smear").symlink_to(elsewhere)
    assert only / "smear" / "below" / "e.png" in find_pictures([only])[0], "a folder that holds nothing but a link"


def test_names():
    assert is_photo("a.JFIF")
    assert not any(map(is_photo, ("a", "a.png.txt", ".png", "thumbs.DB", "x.annotated.png", "._x.png")))
    assert is_searched("smear")
    assert not any(map(is_searched, (".git", "__macosx", "@eaDir", "$Recycle.Bin")))
    assert is_photo_below("../a.png")
    assert is_photo_below("/a/b.png")
    assert not is_photo_below("a/.b/c.png")
    assert not is_photo_below("")


def test_hashes_are_those_of_the_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert list(digests_of([tmp_path / "a.png", tmp_path / "none.png", tmp_path / "a.png"])) == [known, "", known]
    if os.path.exists("/dev/zero"):
        (tmp_path / "endless.png").symlink_to("/dev/zero")
        assert list(digests_of([tmp_path / "endless.png"])) == [""]
