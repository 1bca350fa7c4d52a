"""What methods are given: scores of changed pictures, gradients, features, and refusals in words."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.engine import Engine
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.question import Question, Who
from seewhy.attribution.saliency import Saliency
from seewhy.backbones.base import Backbone
from seewhy.errors import NotSupported
from tests.attribution.small_networks import LinearPicture, SmallCNN, draw, explain


def _question(network: nn.Module, x: Tensor, rows: list[int], chunk: int) -> Question:
    backbone = Backbone(network)
    return Question(backbone, x, torch.tensor(rows), network(x).detach(), Engine(chunk))


@pytest.mark.parametrize("chunk", [1, 4, 5, 100])
def test_each_version_of_each_picture_gets_its_own_score(chunk: int) -> None:
    network, x = LinearPicture((2, 3)), draw(3, 3, 2, 3)
    question = _question(network, x, [0, 2, 1], chunk)
    factors = torch.tensor([0.0, 1.0, -2.0, 5.0])

    def change(who: Who, k: Tensor) -> Tensor:
        return x[who] * factors[k][:, None, None, None]

    with torch.no_grad():
        scores = question.scores_of_changed(4, change)
    for i, row in enumerate([0, 2, 1]):
        for k, factor in enumerate(factors):
            torch.testing.assert_close(scores[i, k], network(factor * x[i : i + 1])[0, row].detach())
    assert question.cost.forwards == 12


class _NoGradient(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return x.detach().sum((1, 2, 3))[:, None] * self.weight


def test_a_network_that_cuts_the_gradient_is_refused_in_words() -> None:
    with pytest.raises(NotSupported, match=r"(?s)No gradient flows from the score .* take occlusion or rise"):
        explain(Saliency(), _NoGradient(), draw(1, 3, 4, 4))


class _Saturated(SmallCNN):
    """The logits do not move where the mean of the picture is negative."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (x.mean((1, 2, 3)) > 0)[:, None]


def test_a_zero_gradient_at_the_layer_is_refused_in_words() -> None:
    with pytest.raises(NotSupported, match=r"(?s)is zero for these pictures.*explain the logit, or another"):
        explain(GradCAM(), _Saturated(), -torch.ones(2, 3, 12, 16))


def test_a_zero_gradient_of_one_picture_among_others_is_a_zero_map_and_a_warning() -> None:
    x = draw(3, 3, 12, 16)
    x[0], x[1], x[2] = x[0] - x[0].mean() + 1, x[1] - x[1].mean() - 1, x[2] - x[2].mean() + 1
    maps = explain(HiResCAM(), _Saturated(), x)
    assert [bool(m.map.any()) for m in maps] == [True, False, True]
    assert "the gradient is zero, and so is the map, for pictures [1]" in maps[0].meta.warnings
