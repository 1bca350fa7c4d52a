"""Which concepts look like shortcuts? Numbers for each, one score, one stated threshold.

For concept k of class y, over the n pictures that are given y, with c_k its contributions and u_k(x, p) its code in
picture x at place p:

    D(p)      = max(0, mean u_k(., p) here - mean u_k(., p) in the other pictures)    what is particular    (1)
    R         = places where D is at least half its maximum                           where it is           (2)
    weight    = sum_x max(c_k, 0) / sum_x sum_j max(c_j, 0)         its part of the evidence for y          (3)
    exclusive = max(0, 2 AUC - 1)                 whether it is stronger there than in other pictures       (4)
    fixed     = max(0, 1 - 2 A)                   A: the share of the grid over which D spreads             (5)
    edge      = max(0, 2 r - 1)                   r: how far out D lies, 0 centre to 1 border               (6)
    tied      = max over properties q of max(0, |rho(c_k, q)| - noise) * |2 AUC_q - 1|                      (7)
    outside   = max(0, 2 o - 1)                   o: the part of the maps off the object, where masks say   (8)

    score     = max( weight_R * exclusive_R * min(1, 4 fixed edge),  weight * exclusive * max(tied, outside) )    (9)

weight_R and exclusive_R are (3) and (4) of what lies in R alone: a concept may be general and yet a mark at one
place. A is exp(entropy of D) / number of cells: a concept that sits on an object moves with it from picture to
picture, a mark does not; a mark on one fifth of the side reaches fixed * edge of 0.25 and more, so there its place
counts in full. `noise` is what chance correlations stay below, 3.5 standard errors. A concept is accused if the
lower end of the 95 % bootstrap interval of (9) over pictures is at least the threshold; R is not drawn anew. All of
it is ours; the questions asked are those of the audits of Lapuschkin et al., Nature Communications 2019, and of
Neuhaus et al., ICCV 2023 (arXiv 2212.04871).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

THRESHOLD = 0.055
"""Least lower end of the 95 % interval of (9) that accuses; `docs/audit.md` has the measurements behind it."""

LISTED = 0.001
"""Least score of a suspect, and least part of it that is put into words."""

MIN_PICTURES = 24
"""With fewer pictures of a class nothing is accused: what is particular to few pictures is always narrow. Of 200
classes whose objects fill one cell anywhere on a 7 x 7 grid, 17 were falsely accused at 16 pictures, 6 at 20, 1 at
24, 4 at 30 and none at 40."""

FULL = 4
"""1 / FULL is the fixed * edge from which the place of a concept counts in full."""

SITS = 0.1
"""With `fixed` below this the mean map is too wide for its centre to be a place."""

_RESAMPLES = 200
_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class Evidence:
    """What (1) to (9) are made of, for the k concepts of one class.

    Attributes
    ----------
    contributions
        Of each concept to the class's logit, in n pictures that are given the class.
    maps
        Codes at each place of these pictures, positive where they are evidence (`facing`).
    others
        Codes at each place of m pictures that are not given the class.
    measured, measured_others
        Properties of both, by name.
    off
        Part of each map that lies off the object, 0 to 1; NaN where no mask is known.
    """

    contributions: Float[np.ndarray, "n k"]
    maps: Float[np.ndarray, "n k h w"]
    others: Float[np.ndarray, "m k h w"]
    measured: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    measured_others: Mapping[str, Float[np.ndarray, " m"]] = field(default_factory=dict)
    off: Float[np.ndarray, "n k"] | None = None


@dataclass(frozen=True, eq=False)
class Suspicion:
    """The numbers of one concept; see the module's docstring.

    `low` is the lower end of the 95 % bootstrap interval of `score` over pictures. `exclusive` is None if there
    is no other picture to compare with, `outside` if no mask is known. `weight_there` and `exclusive_there` are of
    what lies in (2). `property` is the one in (7), `rho` its rank correlation. `place` is the centre (x, y) of (1),
    as shares of its width and height.
    """

    score: float
    low: float
    accused: bool
    weight: float
    exclusive: float | None
    weight_there: float
    exclusive_there: float
    fixed: float
    edge: float
    tied: float
    property: str | None
    rho: float
    outside: float | None
    place: tuple[float, float]

    def reasons(self) -> tuple[str, ...]:
        """In words: how much it counts, how particular it is, and its grounds, the strongest first."""
        said = [f"it is {self.weight:.0%} of the evidence for the class"]
        if self.exclusive is not None:
            said.append(
                f"it tells the class's pictures from the others in {(self.exclusive + 1) / 2:.0%} of pairs"
            )
        outside, whole = (
            self.outside or 0.0,
            self.weight * (1.0 if self.exclusive is None else self.exclusive),
        )
        there = f"{self.weight_there:.0%} of the evidence"
        if self.exclusive is not None:
            there += f", telling the class in {(self.exclusive_there + 1) / 2:.0%} of pairs"
        grounds = [
            (
                self.weight_there * self.exclusive_there * min(1.0, FULL * self.fixed * self.edge),
                f"it sits in one place, {where(self.place)}, whatever the picture shows ({there})",
            ),
            (
                whole * self.tied,
                f"it goes with the picture's {self.property} (rank correlation {self.rho:+.2f})",
            ),
            (whole * outside, f"{(outside + 1) / 2:.0%} of it lies off the object"),
        ]
        grounds.sort(key=lambda ground: -ground[0])
        said += [words for value, words in grounds if value >= LISTED]
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return dict(vars(self)) | {"place": list(self.place), "reasons": list(self.reasons())}


def suspicions(evidence: Evidence, *, threshold: float = THRESHOLD, seed: int = 0) -> tuple[Suspicion, ...]:
    """Equation (9) for every concept of one class, in the dictionary's order."""
    parts, n = _Parts(evidence), len(evidence.contributions)
    here = {name: values[0] for name, values in parts.at(np.full((1, n), 1 / n)).items()}
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n
    resampled = [
        parts.at(drawn[start : start + _AT_ONCE])["score"] for start in range(0, _RESAMPLES, _AT_ONCE)
    ]
    low = np.quantile(np.concatenate(resampled), 0.025, axis=0)
    names, rhos = parts.properties()
    places = _places(parts.particular(np.full((1, n), 1 / n))[0])
    return tuple(
        Suspicion(
            score=float(here["score"][j]),
            low=float(low[j]),
            accused=bool(low[j] >= threshold and n >= MIN_PICTURES),
            weight=float(here["weight"][j]),
            exclusive=None if parts.exceeds is None else float(here["exclusive"][j]),
            weight_there=float(here["weight_there"][j]),
            exclusive_there=float(here["exclusive_there"][j]),
            fixed=float(here["fixed"][j]),
            edge=float(here["edge"][j]),
            tied=float(here["tied"][j]),
            property=names[j],
            rho=rhos[j],
            outside=float(here["outside"][j]) if parts.masked[:, j].any() else None,
            place=places[j],
        )
        for j in range(len(places))
    )


