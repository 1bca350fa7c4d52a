"""Pixels hidden or shown in the order of a map, and what random orders of the same cells would do.

Petsiuk et al., BMVC 2018 (arXiv 1806.07421), deletion and insertion. Ours: pixels of a cell come in random
order, so that a coarse map is not judged by how it was enlarged; one filling for both curves, so that showing
in an order and hiding in its reverse pass through the same pictures; and random orders of the same cells as
the measure, because how far a curve falls depends on the network and the filling far more than on the map.

Maps are taken with their sign: cells that speak against the class come last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from seewhy.evaluate.where.resize import averaged
from seewhy.types import Size

FINEST = 32
"""Cells a side, at most. Finer maps are averaged: single pixels hidden here and there blur a picture and take
nothing out of it, so that random orders of pixels would measure something else than the map claims."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The grid of a map laid on the model's input.

    `values` (g,) are the cells' values, row by row, and `of_pixel` says in which cell each pixel lies.
    """

    values: Float[np.ndarray, " g"]
    of_pixel: Int[np.ndarray, "H W"]

    @classmethod
    def of(cls, map_hw: Float[np.ndarray, "h w"], size: Size) -> Cells:
        """A map's cells on an input of `size`; a pixel belongs to the cell that its centre lies in.

        A map finer than `FINEST`, or than the pixels, is averaged first, so that what is equal stays equal.
        """
        maps = map_hw.astype(np.float64)[None]
        for axis in (0, 1):
            most = min(FINEST, size[axis])
            maps = averaged(maps, axis + 1, most) if maps.shape[axis + 1] > most else maps
        values = maps[0]
        rows, columns = (
            ((np.arange(extent) + 0.5) * cells / extent).astype(int)
            for extent, cells in zip(size, values.shape, strict=True)
        )
        return cls(values.ravel(), rows[:, None] * values.shape[1] + columns[None, :])

    @property
    def flat(self) -> bool:
        """Whether all cells are the same, so that they have no order."""
        return bool(self.values.max() == self.values.min())

    @property
    def tied(self) -> bool:
        """Whether some cells are the same, so that chance decides between them."""
        return len(np.unique(self.values)) < len(self.values)

    def order(
        self, rng: np.random.Generator, *, at_random: bool = False, mirrored: bool = False
    ) -> Int[np.ndarray, "H W"]:
        """Each pixel's place in the order, from 0: strongest cell first, ties and pixels of a cell at random.

        With `at_random` the map is not looked at, and the cells come in any order. With `mirrored` all that chance
        decides is decided the other way than by an equal generator without it.
        """
        key = np.zeros_like(self.values) if at_random else -self.values
        way = -1.0 if mirrored else 1.0
        place = np.empty(len(key), int)
        place[np.lexsort((way * rng.random(len(key)), key))] = np.arange(len(key))
        pixels = np.lexsort((way * rng.random(self.of_pixel.size), place[self.of_pixel].ravel()))
        order = np.empty(self.of_pixel.size, int)
        order[pixels] = np.arange(order.size)
        return order.reshape(self.of_pixel.shape)


def hidden_at(n_pixels: int, steps: int) -> Int[np.ndarray, " t"]:
    """How many pixels are gone after 0, 1, ..., `steps` equal steps.

    Rounded so that the points seen from one end are those seen from the other, so that showing passes through the
    pictures of hiding in the reverse order. (Only the middle of an even number of steps of an odd number of pixels
    cannot be.)
    """
    at = np.arange(steps + 1)
    from_start, from_end = at * n_pixels // steps, n_pixels - (steps - at) * n_pixels // steps
    hidden: np.ndarray = np.where(2 * at <= steps, from_start, from_end)
    return hidden


def kept_while_hiding(order: Int[np.ndarray, "H W"], steps: int) -> Bool[np.ndarray, "t H W"]:
    """What is left after 1, 2, ..., steps - 1 of `steps` equal steps; both ends are the same for all orders.

    While showing, the complement is left: its step t shows what step t of hiding took away.
    """
    kept: np.ndarray = order[None] >= hidden_at(order.size, steps)[1:-1, None, None]
    return kept
