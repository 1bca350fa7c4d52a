"""A pair of networks for one question, wader or walker: one learned it where waders stand in water, one did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seewhy.backbones.load import load_backbone
from seewhy.bundled.networks import PICTURE_SIZE
from seewhy.demo.logits import logits_of
from seewhy.world.drawing.renderer import render
from seewhy.world.tasks.tasks import find_task

TASK = "T5"
NETWORKS = ("resnet-t5-biased", "resnet-t5-balanced")


@dataclass(frozen=True)
class Groups:
    """Accuracy of each network in each group of scenes, "wader on grass" and so on, and how many scenes it has."""

    sizes: dict[str, int]
    accuracy: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"scenes": self.sizes, "accuracy": self.accuracy}

    @property
    def differ(self) -> bool:
        """Whether the biased network is worse than the balanced one where each is worst."""
        biased, balanced = (min(self.accuracy[name].values()) for name in NETWORKS)
        return biased < balanced

    def rows(self) -> list[tuple[str, ...]]:
        """A table: groups in the columns, the worst one of each network marked."""
        rows: list[tuple[str, ...]] = [("network", *self.sizes)]
        for network, found in self.accuracy.items():
            low, high = min(found.values()), max(found.values())
            rows.append(
                (network, *(f"{found[g]:.0%}{' (worst)' * (found[g] == low < high)}" for g in self.sizes))
            )
        return rows


def by_group(seed: int = 0, *, n: int = 400) -> Groups:
    """Both networks on `n` test scenes in which the background says nothing; another seed means other scenes."""
    task = find_task(TASK)
    scenes = [task.scene("test", seed * n + at) for at in range(n)]
    pixels = [render(scene, PICTURE_SIZE).rgb for scene in scenes]
    labels = np.array([task.label(scene) for scene in scenes])
    groups = np.array([" on ".join(task.group(scene)) for scene in scenes])
    names = sorted(set(groups.tolist()))
    accuracy = {}
    for name in NETWORKS:
        right = logits_of(load_backbone(f"seewhy/{name}"), pixels).argmax(1) == labels
        accuracy[name] = {group: float(right[groups == group].mean()) for group in names}
    return Groups({group: int((groups == group).sum()) for group in names}, accuracy)
