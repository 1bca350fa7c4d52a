"""One scene of a task with everything that is known about it, ready to be written to a file."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from seewhy.world.checks import check_whole
from seewhy.world.concepts import concept_names, masks, present
from seewhy.world.drawing.renderer import MAX_SIZE, MIN_SIZE, Rendered, render
from seewhy.world.export import rle
from seewhy.world.grammar import WORLD_VERSION
from seewhy.world.language.captions import Caption, captions
from seewhy.world.language.negatives import hard_negatives
from seewhy.world.scene import Scene
from seewhy.world.tasks.splits import Split, find_split
from seewhy.world.tasks.tasks import Task, find_task


@dataclass(frozen=True)
class Order:
    """Which scenes, drawn how large: the first `n` of a task's split."""

    task: Task
    split: Split
    size: int
    n: int
    difficulty: int
    bias: float | None

    @classmethod
    def of(
        cls,
        task: str | Task,
        split: str,
        *,
        size: int = 96,
        n: int | None = None,
        difficulty: int = 1,
        bias: float | None = None,
    ) -> Order:
        """An order whose every part is known to be fine.

        Raises
        ------
        UnknownName
            If there is no such task or split.
        InputError
            If a number is out of range, or the task has no cue for the bias to act on.
        """
        asked = find_task(task) if not isinstance(task, Task) else task
        which = find_split(split)
        count = which.n if n is None else n
        check_whole("size", size, MIN_SIZE, MAX_SIZE)
        check_whole("number of scenes", count, 1, 10**9)
        asked.scene(which.name, 0, difficulty=difficulty, bias=bias)  # checks the rest
        return cls(asked, which, size, count, difficulty, bias)

    def record(self, index: int) -> Record:
        """Scene `index`, rendered."""
        scene = self.task.scene(self.split.name, index, difficulty=self.difficulty, bias=self.bias)
        return Record(self, index, scene, render(scene, self.size))


@dataclass(frozen=True, eq=False)
class Record:
    """A scene and its rendering; what else is known is worked out when it is asked for."""

    order: Order
    index: int
    scene: Scene
    rendered: Rendered

    @property
    def key(self) -> str:
        """Its name in files."""
        return f"{self.index:09d}"

    @cached_property
    def label(self) -> int | float | list[int]:
        """The class's number, a number, or 0 or 1 for each class."""
        label = self.order.task.label(self.scene)
        return [int(each) for each in label] if isinstance(label, np.ndarray) else label

    @property
    def label_names(self) -> list[str]:
        """The classes that the label names; of a regression none."""
        classes = self.order.task.classes
        if isinstance(self.label, list):
            return [name for name, has in zip(classes, self.label, strict=True) if has]
        return [classes[int(self.label)]] if classes else []

    @cached_property
    def presence(self) -> list[str]:
        """The atomic concepts that the scene has, in their fixed order."""
        return [n for n, has in zip(concept_names("atomic"), present(self.scene), strict=True) if has]

    @cached_property
    def captions(self) -> tuple[Caption, ...]:
        """One of each level, 0 to 4."""
        return captions(self.scene)

    @cached_property
    def about(self) -> dict[str, Any]:
        """All that is known besides the pixels, safe for JSON.

        `masks` are the visible pixels of each concept that is present, as run lengths (see `rle`).
        """
        order, name = self.order, self.order.task.name
        about: dict[str, Any] = {
            "key": self.key,
            "world_version": WORLD_VERSION,
            "task": name,
            "split": order.split.name,
            "index": self.index,
            "size": order.size,
            "difficulty": order.difficulty,
            "labels": {name: self.label},
            "label_names": {name: self.label_names},
            "captions": {f"L{each.level}": each.text for each in self.captions},
            "facts": {f"L{each.level}": each.facts for each in self.captions},
            "hard_negatives": [
                {"kind": pair.kind, "false": pair.false.text, "true": pair.true.text}
                for pair in hard_negatives(self.scene)
            ],
            "presence": self.presence,
            "masks": {
                concept: rle.encode(mask)
                for concept, mask in masks(self.scene, self.rendered, self.presence).items()
            },
            "scene": self.scene.to_dict(),
        }
        if order.task.cue:
            about["group"] = order.task.group(self.scene)
        return about

    @property
    def sha256(self) -> str:
        """Hash of the pixels of picture and masks, then of `about` as JSON: the same in every format."""
        digest = hashlib.sha256()
        for pixels in (self.rendered.rgb, self.rendered.id_map, self.rendered.part_map):
            digest.update(pixels.tobytes())
        digest.update(to_json(self.about))
        return digest.hexdigest()


def to_json(content: Any) -> bytes:
    """The one way in which content is written as JSON."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def to_png(pixels: UInt8[np.ndarray, "h w *channels"]) -> bytes:
    """A PNG file of grey, RGB or RGBA pixels, without times or other marks."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
