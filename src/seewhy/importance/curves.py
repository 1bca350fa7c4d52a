"""Whether importance values are true: remove or add concepts in their order, or in random sets, and look.

C-Del: F after the t most important concepts are gone;   C-Ins: F with only the t most important                (1)
C-muFidelity = corr over sets S of ( sum_{k in S} phi_k ,  F(1) - F(1 without S) )                            (2)

On an affine tail the curve of any order is a cumulative sum of c, so that sorting by c gives the least area of all
orders under deletion and the most under insertion (rearrangement), and (2) is 1 for values affine in c.
Fel et al., NeurIPS 2023 (arXiv 2306.07304); the proofs by brute force are in tests/importance/test_curves.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import rankdata

from seewhy.errors import InputError, message
from seewhy.importance.base import Asked, CubeFunction, Plain


@dataclass(frozen=True, eq=False)
class Curve:
    """Logits while concepts go or come one at a time, both ends included.

    `auc` is the mean height, by the trapezoid rule over the share of concepts moved: in logits, less is better for
    deletion and more for insertion. `order[:, 0]` is the concept moved first.
    """

    values: Float[np.ndarray, "b k1"]
    auc: Float[np.ndarray, " b"]
    order: Int[np.ndarray, "b k"]


@dataclass(frozen=True, eq=False)
class MuFidelity:
    """(2) for each picture, by value and by rank; NaN where the values or the drops are all alike."""

    pearson: Float[np.ndarray, " b"]
    spearman: Float[np.ndarray, " b"]
    n_subsets: int
    size: int


def concept_deletion(function: CubeFunction | Plain, values: Float[np.ndarray, "b k"]) -> Curve:
    """The logits while concepts are removed, the largest value first (ties: the lower index first)."""
    return _curve(function, values, lambda rank, t: rank >= t)


def concept_insertion(function: CubeFunction | Plain, values: Float[np.ndarray, "b k"]) -> Curve:
    """The logits while concepts are put back from none, the largest value first."""
    return _curve(function, values, lambda rank, t: rank < t)


def concept_mu_fidelity(
    function: CubeFunction | Plain,
    values: Float[np.ndarray, "b k"],
    *,
    n_subsets: int = 500,
    share: float = 0.2,
    seed: int = 0,
) -> MuFidelity:
    """Correlation (2) over sets of one size, the same for all pictures and, for a seed, all methods.

    Parameters
    ----------
    function
        As for `ImportanceMethod.measure`.
    values
        What each concept is said to count for each picture, in any unit.
    n_subsets
        Random sets, none twice; all sets if there are no more than that.
    share
        Part of the concepts in a set, rounded to at least one.
    """
    values = _checked(values)
    k = values.shape[1]
    if n_subsets < 2 or not 0 < share <= 1:
        came = f"n_subsets is {n_subsets}, share {share}."
        raise InputError(message(came, "n_subsets is at least 2, share in (0, 1].", "Try 500 and 0.2."))
    ask = _asked(function, values)
    size = max(1, round(share * k))
    chosen = _subsets(k, size, n_subsets, seed)
    drops = (ask.full - ask(torch.from_numpy(1 - chosen))).T
    said = values @ chosen.T
    return MuFidelity(
        _correlation(said, drops),
        _correlation(rankdata(said, axis=1), rankdata(drops, axis=1)),
        len(chosen),
        size,
    )


def _curve(function: CubeFunction | Plain, values: np.ndarray, kept: Callable[[Any, Any], Any]) -> Curve:
    values = _checked(values)
    b, k = values.shape
    ask = _asked(function, values)
    order = np.argsort(-values, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    masks = kept(rank[:, None, :], np.arange(k + 1)[None, :, None]).astype(np.float64)
    logits = ask.each(torch.from_numpy(masks))
    heights = (logits[:, 1:] + logits[:, :-1]) / 2
    return Curve(logits, heights.mean(1), order)


def _subsets(k: int, size: int, n: int, seed: int) -> Float[np.ndarray, "n k"]:
    """0/1 rows with `size` ones each."""
    if comb(k, size) <= n:
        index = np.array(list(combinations(range(k), size)))
    else:
        generator = np.random.default_rng(seed)
        drawn: dict[tuple[int, ...], None] = {}
        while len(drawn) < n:
            rows = np.argsort(generator.random((n, k)), axis=1)[:, :size]
            drawn.update(dict.fromkeys(map(tuple, np.sort(rows, axis=1).tolist())))
        index = np.array(list(drawn)[:n])
    chosen = np.zeros((len(index), k))
    np.put_along_axis(chosen, index, 1.0, axis=1)
    return chosen


def _correlation(x: Float[np.ndarray, "b n"], y: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
    """Pearson's of each row; NaN where a row is constant up to rounding."""
    constant, centred = np.zeros(len(x), bool), []
    for one in (x, y):
        centred.append(one - one.mean(1, keepdims=True))
        constant |= np.abs(centred[-1]).max(1, initial=0) <= 1e-9 * np.abs(one).max(1, initial=0)
    x, y = centred
    product = np.where(constant, 1.0, np.sqrt((x**2).sum(1) * (y**2).sum(1)))
    return np.where(constant, np.nan, (x * y).sum(1) / product)


def _asked(function: CubeFunction | Plain, values: np.ndarray) -> Asked:
    ask = Asked(function, values.shape[1])
    if ask.n_pictures != len(values):
        raise InputError(
            message(
                f"values has {len(values)} rows, the function answers for {ask.n_pictures} pictures.",
                "There is one row of values per picture.",
                "Measure and check with the same function.",
            )
        )
    return ask


def _checked(values: Any) -> Float[np.ndarray, "b k"]:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise InputError(
            message(
                f"values has shape {array.shape}"
                + ("." if array.ndim != 2 else " and holds NaN or infinity."),
                "It is (pictures, concepts), finite.",
                "Pass importance.values.",
            )
        )
    return cast(np.ndarray, array)
