"""Bytes are on the disk before their name is, and one at a time holds a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks._points import points

from seewhy.errors import InputError
from seewhy.scale.disk import LOCK, append, locked, write_whole


def test_a_file_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path: Path) -> None:
    with points(tmp_path) as seen:
        write_whole(tmp_path / "a", b"abc")
    assert seen == ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]
    with points(tmp_path) as seen:
        append(tmp_path / "a", b"def")
    assert seen == ["open", "write", "fsync", "close"]
    assert (tmp_path / "a").read_bytes() == b"abcdef"


def test_a_system_that_writes_a_little_at_a_time_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:3]))
    write_whole(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_lock_keeps_others_out_until_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(InputError, match="being written by someone else"), locked(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass


def test_a_lock_that_was_taken_away_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock, calls = fcntl.flock, []

    def late(file: int, how: int) -> None:
        if not calls:  # between opening and locking, the holder ends and removes the file
            (tmp_path / LOCK).unlink()
        calls.append(file)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path):
        assert len(calls) == 2 and (tmp_path / LOCK).exists()
