"""Maps brought to the pixels of a mask, and masks to the cells of a map.

Both are separable, and written as element-wise steps instead of matrix products: the value of one map is then the
same number alone and in any batch, and a constant map stays constant to the bit.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from seewhy.types import Size


def resize(maps: Float[np.ndarray, "n h w"], size: Size) -> Float[np.ndarray, "n H W"]:
    """Bilinear, corners not aligned (as `torch.nn.functional.interpolate`); no value leaves the map's own range."""
    if maps.shape[1:] == size:
        return maps
    return _along(_along(maps, 2, size[1]), 1, size[0])  # across first: rows are copied whole


def mask_at_grid(masks: Bool[np.ndarray, "n H W"], grid: Size) -> Float[np.ndarray, "n h w"]:
    """Share of each cell that the mask covers, 0 to 1: the best map that a grid of this size can show.

    Resized back by `resize` and scored, it is the ceiling of every explainer on that grid ("oracle at grid").
    """
    shares = _averages(_averages(masks.astype(np.float64), 2, grid[1]), 1, grid[0])
    within: Float[np.ndarray, "n h w"] = np.clip(shares, 0.0, 1.0)
    return within


def _along(maps: Float[np.ndarray, "n h w"], axis: int, length: int) -> Float[np.ndarray, "n a b"]:
    old = maps.shape[axis]
    if old == length:
        return maps
    at = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
    left = at.astype(np.intp)
    weight = (at - left).reshape((-1, 1) if axis == 1 else -1)
    first = maps.take(left, axis)
    between: Float[np.ndarray, "n a b"] = maps.take(np.minimum(left + 1, old - 1), axis)
    # a + w (b - a): a to the bit where a = b, and never beyond b, as w is below 1 by 1 / (2 length) or more.
    between -= first
    between *= weight
    between += first
    return between


def _averages(maps: Float[np.ndarray, "n H W"], axis: int, length: int) -> Float[np.ndarray, "n a b"]:
    """Means over `length` cells of equal width along an axis, pixels cut by an edge counting by part."""
    old = maps.shape[axis]
    empty = np.zeros_like(maps.take([0], axis))
    upto = np.concatenate([empty, maps.cumsum(axis)], axis)
    edges = np.arange(length + 1) * old / length
    left = np.minimum(edges.astype(np.intp), old - 1)
    weight = (edges - left).reshape((-1, 1) if axis == 1 else -1)
    at_edges = upto.take(left, axis) + weight * maps.take(left, axis)
    means: Float[np.ndarray, "n a b"] = np.diff(at_edges, axis=axis) * length / old
    return means
