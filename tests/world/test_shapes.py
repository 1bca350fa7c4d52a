"""Outlines against shapes re-typed with trigonometry, which the world itself may not use."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seewhy.world.drawing.shapes import OUTLINES, coverage, rotation
from seewhy.world.grammar import SHAPES

POINTS = np.random.default_rng(0).uniform(-1.3, 1.3, (2, 60, 50))


def _corners(radii: list[float], first: float = -90.0) -> np.ndarray:
    """Corners at equal angles, the first one straight up (v points down)."""
    angles = np.radians(first + np.arange(len(radii)) * 360 / len(radii))
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.array(radii)[:, None]


def _inside_polygon(corners: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Even-odd rule, edge by edge."""
    inside = np.zeros(u.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        crosses = (y0 > v) != (y1 > v)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (u < x0 + (v - y0) / (y1 - y0) * (x1 - x0))
    return inside


def _expected(name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    radius = np.hypot(u, v)
    inner = math.sin(math.radians(18)) / math.sin(math.radians(54))  # pentagram: notch over tip
    polygons = {
        "square": _corners([1] * 4, 45),
        "triangle": _corners([1] * 3),
        "pentagon": _corners([1] * 5),
        "star": _corners([1, inner] * 5),
    }
    if name in polygons:
        return _inside_polygon(polygons[name], u, v)
    return {
        "disk": radius < 1,
        "cross": ((abs(u) < 0.95) & (abs(v) < 0.31)) | ((abs(v) < 0.95) & (abs(u) < 0.31)),
        "ring": (radius > 0.55) & (radius < 1),
        "crescent": (radius < 1) & (np.hypot(u - 0.45, v) > 0.8),
    }[name]


@pytest.mark.parametrize("name", SHAPES)
def test_negative_distance_is_the_inside(name: str) -> None:
    u, v = POINTS
    np.testing.assert_array_equal(OUTLINES[name](u, v) < 0, _expected(name, u, v))


@pytest.mark.parametrize("name", SHAPES)
def test_distance_never_changes_faster_than_place(name: str) -> None:
    u, v = POINTS
    du, dv = np.random.default_rng(1).normal(0, 0.05, (2, *u.shape))
    change = np.abs(OUTLINES[name](u + du, v + dv) - OUTLINES[name](u, v))
    assert (change <= np.hypot(du, dv) + 1e-12).all()


@pytest.mark.parametrize("name", ["disk", "ring", "square"])
def test_distance_is_exact_for_round_and_square(name: str) -> None:
    u, v = POINTS
    angles = np.linspace(0, 2 * np.pi, 20_001)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    outline = {
        "disk": circle,
        "ring": np.concatenate([circle, 0.55 * circle]),
        "square": circle / np.abs(circle).max(1, keepdims=True) * math.sqrt(0.5),
    }[name]
    points = np.stack([u[::6, ::6].ravel(), v[::6, ::6].ravel()], 1)
    nearest = [np.hypot(*(outline - point).T).min() for point in points]
    got = np.abs(OUTLINES[name](points[:, :1], points[:, 1:])).ravel()
    np.testing.assert_allclose(got, nearest, atol=2e-4)  # the sampled outline has steps of 3e-4


@pytest.mark.parametrize("name", SHAPES)
def test_outline_stays_in_the_unit_disk(name: str) -> None:
    u, v = POINTS
    assert (OUTLINES[name](u, v)[np.hypot(u, v) > 1.0001] > 0).all()


def test_rotations_are_the_64_turns() -> None:
    for turn in range(-3, 130):
        angle = 2 * math.pi * turn / 64
        np.testing.assert_allclose(rotation(turn), (math.cos(angle), math.sin(angle)), rtol=0, atol=2e-15)
    assert rotation(16) == (0.0, 1.0) and rotation(64) == rotation(0) == (1.0, 0.0)


def test_rotation_table_is_correctly_rounded_in_its_own_octant() -> None:
    for turn in range(9):
        assert rotation(turn) == (math.cos(math.pi * turn / 32), pytest.approx(math.sin(math.pi * turn / 32)))


def test_coverage_is_the_area_left_of_a_straight_edge() -> None:
    np.testing.assert_allclose(coverage(np.array([[-2, -0.5, -0.25, 0, 0.5, 3]])), [[1, 1, 0.75, 0.5, 0, 0]])


def test_coverage_of_a_slanted_edge_is_within_a_tenth() -> None:
    fine = (np.arange(400) + 0.5) / 400 - 0.5
    for turn in range(64):
        c, s = rotation(turn)
        for shift in np.linspace(-0.8, 0.8, 9):
            area = (fine[None, :] * c + fine[:, None] * s < -shift).mean()
            assert abs(float(coverage(np.array([[shift]]))[0, 0]) - area) < 0.09
