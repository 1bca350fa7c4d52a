"""The VLM's own patch tokens as embeddings of places: one forward pass, no prompt at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.errors import UnknownName, did_you_mean, message
from seewhy.grounding.base import checked_grid, ready
from seewhy.types import Size
from seewhy.vlms.base import MODES, VLM


@dataclass(frozen=True)
class Dense:
    """Embeddings of patches, from another last block (`VLM.dense`).

    Parameters
    ----------
    mode
        "maskclip", "clearclip" or "naclip".
    grid
        (rows, columns) of the cells; default those of the patches.

    Notes
    -----
    A cell is the mean of the patches under it, weighted by how much of it each covers, made a unit vector again.
    """

    mode: str = "naclip"
    grid: Size | None = None
    kind: ClassVar[str] = "dense/1"

    def __post_init__(self) -> None:
        if self.grid is not None:
            object.__setattr__(self, "grid", checked_grid(self.grid))
        if self.mode not in MODES:
            raise UnknownName(
                message(
                    f"There is no dense mode {self.mode!r}.",
                    did_you_mean(str(self.mode), MODES),
                    f"Known: {', '.join(MODES)}.",
                )
            )

    def __call__(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b gh gw d"]:
        """Unit embeddings of the cells of preprocessed pictures.

        Raises
        ------
        NotSupported
            If the VLM cannot; the message says why.
        InputError
            If `x` is not a batch of its inputs.
        """
        tokens = vlm.dense(ready(vlm, x), self.mode)
        if self.grid is not None:
            tokens = by_area(tokens, self.grid)
        return nn.functional.normalize(tokens, dim=1).movedim(1, -1).contiguous()

    def describe(self) -> dict[str, Any]:
        """Its kind and settings."""
        return {"kind": self.kind, **asdict(self)}


def by_area(maps: Float[Tensor, "b d h w"], grid: Size) -> Float[Tensor, "b d gh gw"]:
    """Means of a map's values under each cell of another grid, weighted by the area that they share."""
    down, across = (covered(old, new).to(maps) for old, new in zip(maps.shape[-2:], grid, strict=True))
    return down @ maps @ across.T


def covered(n_from: int, n_to: int) -> Float[Tensor, "n_to n_from"]:
    """Share of each new cell (rows) that each old one covers, along a line; rows add up to one."""
    new = torch.arange(n_to, dtype=torch.float64)[:, None] * (n_from / n_to)
    old = torch.arange(n_from, dtype=torch.float64)
    overlap = (new + n_from / n_to).minimum(old + 1) - new.maximum(old)
    return overlap.clamp(min=0) * (n_to / n_from)
