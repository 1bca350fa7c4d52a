"""Scenes of a task as files that other programs read: whole or not there, and the same bytes every time.

An export is made in a folder `.NAME.part` beside the one asked for, which gets its name when everything is on the
disk. Killed, it goes on after the last finished shard when it is run again; when it fails, nothing is left.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seewhy._version import __version__
from seewhy.errors import InputError, message
from seewhy.scale.disk import LOCK, PART, locked, make_folder, write_whole
from seewhy.scale.shards import Shard, plan
from seewhy.world.export.base import FORMATS, Files
from seewhy.world.export.records import Order, Record
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.tasks.splits import scene_seed
from seewhy.world.tasks.tasks import Task

SCHEMA = "seewhy.world/1"
MANIFEST = "manifest.json"
LICENCE = "CC0-1.0"

DATA, PIECES = "data", "pieces"
_JOURNAL = "journal.json"
_PER_SHARD = 1000
_SHARD_BYTES = 1 << 26
"""A shard has at most so many scenes, and so many bytes of pixels: one shard is held in memory."""

Progress = Callable[[int, int], None]
"""Told (done, total) scenes."""


@dataclass(frozen=True)
class Manifest:
    """What an export holds; manifest.json in its folder says the same.

    Attributes
    ----------
    rule, classes
        Of the task: the expression that makes the labels, and the words of their values.
    split_seed, scene_seed
        The split's number, and the seed of all scenes of this task and split.
    n
        Scenes 0 to n - 1 of the split.
    first_sha256, last_sha256
        `Record.sha256` of the first and the last scene: the same in every format.
    """

    schema: str
    seewhy_version: str
    world_version: str
    task: str
    title: str
    kind: str
    rule: str
    classes: tuple[str, ...]
    split: str
    split_seed: int
    scene_seed: int
    size: int
    n: int
    difficulty: int
    bias: float | None
    format: str
    n_shards: int
    first_sha256: str
    last_sha256: str
    licence: str

    def to_dict(self) -> dict[str, Any]:
        """As in manifest.json."""
        return {**asdict(self), "classes": list(self.classes)}

    def to_text(self) -> str:
        """In a few words."""
        return (
            f"{self.n} scenes of {self.task} {self.split}, {self.size} px, difficulty {self.difficulty}, "
            f"as {self.format} in {self.n_shards} {'shard' if self.n_shards == 1 else 'shards'}; "
            f"world {self.world_version}, {self.licence}"
        )


def export(
    task: str | Task,
    split: str,
    folder: str | Path,
    *,
    format: str = "webdataset",
    size: int = 96,
    n: int | None = None,
    difficulty: int = 1,
    bias: float | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write the first scenes of a task's split.

    Parameters
    ----------
    task, split
        Such as "T1" and "test".
    folder
        New or empty.
    format
        "webdataset" (tar), "parquet" (for Hugging Face `datasets`; needs pyarrow), "coco", "npz", "folder" (PNG and
        JSON lines), or "funnybirds" (T4 only).
    size
        Side in pixels, 8 to 2048.
    n
        How many scenes; the split's own number if not given.
    difficulty
        0, 1 or 2, as in `Grammar.of`.
    bias
        Share of the scenes whose cue goes with their label, as in `Task.scene`.
    progress
        Told (done, total) scenes after each.

    Raises
    ------
    UnknownName
        If there is no such task, split or format; the message names the nearest.
    InputError
        If a number is out of range, the folder is not empty, or it cannot be written (a full disk): then nothing is
        left.
    MissingExtra
        If the format needs a package that is not installed.
    """
    order = Order.of(task, split, size=size, n=n, difficulty=difficulty, bias=bias)
    name = FORMATS.canonical(format)
    FORMATS[name].check(order)
    target = Path(folder).expanduser().resolve()
    shards = plan(order.n, scenes_per_shard(order.size))
    manifest = _manifest(order, name, len(shards))
    with _told(target), _working(target) as work:
        key = manifest.to_dict()
        done = _done(work, key)
        if not done:
            _clear(work)
        files = Files(work / DATA, work / PIECES)
        make_folder(files.folder)
        for shard in shards[done:]:
            FORMATS[name].write(order, shard, len(shards), _records(order, shard, progress), files)
            files.sync()
            write_whole(work / _JOURNAL, json.dumps({"key": key, "done": shard.index + 1}).encode())
        FORMATS[name].finish(order, shards, files)
        files.put(MANIFEST, json.dumps(key, indent=1).encode() + b"\n")
        files.sync()
    return manifest


