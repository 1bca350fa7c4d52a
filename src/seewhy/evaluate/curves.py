"""The arithmetic of insertion and deletion: orders of pixels, steps, areas, and curves brought to one scale.

Nothing here knows a network; `faithfulness` asks it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from seewhy.evaluate.removal import Cells
from seewhy.types import Size

Order = Literal["cell", "pixel"]
Normalise = Literal["raw", "rel", "span"]

FLAT_DRAWS = 8
"""Random orders that stand for a map without an order of its own."""

ROUNDING = 1e-6
"""A span below this part of its ends is rounding of single precision, and no span."""


def hidden_counts(n_pixels: int, steps: int, per_step: int | None = None) -> Int[np.ndarray, " t"]:
    """How many pixels are gone at each point of a curve, both ends included: 0, ..., n_pixels.

    `steps` equal steps, or steps of `per_step` pixels with a smaller last one. Equal steps are rounded so that
    the points seen from one end are those seen from the other, so that showing passes through the pictures
    of hiding in the reverse order. (Only the middle of an even number of steps of an odd number of pixels
    cannot be.) Points that round to the same number are one point.
    """
    if per_step is not None:
        return np.append(np.arange(0, n_pixels, per_step), n_pixels)
    at = np.arange(steps + 1)
    from_start, from_end = at * n_pixels // steps, n_pixels - (steps - at) * n_pixels // steps
    return np.unique(np.where(2 * at <= steps, from_start, from_end))


def orders_of(
    map_hw: Float[np.ndarray, "h w"], size: Size, how: Order, seed: int
) -> Int[np.ndarray, "d H W"]:
    """Each pixel's place in the order of a map, from 0 for the strongest; ties are broken at random.

    A map that is the same everywhere gets `FLAT_DRAWS` random orders in pairs, each with its reverse, whose
    mean stands for it; any other map gets one order. "cell": cells in the order of the map, the pixels of a
    cell at random (`removal.Cells`). "pixel": the map enlarged bilinearly, pixel by pixel.
    """
    rng = np.random.default_rng(seed)
    cells = Cells.of(map_hw, size)

    def one() -> np.ndarray:
        return cells.order(rng) if how == "cell" else _ranked(enlarged(map_hw, size), rng)

    if map_hw.max() > map_hw.min():
        return one()[None]
    drawn = [one() for _ in range(FLAT_DRAWS // 2)]
    return np.stack([each for order in drawn for each in (order, order.size - 1 - order)])


def _ranked(values: Float[np.ndarray, "H W"], rng: np.random.Generator) -> Int[np.ndarray, "H W"]:
    ranked = np.lexsort((rng.random(values.size), -values.ravel()))
    order = np.empty(values.size, int)
    order[ranked] = np.arange(values.size)
    return order.reshape(values.shape)


def enlarged(map_hw: Float[np.ndarray, "*b h w"], size: Size) -> Float[np.ndarray, "*b H W"]:
    """Maps at another size: bilinear between cell centres, edges repeated, within each map's own range."""
    maps = np.asarray(map_hw, np.float64)
    if maps.shape[-2:] == size:
        return maps
    lead = maps.shape[:-2]
    flat = torch.from_numpy(np.ascontiguousarray(maps)).reshape(-1, 1, *maps.shape[-2:])
    grown = torch.nn.functional.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    within = grown.clamp(flat.amin((2, 3), keepdim=True), flat.amax((2, 3), keepdim=True))
    result: np.ndarray = within.reshape(*lead, *size).numpy()
    return result


def area(x: Float[np.ndarray, " t"], y: Float[np.ndarray, "n t"]) -> Float[np.ndarray, " n"]:
    """Area under each curve by the trapezoid rule over its width, in the unit of the curve."""
    found: np.ndarray = ((y[:, 1:] + y[:, :-1]) / 2 * np.diff(x)).sum(1) / (x[-1] - x[0])
    return found


def normalised(
    y: Float[np.ndarray, "n t"],
    whole: Float[np.ndarray, " n"],
    blank: Float[np.ndarray, " n"],
    how: Normalise,
) -> Float[np.ndarray, "n t"]:
    """Curves on the scale of the picture's own scores.

    "raw": as they are. "rel": as a part of the score of the whole picture; NaN where that is not positive.
    "span": 0 at the blank and 1 at the whole picture; NaN where the whole picture does not score more. Both
    are cut to 0 and 1.
    """
    if how == "raw":
        return y
    base = blank if how == "span" else np.zeros_like(blank)
    span = whole - base
    enough = span > ROUNDING * np.maximum(np.abs(whole), np.abs(base))
    scale = np.where(enough, span, np.nan)
    cut: np.ndarray = np.clip((y - base[:, None]) / scale[:, None], 0, 1)
    return cut
