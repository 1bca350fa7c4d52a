"""Occlusion: closed forms on linear scores, a slow loop on a real CNN's worth of cases."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.occlusion import Occlusion
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess
from tests.attribution.small_networks import (
    ConstantPicture,
    LinearPicture,
    SmallCNN,
    draw,
    explain,
    maps_of,
)


def test_one_pixel_windows_on_a_linear_score_give_weight_times_pixel_minus_fill() -> None:
    network, x = LinearPicture((5, 7)), draw(2, 3, 5, 7)
    ours = maps_of(Occlusion(window=1, stride=1, fill=0.4), network, x, [2, 0])
    for i, row in enumerate([2, 0]):
        wanted = (network.weight[row] * (x[i] - 0.4)).sum(0).detach()
        torch.testing.assert_close(ours[i], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("window", "stride"), [((3, 4), (2, 3)), ((5, 5), (5, 5)), ((1, 2), (4, 4))])
def test_the_map_is_that_of_a_loop_over_windows(window: tuple[int, int], stride: tuple[int, int]) -> None:
    network, x = SmallCNN(deep=True), draw(2, 3, 11, 14)
    ours = maps_of(Occlusion(window, stride, score="probability"), network, x, 1, batch_size=7)
    for picture, one in zip(x, ours, strict=True):
        before = network(picture[None]).softmax(1)[0, 1].detach()
        lost, times = torch.zeros(11, 14), torch.zeros(11, 14)
        for top in range(0, 11 - window[0] + stride[0], stride[0]):
            for left in range(0, 14 - window[1] + stride[1], stride[1]):
                hidden = picture.clone()
                hidden[:, top : top + window[0], left : left + window[1]] = 0
                loss = before - network(hidden[None]).softmax(1)[0, 1].detach()
                lost[top : top + window[0], left : left + window[1]] += loss
                times[top : top + window[0], left : left + window[1]] += 1
        torch.testing.assert_close(one, lost / times.clamp(min=1), rtol=1e-4, atol=1e-6)


def test_the_default_window_is_an_eighth_and_moves_by_half() -> None:
    answer = explain(Occlusion(), SmallCNN(), draw(1, 3, 32, 48))[0]
    assert answer.meta.choices["window"] == "6x4 px every 3x2"
    assert answer.meta.cost["forwards"] == 1 + 15 * 15
    assert answer.kind == "effect" and answer.signed and answer.map.shape == (32, 48)


def test_named_fills_are_put_in() -> None:
    network, x = LinearPicture((4, 6)), draw(1, 3, 4, 6)
    recipe = Preprocess(size=(4, 6), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    method = Occlusion(window=1, stride=1, fill="black")
    ours = maps_of(method, Backbone(network, preprocess=recipe), x)[0]
    black = torch.tensor([-2.5, -1.6, -0.6])[:, None, None]
    torch.testing.assert_close(
        ours, (network.weight[0] * (x[0] - black)).sum(0).detach(), rtol=1e-4, atol=1e-4
    )
    two = draw(2, 3, 4, 6)
    mean = two[1].mean((1, 2), keepdim=True)
    ours = maps_of(Occlusion(window=1, stride=1, fill="mean"), network, two, batch_size=5)[1]
    torch.testing.assert_close(
        ours, (network.weight[0] * (two[1] - mean)).sum(0).detach(), rtol=1e-4, atol=1e-4
    )


def test_a_constant_network_loses_nothing() -> None:
    assert not maps_of(Occlusion(), ConstantPicture(1.0, 3.0), draw(1, 3, 6, 6)).any()


def test_a_batch_equals_its_parts_and_one_pixel_and_one_class_work() -> None:
    network, x = SmallCNN(deep=True), draw(3, 3, 9, 13)
    together = maps_of(Occlusion(), network, x, [0, 1, 2])
    alone = torch.cat([maps_of(Occlusion(), network, x[i : i + 1], i) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    single, pixel = LinearPicture((1, 1), classes=1), draw(1, 3, 1, 1)
    wanted = (single.weight[0] * pixel[0]).sum(0).detach()
    torch.testing.assert_close(maps_of(Occlusion(), single, pixel)[0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["window", "stride"])
def test_a_window_or_stride_of_no_pixels_is_refused(name: str) -> None:
    for value in (0, (3, 0), (2, 2, 2)):
        with pytest.raises(InputError, match=rf"(?s)Occlusion got {name}=.*at least 1, or \(vertical"):
            Occlusion(**{name: value})  # type: ignore[arg-type]
