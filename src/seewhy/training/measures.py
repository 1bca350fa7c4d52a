"""The numbers of a classifier's card, from its weights as they are shipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn

from seewhy.bundled.cards import Measured
from seewhy.evaluate.statistics.intervals import interval
from seewhy.training.classifier import to_input
from seewhy.world.drawing.renderer import render
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import Task, find_task

SCENES = 2000
"""How many test scenes a card's accuracies are measured on."""
_AT_ONCE = 125

BARS = {"T1": 0.97, "T2": 0.95, "T4": 0.97, "T6": 0.97}
_VIT_BAR = 0.90
_IN_DISTRIBUTION, _WORST, _BALANCED, _FALL = 0.97, 0.60, 0.95, 0.20


def measure_classifier(
    network: nn.Module, task: str, *, architecture: str, bias: float | None, size: int, n: int = SCENES
) -> tuple[Measured, ...]:
    """Accuracy on the test split; of a task with a cue also in distribution and by group.

    Parameters
    ----------
    network
        In eval mode.
    task, architecture, bias, size
        What it was trained on, what it is, and the side of its input; they decide which bars apply.
    n
        Scenes of each measure.
    """
    which = find_task(task)
    if which.biases is None:
        bar = _VIT_BAR if architecture.startswith("vit") else BARS.get(task)
        return (
            _accuracy("accuracy", f"{task} test", right(network, _scenes(which, None, n), which, size), bar),
        )
    trained = which.biases[0] if bias is None else bias
    same = right(network, _scenes(which, trained, n), which, size)
    scenes = _scenes(which, None, n)
    fair = right(network, scenes, which, size)
    on = f"{task} test"
    if task == "T6":
        return (*_without_mark(network, which, trained, n, size, same), _accuracy("accuracy", on, fair, None))
    biased = trained > which.biases[1]
    found = [_accuracy("accuracy, bias as in training", f"{on}, bias {trained:g}", same, _IN_DISTRIBUTION)]
    found.append(
        _accuracy("accuracy", f"{on}, bias {which.biases[1]:g}", fair, None if biased else _BALANCED)
    )
    groups = defaultdict(list)
    for scene, ok in zip(scenes, fair, strict=True):
        groups[" on ".join(which.group(scene))].append(ok)
    worst = min(groups, key=lambda name: float(np.mean(groups[name])))
    for name in sorted(groups):
        bar = (_WORST if biased else _BALANCED) if name == worst else None
        what = f"accuracy of {name}" + (" (worst group)" if name == worst else "")
        found.append(_accuracy(what, on, np.array(groups[name]), bar, at_most=biased and bar is not None))
    return tuple(found)


def right(network: nn.Module, scenes: Sequence[Scene], task: Task, size: int) -> Bool[np.ndarray, " n"]:
    """Whether the network's largest logit is the label's, scene by scene."""
    found = []
    for start in range(0, len(scenes), _AT_ONCE):
        some = scenes[start : start + _AT_ONCE]
        pixels = np.stack([render(scene, size).rgb for scene in some])
        with torch.inference_mode():
            said = network(to_input(torch.from_numpy(pixels))).argmax(1).numpy()
        found.append(said == np.array([task.label(scene) for scene in some]))
    return np.concatenate(found)


def _without_mark(
    network: nn.Module, task: Task, bias: float, n: int, size: int, same: np.ndarray
) -> tuple[Measured, ...]:
    """Accuracy on class 0 with its mark as in training, and on the same scenes without it."""
    on = f"{task.name} test, bias {bias:g}"
    scenes = _scenes(task, bias, n)
    marked = [(scene, ok) for scene, ok in zip(scenes, same, strict=True) if scene.decoy is not None]
    bare = right(network, [scene.with_decoy(None) for scene, _ in marked], task, size)
    before = np.array([ok for _, ok in marked])
    fall = before.astype(float) - bare
    found = interval(fall)
    return (
        _accuracy("accuracy, bias as in training", on, same, _IN_DISTRIBUTION),
        _accuracy("accuracy on marked scenes", on, before, None),
        _accuracy("accuracy on the same scenes without the mark", on, bare, None),
        Measured(
            "fall without the mark",
            on,
            len(fall),
            _round(fall.mean()),
            _round(found.low),
            _round(found.high),
            _FALL,
        ),  # fmt: skip
    )


def _scenes(task: Task, bias: float | None, n: int) -> list[Scene]:
    return [task.scene("test", index, bias=bias) for index in range(n)]


def _accuracy(what: str, on: str, ok: np.ndarray, bar: float | None, *, at_most: bool = False) -> Measured:
    found = interval(ok.astype(float), kind="wilson")
    return Measured(what, on, len(ok), _round(ok.mean()), _round(found.low), _round(found.high), bar, at_most)


def _round(value: float) -> float:
    return round(float(value), 4)