class _Parts:
    """The parts of (9), for pictures counted by any weights."""

    def __init__(self, e: Evidence) -> None:
        n, self.k = e.contributions.shape
        self.grid = e.maps.shape[2:]
        self.positive = np.maximum(e.contributions, 0.0)
        self.cells, self.other_cells = (
            np.maximum(maps, 0.0).reshape(len(maps), self.k * self.grid[0] * self.grid[1]).astype(np.float64)
            for maps in (e.maps, e.others)
        )
        means, other_means = (maps.mean((2, 3), dtype=np.float64) for maps in (e.maps, e.others))
        # The share of the others that each picture exceeds; its mean is the AUC.
        self.exceeds = _exceeds(means, other_means) if len(e.others) else None
        there = self._region(n)
        inside, other_inside = (
            (cells.reshape(len(cells), *there.shape) * there).sum(2)
            for cells in (self.cells, self.other_cells)
        )
        self.exceeds_there = _exceeds(inside, other_inside) if len(e.others) else None
        whole = self.cells.reshape(n, self.k, -1).sum(2)
        self.positive_there = self.positive * np.divide(
            inside, whole, out=np.zeros_like(inside), where=whole > 0
        )
        # What (7) compares: ranks of the contributions and of the properties that can tell anything.
        self.noise = 3.5 / np.sqrt(max(n - 1, 1))
        self.names = list(e.measured) if n >= MIN_PICTURES and len(e.others) else []
        self.ranks = _ranks(e.contributions)
        own = _columns([e.measured[q] for q in self.names], n)
        self.property_ranks = _ranks(own)
        self.property_exceeds = _exceeds(
            own, _columns([e.measured_others[q] for q in self.names], len(e.others))
        )
        # By how much each map says where it lies: a picture without the concept says nothing.
        mass = self.cells.reshape(n, self.k, -1).sum(2)
        off = np.full((n, self.k), np.nan) if e.off is None else e.off
        self.masked = np.isfinite(off) & (mass > 0)
        self.mass = np.where(self.masked, mass, 0.0)
        self.mass_off = self.mass * np.where(self.masked, off, 0.0)

    def particular(self, weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, "b k h w"]:
        """(1), for rows of weights that sum to 1."""
        usual = self.other_cells.mean(0) if len(self.other_cells) else 0.0
        more: np.ndarray = np.maximum(0.0, weights @ self.cells - usual)
        return more.reshape(len(weights), self.k, *self.grid)

    def _region(self, n: int) -> Float[np.ndarray, "k cells"]:
        """(2) as ones and zeros; empty for a concept with nothing particular."""
        particular = self.particular(np.full((1, n), 1 / n))[0].reshape(self.k, -1)
        most = particular.max(1, keepdims=True)
        region: np.ndarray = ((particular >= 0.5 * most) & (most > 0)).astype(np.float64)
        return region

    def at(self, weights: Float[np.ndarray, "b n"]) -> dict[str, Float[np.ndarray, "b k"]]:
        """All parts and the score, for rows of weights that sum to 1."""
        b = len(weights)
        positive = weights @ self.positive
        evidence = np.maximum(positive.sum(1, keepdims=True), 1e-12)
        weight, weight_there = positive / evidence, weights @ self.positive_there / evidence
        exclusive, exclusive_there = (
            np.ones((b, self.k)) if exceeds is None else _above(weights @ exceeds)
            for exceeds in (self.exceeds, self.exceeds_there)
        )
        particular = self.particular(weights).reshape(b * self.k, *self.grid)
        fixed, edge = (values.reshape(b, self.k) for values in fixed_and_edge(particular))
        tied = self.ties(weights)[0].max(2, initial=0.0)
        mass = weights @ self.mass
        share_off = np.divide(weights @ self.mass_off, mass, out=np.zeros((b, self.k)), where=mass > 0)
        outside = _above(share_off)
        place = weight_there * exclusive_there * np.minimum(1.0, FULL * fixed * edge)
        score = np.maximum(place, weight * exclusive * np.maximum(tied, outside))
        return {"weight": weight, "exclusive": exclusive, "weight_there": weight_there,
                "exclusive_there": exclusive_there, "fixed": fixed, "edge": edge, "tied": tied,
                "outside": outside, "score": score}  # fmt: skip

    def ties(
        self, weights: Float[np.ndarray, "b n"]
    ) -> tuple[Float[np.ndarray, "b k q"], Float[np.ndarray, "b k q"]]:
        """(7) for every property, and its correlation; ranks are those among all the pictures."""
        b, q = len(weights), len(self.names)
        products = (self.ranks[:, :, None] * self.property_ranks[:, None]).reshape(len(self.ranks), -1)
        one, other = weights @ self.ranks, weights @ self.property_ranks
        covariance = (weights @ products).reshape(b, self.k, q) - one[:, :, None] * other[:, None]
        spread = (weights @ self.ranks**2 - one**2)[:, :, None] * (
            weights @ self.property_ranks**2 - other**2
        )[:, None]
        # Ranks are halves: what is smaller than this is rounding, of a value that is the same everywhere.
        known = spread > 1e-9
        rho = np.divide(
            covariance, np.sqrt(np.where(known, spread, 1.0)), out=np.zeros((b, self.k, q)), where=known
        )
        tells = np.abs(2 * (weights @ self.property_exceeds) - 1)
        return np.maximum(0.0, np.abs(rho) - self.noise) * tells[:, None], rho

    def properties(self) -> tuple[list[str | None], list[float]]:
        """For each concept the property it is tied to most, if to any, and the correlation."""
        n = len(self.ranks)
        tied, rho = (values[0] for values in self.ties(np.full((1, n), 1 / n)))
        if not self.names:
            return [None] * self.k, [0.0] * self.k
        best = tied.argmax(1)
        known = tied.max(1) > 0
        return (
            [self.names[q] if there else None for q, there in zip(best, known, strict=True)],
            [
                float(rho[j, q]) if there else 0.0
                for j, (q, there) in enumerate(zip(best, known, strict=True))
            ],
        )


