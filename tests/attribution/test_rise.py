"""RISE: both estimators typed again, exact on additive scores, deaf to offsets, the same for every batch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seewhy.attribution.masks import RandomGrids, bilinear
from seewhy.attribution.rise import RISE, MaskedSums, rank_correlation
from seewhy.errors import InputError
from tests.attribution.small_networks import (
    ConstantPicture,
    LinearPicture,
    SmallCNN,
    draw,
    explain,
    maps_of,
)


@pytest.mark.parametrize("estimator", ["covariance", "paper"])
@pytest.mark.parametrize("sampler", ["sobol", "bernoulli"])
def test_the_map_is_that_of_the_formula(estimator: str, sampler: str) -> None:
    network, x = SmallCNN(deep=True), draw(2, 3, 11, 14)
    method = RISE(masks=30, grid=(3, 4), p=0.4, estimator=estimator, sampler=sampler)  # type: ignore[arg-type]
    ours = maps_of(method, network, x, [1, 3], seed=6, batch_size=8)
    drawn = RandomGrids.draw(30, (3, 4), (11, 14), 0.4, sampler, 6)  # type: ignore[arg-type]
    masks = []
    for grid, (dy, dx) in zip(drawn.grids, drawn.shifts.tolist(), strict=True):
        canvas = F.interpolate(grid[None, None], (4 * 4, 5 * 4), mode="bilinear", align_corners=False)[0, 0]
        masks.append(canvas[dy : dy + 11, dx : dx + 14].double())
    for picture, row, one in zip(x, [1, 3], ours, strict=True):
        s = [network((picture * m.float())[None]).softmax(1)[0, row].item() for m in masks]
        mean_s, mean_m = sum(s) / 30, torch.stack(masks).mean(0)
        if estimator == "paper":
            wanted = sum(si * m for si, m in zip(s, masks, strict=True)) / (30 * 0.4)
        else:
            above = sum((si - mean_s) * (m - mean_m) for si, m in zip(s, masks, strict=True))
            wanted = above / sum((m - mean_m) ** 2 for m in masks)
        assert isinstance(wanted, Tensor)
        torch.testing.assert_close(one, wanted.float(), rtol=1e-3, atol=1e-6)


def _smoothed(weights: Tensor, size: tuple[int, int]) -> Tensor:
    """Slope of an additive score where cells are balanced and there is one a pixel, so that nothing shifts.

    With m = R_y z R_x^T, the slope at u is sum_v a_v cov(m_u, m_v) / var(m_u), and cov is K = R R^T.
    """
    rows, columns = (bilinear(n, n + 1)[:n] for n in size)
    k_rows, k_columns = rows @ rows.T, columns @ columns.T
    return k_rows @ weights @ k_columns / (k_rows.diagonal()[:, None] * k_columns.diagonal()[None])


def test_balanced_masks_recover_an_additive_score_without_noise() -> None:
    network, x = LinearPicture((4, 6)), draw(2, 3, 4, 6)
    answers = explain(RISE(masks=256, grid=(4, 6), score="logit"), network, x, 1)
    for answer, picture in zip(answers, x, strict=True):
        wanted = _smoothed((network.weight[1] * picture).sum(0).detach(), (4, 6))
        torch.testing.assert_close(torch.tensor(answer.map), wanted, rtol=1e-4, atol=1e-4)
    assert answers[0].kind == "effect"


def test_independent_masks_leave_noise_on_the_same_score() -> None:
    network, x = LinearPicture((4, 6)), draw(1, 3, 4, 6)
    wanted = _smoothed((network.weight[1] * x[0]).sum(0).detach(), (4, 6))
    ours = maps_of(RISE(masks=256, grid=(4, 6), score="logit", sampler="bernoulli"), network, x, 1)[0]
    correlation = torch.corrcoef(torch.stack([ours.flatten(), wanted.flatten()]))[0, 1]
    assert 0.8 < float(correlation) < 0.999


def test_the_slope_does_not_see_an_offset_of_the_score_and_scales_with_it() -> None:
    network, x = LinearPicture((6, 6)), draw(1, 3, 6, 6)
    method = RISE(masks=64, grid=3, score="logit")
    plain = maps_of(method, network, x)
    with torch.no_grad():
        network.bias += 1000.0
        torch.testing.assert_close(maps_of(method, network, x), plain, rtol=1e-3, atol=1e-3)
        network.bias -= 1000.0
        network.weight *= 3.0
    torch.testing.assert_close(maps_of(method, network, x), 3 * plain, rtol=1e-4, atol=1e-4)


def test_each_half_takes_its_own_mean_off() -> None:
    masks, s = RandomGrids.draw(40, (3, 3), (9, 9), 0.5, "bernoulli", 0), draw(2, 40).double()
    some = torch.arange(0, 40, 2)
    plain, shifted = (MaskedSums.over(masks, scores, some).slopes() for scores in (s, s + 7))
    torch.testing.assert_close(plain, shifted, rtol=1e-4, atol=1e-4)


def test_a_constant_network_has_no_slope_and_the_papers_form_its_constant() -> None:
    network, x = ConstantPicture(0.0, 0.0), draw(1, 3, 12, 18)
    assert not maps_of(RISE(masks=64), network, x).any()
    paper = maps_of(RISE(masks=2048, grid=3, estimator="paper"), network, x)
    # Probability one half, times the mean mask over p, which is 1 but for sampling.
    torch.testing.assert_close(paper, torch.full_like(paper, 0.5), rtol=0.05, atol=0)


def test_chunks_and_neighbours_do_not_change_the_map_and_the_seed_does() -> None:
    network, x = SmallCNN(deep=True), draw(3, 3, 9, 13)
    method = RISE(masks=40, grid=3)
    together = maps_of(method, network, x, seed=2)
    torch.testing.assert_close(
        maps_of(method, network, x, seed=2, batch_size=7), together, rtol=1e-4, atol=1e-7
    )
    alone = torch.cat([maps_of(method, network, x[i : i + 1], seed=2) for i in range(3)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-7)
    assert torch.equal(maps_of(method, network, x, seed=2), together)
    assert not torch.allclose(maps_of(method, network, x, seed=3), together, rtol=0.1)


def test_the_agreement_of_halves_is_told() -> None:
    def told(network: torch.nn.Module, masks: int) -> float:
        answer = explain(RISE(masks=masks, grid=4, score="logit"), network, draw(1, 3, 8, 8))[0]
        assert answer.meta.seed == 0
        return float(answer.meta.choices["agreement of halves"].removeprefix("rank correlation "))

    assert told(LinearPicture((8, 8)), 2048) > 0.95
    assert told(LinearPicture((8, 8)), 2048) > told(LinearPicture((8, 8)), 40)


def test_rank_correlation_is_spearmans() -> None:
    one, other = draw(2, 4, 5), draw(2, 4, 5, seed=1)
    n = 20
    for a, b, ours in zip(one.flatten(1), other.flatten(1), rank_correlation(one, other), strict=True):
        ranks = [[int((v < w).sum()) for w in v] for v in (a, b)]
        d2 = sum((r - q) ** 2 for r, q in zip(*ranks, strict=True))
        assert float(ours) == pytest.approx(1 - 6 * d2 / (n * (n * n - 1)))


def test_one_pixel_and_one_class_work() -> None:
    network, x = LinearPicture((1, 1), classes=1), draw(1, 3, 1, 1)
    wanted = (network.weight[0] * x[0]).sum(0).detach()
    torch.testing.assert_close(
        maps_of(RISE(masks=8, score="logit"), network, x)[0], wanted, rtol=1e-4, atol=1e-5
    )


def test_settings_that_make_no_sense_are_refused_in_words() -> None:
    for wrong in ({"masks": 1}, {"grid": 0}, {"p": 1.0}, {"grid": (2, 2, 2)}):
        with pytest.raises(InputError, match=r"(?s)RISE got masks=.*Try masks=2000, grid=7, p=0\.5"):
            RISE(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"estimator='mean'\.\n  It is 'covariance' or 'paper'"):
        RISE(estimator="mean")  # type: ignore[arg-type]
