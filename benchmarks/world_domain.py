"""Claim: an edited scene looks like a sampled one: a network that learns to tell them apart gets an AUROC <= 0.55.

Originals are T8 scenes (the default grammar without what is held out of training). Edited ones are other scenes of
it, each with one change that `valid_edits` offers: a present atomic concept by chance, then one of its changes by
chance. The two sets are matched in the numbers of objects and of creatures. `ours` is the AUROC of a `TinyNet` of
41,000 parameters on scenes that it never saw, trained on as many of both; details have the interval (from the spread
of placement values, DeLong et al. 1988), the AUROC of each kind of edit against all originals, and two controls that
say what the network would notice: edited scenes with one object painted 40/255 off its colour, and with the last
item moved over the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from math import sqrt
from typing import Any

import numpy as np
import torch

from seewhy.bench.small_net import logits, train
from seewhy.world.concepts import concept_names, present
from seewhy.world.drawing.renderer import render
from seewhy.world.edits.choice import valid_edits
from seewhy.world.edits.edits import apply
from seewhy.world.hashing import Draws
from seewhy.world.scene import Scene, Thing
from seewhy.world.tasks.tasks import find_task

NAME = "accuracy.world_domain"
LIMIT = 0.55
SIDE = 64
TRAIN, TEST, EPOCHS = 6000, 3000, 6

Change = Callable[[Scene], tuple[Scene, str] | None]


def run(n_train: int = TRAIN, n_test: int = TEST, epochs: int = EPOCHS) -> dict[str, Any]:
    """AUROC of the edits and of both controls."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        details = {
            name: told_apart(change, n_train, n_test, epochs)
            for name, change in (
                ("edits", edited),
                ("control: colour", off_colour),
                ("control: place", piled),
            )
        }
    finally:
        torch.set_num_threads(threads)
    ours = details["edits"]["auroc"]
    return {
        "name": NAME,
        "ours": ours,
        "limit": LIMIT,
        "ratio": round(ours / LIMIT, 3),
        "unit": "AUROC of a small network that tells edited scenes from sampled ones",
        "runs": 1,
        "details": details,
        "versions": {name: version(name) for name in ("numpy", "torch")},
    }


def told_apart(change: Change, n_train: int, n_test: int, epochs: int) -> dict[str, Any]:
    """Train on matched sets of both domains, and measure on others."""
    learned = matched("train", change, n_train)
    network = train(
        pictures(learned), np.array([bool(kind) for _, kind in learned], np.int64), ("sampled", "edited"),
        epochs=epochs,
    )  # fmt: skip
    asked = matched("test", change, n_test)
    out = logits(network, pictures(asked))
    scores = (out[:, 1] - out[:, 0]).astype(np.float64)
    kinds = np.array([kind for _, kind in asked])
    found = {name: auroc(scores[kinds == name], scores[kinds == ""]) for name in sorted(set(kinds)) if name}
    whole = auroc(scores[kinds != ""], scores[kinds == ""])
    return {**whole, "scenes": {"train": len(learned), "test": len(asked)}, "by edit": found}


def matched(split: str, change: Change, n: int) -> list[tuple[Scene, str]]:
    """Sampled scenes (kind "") and edited ones (kind of edit), as many of both with each number of items."""
    task = find_task("T8")
    sampled = [(task.scene(split, index), "") for index in range(n)]
    changed = [found for index in range(n, 2 * n) if (found := change(task.scene(split, index))) is not None]
    kept: list[tuple[Scene, str]] = []
    groups = [by_numbers(scenes) for scenes in (sampled, changed)]
    for numbers in groups[0]:
        both = [group.get(numbers, []) for group in groups]
        size = min(map(len, both))
        kept += [scene for scenes in both for scene in scenes[:size]]
    return kept


def by_numbers(scenes: Sequence[tuple[Scene, str]]) -> dict[tuple[int, int], list[tuple[Scene, str]]]:
    groups: dict[tuple[int, int], list[tuple[Scene, str]]] = {}
    for scene, kind in scenes:
        groups.setdefault((len(scene.objects), len(scene.creatures)), []).append((scene, kind))
    return groups


def edited(scene: Scene) -> tuple[Scene, str] | None:
    """One valid change; None if the concept drawn has none."""
    draws = Draws(scene.seed, scene.index)
    names = [name for name, has in zip(concept_names("atomic"), present(scene), strict=True) if has]
    changes = valid_edits(scene, draws.pick("domain.concept", names))
    if not changes:
        return None
    change = draws.pick("domain.change", changes)
    new = apply(scene, change)
    return (new, change[0].op) if new != scene else None


def off_colour(scene: Scene) -> tuple[Scene, str] | None:
    """One object 40/255 off in each channel, towards the middle."""
    if not scene.objects:
        return None
    thing = scene.objects[0]
    red, green, blue = (value + (40 if value < 128 else -40) for value in thing.rgb)
    return scene.with_item(replace(thing, rgb=(red, green, blue))), "colour"


def piled(scene: Scene) -> tuple[Scene, str] | None:
    """The last item lies on the first."""
    first, last = scene.items[0], scene.items[-1]
    if len(scene.items) < 2 or not isinstance(last, Thing):
        return None
    return scene.with_item(replace(last, x=first.x, y=first.y)), "place"


def pictures(scenes: Sequence[tuple[Scene, str]]) -> np.ndarray:
    return np.stack([render(scene, SIDE).rgb for scene, _ in scenes])


def auroc(positive: np.ndarray, negative: np.ndarray) -> dict[str, Any]:
    """Share of pairs in the right order, ties half, with a 95 % interval."""
    below, above = (np.searchsorted(np.sort(negative), positive, side) for side in ("left", "right"))
    of_positive = (below + above) / (2 * len(negative))
    below, above = (np.searchsorted(np.sort(positive), negative, side) for side in ("left", "right"))
    of_negative = 1 - (below + above) / (2 * len(positive))
    mean = float(of_positive.mean())
    error = sqrt(of_positive.var() / len(positive) + of_negative.var() / len(negative))
    return {
        "auroc": round(mean, 4),
        "low": round(mean - 1.96 * error, 4),
        "high": round(mean + 1.96 * error, 4),
        "n": len(positive),
    }
