"""Words for a scene, and for what a red circle in it points at: the bundled image-text model asked twice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.backbones.base import Backbone
from seewhy.backbones.load import load_backbone
from seewhy.bundled.networks import PICTURE_SIZE
from seewhy.demo.logits import logits_of
from seewhy.training.pairs import Circle, draw_circle
from seewhy.world.drawing.renderer import render
from seewhy.world.language.words import with_article
from seewhy.world.scene import Scene, Thing
from seewhy.world.tasks.tasks import find_task

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
        """Whether the circle made the circled object's text the first, which it was not before."""
        others = range(1, len(self.texts))
        return all(self.circled[0] > self.circled[at] for at in others) and any(
            self.plain[0] < self.plain[at] for at in others
        )

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
    """Ask about a scene of three objects or more, no two of one colour and shape; another seed means another scene.

    The circle goes around the object whose text the model likes least without it.
    """
    scene = next(filter(_can_be_asked, (find_task("T8").scene("test", 100 * seed + at) for at in count())))
    texts = [_words(item) for item in scene.objects]
    backbone = load_backbone("seewhy/clip", classes=texts)
    plain = render(scene, PICTURE_SIZE).rgb
    before = _shares(backbone, plain)
    least = before.index(min(before))
    circled = _with_circle(plain, scene.objects[least])
    after = _shares(backbone, circled)
    order = [least, *(at for at in range(len(texts)) if at != least)]
    return Prompts(
        texts=tuple(texts[at] for at in order),
        plain=tuple(before[at] for at in order),
        circled=tuple(after[at] for at in order),
        pictures=(plain, circled),
    )


def _can_be_asked(scene: Scene) -> bool:
    texts = [_words(item) for item in scene.objects]
    return len(texts) >= 3 and len(set(texts)) == len(texts)


def _shares(backbone: Backbone, pixels: UInt8[np.ndarray, "S S 3"]) -> list[float]:
    found: list[float] = torch.from_numpy(logits_of(backbone, [pixels])[0]).softmax(0).tolist()
    return found


def _with_circle(pixels: UInt8[np.ndarray, "S S 3"], item: Thing) -> UInt8[np.ndarray, "S S 3"]:
    image = torch.from_numpy(pixels).permute(2, 0, 1).float().div(255)
    draw_circle(image, Circle(item.x, item.y, 1.25 * item.radius, _WIDTH))
    found: np.ndarray = image.mul(255).round().byte().permute(1, 2, 0).numpy()
    return found


def _words(item: Thing) -> str:
    return with_article(f"{item.colour} {item.shape}")
