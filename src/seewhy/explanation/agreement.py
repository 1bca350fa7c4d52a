"""How far two maps of one picture agree: both on a common grid, then correlation and overlap. Maths only.

Nothing here is NaN: what is not defined is None with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from seewhy.images.geometry import Geometry
from seewhy.types import Size

FLAT = 1e-6
"""A map that varies less than this share of its largest value is a constant and its rounding."""


@dataclass(frozen=True)
class Measure:
    """A number, or None and the reason why it is not defined."""

    value: float | None
    why_not: str | None = None


@dataclass(frozen=True)
class Agreement:
    """How far two maps agree on the cells of `grid`.

    `spearman` and `pearson` are correlations over cells, -1 to 1. `overlap` is the share of the positive
    evidence that lies in the same places, 0 to 1.
    """

    spearman: Measure
    pearson: Measure
    overlap: Measure
    grid: Size | None = None


def agreement_of(first: Float[np.ndarray, "h w"], second: Float[np.ndarray, "h w"]) -> Agreement:
    """Compare two maps on one grid, cell by cell.

    Spearman is Pearson's correlation of ranks, ties at their mean rank. With P the positive part of a map
    divided by its sum,

    overlap = sum_u min(P1[u], P2[u])                                                                  (1)

    None of the three depends on the maps' units. (1) is histogram intersection (Swain and Ballard, IJCV
    1991); taking it of positive evidence is ours.
    """
    flat = [which for which, values in (("first", first), ("second", second)) if _is_flat(values)]
    if first.size < 3:
        reason = f"the maps share {first.size} cell{'s' * (first.size > 1)}; a correlation needs three"
    elif flat:
        reason = f"the {' and the '.join(flat)} map {'is' if len(flat) == 1 else 'are'} the same everywhere"
    else:
        reason = None
    if reason:
        spearman = pearson = Measure(None, reason)
    else:
        spearman = Measure(_pearson(_ranks(first), _ranks(second)))
        pearson = Measure(_pearson(first, second))
    return Agreement(spearman, pearson, _overlap_of(first, second), (first.shape[0], first.shape[1]))


def no_agreement(reason: str) -> Agreement:
    """Nothing can be said, for one reason."""
    return Agreement(Measure(None, reason), Measure(None, reason), Measure(None, reason))


def common_grid(first: tuple[Geometry, Size], second: tuple[Geometry, Size]) -> Geometry | None:
    """A grid over the part of the picture that both saw, with cells about as large as those of the coarser map.

    Returns
    -------
    geometry
        Its input is the grid itself, one pixel a cell. None if no part of the picture was seen by both.
    """
    boxes = [geometry.seen_box for geometry, _ in (first, second)]
    x0, y0 = (max(box[i] for box in boxes) for i in (0, 1))
    x1, y1 = (min(box[i] for box in boxes) for i in (2, 3))
    if x1 <= x0 or y1 <= y0:
        return None
    rows = min(abs(g.sy) * (y1 - y0) * grid[0] / g.model[0] for g, grid in (first, second))
    columns = min(abs(g.sx) * (x1 - x0) * grid[1] / g.model[1] for g, grid in (first, second))
    size = max(1, round(rows)), max(1, round(columns))
    sy, sx = size[0] / (y1 - y0), size[1] / (x1 - x0)
    return Geometry(first[0].original, size, sx, sy, -x0 * sx, -y0 * sy)


def regrid(
    map_hw: Float[np.ndarray, "h w"], geometry: Geometry, common: Geometry, *, add: bool
) -> Float[np.ndarray, "r c"]:
    """A map on the cells of a common grid, by area.

    With `add` the values of the parts that fall into a cell are summed, so that parts of a logit still add
    up; else they are averaged. A map that is already on the grid comes back as it is.
    """
    cells = (map_hw.shape[0], map_hw.shape[1])
    rows = _parts(
        geometry.sy, geometry.ty, geometry.model[0], cells[0], common.sy, common.ty, common.model[0]
    )
    columns = _parts(
        geometry.sx, geometry.tx, geometry.model[1], cells[1], common.sx, common.tx, common.model[1]
    )
    sums: np.ndarray = rows @ map_hw.astype(np.float64) @ columns.T
    if add:
        return sums
    means: np.ndarray = sums / (rows.sum(1)[:, None] * columns.sum(1))
    return means


def cell_area(geometry: Geometry, grid: Size) -> float:
    """Area of one cell of the grid in pixels of the picture."""
    rows, columns = geometry.model[0] / grid[0], geometry.model[1] / grid[1]
    return abs(rows * columns / (geometry.sx * geometry.sy))


def _parts(
    scale: float, shift: float, extent: int, n_cells: int, common_scale: float, common_shift: float, n: int
) -> np.ndarray:
    """(n, n_cells): which share of each cell lies in each cell of the common grid, along one axis."""
    picture = (np.arange(n + 1) - common_shift) / common_scale
    edges = (scale * picture + shift) * n_cells / extent
    low, high = np.minimum(edges[:-1], edges[1:])[:, None], np.maximum(edges[:-1], edges[1:])[:, None]
    cells = np.arange(n_cells)
    shares = np.maximum(np.minimum(high, cells + 1) - np.maximum(low, cells), 0.0)
    # Rounding must not move a trace of a cell to its neighbour, or equal values would get different ranks.
    rounded: np.ndarray = np.round(shares, 9)
    return rounded


def _is_flat(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= FLAT * np.abs(values).max())


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value, equal values (to nine digits of the largest) at their mean rank."""
    _, which, counts = np.unique(
        np.round(values.ravel() / np.abs(values).max(), 9), return_inverse=True, return_counts=True
    )
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[which.ravel()]
    return ranks


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    a, b = (x.ravel().astype(np.float64) for x in (first, second))
    a, b = ((x - x.mean()) / np.abs(x - x.mean()).max() for x in (a, b))
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _overlap_of(first: np.ndarray, second: np.ndarray) -> Measure:
    parts = [np.maximum(values.astype(np.float64), 0.0) for values in (first, second)]
    empty = [name for name, part in zip(("first", "second"), parts, strict=True) if part.max() <= 0]
    if empty:
        have = "has" if len(empty) == 1 else "have"
        return Measure(None, f"the {' and the '.join(empty)} map {have} no positive evidence")
    # Divided by the largest first, so that neither tiny nor huge maps leave the range of numbers.
    one, other = (part / part.max() for part in parts)
    return Measure(float(np.minimum(one / one.sum(), other / other.sum()).sum()))
