"""What a prompter is, where its cells lie, and how pictures of single cells pass through a VLM in batches.

A VLM gives one embedding for a picture. A prompter points it at each cell of a grid, by drawing, cutting, blurring or
steering its attention, and so gives one embedding for each cell. Lengths are shares of a side, so that the same
prompter means the same at every input size, and everything is drawn after the VLM's preprocessing: a ring that is
drawn before a resize has another radius in every picture.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Protocol, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, did_you_mean, message
from seewhy.types import Size
from seewhy.vlms.base import VLM

Layout = Literal["cell", "inside"]
"""Where circles are centred: "cell" in the middle of each cell, so that maps lie on the picture as they are;
"inside" evenly between the outermost places where a whole circle is in the frame (then outer cells look inward)."""

PIXELS_AT_ONCE = 32 * 112 * 112
"""On the CPU as many prompts at once as have so many pixels: more cost more time there, not less."""
PROMPTS_AT_ONCE = 512

Paint = Callable[[slice], Tensor]
"""From some cells (row by row of the grid) to what the VLM is shown for them: (b, n, 3, H, W)."""


class Prompter(Protocol):
    """Anything that gives a VLM's embedding for each cell of a grid."""

    @property
    def grid(self) -> Size | None:
        """(rows, columns) of the cells; None: those of the VLM's own patches."""
        ...

    def __call__(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b gh gw d"]:
        """Unit embeddings of the cells of preprocessed pictures."""
        ...

    def describe(self) -> dict[str, Any]:
        """What tells it from others, JSON-safe: equal for prompters that give equal embeddings."""
        ...


class PerCell(ABC):
    """A prompter that shows the VLM one picture for each cell: cells times forward passes.

    Subclasses are frozen dataclasses with the fields `grid` and `at_once` (prompts in one forward pass; None: 512, or
    on the CPU as many as have 401,408 pixels).
    """

    kind: ClassVar[str]
    """Its name in stores; the number changes when the same settings draw something else."""
    grid: Size
    at_once: int | None

    @abstractmethod
    def painter(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Paint:
        """What to show for which cells of some pictures, on their device."""

    def __call__(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b gh gw d"]:
        """Unit embeddings of the cells of preprocessed pictures.

        Raises
        ------
        InputError
            If `x` is not a batch of the VLM's inputs, or a cell cannot be drawn at this size.
        """
        x = ready(vlm, x)
        n_cells = math.prod(self.grid)
        at_once = self.at_once or default_at_once(x)
        found = []
        for some in torch.split(x, at_once):
            paint = self.painter(vlm, some)
            cells = [
                vlm.encode_images(paint(part).flatten(0, 1)).reshape(len(some), -1, vlm.dim)
                for part in even_parts(n_cells, math.ceil(n_cells / (at_once // len(some))))
            ]
            found.append(torch.cat(cells, 1))
        return torch.cat(found).reshape(len(x), *self.grid, vlm.dim)

    def describe(self) -> dict[str, Any]:
        """Its kind and settings."""
        return {"kind": self.kind, **asdict(cast(Any, self))}


def ready(vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
    """Pictures on the VLM's device and in its type, if they are inputs of it.

    Raises
    ------
    InputError
        If they are not.
    """
    wanted = (vlm.preprocess.channels, *vlm.preprocess.size)
    if (
        not isinstance(x, Tensor)
        or x.ndim != 4
        or not x.is_floating_point()
        or len(x) == 0
        or tuple(x.shape[1:]) != wanted
    ):
        got = f"{str(x.dtype)[6:]} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise InputError(
            message(
                f"A prompter for {vlm.name} got pictures as {got}.",
                f"It draws on its inputs: a floating batch {('b', *wanted)}, b at least 1.".replace("'", ""),
                "Make it with torch.stack([vlm.preprocess(p)[0] for p in pictures]).",
            )
        )
    return x.detach().to(vlm.device, vlm.dtype)


def default_at_once(x: Float[Tensor, "b 3 H W"]) -> int:
    """How many prompts of this size go through the VLM at once."""
    if x.device.type != "cpu":
        return PROMPTS_AT_ONCE
    return max(1, PIXELS_AT_ONCE // (x.shape[-2] * x.shape[-1]))


def even_parts(n: int, n_parts: int) -> Iterator[slice]:
    """`n` things in `n_parts` consecutive parts whose sizes differ by at most one.

    >>> list(even_parts(7, 3))
    [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
    """
    n_parts = min(n, n_parts)
    small, larger = divmod(n, n_parts)
    start = 0
    for part in range(n_parts):
        stop = start + small + (part < larger)
        yield slice(start, stop)
        start = stop


def centres(
    size: Size, grid: Size, layout: Layout = "cell", radius: float = 0.0
) -> tuple[Float[Tensor, " gh"], Float[Tensor, " gw"]]:
    """Middles of a grid's rows and columns, in pixels (pixel j covers [j, j + 1)), double precision.

    Parameters
    ----------
    size
        (height, width) of the input.
    grid
        (rows, columns).
    layout
        "cell": (i + .5) S / g. "inside": as evenly spaced as `numpy.linspace(r, S - r - 1, g)` in pixel numbers,
        which touches the frame with the outermost circles; one cell lies in the middle.
    radius
        Of the circles, in pixels; only "inside" looks at it.

    Raises
    ------
    InputError
        If a circle does not fit into the frame.
    """
    rows, columns = (_along(side, n, layout, radius) for side, n in zip(size, grid, strict=True))
    return rows, columns


def _along(side: int, n: int, layout: Layout, radius: float) -> Float[Tensor, " g"]:
    if layout == "cell":
        return (torch.arange(n, dtype=torch.float64) + 0.5) * (side / n)
    if 2 * radius + 1 > side:
        raise InputError(
            message(
                f"A circle of radius {radius:.4g} pixels is to lie inside {side} pixels.",
                "It and one pixel of line must fit.",
                "Pass a smaller radius, or layout='cell', which lets circles leave the frame.",
            )
        )
    if n == 1:
        return torch.tensor([side / 2], dtype=torch.float64)
    return torch.linspace(radius, side - radius - 1, n, dtype=torch.float64) + 0.5


def squared_distances(
    rows: Float[Tensor, " gh"], columns: Float[Tensor, " gw"], size: Size, places: Size | None = None
) -> Float[Tensor, "g h w"]:
    """From each cell's middle to each of `places` (default: each pixel) over an input of `size`, in pixels squared.

    Cells are listed row by row.
    """
    at = [
        (torch.arange(n, dtype=torch.float64) + 0.5) * (side / n)
        for side, n in zip(size, places or size, strict=True)
    ]
    down = (at[0][None] - rows[:, None]).square()
    across = (at[1][None] - columns[:, None]).square()
    return (down[:, None, :, None] + across[None, :, None, :]).flatten(0, 1)


def checked_grid(grid: Any) -> Size:
    """A grid as (rows, columns); one number stands for both.

    Raises
    ------
    InputError
        If it is not whole numbers from 1.
    """
    sides = (grid, grid) if isinstance(grid, int) else tuple(grid) if isinstance(grid, list | tuple) else ()
    if len(sides) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sides):
        raise InputError(
            message(
                f"grid is {grid!r}.",
                "It is (rows, columns), whole numbers from 1.",
                "Pass grid=(7, 7).",
            )
        )
    return sides[0], sides[1]


def check_share(name: str, value: float, most: float, example: str, *, zero: bool = False) -> None:
    """Refuse a length that is not a share of a side, above 0 (or from 0) and up to `most`."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value > most or value < 0 or (value == 0 and not zero):
        raise InputError(
            message(
                f"{name} is {value!r}.",
                f"It is a share of the input's side, {'from' if zero else 'above'} 0 and at most {most:g}.",
                f"Pass {name}={example}.",
            )
        )


def check_layout(layout: str) -> None:
    """Refuse a layout that does not exist."""
    if layout not in get_args(Layout):
        raise InputError(
            message(
                f"layout is {layout!r}.",
                did_you_mean(str(layout), get_args(Layout)),
                "Pass 'cell' (maps lie on the picture as they are) or 'inside' (circles stay in the frame).",
            )
        )


def check_at_once(at_once: int | None) -> None:
    """Refuse a number of prompts that is none."""
    if at_once is not None and (isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1):
        raise InputError(
            message(
                f"at_once is {at_once!r}.",
                "It is a number of prompts from 1, or None.",
                "Leave it out for a default.",
            )
        )
