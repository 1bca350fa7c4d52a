"""Ranks with ties shared out: against all orders there are, pair counting and scikit-learn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from seewhy.evaluate.where.ranking import auroc, average_precision, rank_curve, top


def drawn(n: int, n_pixels: int, *, levels: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of values, on few levels if asked so, and masks with pixels of both kinds."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, n_pixels))
    if levels:
        values = generator.integers(-levels // 2, levels // 2 + 1, size=(n, n_pixels)).astype(float)
    inside = generator.random((n, n_pixels)) < 0.4
    inside[:, 0], inside[:, 1] = True, False
    return values, inside


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_the_curve_is_the_mean_over_all_orders_of_the_ties(levels: int) -> None:
    values, inside = drawn(4, 6, levels=levels)
    for row, mask in zip(values, inside, strict=True):
        orders = [one for one in permutations(range(6)) if (np.diff(row[list(one)]) <= 0).all()]
        expected = np.mean([np.cumsum(mask[list(one)]) for one in orders], axis=0)
        np.testing.assert_allclose(rank_curve(row[None], mask[None])[0], expected, atol=1e-12)


def test_a_constant_row_grows_by_the_share_of_the_mask_to_the_bit() -> None:
    _, inside = drawn(5, 97)
    curve = rank_curve(np.full((5, 97), 0.1), inside)
    assert (curve == np.arange(1, 98) * inside.mean(1)[:, None]).all()


def test_rows_that_rank_the_mask_first_keep_whole_numbers() -> None:
    inside = np.array([[True, False, True, False, True]])
    assert rank_curve(inside.astype(float), inside).tolist() == [[1, 2, 3, 3, 3]]
    assert rank_curve(-inside.astype(float), inside).tolist() == [[0, 0, 1, 2, 3]]


@pytest.mark.parametrize("levels", [0, 1, 6])
def test_auroc_and_precision_are_scikit_learns(levels: int) -> None:
    values, inside = drawn(20, 63, levels=levels, seed=1)
    pairs = list(zip(inside, values, strict=True))
    np.testing.assert_allclose(auroc(values, inside), [roc_auc_score(g, r) for g, r in pairs], atol=1e-12)
    expected = [average_precision_score(g, r) for g, r in pairs]
    np.testing.assert_allclose(average_precision(values, inside), expected, atol=1e-12)


def test_auroc_counts_pairs_with_ties_half() -> None:
    values, inside = drawn(1, 40, levels=3)
    pairs = values[0][inside[0]][:, None] - values[0][~inside[0]]
    assert auroc(values, inside)[0] == ((pairs > 0) + (pairs == 0) / 2).mean()


def test_the_top_pixels_are_counted_for_each_row() -> None:
    values, inside = drawn(6, 30)
    k = np.array([1, 2, 5, 29, 30, 7])
    expected = [inside[i][np.argsort(-values[i])[: k[i]]].mean() for i in range(6)]
    np.testing.assert_allclose(top(values, inside, k), expected)


@pytest.mark.parametrize("measure", [rank_curve, auroc, average_precision])
@pytest.mark.parametrize("levels", [0, 3])
def test_a_row_has_the_same_numbers_alone_and_in_company(measure, levels: int) -> None:
    values, inside = drawn(9, 37, levels=levels)
    together = measure(values, inside)
    for i in range(9):
        assert np.array_equal(measure(values[i : i + 1], inside[i : i + 1])[0], together[i])


def test_only_the_order_counts_and_nearness_is_no_tie() -> None:
    values, inside = drawn(3, 50, levels=9)
    expected = rank_curve(values, inside)
    for transform in (np.exp, lambda v: 1 + 1e-13 * v, lambda v: v * 1e300, lambda v: v * 1e-300, np.arctan):
        assert np.array_equal(rank_curve(transform(values), inside), expected)


def test_minus_zero_and_zero_are_tied() -> None:
    inside = np.array([[True, False]])
    for values in ([[0.0, -0.0]], [[-0.0, 0.0]]):
        assert rank_curve(np.array(values), inside).tolist() == [[0.5, 1]]


def test_what_has_no_pixels_of_a_kind_is_nan_and_nothing_is_nothing() -> None:
    values = np.arange(3.0)[None]
    none, full = np.zeros((1, 3), bool), np.ones((1, 3), bool)
    assert np.isnan(auroc(values, none)).all() and np.isnan(auroc(values, full)).all()
    assert np.isnan(average_precision(values, none)).all() and average_precision(values, full).tolist() == [1]
    assert rank_curve(np.ones((1, 1)), np.ones((1, 1), bool)).tolist() == [[1]]
    assert rank_curve(np.zeros((0, 4)), np.zeros((0, 4), bool)).shape == (0, 4)
    assert auroc(np.zeros((0, 4)), np.zeros((0, 4), bool)).shape == (0,)
