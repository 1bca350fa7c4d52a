"""Two-colour patterns of objects and backgrounds: how much of each pixel the second colour covers.

All of them take coordinates (u, v) in units of the pattern's own period, and the size of a pixel in that unit,
which sets the width of the softened edges. Correctly rounded operations only, as in `shapes`.
"""

from __future__ import annotations

import numpy as np

from seewhy.world.drawing.shapes import Plane, coverage
from seewhy.world.hashing import bits

_LATTICE = 16


def stripes(u: Plane, pixel: float) -> Plane:
    """Bands across u: the second colour in the middle half of each period."""
    return coverage((np.abs(_from_middle(u)) - 0.25) / pixel)


def dots(u: Plane, v: Plane, pixel: float) -> Plane:
    """A disk of radius 0.3 in the middle of each cell."""
    du, dv = _from_middle(u), _from_middle(v)
    return coverage((np.sqrt(du * du + dv * dv) - 0.3) / pixel)


def checker(u: Plane, v: Plane, pixel: float) -> Plane:
    """Squares of half a period."""
    across, down = stripes(u, pixel), stripes(v, pixel)
    share: Plane = across + down - 2.0 * across * down
    return share


def speckle(u: Plane, v: Plane, pixel: float, key: int) -> Plane:
    """Irregular blots: value noise of one lattice cell per period, cut at 0.55."""
    return coverage((0.55 - value_noise(u, v, key)) / pixel)


def grass(u: Plane, v: Plane, pixel: float, key: int) -> Plane:
    """Blades: value noise drawn out along v, cut in the middle."""
    return coverage((0.5 - value_noise(u * 6.0, v * 1.5, key)) / (6.0 * pixel))


def water(u: Plane, v: Plane, pixel: float) -> Plane:
    """Bands across v that rise and fall along u."""
    return stripes(v * 1.5 + 0.6 * np.abs(_from_middle(u)), 1.5 * pixel)


def bricks(u: Plane, v: Plane, pixel: float) -> Plane:
    """Mortar between bricks twice as long as high, every second row moved by half a brick."""
    row = np.floor(v * 2.0)
    along = _from_middle(u + 0.5 * (row - 2.0 * np.floor(row * 0.5)))
    side = np.minimum((0.5 - np.abs(along)), (0.5 - np.abs(_from_middle(v * 2.0))) * 0.5)
    return coverage((side - 0.05) / pixel)


def value_noise(u: Plane, v: Plane, key: int) -> Plane:
    """Bilinear interpolation of one hash value in [0, 1) per lattice point; it repeats every 16 cells."""
    table = (bits(key, _LATTICE * _LATTICE) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    left, top = np.floor(u), np.floor(v)
    fu, fv = u - left, v - top
    column, row = left.astype(np.int64), top.astype(np.int64)
    columns = column & (_LATTICE - 1), (column + 1) & (_LATTICE - 1)
    rows = (row & (_LATTICE - 1)) * _LATTICE, ((row + 1) & (_LATTICE - 1)) * _LATTICE
    upper, lower = (
        table[at + columns[0]] + fu * (table[at + columns[1]] - table[at + columns[0]]) for at in rows
    )
    noise: Plane = upper + fv * (lower - upper)
    return noise


def _from_middle(u: Plane) -> Plane:
    """Signed distance from the middle of the period that u lies in, -0.5 to 0.5."""
    middle: Plane = u - np.floor(u) - 0.5
    return middle
