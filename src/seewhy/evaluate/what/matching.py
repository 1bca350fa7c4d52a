"""Which true concept has each discovered one found? Matched on one half of the pictures, scored on the other.

The best match always looks good on the pictures that chose it. So the matching (one to one, the largest sum of
AUROCs, by the Hungarian algorithm) comes from one half, and every number that is reported from the other; and the
whole procedure is repeated with the truth's rows shuffled among the pictures of each half, which keeps how often
and how jointly the concepts occur and breaks all that ties them to the codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values
from seewhy.evaluate.what.concepts import at_least_one, auroc_of_ranks, binary, ranked


@dataclass(frozen=True, eq=False)
class Matching:
    """Pairs of a discovered and a true concept, in the order of the true ones; q pairs out of d and m.

    Attributes
    ----------
    discovered, true
        Indices of the two of each pair.
    chosen_on, held_out
        AUROC of each pair on the half that chose it and on the other (NaN if the concept does not vary there).
    varies
        (m,) whether each true concept is in some pictures of the held-out half and not in others.
    null
        The mean held-out AUROC with shuffled truth, one per permutation; a true concept that varies and has no
        match counts as chance, 0.5, here and in the mean that `p` is about.
    p, pair_p
        One-sided p values of the mean and of each pair (uncorrected): (1 + as good or better) / (1 + all). A pair
        compares with what its true concept got in the shuffles.
    """

    discovered: Int[np.ndarray, " q"]
    true: Int[np.ndarray, " q"]
    chosen_on: Float[np.ndarray, " q"]
    held_out: Float[np.ndarray, " q"]
    null: Float[np.ndarray, " r"]
    p: float
    pair_p: Float[np.ndarray, " q"]
    n_discovered: int
    n_true: int
    varies: Bool[np.ndarray, " m"]

    @property
    def per_concept(self) -> Float[np.ndarray, " m"]:
        """Held-out AUROC of every true concept: 0.5 without a match, NaN where it does not vary."""
        return _filled(self.varies, self.true, self.held_out)


def match(
    codes: Float[np.ndarray, "n d"],
    presence: Bool[np.ndarray, "n m"],
    *,
    half: Bool[np.ndarray, " n"] | None = None,
    permutations: int = 200,
    seed: int = 0,
) -> Matching:
    """Match discovered concepts to true ones.

    Parameters
    ----------
    codes
        How much each discovered concept is in each picture, any scale, higher is more. One that is not finite
        in all pictures is not matched.
    half
        The pictures to choose on; half of them at random if None. Give it where pictures come in groups (crops or
        edits of one scene), so that no group is on both sides.
    permutations
        Shuffles for the null; p cannot fall below 1 / (1 + permutations).
    """
    said, present, first = _halves(codes, presence, half, seed)
    at_least_one("permutations", permutations)
    sides = (ranked(said[first]), ranked(said[~first])), (present[first], present[~first])
    discovered, true, chosen_on, held_out = _matched(*sides)
    generator = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    varies = present[~first].any(0) & ~present[~first].all(0)
    drawn = []
    for _ in range(permutations):
        _, matched, _, scored = _matched(sides[0], tuple(generator.permutation(side) for side in sides[1]))
        drawn.append(_filled(varies, matched, scored))
    null = np.stack(drawn)
    means = _mean(null)
    return Matching(
        discovered,
        true,
        chosen_on,
        held_out,
        means,
        float(_p(_mean(_filled(varies, true, held_out)[None]), means[:, None])[0]),
        _p(held_out, null[:, true]),
        said.shape[1],
        present.shape[1],
        varies,
    )


@dataclass(frozen=True)
class MatchedAUROC(Metric):
    """For each true concept, the held-out AUROC of the discovered one matched to it.

    A concept that no discovered one was matched to counts 0.5, as one that was matched to noise: leaving it out
    would reward finding little. Undefined where the concept does not vary in the held-out half.

    The result's extras have `p` and `null` (mean of the shuffles), `chosen_on` (the flattering number, on the
    pictures that chose) and `n_matched`.
    """

    permutations: int = 200
    seed: int = 0

    name = "matched_auroc"
    paper = "Hungarian matching (Kuhn 1955) on AUROC; the split and the null are ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("codes", "presence")
    chance = "0.5"

    def __call__(
        self,
        codes: Float[np.ndarray, "n d"],
        presence: Bool[np.ndarray, "n m"],
        *,
        half: Bool[np.ndarray, " n"] | None = None,
    ) -> Values:
        """One value per true concept; arguments as for `match`."""
        found = match(codes, presence, half=half, permutations=self.permutations, seed=self.seed)
        return self.values(
            found.per_concept,
            p=found.p,
            null=float(_mean(found.null[None])[0]),
            chosen_on=float(_mean(found.chosen_on[None])[0]),
            n_matched=len(found.true),
        )


@dataclass(frozen=True)
class NamingAccuracy(Metric):
    """For each discovered concept, 1 if the true name of its match is among the first `at` names it was given.

    Undefined for a concept without a match, or whose match does no better than shuffled truth (`pair_p` above
    `level`): it has no true name, so none can be wrong. Upper and lower case and spacing do not matter. A discovered
    concept with a match and no name is wrong.
    """

    at: int = 1
    level: float = 0.05

    name = "naming_accuracy"
    paper = "Ours: the share of names that are the matched truth's."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("names", "matching", "true_names")
    proportion = True
    chance = "at / number of names, for names drawn without repetition"

    def __post_init__(self) -> None:
        at_least_one("at", self.at)

    def __call__(
        self, names: Sequence[str | Sequence[str]], matching: Matching, true_names: Sequence[str]
    ) -> Values:
        """One value per discovered concept; `names` has one name, or several with the best first, for each."""
        if len(names) != matching.n_discovered or len(true_names) != matching.n_true:
            came = f"There are {len(names)} given and {len(true_names)} true names."
            needed = (
                f"The matching has {matching.n_discovered} discovered and {matching.n_true} true concepts."
            )
            raise InputError(
                message(came, needed, "Pass one entry per concept, in the order of the columns.")
            )
        right = np.full(matching.n_discovered, np.nan)
        for found, true, p in zip(matching.discovered, matching.true, matching.pair_p, strict=True):
            if p <= self.level:
                given = names[found]
                listed = [given] if isinstance(given, str) else list(given)
                right[found] = _plain(true_names[true]) in {_plain(one) for one in listed[: self.at]}
        return self.values(right, n_names=matching.n_true)


def _matched(
    ranks: tuple[np.ndarray, ...], presence: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs by the first of two halves, and their AUROC in both; what is undefined on the first is not paired."""
    areas = auroc_of_ranks(ranks[0], presence[0])
    rows, columns = linear_sum_assignment(np.nan_to_num(areas, nan=0.0), maximize=True)
    order = np.argsort(columns)
    rows, columns = rows[order], columns[order]
    defined = ~np.isnan(areas[rows, columns])
    rows, columns = rows[defined], columns[defined]
    return rows, columns, areas[rows, columns], auroc_of_ranks(ranks[1], presence[1])[rows, columns]


