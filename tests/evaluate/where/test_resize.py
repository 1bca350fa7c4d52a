"""Maps to mask pixels as torch does it, masks to cells by area."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.evaluate.where.resize import averaged, mask_at_grid, resize


@pytest.mark.parametrize(
    ("grid", "size"),
    [((7, 7), (33, 40)), ((3, 5), (96, 96)), ((1, 1), (4, 3)), ((1, 6), (5, 6)), ((20, 31), (37, 31))],
)
def test_resizing_is_torchs_bilinear(grid: tuple[int, int], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, *grid))
    peer = torch.nn.functional.interpolate(torch.from_numpy(maps)[:, None], size, mode="bilinear")[:, 0]
    np.testing.assert_allclose(resize(maps, size), peer.numpy(), atol=1e-12)


def test_a_constant_map_stays_constant_to_the_bit_and_no_map_leaves_its_range() -> None:
    constant = resize(np.full((1, 7, 5), 0.1), (31, 45))
    assert (constant == 0.1).all()
    maps = np.random.default_rng(1).normal(size=(50, 6, 7)) * 1e5
    larger = resize(maps, (40, 41))
    assert (larger.min((1, 2)) >= maps.min((1, 2))).all() and (larger.max((1, 2)) <= maps.max((1, 2))).all()


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (1, 1), (8, 12), (7, 11)])
def test_cells_hold_the_share_that_the_mask_covers(grid: tuple[int, int]) -> None:
    masks = np.random.default_rng(2).random((2, 8, 12)) < 0.4
    # An oracle without fractions: every pixel cut into grid x grid equal pieces, every cell a block of pieces.
    pieces = masks.repeat(grid[0], 1).repeat(grid[1], 2).astype(float)
    expected = pieces.reshape(2, grid[0], 8, grid[1], 12).mean((2, 4))
    np.testing.assert_allclose(mask_at_grid(masks, grid), expected, atol=1e-12)


def test_cells_that_cut_pixels_count_them_by_area() -> None:
    masks = np.zeros((1, 3, 5), bool)
    masks[0, 1] = True
    np.testing.assert_allclose(mask_at_grid(masks, (2, 3)), np.full((1, 2, 3), 1 / 3))
    random = np.random.default_rng(3).random((2, 13, 17)) < 0.5
    np.testing.assert_allclose(mask_at_grid(random, (5, 7)).mean((1, 2)), random.mean((1, 2)))
    with pytest.raises(InputError, match="The grid is 14 x 8 for masks of 13 x 17"):
        mask_at_grid(random, (14, 8))


def test_a_map_larger_than_the_mask_loses_no_mass() -> None:
    maps = np.zeros((1, 32, 33))
    maps[0, 3, 5] = 1.0  # bilinear points of 4 x 3 cells see nothing of it
    small = resize(maps, (4, 3))
    np.testing.assert_allclose(small.mean((1, 2)), maps.mean((1, 2)))
    assert small[0, 0, 0] == pytest.approx(1 / 88) and np.count_nonzero(small) == 1
    mixed = resize(maps, (4, 66))  # one axis shrinks, the other grows
    assert mixed.shape == (1, 4, 66) and mixed[0, 0].max() > 0


@pytest.mark.parametrize(("old", "new"), [(80, 32), (33, 32), (7, 3), (50, 1), (64, 32)])
def test_means_over_cells_keep_equal_values_equal(old: int, new: int) -> None:
    maps = np.full((2, 3, old), 0.1)
    maps[1, 1] = 0.7
    shrunk = averaged(maps, 2, new)
    assert shrunk.shape == (2, 3, new) and set(shrunk.ravel().tolist()) == {0.1, 0.7}
    values = np.random.default_rng(0).normal(size=(1, 2, old))
    pieces = values.repeat(new, 2).reshape(1, 2, new, old).mean(3)
    np.testing.assert_allclose(averaged(values, 2, new), pieces, atol=1e-12)
