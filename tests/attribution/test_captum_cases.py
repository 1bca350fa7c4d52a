"""The published numeric cases (reference/captum_cases.json): each one a method here covers is reproduced.

The networks of most cases take three numbers; they run here on pictures of 1 x 3 pixels. Cases are covered by
the method of the same name, or where two methods are equal on the case's network:

- ablation of groups [0, 0, 1] is occlusion with windows of two pixels side by side;
- gradient x activation at a layer with one channel is HiResCAM there; at the identity "linear0" it is also
  input x gradient, and conductance there is Integrated Gradients;
- LRP-epsilon with epsilon -> 0 is input x gradient on linear, ReLU and max-pooling layers, biases included;
- DeepLIFT's rescale rule on a sum of one-pixel ReLUs is Integrated Gradients.

Not covered, as no method here computes it: Shapley values, conductance behind a nonlinearity, internal
influence, single channels of Grad-CAM (their sum is), guided backprop, deconvolution and guided Grad-CAM, and
LRP with gamma, alpha-beta, or through tanh.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.input_x_gradient import InputXGradient
from seewhy.attribution.integrated_gradients import IntegratedGradients
from seewhy.attribution.occlusion import Occlusion
from tests.attribution.small_networks import maps_of

pytestmark = pytest.mark.real

NOT_COVERED = {
    "shapley",
    "shapley_groups",
    "shapley_baseline",
    "shapley_batch",
    "conductance_relu",
    "conductance_output",
    "influence_linear0",
    "influence_linear1",
    "gradcam_channels",
    "guided_backprop",
    "guided_backprop_plus1",
    "deconvolution",
    "guided_gradcam",
    "lrp_gamma",
    "lrp_alpha1beta0",
    "lrp_tanh",
}


class _OnRows(nn.Module):
    """A linear layer along the last axis of (B, 1, 1, n), as a stage of its own."""

    def __init__(self, weight: list[list[float]], bias: list[float] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(bias or [0.0] * len(weight), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


class _Mlp(nn.Module):
    """The case file's "mlp"; `width` pads the picture with columns that it does not read.

    Feature layers are found where they are as wide as the picture: 4 for those behind linear1.
    """

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        eye = [[float(i == j) for j in range(width)] for i in range(width)]
        self.linear0 = _OnRows(eye)
        self.linear1 = _OnRows([[1.0] * 3 + [0.0] * (width - 3)] * 4, [-10.0, 1.0, 1.0, 1.0])
        self.relu = nn.ReLU()
        self.linear2 = _OnRows([[1.0] * 4] * 2, [-1.0, 1.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.relu(self.linear1(self.linear0(x)))).flatten(1)


class _Conv(nn.Module):
    """The case file's "conv" on pictures a hundredth as bright.

    The layer is looked for with pictures of variance one, at which its biases would keep every ReLU shut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(1, 2, 3), nn.ReLU()
        self.fc1, self.relu2 = nn.Linear(8, 4, bias=False), nn.ReLU()
        self.conv1.weight.data.fill_(1.0)
        self.conv1.bias = nn.Parameter(torch.tensor([-50.0, -75.0]))
        self.fc1.weight.data = torch.tensor([[1.0] * 5 + [-1.0] * 3] * 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.fc1(self.relu1(self.conv1(100 * x)).flatten(1)))


class _Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = _OnRows([[5.0] * 2] * 2)

    def forward(self, x: Tensor) -> Tensor:
        return (self.linear(x) + x).flatten(1)


class _TwoReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (2 * (x - torch.tensor([0.0, 1.5])).relu()).sum((2, 3))


MLP3 = nn.Sequential(_OnRows([[2.0] * 3] * 3), nn.ReLU(), _OnRows([[3.0] * 3]), nn.Flatten())
MAXPOOL = nn.Sequential(_OnRows([[2.0] * 2] * 2), nn.MaxPool2d((1, 2)), nn.Flatten())

# Gradients of "mlp" jump at one tenth of the way from 0, so that even many steps leave a small error.
FINE = IntegratedGradients(steps=50, baseline=0.0, tolerance=5e-5, max_steps=6400)

COVERED: dict[str, tuple[Method, nn.Module, str | None]] = {
    "occlusion_1": (Occlusion(1, 1), _Mlp(), None),
    "occlusion_batch": (Occlusion(1, 1), _Mlp(), None),
    "occlusion_overlap": (Occlusion((1, 2), 1, fill=10.0), _Mlp(), None),
    "occlusion_stride": (Occlusion((1, 2), 2), _Mlp(), None),
    "ablation_groups": (Occlusion((1, 2), 2), _Mlp(), None),
    "ablation_baseline": (Occlusion((1, 2), 2, fill=4.0), _Mlp(), None),
    "gxa_linear0": (HiResCAM(), _Mlp(), "linear0"),
    "gxa_linear1": (HiResCAM(), _Mlp(4), "linear1"),
    "gxa_relu": (HiResCAM(), _Mlp(4), "relu"),
    "conductance_linear0": (FINE, _Mlp(), None),
    "gradcam_conv1": (GradCAM(relu=False), _Conv(), "conv1"),
    "gradcam_relu1": (GradCAM(relu=False), _Conv(), "relu1"),
    "gradcam_plus1": (GradCAM(relu=False), _Conv(), "conv1"),
    "lrp_conv": (InputXGradient(), _Conv(), None),
    "lrp_eps": (InputXGradient(), MLP3, None),
    "lrp_skip": (InputXGradient(), _Skip(), None),
    "lrp_maxpool": (InputXGradient(), MAXPOOL, None),
    "deeplift_two_relu": (FINE, _TwoReLU(), None),
}


@pytest.fixture(scope="module")
def cases(data: Path) -> dict[str, Any]:
    listed = json.loads((data / "reference" / "captum_cases.json").read_text())["cases"]
    return {case["id"]: case for case in listed}


def _pictures(case: dict[str, Any]) -> Tensor:
    """(B, 1, h, w): rows of numbers become pictures of one row."""
    values = torch.tensor(case["input"], dtype=torch.float32)
    if case["id"] == "deeplift_two_relu":
        return values.view(1, 1, 1, -1)
    return values if values.ndim == 4 else values.view(len(values), 1, -1, values.shape[-1])


def test_every_case_is_covered_or_named_as_not(cases: dict[str, Any]) -> None:
    assert set(cases) == set(COVERED) | NOT_COVERED
    assert not set(COVERED) & NOT_COVERED


@pytest.mark.parametrize("case_id", COVERED)
def test_the_case_is_reproduced(cases: dict[str, Any], case_id: str) -> None:
    case = cases[case_id]
    method, network, layer = COVERED[case_id]
    x = _pictures(case)
    if isinstance(network, _Mlp) and network.linear0.weight.shape[0] == 4:
        x = torch.nn.functional.pad(x, (0, 1))
    if isinstance(network, _Conv):
        x = x / 100
    maps = maps_of(method, network, x, case["target"] or 0, at=layer)
    expected = torch.tensor(case["expected"], dtype=torch.float32).reshape(maps.shape)
    torch.testing.assert_close(maps, expected, rtol=0, atol=case["tolerance"])
