"""A tiny learner, a few scenes, and a process that is killed at every point of a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks._points import points
from torch import Tensor, nn

from seewhy.training.loop import cosine, train
from seewhy.training.pictures import Order, pictures
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import find_task

STEPS = 12
ORDER = Order("T5", "train", 5, 24, bias=0.25)


class Tiny:
    """A network of two layers with batch statistics; two rates; step i sees numbers that follow from i."""

    def __init__(
        self, kind: str = "adamw", before: Callable[[int], None] | None = None, steps: int = STEPS
    ) -> None:
        generator = torch.Generator().manual_seed(1)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1))
        for parameter in self.module.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        first, *others = self.module.parameters()
        groups: list[dict[str, Any]] = [{"params": [first], "lr": 0.05}, {"params": others}]
        if kind == "sgd":
            self.optimiser: torch.optim.Optimizer = torch.optim.SGD(
                groups, lr=0.02, momentum=0.9, nesterov=True
            )
        else:
            self.optimiser = torch.optim.AdamW(groups, lr=0.02)
        self.steps = steps
        self.identity: dict[str, Any] = {"kind": kind, "mix": {"cut": 0.3}}
        self.rates: list[list[float]] = []
        self.before = before

    def rate(self, step: int) -> float:
        return cosine(step, self.steps, 3)

    def loss(self, step: int) -> Tensor:
        self.rates.append([group["lr"] for group in self.optimiser.param_groups])
        if self.before:
            self.before(step)
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss: Tensor = (self.module(x)[:, 0] - x.prod(1)).square().mean()
        return loss


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same tensors, to the bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return list(mine) == list(theirs) and all(torch.equal(mine[name], theirs[name]) for name in mine)


def run(what: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """This file as a process: "trained" or "drawn" (each killed everywhere), or "killed at 7"."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "tests.training.small", what, str(folder)],
        cwd=root,
        # Sums come out alike on as many threads only.
        env={**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": str(torch.get_num_threads())},
        capture_output=True,
        text=True,
        timeout=120,
    )


def few(task: str, n: int, split: str = "train") -> list[Scene]:
    return [find_task(task).scene(split, index) for index in range(n)]


def trained(folder: Path) -> list[bytes]:
    """The bytes of a short training's tensors; a checkpoint after every step."""
    learner = Tiny(steps=3)
    train(learner, folder, seconds_between=0)
    return [tensor.numpy().tobytes() for tensor in learner.module.state_dict().values()]


def drawn(folder: Path) -> list[bytes]:
    """The bytes of a few pictures and labels."""
    found = pictures(ORDER, folder)
    return [found.pixels.tobytes(), found.labels.tobytes()]


def killed_everywhere(work: Callable[[Path], list[bytes]], base: Path) -> int:
    """Kill the work at each call that touches its folder, do it again, and stop if it is not the same.

    Gives the number of calls.
    """
    expected, n = work(base / "whole"), 0
    while True:
        folder = base / f"killed-{n}"
        if (child := os.fork()) == 0:
            with points(folder, n, lambda name: os.kill(os.getpid(), signal.SIGKILL)):
                work(folder)
            os._exit(0)
        died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if work(folder) != expected:
            sys.exit(f"point {n}: not what comes out without a kill")
        if not died:
            return n
        n += 1


if __name__ == "__main__":
    what, base = sys.argv[1], Path(sys.argv[2])
    if what == "killed at 7":
        dying = Tiny(before=lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == 7 else None)
        train(dying, base, seconds_between=0)
    else:
        torch.set_num_threads(1)  # the pool of a forked process has none to wait for
        sys.stdout.write(str(killed_everywhere({"trained": trained, "drawn": drawn}[what], base)))
