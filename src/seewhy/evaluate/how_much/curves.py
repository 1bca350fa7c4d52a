"""The arithmetic of insertion and deletion: orders of pixels, steps, areas, and curves brought to one scale.

Nothing here knows a network; `faithfulness` asks it.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from seewhy.evaluate.how_much.removal import Cells, hidden_at
from seewhy.evaluate.where.resize import resize
from seewhy.types import Size

Order = Literal["cell", "pixel"]
Normalise = Literal["raw", "rel", "span"]

FLAT_DRAWS = 8
"""Random orders that stand for a map without an order of its own."""

ROUNDING = 1e-6
"""A span below this part of its ends is rounding of single precision, and no span."""


def hidden_counts(n_pixels: int, steps: int, per_step: int | None = None) -> Int[np.ndarray, " t"]:
    """How many pixels are gone at each point of a curve, both ends included: 0, ..., n_pixels.

    `steps` equal steps as in `removal.hidden_at`, points that round to the same number being one; or steps of
    `per_step` pixels with a smaller last one.
    """
    if per_step is not None:
        return np.append(np.arange(0, n_pixels, per_step), n_pixels)
    return np.unique(hidden_at(n_pixels, steps))


def picture_key(picture: Shaped[np.ndarray, ...]) -> int:
    """A number that belongs to the bytes of a picture, whatever batch it comes in."""
    digest = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def orders_of(
    map_hw: Float[np.ndarray, "h w"], size: Size, how: Order, seed: int, key: int
) -> Int[np.ndarray, "d H W"]:
    """Each pixel's place in the order of a map, from 0 for the strongest; ties are broken at random.

    A map without ties gets one order. One with some gets two, of which the second breaks every tie the other way,
    and one that is the same everywhere `FLAT_DRAWS` in such pairs: their mean stands for the map.

    Parameters
    ----------
    how
        "cell": cells in the order of the map, the pixels of a cell at random (`removal.Cells`). "pixel": the map
        enlarged bilinearly, pixel by pixel.
    seed, key
        Chance is drawn from both. With the `picture_key` as key, every method has the same luck on one picture, and
        luck on different pictures is independent, so that it averages out.
    """
    maps = np.asarray(map_hw, np.float64)
    cells = Cells.of(maps, size)
    flat = maps.max() == maps.min()
    tied = cells.tied if how == "cell" else len(np.unique(maps)) < maps.size
    larger = resize(maps[None], size)[0] if how == "pixel" else maps

    def one(draw: int, mirrored: bool) -> np.ndarray:
        rng = np.random.default_rng([seed, key, draw])
        if how == "cell":
            return cells.order(rng, mirrored=mirrored)
        return _ranked(larger, (-1.0 if mirrored else 1.0) * rng.random(larger.size))

    if not (flat or tied):
        return one(0, False)[None]
    n_pairs = FLAT_DRAWS // 2 if flat else 1
    return np.stack([one(draw, mirrored) for draw in range(n_pairs) for mirrored in (False, True)])


def _ranked(values: Float[np.ndarray, "H W"], chance: Float[np.ndarray, " N"]) -> Int[np.ndarray, "H W"]:
    ranked = np.lexsort((chance, -values.ravel()))
    order = np.empty(values.size, int)
    order[ranked] = np.arange(values.size)
    return order.reshape(values.shape)


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
