"""Heads from sparse to dense: multinomial regression under an elastic net of falling strength.

min over W, b of  (1/n) sum CE(softmax(W z + b), y) + lam alpha |W|_1 + lam (1 - alpha) / 2 |W|_2^2          (1)

z are the codes in standard deviations, b is free. scikit-learn's SAGA solves it, in rounds with a warm start, until
our own test of the optimum passes: its test, the relative change of the weights per pass, can pass far away from
it, and a head stopped early has two or three times the weights of the optimum. Each head carries the residual of
the optimality conditions, so that one which ran out of passes says so.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from seewhy.errors import InputError, message
from seewhy.evaluate.what.heads import LinearHead, fit_for_training, one_hot, units

ROUND = 100
"""Passes of SAGA before our first test; then twice as many each time.

A warm start keeps SAGA's weights and not its memory of gradients, so that each round first leaves where it began:
many short rounds stall away from an optimum that one long round reaches.
"""

TOLERANCE = 1e-3
"""A head is at the optimum if no optimality condition is off by more than this part of lam alpha."""

NOTHING = 1e-12
"""Below this, the slope of standardised codes is rounding: no concept says anything of any class."""


@dataclass(frozen=True, eq=False)
class PathHead:
    """One head of the path, its strength, and how well the conditions of the optimum hold (1: not at all)."""

    head: LinearHead
    lam: float
    residual: float
    passes: int

    @property
    def converged(self) -> bool:
        """Whether it is the optimum of (1), to `TOLERANCE`."""
        return self.residual <= TOLERANCE


def elastic_net_path(
    codes: Float[np.ndarray, "n m"],
    labels: Int[np.ndarray, " n"],
    *,
    until: float = 30,
    alpha: float = 0.99,
    per_halving: int = 4,
    lowest: float = 1e-3,
    passes: int = 1000,
    seed: int = 0,
) -> tuple[PathHead, ...]:
    """Heads at lam_max 2^(-i / per_halving), i = 1, 2, ..., until one has an NEC of `until` or more.

    lam_max is the least strength at which all weights are 0, in closed form. The number of concepts takes the place
    of a larger `until`. Where SAGA does not reach the optimum within `passes`, the path goes on, and the head's
    `converged` is False: its NEC is then an upper guess rather than the penalty's own.

    Parameters
    ----------
    codes, labels
        Training pictures: finite codes of any scale, and classes 0 to k - 1, none empty.
    alpha
        Part of the penalty that is L1; 0.99 is the common choice (LF-CBM, VLG-CBM).
    per_halving
        Heads per halving of lam; VLG-CBM's code has 10, which leaves a little less to truncate.
    lowest
        The path ends at this part of lam_max whatever the NEC.
    passes
        Of SAGA over the data, for each head.
    seed
        Of SAGA's order of pictures; the result depends on it only by rounding once converged.
    """
    codes, labels = fit_for_training(codes, labels)
    if not 0 < alpha <= 1 or per_halving < 1 or not 0 < lowest < 1 or passes < 1:
        came = f"alpha is {alpha:g}, per_halving {per_halving}, lowest {lowest:g}, passes {passes}."
        needed = "alpha is in (0, 1], per_halving and passes are at least 1, lowest is in (0, 1)."
        raise InputError(message(came, needed, "Leave them out for the defaults."))
    mean, scale, varies = units(codes)
    z = np.where(varies, (codes - mean) / scale, 0.0)
    strongest = lam_max(z, labels, alpha)
    target = min(until, codes.shape[1])
    solver = _Saga(z, labels, alpha, passes, seed)
    found: list[PathHead] = []
    for i in range(1, int(np.log2(1 / lowest) * per_halving) + 1):
        if strongest < NOTHING or (found and found[-1].head.nec >= target):
            break
        lam = strongest * 2 ** (-i / per_halving)
        weights, bias, off, spent = solver.solve(lam)
        found.append(PathHead(LinearHead(weights, bias, mean, scale), float(lam), off, spent))
    return tuple(found) or (_empty(z, labels, mean, scale),)


def lam_max(z: Float[np.ndarray, "n m"], labels: Int[np.ndarray, " n"], alpha: float) -> float:
    """The least lam at which the optimum of (1) is W = 0: max |Z^T (Y - mean Y)| / (n alpha)."""
    truth = one_hot(labels, int(labels.max()) + 1)
    return float(np.abs(z.T @ (truth - truth.mean(0))).max() / (len(z) * alpha))


def residual(
    z: Float[np.ndarray, "n m"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "k m"],
    bias: Float[np.ndarray, " k"],
    *,
    lam: float,
    alpha: float,
) -> float:
    """How far (W, b) is from fulfilling the optimality (KKT) conditions of (1), as a part of lam alpha.

    With S the slope of the smooth part: S = -lam alpha sign(w) where w is not 0, |S| <= lam alpha where it is, and
    a slope of 0 along the bias.
    """
    excess = softmax(z @ weights.T + bias, axis=1) - one_hot(labels, len(weights))
    slope = excess.T @ z / len(z) + lam * (1 - alpha) * weights
    bound = lam * alpha
    at_zero = np.maximum(np.abs(slope) - bound, 0)
    off = np.where(weights != 0, np.abs(slope + bound * np.sign(weights)), at_zero)
    return float(max(off.max(), np.abs(excess.mean(0)).max()) / bound)


class _Saga:
    """scikit-learn's solver for (1), warm from strength to strength."""

    def __init__(self, z: np.ndarray, labels: np.ndarray, alpha: float, passes: int, seed: int) -> None:
        self.z, self.labels, self.alpha, self.passes = z, labels, alpha, passes
        self.k = int(labels.max()) + 1
        self.model = LogisticRegression(solver="saga", warm_start=True, random_state=seed)

    def solve(self, lam: float) -> tuple[np.ndarray, np.ndarray, float, int]:
        l1, l2 = lam * self.alpha, lam * (1 - self.alpha)
        if self.k == 2:
            l2 /= 2  # its one row is the difference of our two: |w| costs the same, w^2 half
        self.model.set_params(C=1 / (len(self.z) * (l1 + l2)), l1_ratio=l1 / (l1 + l2))
        spent, round_, change = 0, ROUND, 1e-5
        best: tuple[np.ndarray, np.ndarray, float] | None = None
        while True:
            round_ = min(round_, self.passes - spent)
            self.model.set_params(max_iter=round_, tol=change)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # we have our own test
                self.model.fit(self.z, self.labels)
            done = int(self.model.n_iter_.max())
            spent += done
            weights, bias = self._both()
            off = residual(self.z, self.labels, weights, bias, lam=lam, alpha=self.alpha)
            if best is None or off < best[2]:
                best = weights, bias, off
            if best[2] <= TOLERANCE or spent >= self.passes:
                return *best, spent
            if done < round_:
                change /= 100
            else:
                round_ *= 2

    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        weights, bias = self.model.coef_.copy(), self.model.intercept_.copy()
        if self.k == 2:
            return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return weights, bias


def _empty(z: np.ndarray, labels: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> PathHead:
    """Where no concept says anything of any class: the classes' frequencies."""
    frequency = one_hot(labels, int(labels.max()) + 1).mean(0)
    return PathHead(
        LinearHead(np.zeros((len(frequency), z.shape[1])), np.log(frequency), mean, scale), 0.0, 0.0, 0
    )
