"""Edits that put contributions to the test: single, several and by part, and channels in telling groups."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.evaluate.edits import HIGHEST_FACTOR, MOST_PARTS, parts_of, plan_edits

MANY = np.random.default_rng(0).normal(0.05, 1, 500)


def test_the_prediction_is_the_sum_of_what_is_taken_away() -> None:
    contributions = np.array([2.0, -1.0, 0.5])
    edits = plan_edits(contributions, "share", 30, 0)
    slow = [sum(c * (s - 1) for c, s in zip(contributions, row, strict=True)) for row in edits.factors]
    np.testing.assert_allclose(edits.predicted(contributions), slow)


@pytest.mark.parametrize("m", [1, 2, 3, 10, 500])
@pytest.mark.parametrize("n", [4, 64])
def test_edits_are_as_many_as_asked_different_and_change_something(m: int, n: int) -> None:
    edits = plan_edits(MANY[:m], "share", n, 0)
    assert edits.factors.shape == (n, m)
    assert len(np.unique(edits.factors, axis=0)) == n
    assert (edits.factors != 1).any(1).all()
    assert edits.factors.min() >= 0 and edits.factors.max() <= HIGHEST_FACTOR


def test_the_strongest_come_first_each_alone() -> None:
    edits = plan_edits(MANY, "share", 64, 0)
    strongest = np.argsort(-np.abs(MANY))[:16]
    assert list(edits.alone) == strongest.tolist()
    for row, m in zip(edits.factors, strongest, strict=False):
        assert row[m] == 0 and row.sum() == len(MANY) - 1


def test_subsets_are_of_all_sizes_and_some_edits_scale() -> None:
    edits = plan_edits(np.linspace(-1, 2, 12), "share", 64, 0)
    removing = edits.factors[np.isin(edits.factors, (0, 1)).all(1)]
    sizes = (removing == 0).sum(1)
    assert set(sizes.tolist()) == set(range(1, 13))
    assert len(removing) < 64 and edits.factors.max() > 1


def test_every_channel_is_in_one_part_and_weak_ones_lie_with_their_like() -> None:
    parts = parts_of(MANY)
    assert len(parts) == MOST_PARTS
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    groups = [MANY[part] for part in parts if len(part) > 1]
    assert len(groups) == MOST_PARTS // 2
    for higher, lower in zip(groups, groups[1:], strict=False):
        assert higher.min() >= lower.max()


def test_wrong_numbers_of_many_like_channels_are_found_out() -> None:
    # A random half of these has nearly the same sum whatever the numbers are; the groups must not hide that.
    true = np.random.default_rng(1).normal(1, 0.5, 500)
    claimed = np.random.default_rng(2).permutation(true)
    edits = plan_edits(claimed, "share", 64, 0)
    measured, predicted = edits.predicted(true), edits.predicted(claimed)
    alone = slice(0, len(edits.alone))
    assert np.corrcoef(measured[alone], predicted[alone])[0, 1] < 0.5
    r2 = 1 - ((measured - predicted) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    assert r2 < 0.999


def test_effects_are_taken_out_one_at_a_time() -> None:
    edits = plan_edits(np.array([0.5, -2.0, 1.0]), "effect", 64, 0)
    assert edits.alone == (1, 2, 0)
    np.testing.assert_array_equal(edits.factors, 1 - np.eye(3)[[1, 2, 0]])


def test_the_same_seed_gives_the_same_edits() -> None:
    first, again, other = (plan_edits(MANY, "share", 40, seed).factors for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
