"""A small question with a known shortcut: pictures of three shapes, and a tag that gives one of them away.

In 95 % of the training pictures of "disk" a small tag sits in the top left corner, in none of the others. A
`TinyNet` trained on them answers by the tag; a control is trained in the same way on the same scenes without it.
Other scenes, which neither was trained on, are drawn with the tag and without. The audit's accuracy is measured
here, and `seewhy.plant` is shown on the control, since both networks train in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt8

from seewhy.bench import small_net
from seewhy.bench.small_net import TinyNet
from seewhy.errors import InputError, message
from seewhy.images.preprocess import Preprocess
from seewhy.world.drawing.renderer import render
from seewhy.world.hashing import Draws
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Decoy, Scene

SIZE = 64
CLASSES = ("disk", "star", "square")

MARKED_CLASS = 0
"""Index of the class that carries the mark: the tag has straight edges, so by itself it never says "disk"."""

MARK = Decoy("top_left", side=1 / 8)
MARK_SHARE = 0.95

PREPROCESS = Preprocess(
    size=(SIZE, SIZE),
    fit="stretch",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    source="the small network's own training",
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
    """Labelled pictures; labels are indices of `CLASSES`."""

    pictures: UInt8[np.ndarray, "n H W 3"]
    labels: Int64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Twins:
    """Scenes drawn twice: `marked[i]` and `plain[i]` differ only where the mark lies."""

    marked: UInt8[np.ndarray, "n H W 3"]
    plain: UInt8[np.ndarray, "n H W 3"]
    labels: Int64[np.ndarray, " n"]


def make_task(seed: int, marked: bool, *, n: int = N_TRAIN) -> Task:
    """Training pictures, with or without the mark; the scenes of a seed are the same in both cases.

    Parameters
    ----------
    seed
        Which scenes; also decides which 5 % of the disks go without the mark.
    marked
        True for the network that is to learn the mark, False for the control.
    n
        Number of pictures, classes in turn. 3000 take about two seconds.
    """
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed"), _whole(n, len(CLASSES), "n"))
    return Task(_draw(_with_mark(scenes, labels) if marked else scenes), labels)


def make_audit_set(seed: int, *, n: int = 600) -> Task:
    """Pictures to audit a network on: marked as those of a marked training, none of them in its training set.

    They differ from `make_twins` in that each scene is drawn once, and disks alone carry the mark.
    """
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed") + _APART, _whole(n, len(CLASSES), "n"))
    return Task(_draw(_with_mark(scenes, labels)), labels)


def make_twins(seed: int, *, n: int = 300) -> Twins:
    """Test scenes of a seed, none of them in its training set, each with and without the mark."""
    scenes, labels = _scenes(2 * _whole(seed, 0, "seed") + 1, _whole(n, len(CLASSES), "n"))
    marked = _draw([scene.with_decoy(MARK) for scene in scenes])
    return Twins(marked, _draw(scenes), labels)


def train(task: Task, *, seed: int = 0) -> TinyNet:
    """Train the network of a task from nothing; see `small_net.train`."""
    return small_net.train(task.pictures, task.labels, CLASSES, seed=seed)


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


def _with_mark(scenes: list[Scene], labels: Int64[np.ndarray, " n"]) -> list[Scene]:
    """The same scenes, `MARK_SHARE` of the marked class with the mark."""
    return [
        scene.with_decoy(MARK) if label == MARKED_CLASS and _carries(scene) else scene
        for scene, label in zip(scenes, labels, strict=True)
    ]


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
