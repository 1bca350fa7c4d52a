"""A process that builds a small store and is killed at each call that touches its folder."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

import torch
from benchmarks._points import contents, half_written, points

from seewhy.grounding.build import build
from seewhy.grounding.red_circle import RedCircle
from tests.grounding.fake import Patches, noise

N_SHARDS = 2


def built(folder: Path) -> int:
    """Build it, and give how many pictures were shown to the VLM."""
    vlm = Patches()
    pictures: list[object] = [*noise(3)]
    pictures[1] = b"not a picture"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        build(vlm, RedCircle((2, 2), radius=0.3), pictures, folder, per_shard=2, batch_size=2, dtype="int8")
    return vlm.n_shown


def killed_everywhere(base: Path) -> int:
    """Kill it at each point in turn, go on, and stop with what is wrong; gives the number of points."""
    each = built(base / "whole") // 3  # a picture of noise to try, and the 2 that can be read
    whole = contents(base / "whole")
    n = 0
    while True:
        folder = base / f"killed-{n}"
        if (child := os.fork()) == 0:
            with points(folder, n, lambda name: os.kill(os.getpid(), signal.SIGKILL)):
                built(folder)
            os._exit(0)
        died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        before = contents(folder)
        if wrong := half_written(before, whole):
            sys.exit(f"point {n}: {wrong} half written")
        n_there = sum(name.endswith(".safetensors") for name in before)
        if (shown := built(folder)) > each * (1 + 2 * (N_SHARDS - n_there + 1)):
            sys.exit(f"point {n}: {n_there} shards were there, {shown} prompts were shown again")
        if contents(folder) != whole:
            sys.exit(f"point {n}: {sorted(contents(folder))} differs from {sorted(whole)}")
        if not died:
            return n
        n += 1


if __name__ == "__main__":
    torch.set_num_threads(1)  # the pool of a forked process has none to wait for
    sys.stdout.write(str(killed_everywhere(Path(sys.argv[1]))))
