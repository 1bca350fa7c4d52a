"""How many concepts a class uses (NEC), fewer of them by truncation, and the mean accuracy over several (ANEC).

    NEC(W) = (number of weights that are not zero) / (number of classes)                                      (1)
    ANEC = mean of the accuracies of heads at NEC 5, 10, 15, 20, 25 and 30                                    (2)

Source: VLG-CBM (Srivastava, Yan and Weng, NeurIPS 2024, arXiv 2408.01432). There a weight counts above 1e-5, since
its solver leaves small ones; here zeros are zeros. Ours: the order of ties, and refitting what truncation left.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.heads.objective import Penalty
from seewhy.heads.solver import Solution, solve

NECS = (5, 10, 15, 20, 25, 30)
"""Those of (2)."""

REFIT = 0.1
"""Ridge of a refit, as a share of the lam that chose the weights.

On planted and on strongly correlated concepts 0.1 and 0.01 were 1 to 10 points of accuracy above the truncated
head at NEC 1 to 20, and 0.1 was the safer one at more.
"""


def nec(weight: Float[Tensor, "k m"]) -> float:
    """(1)."""
    return int(torch.count_nonzero(weight)) / len(weight)


def truncate(weight: Float[Tensor, "k m"], target: float, *, group: bool = False) -> Float[Tensor, "k m"]:
    """The `target` * k largest weights over all classes, the others zero; or the `target` longest columns.

    Exactly that many, rounded to a whole number, stay; ties go to the lower class, then to the lower concept. A
    weight with no more than that many stays as it is. The bias of a head is not changed by this.

    Raises
    ------
    InputError
        If `target` leaves no weight, or is more than there are concepts.
    """
    check_nec(target, weight.shape)
    if group:
        lengths = weight.norm(dim=0)
        kept = torch.zeros_like(lengths).scatter(
            0, _largest(lengths, wanted(target, weight.shape, True)), 1.0
        )
        return weight * kept
    sizes = weight.abs().flatten()
    kept = torch.zeros_like(sizes).scatter(0, _largest(sizes, wanted(target, weight.shape, False)), 1.0)
    return weight * kept.view_as(weight)


def wanted(target: float, shape: tuple[int, ...], group: bool) -> int:
    """How many weights (or columns) an NEC stands for."""
    return round(target) if group else round(target * shape[0])


def check_nec(target: float, shape: tuple[int, ...]) -> None:
    """Raise InputError unless a head of (classes, concepts) can have that NEC."""
    if not (target <= shape[1] and wanted(target, shape, False) >= 1):
        raise InputError(
            message(
                f"The NEC asked for is {target:g}.",
                f"With {shape[0]} classes and {shape[1]} concepts that vary it lies between {1 / shape[0]:.2g} "
                f"and {shape[1]}.",
                "Ask for fewer concepts a class, or find more concepts.",
            )
        )


def refit(
    z: Float[Tensor, "n m"],
    y: Int[Tensor, " n"],
    support: Bool[Tensor, "k m"],
    lam: float,
    *,
    tol: float = 1e-6,
    start: tuple[Float[Tensor, "k m"], Float[Tensor, " k"]] | None = None,
) -> Solution:
    """Fit weights on a support alone, without the shrinkage of the penalty that found it: a ridge of `REFIT` * lam.

    Its certificate is restricted: no head with weights there alone is better.
    """
    return solve(z, y, len(support), Penalty(REFIT * lam, 0.0), tol=tol, start=start, support=support)


def anec(accuracies: Mapping[float, float], necs: tuple[float, ...] = NECS) -> float:
    """(2) from accuracies by NEC.

    Raises
    ------
    InputError
        If one of `necs` is missing.
    """
    missing = [f"{one:g}" for one in necs if one not in accuracies]
    if missing:
        raise InputError(
            message(
                f"There is no accuracy at NEC {', '.join(missing)}.",
                f"ANEC averages over NEC {', '.join(f'{one:g}' for one in necs)}.",
                "Fit heads at those, or pass the ones there are as necs and say so beside the number.",
            )
        )
    return sum(accuracies[one] for one in necs) / len(necs)


def _largest(sizes: Float[Tensor, " n"], count: int) -> Int[Tensor, " count"]:
    """Where the `count` largest are; the first of equals first."""
    return sizes.argsort(descending=True, stable=True)[:count]
