"""Contributions against truth: scipy and loops as oracles, absent factors, ties, and what is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from seewhy.errors import InputError
from seewhy.evaluate.how_much.agreement import (
    FalseContribution,
    NormalisedL1,
    Pearson,
    SignAgreement,
    Spearman,
    Top1,
)
from seewhy.evaluate.statistics import paired

ALL = (Spearman(), Pearson(), SignAgreement(), Top1(), NormalisedL1(), FalseContribution())
NAN = np.nan


def scene(n: int = 9, m: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Contributions and truth with absent factors, null factors and, in each row, four or more present."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(n, m))
    truth[generator.random((n, m)) < 0.25] = 0.0
    said = truth + generator.normal(0, 0.7, (n, m))
    truth[np.arange(n), generator.integers(0, m, n)] = NAN
    truth[::2, 0] = NAN
    return said, truth


def ids(metric) -> str:
    return metric.name


@pytest.mark.parametrize(("metric", "peer"), [(Spearman(), spearmanr), (Pearson(), pearsonr)], ids=["s", "p"])
def test_correlations_agree_with_scipy_over_the_factors_that_are_there(metric, peer) -> None:
    said, truth = scene()
    said[:, 3] = said[:, 4]  # ties
    found = metric(said, truth)
    for i in range(len(truth)):
        there = ~np.isnan(truth[i])
        assert found.per_item[i] == pytest.approx(peer(said[i, there], truth[i, there]).statistic)


def test_shares_agree_with_loops() -> None:
    said, truth = scene(40)
    sign, false = SignAgreement()(said, truth).per_item, FalseContribution()(said, truth).per_item
    for i, (c, t) in enumerate(zip(said, truth, strict=True)):
        there = [k for k in range(7) if not np.isnan(t[k])]
        largest, loudest = max(abs(t[k]) for k in there), max(abs(c[k]) for k in there)
        strong = [k for k in there if abs(t[k]) > 0.05 * largest]
        weak = [k for k in there if k not in strong]
        assert sign[i] == pytest.approx(np.mean([c[k] * t[k] > 0 for k in strong]))
        expected = np.mean([abs(c[k]) > 0.05 * loudest for k in weak]) if weak else NAN
        assert false[i] == pytest.approx(expected, nan_ok=True)
    assert 0 < np.isnan(false).sum() < 40


def test_top1_is_the_factor_that_speaks_most_for_the_target() -> None:
    truth = [[1, 3, -5], [1, 3, -5], [2, 2, 1], [NAN, 2, 1], [-3, -1, -2]]
    said = [[0, 9, -1], [0, 1, -9], [5, 1, 5], [99, 5, 1], [-9, -8, -7]]
    assert Top1()(said, truth).per_item.tolist() == [1, 1, 0.5, 1, 0]


def test_normalised_l1_by_hand() -> None:
    truth, said = np.array([[4.0, -2], [NAN, 2], [0, 0]]), np.array([[1.0, -1], [7, 3], [0, 0]])
    scale = (1 * 4 + 1 * 2 + 3 * 2) / (1 + 1 + 9)
    found = NormalisedL1().fitted(said, truth)(said, truth)
    expected = [((4 - scale) + abs(scale - 2)) / 6, abs(3 * scale - 2) / 2, NAN]
    np.testing.assert_allclose(found.per_item, expected)
    assert found.extras["scale"] == pytest.approx(scale) and "scale" not in found.options
    np.testing.assert_allclose(NormalisedL1(scale=2.0)(said, truth).per_item, [2 / 6, 4 / 2, NAN])


def test_opposite_contributions_are_twice_wrong_though_least_squares_with_signs_would_forgive_them() -> None:
    truth = np.random.default_rng(0).normal(size=(5, 4))
    signed = np.linalg.lstsq(-truth.reshape(-1, 1), truth.ravel(), rcond=None)[0]
    assert signed == pytest.approx(-1)  # so that signed * -truth = truth
    np.testing.assert_allclose(NormalisedL1().fitted(-3 * truth, truth)(-3 * truth, truth).per_item, 2)


def test_normalised_l1_of_an_item_is_the_same_alone_unless_a_scale_is_fitted() -> None:
    said, truth = scene(9)
    together = NormalisedL1()(said, truth).per_item
    alone = [NormalisedL1()(said[i : i + 1], truth[i : i + 1]).per_item[0] for i in range(9)]
    np.testing.assert_array_equal(together, alone)
    metric = NormalisedL1().fitted(np.array([[1.0, np.nan], [2.0, 1.0]]), np.array([[9.0, 9.0], [4.0, 2.0]]))
    assert metric.scale == 2.0, "a picture that lacks a contribution does not count"
    assert NormalisedL1().fitted(0 * truth, truth).scale == 0.0


def test_results_with_scales_of_their_own_may_be_compared() -> None:
    said, truth = scene(30)
    a, b = (NormalisedL1().fitted(one, truth)(one, truth) for one in (said, 0.01 * truth))
    assert a.extras["scale"] != b.extras["scale"] and paired(a, b).difference > 0


def test_one_sign_for_all_gets_the_base_rate_that_stands_beside_the_values() -> None:
    truth = np.array([[3.0, 2, -1, 1], [-1, -2, 3, NAN], [0, 0, 0, 0]])
    found = SignAgreement()(np.ones((3, 4)), truth)
    np.testing.assert_allclose(found.per_item, [0.75, 1 / 3, NAN])
    assert found.extras["all_positive"] == [0.75, pytest.approx(1 / 3), None]


@pytest.mark.parametrize("metric", ALL, ids=ids)
def test_the_truth_in_any_unit_is_the_best_there_is(metric) -> None:
    _, truth = scene(30)
    if isinstance(metric, NormalisedL1):
        metric = metric.fitted(0.01 * truth, truth)
    found = metric(0.01 * truth, truth)
    best = metric.range[1] if metric.direction == 1 else metric.range[0]
    np.testing.assert_allclose(found.per_item[found.defined], best, atol=1e-12)
    assert found.n_undefined < 15


@pytest.mark.parametrize(
    ("metric", "chance"), [(Spearman(), 0), (Pearson(), 0), (SignAgreement(), 0.5), (Top1(), 0.2)], ids=str
)
def test_contributions_all_alike_score_what_random_ones_do(metric, chance) -> None:
    truth = np.random.default_rng(1).normal(size=(4000, 5)) * [[1, -1, 1, -1, 1]]
    random = metric(np.random.default_rng(2).normal(size=(4000, 5)), truth).mean
    assert random == pytest.approx(chance, abs=0.03)  # 3.8 standard errors of the widest, 0.5 / 63
    if metric.name != "sign_agreement":  # all alike and not 0 is one sign, which may be right
        np.testing.assert_allclose(metric(np.full((4000, 5), 0.1), truth).per_item, chance, atol=1e-12)
    np.testing.assert_allclose(metric(np.zeros((4000, 5)), truth).per_item, chance, atol=1e-12)


def test_saying_nothing_has_error_one_and_no_false_contribution() -> None:
    _, truth = scene()
    none = np.zeros_like(truth)
    np.testing.assert_allclose(NormalisedL1()(none, truth).per_item, 1)
    found = FalseContribution()(none, truth)
    assert (found.per_item[found.defined] == 0).all() and found.defined.any()


@pytest.mark.parametrize("metric", ALL, ids=ids)
def test_a_factor_that_is_absent_makes_no_difference(metric) -> None:
    said, truth = scene()
    for filler in (NAN, 0.0, 1e9, -np.inf):
        np.testing.assert_array_equal(
            metric(np.where(np.isnan(truth), filler, said), truth).per_item, metric(said, truth).per_item
        )


@pytest.mark.parametrize("metric", [*ALL[:4], NormalisedL1(scale=0.7), ALL[5]], ids=ids)
def test_a_picture_scores_alike_alone_and_in_any_company_and_order(metric) -> None:
    said, truth = scene()
    whole, order = metric(said, truth).per_item, np.random.default_rng(3).permutation(len(truth))
    alone = [metric(said[i : i + 1], truth[i : i + 1]).per_item[0] for i in range(len(truth))]
    np.testing.assert_allclose(whole, alone, rtol=1e-12)
    np.testing.assert_allclose(metric(said[order], truth[order]).per_item, whole[order], rtol=1e-12)


@pytest.mark.parametrize("metric", ALL, ids=ids)
def test_a_missing_contribution_makes_the_picture_undefined_and_no_other(metric) -> None:
    said, truth = scene()
    truth[2, 5], truth[3, 5] = 1.0, -1.0
    broken = said.copy()
    broken[2, 5], broken[3, 5] = NAN, np.inf
    found = metric(broken, truth)
    others = np.delete(np.arange(len(truth)), [2, 3])
    assert not found.defined[[2, 3]].any()
    expected = metric(said[others], truth[others]).per_item
    np.testing.assert_array_equal(found.per_item[others], expected)


def test_too_few_factors_and_a_truth_without_order_are_undefined() -> None:
    truth = np.array([[1.0, 2, 3, NAN], [1, 2, 3, 4], [2, 2, 2, 2], [NAN] * 4])
    said = np.tile([1.0, 2, 3, 4], (4, 1))
    for metric in (Spearman, Pearson):
        np.testing.assert_allclose(metric()(said, truth).per_item, [NAN, 1, NAN, NAN])
        np.testing.assert_allclose(metric(at_least=3)(said, truth).per_item, [1, 1, NAN, NAN])
    np.testing.assert_allclose(Top1()(said, truth).per_item, [1, 1, NAN, NAN])
    one = np.array([[NAN, 3.0, NAN]])
    assert Top1()(one, one).n_undefined == 1


def test_where_nothing_has_an_effect_there_is_nothing_to_agree_with() -> None:
    truth = np.array([[1e-8, -1e-7, 0.0, 2e-8]])
    for metric in (SignAgreement(), NormalisedL1(), FalseContribution()):
        assert metric(np.ones((1, 4)), truth).n_undefined == 1
    assert FalseContribution()(np.ones((1, 2)), np.ones((1, 2))).n_undefined == 1, "no null factor"


def test_numbers_equal_up_to_rounding_are_ties() -> None:
    truth = np.array([[0.3, 0.3, 1.0, 2.0]])
    near = truth + [[0, 1e-16 * 4, 0, 0]]
    assert near[0, 0] != near[0, 1]
    assert Spearman()(near, truth).per_item == pytest.approx(1)
    assert Top1()([[1.0, 1.0, 2 + 1e-15, 2]], truth).per_item == 0.5


@pytest.mark.parametrize("metric", ALL, ids=ids)
def test_no_pictures_and_no_factors_are_no_error(metric) -> None:
    assert len(metric(np.ones((0, 4)), np.ones((0, 4)))) == 0
    assert metric(np.ones((2, 0)), np.ones((2, 0))).n_undefined == 2


def test_values_say_what_they_are_and_can_be_compared() -> None:
    said, truth = scene(30)
    found = FalseContribution(eps=0.1)(said, truth)
    assert (found.metric, found.truth, found.direction) == ("false_contribution@1", "model", -1)
    assert found.options == {"eps": 0.1}
    better = paired(Spearman()(truth, truth), Spearman()(said, truth))
    assert better.difference > 0 and better.p < 0.01 and better.better > 0.9


@pytest.mark.parametrize("metric", ALL, ids=ids)
def test_what_does_not_fit_is_refused(metric) -> None:
    with pytest.raises(InputError, match=r"contributions has shape \(2, 3\), truth \(2, 4\).\n.*factors"):
        metric(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        metric(np.ones(3), np.ones(3))
    with pytest.raises(InputError, match="truth holds infinity"):
        metric(np.ones((1, 2)), [[1, np.inf]])


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="at_least is 1"):
        Spearman(at_least=1)
    with pytest.raises(InputError, match="eps is 1.5"):
        SignAgreement(eps=1.5)
    with pytest.raises(InputError, match="eps is -1"):
        FalseContribution(eps=-1)
    with pytest.raises(InputError, match="scale is -1"):
        NormalisedL1(scale=-1)
