"""Masks: rendered as torch's own enlargement would, windows as loops would, draws balanced."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seewhy.attribution.masks import RandomGrids, Windows, bilinear
from seewhy.errors import InputError
from tests.attribution.small_networks import draw


@pytest.mark.parametrize(("n", "size"), [(1, 1), (1, 5), (3, 3), (3, 10), (7, 224), (5, 2)])
def test_bilinear_is_torchs_enlargement(n: int, size: int) -> None:
    cells = draw(4, n)
    wanted = F.interpolate(cells[:, None], size=size, mode="linear", align_corners=False)[:, 0]
    torch.testing.assert_close(cells @ bilinear(n, size).T, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampler", ["sobol", "bernoulli"])
@pytest.mark.parametrize("size", [(20, 33), (7, 5), (1, 1)])
def test_random_grids_are_enlarged_shifted_and_cut(sampler: str, size: tuple[int, int]) -> None:
    masks = RandomGrids.draw(12, (3, 4), size, 0.4, sampler, seed=1)  # type: ignore[arg-type]
    rendered = masks.render(torch.arange(12))
    g, k = min(3, size[0]), min(4, size[1])
    assert masks.grids.shape == (12, g, k)
    step_y, step_x = -(-size[0] // g), -(-size[1] // k)
    for i in range(12):
        canvas = F.interpolate(
            masks.grids[i][None, None], size=((g + 1) * step_y, (k + 1) * step_x), mode="bilinear"
        )[0, 0]
        dy, dx = masks.shifts[i].tolist()
        assert 0 <= dy < step_y and 0 <= dx < step_x
        torch.testing.assert_close(
            rendered[i], canvas[dy : dy + size[0], dx : dx + size[1]], atol=1e-5, rtol=0
        )


def test_sobol_masks_are_balanced_and_uncorrelated() -> None:
    grids = RandomGrids.draw(256, (7, 7), (56, 56), 0.5, "sobol", seed=3).grids.flatten(1)
    together = grids.T @ grids / 256
    assert torch.equal(together.diagonal(), torch.full((49,), 0.5))
    others = together[~torch.eye(49, dtype=torch.bool)]
    assert torch.equal(others, torch.full((49 * 48,), 0.25))


def test_bernoulli_masks_keep_cells_with_the_probability_asked_for() -> None:
    grids = RandomGrids.draw(4000, (5, 5), (25, 25), 0.3, "bernoulli", seed=3).grids
    # 100,000 draws: the mean strays by more than 5 standard deviations once in a million.
    assert abs(float(grids.mean()) - 0.3) < 5 * (0.3 * 0.7 / 100_000) ** 0.5
    assert set(grids.unique().tolist()) == {0.0, 1.0}


def test_draws_depend_on_the_seed_alone() -> None:
    for sampler in ("sobol", "bernoulli"):
        one, same, other = (RandomGrids.draw(64, (4, 4), (32, 32), 0.5, sampler, seed) for seed in (1, 1, 2))
        assert torch.equal(one.grids, same.grids) and torch.equal(one.shifts, same.shifts)
        assert not torch.equal(one.grids, other.grids) and not torch.equal(one.shifts, other.shifts)


def test_more_cells_than_a_sobol_sequence_has_axes_are_refused() -> None:
    with pytest.raises(InputError, match=r"(?s)The grid has 150 x 150 cells.*sampler='bernoulli'"):
        RandomGrids.draw(4, (150, 150), (300, 300), 0.5, "sobol", 0)


@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [((9, 7), (2, 3), (2, 3)), ((9, 7), (4, 4), (1, 2)), ((5, 6), (1, 2), (3, 3)), ((3, 3), (8, 8), (1, 1))],
)
def test_windows_and_their_mean_are_those_of_a_loop(
    size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]
) -> None:
    windows = Windows.slide(size, window, stride)
    values = draw(2, len(windows)).double()
    total, count = torch.zeros(2, *size).double(), torch.zeros(size).double()
    k = 0
    rendered = windows.render(torch.arange(len(windows)))
    for top in range(0, max(size[0] - window[0], 0) + stride[0], stride[0]):
        for left in range(0, max(size[1] - window[1], 0) + stride[1], stride[1]):
            inside = torch.zeros(size, dtype=torch.bool)
            inside[top : top + window[0], left : left + window[1]] = True
            assert torch.equal(rendered[k], inside)
            total[:, inside] += values[:, k : k + 1]
            count[inside] += 1
            k += 1
    assert k == len(windows)
    torch.testing.assert_close(windows.spread(values), total / count.clamp(min=1))
