"""Files, folders and patterns of pictures on this machine, in a dependable order."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from seewhy.errors import InputError, did_you_mean, message
from seewhy.images.decode import MAX_FILE_BYTES, too_many_bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp")

Found = tuple[Path, str, str | None]
"""A file, its name for people, and the label that its folder gives it."""


def is_folder(path: str) -> bool:
    """Whether it is a folder ('~' is understood)."""
    return _asks(path, Path.is_dir)


def is_pattern(path: str) -> bool:
    """Whether it has wildcards and is not the name of a file itself."""
    return glob.has_magic(path) and not _asks(path, Path.exists)


def find_pictures(path: str) -> list[Found]:
    """The picture files that a path, folder or pattern names, each once.

    Folders are searched with everything below them, hidden names left out, in natural order ('2' before
    '10'). The first folder below the given one is the label, as in torchvision's ImageFolder.

    Raises
    ------
    InputError
        If nothing is there; the message names what is alike.
    """
    if is_folder(path):
        return _in_folder(Path(path).expanduser()) or _nothing_in(path)
    if is_pattern(path):
        return _by_pattern(path)
    if not _asks(path, Path.exists):
        raise _missing(path)
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(
            message(
                f"{path} is neither a file nor a folder.",
                "Pictures are plain files.",
                "Copy it to a file first.",
            )
        )
    return [(file, file.name, None)]


def read_file(path: Path, where: str) -> bytes:
    """The bytes of a picture file.

    Raises
    ------
    InputError
        If it cannot be opened or is larger than any picture.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InputError(
            message(
                f"{where} cannot be read ({error.strerror}).",
                "It must be a file that you may read.",
                "Check its permissions.",
            )
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise too_many_bytes(where, size)
    return data


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key that counts numbers as numbers and puts small and large letters together.

    >>> sorted(["b10", "b9", "B1"], key=natural)
    ['B1', 'b9', 'b10']
    """
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p.casefold()) for p in parts if p], text


def _in_folder(folder: Path) -> list[Found]:
    found = []
    for file in _walk(folder, set()):
        relative = file.relative_to(folder)
        label = relative.parts[0] if len(relative.parts) > 1 else None
        found.append((file, relative.as_posix(), label))
    return sorted(found, key=lambda one: [natural(part) for part in one[1].split("/")])


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Picture files at and below a folder; links are followed, each folder is visited once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            message(
                f"The folder {folder} cannot be listed ({error.strerror}).",
                "It must be a folder that you may read.",
                "Check its permissions.",
            )
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, seen)
        elif entry.suffix.lower() in SUFFIXES and entry.is_file():
            yield entry


def _by_pattern(pattern: str) -> list[Found]:
    matches = sorted(glob.glob(os.path.expanduser(pattern), recursive=True), key=natural)  # noqa: PTH111, PTH207
    found: dict[str, Found] = {}
    for match in map(Path, matches):
        inside = _in_folder(match) if match.is_dir() else []
        if match.is_file() and match.suffix.lower() in SUFFIXES:
            inside = [(match, match.name, None)]
        for one in inside:
            found.setdefault(os.path.realpath(one[0]), one)
    if not found:
        others = f", only {len(matches)} other entries such as {Path(matches[0]).name!r}" if matches else ""
        raise InputError(
            message(
                f"The pattern {pattern!r} matches no picture{others}.",
                f"Pictures are files that end in {', '.join(SUFFIXES)}.",
                f"Check the pattern; the working folder is {Path.cwd()}.",
            )
        )
    return list(found.values())


def _nothing_in(path: str) -> list[Found]:
    names = sorted(entry.name for entry in itertools.islice(Path(path).expanduser().iterdir(), 1000))
    holds = f"holds {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else "is empty"
    raise InputError(
        message(
            f"There is no picture in the folder {path}; it {holds}.",
            f"Pictures are files that end in {', '.join(SUFFIXES)}.",
            "Check the folder, or convert the pictures to one of these formats.",
        )
    )


def _missing(path: str) -> InputError:
    try:
        start = wanted = Path(path).expanduser()
    except RuntimeError:  # '~' of nobody
        start = wanted = Path(path)
    parent = wanted.parent
    while not _asks(str(parent), Path.is_dir) and parent != parent.parent:
        wanted, parent = parent, parent.parent
    try:  # comparing with more than a few thousand names takes noticeable time
        names = sorted(entry.name for entry in itertools.islice(parent.iterdir(), 5000))
    except OSError:
        names = []
    what = "file" if wanted == start else f"folder {str(wanted)!r} for the file"
    return InputError(
        message(
            f"There is no {what} {path[:300]!r}.",
            did_you_mean(wanted.name, names),
            f"Check the path; the working folder is {Path.cwd()}.",
        )
    )


def _asks(path: str, question: Callable[[Path], bool]) -> bool:
    """Ask the file system; names that it cannot even hold (too long, with a NUL) are not there."""
    try:
        return question(Path(path).expanduser())
    except (OSError, ValueError, RuntimeError):
        return False
