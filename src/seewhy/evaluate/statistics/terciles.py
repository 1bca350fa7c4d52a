"""Small, medium and large masks, since every localisation metric depends on the size; and how many items it takes."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.special import ndtri

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Values
from seewhy.evaluate.statistics.intervals import Interval, Items, Kind, as_items, groups_of, interval

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
    kind: Kind = "auto",
    groups: Any = None,
) -> dict[str, Interval]:
    """`interval` for small, medium and large masks; options as there. Always three: one without items has n = 0."""
    values, labels = as_items(per_item), terciles(sizes)
    if values.shape != labels.shape:
        came = f"There are {len(values)} values and {len(labels)} sizes."
        raise InputError(
            message(came, "Each item has one size.", "Pass masks.sum((1, 2)) of the same items.")
        )
    groups = groups_of(per_item, groups)
    found = {}
    for label, name in enumerate(TERCILES):
        third = labels == label
        some = None if groups is None else np.asarray(groups)[third]
        items: Items = values[third]
        if isinstance(per_item, Values):
            items = replace(per_item, per_item=values[third], groups=some, curve=None)
        found[name] = interval(items, level=level, resamples=resamples, seed=seed, kind=kind, groups=some)
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
