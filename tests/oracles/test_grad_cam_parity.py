"""pytorch-grad-cam as oracle, its maps taken before it cuts, stretches and enlarges them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.attribution.eigencam import EigenCAM
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.layercam import LayerCAM
from seewhy.attribution.scorecam import ScoreCAM
from seewhy.backbones.base import Backbone
from tests.attribution.real_pictures import cifar, imagenet
from tests.attribution.small_networks import draw, maps_of

peer = pytest.importorskip("pytorch_grad_cam")
pytestmark = pytest.mark.oracle

METHODS: dict[str, Method] = {
    "GradCAM": GradCAM(relu=False),
    "HiResCAM": HiResCAM(),
    "LayerCAM": LayerCAM(relu=False),
    "EigenCAM": EigenCAM(centre=True),
    "ScoreCAM": ScoreCAM(relu=False),
}


def _theirs(name: str, network: nn.Module, layer: str, x: Tensor, targets: list[int]) -> Tensor:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    seen: list[np.ndarray] = []

    class Recording(getattr(peer, name)):  # type: ignore[misc]
        def get_cam_image(self, *args: Any) -> np.ndarray:
            seen.append(super().get_cam_image(*args))
            return seen[-1]

    network = copy.deepcopy(network)  # it calls zero_grad and backward on what it is given
    with Recording(network, [network.get_submodule(layer)]) as cam:
        cam(x, [ClassifierOutputTarget(target) for target in targets])
    return torch.tensor(seen[0]).float()


def _agree(name: str, backbone: Backbone, layer: str, x: Tensor, targets: list[int]) -> None:
    ours = maps_of(METHODS[name], backbone, x, targets, at=layer)
    theirs = _theirs(name, backbone.module, layer, x, targets)
    if name == "EigenCAM":  # the sign of theirs is what the decomposition happens to give
        theirs = theirs * torch.sign((ours * theirs).sum((1, 2), keepdim=True))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


GRADIENT = ["GradCAM", "HiResCAM", "LayerCAM", "EigenCAM"]


@pytest.fixture(scope="module")
def resnet18() -> dict[str, Backbone]:
    """Random networks of both libraries; their layers are looked for once."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = {"torchvision": torchvision.models.resnet18(), "timm": timm.create_model("resnet18")}
    return {name: Backbone(network.eval()) for name, network in made.items()}


@pytest.fixture(scope="module")
def real(real_network: Callable[[str], Any]) -> dict[str, tuple[Backbone, Any]]:
    loaded = {name: real_network(name) for name in ("resnet20_cifar10", "mobilenetv2_imagenet")}
    return {name: (Backbone(network), meta) for name, (network, meta) in loaded.items()}


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize(("library", "layer"), [("torchvision", "layer3"), ("timm", "layer4")])
def test_random_resnet18(resnet18: dict[str, Backbone], name: str, library: str, layer: str) -> None:
    _agree(name, resnet18[library], layer, draw(2, 3, 75, 110), [5, 400])


@pytest.mark.real
@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("layer", ["layer3", "layer2"])
def test_real_resnet20(real: dict[str, tuple[Backbone, Any]], data: Path, name: str, layer: str) -> None:
    backbone, meta = real["resnet20_cifar10"]
    _agree(name, backbone, layer, cifar(data, meta, 3), [0, 4, 9])


@pytest.mark.real
@pytest.mark.parametrize("name", GRADIENT)
def test_real_mobilenet(real: dict[str, tuple[Backbone, Any]], data: Path, name: str) -> None:
    backbone, meta = real["mobilenetv2_imagenet"]
    _agree(name, backbone, "blocks.6", imagenet(data, meta, 1, (160, 192)), [207])


@pytest.mark.real
def test_scorecam_on_the_real_resnet20(real: dict[str, tuple[Backbone, Any]], data: Path) -> None:
    # Where the grid is as fine as the picture: it enlarges with aligned corners, we do not.
    backbone, meta = real["resnet20_cifar10"]
    _agree("ScoreCAM", backbone, "layer1", cifar(data, meta, 2), [0, 4])


def test_scorecam_on_a_random_network_and_a_picture_that_is_not_square() -> None:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(12, 8, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    ).eval()
    for i, parameter in enumerate(network.parameters()):
        parameter.data = 0.5 * draw(*parameter.shape, seed=i)
    _agree("ScoreCAM", Backbone(network), "0", draw(2, 3, 17, 26), [1, 3])
