"""Maps to mask pixels as torch does it, masks to cells by area."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.evaluate.resize import mask_at_grid, resize


@pytest.mark.parametrize(
    ("grid", "size"),
    [((7, 7), (33, 40)), ((3, 5), (96, 96)), ((1, 1), (4, 3)), ((1, 6), (5, 6)), ((20, 31), (7, 11))],
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


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (1, 1), (8, 12), (16, 20)])
def test_cells_hold_the_share_that_the_mask_covers(grid: tuple[int, int]) -> None:
    masks = np.random.default_rng(2).random((2, 8, 12)) < 0.4
    # An oracle without fractions: every pixel cut into grid x grid equal pieces, every cell a block of pieces.
    pieces = masks.repeat(grid[0], 1).repeat(grid[1], 2).astype(float)
    expected = pieces.reshape(2, grid[0], 8, grid[1], 12).mean((2, 4))
    np.testing.assert_allclose(mask_at_grid(masks, grid), expected, atol=1e-12)
