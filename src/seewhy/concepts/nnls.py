"""Features to non-negative codes over fixed atoms, exactly, for many rows at once, with the exact gradient.

    u(a) = argmin over u >= 0 of 0.5 |a - u W|^2                                                        (1)
    with G = W W^T, p = a W^T, g = u G - p:  u >= 0, g >= 0, u g = 0                                    (2)
    dL/da = z W_S,  dL/dW = z^T (a - u W) - u^T (z W),  z = G_SS^-1 v_S                                 (3)

(2) are the conditions of Karush, Kuhn and Tucker; S is the support of u and v the cotangent. Rows are solved
together by coordinate descent on (2), which on features of real networks settles in about ten sweeps; what has
not settled then is finished by block principal pivoting (Kim & Park, SIAM J. Sci. Comput. 2011): solve on a
guess of S, exchange all that break (2), fall back to one at a time. FISTA, which the specification names first,
needed four times the work for the same residual.

Atoms are scaled to length one within, so that codes of a short atom are as exact as those of a long one, and
1e-10 is added to the diagonal of G, so that every system can be solved: a zero atom has the code 0, and of equal
atoms any may carry their code, whose sum is that of one.
(3) holds where no code is about to enter or leave S; it was derived and checked for this project. Its K x K
systems are solved by LU, which on batches of small matrices took half the time of Cholesky.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from seewhy.errors import InputError, message

RIDGE = 1e-10
"""Added to the diagonal of the Gram matrix of unit atoms."""

SWEEPS = 64
"""Sweeps of coordinate descent before what is left goes to the pivoting."""

PIVOT_UP_TO = 128
"""Above so many atoms rows are left to coordinate descent: pivoting costs the cube of it per row."""


def nnls(
    features: Float[Tensor, "n c"], atoms: Float[Tensor, "k c"], *, tol: float = 1e-8, max_iter: int = 500
) -> Float[Tensor, "n k"]:
    """Non-negative least-squares codes of each row, (1), differentiable in features and atoms by (3).

    Parameters
    ----------
    features, atoms
        Any sign and finite; more atoms than channels, equal atoms and zero atoms are allowed.
    tol
        Largest |min(u, g)| of a row, as a share of its largest |p|, all in units of unit-length atoms.
    max_iter
        Sweeps of coordinate descent at most.

    Returns
    -------
    codes
        >= 0, in the dtype and on the device of `features`; the work is done in double precision.

    Raises
    ------
    InputError
        If shapes do not fit or features are not finite.

    Warns
    -----
    RuntimeWarning
        If rows miss `tol` after `max_iter` sweeps.

    Notes
    -----
    Memory is bounded: rows are solved a few thousand at a time. Each row's codes are its own; which rows
    share a call changes them by rounding at most.

    Examples
    --------
    >>> nnls(torch.tensor([[3.0, -1.0]]), torch.eye(2))
    tensor([[3., 0.]])
    """
    if features.ndim != 2 or atoms.ndim != 2 or features.shape[1] != atoms.shape[1]:
        raise InputError(
            message(
                f"Features are {tuple(features.shape)} and atoms {tuple(atoms.shape)}.",
                "Features are (rows, channels) and atoms (concepts, channels), with the same channels.",
                "Move the channels last and flatten the places.",
            )
        )
    codes: Tensor = _NNLS.apply(features, atoms, tol, max_iter)
    return codes


def sweep(codes: Float[Tensor, "k n"], gram: Float[Tensor, "k k"], inner: Float[Tensor, "k n"]) -> None:
    """One round of exact coordinate descent on (2) in place, one concept after the other, all rows at once."""
    for j in range(len(gram)):
        row = codes[j]
        step = inner[j] - gram[j] @ codes
        row.add_(step.div_(gram[j, j].clamp_min(1e-30))).clamp_min_(0)


class _NNLS(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, atoms: Tensor, tol: float, max_iter: int) -> Tensor:
        unit, lengths = _unit(atoms)
        gram = _gram(unit)
        codes = features.new_empty(len(features), len(atoms))
        missed = 0
        at_once = max(1, 2 ** (22 if features.is_cuda else 17) // max(1, len(atoms)))
        for start in range(0, len(features), at_once):
            inner = unit @ features[start : start + at_once].double().T
            if not torch.isfinite(inner).all():
                raise InputError(
                    message(
                        "Features hold NaN or infinite values.",
                        "Codes are found for finite features.",
                        "Look for a picture or a layer that overflows, perhaps in half precision.",
                    )
                )
            found, unsettled = _solve(gram, inner, tol, max_iter)
            missed += unsettled
            codes[start : start + at_once] = (found / lengths[:, None]).T
        if missed:
            warnings.warn(
                message(
                    f"{missed:,} of {len(features):,} rows did not reach the tolerance {tol:g}.",
                    "Their codes are near the best ones, not at them.",
                    "Raise max_iter, or look for atoms that nearly cancel each other.",
                ),
                RuntimeWarning,
                stacklevel=4,
            )
        ctx.save_for_backward(features, atoms, codes)
        return codes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        features, atoms, codes = ctx.saved_tensors
        unit, lengths = _unit(atoms)
        gram = _gram(unit)
        to_features = torch.empty_like(features) if ctx.needs_input_grad[0] else None
        to_atoms = torch.zeros_like(atoms, dtype=torch.float64) if ctx.needs_input_grad[1] else None
        at_once = _pivots_at_once(len(atoms))
        for start in range(0, len(features), at_once):
            part = slice(start, start + at_once)
            u = codes[part].double()
            v = torch.where(u > 0, cotangent[part].double() / lengths, 0.0)
            z = _solve_on(u > 0, gram, v)
            zw = z @ unit
            if to_features is not None:
                to_features[part] = zw.to(features.dtype)
            if to_atoms is not None:
                rest = features[part].double() - u @ atoms.double()
                to_atoms += (z / lengths).T @ rest - u.T @ zw
        return to_features, None if to_atoms is None else to_atoms.to(atoms.dtype), None, None


def _unit(atoms: Tensor) -> tuple[Float[Tensor, "k c"], Float[Tensor, " k"]]:
    """Atoms of length one in double precision and their lengths; a zero atom stays zero, its length is 1."""
    exact = atoms.double()
    lengths = exact.norm(dim=1)
    lengths = torch.where(lengths > 0, lengths, 1.0)
    return exact / lengths[:, None], lengths


def _gram(unit: Tensor) -> Float[Tensor, "k k"]:
    gram = unit @ unit.T
    diagonal = gram.diagonal()
    diagonal += torch.where(diagonal > 0, RIDGE, 1.0)
    return gram


def _solve(gram: Tensor, inner: Float[Tensor, "k n"], tol: float, max_iter: int) -> tuple[Tensor, int]:
    """Codes (k, n) over unit atoms, and how many rows missed the tolerance."""
    scale = inner.abs().amax(0)
    codes = inner.clamp_min(0)
    # The best multiple of the start, exact if only one atom is used.
    codes *= (codes * inner).sum(0) / ((gram @ codes) * codes).sum(0).clamp_min(1e-300)
    left = _descend(gram, inner, codes, scale, tol, min(SWEEPS, max_iter))
    if len(left) and len(gram) <= PIVOT_UP_TO:
        at_once = _pivots_at_once(len(gram))
        for start in range(0, len(left), at_once):
            part = left[start : start + at_once]
            tried = _pivot(gram, inner[:, part].T, codes[:, part].T > 0, tol).T
            better = _residual(gram, inner[:, part], tried) < _residual(gram, inner[:, part], codes[:, part])
            codes[:, part] = torch.where(better, tried, codes[:, part])
        left = left[_residual(gram, inner[:, left], codes[:, left]) > tol * scale[left]]
    if len(left) and max_iter > SWEEPS:
        rest, some = codes[:, left], inner[:, left]
        still = _descend(gram, some, rest, scale[left], tol, max_iter - SWEEPS)
        codes[:, left] = rest
        left = left[still]
    return codes, len(left)


def _residual(gram: Tensor, inner: Tensor, codes: Tensor) -> Float[Tensor, " n"]:
    """How far each row is from (2): max |min(u, g)|."""
    return torch.minimum(codes, gram @ codes - inner).abs().amax(0)


def _descend(gram: Tensor, inner: Tensor, codes: Tensor, scale: Tensor, tol: float, sweeps: int) -> Tensor:
    """Sweep until rows settle; settled ones are set aside. Changes `codes`, returns the rows left."""
    rows = torch.arange(codes.shape[1], device=codes.device)
    now, target, size = codes.clone(), inner, scale
    for done in range(0, sweeps, 4):
        for _ in range(min(4, sweeps - done)):
            sweep(now, gram, target)
        moving = _residual(gram, target, now) > tol * size
        if not moving.any():
            codes[:, rows] = now
            return rows[:0]
        if moving.float().mean() < 0.7:  # copying what is left costs about a sweep
            codes[:, rows] = now
            rows, now, target, size = rows[moving], now[:, moving], target[:, moving], size[moving]
    codes[:, rows] = now
    return rows[_residual(gram, target, now) > tol * size]


def _pivots_at_once(k: int) -> int:
    """Rows whose K x K systems fill 32 MB."""
    return max(1, 2**22 // (k * k))


def _solve_on(
    support: Bool[Tensor, "n k"], gram: Tensor, right: Float[Tensor, "n k"]
) -> Float[Tensor, "n k"]:
    """x with G_SS x_S = right_S and x = right off the support."""
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    masked = torch.where(support[:, :, None] & support[:, None, :], gram, identity)
    solved: Tensor = torch.linalg.solve_ex(masked, right)[0]
    return solved


def _pivot(gram: Tensor, inner: Float[Tensor, "n k"], support: Tensor, tol: float) -> Float[Tensor, "n k"]:
    """Block principal pivoting from a first support; rows that cycle keep their last guess, clipped."""
    n, k = inner.shape
    codes = torch.empty_like(inner)
    rows = torch.arange(n, device=inner.device)
    allowed = 0.01 * tol * inner.abs().amax(1, keepdim=True)
    fewest = torch.full((n,), k + 1, device=inner.device)
    patience = torch.full((n,), 3, device=inner.device)
    for _ in range(5 * k + 20):
        solved = _solve_on(support, gram, torch.where(support, inner, 0.0))
        slope = solved @ gram - inner
        broken = torch.where(support, solved < -allowed, slope < -allowed)
        codes[rows] = solved.clamp_min(0)
        count = broken.sum(1)
        open_ = count > 0
        if not open_.any():
            break
        rows, inner, support, allowed, broken, count, fewest, patience = (
            x[open_] for x in (rows, inner, support, allowed, broken, count, fewest, patience)
        )
        patience = torch.where(count < fewest, 3, patience - 1)
        fewest = torch.minimum(fewest, count)
        # All at once while that helps; else only the last one, which ends surely (Judice & Pires 1994).
        last = k - 1 - broken.flip(1).int().argmax(1)
        single = torch.nn.functional.one_hot(last, k).bool()
        support = support ^ torch.where((patience >= 0)[:, None], broken, single)
    return codes
