"""Files that are whole or not there; what a full disk and a kill do to them is in test_faults.py."""

import errno
import os
import stat

import pytest

from leukoscope.files import move_whole, write_whole


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """What is seen onto the disk: each "file" or "folder", in order."""
    seen: list[str] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    monkeypatch.setattr("os.fsync", watched)
    return seen


def test_content_then_name_are_seen_onto_the_disk(tmp_path, synced):
    write_whole(tmp_path / "a", b"one")
    assert synced == ["file", "folder"]
    move_whole(tmp_path / "a", tmp_path / "b")
    assert synced == ["file", "folder", "folder"]
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("b", b"one")]


def test_a_file_has_the_rights_that_any_new_one_has(tmp_path):
    write_whole(tmp_path / "whole", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("refuses", ["open", "fsync"])
def test_a_system_that_does_not_sync_folders_gets_its_file(tmp_path, monkeypatch, refuses):
    """Windows opens no folder, and some network file systems sync none: neither keeps a file from being written."""
    plain = getattr(os, refuses)

    def refusing(what, *rest):
        if what == tmp_path or (isinstance(what, int) and stat.S_ISDIR(os.fstat(what).st_mode)):
            refused.append(what)
            raise OSError(errno.EINVAL, "not of a folder")
        return plain(what, *rest)

    refused: list[object] = []
    monkeypatch.setattr(f"os.{refuses}", refusing)
    write_whole(tmp_path / "a", b"one")
    move_whole(tmp_path / "a", tmp_path / "b")
    assert len(refused) == 2
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("b", b"one")]
    for handle in refused:
        if isinstance(handle, int):
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(handle)
