"""How near a head is to the best one, proven: duality gap and optimality conditions, in double precision.

With q_i on the simplex, one row per example, and A = Q - onehot(y) whose classes sum to zero over the rows, weak
duality of (1) of `objective` gives for every W and b

    P(W, b) >= D(A) = (1/n) sum_i H(q_i) - |max(|A Z / n| - lam alpha, 0)|^2 / (2 lam (1 - alpha))            (1)

with H the entropy and |.| by weight or, for a group penalty, by column. The candidate is A = s (P - onehot(y)) with
the probabilities P of the head under the best bias for its weights, which makes the sums over rows zero; 0 <= s <= 1
keeps q = (1 - s) onehot(y) + s P on the simplex. The best s is searched, since the square in (1) is stiff: at
alpha = 0.99 and the usual lam its factor is about 10^5, and s = 1 would prove nothing. At alpha = 1 the square
becomes a bound, s <= lam / max|A Z / n|; at alpha = 0 it is a ridge's.

    gap = P(W, b) - max over s of D(s A) >= P(W, b) - min P                                                   (2)

A head restricted to some weights, the others being zero by decree, has the same bound with |.| over those weights
alone. Source: the dual of multinomial regression (Yu, Huang and Lin 2011, Machine Learning 85) with the scaling of
residuals that is common for the lasso (Fercoq, Gramfort and Salmon 2015, arXiv 1505.03410); ours: the exact bias and
the search along s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.heads.inputs import check_classes
from seewhy.heads.objective import Penalty, cross_entropy, first_slope, log_frequencies, minus_truth

FLAT = 1e-9
"""Class sums of A, per row, above which no bound is claimed: the bias could not be solved."""


ROUNDING = 1e-14
"""Of the two sums of the gap, as a share of the objective; it is added to the gap."""


@dataclass(frozen=True)
class Certificate:
    """What is proven of a head; all values of the objective are in nats.

    Attributes
    ----------
    primal
        The objective of the head.
    dual
        A value that no head can go below.
    gap
        `primal - dual` and a rounding of 1e-14: an upper bound of what the best head would gain.
    kkt
        The largest violation of the conditions of the optimum, as a share of lam alpha (for a ridge, of the
        largest slope at W = 0): 0 at the optimum.
    lam, alpha, group
        Of the penalty.
    tol
        The relative gap from which on a head counts as converged.
    restricted
        Whether weights outside of a given support were zero by decree; the bound is then over the others.
    """

    primal: float
    dual: float
    gap: float
    kkt: float
    lam: float
    alpha: float
    group: bool = False
    tol: float = 1e-6
    restricted: bool = False

    @property
    def relative_gap(self) -> float:
        """The gap as a share of the objective."""
        return self.gap / self.primal

    @property
    def converged(self) -> bool:
        """Whether the head is proven to be within `tol` of the best objective, relatively."""
        return self.relative_gap <= self.tol

    def describe(self) -> dict[str, Any]:
        """The fields and what follows from them, as JSON takes it (an infinite gap as None)."""
        found = asdict(self) | {"relative_gap": self.relative_gap, "converged": self.converged}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in found.items()
        }


def certify(
    weight: Float[Tensor, "k m"],
    bias: Float[Tensor, " k"],
    z: Float[Tensor, "n m"],
    y: Int[Tensor, " n"],
    lam: float,
    alpha: float,
    *,
    group: bool = False,
    tol: float = 1e-6,
    support: Bool[Tensor, "k m"] | None = None,
) -> Certificate:
    """The certificate of any head for the data and penalty of (1).

    Parameters
    ----------
    weight, bias
        Of the head, however it was found. The bias need not be the best one; the gap includes what it misses.
    z, y
        The examples and their classes, 0 to k - 1, of which none may be empty.
    lam, alpha, group
        Of the penalty; lam > 0.
    support
        Weights that the head may use, where not all.

    Notes
    -----
    Costs three products of (k, n) by m, a few Newton steps of k x k, and about 20 entropies of (k, n); memory
    about 32 k n bytes beyond z in double precision.

    Raises
    ------
    InputError
        If shapes do not fit, the penalty is no penalty, or a class does not occur.
    """
    _check(weight, bias, z, y, lam, alpha)
    weight, bias, z = (tensor.detach().double() for tensor in (weight, bias, z))
    penalty = Penalty(lam, alpha, group)
    products = weight @ z.T
    given = products + bias[:, None]
    primal = cross_entropy(given, y) + penalty.value(weight)

    a = minus_truth(given.softmax(0), y)
    slope = _on(support, a @ z / len(z))
    off = max(float(penalty.residual(weight, slope).max()), float(a.mean(1).abs().max()))
    whole = penalty.l1 or float(penalty.sizes(_on(support, first_slope(z, y, len(bias)))).max())

    best = best_bias(products, y, bias)
    p = products.add_(best[:, None]).softmax(0)
    a = minus_truth(p, y)
    flat = float(a.mean(1).abs().max()) <= FLAT
    dual = _best_dual(p, y, a, _on(support, a @ z / len(z)), penalty) if flat else -math.inf
    return Certificate(
        primal=primal,
        dual=dual,
        gap=max(primal - dual, 0.0) + ROUNDING * primal,
        kkt=off / whole if whole else 0.0,
        lam=lam,
        alpha=alpha,
        group=group,
        tol=tol,
        restricted=support is not None,
    )


def best_bias(
    products: Float[Tensor, "k n"], y: Int[Tensor, " n"], start: Float[Tensor, " k"], *, steps: int = 200
) -> Float[Tensor, " k"]:
    """The bias that minimises the cross-entropy of W Z^T + b.

    Newton's method where it halves the slope; elsewhere b_k grows by the logarithm of how much rarer class k is
    predicted than it occurs, which never raises the cross-entropy (iterative scaling). Both keep or ignore a common
    shift of all entries, which changes nothing.
    """
    frequencies = log_frequencies(y, len(start)).to(products)
    ones = torch.ones(len(start), len(start)).to(products) / len(start)
    bias = start
    log_p = (products + bias[:, None]).log_softmax(0)
    off = minus_truth(log_p.exp(), y).mean(1)
    for _ in range(steps):
        if float(off.abs().max()) < 1e-15:
            break
        p = log_p.exp()
        # Singular along the common shift alone, which `ones` fills; the small rest is for probabilities of 0.
        hessian = p.mean(1).diag() - p @ p.T / len(y) + ones
        hessian.diagonal().add_(1e-14)
        tried = bias - torch.linalg.solve(hessian, off)
        log_q = (products + tried[:, None]).log_softmax(0)
        after = minus_truth(log_q.exp(), y).mean(1)
        if not float(after.abs().max()) <= 0.5 * float(off.abs().max()):
            if float(off.abs().max()) < 1e-12:
                break  # what is left is rounding
            tried = bias + frequencies - (log_p.logsumexp(1) - math.log(len(y)))
            log_q = (products + tried[:, None]).log_softmax(0)
            after = minus_truth(log_q.exp(), y).mean(1)
        bias, log_p, off = tried, log_q, after
    return bias


def _check(weight: Tensor, bias: Tensor, z: Tensor, y: Tensor, lam: float, alpha: float) -> None:
    k, m = weight.shape
    if bias.shape != (k,) or z.shape != (len(y), m):
        raise InputError(
            message(
                f"Weights are {tuple(weight.shape)}, the bias {tuple(bias.shape)}, features {tuple(z.shape)} and "
                f"labels {tuple(y.shape)}.",
                "They are (classes, concepts), (classes), (examples, concepts) and (examples).",
                "Pass the features and labels that the head was fitted on.",
            )
        )
    if not (lam > 0 and 0 <= alpha <= 1):
        raise InputError(
            message(
                f"The penalty has lam {lam:g} and alpha {alpha:g}.",
                "lam is more than 0, and alpha 0 to 1.",
                "Pass those that the head was fitted with.",
            )
        )
    check_classes(y, k)


def _on(support: Tensor | None, slope: Tensor) -> Float[Tensor, "k m"]:
    return slope if support is None else torch.where(support, slope, 0.0)


def _best_dual(p: Tensor, y: Tensor, a: Tensor, slope: Tensor, penalty: Penalty) -> float:
    """max over s of D(s A), which is concave in s."""
    truth = y[None]

    def entropies(s: float) -> float:
        q = (s * p).scatter_add_(0, truth, p.new_full((1, len(y)), 1 - s))
        return -float(torch.xlogy(q, q).sum()) / len(y)

    def dual(s: float) -> float:
        over = float(penalty.excess(s * slope).square().sum())
        return entropies(s) - (over / (2 * penalty.l2) if penalty.l2 else 0.0)

    largest = float(penalty.sizes(slope).max()) if slope.numel() else 0.0
    # Up to `free` the square is zero; beyond it, it is finite only if there is a ridge.
    free = min(1.0, penalty.l1 / largest) if largest else 1.0
    top = 1.0 if penalty.l2 else free
    q = (free * p).scatter_add_(0, truth, p.new_full((1, len(y)), 1 - free))
    rising = -float(torch.xlogy(a, q).sum()) >= 0  # of the entropies at `free`: the best s lies beyond it
    low, high = (free, top) if rising else (0.0, free)
    return max(dual(low), dual(high), _golden(dual, low, high))


def _golden(value: Callable[[float], float], low: float, high: float, steps: int = 14) -> float:
    """The largest value found by golden section; any s is feasible, so that the search only sharpens the bound."""
    if high <= low:
        return -math.inf
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(steps):
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = value(right)
    return max(at_left, at_right)
