"""From values of single items to what may be said: intervals, paired tests, size terciles, and how many items.

Metrics give one number per item (`base.Values`); everything that is averaged, compared or split is so here.
`intervals` and `paired` hold the parts, this module is where to import them from.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.special import ndtri

from seewhy.errors import InputError, message
from seewhy.evaluate.intervals import Interval, Items, Kind, as_items, interval
from seewhy.evaluate.paired import Comparison, Paired, compare_all, holm, paired, sign_flip

TERCILES = ("small", "medium", "large")
"""Names of the labels 0, 1, 2."""


def terciles(sizes: Any) -> Int[np.ndarray, " n"]:
    """0, 1 or 2 for the smaller, middle and larger third of masks; -1 where the size is NaN.

    Parameters
    ----------
    sizes
        (n,) pixels or shares of the picture.

    Notes
    -----
    The bounds are the 1/3 and 2/3 quantiles of these sizes. Items of one size are never parted, so that the
    thirds are unequal where many are alike (all alike: all 0).

    >>> terciles([5, 1, 9, 2, 7, 3]).tolist()
    [1, 0, 2, 0, 2, 1]
    """
    values = as_items(sizes)
    labels = np.full(len(values), -1)
    known = ~np.isnan(values)
    if known.any():
        first, second = np.quantile(values[known], [1 / 3, 2 / 3])
        labels[known] = (values[known] > first).astype(int) + (values[known] > second)
    return labels


def by_tercile(
    per_item: Items,
    sizes: Any,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    kind: Kind = "bca",
    groups: Any = None,
) -> dict[str, Interval]:
    """`interval` for small, medium and large masks; options as there. A third without items is left out."""
    values, labels = as_items(per_item), terciles(sizes)
    if values.shape != labels.shape:
        came = f"There are {len(values)} values and {len(labels)} sizes."
        raise InputError(
            message(came, "Each item has one size.", "Pass masks.sum((1, 2)) of the same items.")
        )
    found = {}
    for label, name in enumerate(TERCILES):
        chosen = labels == label
        if chosen.any():
            some = None if groups is None else np.asarray(groups)[chosen]
            found[name] = interval(
                values[chosen], level=level, resamples=resamples, seed=seed, kind=kind, groups=some
            )
    return found


def sample_size(sd: float, delta: float, power: float = 0.8, *, level: float = 0.95) -> int:
    """Items needed to find a paired mean difference.

    n = (z_{(1 + level) / 2} + z_power)^2 sd^2 / delta^2, rounded up: 7.85 sd^2 / delta^2 by default.

    Parameters
    ----------
    sd
        Standard deviation of the differences of single items, in the metric's unit.
    delta
        The difference that is to be found, in the same unit.
    power
        Chance to find it, in (0, 1).

    >>> sample_size(sd=0.2, delta=0.02)
    785
    """
    if not (sd >= 0 and delta > 0 and 0 < power < 1 and 0 < level < 1):
        came = f"sd is {sd}, delta {delta}, power {power}, level {level}."
        needed = "sd is not negative, delta above 0, power and level in (0, 1)."
        raise InputError(message(came, needed, "Try sample_size(sd=0.2, delta=0.02)."))
    units = float(ndtri((1 + level) / 2) + ndtri(power))
    return max(2, ceil((units * sd / delta) ** 2))


__all__ = [
    "TERCILES",
    "Comparison",
    "Interval",
    "Items",
    "Kind",
    "Paired",
    "by_tercile",
    "compare_all",
    "holm",
    "interval",
    "paired",
    "sample_size",
    "sign_flip",
    "terciles",
]
