"""CEM and CGIM: planted answers, brute force over ties, and peers."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from seewhy.errors import InputError
from seewhy.evaluate.how_much.agreement import Pearson
from seewhy.evaluate.what.importance import CEM, CGIM, CGIMAUROC


def test_cem_counts_only_concepts_that_speak_for_the_class() -> None:
    contributions = np.array([[3.0, 2, -9, 0], [1, -1, -1, -1], [-1, -2, 0, -3], [5, 4, 3, 2]])
    present = np.array([[1, 0, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    found = CEM(3)(contributions, present)
    np.testing.assert_array_equal(found.per_item, [1 / 2, 1, np.nan, np.nan])
    assert found.n_undefined == 2, "nothing speaks for the class, or nothing is there to be found"


def test_cem_is_the_mean_over_all_orders_of_ties() -> None:
    generator = np.random.default_rng(0)
    contributions = generator.integers(-1, 3, size=(30, 4)).astype(float)
    present = generator.random((30, 4)) < 0.5
    for row, here, found in zip(contributions, present, CEM(2)(contributions, present).per_item, strict=True):
        orders = [order for order in permutations(range(4)) if (np.diff(row[list(order)]) <= 0).all()]
        top = [[i for i in order[:2] if row[i] > 0] for order in orders]
        expected = np.mean([here[chosen].mean() for chosen in top]) if top[0] and here.any() else np.nan
        np.testing.assert_allclose(found, expected)


def test_cem_reaches_its_ceiling_by_the_truth_and_its_chance_at_random() -> None:
    generator = np.random.default_rng(1)
    present = generator.random((4000, 8)) < 0.4
    oracle = CEM(3)(present + 0.1, present)
    assert oracle.mean == pytest.approx(oracle.extras["ceiling"])
    random = CEM(3)(generator.random((4000, 8)), present)
    assert random.mean == pytest.approx(random.extras["chance"], abs=0.015)
    assert CEM(3)(1.1 - present, present).mean < random.mean - 0.2


def test_cem_of_a_picture_does_not_depend_on_the_others() -> None:
    generator = np.random.default_rng(2)
    contributions, present = generator.normal(size=(9, 5)), generator.random((9, 5)) < 0.5
    contributions[4, 2] = np.nan
    whole = CEM(2)(contributions, present).per_item
    alone = [CEM(2)(contributions[i : i + 1], present[i : i + 1]).per_item[0] for i in range(9)]
    np.testing.assert_array_equal(whole, alone)
    assert np.isnan(whole[4])


def test_cgim_equals_pearsons_by_class_and_by_concept() -> None:
    generator = np.random.default_rng(3)
    weights, truth = generator.normal(size=(4, 7)), generator.random((4, 7))
    by_class = [pearsonr(weights[i], truth[i]).statistic for i in range(4)]
    by_concept = [pearsonr(weights[:, i], truth[:, i]).statistic for i in range(7)]
    np.testing.assert_allclose(CGIM()(weights, truth).per_item, by_class)
    np.testing.assert_allclose(CGIM("concept")(weights, truth).per_item, by_concept)
    areas = [roc_auc_score(truth[i] > 0.5, weights[i]) for i in range(4)]
    np.testing.assert_allclose(CGIMAUROC()(weights, truth).per_item, areas)


def test_cgim_of_the_truth_is_one_of_its_opposite_minus_one_and_shuffled_zero() -> None:
    truth = (np.random.default_rng(4).random((200, 40)) < 0.3).astype(float)
    shuffled = np.random.default_rng(5).permuted(truth, axis=1)
    for metric, expected in ((CGIM(), (1, -1, 0)), (CGIMAUROC(), (1, 0, 0.5))):
        np.testing.assert_allclose(metric(3 * truth + 2, truth).per_item, expected[0])
        np.testing.assert_allclose(metric(-truth, truth).per_item, expected[1], atol=1e-12)
        assert metric(shuffled, truth).mean == pytest.approx(expected[2], abs=0.05)


def test_cgim_is_0_for_constant_weights_and_undefined_for_constant_truth() -> None:
    weights = np.array([[1.0, 2, 3], [0.1, 0.1, 0.1], [1, 2, 3], [1, np.nan, 3]])
    truth = np.array([[0.0, 1, 1], [0, 1, 1], [1, 1, 1], [0, 1, 1]])
    found = CGIM()(weights, truth).per_item
    np.testing.assert_allclose(found[:2], [pearsonr(weights[0], truth[0]).statistic, 0])
    assert np.isnan(found[2:]).all()
    spearman = Pearson(at_least=2)(weights, truth).per_item
    np.testing.assert_array_equal(found[:3], spearman[:3])
    assert np.isnan(CGIMAUROC()(weights, truth).per_item).tolist() == [False, False, True, True]
    assert np.isnan(CGIM()(np.ones((2, 1)), np.ones((2, 1))).per_item).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(2, 3\), the truth \(3, 2\).\n.*\(classes, concepts\)"):
        CGIM()(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InputError, match="over is 'picture'.\n.*class, concept"):
        CGIM("picture")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="k is 0"):
        CEM(0)
