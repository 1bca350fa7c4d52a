"""Saliency and input x gradient: closed forms."""

from __future__ import annotations

import pytest
import torch

from seewhy.attribution.input_x_gradient import InputXGradient
from seewhy.attribution.saliency import Saliency
from seewhy.errors import InputError
from tests.attribution.small_networks import (
    ConstantPicture,
    LinearPicture,
    QuadraticPicture,
    SmallCNN,
    draw,
    explain,
    maps_of,
)

SIZE = (5, 8)


def test_saliency_of_a_linear_score_is_the_size_of_its_weights() -> None:
    network, x = LinearPicture(SIZE), draw(3, 3, *SIZE)
    for row, row_map in zip([2, 0, 1], maps_of(Saliency(), network, x, [2, 0, 1]), strict=True):
        torch.testing.assert_close(row_map, network.weight[row].abs().amax(0).detach())


@pytest.mark.parametrize("how", ["sum", "abs_sum", "l2", "positive_sum"])
def test_each_reduction_is_its_formula(how: str) -> None:
    network = LinearPicture(SIZE)
    wanted = torch.zeros(SIZE)
    for i in range(SIZE[0]):
        for j in range(SIZE[1]):
            w = network.weight[1, :, i, j].tolist()
            wanted[i, j] = {
                "sum": sum(w),
                "abs_sum": sum(abs(v) for v in w),
                "l2": sum(v * v for v in w) ** 0.5,
                "positive_sum": sum(v for v in w if v > 0),
            }[how]
    answer = explain(Saliency(reduce=how), network, draw(1, 3, *SIZE), 1)[0]  # type: ignore[arg-type]
    torch.testing.assert_close(torch.tensor(answer.map), wanted)
    assert answer.signed == (how == "sum")


def test_saliency_of_the_probability_carries_the_softmax() -> None:
    network, x = LinearPicture(SIZE), 0.1 * draw(1, 3, *SIZE)
    p = network(x).softmax(1)[0].detach()
    # d p_1 / d x = p_1 (W_1 - sum_k p_k W_k)
    gradient = p[1] * (network.weight[1] - torch.einsum("k,kchw->chw", p, network.weight)).detach()
    ours = maps_of(Saliency(reduce="sum", score="probability"), network, x, 1)[0]
    torch.testing.assert_close(ours, gradient.sum(0), rtol=1e-4, atol=1e-7)


def test_a_constant_network_gives_a_zero_map_and_says_so() -> None:
    answer = explain(Saliency(), ConstantPicture(1.0, 2.0), draw(1, 3, *SIZE))[0]
    assert not answer.map.any()
    assert "the gradient is zero, and so is the map, for pictures [0]" in answer.meta.warnings


def test_the_batch_size_does_not_change_the_map() -> None:
    network, x = SmallCNN(), draw(5, 3, 13, 18)
    torch.testing.assert_close(maps_of(Saliency(), network, x), maps_of(Saliency(), network, x, batch_size=2))


def test_a_one_pixel_picture_of_one_class_has_a_one_pixel_map() -> None:
    network = LinearPicture((1, 1), classes=1)
    wanted = network.weight.abs().max().detach().view(1, 1, 1)
    torch.testing.assert_close(maps_of(Saliency(), network, draw(1, 3, 1, 1)), wanted)


def test_an_unknown_reduction_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"reduce is 'abs_maxx'\.\n  Did you mean 'abs_max'"):
        explain(Saliency(reduce="abs_maxx"), LinearPicture(SIZE), draw(1, 3, *SIZE))  # type: ignore[arg-type]


def test_input_x_gradient_of_a_quadratic_score_is_twice_its_terms() -> None:
    network, x = QuadraticPicture(SIZE), draw(2, 3, *SIZE)
    wanted = (2 * network.weight[1] * x * x).sum(1).detach()
    torch.testing.assert_close(maps_of(InputXGradient(), network, x, 1), wanted)


def test_input_x_gradient_adds_up_to_the_logit_without_biases() -> None:
    network, x = SmallCNN(bias=False), draw(3, 3, 13, 18)
    sums = maps_of(InputXGradient(), network, x, 2).sum((1, 2))
    torch.testing.assert_close(sums, network(x)[:, 2].detach(), rtol=1e-4, atol=1e-5)
