"""Concept deletion, insertion and muFidelity, and the optimality of contributions, by brute force."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from seewhy.errors import InputError
from seewhy.importance.affine import affine_importance
from seewhy.importance.curves import concept_deletion, concept_insertion, concept_mu_fidelity
from tests.importance.functions import affine, network


def signed(k: int, seed: int, b: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(b, k)), generator.normal(size=b)


def areas(curve, function, k: int) -> list[float]:
    """The area of every order there is, the order given as values."""
    return [float(curve(function, [np.argsort(order)[::-1]]).auc[0]) for order in permutations(range(k))]


def test_curves_step_through_the_order_with_both_ends() -> None:
    c, base = np.array([[3.0, -1, 2]]), np.array([10.0])
    deletion = concept_deletion(affine(c, base), c)
    insertion = concept_insertion(affine(c, base), c)
    assert deletion.values.tolist() == [[14, 11, 9, 10]] and insertion.values.tolist() == [[10, 13, 15, 14]]
    assert deletion.order.tolist() == insertion.order.tolist() == [[0, 2, 1]]
    assert deletion.auc[0] == pytest.approx((14 / 2 + 11 + 9 + 10 / 2) / 3)


def test_every_picture_goes_its_own_way() -> None:
    function = network(4, 3)
    values = np.random.default_rng(0).normal(size=(3, 4))
    curve = concept_deletion(function, values)
    for b in range(3):
        mask = torch.ones(1, 4, dtype=torch.float64)
        for t, i in enumerate(np.argsort(-values[b])):
            assert curve.values[b, t] == pytest.approx(float(function(mask)[0, b]))
            mask[0, i] = 0


def test_a_function_that_can_ask_each_picture_alone_is_asked_so() -> None:
    class Own:
        affine = False

        def __call__(self, masks: torch.Tensor) -> torch.Tensor:
            assert len(masks) <= 2, "asked all pictures about all masks"
            return network(4, 3)(masks)

        def gradient(self, masks: torch.Tensor) -> torch.Tensor:
            raise AssertionError

        def each(self, masks: torch.Tensor) -> torch.Tensor:
            return torch.stack([network(4, 3)(m)[:, i] for i, m in enumerate(masks)])

    values = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(
        concept_deletion(Own(), values).values, concept_deletion(network(4, 3), values).values
    )


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_sorted_contributions_are_the_best_of_all_orders_on_affine_tails(k: int) -> None:
    c, base = signed(k, seed=k)
    function = affine(c, base)
    assert concept_deletion(function, c).auc[0] == pytest.approx(min(areas(concept_deletion, function, k)))
    assert concept_insertion(function, c).auc[0] == pytest.approx(max(areas(concept_insertion, function, k)))


def test_sorted_contributions_are_the_best_of_all_720_orders_of_6() -> None:
    c, base = signed(6, seed=6)
    orders = np.array(list(permutations(range(6))))
    heights = base + c.sum() - np.cumsum(c[0][orders], 1)  # the affine curve, order by order
    best = (c.sum() + base + 2 * heights[:, :-1].sum(1) + heights[:, -1]).min() / 12
    assert concept_deletion(affine(c, base), c).auc[0] == pytest.approx(best)


def test_saliency_order_is_not_optimal() -> None:
    """F = sum u_k w_k: saliency is |w|, the contribution u_k w_k; a strong weight on an absent concept misleads."""
    w, u = np.array([[5.0, 1.0, -4.0]]), np.array([[0.1, 2.0, 1.0]])
    function, contribution = affine(w * u, np.zeros(1)), w * u
    for curve, better in ((concept_deletion, -1), (concept_insertion, 1)):
        assert better * (curve(function, contribution).auc - curve(function, np.abs(w)).auc)[0] > 0.1


def test_sobol_and_hsic_orders_are_optimal_for_contributions_of_one_sign_only() -> None:
    c, base = np.array([[2.0, 0.5, 1.0, 3.0]]), np.zeros(1)
    for name in ("sobol", "hsic"):
        values = affine_importance(c, base)[name]
        assert concept_deletion(affine(c, base), values).auc == concept_deletion(affine(c, base), c).auc
        against = c * [[1, 1, 1, -1]]  # the strongest now speaks against
        worse = concept_deletion(affine(against, base), affine_importance(against, base)[name]).auc[0]
        assert worse > concept_deletion(affine(against, base), against).auc[0] + 1


@pytest.mark.parametrize("k", [5, 12])
def test_mu_fidelity_is_one_for_values_affine_in_the_contributions_and_for_no_others(k: int) -> None:
    c, base = signed(k, seed=k, b=3)
    function = affine(c, base)
    for values in (c, 0.3 * c + 7):
        found = concept_mu_fidelity(function, values, share=0.4)
        np.testing.assert_allclose([found.pearson, found.spearman], 1)
    np.testing.assert_allclose(concept_mu_fidelity(function, -c, share=0.4).pearson, -1)
    for values in (c**2, np.abs(c), c**3):
        assert (concept_mu_fidelity(function, values, share=0.4).pearson < 0.999).all()


def test_mu_fidelity_over_all_subsets_equals_loops() -> None:
    function = network(6, 2)
    values = np.random.default_rng(1).normal(size=(2, 6))
    found = concept_mu_fidelity(function, values, share=1 / 3)
    assert (found.n_subsets, found.size) == (15, 2)
    full = function(torch.ones(1, 6))[0]
    for b in range(2):
        said, drop = [], []
        for subset in combinations(range(6), 2):
            mask = torch.ones(1, 6, dtype=torch.float64)
            mask[0, list(subset)] = 0
            said.append(values[b, list(subset)].sum())
            drop.append(float(full[b] - function(mask)[0, b]))
        assert found.pearson[b] == pytest.approx(pearsonr(said, drop).statistic)
        assert found.spearman[b] == pytest.approx(spearmanr(said, drop).statistic)


def test_mu_fidelity_draws_distinct_subsets_of_one_size_by_seed() -> None:
    asked = []

    def function(m: torch.Tensor) -> torch.Tensor:
        asked.append(m)
        return network(20, 1)(m)

    first = concept_mu_fidelity(function, np.arange(20.0)[None], n_subsets=100, seed=1)
    masks = asked[-1]
    assert (masks == 0).sum(1).tolist() == [4] * 100 and len(masks.unique(dim=0)) == 100
    assert (
        first.pearson == concept_mu_fidelity(function, np.arange(20.0)[None], n_subsets=100, seed=1).pearson
    )


def test_mu_fidelity_of_what_is_constant_is_nan() -> None:
    constant = lambda m: 0 * m.sum(1, keepdim=True) + 0.1  # noqa: E731
    assert np.isnan(concept_mu_fidelity(constant, np.arange(5.0)[None]).pearson).all()
    assert np.isnan(concept_mu_fidelity(network(5, 1), np.full((1, 5), 0.1)).spearman).all()
    assert np.isnan(concept_mu_fidelity(network(1, 2), np.ones((2, 1))).pearson).all()


def test_curves_of_one_concept_and_of_no_pictures() -> None:
    assert concept_insertion(network(1, 1), np.ones((1, 1))).values.shape == (1, 2)
    assert concept_deletion(lambda m: m @ torch.zeros(3, 0).double(), np.zeros((0, 3))).auc.shape == (0,)


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="values has 1 rows, the function answers for 2 pictures"):
        concept_deletion(network(3, 2), np.ones((1, 3)))
    with pytest.raises(InputError, match=r"values has shape \(3,\).\n.*\(pictures, concepts\)"):
        concept_deletion(network(3, 2), np.ones(3))
    with pytest.raises(InputError, match="holds NaN"):
        concept_insertion(network(3, 1), np.full((1, 3), np.nan))
    with pytest.raises(InputError, match="n_subsets is 1"):
        concept_mu_fidelity(network(3, 1), np.ones((1, 3)), n_subsets=1)
