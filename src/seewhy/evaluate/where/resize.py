"""Maps brought to the pixels of a mask, and masks to the cells of a map.

Both are separable, and written as element-wise steps instead of matrix products: the value of one map is then the
same number alone and in any batch, and a constant map stays constant to the bit.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.types import Size


def resize(maps: Float[np.ndarray, "n h w"], size: Size) -> Float[np.ndarray, "n H W"]:
    """Maps at another size, each axis on its own; no value leaves the map's own range.

    Enlarged bilinearly, corners not aligned (as `torch.nn.functional.interpolate`). Made smaller by the mean over
    each new cell's area: between two points, what lies elsewhere in the cell would be lost.
    """
    if maps.shape[1:] == size:
        return maps
    return _along(_along(maps, 2, size[1]), 1, size[0])  # across first: rows are copied whole


def mask_at_grid(masks: Bool[np.ndarray, "n H W"], grid: Size) -> Float[np.ndarray, "n h w"]:
    """Share of each cell that the mask covers, 0 to 1: the best map that a grid of this size can show.

    Resized back by `resize` and scored, it is the ceiling of every explainer on that grid ("oracle at grid").
    """
    if not all(1 <= cells <= pixels for cells, pixels in zip(grid, masks.shape[1:], strict=True)):
        came = f"The grid is {grid[0]} x {grid[1]} for masks of {masks.shape[1]} x {masks.shape[2]}."
        raise InputError(
            message(came, "It is not finer than the masks.", "Pass the size of the method's maps.")
        )
    return averaged(averaged(masks.astype(np.float64), 2, grid[1]), 1, grid[0])


def averaged(maps: Float[np.ndarray, "n h w"], axis: int, length: int) -> Float[np.ndarray, "n a b"]:
    """Means over `length` cells of equal width along an axis, pixels cut by an edge counting by part.

    A cell's first value plus the mean of what the others differ from it: a cell of equal values has that value to
    the bit, so that plateaus stay plateaus.
    """
    old = maps.shape[axis]
    edges = np.arange(length + 1) * old / length
    at = np.minimum(edges[:-1].astype(np.intp), old - 1)
    first = maps.take(at, axis)
    means = np.zeros_like(first)
    for step in range(1, -(-old // length) + 1):
        pixel = np.minimum(at + step, old - 1)
        part = np.clip(np.minimum(edges[1:], at + step + 1) - (at + step), 0.0, 1.0) * (at + step < old)
        weight = (part * length / old).reshape((-1, 1) if axis == 1 else -1)
        means += weight * (maps.take(pixel, axis) - first)
    means += first
    within: Float[np.ndarray, "n a b"] = np.clip(
        means, maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    )
    return within


def _along(maps: Float[np.ndarray, "n h w"], axis: int, length: int) -> Float[np.ndarray, "n a b"]:
    old = maps.shape[axis]
    if old >= length:
        return maps if old == length else averaged(maps, axis, length)
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
