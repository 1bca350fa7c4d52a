"""What the user points at (a point, a box or a mask of the original picture), as weights of grid cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.images.geometry import Geometry
from seewhy.types import Box, Point, Size


def cell_weights(
    geometry: Geometry,
    grid: Size,
    *,
    point: Point | None = None,
    box: Box | None = None,
    mask: Any = None,
) -> Float[np.ndarray, "h w"]:
    """Share of each grid cell that lies in a region of the original picture, 0 to 1.

    Parameters
    ----------
    geometry
        How the picture was brought to the model's input.
    grid
        (rows, columns) of the feature grid.
    point
        (x, y) in picture pixels: its whole cell counts.
    box
        (x0, y0, x1, y1) in picture pixels, half-open; cells cut by its edge count by area.
    mask
        (height, width) of the picture, bool or weights 0 to 1; cells count by covered area.

    Raises
    ------
    InputError
        Unless exactly one region is given, if it has no area, is not finite, has the wrong shape, or lies
        wholly outside what the model saw.

    Notes
    -----
    The area weighting is ours: moving a box by one pixel changes weights smoothly, and regions that
    partition the picture have weights that add up to one in every cell that is wholly in the picture.
    """
    given = [name for name, value in (("point", point), ("box", box), ("mask", mask)) if value is not None]
    if len(given) != 1:
        raise InputError(
            message(
                f"The region was given as {' and '.join(given) or 'nothing'}.",
                "It is exactly one of point=(x, y), box=(x0, y0, x1, y1) or mask=(height, width).",
                "Pass one of them.",
            )
        )
    if point is not None:
        weights = _point_weights(geometry, grid, point)
    elif box is not None:
        weights = _box_weights(geometry, grid, box)
    else:
        weights = geometry.cell_weights(_checked_mask(geometry, mask), grid)
    if not weights.any():
        raise InputError(
            message(
                f"The {given[0]} lies outside the part of the picture that the model saw.",
                f"It saw x and y in {_round_box(geometry.seen_box)} of a "
                f"{geometry.original[1]}x{geometry.original[0]} picture.",
                "Point inside that box.",
            )
        )
    return weights


def _point_weights(geometry: Geometry, grid: Size, point: Point) -> np.ndarray:
    x, y = _finite(point, 2, "point=(x, y)")
    height, width = geometry.original
    weights = np.zeros(grid)
    if 0 <= x < width and 0 <= y < height:
        # The centre of the pixel that was pointed at: a click names a pixel.
        gx = (geometry.sx * (np.floor(x) + 0.5) + geometry.tx) / geometry.model[1] * grid[1]
        gy = (geometry.sy * (np.floor(y) + 0.5) + geometry.ty) / geometry.model[0] * grid[0]
        if 0 <= gx <= grid[1] and 0 <= gy <= grid[0]:
            weights[min(int(gy), grid[0] - 1), min(int(gx), grid[1] - 1)] = 1.0
    return weights


def _box_weights(geometry: Geometry, grid: Size, box: Box) -> np.ndarray:
    x0, y0, x1, y1 = _finite(box, 4, "box=(x0, y0, x1, y1)")
    if x1 <= x0 or y1 <= y0:
        raise InputError(
            message(
                f"The box {(x0, y0, x1, y1)} has no area.",
                "A box is (x0, y0, x1, y1) with x1 > x0 and y1 > y0, in pixels of the original picture.",
                "Order its corners, or use point=(x, y).",
            )
        )
    height, width = geometry.original
    clipped = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        return np.zeros(grid)
    mx0, my0, mx1, my1 = geometry.box_to_model(clipped)
    columns = _interval(mx0, mx1, geometry.model[1], grid[1])
    rows = _interval(my0, my1, geometry.model[0], grid[0])
    weights: np.ndarray = rows[:, None] * columns[None, :]
    return weights


def _interval(low: float, high: float, extent: int, n: int) -> np.ndarray:
    """Share of each of `n` cells of [0, extent] that [low, high] covers."""
    cells = np.arange(n)
    scale = n / extent
    overlap: np.ndarray = np.minimum(high * scale, cells + 1) - np.maximum(low * scale, cells)
    shares: np.ndarray = np.clip(overlap, 0.0, 1.0)
    return shares


def _checked_mask(geometry: Geometry, mask: Any) -> np.ndarray:
    array = np.asarray(mask)
    if array.shape != geometry.original or array.dtype.kind not in "bfiu":
        raise InputError(
            message(
                f"The mask has shape {array.shape} and dtype {array.dtype}.",
                f"It must have the picture's shape {geometry.original} (height, width), bool or 0 to 1.",
                "Draw it on the original picture, not on the model's input.",
            )
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or array.min(initial=0) < 0 or array.max(initial=0) > 1:
        raise InputError(
            message(
                f"The mask has values from {array.min():.4g} to {array.max():.4g}.",
                "Its values are shares of a pixel, 0 to 1.",
                "Pass mask > 0, or divide by 255.",
            )
        )
    if not array.any():
        raise InputError(message("The mask is empty.", "A region has some area.", "Mark at least one pixel."))
    return array


def _finite(values: Any, n: int, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != n or not np.isfinite(numbers).all():
        raise InputError(
            message(
                f"The region is {values!r}.", f"It must be {form}, finite numbers.", "Pass pixels, x first."
            )
        )
    return numbers


def _round_box(box: Box) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in box) + ")"
