"""The world's only source of chance: splitmix64 under named keys."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.world.hashing import Draws, bit, bits, field_key, mix


def test_hash_reproduces_the_published_splitmix64_stream() -> None:
    # The stream of seed 1234567, as printed for many languages on Rosetta Code.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [bit(1234567, at) for at in range(4)] == published
    assert bits(1234567, 4).tolist() == published


def test_array_and_scalar_hash_agree() -> None:
    key = field_key(3, 2**62, "noise")
    assert bits(key, 1000).tolist() == [bit(key, at) for at in range(1000)]
    assert bits(2**64 - 1, 2).tolist() == [bit(2**64 - 1, at) for at in range(2)]


def test_mixing_is_a_bijection_on_a_sample_and_spreads_single_bits() -> None:
    flips = [bin(mix(7) ^ mix(7 ^ (1 << at))).count("1") for at in range(64)]
    assert len({mix(value) for value in range(10_000)}) == 10_000
    assert 28 < np.mean(flips) < 36  # 32 of 64 bits on average; 4 is eight standard errors


@pytest.mark.parametrize("change", [(1, 0, "x"), (0, 1, "x"), (0, 0, "y"), (0, 0, "x", 0), (0, 0, "X")])
def test_every_part_of_a_key_matters(change: tuple[int | str, ...]) -> None:
    assert field_key(*change) != field_key(0, 0, "x")


def test_draws_do_not_depend_on_what_was_drawn_before() -> None:
    draws = Draws(5, 9)
    first = draws.uniform("a", 3)
    draws.below("b", 10)
    assert Draws(5, 9).uniform("a", 3) == draws.uniform("a", 3) == first


def test_uniform_and_below_fill_their_ranges_evenly() -> None:
    uniform = np.array([Draws(0, index).uniform("u", 0, 2.0, 4.0) for index in range(4000)])
    whole = np.array([Draws(0, index).below("n", 5) for index in range(4000)])
    assert uniform.min() >= 2 and uniform.max() < 4
    assert abs(uniform.mean() - 3) < 0.04  # standard error 0.009
    assert np.abs(np.bincount(whole, minlength=5) / 4000 - 0.2).max() < 0.03  # standard error 0.0063
    assert len(np.bincount(whole)) == 5


def test_successive_scenes_are_uncorrelated() -> None:
    values = np.array([Draws(0, index).uniform("u") for index in range(4001)])
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.07  # standard error 0.016
