"""How much: contributions against the true effects of the factors in a picture.

Truth is what the model does when a factor is taken away: exact Shapley values by re-rendering, or the effect of
each single removal. A factor that a picture does not hold is NaN in the truth and ignored. A contribution that is
missing or infinite where there is a truth makes the item undefined, as otherwise the hard ones could be left out.

eps is a share of the strongest effect in the picture (ours), so that a unit of the logit does not matter:
factors with |truth| > eps max |truth| count, the others count for nothing. Contributions are signed.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Truth, Values

NOTHING = 1e-6
"""Effects up to this, in the truth's own unit (logits), are rounding."""

_TIE = 1e-9  # of the largest in a picture: numbers that near are one


@dataclass(frozen=True)
class ContributionMetric(Metric):
    """What these share: call with contributions and truth, both (n, m), and get one value per picture.

    Attributes
    ----------
    signed
        Whether the metric tells an effect from its opposite.
    """

    paper: ClassVar[str] = "common practice; ties, undefined items and eps are ours"
    truth: ClassVar[Truth] = "model"
    direction: ClassVar[Literal[1, -1]] = 1
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[str, ...]] = ("contributions", "truth")
    signed: ClassVar[bool] = True

    def __call__(self, contributions: Float[np.ndarray, "n m"], truth: Float[np.ndarray, "n m"]) -> Values:
        """Compare.

        Parameters
        ----------
        contributions
            What the explanation says each factor adds, any unit, positive for the target.
        truth
            What it does add, in logits; NaN where a picture lacks the factor.

        Raises
        ------
        InputError
            If the shapes differ or the truth is infinite.
        """
        said, true = _checked(contributions, truth)
        there = ~np.isnan(true)
        broken = (there & ~np.isfinite(said)).any(1)
        said, true = np.where(there & ~broken[:, None], said, 0.0), np.where(there, true, 0.0)
        found, more = self._measure(said, true, there)
        return self.values(np.where(broken, np.nan, found), **more)

    @abstractmethod
    def _measure(
        self,
        said: Float[np.ndarray, "n m"],
        true: Float[np.ndarray, "n m"],
        there: Bool[np.ndarray, "n m"],
    ) -> tuple[Float[np.ndarray, " n"], dict[str, Any]]:
        """Values of all items, and what to record; both arrays are 0 where a factor is not there."""