def _filled(
    varies: Bool[np.ndarray, " m"], true: Int[np.ndarray, " q"], held_out: Float[np.ndarray, " q"]
) -> Float[np.ndarray, " m"]:
    """The AUROC of every true concept, chance where it varies and has no match."""
    every = np.where(varies, 0.5, np.nan)
    every[true] = held_out
    return every


def _mean(values: Float[np.ndarray, "r q"]) -> Float[np.ndarray, " r"]:
    """Of the defined values of each row; NaN without any."""
    n = (~np.isnan(values)).sum(1)
    return np.where(n > 0, np.nansum(values, axis=1) / np.maximum(n, 1), np.nan)


def _p(found: Float[np.ndarray, " q"], null: Float[np.ndarray, "r q"]) -> Float[np.ndarray, " q"]:
    as_good = (null >= found).sum(0)
    return np.where(np.isnan(found), np.nan, (1 + as_good) / (1 + (~np.isnan(null)).sum(0)))


def _halves(codes: Any, presence: Any, half: Any, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    said, present = np.asarray(codes, np.float64), binary(presence)
    if (
        said.ndim != 2
        or present.ndim != 2
        or len(said) != len(present)
        or not min(said.shape[1], present.shape[1])
    ):
        came = f"The codes have shape {said.shape}, the presence {present.shape}."
        needed = "They are (pictures, discovered concepts) and (pictures, true concepts)."
        raise InputError(message(came, needed, "Pass the same pictures in the same order."))
    n = len(said)
    if half is None:
        first = np.zeros(n, bool)
        first[np.random.default_rng(seed).permutation(n)[: n // 2]] = True
    else:
        first = np.asarray(half)
        if first.dtype != bool or first.shape != (n,):
            came = f"half has shape {first.shape} and type {first.dtype}."
            raise InputError(
                message(came, f"It is bool, of shape ({n},).", "Leave it out to split at random.")
            )
    if min(first.sum(), n - first.sum()) < 2:
        came = f"The halves have {first.sum()} and {n - first.sum()} pictures."
        raise InputError(message(came, "Each needs at least 2.", "Pass more pictures."))
    everywhere = np.where(np.isfinite(said).all(0), said, np.nan)  # out on one half, out on both
    return everywhere, present, first


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
