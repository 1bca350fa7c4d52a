"""Integrated Gradients: closed forms, completeness, baselines, and steps that follow the gap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.integrated_gradients import IntegratedGradients, legendre
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError
from seewhy.images.preprocess import Preprocess
from tests.attribution.small_networks import (
    ConstantPicture,
    LinearPicture,
    QuadraticPicture,
    SmallCNN,
    draw,
    explain,
    maps_of,
)

SIZE = (5, 7)


def test_legendre_integrates_polynomials_exactly() -> None:
    for n, parts in ((4, 1), (4, 3)):
        nodes, weights = legendre(n, parts)
        assert len(nodes) == n * parts
        for power in range(8):
            assert float((weights * nodes**power).sum()) == pytest.approx(1 / (power + 1), rel=1e-12)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_quadratic_score_is_shared_exactly(steps: int) -> None:
    network, x = QuadraticPicture(SIZE), draw(2, 3, *SIZE)
    # For s = sum a x^2 the share is a (x^2 - x0^2).
    wanted = (network.weight[1] * (x**2 - 0.3**2)).sum(1).detach()
    ours = maps_of(IntegratedGradients(steps=steps, baseline=0.3), network, x, 1)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)


def test_shares_add_up_to_the_difference_from_the_baseline() -> None:
    network, x = SmallCNN(deep=True), draw(3, 3, 12, 17)
    network.stem[1] = network.body[1] = nn.Softplus()  # smooth, so that few steps suffice
    answers = explain(IntegratedGradients(steps=20), network, x, 2)
    difference = (network(x) - network(x.mean((2, 3), keepdim=True).expand_as(x)))[:, 2].tolist()
    for answer, wanted in zip(answers, difference, strict=True):
        gap = abs(answer.map.sum() - wanted) / abs(wanted)
        assert answer.gap == pytest.approx(gap, abs=1e-5)
        assert gap < 1e-4


class _Cubic(QuadraticPicture):
    def forward(self, x: Tensor) -> Tensor:
        return LinearPicture.forward(self, x**3)


def test_the_kind_is_share_only_where_the_sum_holds() -> None:
    x = draw(1, 3, *SIZE)
    exact = explain(IntegratedGradients(steps=2, baseline=0.0), _Cubic(SIZE), x)[0]
    assert exact.kind == "share" and exact.gap is not None and exact.gap < 1e-4
    rough = explain(IntegratedGradients(steps=1, baseline=0.0), _Cubic(SIZE), x)[0]
    assert rough.kind == "effect" and rough.gap is not None and rough.gap > 1e-2


def test_steps_are_doubled_for_the_pictures_that_need_it() -> None:
    network, x = SmallCNN(deep=True), torch.cat([draw(1, 3, 12, 17), draw(1, 3, 12, 17, seed=1)])
    method = IntegratedGradients(steps=2, tolerance=1e-2, max_steps=1024)
    answers = explain(method, network, x, [2, 1])
    assert all(answer.gap is not None and answer.gap <= 1e-2 for answer in answers)
    few, many = (int(s) for s in answers[0].meta.choices["steps"].split(", "))
    assert few < many and few & (few - 1) == many & (many - 1) == 0
    for i, target in enumerate([2, 1]):
        alone = explain(method, network, x[i : i + 1], target)[0]
        torch.testing.assert_close(torch.tensor(alone.map), torch.tensor(answers[i].map))
        assert alone.meta.choices["steps"] == str((few, many)[i])


def test_the_way_starts_at_the_pictures_mean_colour_or_where_it_is_told_to() -> None:
    network, x = LinearPicture(SIZE), draw(1, 3, *SIZE)
    recipe = Preprocess(size=SIZE, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    starts = {
        "mean": x[0].mean((1, 2), keepdim=True),
        "black": torch.tensor([-2.5, -1.6, -0.6])[:, None, None],
        0.0: torch.zeros(3, 1, 1),
    }
    for baseline, start in starts.items():
        method = IntegratedGradients(steps=1) if baseline == "mean" else IntegratedGradients(1, baseline)
        answer = explain(method, Backbone(network, preprocess=recipe), x)[0]
        wanted = (network.weight[0] * (x[0] - start)).sum(0).detach()
        torch.testing.assert_close(torch.tensor(answer.map), wanted, rtol=1e-4, atol=1e-5)
    assert (
        explain(IntegratedGradients(), network, x)[0].meta.choices["baseline"] == "the picture's mean colour"
    )
    with pytest.raises(InputError, match="how .* normalises its input is not known"):
        explain(IntegratedGradients(baseline="black"), network, x)


def test_a_constant_network_gives_zero_shares_that_hold() -> None:
    answer = explain(IntegratedGradients(steps=2), ConstantPicture(1.0, 2.0), draw(1, 3, *SIZE))[0]
    assert not answer.map.any() and answer.gap == 0.0 and answer.kind == "share"


def test_a_network_in_half_precision_is_explained() -> None:
    network, x = _Cubic(SIZE), draw(1, 3, *SIZE).bfloat16()
    wanted = (network.weight[0] * x[0].float() ** 3).sum(0).detach()
    ours = maps_of(IntegratedGradients(steps=4, baseline=0.0), network.bfloat16(), x)[0]
    # Each gradient has 8 bits.
    torch.testing.assert_close(ours, wanted, rtol=0.02, atol=0.02 * float(wanted.abs().max()))


def test_settings_that_make_no_sense_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"steps=900, max_steps=800\.\n  1 <= steps <= max_steps"):
        IntegratedGradients(steps=900)
    with pytest.raises(InputError, match="tolerance=0"):
        IntegratedGradients(tolerance=0.0)
