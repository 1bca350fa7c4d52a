from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from seewhy.errors import InputError
from seewhy.heads.certificate import Certificate, best_bias, certify
from seewhy.heads.objective import (
    Penalty,
    cross_entropy,
    first_slope,
    log_frequencies,
    logits_of,
    objective,
)
from seewhy.heads.solver import solve
from seewhy.heads.steps import Problem, shrink
from tests.heads.planted import planted, strength

KINDS = [(0.99, False), (0.5, False), (1.0, False), (0.0, False), (0.9, True), (1.0, True)]
kinds = pytest.mark.parametrize(("alpha", "group"), KINDS)


def lam_for(z: Tensor, y: Tensor, alpha: float, group: bool) -> float:
    return 0.05 if alpha == 0 else strength(z, y, 0.1, alpha, group=group)


@kinds
def test_the_gap_is_never_less_than_what_the_best_head_gains(alpha: float, group: bool) -> None:
    z, y, _ = planted()
    z = z.double()
    lam = lam_for(z, y, alpha, group)
    best = solve(z, y, 4, Penalty(lam, alpha, group), tol=1e-10).certificate.primal
    problem = Problem(z, y, Penalty(lam, alpha, group))
    state, step = problem.enter(torch.zeros(4, 20).double(), log_frequencies(y, 4)), 100.0
    for _ in range(12):
        found = certify(state.weight, state.bias, z, y, lam, alpha, group=group)
        # The rounding of a few float64 sums.
        assert found.gap >= 0 and found.gap >= found.primal - best - 1e-12
        state, step = shrink(problem, state, step)
    assert found.gap < 0.1 * found.primal


@kinds
def test_any_head_has_a_sound_certificate(alpha: float, group: bool) -> None:
    z, y, _ = planted(60, 8, 3)
    lam = lam_for(z, y, alpha, group)
    best = solve(z.double(), y, 3, Penalty(lam, alpha, group), tol=1e-10).certificate.primal
    generator = torch.Generator().manual_seed(0)
    for size in (0.01, 0.3, 3.0, 30.0):
        weight = size * torch.randn(3, 8, generator=generator)
        found = certify(weight, torch.randn(3, generator=generator), z, y, lam, alpha, group=group)
        assert found.gap >= found.primal - best - 1e-12
        assert found.kkt > 1e-3 and not found.converged


def test_the_gap_counts_a_bias_that_is_not_the_best() -> None:
    z, y, _ = planted()
    lam = strength(z, y, 0.1)
    good = solve(z.double(), y, 4, Penalty(lam, 0.99), tol=1e-9)
    off = certify(good.weight, good.bias + torch.tensor([0.1, 0, 0, 0]), z, y, lam, 0.99)
    assert off.gap >= off.primal - good.certificate.primal - 1e-12
    assert off.primal > good.certificate.primal and not off.converged


@kinds
def test_the_optimum_has_no_gap_and_no_violation(alpha: float, group: bool) -> None:
    z, y, _ = planted()
    lam = lam_for(z, y, alpha, group)
    found = solve(z.double(), y, 4, Penalty(lam, alpha, group), tol=1e-9).certificate
    assert found.relative_gap <= 1e-9 and found.converged
    assert found.kkt < 1e-4


def test_the_primal_is_the_objective_and_the_dual_that_of_the_formula() -> None:
    z, y, _ = planted(50, 6, 3)
    z, lam, alpha = z.double(), 0.01, 0.6
    weight = 0.1 * torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bias = best_bias(weight @ z.T, y, torch.zeros(3).double())
    found = certify(weight, bias, z, y, lam, alpha)
    assert found.primal == pytest.approx(objective(weight, bias, z, y, Penalty(lam, alpha)), rel=1e-14)

    onehot = torch.eye(3).double()[y]
    a = logits_of(weight, bias, z).softmax(0).T - onehot

    def dual(s: float) -> float:
        q = onehot + s * a
        over = ((s * a.T @ z / 50).abs() - lam * alpha).clamp_min(0)
        return float(-torch.xlogy(q, q).sum() / 50 - over.square().sum() / (2 * lam * (1 - alpha)))

    best = max(dual(s / 20000) for s in range(20001))
    assert found.dual == pytest.approx(best, abs=1e-5 * abs(best))