@dataclass(frozen=True)
class Pearson(ContributionMetric):
    """Correlation over the factors of a picture.

    Undefined with fewer than `at_least` factors and where the truth is constant. Contributions that are all alike
    score 0, as random ones do on average: they say nothing.
    """

    name: ClassVar[str] = "pearson"
    chance: ClassVar[str] = "0"

    at_least: int = 4

    def __post_init__(self) -> None:
        if self.at_least < 2:
            came = f"at_least is {self.at_least}."
            raise InputError(message(came, "A correlation needs 2 factors or more.", "Leave it at 4."))

    def _measure(
        self, said: np.ndarray, true: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        value = row_correlation(self._scores(said, there), self._scores(true, there), there)
        return np.where(there.sum(1) < self.at_least, np.nan, value), {}

    def _scores(self, values: np.ndarray, there: np.ndarray) -> np.ndarray:
        return values


@dataclass(frozen=True)
class Spearman(Pearson):
    """Rank correlation over the factors of a picture; tied factors share their mean rank, else as `Pearson`."""

    name: ClassVar[str] = "spearman"

    def _scores(self, values: np.ndarray, there: np.ndarray) -> np.ndarray:
        near = _TIE * np.abs(values).max(1, initial=0, keepdims=True)
        # Absent factors rank last and are left out afterwards; near ones are put on one value first.
        ranks = rankdata(_merged(np.where(there, values, np.inf), near), axis=1)
        return np.where(there, ranks, 0.0)


@dataclass(frozen=True)
class SignAgreement(ContributionMetric):
    """Share of the factors that count whose contribution has the right sign; a contribution of 0 is half right.

    Undefined where no factor counts. Where most effects have one sign, contributions that all have it score high
    without knowing anything: the result's extras have `all_positive`, what that would give each item (contributions
    that are all negative have 1 less that; None where undefined). Compare with the larger of the two.
    """

    name: ClassVar[str] = "sign_agreement"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    chance: ClassVar[str] = (
        "0.5 for signs at random; the share of positive effects if all are said to be positive"
    )

    eps: float = 0.05

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def _measure(
        self, said: np.ndarray, true: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        counts = there & _counts(true, self.eps)
        right = (1 + np.sign(said) * np.sign(true)) / 2
        base = _mean((true > 0).astype(np.float64), counts)
        return _mean(right, counts), {"all_positive": [None if np.isnan(one) else float(one) for one in base]}


@dataclass(frozen=True)
class Top1(ContributionMetric):
    """Whether the factor said to speak most for the target does so.

    Several largest contributions score the share of them that are right; any of several equal truths is right.
    Undefined with one factor, and where all are equal.
    """

    name: ClassVar[str] = "top1"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    chance: ClassVar[str] = "1/n of n factors"
    proportion: ClassVar[bool] = True

    def _measure(
        self, said: np.ndarray, true: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        right, chosen = _largest(true, there), _largest(said, there)
        value = _mean(right.astype(np.float64), chosen)
        return np.where(right.sum(1) == there.sum(1), np.nan, value), {}


@dataclass(frozen=True)
class NormalisedL1(ContributionMetric):
    """Error of contributions brought to the truth's scale, as a share of all effects in the picture.

    value = sum_i |s c_i - tau_i| / sum_i |tau_i|                                                              (1)

    s is `scale`, 1 for contributions in logits. Where an explainer has another unit, fit one s for all pictures in
    a step of its own:

    >>> said, truth = np.array([[2.0, -4.0]]), np.array([[1.0, -2.0]])
    >>> NormalisedL1().fitted(said, truth)(said, truth).mean
    0.0

    Undefined where nothing has an effect.
    """

    name: ClassVar[str] = "normalised_l1"
    direction: ClassVar[Literal[1, -1]] = -1
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    chance: ClassVar[str] = "above 1, the error of contributions that are all 0"

    fitted_to_explainer: ClassVar[tuple[str, ...]] = ("scale",)

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale >= 0):
            raise InputError(
                message(f"scale is {self.scale}.", "It is 0 or above.", "Leave it at 1, or call fitted().")
            )

    def fitted(self, contributions: Float[np.ndarray, "n m"], truth: Float[np.ndarray, "n m"]) -> Self:
        """The metric with the scale that brings these contributions nearest to the truth.

        argmin_s sum ( s |c| - |tau| )^2 over all pictures, by magnitudes (ours): fitted with signs, contributions
        that are the exact opposite of the truth would get s = -1 and no error, and random ones s near 0 and the
        error of saying nothing, 1. This way the opposite has error 2. Pictures with a contribution that is missing
        or infinite are left out; 0 if no contribution is left.
        """
        said, true = _checked(contributions, truth)
        there = ~np.isnan(true)
        whole = ~(there & ~np.isfinite(said)).any(1)
        c, tau = (np.abs(np.where(there, one, 0.0)[whole]) for one in (said, true))
        return replace(self, scale=float((c * tau).sum() / (c**2).sum()) if c.any() else 0.0)

    def _measure(
        self, said: np.ndarray, true: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        total = np.abs(true).sum(1)
        error = np.abs(self.scale * said - true).sum(1) / np.where(total > NOTHING, total, 1.0)
        return np.where(total > NOTHING, error, np.nan), {}


@dataclass(frozen=True)
class FalseContribution(ContributionMetric):
    """Share of the factors without effect that get a contribution above eps of the picture's largest.

    Undefined where every factor has an effect, or none has. It looks at sizes only.
    """

    name: ClassVar[str] = "false_contribution"
    direction: ClassVar[Literal[1, -1]] = -1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    chance: ClassVar[str] = "near 1 for normal numbers: few lie below a twentieth of the largest"
    signed: ClassVar[bool] = False

    eps: float = 0.05

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def _measure(
        self, said: np.ndarray, true: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        counts = _counts(true, self.eps)
        size = np.abs(said)
        wrong = size > self.eps * size.max(1, initial=0, keepdims=True)
        value = _mean(wrong.astype(np.float64), there & ~counts)
        return np.where(counts.any(1), value, np.nan), {}


def row_correlation(
    said: Float[np.ndarray, "n m"], true: Float[np.ndarray, "n m"], there: Bool[np.ndarray, "n m"]
) -> Float[np.ndarray, " n"]:
    """Pearson's r of each row over `there`: 0 where `said` is constant, NaN where `true` is (up to rounding).

    An explanation that says the same of everything says nothing, which is worth what random ones get on average.
    """
    x, flat = _centred(said, there)
    y, still = _centred(true, there)
    product = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    value = np.where(flat, 0.0, (x * y).sum(1) / np.where(flat | still, 1.0, product))
    return np.where(still, np.nan, np.clip(value, -1, 1))


def _counts(true: np.ndarray, eps: float) -> Bool[np.ndarray, "n m"]:
    size = np.abs(true)
    strong: np.ndarray = size > np.maximum(eps * size.max(1, initial=0, keepdims=True), NOTHING)
    return strong


def _mean(values: np.ndarray, where: np.ndarray) -> Float[np.ndarray, " n"]:
    """Mean of each row over `where`; NaN where there is none."""
    n = where.sum(1)
    mean: np.ndarray = np.where(where, values, 0).sum(1) / np.maximum(n, 1)
    return np.where(n > 0, mean, np.nan)


def _largest(values: np.ndarray, there: np.ndarray) -> Bool[np.ndarray, "n m"]:
    near = _TIE * np.abs(values).max(1, initial=0, keepdims=True)
    top = np.where(there, values, -np.inf).max(1, initial=-np.inf, keepdims=True)
    chosen: np.ndarray = there & (values >= top - near)
    return chosen


def _centred(values: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """Rows less their mean, 0 where not there, and whether a row is constant up to rounding."""
    mean = np.where(there, values, 0).sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1)
    centred = np.where(there, values - mean, 0.0)
    flat: np.ndarray = np.abs(centred).max(1, initial=0) <= _TIE * np.abs(values).max(1, initial=0)
    return centred, flat


def _merged(values: np.ndarray, near: np.ndarray) -> Float[np.ndarray, "n m"]:
    """Values that follow each other within `near` set to the first of them."""
    order = np.argsort(values, axis=1)
    ranked = np.take_along_axis(values, order, 1)
    new = np.ones(ranked.shape, bool)
    with np.errstate(invalid="ignore"):  # infinity less infinity: absent factors, all last
        new[:, 1:] = ranked[:, 1:] - ranked[:, :-1] > near
    blocks = np.empty(values.shape)
    np.put_along_axis(blocks, order, np.cumsum(new, axis=1).astype(np.float64), 1)
    return np.where(np.isinf(values), np.inf, blocks)


def _check_eps(eps: float) -> None:
    if not 0 <= eps < 1:
        came = f"eps is {eps}."
        raise InputError(
            message(came, "It is a share of the strongest effect, in [0, 1).", "Leave it at 0.05.")
        )


def _checked(contributions: Any, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    said, true = np.asarray(contributions, np.float64), np.asarray(truth, np.float64)
    if said.ndim != 2 or said.shape != true.shape:
        raise InputError(
            message(
                f"contributions has shape {said.shape}, truth {true.shape}.",
                "Both are (pictures, factors), in one order.",
                "Give one row per picture, with NaN for factors that it lacks.",
            )
        )
    if np.isinf(true).any():
        needed = "Effects are finite, or NaN where the picture lacks the factor."
        raise InputError(message("truth holds infinity.", needed, "Look for logits that overflowed."))
    return said, true
