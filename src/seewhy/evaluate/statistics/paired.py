"""Which of two explainers is better, on the same items: paired tests, and Holm's correction over many pairs.

p = (1 + #{|t*| >= |t|}) / (1 + flips),   t = sum of the differences, t* with random signs                     (1)

and, where there are 12 differences or fewer, the share of all 2^n sign patterns, exactly. Undefined items may
decide a comparison (a map that is empty wherever it is wrong looks good elsewhere), so the test is made twice: on
the items that both define, and with what one leaves undefined set to the worst value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import wilcoxon

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Values
from seewhy.evaluate.statistics.intervals import Items, as_items, group_sums, groups_of, interval

ENUMERATED = 12
"""Up to so many differences all sign patterns are counted."""

_AT_ONCE = 2**21  # signs held in memory at a time: 16 MB


@dataclass(frozen=True)
class Paired:
    """A against B on the same items.

    Attributes
    ----------
    difference, low, high
        Mean of A - B over the items that both define, with its BCa interval, in the metric's unit.
    p
        Two-sided, by (1): the primary test.
    wilcoxon_p
        The signed-rank test, zeros after Pratt: the secondary one.
    better, better_low, better_high
        Share of items at which A is better, ties counted half: in the metric's direction, so that for a metric
        of which less is better it is the share at which A has less. Wilson's interval, BCa with groups.
    n, n_dropped
        Items compared, and left out because one or both are undefined.
    worst_difference, worst_p
        The same with what only one leaves undefined set to the worst value. Items that neither defines stay out:
        they say nothing about a difference.
    agrees
        Whether both tests come to one conclusion at 1 - level: A higher, B higher, or not told apart. If not,
        the undefined items decide, and no conclusion should be drawn.
    """

    difference: float
    low: float
    high: float
    p: float
    wilcoxon_p: float
    better: float
    better_low: float
    better_high: float
    n: int
    n_dropped: int
    worst_difference: float
    worst_p: float
    agrees: bool


@dataclass(frozen=True)
class Comparison:
    """One pair of `compare_all`: names, the test, and its p-value corrected over all pairs."""

    a: str
    b: str
    paired: Paired
    p_holm: float


def paired(
    a: Items,
    b: Items,
    *,
    flips: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    direction: Literal[1, -1] | None = None,
    groups: Any = None,
) -> Paired:
    """Compare two explainers item by item.

    Parameters
    ----------
    a, b
        (n,) values of the same items in the same order, NaN where undefined. Two `Values` must be of one metric
        with the same options.
    flips
        Random sign patterns, and resamples of the interval.
    direction
        +1 if more is better (default), -1 if less is; `Values` know it themselves.
    groups
        (n,) labels of what is drawn and flipped as a whole; by default those of the `Values`.

    Raises
    ------
    InputError
        For items, metrics, options, directions or groups that do not agree.

    Notes
    -----
    The worst value is the end of the metric's range, or the worst seen in a and b where that is infinite or not
    known. About a third of a second for 5,000 items.

    Examples
    --------
    >>> found = paired([0.9, 0.8, 0.7, 0.9, 0.8, 0.9], [0.5, 0.6, 0.6, 0.5, 0.3, 0.2])
    >>> round(found.difference, 3), found.p, found.better
    (0.383, 0.03125, 1.0)
    """
    if flips < 100:
        raise InputError(message(f"flips is {flips}.", "It is at least 100.", "Leave it at 10_000."))
    way = _direction(a, b, direction)
    groups = _groups(a, b, groups)
    x, y = as_items(a), as_items(b)
    if x.shape != y.shape:
        came = f"a has {len(x)} items, b {len(y)}."
        raise InputError(message(came, "A paired test compares the same items.", "Pass NaN where undefined."))
    difference = x - y
    found = interval(difference, level=level, resamples=flips, seed=seed, groups=groups)
    wins = np.where(np.isnan(difference), np.nan, (1 + np.sign(way * difference)) / 2)
    better = interval(
        wins,
        level=level,
        resamples=flips,
        seed=seed,
        kind="wilson" if (group_sums(wins, groups)[1] == 1).all() else "bca",
        groups=groups,
    )
    p = sign_flip(difference, flips=flips, seed=seed, groups=groups)
    filled, filled_p = difference, p
    if (np.isnan(x) != np.isnan(y)).any():
        worst = _worst(a, b, x, y, way)
        neither = np.isnan(x) & np.isnan(y)
        filled = np.where(neither, np.nan, np.nan_to_num(x, nan=worst) - np.nan_to_num(y, nan=worst))
        filled_p = sign_flip(filled, flips=flips, seed=seed, groups=groups)
    mean_filled = interval(filled, kind="t", groups=groups).mean
    return Paired(
        difference=found.mean,
        low=found.low,
        high=found.high,
        p=p,
        wilcoxon_p=_wilcoxon(difference, groups),
        better=better.mean,
        better_low=better.low,
        better_high=better.high,
        n=found.n,
        n_dropped=found.n_undefined,
        worst_difference=mean_filled,
        worst_p=filled_p,
        agrees=_verdict(found.mean, p, 1 - level) == _verdict(mean_filled, filled_p, 1 - level),
    )


def sign_flip(
    differences: Float[np.ndarray, " n"], *, flips: int = 10_000, seed: int = 0, groups: Any = None
) -> float:
    """Two-sided p that the defined differences are symmetric about zero, by (1); NaN without any."""
    sums, _ = group_sums(differences, groups)
    n = len(sums)
    if n == 0:
        return float("nan")
    # Sums that differ by rounding only are ties.
    bar = abs(sums.sum()) - 1e-12 * np.abs(sums).sum()
    if n <= ENUMERATED:
        every = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((np.abs(every @ (2 * sums) - sums.sum()) >= bar).mean())
    generator, found = np.random.default_rng(seed), 0
    rows = max(1, _AT_ONCE // n)
    for start in range(0, flips, rows):
        size = min(rows, flips - start)
        bits = generator.integers(256, size=(size, -(-n // 8)), dtype=np.uint8)
        signs = np.unpackbits(bits, axis=1, count=n)
        found += int((np.abs(signs @ (2 * sums) - sums.sum()) >= bar).sum())
    return (1 + found) / (1 + flips)


def holm(p: Any) -> Float[np.ndarray, " k"]:
    """P-values corrected for their number by Holm's step-down rule (Scand. J. Statistics 1979).

    The i-th smallest of k becomes the largest of (k - j + 1) p_j over j <= i, at most 1; NaN stays NaN and is not
    counted.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    if values.ndim != 1 or ((values < 0) | (values > 1)).any():
        came = f"p has shape {values.shape}" + ("." if values.ndim != 1 else " and values outside 0 to 1.")
        raise InputError(message(came, "It is one row of p-values.", "Pass a list of numbers from 0 to 1."))
    order = np.argsort(values)  # NaN comes last
    k = int((~np.isnan(values)).sum())
    steps = values[order[:k]] * np.arange(k, 0, -1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order[:k]] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def compare_all(
    table: Mapping[str, Items],
    *,
    flips: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    direction: Literal[1, -1] | None = None,
    groups: Any = None,
) -> tuple[Comparison, ...]:
    """Every pair of explainers in a table, with p-values corrected over all of them; options as for `paired`.

    All pairs use the same random numbers. The cost grows with the square of the number of explainers.
    """
    if len(table) < 2:
        came = f"The table has {len(table)} row{'s' * (len(table) != 1)}."
        raise InputError(message(came, "Two or more are compared.", "Pass name -> values of the same items."))
    pairs = list(combinations(table, 2))
    tests = [
        paired(table[a], table[b], flips=flips, seed=seed, level=level, direction=direction, groups=groups)
        for a, b in pairs
    ]
    corrected = holm([test.p for test in tests])
    return tuple(
        Comparison(a, b, test, float(p)) for (a, b), test, p in zip(pairs, tests, corrected, strict=True)
    )


