from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.importance.shares import is_affine, remainder_of, shares_of


class Tail(nn.Module):
    """A convolution, then a tail of our choice on its 3 channels."""

    def __init__(self, tail: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 2, stride=2)
        self.tail = tail

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.stem(x))


class Quadratic(nn.Module):
    """logit_k = sum over cells and channels of c_k a^2; its integral from zero is exact with one node."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        squared = (a**2).sum((1, 2, 3))
        return torch.stack([squared, -2 * squared], 1)


def backbone(tail: nn.Module, size: tuple[int, int] = (6, 10)) -> tuple[Backbone, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    module = Tail(tail).eval()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return Backbone(module, layer="stem"), torch.randn(2, 3, *size, generator=generator)


def linear_tail() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))


def test_shares_of_pooling_and_a_linear_head_are_weight_times_mean() -> None:
    net, x = backbone(linear_tail())
    split = net.split(size=(6, 10))
    cut = split.cut(x[:1])
    shares = shares_of(split, cut, 2, None)
    head = net.module.tail[2].requires_grad_(False)
    expected = head.weight[2].double() * cut.features[0].double().mean((1, 2))
    np.testing.assert_allclose(shares.by_place.sum((1, 2)), expected.detach(), atol=1e-6)
    assert shares.bias == pytest.approx(float(head.bias[2].detach()))
    assert shares.bias + shares.by_place.sum() == pytest.approx(shares.logit, abs=1e-5)


def test_an_affine_tail_is_recognised_and_others_are_not() -> None:
    net, x = backbone(linear_tail())
    split = net.split(size=(6, 10))
    assert is_affine(split, split.cut(x))
    for tail in (
        Quadratic(),
        nn.Sequential(nn.ReLU(), linear_tail()),
        nn.Sequential(linear_tail(), nn.Tanh()),
    ):
        net, x = backbone(tail)
        split = net.split(size=(6, 10))
        assert not is_affine(split, split.cut(x)), tail


def test_shares_of_a_quadratic_tail_follow_the_closed_form() -> None:
    net, x = backbone(Quadratic())
    split = net.split(size=(6, 10))
    cut, base = split.cut(x[:1]), split.cut(torch.zeros(1, 3, 6, 10))
    shares = shares_of(split, cut, 1, base)
    a, b = cut.features[0].double().detach(), base.features[0].double().detach()
    np.testing.assert_allclose(shares.by_place, -2 * (a**2 - b**2), atol=1e-5)
    assert shares.adds_up and shares.points == 8


def test_points_are_added_where_the_sum_fails_until_it_holds() -> None:
    net, x = backbone(nn.Sequential(nn.ReLU(), linear_tail(), nn.Tanh()))
    split = net.split(size=(6, 10))
    shares = shares_of(split, split.cut(3 * x[:1]), 0, split.cut(torch.zeros(1, 3, 6, 10)), batch_size=5)
    assert 8 < shares.points <= 1024 and shares.adds_up
    mass = abs(shares.bias) + np.abs(shares.by_place.sum((1, 2))).sum()
    assert abs(shares.gap) <= 0.5e-4 * mass


def test_the_batch_size_does_not_change_the_shares() -> None:
    net, x = backbone(nn.Sequential(linear_tail(), nn.Sigmoid()))
    split = net.split(size=(6, 10))
    cut, base = split.cut(x[:1]), split.cut(torch.zeros(1, 3, 6, 10))
    one, many = (shares_of(split, cut, 0, base, batch_size=n).by_place for n in (1, 64))
    np.testing.assert_allclose(one, many, atol=1e-9)


def test_the_remainder_is_the_tail_on_what_is_missing() -> None:
    net, x = backbone(linear_tail())
    split = net.split(size=(6, 10))
    cut = split.cut(x[:1])
    assert remainder_of(split, cut, cut.features, 3) == 0
    without = cut.features.clone()
    without[:, 1] = 0
    head = net.module.tail[2].requires_grad_(False)
    missing = float(head.weight[3, 1] * cut.features[0, 1].mean())
    assert remainder_of(split, cut, without, 3) == pytest.approx(missing, abs=1e-5)
