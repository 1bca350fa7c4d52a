"""A small job for the tests of this folder, and a process that kills itself while it does it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
from benchmarks._points import contents, half_written, points

from seewhy.scale.job import Failure, Job, Piece, Shard, plan

N, PER_SHARD = 10, 3


def numbers(shard: Shard) -> Piece:
    """The items' squares; item 4 fails."""
    items = [i for i in range(shard.start, shard.stop) if i != 4]
    failed = (Failure(4, "four", "It is four."),) if shard.start <= 4 < shard.stop else ()
    return Piece({"squares": np.array(items) ** 2, "halves": np.array(items, np.float16) / 2}, failed)


class Counted:
    """`numbers`, and for which shards it was called."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, shard: Shard) -> Piece:
        self.calls.append(shard.index)
        return numbers(shard)


def job(folder: Path, process: object = numbers, **key: object) -> Job:
    return Job(folder, {"what": "squares", **key}, plan(N, PER_SHARD), process)  # type: ignore[arg-type]


def killed_everywhere(base: Path) -> int:
    """Kill a run at each point in turn, go on, and stop with what is wrong; gives the number of points."""
    job(base / "whole").run()
    whole = contents(base / "whole")
    n = 0
    while True:
        folder = base / f"killed-{n}"
        if (child := os.fork()) == 0:
            with points(folder, n, lambda name: os.kill(os.getpid(), signal.SIGKILL)):
                job(folder).run()
            os._exit(0)
        died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        before = contents(folder)
        if wrong := half_written(before, whole):
            sys.exit(f"point {n}: {wrong} half written")
        counted = Counted()
        job(folder, counted).run()
        n_there = sum(name.endswith(".safetensors") for name in before)
        if len(counted.calls) > 4 - n_there + 1:
            sys.exit(f"point {n}: {n_there} shards were there, {counted.calls} were made again")
        if contents(folder) != whole:
            sys.exit(f"point {n}: {sorted(contents(folder))} differs from {sorted(whole)}")
        if not died:
            return n
        n += 1


if __name__ == "__main__":
    sys.stdout.write(str(killed_everywhere(Path(sys.argv[1]))))
