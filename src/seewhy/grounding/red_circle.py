"""A red circle around each cell: CLIP looks at what is circled (Shtedritski et al., arXiv 2304.06712).

    shown[g, c, y, x] = red[c]  where  | ||(y, x) - centre[g]|| - radius | <= width / 2,  else  picture[c, y, x]   (1)

The teacher of SALF-CBM (Benou & Riklin-Raviv, arXiv 2502.20134). Its paper states neither the grid nor the circle;
the defaults are those of a public re-implementation (7 x 7, 32 and 3 pixels at 224) as shares of the side. It centres
circles as layout="inside" does; ours is the middle of the cell, which needs no shift between map and picture.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.errors import InputError, NotSupported, message
from seewhy.grounding.base import (
    Layout,
    Paint,
    PerCell,
    centres,
    check_at_once,
    check_layout,
    check_share,
    checked_grid,
    squared_distances,
)
from seewhy.images.preprocess import Preprocess
from seewhy.types import Size
from seewhy.vlms.base import VLM


@dataclass(frozen=True)
class RedCircle(PerCell):
    """Embeddings of the picture with a circle around each cell.

    Parameters
    ----------
    grid
        (rows, columns); one number stands for both.
    radius, width
        Of the circle and its line, as shares of the shorter side of the input. A line is at least one pixel wide,
        because a thinner one would have gaps.
    layout
        Where circles are centred: "cell" or "inside" (`base.Layout`).
    color
        (red, green, blue), 0 to 255.
    at_once
        Prompts in one forward pass; default by device and size.

    Notes
    -----
    With the defaults at 224 pixels a line covers 490 pixels and 16.7 patches of 16 on average (593 and 17.1 for
    "inside"), because circles around outer cells leave the frame.
    """

    grid: Size = (7, 7)
    radius: float = 1 / 7
    width: float = 3 / 224
    layout: Layout = "cell"
    color: tuple[int, int, int] = (255, 0, 0)
    at_once: int | None = None
    kind: ClassVar[str] = "red circle/1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", checked_grid(self.grid))
        check_share("radius", self.radius, 1.0, "1 / 7")
        check_share("width", self.width, 1.0, "3 / 224")
        check_layout(self.layout)
        check_at_once(self.at_once)
        object.__setattr__(self, "color", _checked_colour(self.color))

    def painter(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Paint:
        """Equation (1), drawn on the device of `x`."""
        rings = self.rings((x.shape[-2], x.shape[-1]), x.device)
        red = normalised(self.color, vlm.preprocess).to(x)[:, None, None]
        return lambda cells: torch.where(rings[cells, None], red, x[:, None])

    def rings(self, size: Size, device: torch.device | str = "cpu") -> Bool[Tensor, "g H W"]:
        """Which pixels of an input of `size` the line around each cell covers, row by row of the grid."""
        short = min(size)
        radius, width = self.radius * short, max(1.0, self.width * short)
        return _rings(size, self.grid, radius, width, self.layout, str(device))


@functools.lru_cache(maxsize=4)
def _rings(
    size: Size, grid: Size, radius: float, width: float, layout: Layout, device: str
) -> Bool[Tensor, "g H W"]:
    away = squared_distances(*centres(size, grid, layout, radius), size).sqrt()
    return ((away - radius).abs() <= width / 2).to(device)


def normalised(color: tuple[int, int, int], preprocess: Preprocess) -> Float[Tensor, " channels"]:
    """A colour as a preprocessed picture has it.

    Raises
    ------
    NotSupported
        If the preprocessing keeps no colours.
    """
    if preprocess.channels != 3:
        raise NotSupported(
            message(
                f"The VLM's inputs have {preprocess.channels} channel.",
                "A coloured circle needs three.",
                "Use Crop or BlurOutside.",
            )
        )
    levels = torch.tensor(color[::-1] if preprocess.bgr else color) / 255
    return (levels - torch.tensor(preprocess.mean)) / torch.tensor(preprocess.std)


def _checked_colour(color: object) -> tuple[int, int, int]:
    levels = tuple(color) if isinstance(color, list | tuple) else ()
    if len(levels) != 3 or not all(isinstance(v, int) and 0 <= v <= 255 for v in levels):
        raise InputError(
            message(
                f"color is {color!r}.",
                "It is (red, green, blue), whole numbers from 0 to 255.",
                "Pass color=(255, 0, 0).",
            )
        )
    return levels[0], levels[1], levels[2]
