"""The verdict against closed forms, a slow re-typing and planted evidence."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from seewhy.demo.verdict import THRESHOLD, evidence_shares, judge_corner
from seewhy.errors import InputError


def _corner(rows: int, columns: int, high: int = 2, wide: int = 2) -> np.ndarray:
    corner = np.zeros((rows, columns))
    corner[:high, :wide] = 1.0
    return corner


def _noise(n: int, rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, rows, columns))


def _slow_excess(maps: np.ndarray, corner: np.ndarray) -> float:
    """Equations (1) and (2), cell by cell."""

    def share(cells: Sequence[float], weights: Sequence[float]) -> float:
        middle = statistics.median(cells)
        total = sum(abs(cell - middle) for cell in cells)
        return sum(w * (cell - middle) for cell, w in zip(cells, weights, strict=True)) / total

    places = [corner, corner[:, ::-1], corner[::-1], corner[::-1, ::-1]]
    shares = [[share(m.ravel().tolist(), place.ravel().tolist()) for place in places] for m in maps]
    return statistics.fmean(own - statistics.fmean(others) for own, *others in shares)


@pytest.mark.parametrize("grid", [(8, 8), (7, 5), (4, 9)])
def test_excess_is_the_stated_equation(grid: tuple[int, int]) -> None:
    maps, corner = _noise(6, *grid), _corner(*grid) * 0.7
    assert judge_corner(maps, corner).excess == pytest.approx(_slow_excess(maps, corner), abs=1e-12)


def test_all_evidence_in_the_corner_is_an_excess_of_one() -> None:
    maps = np.zeros((3, 6, 8))
    maps[:, 0, 1] = 5.0
    verdict = judge_corner(maps, _corner(6, 8))
    assert verdict.accuses and verdict.excess == verdict.corner == verdict.low == verdict.high == 1.0


def test_evidence_in_another_corner_counts_against() -> None:
    maps = np.zeros((3, 6, 8))
    maps[:, -1, -1] = 5.0
    assert judge_corner(maps, _corner(6, 8)).excess == pytest.approx(-1 / 3)


def test_negative_evidence_in_the_corner_is_no_accusation() -> None:
    maps = np.zeros((5, 8, 8))
    maps[:, 0, 0], maps[:, 4, 4] = -1.0, 1.0
    assert judge_corner(maps, _corner(8, 8)).excess == pytest.approx(-0.5)
    maps[:, 0, 1] = 1.0  # a tag that is seen but cancels out
    verdict = judge_corner(maps, _corner(8, 8))
    assert verdict.excess == pytest.approx(0) and not verdict.accuses


def test_unit_and_zero_of_a_map_do_not_matter() -> None:
    maps = _noise(8, 8, 8)
    maps[:, :2, :2] += 2
    scaled = maps * np.linspace(1, 50, 8)[:, None, None] + 7
    one, other = judge_corner(maps, _corner(8, 8)), judge_corner(scaled, _corner(8, 8))
    assert other.excess == pytest.approx(one.excess) and other.low == pytest.approx(one.low)


def test_pure_noise_is_not_accused() -> None:
    verdicts = [judge_corner(_noise(8, 8, 8, seed), _corner(8, 8)) for seed in range(40)]
    assert not any(verdict.accuses for verdict in verdicts)
    assert abs(np.mean([verdict.excess for verdict in verdicts])) < 0.02  # standard error 0.003


def test_weak_evidence_below_the_threshold_is_not_accused() -> None:
    maps = np.zeros((20, 8, 8))
    maps[:, 0, 0], maps[:, 4, 4] = THRESHOLD - 0.01, 1 - THRESHOLD + 0.01
    assert not judge_corner(maps, _corner(8, 8)).accuses
    assert judge_corner(maps, _corner(8, 8), threshold=THRESHOLD - 0.02).accuses


def test_a_few_pictures_among_many_do_not_accuse() -> None:
    maps = np.zeros((10, 8, 8))
    maps[2:, 4, 4] = 1.0
    maps[:2, 0, 0] = 1000.0  # two pictures in ten, however loud
    verdict = judge_corner(maps, _corner(8, 8))
    assert verdict.excess == pytest.approx(0.2) and verdict.low <= THRESHOLD and not verdict.accuses


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        maps = np.zeros((40, 4, 4))
        maps[:, 0, 0] = rng.uniform(0, 1, 40)
        maps[:, 2, 2] = 1 - maps[:, 0, 0]
        verdict = judge_corner(maps, _corner(4, 4, 1, 1), seed=trial)
        hits += verdict.low <= 0.5 <= verdict.high
    assert 87 <= hits <= 100  # 95 expected; fewer than 87 has a chance below 0.001


def test_constant_maps_hold_no_evidence() -> None:
    np.testing.assert_array_equal(evidence_shares(np.full((2, 3, 3), 4.0), np.ones((3, 3))), 0)
    verdict = judge_corner(np.zeros((2, 4, 4)), _corner(4, 4))
    assert verdict.excess == 0 and not verdict.accuses


def test_same_seed_gives_the_same_verdict() -> None:
    maps = _noise(5, 8, 8)
    assert judge_corner(maps, _corner(8, 8), seed=3) == judge_corner(maps, _corner(8, 8), seed=3)
    assert judge_corner(maps, _corner(8, 8), seed=3).low != judge_corner(maps, _corner(8, 8), seed=4).low


def test_sentence_says_the_verdict_and_its_numbers() -> None:
    maps = np.zeros((3, 8, 8))
    maps[:, 0, 0], maps[:, 4, 4] = 1.0, 3.0
    assert judge_corner(maps, _corner(8, 8)).sentence() == (
        "The maps accuse the corner: it holds 25% of the evidence, the other corners 0% "
        "(excess 0.25, 95% interval 0.25 to 0.25, 3 pictures, threshold 0.07)."
    )
    assert "do not accuse" in judge_corner(-maps, _corner(8, 8)).sentence()


@pytest.mark.parametrize(
    ("maps", "corner", "words"),
    [
        (np.zeros((0, 8, 8)), _corner(8, 8), "at least one picture"),
        (np.zeros((8, 8)), _corner(8, 8), "(pictures, h, w)"),
        (np.zeros((2, 8, 8)), _corner(8, 7), "corner's weights (8, 7)"),
        (np.full((2, 8, 8), np.nan), _corner(8, 8), "NaN or infinite"),
        (np.zeros((2, 8, 8)), np.zeros((8, 8)), "are empty"),
        (np.zeros((2, 8, 8)), _corner(8, 8) * 2, "outside 0 to 1"),
        (np.zeros((2, 8, 8)), _corner(8, 8, 5, 2), "over the middle"),
        (np.zeros((2, 1, 1)), np.ones((1, 1)), "over the middle"),
    ],
)
def test_bad_input_is_refused_in_words(maps: np.ndarray, corner: np.ndarray, words: str) -> None:
    with pytest.raises(InputError) as error:
        judge_corner(maps, corner)
    assert words in str(error.value) and str(error.value).count("\n") == 2
