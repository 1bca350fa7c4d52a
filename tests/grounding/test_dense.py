"""Tokens become cells by the area that they share."""

from __future__ import annotations

import math

import pytest
import torch

from seewhy.errors import UnknownName
from seewhy.grounding.dense import Dense, by_area, covered
from tests.grounding.fake import Patches, inputs


def test_without_a_grid_cells_are_the_tokens() -> None:
    vlm = Patches()
    x = inputs(vlm, 2)
    torch.testing.assert_close(Dense()(vlm, x), vlm.dense(x).movedim(1, -1))
    torch.testing.assert_close(Dense(grid=vlm.token_grid)(vlm, x), vlm.dense(x).movedim(1, -1))
    assert vlm.n_shown == 8  # four times two, one pass each


@pytest.mark.parametrize(
    ("old", "new"), [((3, 4), (2, 3)), ((2, 3), (5, 7)), ((1, 1), (2, 2)), ((6, 4), (3, 2))]
)
def test_means_are_those_over_a_fine_common_raster(old: tuple[int, int], new: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *old, generator=torch.Generator().manual_seed(0))
    fine = maps
    for axis in (0, 1):
        fine = fine.repeat_interleave(math.lcm(old[axis], new[axis]) // old[axis], 2 + axis)
    steps = [fine.shape[2 + axis] // new[axis] for axis in (0, 1)]
    expected = fine.reshape(2, 3, new[0], steps[0], new[1], steps[1]).mean((3, 5))
    torch.testing.assert_close(by_area(maps, new), expected)


def test_shares_of_a_cell_add_up_to_one() -> None:
    for n_from, n_to in ((14, 7), (16, 7), (5, 9), (1, 3)):
        torch.testing.assert_close(
            covered(n_from, n_to).sum(1), torch.ones(n_to, dtype=torch.float64), rtol=0, atol=1e-12
        )


def test_an_unknown_mode_is_told() -> None:
    with pytest.raises(UnknownName, match=r"no dense mode 'naclipp'.\n  Did you mean 'naclip'"):
        Dense("naclipp")
