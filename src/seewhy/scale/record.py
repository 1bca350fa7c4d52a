"""What a job's folder says about itself: manifest.json when it is finished, journal.jsonl until then.

Both carry the content key, a hash of what was asked for, so that two jobs never share a folder. Nothing in them
tells when, where or in how many attempts the job ran.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seewhy.errors import BadArtefact, InputError, message
from seewhy.scale.disk import append, reading, write_whole
from seewhy.scale.shards import Done, Failure, Shard

SCHEMA = "seewhy.job/1"
MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Content:
    """What a job makes: its key (JSON) and its shards."""

    key: Mapping[str, Any]
    shards: tuple[Shard, ...]

    @classmethod
    def of(cls, key: Mapping[str, Any], shards: tuple[Shard, ...]) -> Content:
        """With the key as it will be read back."""
        try:
            return cls(json.loads(json.dumps(dict(key), allow_nan=False)), shards)
        except (TypeError, ValueError) as error:
            raise InputError(
                message(
                    f"The key of the job cannot be written as JSON ({error}).",
                    "It holds texts, finite numbers, lists and dictionaries of them.",
                    "Convert its values.",
                )
            ) from error

    @property
    def sha256(self) -> str:
        """The content key: equal for equal content, different for anything else."""
        spans = [[shard.start, shard.stop] for shard in self.shards]
        text = json.dumps([SCHEMA, self.key, spans], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class State:
    """How far a folder is: `done` in the order of the shards."""

    content: Content
    done: tuple[Done, ...]
    finished: bool


def read_state(folder: Path) -> State | None:
    """What the folder says, or None if it says nothing. A manifest counts more than a journal beside it.

    Raises
    ------
    BadArtefact
        If what it says is damaged, of another format, or cannot be read.
    """
    for name, parse in ((MANIFEST, _from_manifest), (JOURNAL, _from_journal)):
        path = folder / name
        with reading(path):
            try:
                text = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
        try:
            return parse(text)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise BadArtefact(
                message(
                    f"{path} is damaged ({type(error).__name__}: {error}).",
                    f"It is JSON of the schema {SCHEMA}.",
                    f"Delete {name} and run the job again, which makes all shards anew.",
                )
            ) from error
    return None


def write_manifest(folder: Path, content: Content, done: Sequence[Done]) -> None:
    """Say that a folder is finished."""
    told = {
        "schema": SCHEMA,
        "content_key": content.sha256,
        "key": content.key,
        "n_items": sum(shard.stop - shard.start for shard in content.shards),
        "shards": [_shard_line(one) for one in done],
        "failed": [asdict(failure) for one in done for failure in one.failed],
    }
    write_whole(folder / MANIFEST, json.dumps(told, indent=1, sort_keys=True).encode() + b"\n")


def start_journal(folder: Path, content: Content, done: Sequence[Done]) -> None:
    """Say what is being made and which shards of it are there."""
    told = {
        "schema": SCHEMA,
        "content_key": content.sha256,
        "key": content.key,
        "shards": [[shard.start, shard.stop] for shard in content.shards],
    }
    write_whole(folder / JOURNAL, b"".join(map(_line, [told, *map(_journal_line, done)])))


def add_to_journal(folder: Path, done: Done) -> None:
    """Say that one more shard is there."""
    append(folder / JOURNAL, _line(_journal_line(done)))


def differences(there: Content, here: Content) -> list[str]:
    """In words, what two contents do not share."""
    a, b = dict(_leaves(there.key)), dict(_leaves(here.key))
    found = [
        f"{name} is {_shown(a, name)} there and {_shown(b, name)} here"
        for name in sorted({**a, **b})
        if _shown(a, name) != _shown(b, name)
    ]
    if there.shards != here.shards:
        found.append(f"there are {_plan_in_words(there.shards)} there and {_plan_in_words(here.shards)} here")
    return found


def _from_manifest(data: bytes) -> State:
    told = json.loads(data)
    failures = [Failure(int(f["item"]), str(f["name"]), str(f["error"])) for f in told["failed"]]
    done = tuple(_done(i, line, failures) for i, line in enumerate(told["shards"]))
    content = Content(dict(told["key"]), tuple(one.shard for one in done))
    _check(told, content)
    return State(content, done, finished=True)


def _from_journal(data: bytes) -> State:
    first, *lines = data.split(b"\n")
    told = json.loads(first)
    shards = tuple(Shard(i, int(start), int(stop)) for i, (start, stop) in enumerate(told["shards"]))
    content = Content(dict(told["key"]), shards)
    _check(told, content)
    done: dict[int, Done] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            one = _done(int(entry["index"]), entry, [Failure(**failure) for failure in entry["failed"]])
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a job that was killed while writing it: its shard is made again
        if one.shard in shards:
            done[one.shard.index] = one
    return State(content, tuple(done[i] for i in sorted(done)), finished=False)


def _check(told: Mapping[str, Any], content: Content) -> None:
    if told["schema"] != SCHEMA:
        raise ValueError(f"its schema is {told['schema']!r}")
    if told["content_key"] != content.sha256:
        raise ValueError("its content key does not fit its content")


def _done(index: int, line: Mapping[str, Any], failures: Sequence[Failure]) -> Done:
    shard = Shard(index, int(line["start"]), int(line["stop"]))
    own = tuple(f for f in failures if shard.start <= f.item < shard.stop)
    return Done(shard, int(line["n"]), int(line["bytes"]), str(line["sha256"]), own)


def _shard_line(done: Done) -> dict[str, Any]:
    shard = done.shard
    return {
        "name": shard.name,
        "start": shard.start,
        "stop": shard.stop,
        "n": done.n,
        "bytes": done.bytes,
        "sha256": done.sha256,
    }


def _journal_line(done: Done) -> dict[str, Any]:
    failed = [asdict(failure) for failure in done.failed]
    return {"index": done.shard.index, **_shard_line(done), "failed": failed}


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True).encode() + b"\n"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested dictionaries, by its dotted name."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _shown(values: Mapping[str, Any], name: str) -> str:
    return f"{values[name]!r:.60}" if name in values else "missing"


def _plan_in_words(shards: Sequence[Shard]) -> str:
    n = max((shard.stop - shard.start for shard in shards), default=0)
    return f"{len(shards)} shards of up to {n} items ({shards[-1].stop if shards else 0} in all)"
