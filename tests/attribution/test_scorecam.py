"""Score-CAM against its steps typed again, one channel at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seewhy.attribution.scorecam import ScoreCAM
from seewhy.errors import InputError
from tests.attribution.small_networks import draw, explain, maps_of


class _FourChannels(nn.Module):
    """Four channels on a 2 x 3 grid of a 7 x 10 picture; the last one is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 4, 3, bias=False))
        self.features[0].weight.data = draw(4, 3, 4, 4, seed=1)  # type: ignore[assignment]
        self.features[0].weight.data[3] = 0  # type: ignore[index]
        self.weight = nn.Parameter(draw(2, 4, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean((2, 3)) @ self.weight.T + 0.1 * x.square().mean((1, 2, 3))[:, None]


def _slow(network: _FourChannels, picture: Tensor, target: int, channels: list[int]) -> Tensor:
    a = network.features(picture[None])[0].detach()
    scores = []
    for d in channels:
        seen = F.interpolate(a[None, d : d + 1], picture.shape[1:], mode="bilinear", align_corners=False)[
            0, 0
        ]
        extent = seen.max() - seen.min()
        seen = (seen - seen.min()) / extent if extent > 0 else torch.zeros_like(seen)
        scores.append(network((picture * seen)[None])[0, target].detach())
    weights = torch.stack(scores).softmax(0)
    return sum((w * a[d] for w, d in zip(weights, channels, strict=True)), torch.zeros(a.shape[1:]))


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_the_map_is_that_of_the_formula_for_any_chunk(chunk: int) -> None:
    network, x = _FourChannels(), draw(3, 3, 7, 10)
    maps = maps_of(ScoreCAM(relu=False), network, x, [1, 0, 1], batch_size=chunk)
    for i, target in enumerate([1, 0, 1]):
        torch.testing.assert_close(maps[i], _slow(network, x[i], target, [0, 1, 2, 3]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps_of(ScoreCAM(), network, x, [1, 0, 1]), maps.relu(), rtol=1e-4, atol=1e-5)


def test_top_k_asks_for_the_strongest_channels_and_tells_what_they_hold() -> None:
    network, x = _FourChannels(), draw(1, 3, 7, 10)
    power = network.features(x)[0].square().sum((1, 2)).detach()
    order = power.argsort(descending=True).tolist()
    answer = explain(ScoreCAM(top_k=2, relu=False), network, x)[0]
    wanted = _slow(network, x[0], 0, order[:2])
    torch.testing.assert_close(torch.tensor(answer.map), wanted, rtol=1e-4, atol=1e-5)
    share = round(100 * float(power[order[:2]].sum() / power.sum()))
    assert answer.meta.choices["channels"].startswith(
        f"the 2 of 4 with the largest norm, which hold {share} %"
    )
    assert answer.meta.cost["forwards"] == 1 + 1 + 2
    assert explain(ScoreCAM(top_k=9), network, x)[0].meta.choices["channels"] == "all 4"


def test_a_top_k_below_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"top_k=0\.\n  It is at least 1"):
        ScoreCAM(top_k=0)