def scenes_per_shard(size: int) -> int:
    """How many scenes of that size go into one file."""
    return max(1, min(_PER_SHARD, _SHARD_BYTES // (3 * size * size)))


def _records(order: Order, shard: Shard, progress: Progress | None) -> Iterator[Record]:
    for index in range(shard.start, shard.stop):
        yield order.record(index)
        if progress is not None:
            progress(index + 1, order.n)


def _manifest(order: Order, form: str, n_shards: int) -> Manifest:
    task, split = order.task, order.split
    return Manifest(
        schema=SCHEMA,
        seewhy_version=__version__,
        world_version=WORLD_VERSION,
        task=task.name,
        title=task.title,
        kind=task.kind,
        rule=task.rule,
        classes=task.classes,
        split=split.name,
        split_seed=split.seed,
        scene_seed=scene_seed(task.name, split.name),
        size=order.size,
        n=order.n,
        difficulty=order.difficulty,
        bias=order.bias,
        format=form,
        n_shards=n_shards,
        first_sha256=order.record(0).sha256,
        last_sha256=order.record(order.n - 1).sha256,
        licence=LICENCE,
    )


def _done(work: Path, key: dict[str, Any]) -> int:
    """How many shards of this very export a killed run has left."""
    try:
        journal = json.loads((work / _JOURNAL).read_bytes())
        same = journal["key"] == key
        return int(journal["done"]) if same and (work / DATA).is_dir() else 0
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


@contextmanager
def _working(target: Path) -> Iterator[Path]:
    """The folder to work in, held against others; at the end its data get their name and the rest is removed.

    After an error nothing is left. A process that is killed or interrupted leaves the folder for the next one.
    """
    _check_free(target)
    work = target.with_name(f".{target.name}.part")
    made = [parent for parent in (target.parent, *target.parent.parents) if not parent.exists()]
    new, held, named = not work.exists(), False, False
    try:
        make_folder(work)
        with locked(work):
            held = True
            try:
                _check_free(target)  # again: whoever held the lock may have finished
                yield work
                os.replace(work / DATA, target)  # noqa: PTH105
                named = True
                _clear(work)
            except Exception:
                _clear(work)
                _drop_lock(work)  # while it is held, so that nobody takes it for theirs
                raise
    except Exception as error:
        if not named:
            if new and not held and not isinstance(error.__cause__, BlockingIOError):
                _drop_lock(work)  # the system made the file and then refused to hold it
            for empty in (work, *made):
                with suppress(OSError):
                    empty.rmdir()
            raise
    with suppress(OSError):
        work.rmdir()


def _clear(work: Path) -> None:
    """Remove what a run leaves in its folder, except the lock."""
    for name in (DATA, PIECES):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in (_JOURNAL, _JOURNAL + PART):
        with suppress(OSError):
            (work / name).unlink(missing_ok=True)


def _drop_lock(work: Path) -> None:
    with suppress(OSError):
        (work / LOCK).unlink(missing_ok=True)


def _check_free(target: Path) -> None:
    if target.is_dir() and target != Path.cwd():
        first = min((path.name for path in target.iterdir()), default=None)
        if first is None:
            return
        came = f"The folder {target} holds other files, such as {first}."
    elif target == Path.cwd():
        came = f"The folder {target} is the one you work in."
    elif target.exists():
        came = f"{target} is a file."
    else:
        return
    raise InputError(
        message(came, "An export writes a folder of its own, new or empty.", "Pass the path of a new folder.")
    )


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turn what the system refuses into one error that says what is left: nothing."""
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or isinstance(cause, BlockingIOError):
            raise
        raise InputError(
            message(
                f"The export to {target} cannot be written ({cause.strerror or cause}).",
                "Its disk must be writable and have room for all of it; what was written has been removed.",
                "Make room, choose another folder, or ask for fewer or smaller scenes.",
            )
        ) from cause
