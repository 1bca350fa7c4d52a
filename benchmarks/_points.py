"""Where a job touches its folder: every such call of the system can be counted, made to fail, or be the last.

The product calls the system through plain `os`, `io` and `fcntl` functions; these are replaced while a test or
benchmark runs, so that nothing in the product knows of it. Code of safetensors that reads files is not seen.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WRITES = ("open", "write", "fsync", "replace", "unlink", "mkdir", "close", "flock")
READS = ("stat", "listdir", "read", "fstat")


@contextmanager
def points(folder: Path, n: int = -1, act: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Within it the `n`-th call (from 0) that touches `folder` does `act(name)` instead.

    A write is half done first, and a close is done, because that is how they fail. Yields the list to which the
    names of the calls are added. One at a time, and not for several threads.
    """
    seen: list[str] = []
    ours: set[int] = set()  # open files in the folder

    def inside(thing: Any) -> bool:
        if isinstance(thing, int):
            return thing in ours
        return isinstance(thing, str | Path) and (Path(thing) == folder or folder in Path(thing).parents)

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not (args and inside(args[0])):
                return real(*args, **kwargs)
            mode = kwargs.get("mode", args[1] if len(args) > 1 else "r")
            if name == "read" and not {*"wax+"}.isdisjoint(str(mode)):
                raise AssertionError(f"{args[0]} is written in a way whose failures are not tried")
            seen.append(name)
            if len(seen) - 1 == n and act is not None:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                elif name == "close":
                    ours.discard(args[0])
                    real(*args)
                act(name)
            result = real(*args, **kwargs)
            if name == "open":
                ours.add(result)
            elif name == "close":
                ours.discard(args[0])
            return result

        return call

    places: list[tuple[Any, str, str]] = [
        (os, "open", "open"),
        (os, "write", "write"),
        (os, "fsync", "fsync"),
        (os, "replace", "replace"),
        (os, "unlink", "unlink"),
        (os, "mkdir", "mkdir"),
        (os, "close", "close"),
        (os, "stat", "stat"),
        (os, "fstat", "fstat"),
        (os, "listdir", "listdir"),
        (io, "open", "read"),
        (fcntl, "flock", "flock"),
    ]
    kept = [(module, attribute, getattr(module, attribute)) for module, attribute, _ in places]
    for (module, attribute, name), (_, _, real) in zip(places, kept, strict=True):
        setattr(module, attribute, wrapped(name, real))
    try:
        yield seen
    finally:
        for module, attribute, real in kept:
            setattr(module, attribute, real)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def half_written(
    now: dict[str, bytes], whole: dict[str, bytes], before: dict[str, bytes] | None = None
) -> list[str]:
    """Files under a final name that are neither as the finished job leaves them nor as they were before."""
    known = before or {}
    return [name for name, data in now.items() if data not in (whole.get(name, data), known.get(name))]
