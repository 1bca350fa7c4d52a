"""What the shape of an output says: which axes are rows and columns, which are features, what is a class token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.backbones import tree
from seewhy.types import Size

Layout = Literal["bchw", "bhwc", "tokens"]

MAX_PREFIX = 16
"""Most class and register tokens that are looked for where the library does not state their number."""

MAX_TRIM = 12
"""Pixels that convolutions without padding may take off a side before the first stride."""


@dataclass(frozen=True)
class FeatureLayer:
    """A module output that keeps a place for every feature.

    Parameters
    ----------
    name, call
        The module, and which of its calls in one forward pass.
    path
        Keys to the tensor in what the module returns (empty if it is the tensor).
    layout
        "bchw", "bhwc", or "tokens" (B, prefix + rows * columns, C), row by row.
    grid, channels
        (rows, columns) and number of features.
    prefix
        Tokens before the patches: class and register tokens.
    model_size
        (height, width) of the model input for which the grid holds.
    """

    name: str
    layout: Layout
    grid: Size
    channels: int
    prefix: int = 0
    call: int = 0
    path: tree.Path = ()
    model_size: Size = (0, 0)

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels per cell, (vertical, horizontal)."""
        return self.model_size[0] / self.grid[0], self.model_size[1] / self.grid[1]

    def describe(self) -> str:
        """'layer4 (512x7x7)', with what precedes the patches."""
        tokens = f", {self.prefix} prefix tokens" if self.prefix else ""
        return f"{self.name} ({self.channels}x{self.grid[0]}x{self.grid[1]}{tokens})"

    def read(self, output: Any) -> tuple[Float[Tensor, "b c h w"], Tensor | None]:
        """Features in channel-first order, and the prefix tokens (b, p, c) if there are any."""
        tensor = tree.at(output, self.path)
        if self.layout == "bchw":
            return tensor, None
        if self.layout == "bhwc":
            return tensor.permute(0, 3, 1, 2), None
        prefix = tensor[:, : self.prefix] if self.prefix else None
        patches = tensor[:, self.prefix :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *self.grid), prefix

    def write(self, output: Any, features: Float[Tensor, "b c h w"], prefix: Tensor | None) -> Any:
        """What the module returned, with these features (and prefix tokens) in place of its own."""
        if self.layout == "bchw":
            tensor = features
        elif self.layout == "bhwc":
            tensor = features.permute(0, 2, 3, 1)
        else:
            tensor = features.flatten(2).transpose(1, 2)
            if prefix is not None:
                tensor = torch.cat([prefix, tensor], 1)
        # The module after this one may expect the memory layout that it was given.
        tensor = tensor.contiguous()
        return tree.map_leaves(output, lambda path, leaf: tensor if path == self.path else leaf)


Reading = tuple[Layout, Size, int, int]
"""(layout, grid, channels, prefix)"""


def spatial_layout(
    shape: tuple[int, ...], n: int, size: Size, prefix_hint: int | None = None
) -> Reading | None:
    """The likeliest way to read an output of this shape for `n` pictures of `size`, or None if it keeps no place.

    A grid keeps a place if its rows and columns divide the input's height and width by about the same stride.
    """
    return next(iter(spatial_layouts(shape, n, size, prefix_hint)), None)


def spatial_layouts(
    shape: tuple[int, ...], n: int, size: Size, prefix_hint: int | None = None
) -> list[Reading]:
    """Up to three ways to read an output of this shape, the likeliest first.

    Of four axes torch's order, channels first, goes before channels last. Of tokens, the number of class and
    register tokens that the library states goes first, then equal strides, then few such tokens.
    """
    if not shape or shape[0] != n:
        return []
    readings: list[Reading] = []
    if len(shape) == 4:
        _, a, b, c = shape
        if _is_grid((b, c), size):
            readings.append(("bchw", (b, c), a, 0))
        if _is_grid((a, b), size):
            readings.append(("bhwc", (a, b), c, 0))
    if len(shape) == 3:
        for grid, prefix in _token_grids(shape[1], size, prefix_hint):
            readings.append(("tokens", grid, shape[2], prefix))
    return readings


def _is_grid(grid: Size, size: Size) -> bool:
    (h, w), (height, width) = grid, size
    if h * w <= 1 or h > height or w > width:
        return False
    vertical, horizontal = height / h, width / w
    trimmed = max(vertical, horizontal) < 2 and height - h == width - w <= MAX_TRIM
    if max(vertical, horizontal) < 1.5 and not trimmed:
        # Attention matrices are square and about as large as the input. No network strides by 1.1, but one
        # without padding loses a few pixels on each side.
        return False
    # Padding rounds a side by up to one cell, and rounding the rows moves the expected columns with it.
    tolerance = 1.0 if height == width else 1.0 + width / height
    return trimmed or abs(w - width * h / height) < tolerance


@lru_cache(maxsize=4096)
def _token_grids(n_tokens: int, size: Size, prefix_hint: int | None) -> tuple[tuple[Size, int], ...]:
    """Grids of `n_tokens` tokens and how many go before; the likeliest three."""
    found: list[tuple[tuple[bool, float, int], Size, int]] = []
    for prefix in range(min(max(MAX_PREFIX, prefix_hint or 0), n_tokens - 2) + 1):
        for grid in _factors(n_tokens - prefix):
            if _is_grid(grid, size):
                uneven = abs(math.log(size[0] * grid[1] / (size[1] * grid[0])))
                rank = (prefix_hint not in (None, prefix), round(uneven, 6), prefix)
                found.append((rank, grid, prefix))
    return tuple((grid, prefix) for _, grid, prefix in sorted(found)[:3])


def _factors(n: int) -> Iterator[Size]:
    """Every (rows, columns) with `n` cells."""
    for h in range(1, math.isqrt(n) + 1):
        if n % h == 0:
            yield h, n // h
            if h * h != n:
                yield n // h, h
