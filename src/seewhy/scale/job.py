"""A long job as shards: killed at any moment it goes on where it was, and its folder does not show it.

Each shard is written whole (temporary name, sync, rename, sync of the folder) and only then told in the journal,
so that a killed job makes at most one shard again per worker. When all are there, the manifest replaces the
journal.

    folder/manifest.json            schema seewhy.job/1: content key, key, shards (n, bytes, sha256), failed items
    folder/shard-000000.safetensors
    folder/journal.jsonl            only until the job is finished
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seewhy.errors import BadArtefact, InputError, NotSupported, message
from seewhy.scale import record
from seewhy.scale.disk import LOCK, PART, locked, make_folder, reading, remove, write_whole
from seewhy.scale.local import Local
from seewhy.scale.record import JOURNAL, MANIFEST, Content, State, differences, read_state
from seewhy.scale.shards import (
    Done,
    Failure,
    Piece,
    Shard,
    check_plan,
    look_at,
    plan,
    problem_with,
    to_bytes,
)

Process = Callable[[Shard], Mapping[str, np.ndarray] | Piece]
"""Pure: the same shard gives the same arrays, in any process and however often."""

Progress = Callable[[int, int], None]
"""Told (done, total) items after each shard."""


class Executor(Protocol):
    """Who does the work: this process (`Local`), or the workers of a cluster that shares the folder."""

    def run(self, work: Callable[[Shard], None], shards: Sequence[Shard]) -> Iterator[Shard]:
        """Do `work` for each shard, in any order and place, and yield each one once its work has returned.

        `work` can be pickled if the job's process can, and may be done again for the same shard.
        """
        ...


@dataclass(frozen=True)
class Finished:
    """A folder in which everything is there.

    `n_run` is how many shards had to be made by the call that returned this.
    """

    folder: Path
    key: Mapping[str, Any]
    shards: tuple[Done, ...]
    n_run: int = 0

    @property
    def failed(self) -> tuple[Failure, ...]:
        """The items that gave nothing, in order."""
        return tuple(failure for done in self.shards for failure in done.failed)

    def problems(self) -> list[str]:
        """Which shards are missing or not as they were written (by their SHA-256), in words."""
        found = (problem_with(self.folder, done, verify=True) for done in self.shards)
        return [problem for problem in found if problem is not None]


@dataclass(frozen=True)
class Job:
    """Work on many items that survives being killed.

    Parameters
    ----------
    folder
        Where the shards go: new, empty, or this job's own.
    key
        Everything that the result depends on, as JSON. Another key in the same folder is refused.
    shards
        The items in parts, as `plan` makes them.
    process
        What to do with a part: a pure function to named arrays, or to a `Piece` if items may fail.
    """

    folder: Path
    key: Mapping[str, Any]
    shards: Sequence[Shard]
    process: Process

    def __post_init__(self) -> None:
        content = Content.of(self.key, check_plan(self.shards))
        object.__setattr__(self, "folder", Path(self.folder).expanduser())
        object.__setattr__(self, "key", content.key)
        object.__setattr__(self, "shards", content.shards)

    def run(
        self, executor: Executor | None = None, progress: Progress | None = None, *, verify: bool = False
    ) -> Finished:
        """Make the shards that are not there yet.

        Parameters
        ----------
        executor
            Who works; default `Local`.
        progress
            Told (done, total) items after each shard.
        verify
            Look at the SHA-256 of the shards that are there, not only at their size, and make those that
            differ again.

        Raises
        ------
        InputError
            If the folder cannot be written, holds other files, or is being written by someone else.
        BadArtefact
            If the folder holds another job, or its records are damaged.
        """
        state = self._state()
        bad = set(self._not_whole(state, verify))
        if state is not None and state.finished and not bad and not self._leftovers():
            return Finished(self.folder, self.key, state.done)  # nothing is written, not even a lock
        make_folder(self.folder)
        with locked(self.folder):
            state = self._state()  # again: whoever held the lock before may have gone on
            bad |= set(self._not_whole(state, verify=False))
            done = {one.shard: one for one in state.done if one not in bad} if state is not None else {}
            missing = [shard for shard in self.shards if shard not in done]
            if missing or state is None or not state.finished:
                self._make(missing, done, executor or Local(), progress)
            for leftover in self._leftovers():
                if leftover.name != LOCK:
                    remove(leftover)
        return Finished(self.folder, self.key, tuple(done[shard] for shard in self.shards), len(missing))

    def _make(
        self, missing: Sequence[Shard], done: dict[Shard, Done], executor: Executor, progress: Progress | None
    ) -> None:
        """Make the missing shards, adding each to `done` and to the journal, and write the manifest."""
        content = Content(self.key, tuple(self.shards))
        # The journal first: at every moment one of the two files says what the folder holds.
        record.start_journal(self.folder, content, list(done.values()))
        remove(self.folder / MANIFEST)
        total = sum(shard.stop - shard.start for shard in self.shards)
        for shard in executor.run(_Work(self.folder, self.process), missing):
            done[shard] = look_at(self.folder, shard)
            record.add_to_journal(self.folder, done[shard])
            if progress is not None:
                progress(sum(one.stop - one.start for one in done), total)
        if absent := [shard for shard in self.shards if shard not in done]:
            raise NotSupported(
                message(
                    f"{type(executor).__name__} ended without {absent[0].name} and {len(absent) - 1} more.",
                    "An executor yields every shard once its work is done.",
                    "Run again with Local(), or repair the executor.",
                )
            )
        record.write_manifest(self.folder, content, [done[shard] for shard in self.shards])

    def _state(self) -> State | None:
        """What the folder says, if it is this job's; None if it is free for it."""
        state = read_state(self.folder)
        content = Content(self.key, tuple(self.shards))
        if state is not None and state.content.sha256 != content.sha256:
            raise BadArtefact(
                message(
                    f"{self.folder} holds another job: {'; '.join(differences(state.content, content)[:4])}.",
                    "One folder holds the result of one job.",
                    "Choose another folder, delete this one, or ask as before.",
                )
            )
        if state is None:
            with reading(self.folder):
                names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
            if others := sorted(name for name in names if not _is_ours(name)):
                raise InputError(
                    message(
                        f"{self.folder} holds other files, such as {others[0]}.",
                        "A job writes into a folder of its own.",
                        "Pass a new or empty folder.",
                    )
                )
        return state

    def _not_whole(self, state: State | None, verify: bool) -> list[Done]:
        done = state.done if state is not None else ()
        return [one for one in done if problem_with(self.folder, one, verify=verify) is not None]

    def _leftovers(self) -> list[Path]:
        """What is there of our making besides the manifest and the shards."""
        with reading(self.folder):
            names = sorted(path.name for path in self.folder.iterdir())
        return [self.folder / n for n in names if n in (JOURNAL, LOCK) or (_is_ours(n) and n.endswith(PART))]


