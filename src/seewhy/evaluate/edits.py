"""Which edits of the concepts put an explanation to the test, and what it predicts for them.

    predicted change = sum_m c_m (s_m - 1)                                                             (1)

for contributions c and factors s. Edits of single concepts test each number; edits of several test that the
numbers add up; factors between 0 and 1.5 test that they are proportional.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from seewhy.types import Kind

MOST_PARTS = 32
"""With more concepts than this the strongest half of so many stay on their own and the others are put together
by contribution: among hundreds of channels, a random half has nearly the same sum whatever the numbers are."""

HIGHEST_FACTOR = 1.5
"""Above one, so that what saturates is seen; not far above, because the network never saw such features."""


@dataclass(frozen=True, eq=False)
class Edits:
    """Factors of each concept in each edit, and which edits take out a single concept (as its index)."""

    factors: Float[np.ndarray, "n m"]
    alone: tuple[int, ...]

    def predicted(self, contributions: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
        """Equation (1)."""
        changes: np.ndarray = (self.factors - 1) @ contributions
        return changes


def plan_edits(contributions: Float[np.ndarray, " m"], kind: Kind, n: int, seed: int) -> Edits:
    """At most `n` different edits; those of single concepts come first, strongest first.

    Shares: a quarter of the edits take out one concept, half of them several (from two to all), and the rest
    scale several by random factors. Effects: each takes out one concept, because effects say what happens
    then and do not claim to add up.
    """
    m = len(contributions)
    strongest = np.argsort(-np.abs(contributions), kind="stable")
    if m == 0:
        return Edits(np.ones((0, 0)), ())
    if kind == "effect":
        return Edits(_without([np.array([i]) for i in strongest[:n]], m), tuple(map(int, strongest[:n])))
    parts = parts_of(contributions)
    singles = [int(part[0]) for part in parts if len(part) == 1][: max(1, n // 4)]
    rng = np.random.default_rng(seed)
    rows = list(_without([np.array([i]) for i in singles], m))
    n_several = (n - len(rows)) * 2 // 3
    for size in np.linspace(2, len(parts), n_several).round().astype(int) if len(parts) > 1 else ():
        rows.append(_without([_some(parts, size, rng)], m)[0])
    rows = _different(rows)
    while len(rows) < n:
        row = np.ones(m)
        for p in rng.permutation(len(parts))[: rng.integers(1, len(parts) + 1)]:
            row[parts[p]] = rng.uniform(0, HIGHEST_FACTOR)
        rows.append(row)
    return Edits(np.stack(rows), tuple(singles))


def parts_of(contributions: Float[np.ndarray, " m"]) -> list[Int[np.ndarray, " p"]]:
    """Concepts that are edited together: each on its own, strongest first, and groups of many weak ones.

    The weak ones are sorted by contribution and cut into groups of equal size, so that groups differ as much
    as the numbers say.
    """
    strongest = np.argsort(-np.abs(contributions), kind="stable")
    if len(strongest) <= MOST_PARTS:
        return [np.array([i]) for i in strongest]
    half = MOST_PARTS // 2
    weak = np.sort(strongest[half:])
    weak = weak[np.argsort(-contributions[weak], kind="stable")]
    return [*(np.array([i]) for i in strongest[:half]), *np.array_split(weak, half)]


def _some(parts: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([parts[i] for i in rng.permutation(len(parts))[:size]])


def _without(taken: list[np.ndarray], m: int) -> Float[np.ndarray, "n m"]:
    """Factors of 0 for the concepts taken out, a row each."""
    factors = np.ones((len(taken), m))
    for row, members in zip(factors, taken, strict=True):
        row[members] = 0.0
    return factors


def _different(rows: list[np.ndarray]) -> list[np.ndarray]:
    return [np.frombuffer(key) for key in dict.fromkeys(row.tobytes() for row in rows)]
