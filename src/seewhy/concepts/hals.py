"""Non-negative matrix factorisation by alternating exact coordinate descent on Gram matrices.

    min over U, W >= 0 of |A - U W|^2                                                                   (1)
    u_k <- max(0, u_k + (A W^T - U W W^T)_k / (W W^T)_kk), the same for w_k with U^T A and U^T U        (2)

(2) is HALS (Cichocki & Phan 2009; Gillis & Glineur 2012, arXiv 1107.5194): each step solves (1) for one column
exactly, so the objective never rises. All rows move together, the features are only touched by two matrix
products an iteration, and the objective falls out of the Gram matrices. It starts from NNDSVDa (Boutsidis &
Gallopoulos 2008), as scikit-learn and so CRAFT do; a randomised SVD with a private generator gives it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.concepts.nnls import sweep


class Factors(NamedTuple):
    """A factorisation of (1), the relative squared error after every fifth iteration, and if it settled."""

    codes: Float[Tensor, "n k"]
    atoms: Float[Tensor, "k c"]
    iterations: int
    converged: bool
    losses: tuple[float, ...]


def hals(
    features: Float[Tensor, "n c"], k: int, *, seed: int = 0, tol: float = 1e-5, max_iter: int = 2000
) -> Factors:
    """Factorise features >= 0 into `k` atoms, (1).

    Parameters
    ----------
    features
        Not negative, not all zero.
    seed
        Of the randomised SVD of the start.
    tol
        Stops when the squared error falls by less than this share an iteration.

    Notes
    -----
    Two products of 2 n c k operations and two sweeps an iteration; memory n k beyond the features.
    """
    codes_nk, atoms = nndsvda(features, k, seed=seed)
    codes = codes_nk.T.contiguous()
    total = float(torch.linalg.vector_norm(features, dtype=torch.float64)) ** 2
    losses: list[float] = []
    for iteration in range(1, max_iter + 1):
        sweep(codes, atoms @ atoms.T, atoms @ features.T)
        gram, cross = codes @ codes.T, codes @ features
        sweep(atoms, gram, cross)
        if iteration % 5:
            continue
        pairs = (gram.double() * (atoms @ atoms.T).double()).sum()
        fitted = pairs - 2 * (cross.double() * atoms.double()).sum()
        losses.append(max(1 + float(fitted) / total, 0.0))
        # Below 1e-7 what is left is rounding of the products.
        if losses[-1] < 1e-7 or (len(losses) > 1 and losses[-2] - losses[-1] < 5 * tol * losses[-1]):
            return Factors(codes.T, atoms, iteration, True, tuple(losses))
    return Factors(codes.T, atoms, max_iter, False, tuple(losses))


def nndsvda(
    features: Float[Tensor, "n c"], k: int, *, seed: int = 0
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k c"]]:
    """First factors from the singular vectors: of each pair the heavier sign, no entry below a tenth of the mean.

    Where there are fewer singular vectors than concepts the rest is drawn. A full mean, as in the paper, ended
    in slightly worse factorisations of real features; and this start does not depend on the features' unit.
    """
    generator = torch.Generator().manual_seed(seed)
    left, values, right = _leading(features, min(k, *features.shape), generator)
    mean = features.mean().sqrt()  # of a factor, the mean of the features being about its square
    columns, rows = [], []
    for j in range(len(values)):
        u, v = left[:, j], right[j]
        plus = float(u.clamp_min(0).norm() * v.clamp_min(0).norm())
        minus = float(u.clamp_max(0).norm() * v.clamp_max(0).norm())
        sign = 1.0 if plus >= minus else -1.0
        u, v = (sign * u).clamp_min(0), (sign * v).clamp_min(0)
        weight = (values[j] * max(plus, minus)).sqrt()
        columns.append(u / u.norm().clamp_min(1e-30) * weight)
        rows.append(v / v.norm().clamp_min(1e-30) * weight)
    for _ in range(k - len(values)):
        columns.append(torch.rand(len(features), generator=generator).to(features) * mean)
        rows.append(torch.rand(features.shape[1], generator=generator).to(features) * mean)
    codes, atoms = torch.stack(columns, 1), torch.stack(rows)
    return codes.clamp_min(0.1 * mean), atoms.clamp_min(0.1 * mean)


def _leading(
    features: Tensor, k: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n k"], Float[Tensor, " k"], Float[Tensor, "k c"]]:
    """Leading singular triplets by subspace iteration with ten more vectors (Halko et al. 2011)."""
    n, c = features.shape
    width = min(k + 10, n, c)
    basis = features @ torch.randn(c, width, generator=generator).to(features)
    for _ in range(4):
        basis = torch.linalg.qr(features.T @ torch.linalg.qr(basis)[0])[0]
        basis = features @ basis
    basis = torch.linalg.qr(basis)[0]
    left, values, right = torch.linalg.svd(basis.T @ features, full_matrices=False)
    return (basis @ left)[:, :k], values[:k], right[:k]
