"""Archives of photos: what is read, and what a hostile one gets."""

import io
import random
import stat
import struct
import zipfile

import pytest

from leukoscope import ImageError
from leukoscope.scanning.archives import LONGEST_NAME, ZipLimits, is_zip, photos_in_zip, readable_name


def packed(*files, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of (name or ZipInfo, content) pairs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


NOISE = random.Random(0).randbytes(5000)


def test_files_come_out_in_order_by_their_last_name():
    data = packed(
        ("smear/b.png", NOISE), ("a.png", b"two"), ("smear/", b""), (".hidden", b"x"), ("__MACOSX/a.png", b"")
    )
    assert list(photos_in_zip(data)) == [("b.png", NOISE), ("a.png", b"two")]


def test_a_path_is_read_as_bytes_are(tmp_path):
    (tmp_path / "photos.zip").write_bytes(packed(("a.png", NOISE)))
    assert list(photos_in_zip(tmp_path / "photos.zip")) == [("a.png", NOISE)]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.png", "/etc/passwd.png", "..\\..\\passwd.png", "a/../../passwd.png"]
)
def test_paths_are_never_followed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(photos_in_zip(packed((name, b"mine")))) == [("passwd.png", b"mine")]
    assert list(tmp_path.iterdir()) == []


def test_links_are_refused():
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert list(photos_in_zip(packed((link, "/etc/passwd")))) == [("link.png", "it is a link, not a file")]


def test_an_archive_inside_is_not_opened():
    inner = packed(("a.png", NOISE))
    assert list(photos_in_zip(packed(("in.png", inner), ("b.png", b"b")))) == [
        ("in.png", "an archive inside an archive is not opened"),
        ("b.png", b"b"),
    ]


def test_a_bomb_is_stopped_early_and_the_rest_is_read():
    bomb = packed(("bomb.png", bytes(30 * 2**20)), ("good.png", NOISE))
    assert len(bomb) < 100_000
    (name, reason), good = photos_in_zip(bomb)
    assert name == "bomb.png"
    assert reason == "it unpacks to more than 100 times its size, as no photo does"
    assert good == ("good.png", NOISE)


def test_sizes_that_lie_do_not_help():
    data = bytearray(packed(("bomb.png", bytes(30 * 2**20))))
    central = data.rindex(b"PK\x01\x02")
    for place in (22, central + 24):  # the unpacked size, before the file and in the directory
        data[place : place + 4] = struct.pack("<I", 100)
    ((_, reason),) = photos_in_zip(bytes(data))
    assert isinstance(reason, str)


def test_limits_of_count_and_size():
    limits = ZipLimits(photos=2, photo_bytes=6000, all_bytes=8000, ratio=1e9)
    data = packed(*((f"{i}.png", NOISE) for i in range(5)), compression=zipfile.ZIP_STORED)
    first, second, third = photos_in_zip(data, limits)
    assert first == ("0.png", NOISE)
    assert second == ("1.png", "the archive unpacks to more than 0 MB: the rest was left out")
    assert third == ("2.png", "only the first 2 files of an archive are read: the rest was left out")
    ((_, reason),) = photos_in_zip(packed(("large.png", NOISE + NOISE)), limits)
    assert reason == "it is larger than 0 MB"


def test_an_endless_directory_is_not_read():
    with pytest.raises(ImageError, match="lists more than 10,000 files"):
        list(photos_in_zip(b"PK\x03\x04" + b"PK\x01\x02" * 10_001))


def test_an_encrypted_file_is_told():
    data = bytearray(packed(("a.png", b"a")))
    for place in (6, data.rindex(b"PK\x01\x02") + 8):
        data[place] |= 1
    assert list(photos_in_zip(bytes(data))) == [("a.png", "it is encrypted")]


def test_damage_is_told():
    data = packed(("a.png", NOISE), ("b.png", b"b"), compression=zipfile.ZIP_STORED)
    broken = bytearray(data)
    broken[100] ^= 255
    assert next(photos_in_zip(bytes(broken))) == ("a.png", "it is damaged, or packed in a way that is not read")
    with pytest.raises(ImageError, match="damaged or cut short"):
        list(photos_in_zip(data[: len(data) // 2]))


@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_bytes_raise_nothing_else(seed):
    data = packed(("a.png", NOISE), ("b.txt", b"b" * 400), ("c.png", NOISE))
    rng = random.Random(seed)
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            broken[rng.choice([rng.randrange(len(data)), rng.randrange(len(data) - 250, len(data))])] = rng.randrange(
                256
            )
        try:
            for name, content in photos_in_zip(bytes(broken)):
                assert len(name) <= LONGEST_NAME
                assert isinstance(content, bytes | str)
        except ImageError:
            pass


def test_names_can_be_shown():
    assert readable_name("a\x00b\x1b[31m\u202ec.png") == "ab[31mc.png"
    assert readable_name("") == readable_name("\n") == "unnamed"
    long = readable_name("x" * 300 + ".jpeg")
    assert len(long) == LONGEST_NAME
    assert long.endswith("…xxxxx.jpeg")


def test_told_by_content():
    assert is_zip(packed(("a", b"a")))
    assert is_zip(packed())
    assert not is_zip(b"PNG")
