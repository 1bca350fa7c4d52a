"""Regions: points, boxes and masks as weights of grid cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.images.geometry import Geometry
from seewhy.images.regions import cell_weights

STRETCH = Geometry.stretch((10, 20), (40, 40))
CROP = Geometry((10, 20), (10, 10), 1.0, 1.0, -5.0, 0.0)
MIRRORED = Geometry((6, 8), (12, 16), -2.0, 2.0, 16.0, 0.0)


def test_a_box_counts_cells_by_covered_area() -> None:
    weights = cell_weights(STRETCH, (2, 4), box=(2.5, 0, 10, 5))
    np.testing.assert_allclose(weights, [[0.5, 1, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("geometry", [STRETCH, CROP, MIRRORED])
@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (7, 2)])
def test_a_box_weighs_as_the_mask_of_its_pixels(geometry: Geometry, grid: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        x0, y0 = (int(rng.integers(0, side - 1)) for side in geometry.original[::-1])
        x1, y1 = int(rng.integers(x0 + 1, 21)), int(rng.integers(y0 + 1, 11))
        mask = np.zeros(geometry.original, bool)
        mask[y0:y1, x0:x1] = True
        if not (mask & geometry.seen()).any():
            continue
        by_box = cell_weights(geometry, grid, box=(x0, y0, x1, y1))
        np.testing.assert_allclose(by_box, cell_weights(geometry, grid, mask=mask), atol=1e-12)


def test_moving_a_box_moves_weights_smoothly() -> None:
    first = cell_weights(STRETCH, (4, 4), box=(3, 2, 9, 7))
    moved = cell_weights(STRETCH, (4, 4), box=(3.01, 2, 9.01, 7))
    # A cell is 5 picture pixels wide, so 0.01 pixels are 0.002 of it.
    assert 0 < np.abs(moved - first).max() <= 0.0021


def test_a_box_that_reaches_out_counts_only_inside_the_picture() -> None:
    everything = cell_weights(CROP, (2, 2), box=(-100, -100, 100, 100))
    np.testing.assert_allclose(everything, np.ones((2, 2)))
    padded = Geometry((4, 6), (8, 10), 1.0, 1.0, 2.0, 2.0)
    everything = cell_weights(padded, (4, 5), box=(-100, -100, 100, 100))
    np.testing.assert_allclose(everything, np.pad(np.ones((2, 3)), 1))


@pytest.mark.parametrize(
    ("geometry", "point", "cell"),
    [(STRETCH, (0, 0), (0, 0)), (STRETCH, (19.99, 9.99), (1, 3)), (STRETCH, (5, 4.9), (0, 1))]
    + [
        (STRETCH, (2, 9), (1, 0)),
        (CROP, (5, 0), (0, 0)),
        (MIRRORED, (0, 5.5), (1, 3)),
        (MIRRORED, (7.5, 0), (0, 0)),
    ],
)
def test_a_point_is_its_whole_cell(
    geometry: Geometry, point: tuple[float, float], cell: tuple[int, int]
) -> None:
    weights = cell_weights(geometry, (2, 4), point=point)
    assert weights[cell] == 1 and weights.sum() == 1


def test_a_point_means_the_pixel_under_it() -> None:
    # Pixel 3 of 10 has its centre at 3.5, in the second of three rows, although 3.1 lies in the first.
    weights = cell_weights(STRETCH, (3, 1), point=(0, 3.1))
    assert weights[:, 0].tolist() == [0, 1, 0]
    weights = cell_weights(STRETCH, (1, 3), point=(13.1, 0))
    assert weights[0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({}, r"given as nothing.*exactly one of point=\(x, y\), box=.*mask=.*Pass one"),
        ({"point": (1, 1), "box": (0, 0, 1, 1)}, "given as point and box.*exactly one"),
        ({"box": (5, 0, 5, 4)}, r"box \(5.0, 0.0, 5.0, 4.0\) has no area.*x1 > x0 and y1 > y0.*point="),
        ({"box": (0, 0, 1)}, r"region is \(0, 0, 1\).*must be box=\(x0, y0, x1, y1\), finite.*x first"),
        ({"box": (0, 0, 1, float("nan"))}, "finite numbers"),
        ({"point": "ab"}, r"region is 'ab'.*must be point=\(x, y\)"),
        ({"point": (1, 2, 3)}, r"must be point=\(x, y\)"),
        (
            {"mask": np.ones((20, 10))},
            r"mask has shape \(20, 10\).*picture's shape \(10, 20\).*original picture",
        ),
        ({"mask": np.full((10, 20), 255)}, "mask has values from 255 to 255.*0 to 1.*divide by 255"),
        ({"mask": np.full((10, 20), np.nan)}, "mask has values from nan.*0 to 1"),
        ({"mask": np.zeros((10, 20))}, "mask is empty.*some area.*at least one pixel"),
        ({"mask": "abc"}, "mask has shape.*bool or 0 to 1"),
    ],
)
def test_wrong_regions_are_refused_in_words(region: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match="(?s)" + words):
        cell_weights(CROP, (2, 2), **region)


@pytest.mark.parametrize(
    "region", [{"point": (2, 2)}, {"point": (25, 2)}, {"box": (0, 0, 5, 10)}, {"box": (30, 0, 40, 5)}]
)
def test_regions_that_the_model_did_not_see_are_refused(region: dict[str, Any]) -> None:
    words = r"(?s)lies outside the part.*\(5, 0, 15, 10\) of a 20x10 picture.*inside that box"
    with pytest.raises(InputError, match=words):
        cell_weights(CROP, (2, 2), **region)
