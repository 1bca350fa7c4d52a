"""Grad-CAM, HiResCAM, LayerCAM: equal where they must be, exact where they claim it, by hand elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.layercam import LayerCAM
from tests.attribution.small_networks import SmallCNN, draw, explain, maps_of

SIZE = (13, 18)
"""Odd and not square: a 4 x 5 grid."""


def test_at_global_pooling_and_a_linear_head_all_are_cam_and_add_up_to_the_logit() -> None:
    network, x = SmallCNN(), draw(3, 3, *SIZE)
    a = network.body(network.stem(x)).detach()
    head = network.head[0]
    assert isinstance(head, nn.Linear)
    cam = torch.einsum("d,bdhw->bhw", head.weight[2], a).detach()
    cells = a.shape[2] * a.shape[3]
    torch.testing.assert_close(maps_of(HiResCAM(), network, x, 2) * cells, cam)
    torch.testing.assert_close(maps_of(GradCAM(relu=False), network, x, 2) * cells, cam)
    sums = maps_of(HiResCAM(), network, x, 2).sum((1, 2)) + head.bias[2].item()
    torch.testing.assert_close(sums, network(x)[:, 2].detach(), rtol=1e-5, atol=1e-5)


def test_hirescam_is_share_on_an_affine_tail_and_effect_on_another() -> None:
    x = draw(2, 3, *SIZE)
    for answer in explain(HiResCAM(), SmallCNN(), x):
        assert answer.kind == "share" and answer.gap is not None and answer.gap < 1e-5 and answer.signed
    network = SmallCNN(deep=True)
    for answer, picture in zip(explain(HiResCAM(), network, x), x, strict=True):
        logit, bias = network(picture[None])[0, 0].item(), network.head(torch.zeros(1, 8))[0, 0].item()
        gap = abs(answer.map.sum() - (logit - bias)) / abs(logit - bias)
        assert answer.kind == "effect" and answer.gap == pytest.approx(gap, rel=1e-3) and gap > 1e-3


def test_features_that_are_all_zero_add_nothing_anywhere() -> None:
    network = SmallCNN()
    x = draw(1, 3, *SIZE)
    with torch.no_grad():
        last = [m for m in network.body.modules() if isinstance(m, nn.Conv2d)][-1]
        last.weight.zero_()
        assert last.bias is not None
        last.bias.fill_(-1.0)  # behind a ReLU: nothing is left
    assert not maps_of(HiResCAM(), network, x, 0, at="body").any()


def test_hirescam_with_relu_is_the_positive_part_and_claims_nothing() -> None:
    network, x = SmallCNN(), draw(2, 3, *SIZE)
    cut = explain(HiResCAM(relu=True), network, x)
    torch.testing.assert_close(torch.tensor(cut[0].map), maps_of(HiResCAM(), network, x)[0].relu())
    assert cut[0].kind is None and cut[0].gap is None and not cut[0].signed


class _Weighted(nn.Module):
    """logit = <V, A^2> / 2 on features A = conv(x), so that G = V A and every formula can be typed again."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 3, 3, bias=False))
        self.features[0].weight.data = draw(2, 3, 3, 3, seed=1)  # type: ignore[assignment]
        self.weight = nn.Parameter(draw(2, 4, 6, seed=2))

    def forward(self, x: Tensor) -> Tensor:
        a = self.features(x)
        return (self.weight * a * a / 2).sum((1, 2, 3))[:, None] * torch.tensor([1.0, -1.0])


@pytest.mark.parametrize("name", ["gradcam", "hirescam", "layercam"])
def test_each_formula_typed_again_with_loops(name: str) -> None:
    network, x = _Weighted(), draw(2, 3, 12, 18)
    a, v = network.features(x).detach(), network.weight.detach()
    wanted = torch.zeros(2, 4, 6)
    for b in range(2):
        for d in range(2):
            g = -v[d] * a[b, d]  # class 1
            for i in range(4):
                for j in range(6):
                    weight = {"gradcam": g.mean(), "hirescam": g[i, j], "layercam": max(g[i, j], 0.0)}[name]
                    wanted[b, i, j] += weight * a[b, d, i, j]
    methods: dict[str, Method] = {
        "gradcam": GradCAM(relu=False),
        "hirescam": HiResCAM(),
        "layercam": LayerCAM(relu=False),
    }
    torch.testing.assert_close(maps_of(methods[name], network, x, 1), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", [GradCAM(), LayerCAM()])
def test_relu_cuts_negative_values_and_says_so(method: Method) -> None:
    network, x = _Weighted(), draw(2, 3, 12, 18)
    signed = maps_of(type(method)(relu=False), network, x, 0)  # type: ignore[call-arg]
    answers = explain(method, network, x, 0)
    assert float(signed.min()) < 0 and not answers[0].signed
    torch.testing.assert_close(torch.stack([torch.tensor(a.map) for a in answers]), signed.relu())


@pytest.mark.parametrize("method", [GradCAM(), HiResCAM(), LayerCAM()])
def test_another_layer_another_grid_and_a_batch_equals_its_parts(method: Method) -> None:
    network, x = SmallCNN(deep=True), draw(3, 3, *SIZE)
    early = maps_of(method, network, x, [0, 1, 3], at="stem")
    assert early.shape == (3, 7, 9)
    for i, target in enumerate([0, 1, 3]):
        alone = maps_of(method, network, x[i : i + 1], target, at="stem", batch_size=1)[0]
        torch.testing.assert_close(early[i], alone, rtol=1e-5, atol=1e-7)


def test_a_flipped_picture_flips_the_map_of_a_network_that_is_blind_to_direction() -> None:
    network = SmallCNN()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight + module.weight.flip(3)).data / 2
    x = draw(1, 3, 13, 17)  # odd, so that strides meet the same pixels from both sides
    torch.testing.assert_close(
        maps_of(HiResCAM(), network, x.flip(3)), maps_of(HiResCAM(), network, x).flip(2)
    )


def test_a_single_class_is_explained() -> None:
    answer = explain(HiResCAM(), SmallCNN(classes=1), draw(1, 3, *SIZE))[0]
    assert answer.map.any() and answer.kind == "share"
