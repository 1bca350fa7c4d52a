from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from seewhy.heads.objective import Penalty, lam_max, log_frequencies, objective
from seewhy.heads.solver import Solution, solve
from seewhy.heads.steps import MOST, Pace, Problem, newton, shrink
from tests.heads.planted import planted, strength


def fit(z: Tensor, y: Tensor, share: float = 0.1, alpha: float = 0.99, *, group: bool = False) -> Solution:
    lam = strength(z, y, share, alpha, group=group)
    return solve(z, y, int(y.max()) + 1, Penalty(lam, alpha, group))


def correlated() -> tuple[Tensor, Tensor]:
    """Thirty concepts that are nearly mixtures of five."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(400, 5, generator=generator)
    z = factors @ torch.randn(5, 30, generator=generator) + 0.02 * torch.randn(400, 30, generator=generator)
    y = (factors @ torch.randn(5, 3, generator=generator) + torch.randn(400, 3, generator=generator)).argmax(
        1
    )
    return (z - z.mean(0)) / z.std(0, unbiased=False), y


@pytest.mark.oracle
@pytest.mark.parametrize(("share", "alpha"), [(0.3, 0.99), (0.05, 0.99), (0.05, 0.5), (0.05, 1.0)])
def test_scikit_learn_finds_no_lower_objective(share: float, alpha: float) -> None:
    z, y, _ = planted()
    lam = strength(z, y, share, alpha)
    penalty = Penalty(lam, alpha)
    found = solve(z, y, 4, penalty)
    peer = LogisticRegression(
        l1_ratio=alpha, C=1 / (len(y) * lam), solver="saga", tol=1e-10, max_iter=20_000, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(z.double().numpy(), y.numpy())
    weight, bias = torch.from_numpy(peer.coef_), torch.from_numpy(peer.intercept_)
    theirs = objective(weight, bias, z.double(), y, penalty)
    ours = objective(found.weight.double(), found.bias.double(), z.double(), y, penalty)
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours <= theirs * (1 + 1e-6)


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_from_lam_max_on_there_are_no_weights_and_the_bias_is_the_frequencies(
    factor: float, group: bool
) -> None:
    z, y, _ = planted()
    found = fit(z, y, factor * (1 + 1e-6), group=group)
    assert not found.weight.any() and found.certificate.converged
    expected = log_frequencies(y, 4)
    found_bias = found.bias.double() - found.bias.double().logsumexp(0)
    torch.testing.assert_close(found_bias, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("group", [False, True])
def test_just_below_lam_max_there_is_a_weight(group: bool) -> None:
    z, y, _ = planted()
    assert fit(z, y, 0.97, group=group).weight.any()


@pytest.mark.parametrize("alpha", [0.99, 1.0, 0.5])
@pytest.mark.parametrize("share", [0.1, 0.003])
@pytest.mark.parametrize("group", [False, True])
def test_nearly_dependent_concepts_are_solved_to_a_proof(share: float, alpha: float, group: bool) -> None:
    z, y = correlated()
    assert fit(z, y, share, alpha, group=group).certificate.relative_gap <= 1e-6


def test_a_group_penalty_uses_or_drops_whole_columns() -> None:
    z, y, _ = planted()
    used = fit(z, y, 0.3, group=True).weight != 0
    assert used.any() and not used.all()
    assert torch.equal(used.any(0), used.all(0))


def test_classes_and_concepts_in_another_order_give_the_same_head() -> None:
    z, y, _ = planted()
    generator = torch.Generator().manual_seed(1)
    rows, columns = torch.randperm(4, generator=generator), torch.randperm(20, generator=generator)
    z, lam = z.double(), strength(z, y, 0.1)
    one = solve(z, y, 4, Penalty(lam, 0.99), tol=1e-10)
    other = solve(z[:, columns], rows[y], 4, Penalty(lam, 0.99), tol=1e-10)
    # What a gap of 1e-10 leaves of the weights, about its root.
    torch.testing.assert_close(other.weight[rows], one.weight[:, columns], atol=1e-4, rtol=0)


def test_planted_concepts_are_found() -> None:
    z, y, weight = planted(3000, 40, 4, noise=0.5)
    found = fit(z, y, 0.15).weight != 0
    true = weight != 0
    # A shift of a column over all classes changes no probability, so a planted column may show in other classes.
    columns, planted_columns = found.any(0), true.any(0)
    both = int((columns & planted_columns).sum())
    assert 2 * both / int(columns.sum() + planted_columns.sum()) > 0.95


def test_screening_never_changes_the_head() -> None:
    z, y, _ = planted()
    penalty = Penalty(strength(z, y, 0.1), 0.99)
    whole = solve(z, y, 4, penalty)
    only = torch.zeros(20, dtype=torch.bool)
    only[3] = True
    screened = solve(z, y, 4, penalty, columns=only)
    assert screened.certificate.converged
    assert screened.certificate.primal == pytest.approx(whole.certificate.primal, rel=1e-6)


def test_a_warm_start_ends_at_the_same_objective() -> None:
    z, y, _ = planted()
    penalty = Penalty(strength(z, y, 0.1), 0.99)
    cold = solve(z, y, 4, penalty)
    start = (5 * torch.randn(4, 20, generator=torch.Generator().manual_seed(0)), torch.zeros(4))
    warm = solve(z, y, 4, penalty, start=start)
    assert warm.certificate.primal == pytest.approx(cold.certificate.primal, rel=1e-6)


def test_each_move_lowers_the_objective() -> None:
    z, y, _ = planted()
    z = z.double()
    penalty = Penalty(strength(z, y, 0.05), 0.99)
    problem = Problem(z, y, penalty)
    state = problem.enter(torch.zeros(4, 20).double(), log_frequencies(y, 4))
    step, pace = 100.0, Pace()
    for _ in range(4):
        before = objective(state.weight, state.bias, z, y, penalty)
        shrunk, step = shrink(problem, state, step)
        between = objective(shrunk.weight, shrunk.bias, z, y, penalty)
        assert problem.fall(state, shrunk) == pytest.approx((before - between) / before, abs=1e-12)
        state, pace = newton(problem, shrunk, pace)
        assert objective(state.weight, state.bias, z, y, penalty) <= between < before + 1e-14


def test_newton_lands_on_the_minimum_of_the_support() -> None:
    z, y, _ = planted()
    z, lam = z.double(), strength(z, y, 0.1)
    best = solve(z, y, 4, Penalty(lam, 0.99), tol=1e-10)
    problem = Problem(z, y, Penalty(lam, 0.99))
    nudged = best.weight * (1 + 1e-3 * torch.sin(torch.arange(80.0).view(4, 20)))
    state = problem.enter(nudged, best.bias)
    for _ in range(6):
        state, _ = newton(problem, state, Pace(MOST))
    torch.testing.assert_close(state.weight, best.weight, atol=1e-5, rtol=0)


@pytest.mark.parametrize("group", [False, True])
def test_a_careful_newton_step_leads_down_where_a_bold_one_fails(group: bool) -> None:
    z, y = correlated()
    z = z.double()
    penalty = Penalty(strength(z, y, 0.003, group=group), 0.99, group)
    problem = Problem(z, y, penalty)
    state, step = problem.enter(torch.zeros(3, 30).double(), log_frequencies(y, 3)), 100.0
    for _ in range(8):
        state, step = shrink(problem, state, step)
        careful, pace = newton(problem, state, Pace(failures=2))
        assert problem.fall(state, careful) > 0 and pace.failures == 2


def test_the_divergence_keeps_digits_of_small_and_large_changes_in_single_precision() -> None:
    z, y, _ = planted()
    p = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)).softmax(0)
    for size in (1e-3, 1.0, 200.0):
        change = size * torch.randn(4, 300, generator=torch.Generator().manual_seed(1))
        old, new = p.log(), p.log() + change
        moved = new.double() - old.double()
        exact = new.double().logsumexp(0) - old.double().logsumexp(0) - (p.double() * moved).sum(0)
        found = Problem(z, y, Penalty(0.1, 0.9)).divergence(p, old, new)
        assert found == pytest.approx(float(exact.mean()), rel=0.02)


@pytest.mark.parametrize(("n", "m", "k"), [(30, 1, 2), (40, 3, 2), (9, 30, 3), (7, 2, 6)])
def test_small_and_wide_problems_are_proven(n: int, m: int, k: int) -> None:
    z, y, _ = planted(n, m, k, sparse=1)
    for share in (0.5, 0.02):
        assert fit(z, y, share).certificate.converged


def test_single_and_double_precision_agree() -> None:
    z, y, _ = planted()
    lam = strength(z, y, 0.1)
    one, other = (solve(x, y, 4, Penalty(lam, 0.99)) for x in (z, z.double()))
    assert one.weight.dtype == torch.float32 and other.weight.dtype == torch.float64
    assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=1e-6)


def test_what_is_given_is_left_as_it_was() -> None:
    z, y, _ = planted()
    start = (torch.ones(4, 20), torch.ones(4))
    kept = [x.clone() for x in (z, y, *start)]
    solve(z, y, 4, Penalty(strength(z, y, 0.1), 0.99), start=start)
    assert all(torch.equal(a, b) for a, b in zip(kept, (z, y, *start), strict=True))


def test_the_same_problem_gives_the_same_bytes() -> None:
    z, y, _ = planted()
    assert torch.equal(fit(z, y).weight, fit(z, y).weight)


def test_features_that_are_not_standardised_are_still_solved() -> None:
    z, y, _ = planted()
    z = 30 * z * torch.from_numpy(np.geomspace(0.01, 1, 20)).float() + 5
    lam = lam_max(z, y, 4) / 100
    assert solve(z, y, 4, Penalty(lam, 0.99)).certificate.converged


@pytest.mark.gpu
def test_a_graphics_card_proves_the_same_objective() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    z, y, _ = planted()
    here, there = fit(z, y), fit(z.cuda(), y.cuda())
    assert there.weight.is_cuda
    assert there.certificate.primal == pytest.approx(here.certificate.primal, rel=1e-6)