def facing(
    contributions: Float[np.ndarray, "n k"], means: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " k"]:
    """1, or -1 for a concept whose negative codes are its evidence: signed dictionaries leave the sign open.

    >>> facing(np.array([[2.0, 2.0]]), np.array([[1.0, -1.0]])).tolist()
    [1.0, -1.0]
    """
    signs: np.ndarray = np.where((np.maximum(contributions, 0.0) * means).sum(0) < 0, -1.0, 1.0)
    return signs


def fixed_and_edge(
    mean_maps: Float[np.ndarray, "k h w"],
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """(5) and (6) of non-negative mean maps; zero for an empty one.

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


def _exceeds(values: Float[np.ndarray, "n k"], others: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n k"]:
    """For each value the share of the others in its column below it, ties counted half."""
    found = np.zeros(values.shape)
    for j in range(values.shape[1]):
        ordered = np.sort(others[:, j])
        below = np.searchsorted(ordered, values[:, j], "left")
        found[:, j] = (below + np.searchsorted(ordered, values[:, j], "right")) / (2 * len(ordered))
    return found


def _above(share: Float[np.ndarray, "b k"]) -> Float[np.ndarray, "b k"]:
    """0 up to one half, then up to 1."""
    above: np.ndarray = np.maximum(0.0, 2 * share - 1)
    return above


def _ranks(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Ranks in each column, ties averaged, about 0."""
    ranks: np.ndarray = rankdata(values, axis=0) - (len(values) + 1) / 2
    return ranks


def _columns(values: list[np.ndarray], n: int) -> Float[np.ndarray, "n q"]:
    return np.stack(values, 1) if values else np.zeros((n, 0))


def _places(particular: Float[np.ndarray, "k h w"]) -> list[tuple[float, float]]:
    """Centre of mass (x, y) of each map, as shares of the grid; the middle for an empty one."""
    h, w = particular.shape[1:]
    mass = particular.sum((1, 2))
    there = mass > 0
    x = particular.sum(1) @ ((np.arange(w) + 0.5) / w)
    y = particular.sum(2) @ ((np.arange(h) + 0.5) / h)
    centres = (np.divide(v, mass, out=np.full(len(mass), 0.5), where=there) for v in (x, y))
    return [(float(a), float(b)) for a, b in zip(*centres, strict=True)]
