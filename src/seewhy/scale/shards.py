"""The parts of a job and what each of them gives: a file of arrays that says what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from seewhy.errors import BadArtefact, InputError, message
from seewhy.scale.disk import reading

_ABOUT = "seewhy.shard"
"""The one metadata entry of a shard; more than one would be written in any order."""


@dataclass(frozen=True)
class Shard:
    """The items `start` to `stop` (half-open) of a job."""

    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Its file in the folder of the job."""
        return f"shard-{self.index:06d}.safetensors"


@dataclass(frozen=True)
class Failure:
    """An item that gave nothing, and why."""

    item: int
    name: str
    error: str


@dataclass(frozen=True)
class Piece:
    """What processing a shard gives: arrays for the items that worked, in order, and those that failed."""

    arrays: Mapping[str, np.ndarray]
    failed: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Done:
    """A shard that is on the disk: how many items it holds, and its size in bytes and SHA-256."""

    shard: Shard
    n: int
    bytes: int
    sha256: str
    failed: tuple[Failure, ...] = ()


def plan(n_items: int, per_shard: int) -> list[Shard]:
    """Cut `n_items` items into shards of `per_shard`; the last one may be smaller.

    >>> plan(5, 2)
    [Shard(index=0, start=0, stop=2), Shard(index=1, start=2, stop=4), Shard(index=2, start=4, stop=5)]
    """
    for name, value, least in (("n_items", n_items, 0), ("per_shard", per_shard, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(
                message(f"{name} is {value!r}.", f"It is a whole number from {least}.", f"Pass {name}=100.")
            )
    starts = range(0, n_items, per_shard)
    return [Shard(i, start, min(start + per_shard, n_items)) for i, start in enumerate(starts)]


def check_plan(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The shards, if they follow one another without a gap from item 0."""
    at = 0
    for index, shard in enumerate(shards):
        if (shard.index, shard.start) != (index, at) or shard.stop <= shard.start:
            raise InputError(
                message(
                    f"The {index}th shard is {shard}.",
                    f"It must have the index {index}, start at item {at} and hold an item.",
                    "Make the shards with seewhy.scale.job.plan.",
                )
            )
        at = shard.stop
    return tuple(shards)


def to_bytes(shard: Shard, made: Piece) -> bytes:
    """The file of a shard; the same content gives the same bytes."""
    about = {"failed": [asdict(failure) for failure in made.failed]}
    arrays = {name: np.asarray(made.arrays[name], order="C") for name in sorted(made.arrays)}
    try:
        data: bytes = safetensors.numpy.save(arrays, {_ABOUT: json.dumps(about, sort_keys=True)})
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        kinds = ", ".join(f"{name} of {array.dtype}" for name, array in arrays.items())
        raise InputError(
            message(
                f"Processing {shard.name} gave {kinds}.",
                "A shard holds arrays of numbers.",
                "Encode other things, text for instance as uint8.",
            )
        ) from error
    return data


def look_at(folder: Path, shard: Shard) -> Done:
    """What is on the disk for a shard that has just been written."""
    path = folder / shard.name
    with reading(path):
        data = path.read_bytes()
    about: dict[str, Any] = json.loads(_metadata(data)[_ABOUT])
    failed = tuple(Failure(**failure) for failure in about["failed"])
    n = shard.stop - shard.start - len(failed)
    return Done(shard, n, len(data), hashlib.sha256(data).hexdigest(), failed)


def problem_with(folder: Path, done: Done, *, verify: bool) -> str | None:
    """What is wrong with a shard on the disk, in words; with `verify` its SHA-256 counts, else only its size."""
    name = done.shard.name
    path = folder / name
    with reading(path):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"{name} is missing"
        if size != done.bytes:
            return f"{name} has {size} bytes, not {done.bytes}"
        if verify:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != done.sha256:
                    return f"{name} has been changed (its SHA-256 differs)"
    return None


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata in the header of a safetensors file: 8 bytes of its length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    try:
        found: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    except (ValueError, KeyError) as error:
        raise BadArtefact(
            message(
                f"A shard that was just written reads as {data[:16]!r}.",
                "What is read must be what was written.",
                "Check the disk, and run again.",
            )
        ) from error
    return found
