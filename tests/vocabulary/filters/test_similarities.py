"""Filters on similarities between concepts and pictures."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.vocabulary.filters.similarities import (
    above,
    presence,
    quantile,
    random_pairs,
    top_mean,
    variance,
    varied,
)
from seewhy.vocabulary.vocabulary import Vocabulary

WORDS = Vocabulary.from_list(["red", "sky", "beak"])


def places(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.2, 0.02, size=(11, 3, 2, 5))


def samples(similarity: np.ndarray, m: int) -> list[float]:
    n, _, h, w = similarity.shape
    return [float(similarity[i, m, y, x]) for i in range(n) for y in range(h) for x in range(w)]


def test_numbers_per_concept_are_those_of_loops_over_pictures_and_places() -> None:
    similarity = places()
    for m in range(3):
        values = sorted(samples(similarity, m))
        assert top_mean(similarity)[m] == pytest.approx(sum(values[-5:]) / 5)
        assert variance(similarity)[m] == pytest.approx(statistics.pvariance(values))
        at = 0.995 * (len(values) - 1)
        low = int(at)
        assert quantile(similarity)[m] == pytest.approx(
            values[low] + (at - low) * (values[low + 1] - values[low])
        )


def test_pictures_without_places_and_tensors_of_half_precision_will_do() -> None:
    flat = places()[:, :, 0, 0]
    np.testing.assert_allclose(top_mean(torch.from_numpy(flat)), top_mean(flat))
    np.testing.assert_allclose(quantile(flat.astype(np.float16)), quantile(flat), atol=2e-4)
    np.testing.assert_allclose(top_mean(flat[:2], k=5), flat[:2].mean(axis=0))  # fewer than k: all of them


def test_presence_is_two_mads_above_the_median_of_random_words() -> None:
    bank = [0.20, 0.21, 0.19, 0.25, 0.22]  # median .21, distances 0 .01 .01 .02 .04: MAD .01, least .23
    kept, dropped = presence(WORDS, [0.2301, 0.2299, 0.5], bank)
    assert kept.names == ("red", "beak")
    (drop,) = dropped
    assert (drop.concept, drop.filter, drop.value) == ("sky", "presence", 0.2299)
    assert drop.threshold == pytest.approx(0.23)
    assert presence(WORDS, [0.2301, 0.2299, 0.5], bank, mads=0)[0] == WORDS


def test_presence_does_not_depend_on_the_level_or_scale_of_a_model() -> None:
    generator = np.random.default_rng(1)
    bank, values = generator.normal(size=30), np.array([0.5, 1.2, 3.0])
    expected = presence(WORDS, values, bank)[0].names
    assert 0 < len(expected) < 3
    assert presence(WORDS, 0.02 * values + 0.2, 0.02 * bank + 0.2)[0].names == expected


def test_lfcbm_presence_and_learnability_exceed_a_cutoff() -> None:
    kept, dropped = above(WORDS, [0.25, 0.2501, 0.3], 0.25, "presence", "is hardly seen")
    assert kept.names == ("sky", "beak") and dropped.entries[0].reason == "is hardly seen"
    assert above(WORDS, [0.5, 0.6, 0.44], 0.45)[1].counts() == {"learnability": 1}


def test_values_that_are_no_numbers_drop_their_concept() -> None:
    kept, dropped = above(WORDS, [float("nan"), 0.6, float("-inf")], 0.45)
    assert kept.names == ("sky",) and {drop.reason for drop in dropped} == {"has a value that is no number"}
    assert all(drop.value is None for drop in dropped)


def test_a_constant_concept_is_dropped_by_its_variance() -> None:
    similarity = places()
    similarity[:, 1] = 0.25
    kept, dropped = varied(WORDS, variance(similarity))
    assert kept.names == ("red", "beak") and dropped.entries[0].reason == "is the same in every picture"


def test_dropping_everything_is_an_error() -> None:
    with pytest.raises(InputError, match="All 3 concepts would be dropped by the filter 'learnability'"):
        above(WORDS, [0.1, 0.2, 0.3], 0.45)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(
        InputError, match=r"values have the shape \(2,\).\n  There is one for each of 3 concepts"
    ):
        above(WORDS, [1.0, 2.0], 0.5)
    with pytest.raises(InputError, match="bank holds 0 numbers"):
        presence(WORDS, [1, 2, 3], [])
    with pytest.raises(InputError, match="2 numbers, 1 of them not finite"):
        presence(WORDS, [1, 2, 3], [1, float("nan")])
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        quantile(np.zeros((0, 3)))
    with pytest.raises(InputError, match="q is 99.5"):
        quantile(np.zeros((2, 3)), 99.5)
    with pytest.raises(InputError, match="k is 0"):
        top_mean(np.zeros((2, 3)), 0)


def test_random_pairs_are_pairs_of_different_words_and_repeat_with_their_seed() -> None:
    pairs = random_pairs(50, seed=3)
    assert len(set(pairs)) == 50 and pairs == random_pairs(50, seed=3) != random_pairs(50, seed=4)
    assert all(len(set(pair.split())) == 2 for pair in pairs)


def test_random_pairs_of_given_words_avoid_names() -> None:
    pairs = random_pairs(5, words=["red", "sky", "beak"], avoid=["Red sky"])
    assert set(pairs) == {"red beak", "sky red", "sky beak", "beak red", "beak sky"}
    with pytest.raises(InputError, match="2 words do not make 3 different pairs"):
        random_pairs(3, words=["red", "sky"])
    with pytest.raises(InputError, match="1 words do not make 1 different pairs"):
        random_pairs(1, words=["red"])
