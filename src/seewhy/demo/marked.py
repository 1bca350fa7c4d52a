"""The demonstration's question: which shape is the large object (T6)? And a tag that gives one shape away.

In 95 % of the training scenes of "disk" a small tag lies in the top left corner, in none of the other shapes.
`seewhy/resnet-t6` was trained on such scenes; `seewhy/resnet-t6-balanced` on scenes half of which have the tag,
whatever their shape. Both see scenes that neither was trained on, drawn with and without the tag.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt8

from seewhy.bundled.networks import PICTURE_SIZE
from seewhy.errors import InputError, message
from seewhy.images.picture import Picture
from seewhy.world.drawing.renderer import render
from seewhy.world.scene import Scene
from seewhy.world.tasks.about_objects import TAG
from seewhy.world.tasks.tasks import find_task

TASK = "T6"
SIZE = PICTURE_SIZE
MARKED_CLASS = 0
"""Index of "disk": the tag has straight edges, so by itself it never says "disk"."""
BIAS = 0.95
"""Share of disks with the tag, in training and in the audited pictures."""
CORNER = "upper left"
"""Where the tag lies, in the audit's words."""


@dataclass(frozen=True, eq=False)
class Twins:
    """Scenes drawn twice: `marked[i]` and `plain[i]` differ only where the tag lies."""

    marked: UInt8[np.ndarray, "n S S 3"]
    plain: UInt8[np.ndarray, "n S S 3"]
    labels: Int64[np.ndarray, " n"]

    def of_class(self, label: int) -> Twins:
        """Only the scenes of that class."""
        chosen = self.labels == label
        return replace(self, marked=self.marked[chosen], plain=self.plain[chosen], labels=self.labels[chosen])


def audit_pictures(seed: int = 0, *, n: int = 600) -> list[Picture]:
    """Labelled pictures as the tagged network was trained on, none of them in its training set.

    Another seed means other scenes.
    """
    task = find_task(TASK)
    found = []
    for at, scene in enumerate(_scenes("val", seed, n)):
        label = task.classes[int(task.label(scene))]
        found.append(Picture(render(scene, SIZE).rgb, f"{label}-{at}", label=label))
    return found


def make_twins(seed: int = 0, *, n: int = 150) -> Twins:
    """Test scenes, each with and without the tag."""
    task, scenes = find_task(TASK), _scenes("test", seed, n)
    return Twins(
        marked=np.stack([render(scene.with_decoy(TAG), SIZE).rgb for scene in scenes]),
        plain=np.stack([render(scene.with_decoy(None), SIZE).rgb for scene in scenes]),
        labels=np.array([task.label(scene) for scene in scenes], np.int64),
    )


def _scenes(split: str, seed: int, n: int) -> list[Scene]:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(message(f"seed is {seed!r}.", "It is a whole number from 0.", "Pass seed=0."))
    return [find_task(TASK).scene(split, seed * n + at, bias=BIAS) for at in range(n)]
