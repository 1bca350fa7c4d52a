"""Minimise (1) of `objective` to a proven gap.

Rounds of a burst of FISTA, which finds the weights that are not zero, and a Newton step among these, which makes
the last digits cheap and correlated concepts bearable (`steps`); first in single precision, then, if that cannot
prove the gap, in double. A round ends the search when `certify` proves the gap: of the weights as they are returned,
with the best bias for them. They are returned in the precision of the features or, where the gap could only be
proven there (a lasso's bound sees every rounding), in double precision.

Everything is a product of matrices, so that it runs alike on a processor and on a graphics card; nothing is random.
Columns can be screened (`columns`): what was left out is checked by a certificate over all columns, and what the
optimum needs joins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.heads.certificate import Certificate, best_bias, certify
from seewhy.heads.objective import Penalty, gradient, log_frequencies
from seewhy.heads.steps import Pace, Problem, newton, shrink

SETTLED = 1e-3
"""Relative fall of the objective in a round below which it is worth asking for a certificate."""

NOTHING = {torch.float32: 1e-7, torch.float64: 1e-15}
"""Relative fall below which a precision has nothing more to give."""

ROUNDS = 100
"""Rounds in each precision at most."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights and bias, and what is proven of them."""

    weight: Float[Tensor, "k m"]
    bias: Float[Tensor, " k"]
    certificate: Certificate


def solve(
    z: Float[Tensor, "n m"],
    y: Int[Tensor, " n"],
    n_classes: int,
    penalty: Penalty,
    *,
    tol: float = 1e-6,
    start: tuple[Float[Tensor, "k m"], Float[Tensor, " k"]] | None = None,
    support: Bool[Tensor, "k m"] | None = None,
    columns: Bool[Tensor, " m"] | None = None,
) -> Solution:
    """The head of least (1), with its certificate.

    Parameters
    ----------
    z, y
        Features, float32 or float64, and classes of which none is empty.
    tol
        Relative gap to reach. Where rounding or `ROUNDS` end the search before, the certificate says so.
    start
        Weights and bias to start from; default no weights and the logarithms of the class frequencies.
    support
        Weights that may be used; default all.
    columns
        Columns to begin with; others join as soon as the optimum needs them. Default all.

    Notes
    -----
    A step costs two products of (k, n) by m. Memory: about eight times the (k, n) logits, and in double precision
    a copy of the features.
    """
    weight, bias = start or (z.new_zeros(n_classes, z.shape[1]), log_frequencies(y, n_classes).to(z))
    working = (weight != 0).any(0) | (True if columns is None else columns)
    working[0] |= ~working.any()  # no column at all would be no matrix
    while not bool(working.all()):
        at = working.nonzero()[:, 0]
        some = None if support is None else support[:, at]
        inner = _solve_all(z[:, at], y, penalty, tol, weight[:, at], bias, some)
        weight, bias = inner.weight.new_zeros(weight.shape).index_copy(1, at, inner.weight), inner.bias
        proof = certify(
            weight, bias, z, y, penalty.lam, penalty.alpha, group=penalty.group, tol=tol, support=support
        )
        slope, _ = gradient(weight.to(z), bias.to(z), z, y)
        over = penalty.excess(slope if support is None else torch.where(support, slope, 0.0)).amax(0) > 0
        if proof.converged or not bool((over & ~working).any()):
            return Solution(weight, bias, proof)
        working = working | over
    return _solve_all(z, y, penalty, tol, weight, bias, support)


def _solve_all(
    z: Tensor, y: Tensor, penalty: Penalty, tol: float, weight: Tensor, bias: Tensor, support: Tensor | None
) -> Solution:
    """Rounds in single and then in double precision until the certificate is good."""
    best: Solution | None = None
    for dtype in (torch.float32, torch.float64):
        problem = Problem(z.to(dtype), y, penalty, support)
        state = problem.enter(weight.to(dtype), bias.to(dtype))
        step, pace = 100.0, Pace()
        for _ in range(ROUNDS):
            before = state
            state, step = shrink(problem, state, step)
            state, pace = newton(problem, state, pace)
            fall = problem.fall(before, state)
            if fall > SETTLED:
                continue
            found = _proven(
                z, y, penalty, tol, state.weight.to(torch.promote_types(dtype, z.dtype)), state.bias, support
            )
            if best is None or found.certificate.gap < best.certificate.gap:
                best = found
            if best.certificate.converged:
                return best
            if fall < NOTHING[dtype]:
                break
        weight, bias = state.weight, state.bias
    return best or _proven(z, y, penalty, tol, weight, bias, support)


def _proven(
    z: Tensor, y: Tensor, penalty: Penalty, tol: float, weight: Tensor, bias: Tensor, support: Tensor | None
) -> Solution:
    """A head with the best bias for its weights, and its certificate.

    A common shift of the bias changes no probability; it is the logarithms of the probabilities at z = 0.
    """
    weight = weight + 0.0  # no zero with a sign
    bias = best_bias(weight.double() @ z.double().T, y, bias.double())
    bias = (bias - bias.logsumexp(0)).to(weight)
    proof = certify(
        weight, bias, z, y, penalty.lam, penalty.alpha, group=penalty.group, tol=tol, support=support
    )
    return Solution(weight, bias, proof)
