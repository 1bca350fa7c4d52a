"""Matching discovered concepts: planted permutations come back, and luck does not pass for skill."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seewhy.errors import InputError
from seewhy.evaluate.what.matching import MatchedAUROC, Matching, NamingAccuracy, match


def planted(n: int = 240, noise: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Codes 0 to 3 are concepts 3, 1, 5, 0 with noise, codes 4 to 6 noise alone; concepts 2 and 4 go unfound."""
    generator = np.random.default_rng(0)
    present = generator.random((n, 6)) < 0.4
    found = present[:, [3, 1, 5, 0]] + noise * generator.normal(size=(n, 4))
    return np.concatenate([found, generator.normal(size=(n, 3))], 1), present


def test_the_planted_pairs_are_found_and_only_they_beat_shuffled_truth() -> None:
    found = match(*planted())
    pairs = dict(zip(found.true.tolist(), found.discovered.tolist(), strict=True))
    assert {true: pairs[true] for true in (3, 1, 5, 0)} == {3: 0, 1: 1, 5: 2, 0: 3}
    p = dict(zip(found.true.tolist(), found.pair_p.tolist(), strict=True))
    assert max(p[true] for true in (3, 1, 5, 0)) == pytest.approx(1 / 201) == found.p
    assert min(p[2], p[4]) > 0.1


def test_both_halves_score_the_same_pairs_as_scikit_learn_does() -> None:
    codes, present = planted(60)
    half = np.arange(60) % 3 == 0
    found = match(codes, present, half=half, permutations=1)
    for side, areas in ((half, found.chosen_on), (~half, found.held_out)):
        for i, j, area in zip(found.discovered, found.true, areas, strict=True):
            assert area == pytest.approx(roc_auc_score(present[side, j], codes[side, i]))


def test_the_pairs_have_the_largest_sum_of_all_ways_to_pair() -> None:
    codes, present = planted(40, noise=2.0)
    codes, present, half = codes[:, :4], present[:, :4], np.arange(40) < 20
    areas = [[roc_auc_score(present[half, j], codes[half, i]) for j in range(4)] for i in range(4)]
    best = max(sum(areas[i][j] for j, i in enumerate(order)) for order in permutations(range(4)))
    assert match(codes, present, half=half, permutations=1).chosen_on.sum() == pytest.approx(best)


def test_codes_that_are_the_truth_score_one() -> None:
    present = planted()[1]
    found = MatchedAUROC(permutations=19)(present[:, ::-1], present)
    assert (found.per_item == 1).all() and found.extras["p"] == pytest.approx(1 / 20)


def test_noise_looks_good_where_it_was_chosen_and_is_chance_on_the_other_half() -> None:
    generator = np.random.default_rng(3)
    present, codes = generator.random((80, 5)) < 0.5, generator.normal(size=(80, 60))
    found = MatchedAUROC()(codes, present)
    assert found.extras["chosen_on"] > 0.7
    assert found.mean == pytest.approx(0.5, abs=0.1) and found.extras["null"] == pytest.approx(0.5, abs=0.02)
    assert found.extras["p"] > 0.05


def test_p_values_of_noise_are_spread_evenly() -> None:
    """Under the null, p <= 0.2 in a fifth of the cases (60 draws: within three standard errors)."""
    generator = np.random.default_rng(4)
    p = [
        match(generator.normal(size=(24, 3)), generator.random((24, 3)) < 0.5, permutations=19, seed=i).p
        for i in range(60)
    ]
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.16)


def test_more_true_concepts_than_codes_and_undefined_ones_go_unmatched() -> None:
    codes, present = planted()
    present[:, 3] = False
    codes[7, 4] = np.nan
    assert 4 not in match(codes, present, permutations=5).discovered
    found = MatchedAUROC(permutations=5)(codes[:, :2], present)
    assert np.flatnonzero(np.isnan(found.per_item)).tolist() == [3], "the one that does not vary"
    assert found.extras["n_matched"] == 2 and (found.per_item == 0.5).sum() == 3, "the unmatched are chance"
    nothing = MatchedAUROC(permutations=5)(codes, np.zeros_like(present))
    assert np.isnan(nothing.per_item).all() and np.isnan(nothing.extras["p"])


