from __future__ import annotations

import pytest
import torch

from seewhy.errors import InputError
from seewhy.heads.nec import NECS, REFIT, anec, nec, refit, truncate
from seewhy.heads.objective import Penalty, objective
from seewhy.heads.solver import solve
from tests.heads.planted import planted, strength


def test_nec_of_a_matrix_built_by_hand() -> None:
    weight = torch.tensor([[1.0, 0.0, -1e-9, 0.0], [0.0, 0.0, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0]])
    assert nec(weight) == pytest.approx(4 / 3)
    assert nec(torch.zeros(2, 3)) == 0


def test_truncation_keeps_the_largest_of_all_classes() -> None:
    weight = torch.tensor([[5.0, -4.0, 3.0], [0.1, 0.2, -6.0]])
    assert truncate(weight, 1.5).tolist() == [[5.0, -4.0, 0.0], [0.0, 0.0, -6.0]]
    assert torch.equal(truncate(weight, 3), weight)


@pytest.mark.parametrize("target", [0.5, 1, 1.2, 2.75, 7, 20])
def test_truncation_keeps_exactly_as_many(target: float) -> None:
    weight = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    assert int((truncate(weight, target) != 0).sum()) == round(target * 4)


def test_ties_go_to_the_lower_class_and_concept() -> None:
    weight = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    assert (truncate(weight, 2) != 0).tolist() == [[True, True, True], [True, False, False]]


def test_truncation_by_columns_keeps_the_longest() -> None:
    weight = torch.tensor([[3.0, 2.0, 0.0], [0.0, 2.5, 1.0]])
    assert truncate(weight, 2, group=True).tolist() == [[3.0, 2.0, 0.0], [0.0, 2.5, 0.0]]


def test_a_weight_sparse_enough_stays_as_it_is() -> None:
    weight = torch.zeros(3, 4)
    weight[0, 1] = 2.0
    assert torch.equal(truncate(weight, 3), weight)


@pytest.mark.parametrize("target", [0, 0.1, 5, float("nan")])
def test_an_nec_that_cannot_be_is_an_error(target: float) -> None:
    with pytest.raises(InputError, match=r"The NEC asked for is(.|\n)*3 classes and 4 concepts"):
        truncate(torch.ones(3, 4), target)


def test_a_refit_is_the_best_ridge_on_the_support() -> None:
    z, y, _ = planted()
    lam = strength(z, y, 0.2)
    found = solve(z.double(), y, 4, Penalty(lam, 0.99))
    kept = truncate(found.weight, 2)
    again = refit(z.double(), y, kept != 0, lam)
    assert again.certificate.converged and again.certificate.restricted
    assert torch.equal(again.weight != 0, kept != 0)
    penalty = Penalty(REFIT * lam, 0.0)
    least = objective(again.weight, again.bias, z.double(), y, penalty)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-1, 1e-2, 1e-3):
        other = again.weight + size * torch.randn(4, 20, generator=generator).double() * (kept != 0)
        assert objective(other, again.bias, z.double(), y, penalty) > least


def test_anec_is_the_mean_over_six() -> None:
    accuracies = {float(e): e / 100 for e in (*NECS, 50)}
    assert anec(accuracies) == pytest.approx(0.175)
    with pytest.raises(InputError, match=r"no accuracy at NEC 25, 30"):
        anec({5: 0.1, 10: 0.2, 15: 0.2, 20: 0.3})
    assert anec({5: 0.1, 10: 0.3}, (5, 10)) == pytest.approx(0.2)
