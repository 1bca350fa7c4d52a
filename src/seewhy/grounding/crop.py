"""A cut-out around each cell, enlarged to the VLM's input: what is there, without its surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.grounding.base import Paint, PerCell, centres, check_at_once, check_share, checked_grid
from seewhy.types import Size
from seewhy.vlms.base import VLM


@dataclass(frozen=True)
class Crop(PerCell):
    """Embeddings of cut-outs with the aspect of the input.

    Parameters
    ----------
    grid
        (rows, columns); one number stands for both.
    size
        Of a cut-out, as a share of the input's height and of its width; 1 is the whole picture, for every cell. The
        default is the box around a default `RedCircle`.
    at_once
        Prompts in one forward pass; default by device and size.

    Notes
    -----
    A cut-out that would leave the frame is moved inside, so those of outer cells are not centred on them. Bilinear,
    to the fraction of a pixel; beyond the middles of a cut-out's outer pixels the value stays.
    """

    grid: Size = (7, 7)
    size: float = 2 / 7
    at_once: int | None = None
    kind: ClassVar[str] = "crop/1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", checked_grid(self.grid))
        check_share("size", self.size, 1.0, "2 / 7")
        check_at_once(self.at_once)

    def painter(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Paint:
        """Two small matrices a cell: one takes its rows, one its columns."""
        height, width = x.shape[-2:]
        down, across = (
            sampling(middles, self.size * side, side).to(x)
            for middles, side in zip(centres((height, width), self.grid), (height, width), strict=True)
        )
        rows, columns = (
            at.flatten() for at in torch.meshgrid(*(torch.arange(n) for n in self.grid), indexing="ij")
        )

        def paint(cells: slice) -> Tensor:
            return torch.einsum("nyh,bchw,nxw->bncyx", down[rows[cells]], x, across[columns[cells]])

        return paint


def sampling(middles: Float[Tensor, " g"], length: float, side: int) -> Float[Tensor, "g S S"]:
    """Bilinear weights from a line of `side` pixels to pieces of it of the given length, each enlarged to `side`.

    Pieces are centred on `middles` where they fit, and moved inside where they do not.
    """
    start = (middles - length / 2).clamp(torch.zeros(()), torch.tensor(side - length).clamp(min=0.0))
    at = start[:, None] + (torch.arange(side, dtype=torch.float64) + 0.5) * (length / side) - 0.5
    # As a resize of the cut-out itself would: nothing from beyond its outer pixels.
    last = (start + length - 1).maximum(start)[:, None]
    at = at.maximum(start[:, None]).minimum(last)
    low = at.floor().clamp(0, side - 1)
    high = (low + 1).clamp(max=side - 1)
    share = at - low
    weights = torch.zeros(len(middles), side, side, dtype=torch.float64)
    weights.scatter_add_(2, low.long()[..., None], (1 - share)[..., None])
    return weights.scatter_add_(2, high.long()[..., None], share[..., None])
