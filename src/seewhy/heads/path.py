"""Heads from sparse to dense: the elastic net at falling strength, each solved from the one before.

    lam_i = lam_max RATIO^i,   i = 0, 1, ...                                                                  (1)
    concept m is left out at lam_i if  max over k of |G[k, m]| at lam_(i-1) < 2 lam_i alpha - lam_(i-1) alpha (2)

(2) is the sequential strong rule (Tibshirani et al. 2012, arXiv 1011.2234). It can be wrong, so the solver checks
what was left out and takes it in where the optimum needs it: screening changes the time, never the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.heads.inputs import Examples
from seewhy.heads.nec import check_nec, wanted
from seewhy.heads.objective import Penalty, first_slope, gradient, lam_max
from seewhy.heads.solver import Solution, solve

RATIO = 0.75
"""From one strength to the next: eight to a decade."""

LOWEST = 1e-5
"""A path ends at this part of lam_max."""

QUICK = 1e-4
"""Relative gap of heads that only show the way."""

CLOSE = 1.02
"""A head with so many times the weights that are wanted is near enough to truncate."""

BISECTIONS = 8


def screen(slope: Float[Tensor, "k m"], penalty: Penalty, before: Penalty) -> Bool[Tensor, " m"]:
    """(2): the columns that may carry weight under `penalty`, from the slope at the optimum of `before`."""
    return before.sizes(slope).amax(0) >= 2 * penalty.l1 - before.l1


def walk(
    data: Examples, alpha: float, *, group: bool = False, tol: float = QUICK, lowest: float = LOWEST
) -> Iterator[Solution]:
    """The heads of (1), one after the other, down to `lowest` * lam_max."""
    z, k = data.used, data.n_classes
    largest = lam_max(z, data.y, k, alpha, group=group)
    before = Penalty(largest, alpha, group)
    slope, found = first_slope(z, data.y, k), None
    for i in range(math.floor(math.log(lowest) / math.log(RATIO)) + 1):
        penalty = Penalty(largest * RATIO**i, alpha, group)
        start = None if found is None else (found.weight, found.bias)
        columns = screen(slope, penalty, before)
        found = solve(z, data.y, k, penalty, tol=tol, start=start, columns=columns)
        yield found
        slope, _ = gradient(found.weight.to(z), found.bias.to(z), z, data.y)
        before = penalty


def at_necs(
    data: Examples, necs: Sequence[float], alpha: float, *, group: bool = False, tol: float = 1e-6
) -> dict[float, Solution]:
    """For each NEC the head of the path that has just as many weights or a few more, for `truncate`.

    The path is walked once, roughly; then the strength is bisected in its logarithm between two of its heads, until
    there are at most `CLOSE` times the weights wanted. All heads returned are solved to `tol`. With `group` an NEC
    counts columns.

    Raises
    ------
    InputError
        If an NEC is more than the number of concepts that vary, or more than the path reaches.
    """
    shape = (data.n_classes, data.used.shape[1])
    for target in necs:
        check_nec(target, shape)
    most = max(wanted(target, shape, group) for target in necs)
    passed: list[Solution] = []
    for found in walk(data, alpha, group=group):
        passed.append(found)
        if _count(found, group) >= most:
            break
    else:
        raise InputError(
            message(
                f"At {LOWEST:g} of the largest strength a head has {_count(passed[-1], group)} weights.",
                f"The NEC asked for stands for {most}; this penalty leaves each concept a class without it.",
                "Ask for fewer concepts a class, or fit a DenseLinear, which uses all.",
            )
        )
    return {target: _bisect(data, passed, wanted(target, shape, group), alpha, group, tol) for target in necs}


def _bisect(
    data: Examples, passed: list[Solution], count: int, alpha: float, group: bool, tol: float
) -> Solution:
    """The sparsest head found, proven to `tol`, that has `count` weights or more."""
    i = next(i for i, found in enumerate(passed) if _count(found, group) >= count)
    sparser = passed[max(i - 1, 0)].certificate.lam
    dense: Solution | None = None
    lam, start = passed[i].certificate.lam, passed[i]
    for _ in range(BISECTIONS):
        found = solve(
            data.used,
            data.y,
            data.n_classes,
            Penalty(lam, alpha, group),
            tol=tol,
            start=(start.weight, start.bias),
        )
        start = found
        if _count(found, group) >= count:
            dense = found
            if _count(found, group) <= CLOSE * count:
                break
        else:
            sparser = lam
        # Until there is one dense enough, a little weaker: a rough head of the path may have had too many weights.
        lam = math.sqrt(sparser * dense.certificate.lam) if dense else lam * RATIO
    assert dense is not None, "a weaker penalty has more weights"
    return dense


def _count(found: Solution, group: bool) -> int:
    """Weights, or columns, that are not zero."""
    return int(torch.count_nonzero(found.weight.any(0) if group else found.weight))
