"""What is no slide, or a damaged one, is told in a line; what can be read is read."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.made_slides import Level as Made
from benchmarks.made_slides import encoded, write_slide, write_tiff
from leukoscope.errors import SlideError
from leukoscope.pictures import slide as opening
from leukoscope.slides import Box, Slide, is_slide


def flat(colour: tuple[int, int, int], side: int = 256) -> bytes:
    return encoded(np.full((side, side, 3), colour, np.uint8))


def test_a_slide_says_its_size_levels_and_microns(drawn):
    with Slide(drawn.path) as slide:
        assert [(level.width, level.height, level.step) for level in slide.levels] == [
            (7168, 4096, 1.0),
            (1792, 1024, 4.0),
            (448, 256, 16.0),
        ]
        assert slide.microns == pytest.approx(0.1)
        assert slide.bounds == Box(0, 0, 7168, 4096)
        assert slide.notes == ()
        assert len(slide.digest) == 64


def test_a_part_is_the_same_pixels_as_were_drawn(drawn):
    with Slide(drawn.path) as slide:
        part = np.asarray(slide.read(Box(1024, 0, 1024, 1024)), int)
    assert abs(part - drawn.blocks[1].pixels).mean() < 4  # JPEG


def test_what_lies_outside_or_is_left_out_of_the_file_is_white(drawn, tmp_path):
    with Slide(drawn.path) as slide:
        part = np.asarray(slide.read(Box(7100, 4000, 256, 256)))
    assert (part[100:, :] == 255).all()
    assert part[:90, :60].mean() < 250
    red, missing = flat((200, 40, 40)), b""
    write_tiff(tmp_path / "gap.tif", [Made(512, 256, lambda column, row: missing if column else red)])
    with Slide(tmp_path / "gap.tif") as slide:
        part = np.asarray(slide.read(Box(0, 0, 512, 256)))
    assert (part[:, 256:] == 255).all()
    assert abs(part[:, :256].astype(int) - (200, 40, 40)).max() < 6


def damaged(name: str, folder: Path, drawn) -> Path:
    path = folder / f"{name}.svs"
    whole = drawn.path.read_bytes()
    if name == "text":
        path.write_text("no slide at all\n" * 20)
    elif name == "png":
        Image.new("RGB", (300, 300)).save(path, "PNG")
    elif name == "folder":
        path.mkdir()
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif name == "strips":
        Image.fromarray(drawn.blocks[0].pixels).save(path, "TIFF")
    elif name == "large":
        tile = flat((200, 180, 190))
        write_tiff(path, [Made(256, 256, lambda *_: tile)])
        content = bytearray(path.read_bytes())
        for tag, value in ((256, 2**30), (257, 2**30)):
            at = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
            content[at : at + 4] = struct.pack("<I", value)
        path.write_bytes(content)
    elif name == "tile":
        tile = flat((200, 180, 190), 8192)
        write_tiff(path, [Made(8192, 8192, lambda *_: tile)], tile=8192)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text", "no slide that OpenSlide reads"),
        ("png", "no slide that OpenSlide reads"),
        ("folder", "a folder, not a slide"),
        ("missing", "there is no such file"),
        ("empty", "an empty file"),
        ("cut", "the file is cut short|cut short, or is packed"),
        ("strips", "a TIFF that has no tiles"),
        ("large", "px that a slide may have|cannot be opened"),
        ("tile", "tiles of 8,192 px at level 0, where 4,096 px are the most"),
    ],
)
def test_what_is_no_slide_is_told_before_a_tile_is_decoded(name, reason, tmp_path, drawn):
    with pytest.raises(SlideError, match=reason):
        Slide(damaged(name, tmp_path, drawn))


def test_a_broken_tile_is_told_and_the_others_are_read_after_it(tmp_path):
    good, broken = flat((200, 40, 40)), b"\xff\xd8\xff\xdb no JPEG" + b"\0" * 64
    write_tiff(tmp_path / "a.tif", [Made(512, 256, lambda column, row: broken if column else good)])
    with Slide(tmp_path / "a.tif") as slide:
        for _ in range(2):
            with pytest.raises(SlideError, match="a tile of the file is broken"):
                slide.read(Box(300, 0, 100, 100))
            assert slide.read(Box(0, 0, 100, 100)).getpixel((50, 50))[0] > 190


@pytest.mark.parametrize(("um", "said"), [(None, "does not say how many microns"), (5.0, "says 5 µm a pixel")])
def test_microns_that_are_missing_or_nonsense_are_not_believed(um, said, drawn, tmp_path):
    write_slide(tmp_path / "a.tif", drawn.blocks, drawn.layout[:1, :2], um_per_px=um, steps=(1,))
    with Slide(tmp_path / "a.tif") as slide:
        assert slide.microns is None
        assert said in slide.notes[0]
        assert "no pyramid" in slide.notes[1]


def test_the_part_that_was_scanned_is_what_the_file_says_and_lies_in_it(drawn, monkeypatch):
    names = {"x": "1000", "y": "2000", "width": "90000", "height": "500"}
    properties = {f"openslide.bounds-{name}": value for name, value in names.items()}
    assert opening._bounds(properties, opening.Level(7168, 4096, 1.0)) == (Box(1000, 2000, 6168, 500), (1000, 2000))


def test_slides_are_told_from_photos(drawn, tmp_path):
    photo = tmp_path / "photo.tif"
    Image.new("RGB", (300, 200)).save(photo)
    tile = flat((200, 180, 190))
    large = tmp_path / "large.tif"
    write_tiff(large, [Made(10_000, 8_000, lambda *_: tile)])
    assert is_slide("nowhere/a.SVS")
    assert is_slide(large)
    assert not is_slide(photo)
    assert not is_slide(drawn.path)  # of 29 megapixels: as large as a photo may be
    assert not is_slide(tmp_path)
    photo.write_bytes(b"II*\0 nonsense")
    assert not is_slide(photo)


def test_without_openslide_one_line_says_how_to_get_it(drawn, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openslide", None)
    with pytest.raises(ImportError, match=r"pip install 'leukoscope\[slides\]'"):
        Slide(drawn.path)
