"""What kit writes, one made file a row: each is read to the right pixels, or refused in the right words."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from leukoscope.cli import main
from leukoscope.drawn.synthetic import draw_cell
from leukoscope.errors import ImageError
from leukoscope.pictures import images
from leukoscope.pictures.formats import tiff_pages, tiff_samples
from leukoscope.pictures.images import read_image
from leukoscope.pictures.profiles import to_srgb
from tests import made_files
from tests.conftest import ROOT
from tests.made_files import Kind, photo
from tests.made_tiffs import page, tiff

KINDS = list(made_files.kinds())


def test_there_are_many_and_each_is_there_once():
    assert len(KINDS) >= 120
    assert len({(kind.family, kind.what) for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.family}, {kind.what}")
def test_it_has_the_right_pixels_or_the_right_words(kind: Kind, capfd):
    data = kind.make()
    if kind.refused:
        with pytest.raises(ImageError, match=re.escape(kind.refused)):
            read_image(data)
    else:
        read, truth = read_image(data), kind.truth() if kind.truth else photo()
        assert read.flags.c_contiguous
        assert read.shape == truth.shape
        assert np.abs(read.astype(int) - truth).max() <= kind.levels
        assert np.abs(read.astype(int) - truth).mean() <= kind.levels / 4
        assert images.page_note(data) == kind.note
    assert capfd.readouterr() == ("", ""), "no decoder writes to the terminal"


def test_the_document_has_the_table():
    assert made_files.table() in made_files.DOCUMENT.read_text(), "python -m tests.made_files writes it anew"


def test_heic_without_its_package_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"mif1"):
        data = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(99)
        with pytest.raises(ImageError, match=re.escape("pip install 'leukoscope[microscopy]'; or save the photo as")):
            read_image(data)


def test_dicom_without_its_package_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom.filereader", None)
    with pytest.raises(ImageError, match=re.escape("pip install 'leukoscope[microscopy]'; or save its picture as")):
        read_image(bytes(128) + b"DICM" + bytes(99))


def test_no_package_of_an_extra_is_loaded_for_a_common_picture():
    script = (
        "import sys; from leukoscope.pictures.images import read_image; read_image('space/examples/monocyte.png');"
        "print({'pillow_heif', 'pydicom'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("planar", [False, True])
def test_deep_tiffs_are_bounded_before_they_are_decoded(planar, monkeypatch):
    data = made_files.one(made_files.deep(), planar=planar, packing=8)
    monkeypatch.setattr(tiff_samples, "read", None)
    monkeypatch.setattr(images, "MAX_DECODING", 70 * 90 * 9)
    with pytest.raises(ImageError, match="too large: 90 x 70 in this form"):
        read_image(data)
    monkeypatch.setattr(images, "MAX_PIXELS", 90 * 70 - 1)
    with pytest.raises(ImageError, match="too large: 90 x 70 has more than"):
        read_image(data)


@pytest.mark.parametrize("group", [1, 5000])
def test_parts_unpacked_in_turns_are_those_unpacked_at_once(group, monkeypatch):
    monkeypatch.setattr(tiff_samples, "GROUP", group)
    monkeypatch.setattr(tiff_samples, "STRIP", 7 * 90)
    for options in ({"rows": 16}, {"tile": 32}, {"tile": 32, "planar": True}, {}):
        for packing in (1, 5):
            data = made_files.one(made_files.deep(), packing=packing, **options)
            np.testing.assert_array_equal(read_image(data), photo())


def test_parts_that_are_missing_or_the_same_ones_again_and_again_are_refused():
    tags, parts = page(made_files.deep(), rows=1)
    for few in (parts[:-1], [*parts[:-1], parts[-1][:-1]]):
        with pytest.raises(ImageError, match="damaged or cut short"):
            read_image(tiff((tags, few)))
    again = bytearray(tiff((tags, parts)))
    counts = again.find(np.full(70, 540, "<u4").tobytes())
    again[counts : counts + 280] = np.full(70, 2**21, "<u4").tobytes()
    with pytest.raises(ImageError, match="its parts are not all there"):
        read_image(bytes(again))


def test_a_tile_that_is_a_larger_file_is_not_decoded(monkeypatch):
    data = made_files.files_in_tiff(50001, "WEBP", lossless=True)
    tags, _ = page(photo(), tile=48)
    big = made_files.saved(Image.new("RGB", (4000, 4000)), "WEBP", lossless=True)
    with pytest.raises(ImageError, match="a tile of another size"):
        read_image(tiff((tags | {259: (3, [50001])}, [big] * 4)))
    monkeypatch.setattr(tiff_samples, "MOST_FILES", 3)
    with pytest.raises(ImageError, match="4 tiles of WEBP"):
        read_image(data)


def test_pages_in_a_circle_and_without_end_are_looked_at_once(monkeypatch):
    data = bytearray(made_files.stack(3))
    found = tiff_pages.pages(bytes(data))
    place = found[-1].offset + 2 + 12 * len(found[-1].entries)
    data[place : place + 4] = found[0].offset.to_bytes(4, "little")
    assert [p.offset for p in tiff_pages.pages(bytes(data))] == [p.offset for p in found]
    np.testing.assert_array_equal(read_image(bytes(data)), photo())
    monkeypatch.setattr(tiff_pages, "MOST_PAGES", 2)
    assert len(tiff_pages.pages(bytes(data))) == 2
    monkeypatch.setattr(tiff_pages, "MOST_ENTRIES", len(found[0].entries))
    assert len(tiff_pages.pages(bytes(data))) == 1


def test_a_picture_without_a_profile_of_its_own_is_given_back_itself():
    rgb = photo()
    for profile in (None, b"", b"x" * 500, made_files.srgb(), made_files.ADOBE()[:-100] + bytes(100)):
        assert to_srgb(rgb, profile) is rgb
    assert to_srgb(rgb, made_files.ADOBE()) is not rgb


def test_a_profile_is_brought_to_srgb_strip_by_strip_alike(monkeypatch):
    whole = to_srgb(photo(), made_files.P3())
    monkeypatch.setattr("leukoscope.pictures.profiles.STRIP", 7 * 90)
    np.testing.assert_array_equal(to_srgb(photo(), made_files.P3()), whole)
    opened = Image.open(io.BytesIO(made_files.by_pillow("PNG", icc_profile=made_files.P3())))
    np.testing.assert_array_equal(read_image(opened), whole)


def test_an_opened_tiff_that_pillow_misreads_is_not_taken():
    deep = made_files.deep()
    with pytest.raises(ImageError, match="give the file's path or bytes"):
        read_image(Image.open(io.BytesIO(made_files.one(deep, planar=True))))
    np.testing.assert_array_equal(read_image(Image.open(io.BytesIO(made_files.one(deep)))), photo())


def test_what_a_jpeg_2000_may_be_built_of():
    data = made_files.by_pillow("JPEG2000")
    place = data.index(b"\xff\x4f\xff\x51") + 8
    for at, piece, words in ((16, b"\0\0\0\1\0\0\0\1", "6,300 tiles"), (32, b"\x40\0", "16,384 colours")):
        with pytest.raises(ImageError, match=words):
            read_image(data[: place + at] + piece + data[place + at + len(piece) :])
    with pytest.raises(ImageError, match="more than 64 pictures"):
        read_image(data + data[place - 8 :] * 64)


def test_classify_says_that_a_file_holds_more_pictures(tmp_path, capsys):
    cell = draw_cell("neutrophil", seed=0)
    for pages in (1, 3):
        (tmp_path / "cell.tif").write_bytes(tiff(*[page(cell)] * pages))
        assert main(["classify", str(tmp_path / "cell.tif")]) == 0
        out, err = capsys.readouterr()
        assert "neutrophil" in out
        assert ("cell.tif: the first of 3 pictures in the file is read" in err) == (pages == 3)


def test_there_is_nothing_to_say_of_what_is_damaged_or_no_tiff():
    for data in (b"", b"II*\0", made_files.by_pillow("PNG"), made_files.one(photo())):
        assert images.picture_count(data) == 1
        assert images.page_note(data) is None


def test_a_description_that_lies_nowhere_is_none():
    text = tiff_pages.Page(b"", "<", 0, {tiff_pages.DESCRIPTION: (2, 99, 10)})
    assert text.raw(tiff_pages.DESCRIPTION) == b""


@pytest.mark.parametrize("step", [1, 2])
def test_every_picture_of_a_stack_can_be_read(step):
    data = made_files.stack(3)
    for number in range(3):
        np.testing.assert_array_equal(read_image(data, number + 1), np.roll(photo(), number, axis=0))
    colours = [
        page(np.ascontiguousarray(np.roll(photo(), z, axis=0)[..., c : c + 1])) for z in range(2) for c in range(3)
    ]
    order = range(6) if step == 1 else (0, 3, 1, 4, 2, 5)
    text = made_files.ome("", "", "", z=2, dimensions="XYCZT" if step == 1 else "XYZCT").encode() + b"\0"
    first, *rest = [colours[n] for n in order]
    data = tiff((first[0] | {270: (2, text)}, first[1]), *rest)
    assert images.picture_count(data) == 2
    for number in range(2):
        np.testing.assert_array_equal(read_image(data, number + 1), np.roll(photo(), number, axis=0))
    for source, number in ((data, 3), (data, 0), (made_files.by_pillow("PNG"), 2)):
        with pytest.raises(ImageError, match=f"there is no picture {number} in the file"):
            read_image(source, number)
