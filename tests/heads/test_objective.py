from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.heads.objective import (
    Penalty,
    cross_entropy,
    first_slope,
    gradient,
    lam_max,
    log_frequencies,
    logits_of,
    objective,
)
from tests.heads.planted import planted


def by_loops(
    weight: Tensor, bias: Tensor, z: Tensor, y: Tensor, lam: float, alpha: float, group: bool
) -> float:
    """(1), typed slowly."""
    n, (k, m) = len(z), weight.shape
    total = 0.0
    for i in range(n):
        logits = [sum(float(weight[c, j] * z[i, j]) for j in range(m)) + float(bias[c]) for c in range(k)]
        total += math.log(sum(math.exp(logit) for logit in logits)) - logits[int(y[i])]
    lengths = [math.sqrt(sum(float(weight[c, j]) ** 2 for c in range(k))) for j in range(m)]
    first = sum(lengths) if group else sum(abs(float(w)) for w in weight.flatten())
    return total / n + lam * alpha * first + lam * (1 - alpha) / 2 * sum(length**2 for length in lengths)


def some(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    z, y, _ = planted(12, 5, 3, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    weight[0, 1], weight[:, 3] = 0, 0
    return weight, torch.randn(3, generator=generator, dtype=torch.float64), z.double(), y


@pytest.mark.parametrize("group", [False, True])
def test_the_objective_is_the_one_printed(group: bool) -> None:
    weight, bias, z, y = some()
    found = objective(weight, bias, z, y, Penalty(0.3, 0.7, group))
    assert found == pytest.approx(by_loops(weight, bias, z, y, 0.3, 0.7, group), rel=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    weight, bias, z, y = some()
    slope, slope_b = gradient(weight, bias, z, y)
    step = 1e-6

    def value(weight: Tensor, bias: Tensor) -> float:
        return cross_entropy(logits_of(weight, bias, z), y)

    for at in np.ndindex(3, 5):
        moved = torch.zeros_like(weight)
        moved[at] = step
        found = (value(weight + moved, bias) - value(weight - moved, bias)) / (2 * step)
        assert float(slope[at]) == pytest.approx(found, abs=1e-8)
    for k in range(3):
        moved = torch.zeros_like(bias)
        moved[k] = step
        found = (value(weight, bias + moved) - value(weight, bias - moved)) / (2 * step)
        assert float(slope_b[k]) == pytest.approx(found, abs=1e-8)


def test_lam_max_is_the_formula_of_the_centred_labels() -> None:
    z, y, _ = planted(40, 7, 3)
    onehot = np.eye(3)[y.numpy()]
    products = z.double().numpy().T @ (onehot - onehot.mean(0))
    assert lam_max(z, y, 3, 0.8) == pytest.approx(abs(products).max() / (40 * 0.8), rel=1e-12)
    longest = np.sqrt((products**2).sum(1)).max()
    assert lam_max(z, y, 3, 0.8, group=True) == pytest.approx(longest / (40 * 0.8), rel=1e-12)


def test_the_first_slope_is_the_gradient_at_no_weights() -> None:
    z, y, _ = planted(40, 7, 3)
    slope, slope_b = gradient(torch.zeros(3, 7).double(), log_frequencies(y, 3), z.double(), y)
    torch.testing.assert_close(first_slope(z.double(), y, 3), slope)
    torch.testing.assert_close(slope_b, torch.zeros(3).double())


@pytest.mark.parametrize("group", [False, True])
def test_the_proximal_point_is_not_beaten_nearby(group: bool) -> None:
    weight, _, _, _ = some()
    penalty, step = Penalty(0.5, 0.6, group), 0.7

    def value(candidate: Tensor) -> float:
        return float((candidate - weight).square().sum()) / (2 * step) + penalty.value(candidate)

    found = penalty.proximal(weight, step)
    assert (found == 0).any() and (found != 0).any()
    generator = torch.Generator().manual_seed(1)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(50):
            other = found + size * torch.randn(3, 5, generator=generator, dtype=torch.float64)
            assert value(found) < value(other)


@pytest.mark.parametrize("group", [False, True])
def test_slope_and_curve_of_the_penalty_are_its_derivatives(group: bool) -> None:
    weight, way, _, _ = some(2)[0], some(3)[0], 0, 0
    weight = torch.where(weight == 0, 1.0, weight)
    penalty, step = Penalty(0.5, 0.6, group), 1e-5
    ahead, behind = weight + step * way, weight - step * way
    along = (penalty.value(ahead) - penalty.value(behind)) / (2 * step)
    assert float((penalty.slope(weight) * way).sum()) == pytest.approx(along, rel=1e-8)
    bend = (penalty.slope(ahead) - penalty.slope(behind)) / (2 * step)
    torch.testing.assert_close(penalty.curve(weight, way), bend, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("group", [False, True])
def test_a_change_of_the_penalty_is_the_difference_of_its_values(group: bool) -> None:
    one, other = some(1)[0], some(2)[0]
    penalty = Penalty(0.5, 0.6, group)
    assert penalty.change(one, other) == pytest.approx(penalty.value(other) - penalty.value(one), rel=1e-12)


def test_weights_that_pass_zero_are_named() -> None:
    weight = torch.tensor([[1.0, -1.0, 0.0, 2.0]])
    new = torch.tensor([[-0.1, -2.0, 3.0, 0.0]])
    assert Penalty(1, 0.5).turned(weight, new).tolist() == [[True, False, False, True]]
    assert not Penalty(1, 0.0).turned(weight, new).any()
    column = Penalty(1, 0.5, group=True).turned(torch.tensor([[1.0], [1.0]]), torch.tensor([[-1.0], [2.0]]))
    assert column.tolist() == [[False], [False]]
