"""Total Sobol' index: the share of the logit's variance that would be left if all other concepts were known.

S_k = E[ Var( F(m) | all m but m_k ) ] / Var F(m),   m uniform on [0, 1]^K                             (1)

From two independent designs A, B of N rows and C_k, which is A with column k from B; y = F(A), z = F(C_k), means
over rows, V the variance of y:

jansen    mean (y - z)^2 / 2 / V                                                                       (2)
janon     1 - (mean yz - mu^2) / (mean (y^2 + z^2)/2 - mu^2),   mu = mean (y + z)/2                    (3)
homma     (V - mean yz + (mean y)^2) / V                                                               (4)
glen      1 - correlation(y, z)                                                                        (5)
saltelli  1 - (mean yz - (mean y)^2) / V, the same number as (4)                                       (6)

What a linear part of F adds to (2) is known without error: with b_k the slope of z - y on the change of m_k,

numerator of (2) - b_k^2 (mean (B_k - A_k)^2 / 2 - 1/12)                                               (7)

and likewise for V, by the share R^2 of it that the linear part explains. So a linear F is measured exactly with any
design, and what is left to sampling is the rest. Rows are divided by need: all concepts get half of them, the
leading ones the evaluations that remain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from seewhy.errors import InputError, message
from seewhy.importance.affine import sobol_total
from seewhy.importance.base import IMPORTANCES, Asked, Found, ImportanceMethod, check_choice
from seewhy.importance.designs import replicated
from seewhy.types import Kind

Estimator = Literal["jansen", "janon", "homma", "glen", "saltelli"]
ESTIMATORS = ("jansen", "janon", "homma", "glen", "saltelli")

CONTENDERS = 3
"""Leading concepts that get the evaluations saved on the others, at least."""

Many = Float[np.ndarray, "r k b"]


@IMPORTANCES.register("sobol")
@dataclass(frozen=True)
class Sobol(ImportanceMethod):
    """Share of the logit's variance that each concept takes part in; unsigned, interactions included.

    Parameters
    ----------
    n_design
        N, a power of two: at most N (K + 2) evaluations. Or "auto": from 32 on, the rows of each concept are
        doubled until half its interval is below `half_width` for all pictures, or `max_evaluations` is reached.
    estimator
        Equations (2) to (6).
    index
        "total", or "first": the part of the variance that a concept explains alone (Jansen's form, N rows each).
    control_variate
        Whether to use (7), with (2) only.
    refine
        Whether to divide the rows by need; otherwise every concept gets N.
    half_width, max_evaluations
        For "auto".
    n_bootstrap
        Resamplings of design rows for the 95 % interval.

    Notes
    -----
    The interval resamples rows as if they were independent; the Sobol' sequence does better than that, by far
    from some hundred rows on, so the interval is then too wide rather than too narrow.
    The mean over pictures decides which concepts lead, so with `refine` or "auto" a picture's values may depend
    on its company, within their intervals. A picture whose logit no mask changes gets zeros and a note.
    The indices of (1) add up to 1 or, with interactions, more. Large indices may belong to evidence against.
    (2) to (6) with 1/N throughout, but for V of (2), with 1/(N - 1). (7) and the division of rows are ours; see
    benchmarks/importance_accuracy.py for what each gains.
    """

    n_design: int | Literal["auto"] = 32
    estimator: Estimator = "jansen"
    index: Literal["total", "first"] = "total"
    control_variate: bool = True
    refine: bool = True
    half_width: float = 0.01
    max_evaluations: int = 16384
    n_bootstrap: int = 200

    name: ClassVar[str] = "sobol"
    paper: ClassVar[str] = (
        "Fel et al., NeurIPS 2021 (arXiv 2111.04138); concepts: CVPR 2023 (arXiv 2211.10154)"
    )
    kind: ClassVar[Kind] = "variance"
    signed: ClassVar[bool] = False
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        n = self.n_design
        if n != "auto" and (not isinstance(n, int) or n < 4 or n & (n - 1)):
            came = f"Sobol got n_design={n!r}."
            needed = "It is a power of two of at least 4, as the Sobol' sequence wants, or 'auto'."
            raise InputError(message(came, needed, "Try n_design=32."))
        check_choice("Sobol", "estimator", self.estimator, ESTIMATORS)
        check_choice("Sobol", "index", self.index, ("total", "first"))
        if self.index == "first" and (self.estimator != "jansen" or n == "auto"):
            came = f"Sobol got index='first' with estimator={self.estimator!r}, n_design={n!r}."
            needed = "First-order indices are made with Jansen's estimator and a fixed design."
            raise InputError(message(came, needed, "Try estimator='jansen', n_design=256."))
        if not self.half_width > 0 or self.n_bootstrap < 2:
            came = f"Sobol got half_width={self.half_width}, n_bootstrap={self.n_bootstrap}."
            needed = "half_width is above 0, n_bootstrap at least 2."
            raise InputError(message(came, needed, "Try half_width=0.01, n_bootstrap=200."))

    def closed_form(self, ask: Asked, seed: int) -> Found:
        return Found(sobol_total(ask.coefficients()))

    def find(self, ask: Asked, seed: int) -> Found:
        everyone = np.arange(ask.n_concepts)
        rows = Rows(ask, seed)
        if self.n_design == "auto":
            rows.grow(everyone, 32)
            values, low, high = self._measured(rows, seed)
            while len(wide := np.flatnonzero(_widest(low, high) >= self.half_width)):
                larger = 2 * int(rows.used[wide].max())
                if rows.cost(wide, larger) > self.max_evaluations - ask.n_evaluations:
                    break
                rows.grow(wide, larger)
                values, low, high = self._measured(rows, seed)
        else:
            n, spend = self.n_design, self.n_design * (ask.n_concepts + 2)
            first = n // 2 if self.refine and self.index == "total" else n
            more, leaders = division(n, first, ask.n_concepts, spend)
            rows.grow(everyone, first, with_b=self.index == "first")
            if first < n:
                leading = np.argsort(-self._estimate(rows, rows.once).sum(0), kind="stable")
                rows.grow(leading[:leaders], more)
            values, low, high = self._measured(rows, seed)
        flat = np.flatnonzero(rows.flat)
        told: dict[str, Any] = {"rows": rows.used.tolist()}
        if self.n_design == "auto":
            told["reached_half_width"] = bool((_widest(low, high) < self.half_width).all())
        notes = tuple(f"picture {i}: no mask changes the logit, all values are 0" for i in flat)
        return Found(values, low, high, told=told, notes=notes)

    def _measured(self, rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = self._estimate(rows, rows.once)
        n = len(rows.y)
        resampled = np.random.default_rng([seed, 2]).multinomial(n, np.full(n, 1 / n), self.n_bootstrap)
        # A few resamplings at a time: each holds a covariance of all columns.
        parts = [self._estimates(rows, part.astype(np.float64)) for part in np.array_split(resampled, 8)]
        low, high = np.quantile(np.concatenate(parts), [0.025, 0.975], axis=0)
        return values, np.minimum(low, values), np.maximum(high, values)

    def _estimate(self, rows: Rows, weights: Float[np.ndarray, "1 n"]) -> Float[np.ndarray, "b k"]:
        return cast(np.ndarray, self._estimates(rows, weights)[0])

    def _estimates(self, rows: Rows, weights: Float[np.ndarray, "r n"]) -> Float[np.ndarray, "r b k"]:
        """The index of every concept and picture, with rows counted by each row of `weights`."""
        n = len(rows.y)
        mean, variance = _moments(weights, rows.y)
        # No resampling may divide by nothing.
        floor = np.maximum(1e-2 * rows.y.var(0), 1e-6 * rows.range**2 + 1e-100)
        out: Many = np.zeros((len(weights), *rows.z.shape[::2]))
        slopes: Many | None = np.zeros_like(out) if self.control_variate else None
        for used in np.unique(rows.used):
            some = np.flatnonzero(rows.used == used)
            w = _normalised(weights[:, :used])
            y, z = rows.y[:used], rows.z[some, :used]
            if self.index == "first":
                assert rows.y_b is not None
                out[:, some] = _average(w, (rows.y_b[:used] - z) ** 2 / 2)
            elif self.estimator == "jansen":
                out[:, some] = _average(w, (y - z) ** 2 / 2)
                if slopes is not None:
                    step = (rows.b[:used, some] - rows.a[:used, some]).T[:, :, None]
                    square = np.maximum(_average(w, step**2), 1e-300)
                    slopes[:, some] = _average(w, step * (z - y)) / square
                    out[:, some] -= slopes[:, some] ** 2 * (square / 2 - 1 / 12)
            else:
                out[:, some] = _BY_PRODUCT[self.estimator](w, y, z, floor)
        if self.index == "total" and self.estimator != "jansen":
            return cast(np.ndarray, out.transpose(0, 2, 1) * ~rows.flat[:, None])
        variance = variance * n / (n - 1)
        if slopes is not None and self.index == "total":
            variance = _linear_part_known(variance, weights, rows, slopes)
        out /= np.maximum(variance, floor)[:, None]
        found = 1 - out if self.index == "first" else out
        return cast(np.ndarray, found.transpose(0, 2, 1) * ~rows.flat[:, None])


def division(n: int, first: int, k: int, spend: int) -> tuple[int, int]:
    """Rows of the leading concepts, and how many lead, when all concepts had `first` rows of `spend` evaluations.

    The most rows, a power of two, for which three concepts can be afforded; then as many concepts as that leaves.
    """
    left = spend - first * (k + 1)
    leaders = min(CONTENDERS, k)
    more = n
    while (2 * more - first) * (leaders + 1) <= left:
        more *= 2
    if more == n:
        return n, k
    return more, min(k, left // (more - first) - 1)


@dataclass
class Rows:
    """The design's rows, and the logits at A and at C_k for as many of them as each concept has."""

    ask: Asked
    seed: int
    a: Float[np.ndarray, "n k"] = field(init=False)
    b: Float[np.ndarray, "n k"] = field(init=False)
    y: Float[np.ndarray, "n b"] = field(init=False)
    z: Float[np.ndarray, "k n b"] = field(init=False)
    used: Int[np.ndarray, " k"] = field(init=False)
    y_b: Float[np.ndarray, "n b"] | None = None

    def __post_init__(self) -> None:
        k, pictures = self.ask.n_concepts, self.ask.n_pictures
        self.y, self.z = np.zeros((0, pictures)), np.zeros((k, 0, pictures))
        self.used = np.zeros(k, np.int64)

    @property
    def once(self) -> Float[np.ndarray, "1 n"]:
        """Every row counted once."""
        return np.ones((1, len(self.y)))

    @property
    def range(self) -> Float[np.ndarray, " b"]:
        """Largest minus smallest logit of each picture so far."""
        everything = [self.y, *(z[:used] for z, used in zip(self.z, self.used, strict=True))]
        high = np.max([rows.max(0, initial=-np.inf) for rows in everything], 0)
        low = np.min([rows.min(0, initial=np.inf) for rows in everything], 0)
        return cast(np.ndarray, high - low)

    @property
    def flat(self) -> Bool[np.ndarray, " b"]:
        """Pictures whose logit never changed beyond rounding."""
        size = np.maximum(np.abs(self.ask.base), np.abs(self.ask.full))
        return cast(np.ndarray, self.range <= 1e-6 * size)

    def cost(self, some: Int[np.ndarray, " s"], n: int) -> int:
        """Evaluations that `grow` would take."""
        return int(max(n - len(self.y), 0) + (n - self.used[some]).sum())

    def grow(self, some: Int[np.ndarray, " s"], n: int, with_b: bool = False) -> None:
        """Evaluate these concepts on the first n rows, in one call; logits are kept relative to F(0)."""
        had, k = len(self.y), self.ask.n_concepts
        self.a, self.b = replicated(max(n, had), k, self.seed)
        parts = [self.a[had:n], *([self.b[had:n]] if with_b else [])]
        for i in some:
            changed = self.a[self.used[i] : n].copy()
            changed[:, i] = self.b[self.used[i] : n, i]
            parts.append(changed)
        logits = self.ask(torch.from_numpy(np.concatenate(parts))) - self.ask.base
        found = np.split(logits, np.cumsum([len(part) for part in parts])[:-1])
        self.y = np.concatenate([self.y, found[0]])
        if with_b:
            self.y_b = found[1]
        longer = np.zeros((k, len(self.y), logits.shape[1]))
        longer[:, : self.z.shape[1]] = self.z
        self.z = longer
        for i, part in zip(some, found[1 + with_b :], strict=True):
            self.z[i, self.used[i] : n] = part
            self.used[i] = n


def _normalised(weights: Float[np.ndarray, "r n"]) -> Float[np.ndarray, "r n"]:
    """Rows that sum to 1; a resampling that left a short concept without any row counts them all once."""
    total = weights.sum(1, keepdims=True)
    return cast(np.ndarray, np.where(total > 0, weights / np.maximum(total, 1), 1 / weights.shape[1]))


def _average(weights: Float[np.ndarray, "r n"], values: Float[np.ndarray, "k n b"]) -> Many:
    k, n, b = values.shape
    flat = weights @ values.transpose(1, 0, 2).reshape(n, k * b)
    return cast(np.ndarray, flat.reshape(len(weights), k, b))


def _moments(weights: Float[np.ndarray, "r n"], y: Float[np.ndarray, "n b"]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and variance (1/N) of y."""
    w = _normalised(weights)
    centre = y.mean(0)
    mean = w @ (y - centre)
    return mean + centre, np.maximum(w @ (y - centre) ** 2 - mean**2, 0)


def _linear_part_known(
    variance: Float[np.ndarray, "r b"], weights: Float[np.ndarray, "r n"], rows: Rows, slopes: Many
) -> Float[np.ndarray, "r b"]:
    """The variance with that of the linear part, sum b_k^2 / 12, put in for its estimate, by its R^2."""
    w, n = _normalised(weights), len(rows.y)
    a, y = rows.a - 0.5, rows.y - rows.y.mean(0)
    k = a.shape[1]
    mean_a, mean_y = w @ a, w @ y
    square = (w @ (a[:, :, None] * a[:, None, :]).reshape(n, k * k)).reshape(-1, k, k)
    square -= mean_a[:, :, None] * mean_a[:, None, :]
    cross = _average(w, a.T[:, :, None] * y) - mean_a[:, :, None] * mean_y[:, None]
    rest = (slopes * (square @ slopes - 2 * cross)).sum(1) * n / (n - 1) + variance
    rest = np.maximum(rest, 0)
    explained = np.clip(1 - rest / np.maximum(variance, 1e-300), 0, 1)
    known = rest + (slopes**2).sum(1) / 12
    return cast(np.ndarray, (1 - explained) * variance + explained * known)


def _janon(w: np.ndarray, y: np.ndarray, z: np.ndarray, floor: np.ndarray) -> Many:
    mu = _average(w, (y + z) / 2)
    bottom = _average(w, (y**2 + z**2) / 2) - mu**2
    return cast(np.ndarray, 1 - (_average(w, y * z) - mu**2) / np.maximum(bottom, floor))


def _homma(w: np.ndarray, y: np.ndarray, z: np.ndarray, floor: np.ndarray) -> Many:
    mean, variance = _moments(w, y)
    variance = np.maximum(variance, floor)[:, None]
    return cast(np.ndarray, (variance - _average(w, y * z) + mean[:, None] ** 2) / variance)


def _glen(w: np.ndarray, y: np.ndarray, z: np.ndarray, floor: np.ndarray) -> Many:
    mean_y, variance_y = _moments(w, y)
    mean_z = _average(w, z)
    variance_z = _average(w, z**2) - mean_z**2
    product = np.maximum(variance_y, floor)[:, None] * np.maximum(variance_z, floor)
    return cast(np.ndarray, 1 - (_average(w, y * z) - mean_y[:, None] * mean_z) / np.sqrt(product))


_BY_PRODUCT: dict[str, Callable[..., Many]] = {
    "janon": _janon,
    "homma": _homma,
    "glen": _glen,
    "saltelli": _homma,
}


def _widest(low: Float[np.ndarray, "b k"], high: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " k"]:
    """Half the widest interval of each concept over the pictures."""
    return cast(np.ndarray, ((high - low) / 2).max(0, initial=0))
