"""Networks whose relevant cell is known, made of any network in two parts: features, and a head on them.

Rao et al., CVPR 2022 (arXiv 2205.10435), from their description. Each is an ordinary module from a grid of
pictures to logits, so that any attribution method explains it as it is. `grid` is where the features of all
cells lie side by side: there methods read features and gradients, and there maps of features live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.attribution.base import as_backbone
from seewhy.backbones.graph import CannotCut, cut_graph
from seewhy.errors import NotSupported, message
from seewhy.evaluate.grids.pictures import tiled, untiled
from seewhy.types import Size

Setting = Literal["gridpg", "difull", "dipart"]
Head = Literal["whole", "slide"]

GRID = "grid"
"""Name of the layer at which the features of all cells lie side by side."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A network as `features` (b, c, H, W) -> (b, d, h, w) and `head` (b, d, h, w) -> (b, k) logits."""

    features: nn.Module
    head: nn.Module

    @classmethod
    def of(cls, model: Any, size: Size, at: str | None = None) -> Parts:
        """The parts of a network before and after a layer, for single pictures of `size`.

        Raises
        ------
        NotSupported
            If the layer's output is not (b, d, h, w), or the network cannot be cut there.
        """
        backbone = as_backbone(model)
        layer = backbone.layer(at, size=size).layer
        if layer.layout != "bchw" or layer.path:
            raise NotSupported(
                message(
                    f"The features of {backbone.name} at {layer.describe()} are no grid (b, d, h, w): class or "
                    "patch tokens, or one of several outputs.",
                    "Cells of features are put side by side as pictures are.",
                    "Take DiFull with a method that needs no features (occlusion, rise, input_x_gradient, "
                    "integrated_gradients), and pass the network itself.",
                )
            )
        try:
            with backbone.undisturbed():
                cut = cut_graph(backbone.module, layer.name)
            reason = f"{', '.join(cut.live)} also cross the cut" if cut.live else ""
        except CannotCut as why:
            reason = str(why)
        if reason:
            raise NotSupported(
                message(
                    f"{backbone.name} cannot be cut at {layer.name!r}: {reason}.",
                    "A network is cut where one tensor carries everything.",
                    "Choose another at=, or pass Parts(features, head) made of its modules.",
                )
            )
        return cls(_Before(cut.head), _After(cut.tail, backbone.read_logits))


class GridNetwork(nn.Module):
    """Logits of a grid of pictures; see `settings`.

    Parameters
    ----------
    parts
        The network.
    side
        Cells a side.
    setting
        "gridpg": features of the whole grid, pooled by the head over all of it. "difull": the head sees one
        cell, whose features were computed from this cell alone. "dipart": the head sees the features of one
        cell, computed on the whole grid.
    cell
        The cell of which DiFull and DiPart give logits.
    head
        For GridPG: "whole" applies the head to the features of the whole grid; "slide" to every window of
        one cell's size and takes the mean, for heads that only know one size.
    lone
        DiFull runs the one cell alone: the same logits, but no features of the others to look at.
    """

    def __init__(
        self,
        parts: Parts,
        side: int,
        setting: Setting,
        cell: int = 0,
        *,
        head: Head = "whole",
        lone: bool = False,
    ) -> None:
        super().__init__()
        self.features, self.head = parts.features, parts.head
        self.grid = _Assembled(side if setting == "difull" else 1)
        self.side, self.setting, self.cell, self.how, self.lone = side, setting, cell, head, lone

    def forward(self, x: Float[Tensor, "b c nH nW"]) -> Float[Tensor, "b k"]:
        """Logits."""
        if self.setting == "difull":
            cells = untiled(x, self.side)
            if self.lone:
                return self._read(self.features(cells[:, self.cell]))
            assembled = self.grid(self.features(cells.flatten(0, 1)))
            return self._read(untiled(assembled, self.side)[:, self.cell])
        assembled = self.grid(self.features(x))
        if self.setting == "dipart":
            return self._read(untiled(assembled, self.side)[:, self.cell])
        if self.how == "whole":
            return self._read(assembled)
        height, width = (extent // self.side for extent in assembled.shape[2:])
        windows = assembled.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
        logits = self._read(windows.flatten(0, 2))
        return logits.reshape(len(x), -1, logits.shape[1]).mean(1)

    def _read(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits


class _Assembled(nn.Module):
    """Features of single cells laid side by side; with one cell, as they are, but a tensor of their own."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        if self.side == 1:
            return features.clone()
        return tiled(features.reshape(-1, self.side**2, *features.shape[1:]), self.side)


class _Before(nn.Module):
    """The graph before the cut; a copy goes on, because what follows may work in place."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.graph(x.clone())[0]
        return features


class _After(nn.Module):
    """The graph after the cut, read as logits."""

    def __init__(self, graph: nn.Module, read: Any) -> None:
        super().__init__()
        self.graph, self.read = graph, read

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.read(self.graph(features.clone()))
        return logits


def whole_network(model: Any) -> Parts:
    """A network as a head without features: DiFull runs it on one cell."""
    backbone = as_backbone(model)
    return Parts(nn.Identity(), _After(backbone.module, backbone.read_logits))


def refuse_misfit(
    parts: Parts, x: Float[Tensor, "b c nH nW"], side: int, setting: Setting, head: Head
) -> None:
    """Refuse networks whose features of a grid are not those of its cells side by side, or do not run on it.

    Raises
    ------
    NotSupported
        With the shapes that came.
    """
    with torch.no_grad():
        alone = parts.features(untiled(x, side)[:, 0])
        try:
            shape = tuple(parts.features(x).shape) if setting != "difull" else None
        except Exception as error:
            raise _misfit(setting, f"does not run on a whole grid ({type(error).__name__})") from error
        if alone.ndim != 4:
            raise _misfit(setting, f"has features of shape {tuple(alone.shape)}, which are no (b, d, h, w)")
        wanted = (len(x), alone.shape[1], side * alone.shape[2], side * alone.shape[3])
        if shape is not None and shape != wanted:
            raise _misfit(
                setting, f"has features {shape} of a whole grid, and its cells put together have {wanted}"
            )
        try:
            GridNetwork(parts, side, setting, head=head)(x)
        except RuntimeError as error:
            raise NotSupported(
                message(
                    f"The head does not take the features of a whole grid ({str(error).splitlines()[0]:.120}).",
                    "In GridPG one head sees the whole grid.",
                    'Pass head="slide", which takes the mean over windows of one cell\'s size.',
                )
            ) from error


def _misfit(setting: Setting, what: str) -> NotSupported:
    return NotSupported(
        message(
            f"The network {what}.",
            f"{setting} needs the features of a grid to be a grid of features (b, d, h, w).",
            "Transformers and networks for one size of pictures are judged by DiFull, with a method that needs "
            "no features.",
        )
    )
