"""Pictures and labels of a task, drawn when asked for: nothing is stored, and any scene can be drawn alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from seewhy.errors import InputError, message
from seewhy.world.checks import check_whole
from seewhy.world.drawing.renderer import MAX_SIZE, MIN_SIZE, Rendered, render
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import Task, find_task


@dataclass(frozen=True, eq=False)
class Drawn:
    """Scenes of a task with their pictures and labels, in the order asked for.

    Attributes
    ----------
    task
        Whose labels.
    pictures
        What the scenes look like.
    labels
        int64 class numbers (n,), bool (n, classes), or float64 numbers (n,), by the kind of task.
    scenes
        What the pictures show.
    """

    task: Task
    pictures: UInt8[np.ndarray, "n S S 3"]
    labels: Shaped[np.ndarray, "n ..."]
    scenes: tuple[Scene, ...]

    def __len__(self) -> int:
        return len(self.scenes)

    def rendered(self, at: int) -> Rendered:
        """Picture `at` (from 0, or from the end if negative) with all its masks, drawn again: they are large.

        Raises
        ------
        InputError
            If there is no such picture.
        """
        if not -len(self) <= at < len(self):
            raise InputError(
                message(
                    f"Picture {at} was asked for.",
                    f"There are {len(self)}, counted from 0.",
                    "Pass a smaller number.",
                )
            )
        return render(self.scenes[at], self.pictures.shape[1])


def draw(
    task: Task | str,
    split: str = "train",
    indices: Iterable[int] = range(16),
    *,
    size: int = 96,
    difficulty: int = 1,
    bias: float | None = None,
) -> Drawn:
    """Draw some scenes of a task's split.

    Parameters
    ----------
    task
        A task or its name.
    split, difficulty, bias
        As in `Task.scene`.
    indices
        Which scenes, in any order.
    size
        Side of the pictures in pixels.

    Raises
    ------
    UnknownName
        If there is no such task or split.
    InputError
        If a number is out of range.

    Examples
    --------
    >>> drawn = draw("T2", "test", range(3), size=32)
    >>> drawn.pictures.shape, drawn.labels.dtype
    ((3, 32, 32, 3), dtype('int64'))
    """
    task = find_task(task) if isinstance(task, str) else task
    check_whole("size", size, MIN_SIZE, MAX_SIZE)
    scenes = tuple(task.scene(split, index, difficulty=difficulty, bias=bias) for index in indices)
    pictures = np.empty((len(scenes), size, size, 3), np.uint8)
    for at, scene in enumerate(scenes):
        pictures[at] = render(scene, size).rgb
    return Drawn(task, pictures, labels_of(task, scenes), scenes)


def labels_of(task: Task, scenes: Iterable[Scene]) -> Shaped[np.ndarray, "n ..."]:
    """The scenes' labels as one array, without drawing anything."""
    labels = [task.label(scene) for scene in scenes]
    if task.kind == "multilabel":
        return np.array(labels, bool).reshape(len(labels), len(task.classes))
    return np.array(labels, np.float64 if task.kind == "regression" else np.int64)
