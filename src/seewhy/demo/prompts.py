"""Words for a scene, and for what a red circle in it points at: the bundled image-text model asked twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.backbones.load import load_backbone
from seewhy.images.picture import Picture
from seewhy.training.pairs import Circle, draw_circle
from seewhy.world.drawing.renderer import render
from seewhy.world.scene import Thing
from seewhy.world.tasks.tasks import find_task

_SIZE = 96
_WIDTH = 2.0


@dataclass(frozen=True, eq=False)
class Prompts:
    """How well each text goes with a picture, before and after a circle was drawn into it.

    Attributes
    ----------
    texts
        One for each object of the scene, the circled one first.
    plain, circled
        Probability of each text among them, a softmax over the texts' logits.
    pictures
        The scene as it is, and with the circle.
    """

    texts: tuple[str, ...]
    plain: tuple[float, ...]
    circled: tuple[float, ...]
    pictures: tuple[UInt8[np.ndarray, "S S 3"], UInt8[np.ndarray, "S S 3"]]

    @property
    def follows(self) -> bool:
        """Whether the circled object's text comes first once it is circled."""
        return max(self.circled) == self.circled[0]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"texts": self.texts, "plain": self.plain, "circled": self.circled}

    def rows(self) -> list[tuple[str, ...]]:
        """A table: one text in a row."""
        found = [
            (text, f"{before:.0%}", f"{after:.0%}")
            for text, before, after in zip(self.texts, self.plain, self.circled, strict=True)
        ]
        return [
            ("words", "the scene", f"with a red circle around the {self.texts[0].split(' ', 1)[1]}"),
            *found,
        ]


def prompt(seed: int = 0) -> Prompts:
    """Ask about a scene with at least three objects; another seed means another scene."""
    task, index = find_task("T8"), 1000 * seed
    while len({_words(item) for item in task.scene("test", index).objects}) < 3:
        index += 1
    scene = task.scene("test", index)
    things = sorted(scene.objects, key=lambda item: -item.radius)
    texts = tuple(dict.fromkeys(_words(item) for item in things))
    plain = render(scene, _SIZE).rgb
    image = torch.from_numpy(plain).permute(2, 0, 1).float().div(255)
    draw_circle(image, Circle(things[0].x, things[0].y, 1.25 * things[0].radius, _WIDTH))
    marked = image.mul(255).round().byte().permute(1, 2, 0).numpy()
    backbone = load_backbone("seewhy/clip", classes=texts)
    with backbone.undisturbed(), torch.no_grad():
        x = backbone.tensor([Picture(plain, "scene"), Picture(marked, "circled")]).x
        shares = backbone.logits(x).softmax(1).double().tolist()
    return Prompts(texts, tuple(shares[0]), tuple(shares[1]), (plain, marked))


def _words(item: Thing) -> str:
    article = "an" if item.colour[0] in "aeiou" else "a"
    return f"{article} {item.colour} {item.shape}"
