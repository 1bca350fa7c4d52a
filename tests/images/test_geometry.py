"""Geometry: where points, boxes and maps land, against explicit loops and a peer library."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.images.geometry import Geometry

CASES = [
    Geometry((9, 14), (12, 12), 1.3, 1.3, -3.1, 0.15),  # crop of the width
    Geometry((7, 5), (16, 16), 2.0, 2.0, 3.0, 1.0),  # padding left and right
    Geometry((11, 6), (8, 10), 10 / 6, 8 / 11, 0.0, 0.0),  # stretch
    Geometry((6, 8), (12, 16), -2.0, 2.0, 16.0, 0.0),  # mirrored
    Geometry((8, 6), (4, 4), 0.7, -0.7, 0.0, 5.0),  # upside down, cropped, smaller
    Geometry((1, 1), (5, 3), 3.0, 5.0, 0.0, 0.0),
]


def slow_place(geometry: Geometry, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel by pixel: map its centre to the input, interpolate between the four cells around it."""
    (h, w), (height, width) = values.shape, size
    out = np.full(size, math.nan)
    for row in range(height):
        for column in range(width):
            y = geometry.sy * ((row + 0.5) * geometry.original[0] / height) + geometry.ty
            x = geometry.sx * ((column + 0.5) * geometry.original[1] / width) + geometry.tx
            if not (0 <= y <= geometry.model[0] and 0 <= x <= geometry.model[1]):
                continue
            v = min(max(y * h / geometry.model[0] - 0.5, 0), h - 1)
            u = min(max(x * w / geometry.model[1] - 0.5, 0), w - 1)
            i, j = math.floor(v), math.floor(u)
            below, right = min(i + 1, h - 1), min(j + 1, w - 1)
            upper = values[i, j] * (1 - u + j) + values[i, right] * (u - j)
            lower = values[below, j] * (1 - u + j) + values[below, right] * (u - j)
            out[row, column] = upper * (1 - v + i) + lower * (v - i)
    return out


@pytest.mark.parametrize("geometry", CASES)
@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (4, 1), (7, 7)])
def test_place_is_bilinear_interpolation_at_pixel_centres(geometry: Geometry, grid: tuple[int, int]) -> None:
    values = np.random.default_rng(1).normal(size=grid).astype(np.float32)
    for size in (geometry.original, (5, 9)):
        placed = geometry.place(values, None if size == geometry.original else size)
        # float32 results of numbers near 1
        np.testing.assert_allclose(placed, slow_place(geometry, values, size), atol=2e-6)


@pytest.mark.oracle
@pytest.mark.parametrize(("original", "grid"), [((13, 8), (4, 3)), ((5, 21), (7, 7)), ((3, 3), (6, 5))])
def test_place_of_a_stretch_is_torch_interpolate(original: tuple[int, int], grid: tuple[int, int]) -> None:
    values = torch.randn(grid, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(
        values[None, None], size=original, mode="bilinear", align_corners=False
    )[0, 0]
    placed = Geometry.stretch(original, (224, 160)).place(values.numpy())
    np.testing.assert_allclose(placed, expected.numpy(), atol=2e-6)


def test_place_of_a_mirrored_input_is_the_mirrored_map() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    straight = Geometry((6, 8), (12, 16), 2.0, 2.0, 0.0, 0.0).place(values)
    mirrored = Geometry((6, 8), (12, 16), -2.0, 2.0, 16.0, 0.0).place(values[:, ::-1])
    np.testing.assert_allclose(mirrored, straight, atol=1e-6)


def test_place_is_nan_exactly_where_the_model_saw_nothing() -> None:
    geometry = Geometry((10, 20), (10, 10), 1.0, 1.0, -5.0, 0.0)
    placed = geometry.place(np.ones((2, 2), np.float32))
    assert np.isnan(placed[:, :5]).all() and np.isnan(placed[:, 15:]).all()
    assert (placed[:, 5:15] == 1).all()
    assert (np.isnan(placed) == ~geometry.seen()).all()


@pytest.mark.parametrize("geometry", CASES)
def test_boxes_there_and_back_are_the_same(geometry: Geometry) -> None:
    box = (0.5, 0.25, 0.75, 1.0)
    np.testing.assert_allclose(geometry.box_to_original(geometry.box_to_model(box)), box, atol=1e-12)
    x0, y0, x1, y1 = geometry.box_to_model(box)
    assert x0 < x1 and y0 < y1


@pytest.mark.parametrize("geometry", CASES)
def test_seen_box_holds_the_seen_pixels(geometry: Geometry) -> None:
    x0, y0, x1, y1 = geometry.seen_box
    rows, columns = np.nonzero(geometry.seen())
    assert x0 <= columns.min() + 0.5 and columns.max() + 0.5 <= x1
    assert y0 <= rows.min() + 0.5 and rows.max() + 0.5 <= y1
    # Not looser than half a pixel either.
    assert columns.min() - x0 < 1 and x1 - columns.max() - 1 < 1


def test_seen_box_of_a_centre_crop() -> None:
    assert Geometry((10, 20), (10, 10), 1.0, 1.0, -5.0, 0.0).seen_box == (5.0, 0.0, 15.0, 10.0)


@pytest.mark.parametrize("geometry", CASES)
def test_weights_of_a_partition_add_up_to_the_weights_of_everything(geometry: Geometry) -> None:
    owner = np.random.default_rng(0).integers(0, 3, geometry.original)
    parts = sum(geometry.cell_weights(owner == one, (3, 4)) for one in range(3))
    whole = geometry.cell_weights(np.ones(geometry.original), (3, 4))
    np.testing.assert_allclose(parts, whole, atol=1e-12)


def test_weights_of_everything_are_one_in_cells_wholly_in_the_picture() -> None:
    padded = Geometry((8, 4), (8, 8), 1.0, 1.0, 2.0, 0.0)
    weights = padded.cell_weights(np.ones((8, 4)), (2, 4))
    np.testing.assert_allclose(weights, [[0, 1, 1, 0]] * 2)


@pytest.mark.parametrize("geometry", CASES)
def test_weights_hold_the_area_of_the_mask(geometry: Geometry) -> None:
    mask = np.random.default_rng(0).random(geometry.original)
    weights, grid = geometry.cell_weights(mask, (5, 2)), (5, 2)
    area = 0.0
    for row, column in np.ndindex(mask.shape):
        x0, y0, x1, y1 = geometry.box_to_model((column, row, column + 1, row + 1))
        inside_x = max(0.0, min(x1, geometry.model[1]) - max(x0, 0.0))
        inside_y = max(0.0, min(y1, geometry.model[0]) - max(y0, 0.0))
        area += mask[row, column] * inside_x * inside_y
    cell = geometry.model[0] / grid[0] * geometry.model[1] / grid[1]
    assert weights.sum() * cell == pytest.approx(area)


def test_matrix_survives_json() -> None:
    geometry = CASES[0]
    matrix = json.loads(json.dumps(geometry.matrix))
    assert Geometry.from_matrix(geometry.original, geometry.model, matrix) == geometry


@pytest.mark.parametrize(("original", "sx"), [((4, 4), 0.0), ((0, 4), 1.0)])
def test_empty_geometry_is_refused(original: tuple[int, int], sx: float) -> None:
    with pytest.raises(InputError, match=r"(?s)zero scale or an empty size.*at least 1x1.*preprocessing"):
        Geometry(original, (4, 4), sx, 1.0, 0.0, 0.0)
