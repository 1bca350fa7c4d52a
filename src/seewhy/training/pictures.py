"""The pictures that a network is trained on: drawn once, kept beside the training, read without loading them all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from seewhy.scale.disk import PART, locked, make_folder, write_whole, writing
from seewhy.training.loop import Tell
from seewhy.world.drawing.renderer import render
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.tasks.tasks import find_task

_TELL_EVERY = 256


@dataclass(frozen=True)
class Order:
    """Which scenes, and how they are drawn: the first `n` of a task's split."""

    task: str
    split: str
    n: int
    size: int
    bias: float | None = None
    difficulty: int = 1

    @property
    def key(self) -> str:
        """A name for exactly these bytes."""
        told = json.dumps({"world": WORLD_VERSION, **asdict(self)}, sort_keys=True)
        return f"{self.task}-{self.split}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures (read from disk as they are asked for) with their class numbers."""

    pixels: UInt8[np.ndarray, "n S S 3"]
    labels: Int64[np.ndarray, " n"]


def pictures(order: Order, folder: Path, tell: Tell | None = None) -> Pictures:
    """The order's pictures and labels, drawn into `folder` unless they are there.

    Killed on the way, it starts again; a file under its final name is whole.

    Raises
    ------
    InputError
        If the folder cannot be written, someone else draws the same there, or the order asks for what the task has
        not.
    """
    find_task(order.task)  # an unknown one leaves no folder behind
    folder = folder / order.key
    make_folder(folder)
    pixels, labels = folder / "pixels.npy", folder / "labels.npy"
    if not (pixels.is_file() and labels.is_file()):
        with locked(folder):
            _draw(order, pixels, labels, tell)
    return Pictures(np.load(pixels, mmap_mode="r"), np.load(labels))


def _draw(order: Order, pixels: Path, labels: Path, tell: Tell | None) -> None:
    task, part = find_task(order.task), pixels.with_name(pixels.name + PART)
    found = np.zeros(order.n, np.int64)
    with writing(part):
        shape = (order.n, order.size, order.size, 3)
        drawn = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for index in range(order.n):
            scene = task.scene(order.split, index, difficulty=order.difficulty, bias=order.bias)
            drawn[index] = render(scene, order.size).rgb
            found[index] = task.label(scene)
            if tell and (index + 1) % _TELL_EVERY == 0:
                tell(index + 1, order.n, f"drawing {order.task}")
        drawn.flush()
        del drawn
    write_whole(labels, _npy(found))
    with writing(pixels):
        part.replace(pixels)


def _npy(array: np.ndarray) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