def test_a_seed_decides_the_split_and_the_shuffles() -> None:
    first, same, other = (match(*planted(), permutations=9, seed=seed) for seed in (1, 1, 2))
    assert (first.held_out == same.held_out).all() and (first.null == same.null).all()
    assert (first.held_out != other.held_out).any() and (first.null != other.null).any()


def made_matching() -> Matching:
    return Matching(
        discovered=np.array([2, 0, 1]),
        true=np.array([0, 1, 3]),
        chosen_on=np.ones(3),
        held_out=np.ones(3),
        null=np.zeros(1),
        p=0.01,
        pair_p=np.array([0.01, 0.04, 0.2]),
        n_discovered=4,
        n_true=4,
        varies=np.ones(4, bool),
    )


def test_finding_little_does_not_look_better_than_finding_more() -> None:
    codes, present = planted()
    one, all_four = (MatchedAUROC(permutations=9)(codes[:, :k], present) for k in (1, 4))
    assert one.n_undefined == all_four.n_undefined == 0 and one.mean < all_four.mean
    assert one.extras["null"] == pytest.approx(0.5, abs=0.03)


def test_matching_puts_truth_above_noise_and_noise_above_no_more() -> None:
    present = planted()[1]
    noise = np.random.default_rng(5).normal(size=present.shape)
    means = [
        MatchedAUROC(permutations=2)(present + level * noise, present).mean for level in (0, 0.5, 1, 2, 4)
    ]
    means.append(MatchedAUROC(permutations=2)(noise, present).mean)
    assert means[0] == 1 and all(a > b for a, b in zip(means, means[1:], strict=False))
    # One inverted code for each concept: what is matched cannot find its own inverse on the other half.
    inverse = MatchedAUROC(permutations=2)(1.0 - present[:, :1], present[:, :1]).mean
    assert inverse == 0 < means[-1] == pytest.approx(0.5, abs=0.07)


def test_names_are_right_if_they_are_the_matched_truths() -> None:
    true = ["Red Circle", "beak", "wing", "tail"]
    single = NamingAccuracy()(["BEAK ", "tail", "red_circle", "wing"], made_matching(), true)
    np.testing.assert_array_equal(single.per_item, [1, np.nan, 1, np.nan])
    ranked = [["wing", "beak"], ["tail"], [], []]
    np.testing.assert_array_equal(NamingAccuracy()(ranked, made_matching(), true).per_item[[0, 2]], [0, 0])
    np.testing.assert_array_equal(
        NamingAccuracy(at=5)(ranked, made_matching(), true).per_item[[0, 2]], [1, 0]
    )
    assert NamingAccuracy(level=0.3)(ranked, made_matching(), true).n_undefined == 1


def test_what_does_not_fit_is_refused() -> None:
    codes, present = planted(8)
    with pytest.raises(InputError, match=r"\(8, 7\), the presence \(7, 6\).\n.*\n.*same order"):
        match(codes, present[:7])
    with pytest.raises(InputError, match=r"half has shape \(8,\) and type int64.\n.*bool"):
        match(codes, present, half=np.arange(8))
    with pytest.raises(InputError, match="halves have 1 and 2 pictures.\n.*at least 2"):
        match(codes[:3], present[:3])
    with pytest.raises(InputError, match="permutations is 0"):
        match(codes, present, permutations=0)
    with pytest.raises(InputError, match="3 given and 4 true names.\n.*4 discovered"):
        NamingAccuracy()(["a", "b", "c"], made_matching(), ["a", "b", "c", "d"])
