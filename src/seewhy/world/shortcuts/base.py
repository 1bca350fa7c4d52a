"""One row of the shortcut audit, and the statistics that say what a measurement can and cannot show.

The rule: a bar is missed only if the whole interval of the measurement lies beyond it. A row that is above its bar
by less than chance explains has not missed it, and has not shown that it holds either (`Row.sure`); more scenes
decide.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import inf, sqrt
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from seewhy.world.hashing import bits, field_key
from seewhy.world.scene import Scene

LEVEL = 0.95
_SHUFFLES = 20


class Question(Protocol):
    """What the audit needs of a task: `seewhy.world.tasks.tasks.Task` has it."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def label(self, scene: Scene, /) -> Any: ...

    def scene(self, split: str = ..., index: int = ...) -> Scene: ...


@dataclass(frozen=True)
class Row:
    """One measurement and its bar.

    Attributes
    ----------
    task, predictor
        Of which task's scenes, and what was measured.
    measured, low, high
        The value and its interval, of level 0.95 over all values of which this is the worst.
    bar, floor
        Largest and least value allowed, if any.
    unit
        "accuracy", "bit", "phi" or "share".
    n
        Scenes measured.
    """

    task: str
    predictor: str
    measured: float
    low: float
    high: float
    bar: float | None = None
    floor: float | None = None
    unit: str = "accuracy"
    n: int = 0

    @property
    def passed(self) -> bool:
        """Whether the interval holds an allowed value."""
        low, high = self.allowed
        return self.low <= high and self.high >= low

    @property
    def sure(self) -> bool:
        """Whether the interval lies wholly within or wholly beyond what is allowed: chance decides nothing."""
        low, high = self.allowed
        return (low <= self.low and self.high <= high) or not self.passed

    @property
    def is_expected(self) -> bool:
        """Whether one value alone is allowed, so that no interval can ever lie within."""
        return self.floor is not None and self.floor == self.bar

    @property
    def allowed(self) -> tuple[float, float]:
        """Least and most, infinite where nothing is asked."""
        return -inf if self.floor is None else self.floor, inf if self.bar is None else self.bar

    @property
    def allowed_text(self) -> str:
        """What is allowed, in words."""
        if self.bar is None:
            return "told only"
        if self.floor is None:
            return f"at most {self.bar:.3f}"
        return f"{self.floor:.3f}" if self.is_expected else f"{self.floor:.3f} to {self.bar:.3f}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe, with `passed` and `sure`."""
        return {**asdict(self), "passed": self.passed, "sure": self.sure}

    def __str__(self) -> str:
        return (
            f"{self.task}: {self.predictor}: {self.unit} {self.measured:.3f} "
            f"[{self.low:.3f}, {self.high:.3f}], allowed is {self.allowed_text}"
        )


def normal_quantile(n: int = 1) -> float:
    """How many standard errors an interval reaches to either side if `n` of them shall all hold."""
    from scipy.special import ndtri

    return float(ndtri(1 - (1 - LEVEL) / (2 * max(n, 1))))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Interval of a share (Wilson, JASA 1927).

    >>> [round(bound, 3) for bound in wilson(50, 100)]
    [0.404, 0.596]
    """
    z = normal_quantile()
    share = hits / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def exact(hits: int, n: int, intervals: int = 1) -> tuple[float, float]:
    """Interval of a share, one of `intervals` that shall all hold, for any n (Clopper & Pearson, Biometrika 1934).

    >>> [round(bound, 3) for bound in exact(50, 100)]
    [0.398, 0.602]
    """
    from scipy.special import betaincinv

    tail = (1 - LEVEL) / (2 * intervals)
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def codes(values: Sequence[Hashable]) -> Int[np.ndarray, " n"]:
    """Equal values as equal whole numbers from 0."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], np.int64)


@dataclass(frozen=True, eq=False)
class Information:
    """What values say about a label, given a stratum; measures any number of values against the same label.

    I = sum_{y,v,s} p(y,v,s) log2 [p(y,v,s) p(s) / (p(y,s) p(v,s))] - the same of shuffled labels                (1)

    Parameters
    ----------
    labels, strata
        (n,) whole numbers from 0.

    Notes
    -----
    The second term of (1) is the mean over labels shuffled within each stratum: what independent values give in a
    sample of n by chance, however few scenes there are of a kind. So the estimate may be negative. Its standard error
    is that of the mean logarithm, or the spread over the shuffles if that is larger.
    """

    labels: Int[np.ndarray, " n"]
    strata: Int[np.ndarray, " n"]

    def bits(self, values: Int[np.ndarray, " n"]) -> tuple[float, float]:
        """(information in bits, its standard error) of values given as whole numbers from 0."""
        n = len(values)
        plain, spread = _plug_in(self.labels, values, self.strata)
        chance = [_plug_in(labels, values, self.strata)[0] for labels in self._shuffled]
        error = max(sqrt(spread / n), float(np.std(chance, ddof=1)))
        return plain - float(np.mean(chance)), error

    @cached_property
    def _shuffled(self) -> list[Int[np.ndarray, " n"]]:
        home = np.argsort(self.strata, kind="stable")
        made = []
        for number in range(_SHUFFLES):
            keys = bits(field_key(number, "audit.shuffle"), len(self.labels))
            labels = np.empty_like(self.labels)
            labels[home] = self.labels[np.lexsort((keys, self.strata))]
            made.append(labels)
        return made


def _plug_in(labels: np.ndarray, values: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """First term of (1), and the variance of its logarithm."""
    shape = int(strata.max()) + 1, int(labels.max()) + 1, int(values.max()) + 1
    cells = np.ravel_multi_index((strata, labels, values), shape)
    table = np.bincount(cells, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
    s, y, v = np.nonzero(table)
    count = table[s, y, v].astype(np.float64)
    expected = table.sum(2)[s, y].astype(np.float64) * table.sum(1)[s, v]
    logs = np.log2(count * table.sum((1, 2))[s] / expected)
    weight = count / len(labels)
    mean = float((weight * logs).sum())
    return mean, max(float((weight * logs**2).sum()) - mean**2, 0.0)


def phi(
    presence: Bool[np.ndarray, "n m"], strata: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "m m"]]:
    """Correlation of each pair of concepts within strata, and its standard error.

    phi_ab = sum_s n_s cov_s(a,b) / sqrt(sum_s n_s var_s(a) sum_s n_s var_s(b))                              (2)

    NaN where a concept is constant in every stratum. The standard error is that of independent concepts.
    """
    centred = presence.astype(np.float64)
    for stratum in np.unique(strata):
        chosen = strata == stratum
        centred[chosen] -= centred[chosen].mean(0)
    covariance = centred.T @ centred
    scale = np.sqrt(np.diag(covariance))
    product = np.where(np.outer(scale, scale) > 1e-9, np.outer(scale, scale), np.nan)
    # Of independent concepts: the variance of the sum of products, from those products themselves.
    error = np.sqrt((centred**2).T @ (centred**2)) / product
    return covariance / product, error