def _direction(a: Items, b: Items, asked: Literal[1, -1] | None) -> Literal[1, -1]:
    known = [one for one in (a, b) if isinstance(one, Values)]
    if len({one.metric for one in known}) > 1:
        came = f"a is {known[0].metric}, b is {known[1].metric}."
        raise InputError(message(came, "Values of one metric are compared.", "Measure both with one metric."))
    if len(known) > 1:
        _refuse_other_options(*known)
    if asked not in (None, 1, -1) or (known and asked not in (None, known[0].direction)):
        needed = f"{known[0].metric} has direction {known[0].direction:+d}." if known else "It is +1 or -1."
        raise InputError(message(f"direction is {asked}.", needed, "Leave direction away."))
    return asked or (known[0].direction if known else 1)


def _refuse_other_options(a: Values, b: Values) -> None:
    """Values of one metric with two settings differ by the settings."""
    missing = object()
    names = [
        name
        for name in {**a.options, **b.options}
        if a.options.get(name, missing) != b.options.get(name, missing)
    ]
    if names:
        told = [
            "; ".join(
                f"{name} is {one.options[name]!r}" if name in one.options else f"{name} is not set"
                for name in names
            )
            for one in (a, b)
        ]
        came = f"In a, {told[0]}; in b, {told[1]}."
        needed = f"Values of {a.metric} compare if they were measured with the same options."
        raise InputError(message(came, needed, "Measure both with one metric."))


def _groups(a: Items, b: Items, asked: Any) -> Any:
    found = [groups for one in (a, b) if (groups := groups_of(one, asked)) is not None]
    if len(found) > 1 and not np.array_equal(*found):
        came = "a and b say differently which items belong together."
        raise InputError(
            message(
                came, "A paired test compares the same items.", "Pass groups=, or measure the same items."
            )
        )
    return found[0] if found else None


def _worst(a: Items, b: Items, x: np.ndarray, y: np.ndarray, way: int) -> float:
    for one in (a, b):
        if isinstance(one, Values):
            end = one.range[0] if way > 0 else one.range[1]
            if np.isfinite(end):
                return float(end)
    seen = np.concatenate([x, y])
    return float(np.nanmin(seen) if way > 0 else np.nanmax(seen))


def _wilcoxon(differences: np.ndarray, groups: Any) -> float:
    sums, counts = group_sums(differences, groups)
    means = sums / counts
    if not means.any():
        return 1.0 if len(means) else float("nan")
    return float(wilcoxon(means, zero_method="pratt").pvalue)


def _verdict(difference: float, p: float, alpha: float) -> int:
    """+1 or -1 for the side that is higher, 0 where the two are not told apart."""
    return int(np.sign(difference)) if p < alpha else 0
