"""Files that are whole or not there, and whose names are on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from probe.host.files import sync_directory, write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_whole(path, b"old", 0o640)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        write_whole(path, b"new", 0o640)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"old"


def test_a_file_has_its_mode_and_its_name_is_synchronised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    write_whole(tmp_path / "x", b"data", 0o640)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert synced == [False, True], "the bytes first, then the name"


def test_a_fresh_file_takes_nobodys_place(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"first", 0o600, fresh=True)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "x", b"second", 0o600, fresh=True)
    assert (tmp_path / "x").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_a_directory_is_synchronised_as_one(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "x")
