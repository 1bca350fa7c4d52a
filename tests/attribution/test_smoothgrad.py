"""SmoothGrad: exact on quadratic scores, saliency without noise, variance by its closed form."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.saliency import Saliency
from seewhy.attribution.smoothgrad import SmoothGrad
from seewhy.errors import InputError
from tests.attribution.small_networks import LinearPicture, QuadraticPicture, SmallCNN, draw, explain, maps_of

SIZE = (4, 6)


def test_antithetic_noise_leaves_the_gradient_of_a_quadratic_score() -> None:
    network, x = QuadraticPicture(SIZE), draw(2, 3, *SIZE)
    smooth = maps_of(SmoothGrad(n=4, level=0.5, reduce="sum"), network, x)
    torch.testing.assert_close(smooth, (2 * network.weight[0] * x).sum(1).detach(), rtol=1e-4, atol=1e-4)
    alone = maps_of(SmoothGrad(n=4, level=0.5, reduce="sum", antithetic=False), network, x)
    assert not torch.allclose(alone, smooth, rtol=1e-2, atol=1e-2), "independent draws leave noise"


def test_without_noise_it_is_saliency_to_the_bit() -> None:
    network, x = SmallCNN(), draw(2, 3, 13, 18)
    answers = explain(SmoothGrad(level=0.0), network, x)
    ours = torch.stack([torch.tensor(answer.map) for answer in answers])
    assert torch.equal(ours, maps_of(Saliency(), network, x))
    assert answers[0].meta.cost["backwards"] == 1


def test_variance_and_mean_square_of_a_quadratic_score() -> None:
    network, x = QuadraticPicture(SIZE), draw(1, 3, *SIZE)
    sigma = 0.3 * float(x.max() - x.min())
    n = 4000
    # The gradient is 2 W (x + e): variance 4 W^2 sigma^2, mean square that plus 4 W^2 x^2.
    variance = (2 * network.weight[0] * sigma).square().detach()
    method = SmoothGrad(n=n, level=0.3, statistic="variance", reduce="abs_sum", antithetic=False)
    # A sample variance of n normal draws has relative deviation sqrt(2 / n) = 0.022; 24 cells within 5 of it.
    torch.testing.assert_close(maps_of(method, network, x)[0], variance.sum(0), rtol=0.12, atol=0)
    square = SmoothGrad(n=n, level=0.3, statistic="square", reduce="abs_sum", antithetic=False)
    wanted = variance.sum(0) + (2 * network.weight[0] * x[0]).square().sum(0).detach()
    torch.testing.assert_close(maps_of(square, network, x)[0], wanted, rtol=0.12, atol=0)


def test_a_linear_score_has_no_variance() -> None:
    maps = maps_of(SmoothGrad(n=8, statistic="variance"), LinearPicture(SIZE), draw(1, 3, *SIZE))
    assert float(maps.max()) < 1e-12


def test_every_picture_gets_the_same_draws_scaled_by_its_own_range() -> None:
    network, x = SmallCNN(deep=True), draw(3, 3, 9, 12)
    x = x * torch.tensor([1.0, 5.0, 0.2])[:, None, None, None]
    together = maps_of(SmoothGrad(n=6), network, x, seed=4, batch_size=4)
    alone = torch.cat([maps_of(SmoothGrad(n=6), network, x[i : i + 1], seed=4) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(maps_of(SmoothGrad(n=6), network, x, seed=5), together, rtol=0.01)


def test_settings_that_make_no_sense_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"n=7 with antithetic=True\.\n  Pairs need an even n\.\n  Pass n=8"):
        SmoothGrad(n=7)
    with pytest.raises(InputError, match=r"n=0, level=-1"):
        SmoothGrad(n=0, level=-1)
    with pytest.raises(InputError, match="statistic='median'"):
        SmoothGrad(statistic="median")  # type: ignore[arg-type]
