"""The networks under test: two written by hand, one trained, and one trained on pictures with a mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from seewhy.backbones.base import Backbone
from seewhy.bench import small_net
from seewhy.bench.small_net import TinyNet
from seewhy.bench.subject import Subject
from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.images.preprocess import Preprocess
from seewhy.models.classifier import Classifier
from seewhy.world.concepts import masks
from seewhy.world.drawing.renderer import render
from seewhy.world.glass.boxes import GlassColor, GlassPart
from seewhy.world.grammar import COLOURS, SLOTS
from seewhy.world.hashing import Draws
from seewhy.world.sampling import Grammar, part_of, sample_scene
from seewhy.world.scene import Scene
from seewhy.world.tasks.tasks import TASKS, find_task

SIZE = 64
N_TRAIN, EPOCHS = 8000, 10
N_FIT = 200
FEWEST = 12

MIXED = {
    "red": 4.0,
    "orange": 2.0,
    "yellow": 1.0,
    "green": -1.0,
    "cyan": 3.0,
    "blue": -4.0,
    "purple": -2.0,
    "white": -3.0,
}
"""What each colour is worth to the glass box of the how-much table, per share of the picture, times SCALE."""

SCALE = 10.0

BEASTS: Mapping[str, tuple[str, str]] = {
    "spike-hook": ("spiky crest", "hooked beak"),
    "horn-fan": ("horned crest", "fanned tail"),
    "blunt-web": ("blunt beak", "webbed foot"),
    "curl-pad": ("curled tail", "padded foot"),
}
"""Classes of the glass box that asks for parts, by name the two parts that it takes."""

BEAST_RADIUS, SMALL = 0.28, 48
"""Of its creatures, as a share of the picture, and the picture's side: its filters are large, so is their cost."""


@dataclass(frozen=True)
class Choice:
    """A network by name: `make(asked, n, seed)` builds it and its scenes."""

    description: str
    make: Callable[[str, int, int], Subject]
    share: float = 1.0
    """Of the scenes asked for: a slow network gets fewer."""


def glass(asked: str, n: int, seed: int) -> Subject:
    """A glass box that counts coloured pixels, on scenes without light, so that it reads its colours alone.

    "where" asks it about a colour that is there; "how-much" about one sum over all colours, with both signs.
    """
    scenes = tuple(_unlit(scene) for scene in _scenes("T8", "test", _count(n), seed))
    fit = tuple(_unlit(scene) for scene in _scenes("T8", "train", N_FIT, seed))
    if asked == "where":
        box = GlassColor({name: {name: SCALE} for name in COLOURS})
        chosen = [_one_colour(scene) for scene in scenes]
        description = (
            "GlassColor: logit of a colour = 10 x its share of the picture; asked about one that is there"
        )
    else:
        box = GlassColor({"worth": {name: SCALE * weight for name, weight in MIXED.items()}})
        chosen = [""] * len(scenes)
        description = (
            "GlassColor: one logit, 10 x the sum of eight colours' shares of the picture, weighted -4 to 4"
        )
    targets = [box.row(name) if name else 0 for name in chosen]
    evidence = np.stack([_colours_seen(scene, name) for scene, name in zip(scenes, chosen, strict=True)])
    return Subject(
        name="glass",
        description=description,
        model=Classifier(box.backbone(SIZE)),
        scenes=scenes,
        targets=np.array(targets, np.int64),
        evidence=evidence,
        fit_scenes=fit,
        exact=True,
    )


def parts(asked: str, n: int, seed: int) -> Subject:
    """A glass box that asks for two parts of a creature together, which neither part answers alone.

    Creatures of one size and pose, as it knows them, each with the two parts of a class drawn by hash.
    """
    box = GlassPart(BEASTS, radius=BEAST_RADIUS * SMALL, weight=SCALE)
    grammar = Grammar(
        counts=(1, 2), creatures=(1,), creature_radius=(BEAST_RADIUS, BEAST_RADIUS), lighting=0.0, noise=3.0
    )
    made = [_beast_scene(grammar, 2 * seed, index) for index in range(_count(n))]
    fit = [_beast_scene(grammar, 2 * seed + 1, index)[0] for index in range(N_FIT)]
    evidence = []
    for scene, name in made:
        seen = masks(scene, render(scene, SMALL), list(BEASTS[name]))
        evidence.append(np.any(list(seen.values()), axis=0))
    return Subject(
        name="parts",
        description="GlassPart: logit 10 if a creature has both parts of a class, else 0; asked about a class it has",
        model=Classifier(box.backbone(SMALL)),
        scenes=tuple(scene for scene, _ in made),
        targets=np.array([box.row(name) for _, name in made], np.int64),
        evidence=np.stack(evidence),
        fit_scenes=tuple(fit),
        parts=True,
    )


def shape(asked: str, n: int, seed: int) -> Subject:
    """The small network, trained on T6 without its mark; asked about scenes that it answers rightly."""
    network = trained(False, seed)
    scenes = [scene.with_decoy(None) for scene in _scenes("T6", "test", 2 * _count(n) + 100, seed)]
    return _of_shapes(
        "shape", "TinyNet trained on T6 (shape of the large object), no mark", network, scenes, n, seed
    )


