from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.backbones.layout import FeatureLayer
from seewhy.backbones.split import Cut, Split
from seewhy.concepts.base import Dictionary
from seewhy.concepts.factorise import PCA, SemiNMF
from seewhy.importance.shares import Concepts, Shares, is_affine, remainder_of, shares_of
from tests.models.detectors import put


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


# ------------------------------------------------------------------ in concepts


def by_concepts(
    net: Backbone, x: torch.Tensor, space: Dictionary, row: int, layer: str, baseline: bool
) -> tuple[Shares, torch.Tensor]:
    """Shares of the first picture, and its reconstruction."""
    split = net.split(layer, size=(x.shape[2], x.shape[3]))
    cut = split.cut(x)
    space.fit(cut.features.movedim(1, 3).flatten(0, 2))
    one = cut.take(torch.tensor([0]))
    codes = space.maps(one.features)
    base = split.cut(torch.zeros_like(x[:1])) if baseline else None
    shares = shares_of(split, one, row, base, concepts=Concepts(codes, space.rebuild), batch_size=5)
    decoded = torch.einsum("bkhw,kc->bchw", codes, space.atoms) + space.mean[:, None, None]
    return shares, decoded


@pytest.mark.parametrize("kind", [SemiNMF, PCA])
def test_concepts_of_an_affine_tail_are_head_times_atom_times_code(kind: type[Dictionary]) -> None:
    net, x = backbone(linear_tail())
    space = kind(2)
    shares, decoded = by_concepts(net, x, space, 2, "stem", baseline=False)
    with torch.no_grad():
        head = net.module.tail[2]
        codes = space.maps(net.split(size=(6, 10)).cut(x[:1]).features)[0]
        expected = (space.atoms @ head.weight[2])[:, None, None] * codes / codes[0].numel()
        base = float(head.bias[2] + head.weight[2] @ space.mean)
        np.testing.assert_allclose(shares.by_place, expected, atol=1e-6)
        assert shares.bias == pytest.approx(base, abs=1e-5) and shares.points == 1
        logit = float(put(net.module, "stem", x[:1], lambda _: decoded)[0, 2])
    assert shares.logit == pytest.approx(logit, abs=1e-5)
    assert shares.bias + shares.by_place.sum() == pytest.approx(logit, abs=1e-5)


def test_concepts_of_a_split_before_the_last_block_add_up_to_the_reconstruction() -> None:
    block = nn.Sequential(nn.GELU(), nn.Conv2d(3, 3, 3, padding=1), nn.GELU(), linear_tail())
    net, x = backbone(block)
    shares, decoded = by_concepts(net, x, SemiNMF(2), 1, "stem", baseline=True)
    logit = float(put(net.module, "stem", x[:1], lambda _: decoded)[0, 1])
    nothing = float(put(net.module, "stem", x[:1], torch.zeros_like)[0, 1])
    assert shares.adds_up and shares.points >= 8
    assert shares.bias == pytest.approx(nothing, abs=1e-5)
    assert shares.logit == pytest.approx(logit, abs=1e-5)
    mass = abs(nothing) + np.abs(shares.by_place.sum((1, 2))).sum()
    assert abs(shares.bias + shares.by_place.sum() - logit) <= 1e-4 * mass


def test_the_class_token_is_a_row_beside_concepts_of_signed_features() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), depth=3, num_classes=5).eval()
    x = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    shares, decoded = by_concepts(Backbone(vit), x, SemiNMF(3), 4, "blocks.1", baseline=True)
    tokens = decoded.flatten(2).transpose(1, 2)
    logit = float(put(vit, "blocks.1", x[:1], lambda out: torch.cat([out[:, :1], tokens], 1))[0, 4])
    blank: list[torch.Tensor] = []
    put(vit, "blocks.1", torch.zeros_like(x[:1]), lambda out: blank.append(out[:, :1].clone()) or out)
    nothing = put(vit, "blocks.1", x[:1], lambda _: torch.cat([blank[0], torch.zeros_like(tokens)], 1))[0, 4]
    ((name, token),) = shares.elsewhere
    assert name == "already in the class token" and token != 0 and shares.adds_up
    assert shares.bias == pytest.approx(float(nothing), abs=1e-5)
    assert shares.bias + shares.by_place.sum() + token == pytest.approx(logit, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 2.0])
def test_a_tail_is_not_called_affine_because_the_features_are_all_alike(level: float) -> None:
    net, x = backbone(nn.Sequential(nn.ReLU(), linear_tail()))
    split = net.split(size=(6, 10))
    for pictures in (x, x[:1]):
        cut = split.cut(pictures)
        assert not is_affine(split, Cut(torch.full_like(cut.features, level), cut.rest))


def test_one_number_as_features_is_no_proof_either() -> None:
    module = nn.Sequential(nn.Conv2d(3, 1, 6), nn.Tanh(), nn.Flatten(), nn.Linear(1, 2)).eval()
    split = Split(module, FeatureLayer("0", "bchw", (1, 1), 1), lambda y: y, sealed=True)
    assert not is_affine(split, split.cut(torch.ones(1, 3, 6, 6)))
