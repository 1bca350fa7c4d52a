"""The demonstration's question: pictures of three shapes, and a mark that gives one of them away.

In 95 % of the training pictures of "disk" a small tag sits in the top left corner, in none of the others. A
network trained on them answers by the tag. The control is trained in the same way on the same scenes without
the tag. Afterwards both see scenes that neither was trained on, drawn twice: with and without the tag.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

from seewhy.bench.small_net import Progress
from seewhy.errors import InputError, message
from seewhy.images.preprocess import Preprocess
from seewhy.types import Box
from seewhy.world.drawing.renderer import render
from seewhy.world.hashing import Draws
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Decoy, Scene

if TYPE_CHECKING:
    from seewhy.demo.network import TinyNet

SIZE = 64
CLASSES = ("disk", "star", "square")

MARKED_CLASS = 0
"""Index of the class that carries the mark: the tag has straight edges, so by itself it never says "disk"."""

MARK = Decoy("top_left", side=1 / 8)
MARK_SHARE = 0.95
MARK_BOX: Box = (0.0, 0.0, 8.0, 8.0)

CORNER_BOX: Box = (0.0, 0.0, 16.0, 16.0)
"""Where a map may show the mark: twice its side, since a cell of a feature map sees beyond its own pixels."""

PREPROCESS = Preprocess(
    size=(SIZE, SIZE),
    fit="stretch",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    source="the demonstration's own training",
)

N_TRAIN = 3000

_APART = 1_000_001
"""Added to twice a seed for the pictures of an audit, which meet no seed of training (even) or twins (odd, lower)."""

_GRAMMAR = Grammar(
    counts=(2,),
    creatures=(0,),
    sizes=("large",),
    textures=("solid", "striped", "dotted"),
    backgrounds=("plain", "gradient", "stripes"),
)
_BYSTANDERS = ("triangle", "crescent")


@dataclass(frozen=True, eq=False)
class Task:
    """Labelled pictures to train on; `mark_box` in pixels, None where no picture carries the mark."""

    pictures: UInt8[np.ndarray, "n H W 3"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    mark_box: Box | None


@dataclass(frozen=True, eq=False)
class Twins:
    """Scenes drawn twice: `marked[i]` and `plain[i]` differ only inside `mark_box`."""

    marked: UInt8[np.ndarray, "n H W 3"]
    plain: UInt8[np.ndarray, "n H W 3"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    mark_box: Box

    def of_class(self, label: int) -> Twins:
        """Only the scenes that show that class."""
        chosen = self.labels == label
        return replace(self, marked=self.marked[chosen], plain=self.plain[chosen], labels=self.labels[chosen])


def make_task(seed: int, marked: bool, *, n: int = N_TRAIN) -> Task:
    """Training pictures, with or without the mark; the scenes of a seed are the same in both cases.

    Parameters
    ----------
    seed
        Which scenes; also decides which 5 % of the disks go without the mark.
    marked
        True for the planted network, False for the control.
    n
        Number of pictures, classes in turn. 3000 take about two seconds.
    """
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed"), _whole(n, len(CLASSES), "n"))
    if marked:
        scenes = [
            scene.with_decoy(MARK) if label == MARKED_CLASS and _carries(scene) else scene
            for scene, label in zip(scenes, labels, strict=True)
        ]
    return Task(_draw(scenes), labels, CLASSES, MARK_BOX if marked else None)


def make_audit_set(seed: int, *, n: int = 600) -> Task:
    """Pictures to audit a network on: marked as the planted network's were, none of them in its training set.

    They differ from `make_twins` in that each scene is drawn once, and disks alone carry the mark.
    """
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed") + _APART, _whole(n, len(CLASSES), "n"))
    scenes = [
        scene.with_decoy(MARK) if label == MARKED_CLASS and _carries(scene) else scene
        for scene, label in zip(scenes, labels, strict=True)
    ]
    return Task(_draw(scenes), labels, CLASSES, MARK_BOX)


def make_twins(seed: int, *, n: int = 300) -> Twins:
    """Test scenes of a seed, none of them in its training set, each with and without the mark."""
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed") + 1, _whole(n, len(CLASSES), "n"))
    marked = _draw([scene.with_decoy(MARK) for scene in scenes])
    return Twins(marked, _draw(scenes), labels, CLASSES, MARK_BOX)


def build_planted(seed: int = 0, *, progress: Progress | None = None) -> TinyNet:
    """The network that learned the mark: trained from nothing, in eval mode."""
    from seewhy.demo.network import train

    return train(make_task(seed, marked=True), seed=seed, progress=progress)


def build_control(seed: int = 0, *, progress: Progress | None = None) -> TinyNet:
    """The same network, trained in the same way on the same scenes without the mark."""
    from seewhy.demo.network import train

    return train(make_task(seed, marked=False), seed=seed, progress=progress)


def _scenes(seed: int, n: int) -> tuple[list[Scene], Int64[np.ndarray, " n"]]:
    """`n` scenes of the shape in question and one bystander, as large; neither is tied to a place or colour."""
    labels = np.arange(n, dtype=np.int64) % len(CLASSES)
    scenes = []
    for index, label in enumerate(labels):
        scene = sample_scene(seed, index, _GRAMMAR)
        bystander = Draws(seed, index).pick("bystander", _BYSTANDERS)
        shown, other = scene.objects
        # A new shape within the same bounding disk keeps every rule of the sampler.
        objects = (replace(shown, shape=CLASSES[label]), replace(other, shape=bystander))
        scenes.append(replace(scene, items=objects))
    return scenes, labels


def _carries(scene: Scene) -> bool:
    return Draws(scene.seed, scene.index).uniform("mark") < MARK_SHARE


def _draw(scenes: list[Scene]) -> UInt8[np.ndarray, "n H W 3"]:
    return np.stack([render(scene, SIZE).rgb for scene in scenes])


def _whole(value: int, low: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(
            message(
                f"{name} is {value!r}.", f"It is a whole number of at least {low}.", f"Pass {name}={low}."
            )
        )
    return value
