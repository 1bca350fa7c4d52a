"""Files that are whole or not there: the few ways in which a job touches its folder.

A file gets its final name only once its bytes are on the disk, and a folder is asked to keep the name. Whatever
the system refuses becomes an error that names the file and says what is safe.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seewhy.errors import BadArtefact, InputError, message

LOCK = ".lock"
PART = ".part"
"""What is added to the name of a file while it is written."""

_NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP)
"""Some network file systems answer so when asked to sync a folder; there is nothing else to do then."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is written into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            message(
                f"{path} cannot be written ({error.strerror or error}).",
                "The folder of a job must be writable and have room for its shards.",
                "Make room or choose another folder, and run again; finished shards are not done again.",
            )
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system refuses while `path` is read into a BadArtefact."""
    try:
        yield
    except OSError as error:
        raise BadArtefact(
            message(
                f"{path} cannot be read ({error.strerror or error}).",
                "The folder of a job must be readable, with all of its files.",
                "Check the disk and the permissions, and run again.",
            )
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are not there.

    Raises
    ------
    InputError
        If it cannot be made, or is a file.
    """
    with writing(folder):
        if folder.is_file():
            raise InputError(
                message(
                    f"{folder} is a file.",
                    "A job writes into a folder of its own.",
                    "Pass another path, or move the file away.",
                )
            )
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(folder.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file such that it is there with all of its bytes, or not there (or as it was)."""
    part = path.with_name(path.name + PART)
    with writing(path):
        _write(part, data, os.O_TRUNC)
        os.replace(part, path)  # noqa: PTH105
        _sync_folder(path.parent)


def append(path: Path, data: bytes) -> None:
    """Add to a file. Killed on the way, it may end in a part of `data`."""
    with writing(path):
        _write(path, data, os.O_APPEND)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with writing(path):
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who writes into a folder; the system lets go when the process dies, however it dies.

    Raises
    ------
    InputError
        If another process or thread is writing there.
    """
    path = folder / LOCK
    with writing(path):
        held = _hold(path)
    try:
        yield
        remove(path)  # while it is held, so that whoever waits for this file notices (see `_hold`)
    finally:
        with suppress(OSError):  # nothing was written to it
            os.close(held)


def _hold(path: Path) -> int:
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(held, path):
                return held
        except BlockingIOError as error:
            os.close(held)
            raise InputError(
                message(
                    f"{path.parent} is being written by someone else.",
                    "One job at a time may write into a folder.",
                    "Wait until it has finished, or choose another folder.",
                )
            ) from error
        except OSError:
            os.close(held)
            raise
        os.close(held)  # whoever held it before has removed it: this lock would keep nobody out


def _is_at(held: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(held), path.stat())
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes, how: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(handle)
