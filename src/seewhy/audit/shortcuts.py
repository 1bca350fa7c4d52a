"""Which concepts look like shortcuts? Numbers for each, one score, one stated threshold.

For concept k of class y, over the pictures that are given y, with c_k its contributions and u_k(x, p) its code in
picture x at place p:

    weight    = sum_x max(c_k, 0) / sum_x sum_j max(c_j, 0)         its part of the evidence for y         (1)
    exclusive = max(0, 2 AUC - 1)                 whether it is stronger there than in other pictures      (2)
    fixed     = max(0, 1 - 2 A)                   A: the share of the grid over which its mean map spreads (3)
    edge      = max(0, 2 r - 1)                   r: how far out its mean map lies, 0 centre to 1 border   (4)
    tied      = max over properties q of max(0, |rho(c_k, q)| - noise) * |2 AUC_q - 1|                     (5)
    outside   = max(0, 2 o - 1)                   o: the part of the map off the object, where masks say   (6)

    score     = weight * exclusive * max(fixed * edge, tied, outside)                                      (7)

A is exp(entropy of the mean map) / number of cells: a concept that sits on an object moves with it from picture
to picture, a mark does not. All of it is ours; the questions asked are those of the audits of Lapuschkin et al.,
Nature Communications 2019, and of Neuhaus et al., ICCV 2023 (arXiv 2212.04871).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

THRESHOLD = 0.02
"""Least lower end of the 95 % interval of (7) that accuses; `docs/audit.md` has the measurements behind it."""

MIN_PICTURES = 20
"""With fewer pictures of a class nothing is accused: the mean map of a few pictures is always narrow."""

_RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class Evidence:
    """What (1) to (7) are made of, for the k concepts of one class.

    `inside` are n pictures that are given the class, `others` m that are not; `off` is the part of each map that
    lies outside the object, NaN where no mask is known.
    """

    contributions: Float[np.ndarray, "n k"]
    maps: Float[np.ndarray, "n k h w"]
    others: Float[np.ndarray, "m k"]
    measured: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    measured_others: Mapping[str, Float[np.ndarray, " m"]] = field(default_factory=dict)
    off: Float[np.ndarray, "n k"] | None = None


@dataclass(frozen=True, eq=False)
class Suspicion:
    """The numbers of one concept; see the module's docstring.

    `low` is the lower end of the 95 % bootstrap interval of `score` over pictures. `exclusive` is None if there
    is no other picture to compare with, `outside` if no mask is known. `property` is the one in (5).
    """

    score: float
    low: float
    accused: bool
    weight: float
    exclusive: float | None
    fixed: float
    edge: float
    tied: float
    property: str | None
    rho: float
    outside: float | None
    place: tuple[float, float]

    def reasons(self) -> tuple[str, ...]:
        """In words, strongest ground first."""
        said = [f"it is {self.weight:.0%} of the evidence for the class"]
        if self.exclusive is not None:
            said.append(
                f"it tells the class's pictures from the others in {(self.exclusive + 1) / 2:.0%} of pairs"
            )
        if self.fixed * self.edge > 0.05:
            said.append(f"it sits in one place, {where(self.place)}, whatever the picture shows")
        if self.tied > 0.05:
            said.append(f"it goes with the picture's {self.property} (rank correlation {self.rho:+.2f})")
        if self.outside:
            said.append(f"{(self.outside + 1) / 2:.0%} of it lies outside the object")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return dict(vars(self)) | {"place": list(self.place), "reasons": list(self.reasons())}


def suspicions(evidence: Evidence, *, threshold: float = THRESHOLD, seed: int = 0) -> tuple[Suspicion, ...]:
    """Equation (7) for every concept of one class, in the dictionary's order."""
    e = evidence
    n, k = e.contributions.shape
    grid = e.maps.shape[2:]
    means = e.maps.mean((2, 3), dtype=np.float64)
    positive = np.maximum(e.contributions, 0.0)
    cells = np.maximum(e.maps, 0.0).reshape(n, k, -1).astype(np.float64)
    # The share of the others that each picture exceeds; its mean is the AUC.
    exceeds = (
        np.stack([_exceeds(means[:, j], e.others[:, j]) for j in range(k)], 1) if len(e.others) else None
    )
    tied, names, rhos = _ties(e)
    outside = None if e.off is None else np.nan_to_num(e.off, nan=0.0)

    def scores(weights: Float[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        """All parts of (7), pictures counted by weights that sum to 1."""
        weight = weights @ positive
        weight = weight / max(float(weight.sum()), 1e-12)
        exclusive = np.ones(k) if exceeds is None else np.maximum(0.0, 2 * (weights @ exceeds) - 1)
        mean_maps = np.tensordot(weights, cells, 1)
        fixed, edge = fixed_and_edge(mean_maps.reshape(k, *grid))
        off = np.zeros(k) if outside is None else np.maximum(0.0, 2 * (weights @ outside) - 1)
        ground = np.maximum(np.maximum(fixed * edge, tied), off)
        return {"weight": weight, "exclusive": exclusive, "fixed": fixed, "edge": edge, "off": off,
                "score": weight * exclusive * ground}  # fmt: skip

    here = scores(np.full(n, 1 / n))
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n
    low = np.quantile(np.stack([scores(row)["score"] for row in counts]), 0.025, axis=0)
    places = _places(e.maps)
    return tuple(
        Suspicion(
            score=float(here["score"][j]),
            low=float(low[j]),
            accused=bool(low[j] >= threshold and n >= MIN_PICTURES),
            weight=float(here["weight"][j]),
            exclusive=None if exceeds is None else float(here["exclusive"][j]),
            fixed=float(here["fixed"][j]),
            edge=float(here["edge"][j]),
            tied=float(tied[j]),
            property=names[j],
            rho=float(rhos[j]),
            outside=None if outside is None else float(here["off"][j]),
            place=places[j],
        )
        for j in range(k)
    )


def fixed_and_edge(
    mean_maps: Float[np.ndarray, "k h w"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """(3) and (4) of non-negative mean maps; zero for an empty one.

    >>> corner = np.zeros((1, 8, 8)); corner[0, 0, 0] = 1
    >>> [round(float(v[0]), 3) for v in fixed_and_edge(corner)]
    [0.969, 0.75]
    """
    k, h, w = mean_maps.shape
    mass = mean_maps.sum((1, 2), keepdims=True)
    p = np.divide(mean_maps, mass, out=np.zeros_like(mean_maps), where=mass > 0)
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), (1, 2))
    spread = np.exp(entropy) / (h * w)
    rows, columns = (np.abs((np.arange(m) + 0.5) / m * 2 - 1) for m in (h, w))
    out = (p * np.maximum(rows[:, None], columns[None, :])).sum((1, 2))
    there = mass[:, 0, 0] > 0
    return np.where(there, np.maximum(0.0, 1 - 2 * spread), 0.0), np.maximum(0.0, 2 * out - 1)


def where(place: tuple[float, float]) -> str:
    """(x, y) as shares of the picture, in words.

    >>> where((0.1, 0.1)), where((0.5, 0.95))
    ('upper left', 'lower middle')
    """
    x, y = place
    vertical = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else "middle"
    horizontal = "left" if x < 1 / 3 else "right" if x > 2 / 3 else "middle"
    return "the centre" if vertical == horizontal else f"{vertical} {horizontal}"


def _exceeds(values: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    """For each value the share of the others below it, ties counted half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left")
    return (below + np.searchsorted(ordered, values, "right")) / (2 * len(others))


def _ties(e: Evidence) -> tuple[np.ndarray, list[str | None], np.ndarray]:
    """(5) for each concept, the property and the correlation behind it."""
    n, k = e.contributions.shape
    best, names, rhos = np.zeros(k), [None] * k, np.zeros(k)
    found: list[str | None] = list(names)
    if n < MIN_PICTURES or not len(e.others):
        return best, found, rhos
    # What the largest of as many chance correlations stays below: 3.5 standard errors.
    noise = 3.5 / np.sqrt(n - 1)
    for name, values in e.measured.items():
        tells = abs(2 * _exceeds(values, e.measured_others[name]).mean() - 1)
        for j in range(k):
            rho = spearman(e.contributions[:, j], values)
            tie = max(0.0, abs(rho) - noise) * tells
            if tie > best[j]:
                best[j], found[j], rhos[j] = tie, name, rho
    return best, found, rhos


def spearman(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """Rank correlation, ties averaged; 0 if either is constant."""
    ranks = [rankdata(v) - (len(v) + 1) / 2 for v in (a, b)]
    norm = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float(ranks[0] @ ranks[1]) / norm if norm > 0 else 0.0


def _places(maps: Float[np.ndarray, "n k h w"]) -> list[tuple[float, float]]:
    """Centre of mass (x, y) of each mean map, as shares of the grid."""
    mean = np.maximum(maps, 0).mean(0, dtype=np.float64)
    h, w = mean.shape[1:]
    mass = np.maximum(mean.sum((1, 2)), 1e-12)
    x = (mean.sum(1) @ ((np.arange(w) + 0.5) / w)) / mass
    y = (mean.sum(2) @ ((np.arange(h) + 0.5) / h)) / mass
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
