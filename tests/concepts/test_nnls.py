from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls as peer
from torch import Tensor

from seewhy.concepts.nnls import nnls
from seewhy.errors import InputError


def problem(n: int, c: int, k: int, *, signed: bool = True, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, c, generator=generator, dtype=torch.float64)
    atoms = torch.randn(k, c, generator=generator, dtype=torch.float64)
    return (features, atoms) if signed else (features.abs(), atoms.abs())


def by_peer(features: Tensor, atoms: Tensor) -> Tensor:
    """SciPy's active-set solver, row by row."""
    return torch.from_numpy(np.stack([peer(atoms.numpy().T, row)[0] for row in features.numpy()]))


def kkt(features: Tensor, atoms: Tensor, codes: Tensor) -> float:
    """The largest |min(u, g)| as a share of the row's largest |p|, in units of unit atoms."""
    lengths = atoms.double().norm(dim=1)
    unit, codes = atoms.double() / lengths[:, None], codes.double() * lengths
    inner = features.double() @ unit.T
    slope = codes @ (unit @ unit.T) - inner
    return float((torch.minimum(codes, slope).abs().amax(1) / inner.abs().amax(1)).max())


@pytest.mark.parametrize(
    ("c", "k", "signed"), [(20, 8, True), (20, 8, False), (7, 5, False), (1, 1, True), (30, 25, False)]
)
def test_codes_are_those_of_scipy_row_by_row(c: int, k: int, signed: bool) -> None:
    features, atoms = problem(40, c, k, signed=signed)
    torch.testing.assert_close(nnls(features, atoms), by_peer(features, atoms), atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", [10, 100])
def test_nearly_parallel_atoms_are_solved_exactly_by_pivoting(k: int) -> None:
    # Coordinate descent alone needs thousands of sweeps here.
    features, atoms = problem(30, 120, k, signed=False)
    atoms = atoms[:1] + 0.02 * atoms
    expected = by_peer(features, atoms)
    torch.testing.assert_close(nnls(features, atoms), expected, atol=1e-5 * float(expected.max()), rtol=0)


@pytest.mark.parametrize(("c", "k"), [(6, 20), (16, 12), (64, 25)])
def test_the_conditions_hold_in_single_precision_even_with_more_atoms_than_channels(c: int, k: int) -> None:
    features, atoms = (tensor.float() for tensor in problem(200, c, k))
    codes = nnls(features, atoms)
    assert codes.dtype == torch.float32
    assert float(codes.min()) >= 0
    assert kkt(features, atoms, codes) < 1e-6


def test_orthogonal_atoms_give_the_positive_part_of_projections() -> None:
    features, _ = problem(9, 5, 1)
    atoms = torch.diag(torch.tensor([2.0, 1e-4, 30.0, 1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(nnls(features, atoms), (features / atoms.diagonal()).clamp_min(0))


def test_equal_atoms_have_one_code_between_them_and_a_zero_atom_none() -> None:
    features, atoms = problem(30, 12, 6)
    atoms[1], atoms[2] = atoms[0], 0
    codes, expected = nnls(features, atoms), by_peer(features, atoms)
    assert (codes[:, 2] == 0).all()
    torch.testing.assert_close(codes[:, :2].sum(1), expected[:, :2].sum(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(codes @ atoms, expected @ atoms, atol=1e-7, rtol=0)


def test_atoms_that_cancel_each_other_are_allowed() -> None:
    features, atoms = problem(50, 10, 4)
    atoms[3] = -atoms[:3].sum(0)
    torch.testing.assert_close(
        nnls(features, atoms) @ atoms, by_peer(features, atoms) @ atoms, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("k", [1, 6])
def test_the_gradient_is_that_of_finite_differences(k: int) -> None:
    features, atoms = problem(8, 7, k, seed=3)
    features.requires_grad_(True)
    atoms.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, w: nnls(a, w, tol=1e-13), (features, atoms), atol=1e-5)


def test_the_gradient_is_that_of_the_solve_on_the_support() -> None:
    features, atoms = problem(50, 9, 5)
    features.requires_grad_(True)
    codes = nnls(features, atoms)
    cotangent = problem(50, 5, 1, seed=1)[0]
    (found,) = torch.autograd.grad(codes, features, cotangent)
    for row in range(50):
        s = codes[row] > 0
        gram = atoms[s] @ atoms[s].T
        expected = torch.linalg.inv(gram) @ cotangent[row, s] @ atoms[s]
        torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-6)


def test_the_gradient_stays_finite_with_equal_atoms() -> None:
    features, atoms = problem(20, 6, 4)
    atoms[1] = atoms[0]
    features.requires_grad_(True)
    # The sum of two equal atoms' codes is that of one atom.
    (found,) = torch.autograd.grad(nnls(features, atoms).sum(), features)
    (expected,) = torch.autograd.grad(nnls(features, atoms[1:]).sum(), features)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_row_does_not_depend_on_its_company() -> None:
    features, atoms = problem(3000, 20, 100)  # three parts at once
    codes = nnls(features, atoms)
    for row in (0, 1310, 1311, 2999):
        torch.testing.assert_close(codes[row], nnls(features[row : row + 1], atoms)[0], atol=1e-5, rtol=0)


def test_no_rows_give_no_codes_and_zero_rows_zero_codes() -> None:
    _, atoms = problem(1, 6, 4)
    assert nnls(torch.zeros(0, 6), atoms).shape == (0, 4)
    assert (nnls(torch.zeros(3, 6), atoms) == 0).all()


def test_bad_shapes_and_values_are_told() -> None:
    features, atoms = problem(4, 6, 3)
    with pytest.raises(InputError, match=r"Features are \(4, 6\) and atoms \(3, 5\)"):
        nnls(features, atoms[:, :5])
    features[1, 2] = float("nan")
    with pytest.raises(InputError, match="NaN or infinite"):
        nnls(features, atoms)


def test_rows_that_miss_the_tolerance_are_counted() -> None:
    features, atoms = problem(3, 200, 150, signed=False)  # too many atoms to pivot
    with pytest.warns(RuntimeWarning, match="3 of 3 rows did not reach the tolerance 1e-08"):
        nnls(features, atoms[:1] + 0.02 * atoms, max_iter=2)
