import os

import folder_watch
import pytest
from folder_watch import allowed, arrived


def test_only_folders_below_the_root_are_watched(tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "photos").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "file.png").write_bytes(b"x")
    monkeypatch.setenv(folder_watch.ROOT_VARIABLE, str(root))
    assert allowed("photos") == root / "photos"
    assert allowed(str(root / "photos")) == root / "photos"
    for name in ("..", "/", str(outside), "photos/../../outside", "link", "/etc"):
        with pytest.raises(ValueError, match="Only folders below"):
            allowed(name)
    for name in ("missing", "file.png", "nul\0"):
        with pytest.raises(ValueError, match="There is no folder"):
            allowed(name)


def test_a_file_is_taken_when_it_has_settled_and_again_when_it_changed(tmp_path):
    seen = set()
    file = tmp_path / "a.png"
    file.write_bytes(b"half")
    written = file.stat().st_mtime
    assert arrived(tmp_path, seen, now=written + 0.1) == [], "a camera may still be writing it"
    assert arrived(tmp_path, seen, now=written + 2) == [file]
    assert arrived(tmp_path, seen, now=written + 4) == []
    file.write_bytes(b"whole now")
    os.utime(file, (written + 5, written + 5))
    assert arrived(tmp_path, seen, now=written + 9) == [file]
    (tmp_path / "notes.txt").write_text("no picture")
    assert arrived(tmp_path, seen, now=written + 20) == []
