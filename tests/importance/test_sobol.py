"""Sobol' indices against Ishigami's and the g-function's closed forms, and the estimators against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.importance.designs import replicated, sobol_points
from seewhy.importance.sobol import ESTIMATORS, Sobol, division
from tests.importance.functions import ISHIGAMI, affine, g_function, ishigami, network, positive, random_g


def test_ishigami_indices_at_many_rows() -> None:
    function, truth = ishigami(3, seed=0)
    found = Sobol(n_design=4096).measure(function, 3)
    np.testing.assert_allclose(found.values[0], truth, atol=0.01)
    assert ((found.low[0] <= truth + 5e-5) & (truth - 5e-5 <= found.high[0])).all()  # truth has 4 digits


def test_first_order_ishigami_indices() -> None:
    function, truth = ishigami(3, seed=0)
    first = np.array([0.3139, 0.4424, 0.0])[[int(np.flatnonzero(np.isclose(ISHIGAMI, t))[0]) for t in truth]]
    found = Sobol(n_design=4096, index="first").measure(function, 3)
    np.testing.assert_allclose(found.values[0], first, atol=0.01)


def test_g_function_indices_at_many_rows() -> None:
    function, truth = g_function(np.array([0, 1, 4.5, 9, 99, 99]))
    np.testing.assert_allclose(Sobol(n_design=1024).measure(function, 6).values[0], truth, atol=0.02)


@pytest.mark.parametrize("make", [ishigami, random_g])
def test_32_designs_of_25_concepts_find_sum_and_leader(make) -> None:
    sums, leaders = [], []
    for seed in range(100):
        function, truth = make(25, seed)
        found = Sobol(n_bootstrap=2).measure(function, 25, seed=seed)
        assert found.n_evaluations - 3 <= 32 * (25 + 2)
        sums.append(found.values.sum() / truth.sum())
        leaders.append(found.values.argmax() == truth.argmax())
    assert np.mean(sums) == pytest.approx(1, abs=0.1)
    assert np.mean(leaders) >= 0.9


def test_planted_factors_are_recovered() -> None:
    for seed in range(10):
        at = np.random.default_rng(seed).permutation(25)[:4].tolist()

        def function(m: torch.Tensor, at: list[int] = at) -> torch.Tensor:
            return (3 * m[:, at[0]] * m[:, at[1]] + torch.sin(3 * m[:, at[2]]) - 2 * m[:, at[3]])[:, None]

        values = Sobol().measure(function, 25, seed=seed).values[0]
        assert set(np.argsort(-values)[:4]) == set(at)
        assert np.delete(values, at).max() < 1e-12


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators_against_loops(estimator: str) -> None:
    function, n, k = network(3, 1), 16, 3
    a, b = replicated(n, k, seed=4)
    call = lambda rows: function(torch.from_numpy(rows)).numpy()[:, 0]  # noqa: E731
    y = call(a)
    found = Sobol(n, estimator, control_variate=False, refine=False, n_bootstrap=2).measure(
        function, k, seed=4
    )
    for i in range(k):
        c = a.copy()
        c[:, i] = b[:, i]
        z, v = call(c), y.var()
        mu = (y + z).mean() / 2
        expected = {
            "jansen": ((y - z) ** 2).sum() / (2 * n * y.var(ddof=1)),
            "janon": 1 - ((y * z).mean() - mu**2) / ((y**2 + z**2).mean() / 2 - mu**2),
            "homma": (v - (y * z).mean() + y.mean() ** 2) / v,
            "glen": 1 - np.corrcoef(y, z)[0, 1],
            "saltelli": 1 - ((y * z).mean() - y.mean() ** 2) / v,
        }[estimator]
        if estimator in ("homma", "saltelli"):  # the mean of y is taken from F(0), which changes both alike
            y0, z0 = y - float(found.base[0]), z - float(found.base[0])
            expected = 1 - ((y0 * z0).mean() - y0.mean() ** 2) / v
        assert found.values[0, i] == pytest.approx(expected)


def test_a_linear_function_is_exact_with_few_rows_and_a_tight_interval() -> None:
    c, base = positive(25, 3)
    found = Sobol(n_design=16).measure(affine(c, base), 25)
    np.testing.assert_allclose(found.values, c**2 / (c**2).sum(1, keepdims=True), atol=1e-10)
    np.testing.assert_allclose(found.high, found.low, atol=1e-10)


def test_the_control_variate_leaves_a_function_without_linear_part_almost_alone() -> None:
    function, _ = ishigami(10, seed=3)
    plain = Sobol(256, control_variate=False, refine=False).measure(function, 10)
    controlled = Sobol(256, refine=False).measure(function, 10)
    np.testing.assert_allclose(controlled.values, plain.values, atol=0.03)


def test_intervals_hold_the_truth() -> None:
    inside = []
    for seed in range(20):
        function, truth = ishigami(6, seed)
        found = Sobol(128, refine=False, control_variate=False).measure(function, 6, seed=seed)
        active = truth > 0
        inside.append(((found.low <= truth) & (truth <= found.high))[0, active])
    # Bootstrap of 128 quasi-random rows: at least nearly what it says (60 intervals).
    assert np.mean(inside) >= 0.9


def test_rows_are_doubled_until_the_interval_is_narrow() -> None:
    function, truth = ishigami(5, seed=1)
    found = Sobol("auto", half_width=0.05).measure(function, 5)
    rows = np.array(found.parameters["rows"])
    assert found.parameters["reached_half_width"] and (found.high - found.low).max() < 0.1
    assert (rows[truth == 0] < rows.max()).all() and rows.max() > 64  # inert ones are not asked again
    np.testing.assert_allclose(found.values[0], truth, atol=0.05)


def test_doubling_ends_at_the_budget_and_says_so() -> None:
    function, _ = ishigami(5, seed=1)
    found = Sobol("auto", half_width=1e-4, max_evaluations=600).measure(function, 5)
    assert found.n_evaluations <= 600 and not found.parameters["reached_half_width"]


@pytest.mark.parametrize(("n", "k"), [(32, 25), (32, 10), (32, 3), (64, 100), (8, 1)])
def test_division_of_rows_keeps_to_the_budget(n: int, k: int) -> None:
    spend, first = n * (k + 2), n // 2
    more, leaders = division(n, first, k, spend)
    assert 1 <= leaders <= k and more >= n and more & (more - 1) == 0
    assert first * (k + 1) + (more - first) * (leaders + 1) <= spend


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [10, 25, 60])
def test_no_two_columns_of_a_design_repeat_each_other(k: int, seed: int) -> None:
    a, b = replicated(32, k, seed)
    correlation = np.corrcoef(a.T) - np.eye(k)
    assert np.abs(correlation).max() <= 0.8
    for side in (a, b):
        assert (side.min(0) <= 0.1).all() and (side.max(0) >= 0.9).all()


def test_scrambled_sequences_do_have_columns_that_repeat_each_other() -> None:
    def worst(seed: int) -> float:
        return float(np.abs(np.corrcoef(sobol_points(32, 50, seed)[:, :25].T) - np.eye(25)).max())

    assert max(worst(seed) for seed in range(8)) > 0.9  # why `replicated` draws again


def test_a_longer_design_begins_with_a_shorter_one() -> None:
    for k in (5, 80):
        for short, long in zip(replicated(16, k, 1), replicated(128, k, 1), strict=True):
            np.testing.assert_array_equal(short, long[:16])


def test_a_constant_picture_beside_others_is_zero_and_told() -> None:
    function = lambda m: torch.stack([m.sum(1), 0 * m[:, 0] + 5], 1)  # noqa: E731
    for estimator in ESTIMATORS:
        found = Sobol(estimator=estimator).measure(function, 4)
        np.testing.assert_array_equal(found.values[1], np.zeros(4))
        np.testing.assert_array_equal(found.high[1], np.zeros(4))
        assert found.notes == ("picture 1: no mask changes the logit, all values are 0",)


def test_designs_that_are_no_power_of_two_are_refused() -> None:
    with pytest.raises(InputError, match="n_design=30.\n.*power of two.*\n.*n_design=32"):
        Sobol(n_design=30)
    with pytest.raises(InputError, match="index='first' with estimator='glen'"):
        Sobol(index="first", estimator="glen")
    with pytest.raises(InputError, match="estimator='owen'.\n.*'jansen', 'janon'"):
        Sobol(estimator="owen")


def test_another_scrambling_is_preferred_to_shuffling_the_sequence() -> None:
    for seed in range(6):
        a, b = replicated(64, 25, seed)
        draws = [int(np.random.default_rng([seed, i]).integers(2**31)) for i in range(16)]
        tried = [np.array_equal(np.hstack([a, b]), sobol_points(64, 50, draw)) for draw in draws]
        assert sum(tried) == 1, "the first rows were shuffled"