@dataclass(frozen=True)
class _Work:
    """What a worker does: make one shard and write it."""

    folder: Path
    process: Process

    def __call__(self, shard: Shard) -> None:
        made = self.process(shard)
        piece = made if isinstance(made, Piece) else Piece(made)
        write_whole(self.folder / shard.name, to_bytes(shard, piece))


def finished(folder: Path | str) -> Finished:
    """Open the folder of a finished job.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    BadArtefact
        If its manifest is damaged or of another format.
    """
    folder = Path(folder).expanduser()
    state = read_state(folder)
    if state is None:
        raise InputError(
            message(
                f"{folder} has no {MANIFEST}.",
                "The folder of a finished job has one.",
                "Check the path, or run the job that fills it.",
            )
        )
    if not state.finished:
        raise InputError(
            message(
                f"{folder} is not finished: {len(state.done)} of {len(state.content.shards)} shards are there.",
                "All of them are needed.",
                "Run the same job again; it goes on where it was.",
            )
        )
    return Finished(folder, state.content.key, state.done)


def _is_ours(name: str) -> bool:
    whole = name.removesuffix(PART)
    return whole in (MANIFEST, JOURNAL, LOCK) or (
        whole.startswith("shard-") and whole.endswith(".safetensors")
    )


__all__ = ["Done", "Executor", "Failure", "Finished", "Job", "Piece", "Process", "Progress", "Shard"]
__all__ += ["finished", "plan"]
