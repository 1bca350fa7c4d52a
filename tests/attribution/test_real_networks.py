"""Real networks on a photograph pasted into an empty canvas: the maps must lie on the photograph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seewhy.attribution.base import Method
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.input_x_gradient import InputXGradient
from seewhy.attribution.integrated_gradients import IntegratedGradients
from seewhy.attribution.layercam import LayerCAM
from seewhy.attribution.occlusion import Occlusion
from seewhy.attribution.rise import RISE
from seewhy.attribution.saliency import Saliency
from seewhy.attribution.scorecam import ScoreCAM
from seewhy.backbones.base import Backbone
from tests.attribution.real_pictures import cifar, imagenet
from tests.attribution.small_networks import draw, explain

pytestmark = pytest.mark.real


def _pasted(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Each picture in the lower right corner of a canvas of the mean colour."""
    canvas = torch.zeros(len(pictures), 3, *size)
    canvas[:, :, size[0] - pictures.shape[2] :, size[1] - pictures.shape[3] :] = pictures
    return canvas


def _share_on_photograph(where: Any, photograph: tuple[int, int], size: tuple[int, int]) -> float:
    """Positive mass in the lower right corner, without the cells at its edge."""
    positive = torch.tensor(where).clamp(min=0)
    h, w = positive.shape
    top = round(h * (size[0] - photograph[0]) / size[0]) - 1
    left = round(w * (size[1] - photograph[1]) / size[1]) - 1
    return float(positive[top:, left:].sum() / positive.sum())


SMALL: list[Method] = [
    Saliency(),
    InputXGradient(),
    IntegratedGradients(steps=16),
    GradCAM(),
    HiResCAM(),
    LayerCAM(),
    ScoreCAM(),
    Occlusion(window=8),
    RISE(masks=256, grid=6, score="log_odds"),
]


@pytest.mark.parametrize("method", SMALL, ids=lambda method: method.name)
def test_resnet20_maps_lie_on_the_photograph(
    real_network: Callable[[str], Any], data: Path, method: Method
) -> None:
    network, meta = real_network("resnet20_cifar10")
    x = _pasted(cifar(data, meta, 3), (48, 64))
    answers = method(Backbone(network), x, preprocess=False)
    # A map that ignores the picture has 0.42 of its mass there. SmoothGrad is not asked: it fills the canvas.
    assert sum(_share_on_photograph(a.map, (32, 32), (48, 64)) for a in answers) / 3 > 0.6


def test_mobilenet_maps_lie_on_the_photograph(real_network: Callable[[str], Any], data: Path) -> None:
    network, meta = real_network("mobilenetv2_imagenet")
    x = _pasted(imagenet(data, meta, 2, (128, 128)), (192, 256))
    backbone = Backbone(network)
    for method in (GradCAM(), HiResCAM(), LayerCAM()):
        answers = method(backbone, x, preprocess=False)
        assert sum(_share_on_photograph(a.map, (128, 128), (192, 256)) for a in answers) / 2 > 0.8


def test_what_is_hidden_where_nothing_is_changes_nothing(
    real_network: Callable[[str], Any], data: Path
) -> None:
    network, meta = real_network("resnet20_cifar10")
    x = _pasted(cifar(data, meta, 1), (48, 64))
    hidden = explain(Occlusion(window=8), network, x, 3)[0].map
    added = explain(IntegratedGradients(steps=8, baseline=0.0), network, x, 3)[0].map
    assert not hidden[:12, :].any() and not added[:16, :].any() and not added[:, :32].any()
    assert hidden[16:, 32:].any()


@pytest.mark.parametrize("name", ["resnet20_cifar10", "mobilenetv2_imagenet"])
def test_hirescam_adds_up_on_both_networks(real_network: Callable[[str], Any], data: Path, name: str) -> None:
    network, meta = real_network(name)
    x = cifar(data, meta, 3) if name == "resnet20_cifar10" else imagenet(data, meta, 1, (128, 160))
    for answer in explain(HiResCAM(), network, x, 7):
        assert answer.kind == "share" and answer.gap is not None and answer.gap < 1e-4


def test_a_map_needs_trained_weights(real_network: Callable[[str], Any], data: Path) -> None:
    """Parameters drawn anew change the map; the picture alone does not make it."""
    network, meta = real_network("resnet20_cifar10")
    x = cifar(data, meta, 1)
    drawn = type(network)(3).eval()
    for i, parameter in enumerate(drawn.parameters()):
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        parameter.data = draw(*parameter.shape, seed=i) * (2 / fan_in) ** 0.5
    for method in (HiResCAM(), Saliency(), IntegratedGradients(steps=8)):
        maps = [torch.tensor(explain(method, m, x, 3)[0].map).flatten() for m in (network, drawn)]
        ranks = torch.stack([m.argsort().argsort().double() for m in maps])
        assert abs(float(torch.corrcoef(ranks)[0, 1])) < 0.5
