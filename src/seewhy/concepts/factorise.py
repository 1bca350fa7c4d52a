"""Concepts by factorisation: A ~ mean + U W with what each method demands of codes U and atoms W.

    nmf       U >= 0, W >= 0                                                                            (1)
    semi_nmf  U >= 0                                                                                    (2)
    kmeans    each row of U has one 1 and else 0                                                        (3)
    pca       W W^T = I, U uncorrelated                                                                 (4)
    ica       U independent, of variance 1                                                              (5)

Each is the same least-squares problem under other constraints (Fel et al., NeurIPS 2023, arXiv 2306.07304).
Atoms of (1), (2) and (4) have length one, so that a code is a length in feature space.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.concepts.base import Dictionary, Solution, count
from seewhy.concepts.hals import hals
from seewhy.concepts.nnls import nnls
from seewhy.errors import InputError, message

ENOUGH_ROWS = 8192
"""More rows of real layers of 64 channels lowered the held-out error by 0.1 % for 10 concepts and 0.6 % for 25."""

Negative = Literal["refuse", "shift", "split"]


class NMF(Dictionary):
    """Parts that add up and never cancel, (1): the dictionary of CRAFT and ICE, for features >= 0.

    Parameters
    ----------
    negative
        What to do with negative features. "refuse" them. "shift": subtract each channel's minimum, if it is
        negative, and keep it as `mean`. "split": factorise [relu(A), relu(-A)] and join the halves, so that
        atoms have both signs and codes stay >= 0. After both, decoding accounts for the features as they are.
    solver
        "hals" (ours, on Gram matrices, any device) or "cd" (scikit-learn's coordinate descent; CRAFT is
        `max_iter=200`, `max_rows=None` and its atoms not scaled to length one).
    max_iter
        Of the solver.

    Notes
    -----
    HALS took 0.35 to 0.8 times the CPU time of "cd" with errors within 0.4 %, from 400 to 32,000 rows of real
    features, and scikit-learn's MiniBatchNMF was slower or worse (benchmarks/dictionary_solvers.py); so there
    is no choice by size, and "cd" is for parity.
    Source: Lee & Seung, Nature 1999; Fel et al., CVPR 2023 (arXiv 2211.10154). "split" and "shift" are ours.
    """

    name = "nmf"
    paper = "arXiv 2211.10154"
    needs_nonnegative = True

    def __init__(
        self,
        n_concepts: int = 10,
        *,
        seed: int = 0,
        max_rows: int | None = ENOUGH_ROWS,
        negative: Negative = "refuse",
        solver: Literal["hals", "cd"] = "hals",
        max_iter: int = 2000,
    ) -> None:
        super().__init__(n_concepts, seed=seed, max_rows=max_rows)
        self.negative: Negative = _choice("negative", negative, ("refuse", "shift", "split"))
        self.solver: Literal["hals", "cd"] = _choice("solver", solver, ("hals", "cd"))
        self.max_iter = count("max_iter", max_iter)

    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        mean = torch.zeros_like(rows[0])
        low = rows.amin(0)
        if (low < 0).any():
            if self.negative == "refuse":
                raise _negative(rows)
            if self.negative == "shift":
                mean = low.clamp_max(0)
                rows = rows - mean
            else:
                rows = torch.cat([rows.clamp_min(0), (-rows).clamp_min(0)], 1)
        atoms, iterations, converged = self._atoms(rows)
        if atoms.shape[1] > len(mean):
            atoms = atoms[:, : len(mean)] - atoms[:, len(mean) :]
        problem = None if converged else f"{self.max_iter} iterations were not enough."
        return Solution(_unit(atoms), mean, iterations, self.solver, problem)

    def _atoms(self, rows: Tensor) -> tuple[Float[Tensor, "k c"], int, bool]:
        if self.solver == "hals":
            found = hals(rows, self.n_concepts, seed=self.seed, max_iter=self.max_iter)
            return found.atoms, found.iterations, found.converged
        from sklearn.decomposition import NMF as Peer

        # Its default start, which it does not take for more concepts than rows or channels.
        init = "nndsvda" if self.n_concepts <= min(rows.shape) else "random"
        peer = Peer(self.n_concepts, init=init, random_state=self.seed, max_iter=self.max_iter)
        told = _quietly(lambda: peer.fit(rows.cpu().numpy()))
        return torch.from_numpy(peer.components_).to(rows), int(peer.n_iter_), not told

    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        return nnls(features - self.mean.to(features), self.atoms.to(features))


class SemiNMF(Dictionary):
    """Non-negative codes over atoms of any sign, (2): parts for features that are negative too, such as tokens.

    From k-means codes plus 0.2, in turn, with [x]+ = max(x, 0) and [x]- = max(-x, 0),

        W = (U^T U)^+ U^T A                                                                             (6)
        U <- U * sqrt(([A W^T]+ + U [W W^T]-) / ([A W^T]- + U [W W^T]+))                                (7)

    until the squared error falls by less than 1e-4 of itself an iteration; it never rises.

    Notes
    -----
    On centred features atoms that nearly cancel lower the error without end; more iterations find more of them.
    Source: Ding, Li & Jordan, IEEE TPAMI 2010, eq. 10 and 11. The stop is ours.
    """

    name = "semi_nmf"
    paper = "Ding, Li & Jordan, TPAMI 2010"

    def __init__(
        self, n_concepts: int = 10, *, seed: int = 0, max_rows: int | None = ENOUGH_ROWS, max_iter: int = 1000
    ) -> None:
        super().__init__(n_concepts, seed=seed, max_rows=max_rows)
        self.max_iter = count("max_iter", max_iter)

    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        atoms, losses, converged = semi_nmf(rows, self.n_concepts, seed=self.seed, max_iter=self.max_iter)
        problem = None if converged else f"{self.max_iter} iterations were not enough."
        return Solution(_unit(atoms), torch.zeros_like(rows[0]), len(losses), "ding-li-jordan", problem)

    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        return nnls(features, self.atoms.to(features))


class KMeans(Dictionary):
    """Each place is one concept, (3): atoms are the centres of clusters, as in ACE.

    Lloyd's algorithm from the best of three k-means++ starts (those of scikit-learn). The iterations are ours,
    because scikit-learn's add up in the order in which threads finish, and the same seed should give the same
    bytes. Codes are piecewise constant: their gradient is zero.
    """

    name = "kmeans"
    paper = "arXiv 1902.03129"
    differentiable = False

    def __init__(
        self, n_concepts: int = 10, *, seed: int = 0, max_rows: int | None = ENOUGH_ROWS, max_iter: int = 300
    ) -> None:
        super().__init__(n_concepts, seed=seed, max_rows=max_rows)
        self.max_iter = count("max_iter", max_iter)

    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        centres, _, iterations, settled = lloyd(rows, self.n_concepts, seed=self.seed, max_iter=self.max_iter)
        problem = None if settled else f"{self.max_iter} iterations were not enough."
        return Solution(centres, torch.zeros_like(rows[0]), iterations, "lloyd", problem)

    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        nearest = _nearest(features.detach(), self.atoms.to(features))
        codes = torch.nn.functional.one_hot(nearest, self.n_concepts).to(features)
        return codes + 0 * features[:, :1] if features.requires_grad else codes


class PCA(Dictionary):
    """The directions along which features vary most, (4): the smallest error of all, and codes of both signs.

    Exact, from all rows, in double precision. Each atom's largest entry is positive.
    """

    name = "pca"
    paper = "Pearson 1901; arXiv 2306.07304"
    nonnegative_codes = False

    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        _check_room(self.name, self.n_concepts, rows)
        mean, _, directions = _principal(rows, self.n_concepts)
        return Solution(_signed(directions), mean, 1, "eigh" if len(rows) >= rows.shape[1] else "svd")

    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        return (features - self.mean.to(features)) @ self.atoms.to(features).T


class ICA(Dictionary):
    """Directions whose codes are as independent as can be, (5).

    scikit-learn's FastICA on rows that we centred and whitened exactly; atoms are the mixing directions for
    codes of variance one. Each atom's largest entry is positive.
    """

    name = "ica"
    paper = "Hyvarinen & Oja, Neural Networks 2000"
    nonnegative_codes = False

    def __init__(
        self, n_concepts: int = 10, *, seed: int = 0, max_rows: int | None = ENOUGH_ROWS, max_iter: int = 500
    ) -> None:
        super().__init__(n_concepts, seed=seed, max_rows=max_rows)
        self.max_iter = count("max_iter", max_iter)

    def _solve(self, rows: Float[Tensor, "n c"]) -> Solution:
        from sklearn.decomposition import FastICA

        _check_room(self.name, self.n_concepts, rows)
        mean, variances, directions = _principal(rows, self.n_concepts)
        rank = int((variances > 1e-10 * variances[0]).sum())
        if rank < self.n_concepts:
            raise InputError(
                message(
                    f"The {len(rows):,} rows vary along {rank} direction(s), for {self.n_concepts} concepts.",
                    "Independent codes need as many directions as concepts.",
                    f"Ask for {rank} concepts or fewer, or pass more rows.",
                )
            )
        mixing = variances.sqrt()[:, None] * directions
        white = (rows.double() - mean) @ (directions / variances.sqrt()[:, None]).T
        peer = FastICA(whiten=False, random_state=self.seed, max_iter=self.max_iter)
        told = _quietly(lambda: peer.fit(white.cpu().numpy()))
        rotation = torch.from_numpy(peer.components_).to(white)
        return Solution(_signed(rotation @ mixing), mean, int(peer.n_iter_), "fastica", told)

    def _encode(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        unmixing: Tensor = torch.linalg.pinv(self.atoms.double()).to(features)
        return (features - self.mean.to(features)) @ unmixing


def semi_nmf(
    rows: Float[Tensor, "n c"], k: int, *, seed: int = 0, tol: float = 1e-4, max_iter: int = 1000
) -> tuple[Float[Tensor, "k c"], list[float], bool]:
    """Atoms by (6) and (7), the relative squared error after each iteration, and if it settled."""
    _, labels, _, _ = lloyd(rows, k, seed=seed, starts=1)
    codes = torch.nn.functional.one_hot(labels, k).to(rows) + 0.2
    total = float(torch.linalg.vector_norm(rows, dtype=torch.float64)) ** 2
    losses: list[float] = []
    atoms = torch.zeros(k, rows.shape[1]).to(rows)
    for _ in range(max_iter):
        gram, cross = (codes.T @ codes).double(), (codes.T @ rows).double()
        exact = torch.linalg.pinv(gram, hermitian=True) @ cross
        losses.append(max(1 - float((exact * cross).sum()) / total, 0.0))
        atoms = exact.to(rows)
        if losses[-1] < 1e-7 or (len(losses) > 1 and losses[-2] - losses[-1] < tol * losses[-1]):
            return atoms, losses, True
        inner, pair = rows @ atoms.T, atoms @ atoms.T
        above = inner.clamp_min(0) + codes @ (-pair).clamp_min(0)
        below = (-inner).clamp_min(0) + codes @ pair.clamp_min(0)
        codes = codes * (above / below.clamp_min(1e-30)).sqrt()
    return atoms, losses, False


def lloyd(
    rows: Float[Tensor, "n c"], k: int, *, seed: int = 0, starts: int = 3, max_iter: int = 300
) -> tuple[Float[Tensor, "k c"], Int[Tensor, " n"], int, bool]:
    """Centres, label of each row, iterations and whether it settled: the best of some k-means++ starts.

    Settled means that the centres move by less than 1e-4 of the features' spread; an empty cluster keeps its
    centre.
    """
    from sklearn.cluster import kmeans_plusplus

    around = rows.mean(0)  # distances lose fewer digits from there
    rows = rows - around
    spread = float(rows.square().mean()) * rows.shape[1]
    best: tuple[float, Tensor, Tensor, int, bool] | None = None
    for start in range(starts):
        first, _ = kmeans_plusplus(rows.cpu().numpy(), k, random_state=seed + start)
        centres = torch.from_numpy(first).to(rows)
        settled = False
        for iteration in range(1, max_iter + 1):  # noqa: B007
            member = torch.nn.functional.one_hot(_nearest(rows, centres), k).to(rows)
            counts = member.sum(0)[:, None]
            moved = torch.where(counts > 0, member.T @ rows / counts.clamp_min(1), centres)
            shift, centres = float((moved - centres).square().sum()), moved
            settled = shift <= 1e-8 * spread
            if settled:
                break
        labels = _nearest(rows, centres)
        error = float((rows - centres[labels]).square().sum(dtype=torch.float64))
        if best is None or error < best[0]:
            best = error, centres + around, labels, iteration, settled
    assert best is not None
    return best[1:]


def _nearest(rows: Float[Tensor, "n c"], centres: Float[Tensor, "k c"]) -> Int[Tensor, " n"]:
    # |a - w|^2 / 2 without |a|^2, which is the same for every w.
    distances: Tensor = centres.square().sum(1) / 2 - rows @ centres.T
    return distances.argmin(1)


def _principal(rows: Tensor, k: int) -> tuple[Float[Tensor, " c"], Float[Tensor, " k"], Float[Tensor, "k c"]]:
    """Mean, leading variances and unit directions, in double precision."""
    mean = rows.mean(0, dtype=torch.float64)
    if len(rows) < rows.shape[1]:
        _, sizes, directions = torch.linalg.svd(rows.double() - mean, full_matrices=False)
        return mean, sizes[:k].square() / len(rows), directions[:k]
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), ENOUGH_ROWS):
        centred = rows[start : start + ENOUGH_ROWS].double() - mean
        covariance += centred.T @ centred
    variances, directions = torch.linalg.eigh(covariance / len(rows))
    return mean, variances.flip(0)[:k].clamp_min(0), directions.flip(1)[:, :k].T


def _quietly(fit: Callable[[], Any]) -> str | None:
    """Run a scikit-learn fit; its complaint that it did not converge, in one line, instead of a warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    told = None
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            told = " ".join(str(warning.message).split())
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return told


