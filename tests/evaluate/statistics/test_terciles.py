"""Terciles by size, and how many items a difference needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.evaluate.statistics import TERCILES, by_tercile, interval, sample_size, sign_flip, terciles
from seewhy.evaluate.where.localisation import AUROC, HitRate


def test_terciles_are_three_thirds_by_size() -> None:
    sizes = np.random.default_rng(0).permutation(np.arange(1, 31))
    labels = terciles(sizes)
    assert (sizes[labels == 0].max(), sizes[labels == 1].max()) == (10, 20)
    assert np.bincount(labels).tolist() == [10, 10, 10]


def test_masks_of_one_size_are_never_parted() -> None:
    sizes = np.array([4, 4, 4, 4, 9, 1])
    assert len(set(terciles(sizes)[:4].tolist())) == 1
    assert terciles(np.full(5, 7)).tolist() == [0] * 5


def test_a_mask_without_a_size_is_in_no_third() -> None:
    assert terciles([1, np.nan, 2, 3]).tolist() == [0, -1, 1, 2]
    assert terciles([]).size == 0 and terciles([np.nan]).tolist() == [-1]


def test_each_third_has_the_interval_of_its_items() -> None:
    generator = np.random.default_rng(1)
    values, sizes = generator.random(30), generator.random(30)
    values[::7] = np.nan
    found, labels = by_tercile(values, sizes, seed=5), terciles(sizes)
    assert tuple(found) == TERCILES
    for i, name in enumerate(TERCILES):
        assert found[name] == interval(values[labels == i], seed=5)
    assert sum(one.n_undefined for one in found.values()) == 5


def test_thirds_keep_their_groups_and_there_are_always_three() -> None:
    found = by_tercile(np.arange(6.0), np.ones(6), groups=[0, 0, 1, 1, 2, 2])
    assert tuple(found) == TERCILES and found["small"].n_groups == 3
    assert found["medium"].n == found["large"].n == 0 and np.isnan(found["large"].mean)
    values = replace(AUROC().values(np.arange(6.0)), groups=np.array([0, 0, 1, 1, 2, 2]))
    assert by_tercile(values, np.ones(6))["small"] == found["small"]


def test_thirds_of_hits_have_wilsons_interval() -> None:
    hits = HitRate().values(np.ones(60))
    assert {one.method for one in by_tercile(hits, np.arange(60)).values()} == {"wilson"}


def test_sample_size_is_the_textbook_number() -> None:
    assert sample_size(0.2, 0.02) == 785  # 7.849 x 100
    assert sample_size(0.2, 0.02, 0.9) == 1051  # (1.959964 + 1.281552)^2 = 10.5074
    assert sample_size(0, 1) == 2


def test_the_sample_size_finds_the_difference_as_often_as_it_says() -> None:
    """400 studies of power 0.8: a standard error of 0.02; the bounds lie 3.5 of them out (0.05 %)."""
    n = sample_size(1.0, 0.5)
    d = np.random.default_rng(4).normal(0.5, 1, (400, n))
    assert n == 32
    assert 0.73 <= np.mean([sign_flip(row, flips=500, seed=i) <= 0.05 for i, row in enumerate(d)]) <= 0.87


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InputError, match="There are 2 values and 3 sizes"):
        by_tercile([1.0, 2.0], [1, 2, 3])
    with pytest.raises(InputError, match="delta 0,.*\n.*delta.*above 0"):
        sample_size(0.2, 0)
    with pytest.raises(InputError, match="power 80"):
        sample_size(0.2, 0.1, 80)