def test_the_best_bias_is_the_one_scipy_finds() -> None:
    z, y, _ = planted(80, 5, 3)
    products = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).double() @ z.double().T
    found = best_bias(products, y, torch.zeros(3).double())

    def value(free: list[float]) -> float:
        return cross_entropy(products + torch.tensor([*free, 0.0]).double()[:, None], y)

    peer = minimize(value, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15})
    torch.testing.assert_close((found - found[-1])[:2], torch.tensor(peer.x), atol=1e-6, rtol=0)


def test_the_best_bias_is_found_from_far_away() -> None:
    z, y, _ = planted(80, 5, 3)
    products = 20 * torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).double() @ z.double().T
    near = best_bias(products, y, torch.zeros(3).double())
    far = best_bias(products, y, torch.tensor([300.0, -200.0, 0.0]).double())
    torch.testing.assert_close(near - near.mean(), far - far.mean(), atol=1e-7, rtol=0)


def test_of_two_classes_and_one_symmetric_feature_all_is_closed_form() -> None:
    # z = +-1 agrees with y in a share of 0.8; at alpha = 1 the best weights differ by 2 v, sigmoid(2 v) = 0.8 - lam.
    z = torch.tensor([1.0] * 5 + [-1.0] * 5).double()[:, None]
    y = torch.tensor([1] * 4 + [0] + [0] * 4 + [1])
    lam = 0.1
    v = math.log((0.8 - lam) / (0.2 + lam)) / 2
    found = solve(z, y, 2, Penalty(lam, 1.0), tol=1e-9)
    assert float(found.weight[1] - found.weight[0]) == pytest.approx(2 * v, abs=1e-6)
    loss = 0.8 * math.log1p(math.exp(-2 * v)) + 0.2 * math.log1p(math.exp(2 * v))
    assert found.certificate.primal == pytest.approx(loss + lam * 2 * v, rel=1e-9)
    assert found.certificate.dual == pytest.approx(loss + lam * 2 * v, rel=1e-8)


def test_a_support_bounds_heads_with_weights_there() -> None:
    z, y, _ = planted()
    z, lam = z.double(), strength(z, y, 0.1)
    support = torch.arange(80).view(4, 20) % 3 == 0
    inner = solve(z, y, 4, Penalty(lam, 0.99), support=support)
    assert inner.certificate.restricted and inner.certificate.converged
    assert not inner.weight[~support].any()
    whole = certify(inner.weight, inner.bias, z, y, lam, 0.99)
    assert not whole.restricted and not whole.converged


def test_a_ridge_states_its_violation_in_units_of_the_first_slope() -> None:
    z, y, _ = planted(50, 6, 3)
    found = certify(torch.zeros(3, 6), log_frequencies(y, 3), z.double(), y, 0.1, 0.0)
    assert found.kkt == pytest.approx(1.0) and float(first_slope(z, y, 3).abs().max()) > 0


def test_a_certificate_describes_itself_in_json_values() -> None:
    told = Certificate(2.0, -math.inf, math.inf, 0.5, 0.1, 0.9).describe()
    assert told["gap"] is None and told["dual"] is None and told["converged"] is False
    assert Certificate(2.0, 1.5, 0.5, 0.1, 0.1, 0.9).relative_gap == 0.25


def test_errors_say_what_does_not_fit() -> None:
    z, y, _ = planted(50, 6, 3)
    weight, bias = torch.zeros(3, 6), torch.zeros(3)
    with pytest.raises(InputError, match=r"Weights are \(3, 6\)(.|\n)*features \(50, 5\)"):
        certify(weight, bias, z[:, :5], y, 0.1, 0.9)
    with pytest.raises(InputError, match=r"lam 0 and alpha 0.9"):
        certify(weight, bias, z, y, 0.0, 0.9)
    with pytest.raises(InputError, match=r"Of 4 classes 1 have no example among 50: 3\."):
        certify(torch.zeros(4, 6), torch.zeros(4), z, y, 0.1, 0.9)