def cheat(asked: str, n: int, seed: int) -> Subject:
    """The same network, trained with a mark on nine in ten disks and on nothing else; half of the scenes have it."""
    network = trained(True, seed)
    scenes = list(_scenes("T6", "test", 2 * _count(n) + 100, seed))
    return _of_shapes(
        "cheat", "TinyNet trained on T6 with a mark on 90 % of the disks", network, scenes, n, seed
    )


SUBJECTS: Mapping[str, Choice] = {
    "glass": Choice("a glass box that counts coloured pixels", glass),
    "parts": Choice("a glass box that asks for two parts together", parts, 0.2),
    "shape": Choice("a network trained to tell four shapes", shape),
    "cheat": Choice("the same, trained on pictures where a mark gives one shape away", cheat),
}


def subjects_of(network: str) -> tuple[str, ...]:
    """The names behind a name or "all".

    Raises
    ------
    UnknownName
        If there is no such network.
    """
    if network == "all":
        return tuple(SUBJECTS)
    if network not in SUBJECTS:
        raise UnknownName(
            message(f"There is no network {network!r}.", did_you_mean(network, [*SUBJECTS, "all"]))
        )
    return (network,)


@cache
def trained(marked: bool, seed: int) -> TinyNet:
    """The small network of T6 after `EPOCHS` passes over `N_TRAIN` scenes: about 35 CPU seconds, once a process."""
    task = TASKS["T6"]
    scenes = list(_scenes("T6", "train", N_TRAIN, seed))
    if not marked:
        scenes = [scene.with_decoy(None) for scene in scenes]
    labels = np.array([task.label(scene) for scene in scenes], np.int64)
    pictures = np.stack([render(scene, SIZE).rgb for scene in scenes])
    return small_net.train(pictures, labels, task.classes, epochs=EPOCHS, seed=seed)


def _of_shapes(
    name: str, description: str, network: TinyNet, scenes: list[Scene], n: int, seed: int
) -> Subject:
    task = TASKS["T6"]
    labels = np.array([task.label(scene) for scene in scenes], np.int64)
    pictures = np.stack([render(scene, SIZE).rgb for scene in scenes])
    right = small_net.logits(network, pictures).argmax(1) == labels
    kept = np.flatnonzero(right)[:n]
    if len(kept) < n:
        raise InputError(
            message(
                f"The network answers {len(kept)} of {len(scenes)} scenes rightly.",
                f"The table wants {n} of them.",
                "Ask for fewer scenes, or take another seed.",
            )
        )
    backbone = Backbone(
        network,
        name="TinyNet",
        classes=task.classes,
        layer="features",
        preprocess=Preprocess(
            size=(SIZE, SIZE),
            fit="stretch",
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
            source="the network's own training",
        ),
    )
    chosen = tuple(scenes[at] for at in kept)
    train = [
        scene if name == "cheat" else scene.with_decoy(None) for scene in _scenes("T6", "train", N_FIT, seed)
    ]
    return Subject(
        name=name,
        description=description,
        model=Classifier(backbone),
        scenes=chosen,
        targets=labels[kept],
        evidence=np.stack([masks(scene, render(scene, SIZE), ["large"])["large"] for scene in chosen]),
        fit_scenes=tuple(train),
        accuracy=round(float(right.mean()), 4),
    )


def _scenes(task: str, split: str, n: int, seed: int) -> Iterator[Scene]:
    """Scenes of a split; another seed takes scenes further on, so that no two seeds share one."""
    found = find_task(task)
    return (found.scene(split, seed * 100_000 + at) for at in range(n))


def _beast_scene(grammar: Grammar, seed: int, index: int) -> tuple[Scene, str]:
    """A scene whose creature has the parts of a class, and that class."""
    scene = sample_scene(seed, index, grammar)
    draws = Draws(seed, index)
    name = draws.pick("bench.class", tuple(BEASTS))
    (beast,) = scene.creatures
    have = {part.slot: part for part in beast.parts}
    for words in BEASTS[name]:
        variant, slot = words.split()
        have[slot] = part_of(draws, slot, variant, beast.id)
    whole = tuple(have[slot] for slot in SLOTS if slot in have)
    return scene.with_item(replace(beast, parts=whole, turn=0, flip=False)), name


def _unlit(scene: Scene) -> Scene:
    return replace(scene, lighting=replace(scene.lighting, strength=0.0), decoy=None)


def _one_colour(scene: Scene) -> str:
    """A colour that the scene shows, drawn by hash."""
    shown = sorted({thing.colour for thing in scene.objects})
    return Draws(scene.seed, scene.index).pick("bench.colour", shown)


def _colours_seen(scene: Scene, name: str) -> np.ndarray:
    """Where a colour is seen, or any of them."""
    found = masks(scene, render(scene, SIZE), [name] if name else list(COLOURS))
    seen: np.ndarray = np.any(list(found.values()), axis=0)
    return seen


def _count(n: int) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or n < FEWEST:
        raise InputError(message(f"n is {n!r}.", f"It is a whole number from {FEWEST} on.", "Pass n=60."))
    return n
