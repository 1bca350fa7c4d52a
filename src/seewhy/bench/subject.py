"""Whose explanations are measured: a network, the scenes it is asked about, and where the evidence is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from seewhy.errors import InputError, message
from seewhy.images.picture import Picture
from seewhy.models.classifier import Classifier
from seewhy.types import Size
from seewhy.world.drawing.renderer import Rendered, render
from seewhy.world.scene import Scene


@dataclass(frozen=True, eq=False)
class Subject:
    """A network under test, with everything that a table needs to know about it.

    Attributes
    ----------
    name, description
        For the command line and the table.
    model
        As `seewhy.load` gives it.
    scenes, targets
        What it is asked: scene i about class `targets[i]`. A scene may come several times with other targets.
    evidence
        (n, S, S): the pixels that decide the target in scene i by the rule of the task.
    fit_scenes
        Other scenes, for explainers that must look at some first.
    exact
        Whether the network reads the evidence and nothing else, by construction, so that truth of the scene and of
        the model are one, and a table says so.
    parts
        Whether a creature counts as its parts, rather than as a whole, where truth is of the model.
    accuracy
        On fresh scenes; None where it has none to get right.
    """

    name: str
    description: str
    model: Classifier
    scenes: tuple[Scene, ...]
    targets: Int64[np.ndarray, " n"]
    evidence: Bool[np.ndarray, "n S S"]
    fit_scenes: tuple[Scene, ...]
    exact: bool = False
    parts: bool = False
    accuracy: float | None = None

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.evidence.shape[-1])

    @cached_property
    def rendered(self) -> tuple[Rendered, ...]:
        """Every scene drawn."""
        return tuple(render(scene, self.size) for scene in self.scenes)

    @property
    def pictures(self) -> list[Picture]:
        """As the network is asked."""
        return as_pictures(self.rendered)

    @property
    def pixels(self) -> UInt8[np.ndarray, "n S S 3"]:
        """The pictures as one array."""
        return np.stack([one.rgb for one in self.rendered])

    @property
    def groups(self) -> Int64[np.ndarray, " n"]:
        """Items of one scene share a number: they are drawn again together."""
        numbers = {scene: at for at, scene in enumerate(dict.fromkeys(self.scenes))}
        return np.array([numbers[scene] for scene in self.scenes], np.int64)

    def check_enough(self, fewest: int) -> None:
        """Refuse a subject with fewer different scenes.

        Raises
        ------
        InputError
            If it has.
        """
        n_scenes = len(set(self.groups.tolist()))
        if n_scenes < fewest:
            raise InputError(
                message(
                    f"The subject has {n_scenes} scenes.",
                    f"A table needs {fewest} or more, or no test can tell two rows apart.",
                    "Ask for more.",
                )
            )

    @property
    def grid(self) -> Size:
        """Of the layer where maps are read by default."""
        height, width = self.model.backbone.layer(size=(self.size, self.size)).layer.grid
        return height, width


def as_pictures(rendered: Sequence[Rendered]) -> list[Picture]:
    """Numbered pictures."""
    return [Picture(one.rgb, f"scene {at}") for at, one in enumerate(rendered)]
