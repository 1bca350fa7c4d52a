"""Which masks to ask about: points of a scrambled Sobol' sequence, on the cube or at its corners.

With few points in many dimensions even a scrambled Sobol' sequence has columns that nearly repeat each other: at 32
points and 25 concepts the largest correlation of two columns is above 0.9 for half of all scramblings, and the
concepts behind such columns cannot be told apart. So scramblings are drawn until one has no such columns.
Ours; the sequence and its scrambling are torch's.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from seewhy.errors import InputError, message

Sampler = Literal["sobol", "bernoulli"]
Points = Float[np.ndarray, "n d"]

CORRELATED = 0.8
"""Columns of a design correlated more than this, in size, count as repeating each other."""

SCRAMBLINGS = 16
TESTED = 32
"""First rows on which correlation is looked at; later rows of the sequence only mend it."""


def sobol_points(n: int, n_axes: int, seed: int) -> Points:
    """The first n points of a scrambled Sobol' sequence in [0, 1)."""
    limit = torch.quasirandom.SobolEngine.MAXDIM
    if n_axes > limit:
        raise InputError(
            message(
                f"The design has {n_axes} axes.",
                f"A Sobol' sequence has at most {limit}.",
                "Measure fewer concepts, or take integrated gradients.",
            )
        )
    engine = torch.quasirandom.SobolEngine(n_axes, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    return engine.draw(n, dtype=torch.float64).numpy().astype(np.float64)


def replicated(n: int, n_concepts: int, seed: int) -> tuple[Points, Points]:
    """Points A and B of the replicated design, n rows each; a longer design begins with a shorter one.

    Rows 32 and on are those of one scrambled Sobol' sequence in 2k dimensions. It is the first of 16 scramblings
    whose first 32 rows have no two columns of A, nor a column of A and its partner in B, correlated more than
    0.8; where none is (many concepts), the first 32 rows of each column are shuffled on their own, which keeps
    each column evenly spread.
    """
    k = n_concepts
    rows = max(n, TESTED)
    best, points = np.inf, np.empty(0)
    for attempt in range(SCRAMBLINGS):
        drawn = sobol_points(rows, 2 * k, int(np.random.default_rng([seed, attempt]).integers(2**31)))
        worst = _repetition(drawn[:TESTED], k)
        if worst < best:
            best, points = worst, drawn
        if worst <= CORRELATED:
            break
    if best > CORRELATED:
        shuffled = [_shuffled(points[:TESTED], np.random.default_rng([seed, 1, i])) for i in range(8)]
        points[:TESTED] = min(shuffled, key=lambda rows: _repetition(rows, k))
    return points[:n, :k], points[:n, k:]


def corners(n: int, n_concepts: int, keep: float, sampler: Sampler, seed: int) -> Points:
    """n masks of zeros and ones; a concept is kept with probability `keep`.

    "sobol" thresholds a scrambled Sobol' sequence: each concept is kept in its share of 2^j masks, and at
    keep = 1/2 most pairs of concepts in a quarter of them. "bernoulli" draws independently.
    """
    if sampler == "bernoulli":
        points = np.random.default_rng(seed).random((n, n_concepts))
    else:
        points = sobol_points(n, n_concepts, seed)
    return (points < keep).astype(np.float64)


def _repetition(points: Points, k: int) -> float:
    """The largest correlation, in size, among columns of A and between partners of A and B."""
    centred = points - points.mean(0)
    length = np.sqrt((centred**2).sum(0))
    unit = centred / np.where(length > 0, length, 1)
    among = np.abs(unit[:, :k].T @ unit[:, :k])
    np.fill_diagonal(among, np.abs((unit[:, :k] * unit[:, k:]).sum(0)))
    return float(among.max())


def _shuffled(points: Points, generator: np.random.Generator) -> Points:
    return generator.permuted(points, axis=0)