def _unit(atoms: Float[Tensor, "k c"]) -> Float[Tensor, "k c"]:
    unit: Tensor = atoms / atoms.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return unit


def _signed(atoms: Float[Tensor, "k c"]) -> Float[Tensor, "k c"]:
    """Each atom with its largest entry positive: the sign is free, and is fixed so."""
    largest = atoms.gather(1, atoms.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -atoms, atoms)


def _check_room(name: str, k: int, rows: Tensor) -> None:
    if k > rows.shape[1]:
        raise InputError(
            message(
                f"{name} was asked for {k} concepts in {rows.shape[1]} channels.",
                "It finds as many directions as there are channels at most.",
                f"Ask for {rows.shape[1]} or fewer, or use nmf or semi_nmf.",
            )
        )


def _negative(rows: Tensor) -> InputError:
    below = int((rows < 0).sum())
    return InputError(
        message(
            f"{below:,} of {rows.numel():,} feature values are negative ({below / rows.numel():.1%}), "
            f"the lowest {float(rows.min()):.3g}.",
            "NMF factorises values of zero and more, and clipping them would explain another network.",
            "Use semi_nmf, take a layer after its ReLU, or pass negative='shift' or negative='split'.",
        )
    )


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise InputError(
            message(
                f"{name} is {value!r}.",
                f"It is one of {', '.join(allowed)}.",
                f"Pass {name}={allowed[0]!r}.",
            )
        )
    return value
