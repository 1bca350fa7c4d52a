"""How sure the mean of a metric is: from values of single items to a mean with an interval.

What is drawn again is the item or, if several items come from one picture, the picture with all of its items:

mean = sum_g s_g / sum_g c_g,   s_g the sum and c_g the count of the defined items of group g                   (1)

BCa (Efron, JASA 1987) reads the resampled means at shares shifted by a bias z0 and an acceleration a:

share(z) = Phi(z0 + (z0 + z) / (1 - a (z0 + z))),   z = Phi^-1((1 -+ level) / 2)                               (2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri, stdtrit

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Values, chosen

Items = Values | Float[np.ndarray, " n"] | Sequence[float]
"""Values of single items as a metric gives them, or as bare numbers; NaN where undefined."""

Kind = Literal["auto", "bca", "percentile", "t", "wilson"]

_AT_ONCE = 2**21  # draws held in memory at a time: 24 MB of indices and values


@dataclass(frozen=True)
class Interval:
    """A mean and what it may well be: `str(interval)` is "0.46 [0.44, 0.48] (n = 500, 3 undefined)".

    Attributes
    ----------
    mean
        Of the defined items; NaN without any.
    low, high
        In the metric's unit; NaN where fewer than two independent items or groups are defined.
    n, n_undefined
        Items with a value, and without.
    method
        What was used: "percentile" after asking for "bca" says that the jackknife or the bias had no answer.
    level
        Share of such intervals that hold the true mean.
    n_groups
        What was drawn again: groups with a defined item, or the items themselves.
    """

    mean: float
    low: float
    high: float
    n: int
    n_undefined: int
    method: str
    level: float
    n_groups: int

    def __str__(self) -> str:
        missing = f", {self.n_undefined} undefined" if self.n_undefined else ""
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}] (n = {self.n}{missing})"


def interval(
    per_item: Items,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    kind: Kind = "auto",
    groups: Any = None,
) -> Interval:
    """Mean of the defined items with an interval.

    Parameters
    ----------
    per_item
        (n,) values, NaN where undefined: those are left out and counted.
    level
        In (0, 1).
    resamples
        For "bca" and "percentile"; both are repeatable by `seed`.
    kind
        "auto": "wilson" for `Values` that are hits and misses (`proportion`) where no two items belong together,
        else "bca". "wilson" is for shares of hits: values in 0 to 1, exact hits and misses or ties scored in between
        (then on the wide side). "t" for a few independent numbers such as one mean per training seed.
    groups
        (n,) labels of any kind, e.g. the picture each (picture, concept) pair comes from; by default those of the
        `Values`. Groups are drawn whole and (1) is the statistic; "t" uses the linearised error of (1).

    Raises
    ------
    InputError
        For values that are not one row of numbers or are infinite, groups of another length, level or resamples
        out of range, and "wilson" with groups of several items or with values outside 0 to 1.

    Notes
    -----
    5,000 items and 10,000 resamples cost about a third of a second and 35 MB of memory.
    Items all alike give an interval of no width, which says that resampling saw no spread, not that there is
    none; "wilson" does not have that fault.

    Examples
    --------
    >>> print(interval([0, 1, 1, 1], kind="wilson"))
    0.75 [0.301, 0.954] (n = 4)
    """
    values = as_items(per_item)
    if not 0 < level < 1 or resamples < 100:
        came = f"level is {level}, resamples {resamples}."
        raise InputError(
            message(came, "level lies in (0, 1), resamples is at least 100.", "Try 0.95, 10_000.")
        )
    chosen("kind", kind, get_args(Kind))
    defined = ~np.isnan(values)
    kept = values[defined]
    sums, counts = group_sums(values, groups_of(per_item, groups))
    alone = bool((counts == 1).all())
    method: str = kind
    if kind == "auto":
        method = "wilson" if alone and isinstance(per_item, Values) and per_item.proportion else "bca"
    if method == "wilson" and (not alone or ((kept < 0) | (kept > 1)).any()):
        came = _span("kind is wilson, values", kept) if alone else "kind is wilson, with groups."
        raise InputError(
            message(came, "Wilson's interval is for independent shares from 0 to 1.", 'Use "bca".')
        )
    low = high = float("nan")
    if len(sums) > 1:
        low, high, method = _BOUNDS[method](sums, counts, level, resamples, seed)
    return Interval(
        mean=float(sums.sum() / counts.sum()) if len(sums) else float("nan"),
        low=float(low),
        high=float(high),
        n=int(defined.sum()),
        n_undefined=int((~defined).sum()),
        method=method,
        level=level,
        n_groups=len(sums),
    )


def as_items(per_item: Items) -> Float[np.ndarray, " n"]:
    """The numbers of `Values`, or bare numbers, as one float64 row; infinity is refused."""
    array = np.asarray(per_item.per_item if isinstance(per_item, Values) else per_item, np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        came = f"The values have shape {array.shape}" + ("." if array.ndim != 1 else " and hold infinity.")
        raise InputError(
            message(came, "They are one number per item, NaN where undefined.", "Pass values.per_item.")
        )
    return cast(np.ndarray, array)


def groups_of(per_item: Items, groups: Any) -> Any:
    """The groups that were asked for, else those that `Values` bring along."""
    return per_item.groups if groups is None and isinstance(per_item, Values) else groups


def group_sums(
    values: Float[np.ndarray, " n"], groups: Any
) -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, " g"]]:
    """Sum and count of the defined items of each group, groups without any left out; no groups: each item."""
    defined = ~np.isnan(values)
    kept = values[defined]
    if groups is None:
        return kept, np.ones(len(kept))
    labels = np.asarray(groups)
    if labels.shape != values.shape:
        came = f"groups has shape {labels.shape} for {len(values)} items."
        raise InputError(
            message(came, "Each item has one group.", "Pass the picture's number for each item.")
        )
    _, place = np.unique(labels[defined], return_inverse=True)
    return np.bincount(place, kept), np.bincount(place).astype(np.float64)


def _resampled(sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int) -> Float[np.ndarray, " b"]:
    """(1) for groups drawn with replacement, a block of rows at a time."""
    generator, g = np.random.default_rng(seed), len(sums)
    rows = max(1, _AT_ONCE // g)
    single = bool((counts == 1).all())
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        block = means[start : start + rows]
        drawn: Int[np.ndarray, "b g"] = generator.integers(g, size=(len(block), g), dtype=np.int32)
        block[:] = sums[drawn].sum(1) / (g if single else counts[drawn].sum(1))
    return means


def _bca(
    sums: np.ndarray, counts: np.ndarray, level: float, resamples: int, seed: int
) -> tuple[float, float, str]:
    means, mean = _resampled(sums, counts, resamples, seed), sums.sum() / counts.sum()
    left = (sums.sum() - sums) / (counts.sum() - counts)  # (1) without each group in turn
    spread = left.mean() - left
    # Means within rounding of the sample's own are ties: half of them lie below.
    near = np.abs(means - mean) <= 1e-12 * np.abs(sums).max()
    z0 = ndtri(np.where(near, 0.5, means < mean).mean())
    if not (spread**2).sum() > 1e-24 * (left**2).sum() or not np.isfinite(z0):
        return *_quantiles(means, (1 - level) / 2, (1 + level) / 2), "percentile"
    a = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    z = z0 + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    return *_quantiles(means, *ndtr(z0 + z / (1 - a * z))), "bca"


def _percentile(
    sums: np.ndarray, counts: np.ndarray, level: float, resamples: int, seed: int
) -> tuple[float, float, str]:
    means = _resampled(sums, counts, resamples, seed)
    return *_quantiles(means, (1 - level) / 2, (1 + level) / 2), "percentile"


def _student(sums: np.ndarray, counts: np.ndarray, level: float, _: int, __: int) -> tuple[float, float, str]:
    g, mean = len(sums), sums.sum() / counts.sum()
    error = sqrt(g / (g - 1) * ((sums - mean * counts) ** 2).sum()) / counts.sum()
    half = stdtrit(g - 1, (1 + level) / 2) * error
    return mean - half, mean + half, "t"


def _wilson(sums: np.ndarray, _: np.ndarray, level: float, __: int, ___: int) -> tuple[float, float, str]:
    n, z = len(sums), ndtri((1 + level) / 2)
    share = sums.mean()
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half), "wilson"


_BOUNDS: dict[str, Callable[..., tuple[float, float, str]]] = {
    "bca": _bca,
    "percentile": _percentile,
    "t": _student,
    "wilson": _wilson,
}


def _quantiles(means: np.ndarray, low: float, high: float) -> tuple[float, float]:
    found = np.quantile(means, [low, high])
    return float(found[0]), float(found[1])


def _span(what: str, values: np.ndarray) -> str:
    return f"{what} from {values.min():.4g} to {values.max():.4g}."
