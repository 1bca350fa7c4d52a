"""Region mathematics: what a map says inside a region, and where a map is, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, message
from seewhy.images.geometry import Geometry


@dataclass(frozen=True)
class RegionScore:
    """What one map says about one region.

    `mean` is the area-weighted mean inside, `total` the area-weighted sum (inside + outside = whole map), and
    `positive_share` the part of the map's positive mass that lies inside, 0 to 1 (NaN-free: 0 for none).
    """

    mean: float
    total: float
    positive_share: float


def region_means(
    maps_mhw: Float[np.ndarray, "m h w"], weights_hw: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, " m"]:
    """Average each map inside a region.

    a[m] = sum_u weights[u] maps[m, u] / sum_u weights[u]                                              (1)

    Source: Benou and Riklin-Raviv, CVPR 2025 (arXiv 2502.20134), region queries; weighting by area is ours.

    Raises
    ------
    InputError
        If the region covers no cell, or the grids differ.
    """
    total = float(weights_hw.sum())
    if total <= 0 or maps_mhw.shape[1:] != weights_hw.shape:
        raise InputError(
            message(
                f"Region weights of shape {weights_hw.shape} sum to {total:.3g}; "
                f"maps are {maps_mhw.shape[1:]}.",
                "The region covers some cell, on the same grid.",
                "Choose a region on the picture.",
            )
        )
    means: np.ndarray = np.einsum("mhw,hw->m", maps_mhw.astype(np.float64), weights_hw) / total
    return means


def region_score(map_hw: Float[np.ndarray, "h w"], weights_hw: Float[np.ndarray, "h w"]) -> RegionScore:
    """Mean, sum and share of positive mass of one map inside a region."""
    mean = float(region_means(map_hw[None], weights_hw)[0])
    positive = np.maximum(map_hw.astype(np.float64), 0)
    mass = float(positive.sum())
    inside = float((positive * weights_hw).sum())
    total = float((map_hw.astype(np.float64) * weights_hw).sum())
    return RegionScore(mean, total, inside / mass if mass > 0 else 0.0)


def where_in_words(map_hw: Float[np.ndarray, "h w"], geometry: Geometry, threshold: float = 0.5) -> str:
    """Where a map is strong, in words, such as 'upper left, 7 % of the image'.

    Cells above `threshold` times the largest count; a map without a positive value is 'nowhere', one
    that is strong on more than 60 % of what the model saw is 'everywhere'.
    """
    centre, coverage = centre_and_coverage(map_hw, geometry, threshold)
    if centre is None:
        return "nowhere"
    share = f"{100 * coverage:.0f} % of the image" if coverage >= 0.01 else "under 1 % of the image"
    if coverage > 0.6:
        return f"everywhere, {share}"
    x, y = centre
    vertical = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else ""
    horizontal = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return f"{' '.join(part for part in (vertical, horizontal) if part) or 'centre'}, {share}"


def centre_and_coverage(
    map_hw: Float[np.ndarray, "h w"], geometry: Geometry, threshold: float = 0.5
) -> tuple[tuple[float, float] | None, float]:
    """Centre of mass (x, y) of the strong cells as shares of the picture, and the share of it they cover.

    Coverage is of the whole original picture, so an uncropped border that the model never saw counts as not
    covered. Maps finer than 32 cells a side are averaged over blocks first, since single pixels are no place.
    The centre is None if no cell is positive, or none of the strong ones lies on the picture.
    """
    cells = _averaged(map_hw)
    peak = float(cells.max())
    if peak <= 0:
        return None, 0.0
    shown = geometry.cell_weights(np.ones(geometry.original), (cells.shape[0], cells.shape[1]))
    strong = np.where(cells >= threshold * peak, cells, 0.0).astype(np.float64) * shown
    mass = float(strong.sum())
    if mass <= 0:
        return None, 0.0
    (rows, columns), (height, width) = cells.shape, geometry.original
    # Cell centres in the input, taken back to the picture.
    y = ((np.arange(rows) + 0.5) * geometry.model[0] / rows - geometry.ty) / geometry.sy / height
    x = ((np.arange(columns) + 0.5) * geometry.model[1] / columns - geometry.tx) / geometry.sx / width
    centre = float((strong.sum(0) * x).sum() / mass), float((strong.sum(1) * y).sum() / mass)
    cell_area = (geometry.model[0] / rows) * (geometry.model[1] / columns)
    share_of_picture = cell_area / abs(geometry.sx * geometry.sy) / (height * width)
    return centre, float((shown * (strong > 0)).sum() * share_of_picture)


def _averaged(map_hw: Float[np.ndarray, "h w"], most: int = 32, to: int = 16) -> Float[np.ndarray, "h w"]:
    """The map averaged over at most `to` blocks a side, if it is finer than `most`."""
    for axis, extent in enumerate(map_hw.shape):
        if extent > most:
            edges = np.linspace(0, extent, to + 1).round().astype(int)
            sums = np.add.reduceat(map_hw.astype(np.float64), edges[:-1], axis=axis)
            sizes = np.diff(edges)
            map_hw = sums / (sizes[:, None] if axis == 0 else sizes)
    return map_hw
