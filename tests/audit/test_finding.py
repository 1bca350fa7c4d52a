"""The statistic against closed forms, a slow re-typing and planted evidence."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from seewhy.audit.finding import THRESHOLD, excess_of, interval_of_mean, judge_region, judge_scores
from seewhy.errors import InputError


def noise(n: int, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, rows, columns))


def region(n: int, rows: int, columns: int, high: int = 2, wide: int = 3) -> np.ndarray:
    weights = np.zeros((n, rows, columns))
    weights[:, :high, :wide] = 1.0
    return weights


def test_excess_is_the_stated_equation() -> None:
    maps, seen = noise(3, 7, 5), np.ones((3, 7, 5))
    weights = region(3, 7, 5) * 0.7
    slow = []
    for m in maps:
        middle = statistics.median(m.ravel().tolist())
        inside = outside = total = 0.0
        for row in range(7):
            for column in range(5):
                centred = m[row, column] - middle
                inside += weights[0, row, column] * centred
                outside += (1 - weights[0, row, column]) * centred
                total += abs(centred)
        slow.append((inside - outside * 4.2 / (35 - 4.2)) / total)
    np.testing.assert_allclose(excess_of(maps, weights, seen), slow, atol=1e-12)


def test_reference_is_what_the_region_holds_elsewhere_on_average() -> None:
    """A region of one cell has 34 other places; the mean over them, counted one by one."""
    m, seen = noise(1, 7, 5), np.ones((1, 7, 5))
    one = region(1, 7, 5, 1, 1)
    centred = (m - np.median(m))[0]
    share = centred / np.abs(centred).sum()
    assert excess_of(m, one, seen)[0] == pytest.approx(share[0, 0] - np.mean(share.ravel()[1:]))


def test_all_evidence_in_the_region_is_an_excess_of_one() -> None:
    maps = np.zeros((3, 6, 8))
    maps[:, 0, 1] = 5.0
    found = judge_region(maps, region(3, 6, 8), np.ones((3, 6, 8)))
    assert found.points and found.excess == found.low == found.energy == found.hits == 1.0
    assert found.hits_by_chance == found.energy_by_chance == 6 / 48


def test_negative_evidence_is_no_finding_and_cancels_positive() -> None:
    maps = np.zeros((3, 8, 8))
    maps[:, 0, 0], maps[:, 4, 4] = -1.0, 1.0
    assert judge_region(maps, region(3, 8, 8), np.ones((3, 8, 8))).excess < -0.5
    maps[:, 0, 1] = 1.0
    assert not judge_region(maps, region(3, 8, 8), np.ones((3, 8, 8))).points


def test_unit_and_zero_of_a_map_do_not_matter() -> None:
    maps, weights, seen = noise(8, 8, 8), region(8, 8, 8), np.ones((8, 8, 8))
    scaled = maps * np.linspace(1, 50, 8)[:, None, None] + 7
    one, other = (judge_region(m, weights, seen) for m in (maps, scaled))
    assert other.excess == pytest.approx(one.excess) and other.energy == pytest.approx(one.energy)


def test_pure_noise_is_not_found() -> None:
    found = [judge_region(noise(8, 8, 8, seed), region(8, 8, 8), np.ones((8, 8, 8))) for seed in range(40)]
    assert not any(each.points for each in found)
    assert abs(np.mean([each.excess for each in found])) < 0.02  # standard error about 0.003


def test_a_constant_map_scores_what_chance_scores() -> None:
    found = judge_region(np.ones((2, 4, 4)), region(2, 4, 4), np.ones((2, 4, 4)))
    assert found.excess == found.energy == 0 and found.hits == pytest.approx(6 / 16) and not found.points


def test_padding_counts_neither_as_elsewhere_nor_as_a_hit() -> None:
    maps, seen = np.zeros((2, 4, 6)), np.ones((2, 4, 6))
    seen[:, :, 4:] = 0
    maps[:, 0, 0], maps[:, 0, 5] = 1.0, 3.0
    found = judge_region(maps, region(2, 4, 6, 2, 2), seen)
    assert found.hits == 1 and found.energy == 1 and found.hits_by_chance == 4 / 16
    assert found.excess == pytest.approx(1 / 4)  # the padding's evidence stays in the total


def test_a_few_loud_pictures_among_many_do_not_decide() -> None:
    maps = np.zeros((10, 8, 8))
    maps[2:, 4, 4], maps[:2, 0, 0] = 1.0, 1000.0
    assert not judge_region(maps, region(10, 8, 8), np.ones((10, 8, 8))).points


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = [
        low <= 0.5 <= high for low, high in (interval_of_mean(rng.uniform(0, 1, 40), t) for t in range(200))
    ]
    assert 0.89 < np.mean(inside) <= 1  # 0.95 expected, four standard errors are 0.06


def test_scores_are_judged_like_excesses() -> None:
    assert judge_scores(np.array([0.9])).points and judge_scores(np.array([0.9])).energy is None
    assert not judge_scores(np.array([THRESHOLD])).points
    with pytest.raises(InputError, match="at least one and all are finite"):
        judge_scores(np.array([np.nan]))


@pytest.mark.parametrize(
    ("maps", "weights", "words"),
    [
        (np.zeros((0, 8, 8)), np.zeros((0, 8, 8)), "at least one picture"),
        (np.zeros((2, 8, 8)), np.ones((2, 8, 7)), "the region (2, 8, 7)"),
        (np.full((2, 8, 8), np.nan), region(2, 8, 8), "NaN or infinite"),
        (np.zeros((2, 8, 8)), np.zeros((2, 8, 8)), "is empty"),
        (np.zeros((2, 8, 8)), np.ones((2, 8, 8)), "all of the picture"),
        (np.zeros((2, 1, 1)), np.full((2, 1, 1), 2.0), "larger than what is seen"),
    ],
)
def test_bad_input_is_refused_in_words(maps: np.ndarray, weights: np.ndarray, words: str) -> None:
    with pytest.raises(InputError) as error:
        judge_region(maps, weights, np.ones(maps.shape))
    assert words in str(error.value) and str(error.value).count("\n") == 2
