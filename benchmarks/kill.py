"""Claim: an extraction killed at any moment goes on, makes at most one shard again, and ends in the same bytes.

Processes that extract features of real pictures get SIGKILL at random times, 200 in all. Each one is forked from
a process that has imported everything once, because importing takes far longer than the work. A killed process is
followed by another one in the same folder until one is left to finish; then the folder is compared, byte by
byte, with that of a run that nobody disturbed. SIGKILL stops a process, not the disk: a loss of power is not tested.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch

from benchmarks import _extraction
from benchmarks._points import contents, half_written
from seewhy.scale.job import Shard

NAME = "reliability.kill"
KILLS, PICTURES, PER_SHARD = 200, 96, 4
LIMIT = 1


def run(kills: int = KILLS, seed: int = 0) -> dict[str, Any]:
    """The largest number of shards that any kill cost; all of them if a folder differs in any byte.

    In a fresh process: forking one whose thread pools have started would hang.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill", str(kills), str(seed)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@dataclass(frozen=True)
class _Telling:
    """Works in this process and writes down, outside the folder of the job, which shards it starts."""

    log: Path

    def run(self, work: Callable[[Shard], None], shards: Sequence[Shard]) -> Iterator[Shard]:
        for shard in shards:
            with self.log.open("a") as file:
                file.write(f"{shard.index}\n")
            work(shard)
            yield shard


def measure(kills: int, seed: int) -> dict[str, Any]:
    """As `run`, in this process, which must not have run anything in several threads."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # one picture cannot be read, and every run says so
    rng = random.Random(seed)
    count: Counter[str] = Counter()
    left: Counter[str] = Counter()
    again: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        backbone, what = _extraction.build(base / "pictures", PICTURES)

        def extraction(folder: Path, log: Path) -> None:
            _extraction.run(backbone, base / "pictures", folder, PER_SHARD, executor=_Telling(log))

        extraction(base / "first", base / "first.log")  # what is found out about the network is kept
        start = time.perf_counter()
        extraction(base / "whole", base / "whole.log")
        seconds = time.perf_counter() - start
        whole = contents(base / "whole")
        while count["kills"] < kills:
            folder, started, killed = base / f"{count['folders']}", set[int](), True
            count["folders"] += 1
            while killed:
                log = base / f"{count['processes']}.log"
                delay = rng.uniform(0, seconds) if count["kills"] < kills else None
                killed = _killed(lambda folder=folder, log=log: extraction(folder, log), delay)
                here = _started(log)
                again[len(started & here)] += bool(started)
                started |= here
                now = contents(folder)
                count.update(processes=1, kills=killed, half_written=len(half_written(now, whole)))
                left[_stage(now)] += killed
            count["different"] += now != whole
    return _report(max(again), count, left, again, what, len(whole) - 1, seconds, seed)


def _killed(work: Callable[[], None], delay: float | None) -> bool:
    """Fork a process that does `work`, and kill it after `delay` seconds; whether that came before its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # whatever happened: this copy of the benchmark ends here
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError("a run that was not killed failed; its error stands above")
    return False


def _started(log: Path) -> set[int]:
    return {int(line) for line in log.read_text().split()} if log.exists() else set()


def _stage(now: dict[str, bytes]) -> str:
    """What a killed process left, in words."""
    if "manifest.json" in now:
        return "after the manifest"
    if any(name.endswith(".part") for name in now):
        return "while a file was being written"
    if any(name.startswith("shard") for name in now):
        return "between files"
    return "before the first shard"


def _report(
    worst: int,
    count: Counter[str],
    left: Counter[str],
    again: Counter[int],
    what: str,
    n_shards: int,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    wrong = count["different"] + count["half_written"]
    return {
        "name": NAME,
        "ours": worst if not wrong else n_shards,
        "limit": LIMIT,
        "ratio": (worst if not wrong else n_shards) / LIMIT,
        "unit": "shards made again after a kill, at most (all of them if any byte differs)",
        "runs": count["kills"],
        "details": {
            "seed": seed,
            "work": f"features of {what}",
            "processes": "forked from one that had imported torch; SIGKILL, no loss of power",
            "n_shards": n_shards,
            "undisturbed_seconds": round(seconds, 3),
            "kills": count["kills"],
            "processes_started": count["processes"],
            "folders_finished": count["folders"],
            "folders_that_differ": count["different"],
            "half_written_files": count["half_written"],
            "killed": dict(sorted(left.items())),
            "restarts_by_shards_made_again": {str(n): times for n, times in sorted(again.items())},
        },
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "safetensors": safetensors.__version__,
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
