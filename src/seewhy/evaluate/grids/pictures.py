"""Grids of pictures of different classes, and how much of a map lies in each cell.

Rao et al., CVPR 2022 (arXiv 2205.10435) and TPAMI 2024 (arXiv 2303.11884), from their description. Ours: the
greedy choice, which makes as many grids as the pictures allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.types import Size

SURE = 0.99
"""Pictures are used whose own class every network gives at least this probability."""

LEAST_MASS = 1e-7
"""Less positive relevance than this in a whole map is none: in units of the map's largest magnitude, so that scale
never decides; for "zero", as its authors have it, in the map's own unit."""


@dataclass(frozen=True, eq=False)
class Grids:
    """Which picture stands in which cell of which grid, cells row by row from the top left.

    Attributes
    ----------
    pictures
        (n, c, H, W), as the network wants them; grids are put together when asked for.
    index, labels
        (g, side * side) numbers of pictures, and their classes.
    side
        Cells a side.
    """

    pictures: Float[Tensor, "n c H W"]
    index: Int[np.ndarray, "g cells"]
    labels: Int[np.ndarray, "g cells"]
    side: int

    def __len__(self) -> int:
        return len(self.index)

    @property
    def cell(self) -> Size:
        """(height, width) of a cell in pixels."""
        return self.pictures.shape[2], self.pictures.shape[3]

    @property
    def size(self) -> Size:
        """(height, width) of a grid in pixels."""
        return self.side * self.cell[0], self.side * self.cell[1]

    @property
    def corners(self) -> tuple[int, int]:
        """Top left and bottom right."""
        return 0, self.side * self.side - 1

    def picture(self, grids: Int[np.ndarray, " b"] | slice = slice(None)) -> Float[Tensor, "b c nH nW"]:
        """Grids put together."""
        chosen = self.pictures[torch.from_numpy(np.ascontiguousarray(self.index[grids]))]
        return tiled(chosen, self.side)


def tiled(cells: Float[Tensor, "b cells c H W"], side: int) -> Float[Tensor, "b c nH nW"]:
    """Pictures laid side by side, row by row."""
    b, _, c, height, width = cells.shape
    rows = cells.reshape(b, side, side, c, height, width).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(b, c, side * height, side * width)


def untiled(grid: Float[Tensor, "b c nH nW"], side: int) -> Float[Tensor, "b cells c H W"]:
    """The cells of a grid, row by row: the reverse of `tiled`."""
    b, c, height, width = grid.shape
    split = grid.reshape(b, c, side, height // side, side, width // side).permute(0, 2, 4, 1, 3, 5)
    return split.reshape(b, side * side, c, height // side, width // side)


def make_grids(
    pictures: Float[Tensor, "n c H W"],
    labels: Int[np.ndarray, " n"],
    confidences: Float[np.ndarray, "*networks n"],
    n: int = 3,
    seed: int = 0,
    *,
    most: int = 500,
    sure: float = SURE,
    same_corners: bool = False,
) -> Grids:
    """Grids of `n` x `n` pictures of different classes, each picture used once.

    Parameters
    ----------
    pictures
        Ready for the network.
    labels
        (n,) their classes.
    confidences
        Probability that the network gives each picture's own class; with several networks to compare,
        (networks, n), and a picture is used only if all are sure.
    most
        At most so many grids.
    same_corners
        The bottom right cell gets another picture of the class at the top left, so that a map that does not
        know which of the two was asked for is found out.

    Raises
    ------
    InputError
        If shapes do not fit, or the sure pictures do not fill one grid.
    """
    labels, probabilities = np.asarray(labels), np.atleast_2d(np.asarray(confidences, np.float64))
    if pictures.ndim != 4 or labels.shape != (len(pictures),) or probabilities.shape[1:] != labels.shape:
        raise InputError(
            message(
                f"There are pictures {tuple(pictures.shape)}, labels {labels.shape} and confidences "
                f"{np.shape(confidences)}.",
                "Each picture (n, c, H, W) has one label, and one confidence per network.",
                "Pass (n,) labels and (n,) or (networks, n) confidences.",
            )
        )
    if n < 2 or most < 1:
        raise InputError(
            message(
                f"n is {n} and most is {most}.",
                "A grid has at least 2 cells a side.",
                "Usual are n=2 and n=3.",
            )
        )
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero((probabilities >= sure).all(0))
    left = {int(k): list(rng.permutation(usable[labels[usable] == k])) for k in np.unique(labels[usable])}
    index: list[list[int]] = []
    while len(index) < most:
        cells = _one_grid(left, n, rng, same_corners)
        if cells is None:
            break
        index.append(cells)
    if not index:
        raise InputError(
            message(
                f"{len(usable)} of {len(labels)} pictures, of {len(left)} classes, have their own class with a "
                f"probability of {sure:g} or more.",
                f"A grid of {n} x {n} needs pictures of {n * n - same_corners} classes"
                + (", and two of one of them." if same_corners else "."),
                "Pass more pictures, a smaller n=, or a lower sure=.",
            )
        )
    chosen = np.array(index)
    return Grids(pictures, chosen, labels[chosen], n)


def _one_grid(
    left: dict[int, list[int]], n: int, rng: np.random.Generator, same_corners: bool
) -> list[int] | None:
    """Pictures for one more grid, taken from `left`; None if there are not enough.

    The classes with most pictures left come first, which makes the largest number of grids; ties at random.
    """
    order = rng.permutation(sorted(left))
    by_number = sorted((int(k) for k in order if left[int(k)]), key=lambda k: -len(left[k]))
    wanted = n * n - same_corners
    if len(by_number) < wanted or (same_corners and len(left[by_number[0]]) < 2):
        return None
    first, *others = by_number[:wanted]
    classes = [first, *rng.permutation(others), first] if same_corners else rng.permutation([first, *others])
    return [int(left[int(k)].pop()) for k in classes]


def shares_of_cells(
    maps: Float[np.ndarray, "b H W"], side: int, undefined: Literal["nan", "zero"] = "nan"
) -> Float[np.ndarray, "b cells"]:
    """Positive relevance in each cell as a part of that in the whole map; a uniform map gets 1 / side^2.

    A map with no positive relevance, or with NaN or infinity, is NaN; "zero" makes the first of the two 0, as its
    authors do, and their threshold `LEAST_MASS` is in the map's unit. Height and width are multiples of `side`.
    """
    b, height, width = maps.shape
    finite = np.isfinite(maps).all((1, 2))
    maps = np.where(finite[:, None, None], np.asarray(maps, np.float64), 0.0)
    largest = np.abs(maps).max((1, 2))[:, None]
    exponent = np.frexp(largest)[1]
    # Scaled by a power of two, exactly: no sum overflows or vanishes.
    positive = np.maximum(np.ldexp(maps, -exponent[:, :, None]), 0)
    mass = positive.reshape(b, side, height // side, side, width // side).sum((2, 4)).reshape(b, -1)
    total = np.where(finite, mass.sum(1), np.nan)[:, None]
    if undefined == "zero":
        empty = total <= np.ldexp(LEAST_MASS, -exponent)
    else:
        empty = total <= LEAST_MASS
    shares: np.ndarray = np.where(
        np.isnan(total), np.nan, np.where(empty, 0, mass) / np.where(empty, 1, total)
    )
    if undefined == "nan":
        shares[empty[:, 0]] = np.nan
    return shares
