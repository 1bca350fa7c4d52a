"""Everything blurred but a disk around each cell: the place stands out, its surroundings stay as a hint.

"Blur reverse mask" of Fine-Grained Visual Prompting (Yang et al., arXiv 2306.04356), with a disk where they have the
mask of an object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.grounding.base import (
    Paint,
    PerCell,
    centres,
    check_at_once,
    check_share,
    checked_grid,
    squared_distances,
)
from seewhy.types import Size
from seewhy.vlms.base import VLM


@dataclass(frozen=True)
class BlurOutside(PerCell):
    """Embeddings of the picture, sharp only around a cell.

    Parameters
    ----------
    grid
        (rows, columns); one number stands for both.
    radius
        Of the sharp disk, as a share of the shorter side.
    sigma
        Of the Gaussian blur, as a share of the shorter side.
    at_once
        Prompts in one forward pass; default by device and size.

    Notes
    -----
    Weights of a Gaussian that reaches beyond the frame are shared among the pixels inside, so a plain picture stays
    as it is.
    """

    grid: Size = (7, 7)
    radius: float = 1 / 7
    sigma: float = 1 / 14
    at_once: int | None = None
    kind: ClassVar[str] = "blur outside/1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", checked_grid(self.grid))
        check_share("radius", self.radius, 1.0, "1 / 7")
        check_share("sigma", self.sigma, 1.0, "1 / 14")
        check_at_once(self.at_once)

    def painter(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Paint:
        """The picture is blurred once; each cell chooses between the two."""
        size = (x.shape[-2], x.shape[-1])
        short = min(size)
        away = squared_distances(*centres(size, self.grid), size)
        disks = (away <= (self.radius * short) ** 2).to(x.device)
        down, across = (gaussian(side, self.sigma * short).to(x) for side in size)
        blurred = (down @ x @ across.T)[:, None]
        return lambda cells: torch.where(disks[cells, None], x[:, None], blurred)


def gaussian(n: int, sigma: float) -> Float[Tensor, "n n"]:
    """Weights of a blur along a line of `n` pixels; rows add up to one."""
    at = torch.arange(n, dtype=torch.float64)
    weights = torch.exp(-(at[:, None] - at).square() / (2 * math.pow(sigma, 2)))
    return weights / weights.sum(1, keepdim=True)
