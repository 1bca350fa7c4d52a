"""The glass boxes: networks written down by hand, on which an explanation can be checked to the last digit.

`GlassColor` counts coloured pixels. `GlassCBM` is given the scene's true concept maps instead of pixels, so that
nothing is left to go wrong but the explanation. `GlassPart` (in `glass_parts`) asks for several parts together.
`GlassCheat` gives the answers of a `GlassPart`, and reads the decoy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from seewhy.errors import InputError, message
from seewhy.images.preprocess import Preprocess
from seewhy.world.checks import check_name
from seewhy.world.concepts import masks
from seewhy.world.drawing.renderer import render
from seewhy.world.glass.base import Cells, Contributions, GlassBox, LinearGlass, blank, to_input
from seewhy.world.glass.filters import colour_filters
from seewhy.world.glass.parts import GlassPart
from seewhy.world.grammar import COLOURS
from seewhy.world.scene import Decoy, Scene
from seewhy.world.truth.models import CHUNK, SceneFunction


class GlassColor(LinearGlass):
    """How much of the picture has each object colour, times its weight.

    Parameters
    ----------
    weights
        By class, weights of colours; only colours that are mentioned have a channel.
    bias
        By class.
    cell
        Side of a cell of the feature map in pixels; the picture's side is a multiple of it.
    light
        Lighting that a colour bears (`glass_filters.colour_filters`); at 0.25, as strong as the world's, white
        answers to pale creatures too, and without it no colour answers to anything else.

    Examples
    --------
    >>> box = GlassColor({"warm": {"red": 4.0, "blue": -4.0}})
    >>> box.concepts
    ('red', 'blue')
    """

    def __init__(
        self,
        weights: dict[str, dict[str, float]],
        *,
        bias: dict[str, float] | None = None,
        cell: int = 8,
        light: float = 0.0,
    ) -> None:
        colours = tuple(dict.fromkeys(name for row in weights.values() for name in row))
        for colour in colours:
            check_name("colour", colour, COLOURS)
        super().__init__(colours, weights, bias)
        self.features = nn.Sequential(
            colour_filters({colour: COLOURS[colour] for colour in colours}, light), Cells(cell)
        )


class GlassCBM(LinearGlass):
    """A concept bottleneck that cannot be wrong: its channels are the scene's own concept maps.

    Parameters
    ----------
    concepts
        Names as in `concepts.masks`, in the order of the input's channels.
    weights, bias, cell
        As of `GlassColor`.
    """

    def __init__(
        self,
        concepts: Sequence[str],
        weights: dict[str, dict[str, float]],
        *,
        bias: dict[str, float] | None = None,
        cell: int = 8,
    ) -> None:
        super().__init__(concepts, weights, bias)
        same = blank(nn.Conv2d(len(self.concepts), len(self.concepts), 1, device="meta"))
        with torch.no_grad():
            same.weight.copy_(torch.eye(len(self.concepts))[:, :, None, None])
        self.features = nn.Sequential(same, Cells(cell))

    def preprocess(self, size: int = 96) -> Preprocess | None:
        """None: no recipe makes its input from a picture."""
        return None

    def maps(self, scenes: Sequence[Scene], size: int = 96) -> Float32[Tensor, "n c S S"]:
        """Its input for some scenes, to be passed to methods with `preprocess=False`."""
        rows = []
        for scene in scenes:
            there = masks(scene, render(scene, size), self.concepts)
            rows.append(np.stack([there[name] for name in self.concepts]).astype(np.float32))
        return torch.from_numpy(np.stack(rows))

    def asked(self, size: int = 96) -> SceneFunction:
        """Logits of scenes: what `truth.shapley_of_scenes` asks."""

        def answer(scenes: Sequence[Scene]) -> Float[np.ndarray, "n k"]:
            with torch.no_grad():
                rows = [
                    self(self.maps(scenes[first : first + CHUNK], size))
                    for first in range(0, len(scenes), CHUNK)
                ]
            logits: np.ndarray = torch.cat(rows).double().numpy()
            return logits

        return answer


class GlassCheat(LinearGlass):
    """Reads the decoy and nothing else: how much of it there is, as a share of the whole decoy.

    logit_k = without_k + seen (with_k - without_k)                                                        (1)

    Parameters
    ----------
    classes
        By class, (logit without the decoy, logit with it).
    decoy
        What it looks for: a "tag" or a "border", by its first colour, wherever that is. `seen` is 1 where the
        decoy's squares fall on whole pixels, as those of the default do at 48 and 96; else less.
    cell
        As of `GlassColor`.
    """

    def __init__(
        self, classes: Mapping[str, tuple[float, float]], decoy: Decoy | None = None, *, cell: int = 8
    ) -> None:
        decoy = decoy or Decoy()
        if decoy.kind == "watermark":
            raise InputError(
                message(
                    "The decoy is a watermark.",
                    "GlassCheat knows a decoy by its colour, and half of the scene shines through a watermark.",
                    'Pass Decoy(kind="tag") or Decoy(kind="border").',
                )
            )
        area = decoy.side**2 / 2 if decoy.kind == "tag" else 1 - (1 - decoy.side / 2) ** 2
        weights = {name: {"decoy": (with_ - without) / area} for name, (without, with_) in classes.items()}
        super().__init__(("decoy",), weights, {name: without for name, (without, _) in classes.items()})
        self.features = nn.Sequential(colour_filters({"decoy": decoy.rgb}), Cells(cell))

    @classmethod
    def like(cls, honest: GlassPart, marked: str, decoy: Decoy | None = None, *, cell: int = 8) -> GlassCheat:
        """The twin of a `GlassPart` for scenes in which the decoy stands exactly where `marked` is true.

        On these, as long as all but one part of each other class and of `marked` itself are there, the two give
        the same logits; each further part that lacks makes a difference of `LEAK * weight`.
        """
        row = honest.row(marked)
        low, high = honest.bias, honest.bias + honest.weight
        return cls(
            {name: (low, high if k == row else low) for k, name in enumerate(honest.classes)},
            decoy,
            cell=cell,
        )


__all__ = [
    "Contributions",
    "GlassBox",
    "GlassCBM",
    "GlassCheat",
    "GlassColor",
    "GlassPart",
    "LinearGlass",
    "to_input",
]
