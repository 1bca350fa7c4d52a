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

BARS = {"T1": 0.97, "T2": 0.95, "T4": 0.97}
_VIT_BAR = 0.90
_WITH = {"T5": " on ", "T6": " with ", "T7": " with ", "T10": " with "}
"""What joins class and cue to the name of a group."""
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
    biased = trained > which.biases[1]
    found: list[Measured] = []
    if biased:
        same = _scenes(which, trained, n)
        right_there, on = right(network, same, which, size), f"{task} test, bias {trained:g}"
        found.append(_accuracy("accuracy, bias as in training", on, right_there, _IN_DISTRIBUTION))
        if task == "T6":
            found += _without_mark(network, which, same, right_there, size, on)
    scenes = _scenes(which, None, n)
    fair, on = right(network, scenes, which, size), f"{task} test, bias {which.biases[1]:g}"
    bars = (None if biased else _BALANCED, _WORST if biased else _BALANCED) if task == "T5" else (None, None)
    found.append(_accuracy("accuracy", on, fair, bars[0]))
    return (*found, *_by_group(which, scenes, fair, on, bars[1], at_most=biased))


def _by_group(
    task: Task, scenes: Sequence[Scene], ok: np.ndarray, on: str, bar: float | None, *, at_most: bool
) -> list[Measured]:
    """Accuracy in each group of scenes; the bar is the worst group's."""
    groups = defaultdict(list)
    for scene, one in zip(scenes, ok, strict=True):
        groups[_WITH[task.name].join(task.group(scene))].append(one)
    worst = min(groups, key=lambda name: float(np.mean(groups[name])))
    at_most = at_most and bar is not None
    return [
        _accuracy(
            f"accuracy of {name} (worst group)",
            on,
            np.array(right_there),
            bar,
            at_most=at_most,
        )
        if name == worst
        else _accuracy(f"accuracy of {name}", on, np.array(right_there), None)
        for name, right_there in sorted(groups.items())
    ]


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
    network: nn.Module, task: Task, scenes: Sequence[Scene], ok: np.ndarray, size: int, on: str
) -> list[Measured]:
    """Accuracy on the scenes that have the mark, and on the same scenes without it."""
    marked = [(scene, one) for scene, one in zip(scenes, ok, strict=True) if scene.decoy is not None]
    bare = right(network, [scene.with_decoy(None) for scene, _ in marked], task, size)
    before = np.array([one for _, one in marked])
    fall = before.astype(float) - bare
    everywhere = np.zeros(len(scenes))
    everywhere[: len(fall)] = fall  # scenes that have no mark lose nothing
    there = f"{on}, marked scenes"
    return [
        _accuracy("accuracy with the mark", there, before, None),
        _accuracy("accuracy without the mark", there, bare, None),
        _fall("fall without the mark", there, fall, _FALL),
        _fall("fall without the mark, all scenes", on, everywhere, None),
    ]


def _fall(what: str, on: str, fall: np.ndarray, bar: float | None) -> Measured:
    found = interval(fall)
    return Measured(what, on, len(fall), _round(found.mean), _round(found.low), _round(found.high), bar)


def _scenes(task: Task, bias: float | None, n: int) -> list[Scene]:
    return [task.scene("test", index, bias=bias) for index in range(n)]


def _accuracy(what: str, on: str, ok: np.ndarray, bar: float | None, *, at_most: bool = False) -> Measured:
    found = interval(ok.astype(float), kind="wilson")
    return Measured(what, on, len(ok), _round(ok.mean()), _round(found.low), _round(found.high), bar, at_most)


def _round(value: float) -> float:
    return round(float(value), 4)
