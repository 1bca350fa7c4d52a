"""What every format of an export shares: how files are written, and what a format has to say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seewhy.registry import Registry
from seewhy.scale.shards import Shard
from seewhy.world.export.records import Order, Record


@dataclass
class Files:
    """The files of an export while it is made; nobody looks at the folder before it is whole.

    `scratch` is a second folder, for pieces that are joined into one file at the end.
    """

    folder: Path
    scratch: Path
    _fresh: list[Path] = field(default_factory=list)

    def put(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Write a file, in pieces if it is given in pieces."""
        self._write(self.folder / name, data)

    def put_piece(self, name: str, data: bytes) -> None:
        """Write a piece of a file."""
        self._write(self.scratch / name, data)

    def joined(self, names: Iterable[str], between: bytes = b"") -> Iterator[bytes]:
        """The contents of pieces one after the other."""
        for at, name in enumerate(names):
            if at and between:
                yield between
            yield (self.scratch / name).read_bytes()

    def sync(self) -> None:
        """Have what was put since the last time on the disk; for many small files faster than one by one."""
        for path in self._fresh:
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        self._fresh.clear()

    def _write(self, path: Path, data: bytes | Iterable[bytes]) -> None:
        if not path.parent.is_dir():
            os.makedirs(path.parent)  # noqa: PTH103
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            for piece in [data] if isinstance(data, bytes) else data:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        self._fresh.append(path)


Write = Callable[[Order, Shard, int, Iterator[Record], Files], None]
"""Write the records of one shard, of so many; told again the same, it writes the same files."""


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Format:
    """A way to lay out records in files.

    Attributes
    ----------
    write
        What is done for each shard, in order.
    finish
        What is done once all shards are written.
    check
        Raises what speaks against the format before anything is written.
    """

    write: Write
    finish: Callable[[Order, Sequence[Shard], Files], None] = _nothing
    check: Callable[[Order], None] = _nothing


FORMATS: Registry[Format] = Registry("format")
for _name in ("webdataset", "parquet", "coco", "npz", "folder", "funnybirds"):
    FORMATS.add_lazy(_name, f"seewhy.world.export.{_name}:FORMAT")
