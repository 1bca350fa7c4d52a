"""Claim: each call that touches the folder of an extraction may fail once; it is told, and nothing is lost.

A small extraction is run again and again; in run n the n-th system call that concerns its folder (open, write,
fsync, rename, unlink, mkdir, lock, close; looking and reading too) fails, as on a full disk, on a broken one and on
one that has become read-only. A write is half done before it fails. Three jobs: one from the beginning, one that
goes on, and one that repairs a finished folder. After each fault no file may be half written under its final name,
and the same call must then finish with the bytes of a run that nothing disturbed. Faults are injected by
replacing functions of `os`, `io` and `fcntl` in this process; reads inside safetensors are not reached. One call
may fail without a word ("finished" in the result): closing the lock file, to which nothing is ever written.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import torch

from benchmarks import _extraction
from benchmarks._points import READS, contents, half_written, points
from seewhy.errors import BadArtefact, InputError, SeewhyError
from seewhy.scale.job import Progress

NAME = "reliability.iofault"
PICTURES, PER_SHARD = 12, 3
Work = Callable[..., None]
FAULTS = (errno.ENOSPC, errno.EIO, errno.EROFS)


def run(faults: tuple[int, ...] = FAULTS) -> dict[str, Any]:
    """Every fault at every point of the three jobs; `ours` counts what went wrong."""
    wrong: list[str] = []
    ends: Counter[str] = Counter()
    calls: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one picture cannot be read, and every run says so
        base = Path(name)
        backbone, what = _extraction.build(base / "pictures", PICTURES)

        def extraction(folder: Path, progress: Progress | None = None) -> None:
            _extraction.run(backbone, base / "pictures", folder, PER_SHARD, verify=True, progress=progress)

        extraction(base / "whole")
        whole = contents(base / "whole")
        for job, start in _starts(base, extraction).items():
            for code in faults:
                n, reached = 0, True
                while reached:
                    folder = base / f"{job} {n}"
                    if start is not None:
                        shutil.copytree(start, folder)
                    before = contents(folder)
                    seen, end = _with_fault(folder, extraction, n, code)
                    if reached := n < len(seen):
                        ends[end.split(":")[0]] += 1
                        problem = _problem(folder, extraction, end, seen[n:], whole, before)
                        if problem:
                            wrong.append(f"{job}, {seen[n]} (call {n}), {errno.errorcode[code]}: {problem}")
                    shutil.rmtree(folder, ignore_errors=True)
                    n += 1
                calls[job] = dict(sorted(Counter(seen).items()))
    n_writes = sum(n for one in calls.values() for call, n in one.items() if call not in READS)
    return {
        "name": NAME,
        "ours": len(wrong),
        "limit": 0,
        "ratio": None,
        "unit": "faults that were not told in three parts, lost anything, or kept the next run from the same bytes",
        "runs": sum(ends.values()),
        "details": {
            "work": f"features of {what}",
            "faults": [errno.errorcode[code] for code in faults],
            "calls_per_job": calls,
            "of_them_writing": n_writes,
            "ends": dict(sorted(ends.items())),
            "wrong": wrong[:20],
        },
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "safetensors": safetensors.__version__,
        },
    }


def _with_fault(folder: Path, work: Work, n: int, code: int) -> tuple[list[str], str]:
    """The calls that were seen, and how it ended, in words."""

    def fail(name: str) -> None:
        raise OSError(code, os.strerror(code))

    with points(folder, n, fail) as seen:
        try:
            work(folder)
        except (InputError, BadArtefact) as error:
            text = str(error)
            told = os.strerror(code) in text and text.count("\n") == 2 and str(folder) in text
            return seen, type(error).__name__ if told else f"bad text: {text}"
        except Exception as error:
            return seen, f"another error: {type(error).__name__}: {error}"
    return seen, "finished"


def _starts(base: Path, work: Work) -> dict[str, Path | None]:
    """The folders from which the jobs start: none, one that was stopped half-way, a finished one with damage."""
    with points(base / "counted") as seen:
        work(base / "counted")
    _with_fault(base / "half", work, len(seen) // 2, errno.EIO)
    damaged = base / "damaged"
    shutil.copytree(base / "whole", damaged)
    shards = sorted(damaged.glob("shard-*"))
    shards[0].unlink()
    shards[2].write_bytes(shards[2].read_bytes()[:-1] + b"\xff")
    return {"new": None, "going on": base / "half", "repairing": damaged}


def _problem(
    folder: Path, work: Work, end: str, rest: list[str], whole: dict[str, bytes], before: dict[str, bytes]
) -> str | None:
    """What is wrong after a fault, in words."""
    now = contents(folder)
    # Letting go of the lock, the last write of all, may fail in silence: nothing was written to it.
    if end == "finished" and ([call for call in rest if call not in READS] != ["close"] or now != whole):
        return "it was not told"
    if end not in ("finished", "InputError", "BadArtefact"):
        return end
    if damaged := half_written(now, whole, {name: data for name, data in before.items() if name in whole}):
        return f"{damaged} half written"
    missing = sum(now.get(name) != data for name, data in whole.items() if name.startswith("shard"))
    made: list[int] = []
    try:
        work(folder, lambda done, total: made.append(done))
    except SeewhyError as error:
        return f"the next run failed: {error}"
    if len(made) > missing + 1:
        return f"{missing} shards were missing, the next run made {len(made)}"
    return None if contents(folder) == whole else "the next run ended in other bytes"
