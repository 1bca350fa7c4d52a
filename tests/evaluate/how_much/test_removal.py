"""Orders of pixels: by cell, ties and pixels of a cell at random, on an input of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.evaluate.how_much.curves import hidden_counts
from seewhy.evaluate.how_much.removal import FINEST, Cells, hidden_at, kept_while_hiding


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("grid", "size"), [((2, 3), (7, 5)), ((1, 1), (3, 4)), ((4, 4), (4, 4)), ((5, 2), (3, 9))]
)
@pytest.mark.parametrize("at_random", [False, True])
def test_an_order_counts_every_pixel_once(
    grid: tuple[int, int], size: tuple[int, int], at_random: bool
) -> None:
    order = Cells.of(rng().normal(size=grid), size).order(rng(), at_random=at_random)
    assert order.shape == size
    assert sorted(order.ravel().tolist()) == list(range(size[0] * size[1]))


def test_pixels_of_a_stronger_cell_come_before_those_of_a_weaker_one() -> None:
    map_hw = np.array([[3.0, -1.0, 2.0], [0.5, 9.0, -4.0]])
    order = Cells.of(map_hw, (8, 12)).order(rng())
    blocks = order.reshape(2, 4, 3, 4).transpose(0, 2, 1, 3).reshape(6, 16)
    for place, cell in enumerate(np.argsort(-map_hw.ravel())):
        assert sorted(blocks[cell].tolist()) == list(range(16 * place, 16 * place + 16))


def test_ties_and_random_orders_keep_cells_together_and_differ_by_seed() -> None:
    cells = Cells.of(np.array([[1.0, 1.0, 0.0, 0.0]]), (2, 8))
    first = {tuple(cells.order(rng(seed)).reshape(2, 4, 2).min((0, 2)) // 4) for seed in range(40)}
    assert first == {(a, 1 - a, b, 5 - b) for a in (0, 1) for b in (2, 3)}
    by_chance = {
        tuple(cells.order(rng(seed), at_random=True).reshape(2, 4, 2).min((0, 2)) // 4) for seed in range(400)
    }
    assert len(by_chance) == 24


def test_a_pixel_lies_in_the_cell_of_its_centre() -> None:
    cells = Cells.of(np.arange(6.0).reshape(2, 3), (3, 4))
    assert cells.of_pixel.tolist() == [[0, 1, 1, 2], [3, 4, 4, 5], [3, 4, 4, 5]]


def test_fine_maps_are_averaged_over_equal_blocks() -> None:
    fine = rng().normal(size=(2 * FINEST, 3))
    cells = Cells.of(fine, (2 * FINEST, 3))
    np.testing.assert_allclose(cells.values.reshape(FINEST, 3), fine.reshape(FINEST, 2, 3).mean(1))
    assert Cells.of(fine, (5, 2)).values.shape == (10,)


def test_steps_hide_equal_parts_and_end_before_all() -> None:
    order = rng().permutation(35).reshape(5, 7)
    kept = kept_while_hiding(order, 5)
    assert [int(mask.sum()) for mask in kept] == [28, 21, 14, 7]
    assert all((later <= earlier).all() for earlier, later in zip(kept, kept[1:], strict=False))
    assert (order[~kept[0]] < 7).all()
    assert kept_while_hiding(np.zeros((1, 1), int), 4).sum((1, 2)).tolist() == [1, 1, 0]


@pytest.mark.parametrize(("shape", "steps"), [((5, 7), 6), ((9, 9), 32), ((14, 14), 64), ((2, 3), 5)])
def test_receipts_and_metrics_hide_the_same_pixels_at_each_step(shape: tuple[int, int], steps: int) -> None:
    order = rng().permutation(shape[0] * shape[1]).reshape(shape)
    hidden = (~kept_while_hiding(order, steps)).sum((1, 2))
    assert len(hidden) == steps - 1 and len(hidden_at(order.size, steps)) == steps + 1
    assert {0, *hidden.tolist(), order.size} == set(hidden_counts(order.size, steps).tolist())
    reverse = kept_while_hiding(order.size - 1 - order, steps)
    if steps % 2 == 1 or order.size % 2 == 0:
        np.testing.assert_array_equal(~kept_while_hiding(order, steps), reverse[::-1])


@pytest.mark.parametrize("side", [80, 50, 33])
def test_what_is_equal_stays_equal_on_coarser_cells(side: int) -> None:
    assert Cells.of(np.full((side, side), 0.1), (224, 224)).flat
    halves = np.full((side, side), 0.1)
    halves[:, side // 2 :] = 0.7
    # The two values, and where side / 2 lies within a cell what is between them.
    assert len(np.unique(Cells.of(halves, (224, 224)).values)) <= 3


def test_mirrored_orders_break_ties_the_other_way_and_nothing_else() -> None:
    cells = Cells.of(np.array([[1.0, 1.0, 0.0]]), (1, 3))
    assert cells.tied and not cells.flat
    first, second = (cells.order(rng(4), mirrored=one)[0] for one in (False, True))
    assert (first[:2] + second[:2]).tolist() == [1, 1] and first[2] == second[2] == 2
    flat = Cells.of(np.ones((2, 2)), (4, 6))
    np.testing.assert_array_equal(flat.order(rng(1)), 23 - flat.order(rng(1), mirrored=True))


def test_a_flat_map_is_known() -> None:
    assert Cells.of(np.zeros((3, 3)), (6, 6)).flat and not Cells.of(np.eye(3), (6, 6)).flat
