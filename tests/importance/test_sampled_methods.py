"""Each method's formula against a slow re-typing, an exact sum, or a function with a known answer."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.importance.base import from_callable
from seewhy.importance.designs import corners
from seewhy.importance.hsic import HSIC
from seewhy.importance.integrated_gradients import IntegratedGradients
from seewhy.importance.occlusion import Occlusion
from seewhy.importance.rise import RISE
from seewhy.importance.shapley import Shapley
from tests.importance.functions import affine, network, positive


def at(function, masks) -> np.ndarray:
    return function(torch.as_tensor(np.asarray(masks, np.float64))).numpy()


def test_occlusion_is_the_loss_without_each_concept() -> None:
    function = network(3, 2)
    found = Occlusion().measure(function, 3)
    expected = [[at(function, [[1, 1, 1]])[0, b] - at(function, [[0, 1, 1]])[0, b] for b in range(2)]]
    np.testing.assert_allclose(found.values[:, 0], expected[0])
    np.testing.assert_allclose(found.gap, found.full - found.base - found.values.sum(1))


def test_shapley_values_are_the_mean_marginal_over_all_orders() -> None:
    function = network(4, 2)
    expected = np.zeros((2, 4))
    for order in permutations(range(4)):
        mask = np.zeros((1, 4))
        for i in order:
            before = at(function, mask)[0]
            mask[0, i] = 1
            expected[:, i] += (at(function, mask)[0] - before) / 24
    found = Shapley().measure(function, 4)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.exact and found.n_evaluations == 2**4 + 3


def test_sampled_shapley_values_add_up_and_lie_near_the_exact_ones() -> None:
    function = network(10, 3)
    exact = Shapley().measure(function, 10)
    sampled = Shapley(exact_up_to=0, n_orders=16).measure(function, 10, seed=5)
    np.testing.assert_allclose(sampled.values.sum(1), sampled.full - sampled.base, atol=1e-12)
    assert not sampled.exact and sampled.n_evaluations == 16 * 9 + 3
    # 30 intervals of which 5 % may miss; more than 5 misses come in 0.3 % of seeds, and the seed is fixed.
    assert ((sampled.low <= exact.values) & (exact.values <= sampled.high)).sum() >= 25
    assert np.abs(sampled.values - exact.values).max() < 0.2 * np.abs(exact.values).max()


def test_opposite_orders_make_pairwise_interactions_exact() -> None:
    function = lambda m: (m[:, :1] * m[:, 1:2] + 3 * m[:, 2:3] * m[:, 3:4]) * 2  # noqa: E731
    found = Shapley(exact_up_to=0, n_orders=4).measure(function, 5)
    np.testing.assert_allclose(found.values, [[1, 1, 3, 3, 0]], atol=1e-12)
    np.testing.assert_allclose(found.high - found.low, 0, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.3, 0.4142, 0.77])
def test_integrated_gradients_halve_the_path_until_a_kink_adds_up(threshold: float) -> None:
    function = from_callable(lambda m: torch.relu(m @ torch.tensor([[2.0], [1.0]]).double() - 3 * threshold))
    found = IntegratedGradients().measure(function, 2)
    assert found.kind == "share" and found.parameters["points"] > 32
    assert abs(found.gap[0]) <= 1e-4 * np.abs(found.values).sum()
    # The gradient is (2, 1) after the kink and 0 before it.
    np.testing.assert_allclose(found.values, [[2 * (1 - threshold), 1 - threshold]], rtol=1e-3)


def test_integrated_gradients_that_do_not_add_up_are_estimates() -> None:
    function = lambda m: torch.relu(50 * (m.sum(1, keepdim=True) - 1.03))  # noqa: E731
    found = IntegratedGradients(steps=8, max_steps=8).measure(function, 2)
    assert found.kind == "effect" and found.notes == ("does not add up after 8 steps: an estimate of shares",)


def test_integrated_gradients_of_a_polynomial_are_exact() -> None:
    found = IntegratedGradients(steps=8).measure(lambda m: m[:, :1] ** 3 * m[:, 1:2], 2)
    np.testing.assert_allclose(found.values, [[3 / 4, 1 / 4]], atol=1e-12)  # 3 t^3 and t^3 over [0, 1]


@pytest.mark.parametrize("sampler", ["sobol", "bernoulli"])
def test_rise_is_the_difference_of_means_with_and_without(sampler: str) -> None:
    function, masks = network(4, 2), corners(64, 4, 0.3, sampler, seed=2)
    y = at(function, masks)
    found = RISE(n_masks=64, p=0.3, sampler=sampler).measure(function, 4, seed=2)
    paper = RISE(n_masks=64, p=0.3, sampler=sampler, estimator="paper").measure(function, 4, seed=2)
    for k in range(4):
        kept, gone = y[masks[:, k] == 1], y[masks[:, k] == 0]
        np.testing.assert_allclose(found.values[:, k], kept.mean(0) - gone.mean(0))
        np.testing.assert_allclose(paper.values[:, k], kept.mean(0))
        half = 1.96 * np.sqrt(kept.var(0, ddof=1) / len(kept) + gone.var(0, ddof=1) / len(gone))
        np.testing.assert_allclose(found.high[:, k] - found.values[:, k], half)
    assert found.signed and not paper.signed


def test_rise_intervals_hold_the_truth_as_often_as_they_say() -> None:
    c, base = positive(20, 1)
    inside = [
        (found.low <= c) & (c <= found.high)
        for found in (RISE(128, sampler="bernoulli").measure(affine(c, base), 20, seed=s) for s in range(40))
    ]
    assert 0.92 <= np.mean(inside) <= 0.98  # 800 intervals, 95 % expected, standard error 0.8 %


def test_rise_knows_nothing_of_a_concept_that_all_masks_keep() -> None:
    found = RISE(n_masks=4, p=1 - 1e-9).measure(network(3, 1), 3)
    np.testing.assert_array_equal(found.values, np.zeros((1, 3)))
    assert np.isinf(found.high).all()


def test_hsic_is_the_trace_of_centred_kernels_over_n_squared() -> None:
    function, n = network(3, 2), 32
    masks = corners(n, 3, 0.5, "sobol", seed=1)
    found = HSIC(n_masks=n, interactions=True).measure(function, 3, seed=1)
    centre = np.eye(n) - 1 / n
    for b, y in enumerate(at(function, masks).T):
        distance = np.abs(y[:, None] - y[None])
        width = np.median(distance[np.triu_indices(n, 1)])
        out = centre @ np.exp(-(distance**2) / 2 / width**2) @ centre
        kernels = [0.5 - (masks[:, None, k] - masks[None, :, k]) ** 2 for k in range(3)]
        np.testing.assert_allclose(found.values[b], [np.trace(k @ out) / n**2 for k in kernels])
        pair = np.trace(kernels[0] * kernels[2] @ out) / n**2
        np.testing.assert_allclose(found.interactions[b, [0, 2], [2, 0]], pair)
        assert found.interactions[b].diagonal().tolist() == [0, 0, 0]


def test_linear_hsic_is_twice_the_squared_covariance() -> None:
    function, masks = network(5, 2), corners(128, 5, 0.5, "bernoulli", seed=0)
    found = HSIC(n_masks=128, output="linear", sampler="bernoulli").measure(function, 5)
    y = at(function, masks)
    covariance = (masks - masks.mean(0)).T @ (y - y.mean(0)) / 128
    np.testing.assert_allclose(found.values, 2 * covariance.T**2, atol=1e-12)


def test_concepts_without_influence_stay_below_the_null_level_as_often_as_it_says() -> None:
    function = lambda m: m[:, :4].double() @ torch.tensor([[1.0], [2], [0.5], [3]]).double()  # noqa: E731
    below = []
    for seed in range(15):
        found = HSIC(n_masks=128, sampler="bernoulli").measure(function, 30, seed=seed)
        below.append(found.values[0, 4:] <= found.null[0, 4:])
        assert (found.values[0, [1, 3]] > found.null[0, [1, 3]]).all()
    assert 0.91 <= np.mean(below) <= 0.99  # 390 concepts, standard error 1.1 %


def test_hsic_finds_pairs_that_only_count_together() -> None:
    function = lambda m: (2 * m[:, :1] - 1) * (2 * m[:, 2:3] - 1)  # noqa: E731
    found = HSIC(n_masks=64, interactions=True).measure(function, 3)
    assert found.interactions[0, 0, 2] > 0.04 and found.interactions[0, 0, 1] < 1e-9
    np.testing.assert_allclose(found.values, 0, atol=1e-9)


def test_settings_out_of_range_are_refused_by_name() -> None:
    for make, words in (
        (lambda: RISE(p=1.0), "RISE got n_masks=512, p=1.0"),
        (lambda: RISE(estimator="mean"), "RISE got estimator='mean'"),
        (lambda: HSIC(output="rbf"), "HSIC got output='rbf'"),
        (lambda: HSIC(n_masks=1), "HSIC got n_masks=1"),
        (lambda: Shapley(n_orders=3), "n_orders=3"),
        (lambda: IntegratedGradients(steps=10), "steps=10"),
    ):
        with pytest.raises(InputError, match=words):
            make()
