"""Networks whose mechanism is known: what they share, and the exact account of their logits.

They are ordinary modules, so that every method can be asked about them. A method that is wrong here is wrong, not
the network: nothing was trained, and what each channel means and how much it counts was written down.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, did_you_mean, message
from seewhy.images.preprocess import Preprocess

Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Contributions:
    """The exact account of one logit: logit = bias + sum of `by_place`.

    Attributes
    ----------
    concepts
        What each channel stands for.
    by_place
        What each channel adds at each cell.
    bias
        The logit without any of them.
    """

    concepts: tuple[str, ...]
    by_place: Float64[np.ndarray, "c h w"]
    bias: float

    @property
    def values(self) -> Float64[np.ndarray, " c"]:
        """What each channel adds in all."""
        sums: np.ndarray = self.by_place.sum((1, 2))
        return sums

    @property
    def map(self) -> Float64[np.ndarray, "h w"]:
        """What all channels add at each cell."""
        sums: np.ndarray = self.by_place.sum(0)
        return sums

    @property
    def logit(self) -> float:
        """The logit itself."""
        return self.bias + float(self.by_place.sum())


class GlassBox(nn.Module, ABC):
    """`head(features(x))`: features with a place and a name for each channel, and a head that is known.

    Attributes
    ----------
    features, head
        The two halves; every method that asks for a layer is to be asked at "features".
    concepts, classes
        Names of the channels and of the logits.
    """

    features: nn.Module
    head: nn.Module

    def __init__(self, concepts: Sequence[str], classes: Sequence[str]) -> None:
        super().__init__()
        self.concepts, self.classes = tuple(concepts), tuple(classes)
        for what, names in (("concepts", self.concepts), ("classes", self.classes)):
            if not names or len(set(names)) != len(names):
                raise InputError(
                    message(
                        f"The {what} are {', '.join(names) or 'none'}.",
                        f"A {type(self).__name__} has at least one, and none twice.",
                        "Give each its own name.",
                    )
                )

    def forward(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b k"]:
        """Logits."""
        logits: Tensor = self.head(self.features(x))
        return logits

    @abstractmethod
    def truth(self, x: Float[Tensor, "c H W"], target: int | str) -> Contributions:
        """The exact account of one logit of one input."""

    def preprocess(self, size: int = 96) -> Preprocess | None:
        """From a picture to the input: bytes to 0..1, at `size`."""
        return Preprocess((size, size), "stretch", mean=0.0, std=1.0, source="the glass box's own")

    def backbone(self, size: int = 96) -> Backbone:
        """The network as `seewhy.load` takes it, with preprocessing, class names and layer; `truth` asks it too."""
        return Backbone(
            self.eval(),
            name=type(self).__name__,
            preprocess=self.preprocess(size),
            classes=self.classes,
            layer="features",
        )

    def row(self, target: int | str) -> int:
        """Which logit a class is."""
        if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(self.classes):
            return target
        if target in self.classes:
            return self.classes.index(str(target))
        raise InputError(
            message(
                f"The target is {target!r}.",
                f"The classes are {', '.join(self.classes)}.",
                "Pass one of these, or its index.",
            )
        )

    def _activations(self, x: Float[Tensor, "c H W"]) -> Float64[np.ndarray, "c h w"]:
        if x.ndim != 3:
            raise InputError(
                message(
                    f"The input has shape {tuple(x.shape)}.",
                    "The truth is that of one input, (channels, height, width).",
                    "Pass x[0] of a batch of one.",
                )
            )
        with torch.no_grad():
            found: np.ndarray = self.features(x[None])[0].double().numpy()
        return found


class LinearGlass(GlassBox):
    """A glass box whose head is the mean over places and a linear layer.

    contribution of channel c at cell u = weight_c A_c(u) / (h w)                                          (1)

    Parameters
    ----------
    concepts
        Names of the channels.
    weights
        By class, its weight of each concept; concepts that a class does not mention have weight 0.
    bias
        By class; 0 for the others.
    """

    def __init__(
        self,
        concepts: Sequence[str],
        weights: dict[str, dict[str, float]],
        bias: dict[str, float] | None = None,
    ) -> None:
        super().__init__(concepts, tuple(weights))
        _check_names("weights", {name for row in weights.values() for name in row}, self.concepts)
        _check_names("bias", set(bias or {}), self.classes)
        linear = blank(nn.Linear(len(self.concepts), len(self.classes), device="meta"))
        with torch.no_grad():
            for k, (name, row) in enumerate(weights.items()):
                linear.bias[k] = (bias or {}).get(name, 0.0)
                for concept, weight in row.items():
                    linear.weight[k, self.concepts.index(concept)] = weight
        self.linear = linear
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)

    def truth(self, x: Float[Tensor, "c H W"], target: int | str) -> Contributions:
        """Equation (1)."""
        row = self.row(target)
        active = self._activations(x)
        weights = self.linear.weight[row].detach().double().numpy()
        by_place = weights[:, None, None] * active / active[0].size
        return Contributions(self.concepts, by_place, float(self.linear.bias[row].detach()))


class Cells(nn.Module):
    """Mean over square cells, refused where they do not fit: cut-off pixels would have no account."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Float[Tensor, "b c H W"]) -> Float[Tensor, "b c h w"]:
        """One value a cell."""
        if x.shape[2] % self.side or x.shape[3] % self.side:
            raise InputError(
                message(
                    f"The input is {x.shape[2]} x {x.shape[3]} pixels.",
                    f"The network sees cells of {self.side} x {self.side}.",
                    "Draw pictures whose side is a multiple of that, or make the network with another cell=.",
                )
            )
        return nn.functional.avg_pool2d(x, self.side)


def to_input(pictures: UInt8[np.ndarray, "n H W 3"]) -> Float32[Tensor, "n 3 H W"]:
    """Bytes to 0..1, as `GlassBox.preprocess` does."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(torch.float32).div(255)


def blank(layer: Layer) -> Layer:
    """A layer made on the meta device, with storage and zeros: its own start would draw from the global stream."""
    made = layer.to_empty(device="cpu")
    for parameter in made.parameters():
        nn.init.zeros_(parameter)
    return made


def _check_names(what: str, given: set[str], known: Sequence[str]) -> None:
    unknown = sorted(given - set(known))
    if unknown:
        raise InputError(
            message(
                f"The {what} name {unknown[0]!r}.",
                f"They are about {', '.join(known)}.",
                did_you_mean(unknown[0], known),
            )
        )
