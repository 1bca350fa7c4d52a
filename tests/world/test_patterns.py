"""Patterns against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.world.drawing import patterns
from seewhy.world.hashing import bit

FINE = (np.arange(400) + 0.5) / 200  # two periods
U, V = np.meshgrid(FINE, FINE)


def test_stripes_checker_and_dots_cover_their_share_of_the_plane() -> None:
    assert patterns.stripes(U, 1e-6).mean() == pytest.approx(0.5)
    assert patterns.checker(U, V, 1e-6).mean() == pytest.approx(0.5)
    assert patterns.dots(U, V, 1e-6).mean() == pytest.approx(np.pi * 0.09, abs=2e-3)


def test_patterns_repeat_after_one_period() -> None:
    for pattern in (patterns.dots, patterns.checker):
        np.testing.assert_allclose(pattern(U, V, 0.05), pattern(U + 1, V - 3, 0.05), atol=1e-10)
    np.testing.assert_allclose(patterns.stripes(U, 0.05), patterns.stripes(U - 7, 0.05), atol=1e-10)


def test_checker_neighbours_differ() -> None:
    # Squares of half a period, centred on multiples of one half.
    centres = np.arange(4) / 2
    squares = patterns.checker(*np.meshgrid(centres, centres), 1e-6)
    np.testing.assert_array_equal(squares, (np.add.outer(range(4), range(4)) % 2))


def test_wider_pixels_soften_edges_but_keep_the_area() -> None:
    soft = patterns.stripes(U, 0.1)
    assert soft.mean() == pytest.approx(0.5) and ((soft > 0.01) & (soft < 0.99)).any()


def test_value_noise_is_the_hash_on_lattice_points_and_bilinear_between() -> None:
    def lattice(row: int, column: int) -> float:
        return (bit(77, (row % 16) * 16 + column % 16) >> 11) / 2**53

    row, column, fv, fu = -3, 20, 0.25, 0.5
    mean = (1 - fv) * (lattice(row, column) + lattice(row, column + 1)) / 2
    mean += fv * (lattice(row + 1, column) + lattice(row + 1, column + 1)) / 2
    noise = patterns.value_noise(np.array([[column + fu, column]]), np.array([[row + fv, row]]), 77)
    np.testing.assert_allclose(noise, [[mean, lattice(row, column)]], rtol=1e-15)


def test_speckle_follows_its_key() -> None:
    one, same, other = (patterns.speckle(4 * U, 4 * V, 0.05, key) for key in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert one.min() == 0 and one.max() == 1
