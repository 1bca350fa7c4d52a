"""Paired tests against enumeration, scipy and closed forms; Holm by hand; undefined items that decide."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from seewhy.errors import InputError
from seewhy.evaluate.base import Values
from seewhy.evaluate.how_much.faithfulness import Deletion
from seewhy.evaluate.statistics import compare_all, holm, interval, paired, sign_flip
from seewhy.evaluate.what.nec import NECAccuracy
from seewhy.evaluate.where.localisation import AUROC, EPG, HitRate, PointingGame


def two(n: int, gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.random.default_rng(seed).beta(2, 3, (2, n))
    return a + gap, b


def measured(per_item, direction: int = 1, metric: str = "epg@1", high: float = 1.0) -> Values:
    return Values(metric, np.asarray(per_item, float), truth="scene", direction=direction, range=(0, high))


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_few_differences_are_enumerated_exactly(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1, n)
    sums = [abs(np.dot(signs, d)) for signs in product([1, -1], repeat=n)]
    assert sign_flip(d) == pytest.approx(np.mean(np.array(sums) >= abs(d.sum()) - 1e-12), abs=0)


def test_many_flips_agree_with_scipy_and_with_the_enumeration() -> None:
    d = np.random.default_rng(6).normal(0.35, 1, 15)
    peer = stats.permutation_test(
        (d, np.zeros(15)),
        lambda x, y, axis: (x - y).mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    signs = 1 - 2 * (np.arange(2**15)[:, None] >> np.arange(15) & 1)
    exact = np.mean(np.abs(signs @ d) >= abs(d.sum()) - 1e-9)
    # 20,000 flips: a sampling error of 0.0025 at p = 0.15; four of them.
    assert sign_flip(d, flips=20_000) == pytest.approx(exact, abs=0.01)
    assert peer.pvalue == pytest.approx(exact, abs=0.01) and 0.03 < exact < 0.3


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    """600 comparisons without a difference: 5 % +- 0.9 %; the bounds lie 3.4 standard errors out (0.1 %)."""
    d = np.random.default_rng(9).normal(0, 1, (600, 40))
    assert 0.02 <= np.mean([sign_flip(row, flips=500, seed=i) <= 0.05 for i, row in enumerate(d)]) <= 0.08


def test_the_least_p_counts_the_pattern_itself() -> None:
    assert sign_flip(np.ones(40), flips=999) == pytest.approx(1 / 1000)
    assert sign_flip(np.ones(10)) == 2 / 1024


def test_paired_reports_the_difference_both_tests_and_the_share_of_wins() -> None:
    a, b = two(60, 0.15)
    found = paired(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    assert [found.low, found.high] == [interval(a - b).low, interval(a - b).high]
    assert found.p < 0.01 and found.p == sign_flip(a - b)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert found.better == pytest.approx((a > b).mean())
    assert found.better_low < found.better < found.better_high
    assert (found.n, found.n_dropped, found.agrees) == (60, 0, True)


def test_swapping_the_two_turns_every_sign() -> None:
    a, b = two(25, 0.1)
    one, other = paired(a, b), paired(b, a)
    assert (one.p, one.wilcoxon_p) == (other.p, other.wilcoxon_p)
    assert one.difference == -other.difference and one.better == pytest.approx(1 - other.better)


def test_ties_are_half_a_win_and_zeros_go_by_pratt() -> None:
    a, b = np.array([1, 1, 0, 1, 0.5, 0.7, 1] * 3), np.array([1, 0, 0, 0.2, 0.1, 0.9, 0.3] * 3)
    found = paired(a, b)
    assert found.better == pytest.approx((4 + 2 * 0.5) / 7)
    assert found.wilcoxon_p != pytest.approx(stats.wilcoxon(a, b, zero_method="wilcox").pvalue, rel=1e-3)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a, b, zero_method="pratt").pvalue)


def test_the_same_explainer_twice_differs_in_nothing() -> None:
    a, _ = two(30, 0)
    found = paired(a, a)
    assert (found.difference, found.p, found.wilcoxon_p, found.better) == (0, 1, 1, 0.5)


def test_less_is_better_for_a_metric_that_says_so() -> None:
    a, b = two(30, 0.2)
    assert paired(measured(a, -1), measured(b, -1)).better == pytest.approx((a < b).mean())
    assert paired(a, b, direction=-1).better == pytest.approx((a < b).mean())
    assert paired(measured(a, -1), measured(b, -1)).difference > 0


def test_leaving_out_the_hard_items_does_not_win() -> None:
    a, b = two(60, 0.0)
    hard = a < 0.3
    found = paired(measured(np.where(hard, np.nan, a)), measured(b))
    assert found.difference > 0.05 and found.p < 0.05, "on what is left A is better"
    assert found.n_dropped == hard.sum() and not found.agrees
    filled = np.where(hard, 0, a) - b
    assert found.worst_difference == pytest.approx(filled.mean()) and found.worst_p == sign_flip(filled)


@pytest.mark.parametrize(("direction", "high", "worst"), [(1, 1, 0), (-1, 1, 1), (-1, np.inf, 0.9)])
def test_the_worst_value_is_the_end_of_the_range_or_the_worst_seen(direction, high, worst) -> None:
    a, b = [np.nan, 0.2, 0.3, np.nan], [0.4, 0.9, 0.1, np.nan]
    found = paired(measured(a, direction, high=high), measured(b, direction, high=high))
    assert found.worst_difference == pytest.approx((worst - 0.4 + 0.2 - 0.9 + 0.3 - 0.1) / 3)
    assert (found.n, found.n_dropped) == (2, 2)


def test_groups_are_flipped_whole() -> None:
    a, b = two(10, 0.3, seed=4)
    pictures = np.repeat(np.arange(10), 6)
    grouped = paired(np.repeat(a, 6), np.repeat(b, 6), groups=pictures)
    single = paired(a, b)
    assert (grouped.p, grouped.wilcoxon_p) == (single.p, pytest.approx(single.wilcoxon_p))
    assert paired(np.repeat(a, 6), np.repeat(b, 6)).p < 0.1 * grouped.p


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Deletion(fill=0.0), Deletion(fill="blur")),
        (PointingGame(), PointingGame(tolerance=15)),
        (EPG(), EPG(sign="absolute")),
        (NECAccuracy(5), NECAccuracy(10)),
    ],
    ids=lambda one: one.name,
)
def test_values_of_other_options_are_not_compared(one, other) -> None:
    a, b = np.random.default_rng(0).random((2, 5))
    assert paired(one.values(a, seen=1), one.values(b, seen=2)).n == 5, "what was found may differ"
    with pytest.raises(InputError, match="same options"):
        paired(one.values(a), other.values(b))


def test_values_bring_their_groups() -> None:
    a, b = two(12, 0.3)
    groups = np.repeat(np.arange(4), 3)
    expected = paired(a, b, groups=groups)
    assert paired(AUROC().values(a, groups=groups), AUROC().values(b, groups=groups)) == expected
    assert paired(AUROC().values(a, groups=groups), b) == expected != paired(a, b)


def test_nothing_in_common_is_nan_not_a_result() -> None:
    found = paired([np.nan, 1.0], [1.0, np.nan])
    assert np.isnan([found.difference, found.p, found.wilcoxon_p, found.better]).all()
    assert (found.n, found.n_dropped) == (0, 2)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1, 1] and holm([]).size == 0 and holm([0.2]).tolist() == [0.2]
    np.testing.assert_allclose(holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])


def test_holm_rejects_what_the_step_down_rule_rejects() -> None:
    for p in np.random.default_rng(0).beta(0.3, 2, (50, 6)):
        rejected = set()
        for i, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (6 - i):
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(holm(p) <= 0.05).tolist()) == rejected


def test_all_pairs_are_compared_once_and_corrected_together() -> None:
    a, b = two(40, 0.25)
    c = b + np.random.default_rng(1).normal(0, 0.01, 40)
    found = compare_all({"a": a, "b": b, "c": c}, flips=2000)
    assert [(one.a, one.b) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found[0].paired == paired(a, b, flips=2000)
    assert [one.p_holm for one in found] == holm([one.paired.p for one in found]).tolist()
    assert found[0].p_holm < 0.01 < 0.05 < found[2].p_holm


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="a has 2 items, b 1.\n.*same items"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="a is epg@1, b is nra@1.\n.*one metric"):
        paired(measured([1.0]), measured([1.0], metric="nra@1"))
    with pytest.raises(
        InputError, match="In a, threshold is 0.5; in b, threshold is 0.9.\n.*hit_rate/quantile@1"
    ):
        paired(HitRate().values([1.0]), HitRate(threshold=0.9).values([1.0]))
    with pytest.raises(InputError, match="In a, fill is 'red'; in b, fill is not set"):
        paired(AUROC().values([1.0], settings={"fill": "red"}), AUROC().values([1.0]))
    with pytest.raises(InputError, match="a and b say differently which items belong together"):
        paired(*(AUROC().values([1.0, 2.0], groups=np.array(one)) for one in ([0, 0], [0, 1])))
    with pytest.raises(InputError, match="direction is 1.\n.*epg@1 has direction -1"):
        paired(measured([1.0], -1), measured([1.0], -1), direction=1)
    with pytest.raises(InputError, match="flips is 5"):
        paired([1.0], [1.0], flips=5)
    with pytest.raises(InputError, match="values outside 0 to 1"):
        holm([1.5])
    with pytest.raises(InputError, match="The table has 1 row.\n"):
        compare_all({"a": [1.0]})
