"""Captum as oracle, on random and real networks and pictures that are not square."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.attribution.input_x_gradient import InputXGradient
from seewhy.attribution.integrated_gradients import IntegratedGradients
from seewhy.attribution.occlusion import Occlusion
from seewhy.attribution.saliency import Saliency
from seewhy.attribution.smoothgrad import SmoothGrad
from tests.attribution.real_pictures import cifar, imagenet
from tests.attribution.small_networks import draw, maps_of

captum = pytest.importorskip("captum.attr")
pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def resnet18() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.resnet18().eval()


def _saliency(network: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    return captum.Saliency(network).attribute(x, target, abs=False)


def _gap_free(network: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    method = captum.IntegratedGradients(network)
    baseline = torch.full_like(x, -0.5)
    return method.attribute(x, baseline, target, n_steps=20, method="gausslegendre", internal_batch_size=8)


def _noiseless(network: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    tunnel = captum.NoiseTunnel(captum.Saliency(network))
    return tunnel.attribute(x, nt_samples=2, stdevs=0.0, target=target, abs=False)


PEERS: dict[str, tuple[Method, Callable[..., Tensor], Callable[[Tensor], Tensor]]] = {
    "saliency": (Saliency(), _saliency, lambda t: t.abs().amax(1)),
    "saliency, signed": (Saliency(reduce="sum"), _saliency, lambda t: t.sum(1)),
    "input x gradient": (
        InputXGradient(),
        lambda network, x, target: captum.InputXGradient(network).attribute(x, target),
        lambda t: t.sum(1),
    ),
    "integrated gradients": (IntegratedGradients(steps=20, baseline=-0.5), _gap_free, lambda t: t.sum(1)),
    "smoothgrad without noise": (SmoothGrad(level=0.0), _noiseless, lambda t: t.abs().amax(1)),
    "occlusion": (
        Occlusion(window=(14, 17), stride=(9, 12), fill=-0.5),
        lambda network, x, target: captum.Occlusion(network).attribute(
            x, (x.shape[1], 14, 17), (x.shape[1], 9, 12), -0.5, target, perturbations_per_eval=16
        ),
        lambda t: t[:, 0],
    ),
}


def _agree(network: nn.Module, x: Tensor, target: list[int], name: str) -> None:
    method, peer, reduce = PEERS[name]
    # In double precision: rounding would open a ReLU here and there in one of the two.
    network, x = copy.deepcopy(network).double(), x.double()
    ours = maps_of(method, network, x, target)
    theirs = reduce(peer(network, x.clone().requires_grad_(), target)).detach().float()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * float(theirs.abs().max()))


@pytest.mark.parametrize("name", PEERS)
def test_random_resnet18(resnet18: nn.Module, name: str) -> None:
    _agree(resnet18, draw(2, 3, 40, 56), [3, 700], name)


@pytest.mark.real
@pytest.mark.parametrize("name", PEERS)
def test_real_resnet20(real_network: Callable[[str], Any], data: Path, name: str) -> None:
    network, meta = real_network("resnet20_cifar10")
    _agree(network, cifar(data, meta, 2), [4, 9], name)


@pytest.mark.real
@pytest.mark.parametrize("name", ["saliency", "input x gradient"])
def test_real_mobilenet(real_network: Callable[[str], Any], data: Path, name: str) -> None:
    network, meta = real_network("mobilenetv2_imagenet")
    _agree(network, imagenet(data, meta, 1, (160, 192)), [207], name)
