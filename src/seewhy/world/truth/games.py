"""Shapley values and interactions from a table of what every coalition is worth: pure mathematics, no pictures.

    phi_i  = sum_{S without i}     |S|! (n - |S| - 1)! / n!        (v(S + i) - v(S))                       (1)
    I_ij   = sum_{S without i, j}  |S|! (n - |S| - 2)! / (n - 1)!  (v(S + i + j) - v(S + i) - v(S + j) + v(S))  (2)

(1) Shapley, Contributions to the Theory of Games II, 1953. (2) the Shapley interaction index, Grabisch & Roubens,
International Journal of Game Theory 28, 1999. Coalition number k holds player i if bit i of k is set.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from jaxtyping import Float, Int64

from seewhy.errors import InputError, message


def shapley_values(worths: Float[np.ndarray, " N"]) -> Float[np.ndarray, " n"]:
    """Each player's value by (1); they sum to the whole's worth less that of the empty coalition.

    Raises
    ------
    InputError
        If `worths` is not one finite number for each of the 2**n coalitions.
    """
    n = players(worths)
    index, sizes = _coalitions(n)
    weights = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    values = np.zeros(n)
    for i in range(n):
        without = index[(index >> i) & 1 == 0]
        values[i] = (weights[sizes[without]] * (worths[without | 1 << i] - worths[without])).sum()
    return values


def interaction_index(worths: Float[np.ndarray, " N"]) -> Float[np.ndarray, "n n"]:
    """How much more (or less) two players are worth together than each alone, by (2); zero on the diagonal."""
    n = players(worths)
    index, sizes = _coalitions(n)
    weights = np.array([factorial(s) * factorial(n - s - 2) / factorial(n - 1) for s in range(n - 1)])
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            rest = index[((index >> i) | (index >> j)) & 1 == 0]
            one, other = rest | 1 << i, rest | 1 << j
            gain = worths[one | 1 << j] - worths[one] - worths[other] + worths[rest]
            found[i, j] = found[j, i] = (weights[sizes[rest]] * gain).sum()
    return found


def players(worths: Float[np.ndarray, " N"]) -> int:
    """n of a table of 2**n worths."""
    n = len(worths).bit_length() - 1 if worths.ndim == 1 else -1
    if n < 0 or len(worths) != 1 << n or not np.isfinite(worths).all():
        raise InputError(
            message(
                f"The worths have shape {worths.shape}"
                + ("." if np.isfinite(worths).all() else " and are not all finite."),
                "There is one finite number for each of the 2**n coalitions of n players.",
                "Coalition k holds player i if bit i of k is set.",
            )
        )
    return n


def _coalitions(n: int) -> tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " N"]]:
    """The number of every coalition, and how many players it holds."""
    index = np.arange(1 << n, dtype=np.int64)
    sizes = np.zeros_like(index)
    for i in range(n):
        sizes += (index >> i) & 1
    return index, sizes
