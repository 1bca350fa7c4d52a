"""Cells lie where their layout says, and prompts pass through a VLM in any batches with the same result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.grounding.base import (
    PerCell,
    centres,
    checked_grid,
    default_at_once,
    even_parts,
    squared_distances,
)
from seewhy.grounding.blur import BlurOutside
from seewhy.grounding.crop import Crop
from seewhy.grounding.dense import Dense
from seewhy.grounding.reattend import Reattend
from seewhy.grounding.red_circle import RedCircle
from tests.grounding.fake import Patches, inputs

PROMPTERS = [
    RedCircle((3, 5), radius=0.3, width=0.1),
    RedCircle((2, 3), radius=0.2, layout="inside"),
    RedCircle(1),
    Crop((3, 2), size=0.4),
    BlurOutside((2, 5), radius=0.2),
    Reattend((3, 5)),
    Dense(grid=(2, 5)),
    Dense("maskclip"),
]


def test_cells_are_centred_in_their_part_of_the_side() -> None:
    rows, columns = centres((10, 21), (4, 3))
    assert rows.tolist() == [(i + 0.5) * 10 / 4 for i in range(4)] == [1.25, 3.75, 6.25, 8.75]
    assert columns.tolist() == [3.5, 10.5, 17.5]
    assert [c.tolist() for c in centres((9, 8), (1, 1))] == [[4.5], [4.0]]


def test_circles_inside_touch_the_frame_and_are_evenly_spaced() -> None:
    rows, columns = centres((224, 300), (7, 5), "inside", 32)
    # As pixel numbers; a pixel's middle is half a pixel further.
    np.testing.assert_allclose(rows - 0.5, np.linspace(32, 224 - 32 - 1, 7))
    np.testing.assert_allclose(columns - 0.5, np.linspace(32, 300 - 32 - 1, 5))
    assert centres((9, 8), (1, 1), "inside", 2)[0].tolist() == [4.5]
    with pytest.raises(InputError, match=r"radius 10 pixels is to lie inside 20 pixels(?s:.*)layout='cell'"):
        centres((30, 20), (2, 2), "inside", 10)


def test_distances_are_those_of_middles_of_cells_and_places() -> None:
    rows, columns = centres((6, 9), (2, 3))
    found = squared_distances(rows, columns, (6, 9), (3, 3))
    for cell in range(6):
        for i in range(3):
            for j in range(3):
                y, x = (i + 0.5) * 2, (j + 0.5) * 3
                cy, cx = (cell // 3 + 0.5) * 3, (cell % 3 + 0.5) * 3
                assert found[cell, i, j] == (y - cy) ** 2 + (x - cx) ** 2
    assert squared_distances(rows, columns, (6, 9)).shape == (6, 6, 9)


def test_parts_cover_everything_once_in_order() -> None:
    for n, n_parts in ((49, 4), (7, 7), (3, 9), (5, 1)):
        parts = list(even_parts(n, n_parts))
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(n))
        sizes = [part.stop - part.start for part in parts]
        assert len(parts) == min(n, n_parts) and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("prompter", PROMPTERS, ids=repr)
def test_embeddings_are_unit_rows_of_each_cell_whatever_the_batch(prompter: Any) -> None:
    vlm = Patches()
    x = inputs(vlm, 5)
    whole = prompter(vlm, x)
    grid = prompter.grid or vlm.token_grid
    assert whole.shape == (5, *grid, 6) and whole.dtype == torch.float32
    torch.testing.assert_close(whole.norm(dim=-1), torch.ones(5, *grid))
    torch.testing.assert_close(torch.cat([prompter(vlm, one[None]) for one in x]), whole)
    assert (whole[0] - whole[1]).abs().max() > 1e-3
    assert np.prod(grid) == 1 or (whole[:, 0, 0] - whole[:, -1, -1]).abs().max() > 1e-3


@pytest.mark.parametrize("at_once", [1, 2, 4, 7, 1000])
def test_prompts_at_once_change_nothing_but_the_number_of_passes(at_once: int) -> None:
    sizes: list[int] = []

    class Listening(Patches):
        def _images(self, x: torch.Tensor) -> torch.Tensor:
            sizes.append(len(x))
            return super()._images(x)

    vlm = Listening()
    x = inputs(vlm, 5)
    found = RedCircle((3, 4), radius=0.3, at_once=at_once)(vlm, x)
    assert sum(sizes) == 5 * 12 and max(sizes) <= at_once
    torch.testing.assert_close(found, RedCircle((3, 4), radius=0.3)(Patches(), x))


def test_on_the_cpu_as_many_prompts_as_have_so_many_pixels() -> None:
    assert default_at_once(torch.zeros(1, 3, 224, 224)) == 8
    assert default_at_once(torch.zeros(1, 3, 64, 64)) == 98
    assert default_at_once(torch.zeros(1, 3, 2000, 2000)) == 1


@pytest.mark.parametrize("prompter", PROMPTERS, ids=repr)
def test_inputs_of_another_shape_are_refused_and_the_picture_is_not_drawn_on(prompter: Any) -> None:
    vlm = Patches()
    for wrong in (torch.zeros(2, 3, 24, 24), torch.zeros(3, 24, 32), torch.zeros(0, 3, 24, 32), [1]):
        with pytest.raises(InputError, match=r"A prompter for patches got .*\n.*\(b, 3, 24, 32\)"):
            prompter(vlm, wrong)
    x = inputs(vlm, 2)
    before = x.clone()
    prompter(vlm, x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("prompter", PROMPTERS, ids=repr)
def test_a_description_is_json_and_tells_settings_apart(prompter: Any) -> None:
    import json

    told = prompter.describe()
    assert json.loads(json.dumps(told)) and told["kind"].endswith("/1")
    others = [other.describe() for other in PROMPTERS if other is not prompter]
    assert told not in others
    assert not isinstance(prompter, PerCell) or told["at_once"] is None


def test_a_grid_is_whole_numbers_from_one() -> None:
    assert checked_grid(7) == (7, 7) and checked_grid([2, 3]) == (2, 3)
    for wrong in (0, (0, 7), (7,), (7, 7, 7), 7.0, "77", (True, 2), None):
        with pytest.raises(InputError, match=r"grid is .*\n.*whole numbers from 1"):
            checked_grid(wrong)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RedCircle(0), "grid is 0"),
        (lambda: RedCircle(radius=0), "radius is 0"),
        (lambda: RedCircle(radius=-0.1), "radius is -0.1"),
        (lambda: RedCircle(radius=32), "radius is 32.*\n.*share of the input's side.*\n.*radius=1 / 7"),
        (lambda: RedCircle(width=0.0), "width is 0.0"),
        (lambda: RedCircle(radius=float("nan")), "radius is nan"),
        (lambda: RedCircle(layout="cells"), "layout is 'cells'.\n  Did you mean 'cell'"),  # type: ignore[arg-type]
        (lambda: RedCircle(color=(256, 0, 0)), "color is .256"),
        (lambda: RedCircle(at_once=0), "at_once is 0"),
        (lambda: Crop(size=1.5), "size is 1.5"),
        (lambda: Crop(size=0), "size is 0"),
        (lambda: BlurOutside(sigma=0), "sigma is 0"),
        (lambda: BlurOutside(radius=0), "radius is 0"),
        (lambda: Reattend(sigma=0), "sigma is 0"),
        (lambda: Reattend(strength=-1), "strength is -1"),
        (lambda: Reattend(strength=float("inf")), "strength is inf"),
        (lambda: Dense(grid=(0, 1)), "grid is"),
    ],
)
def test_settings_that_mean_nothing_are_told(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
