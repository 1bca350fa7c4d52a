"""WHAT: do scores tell the pictures that have a concept from those that have not? Against annotated truth.

Items are concepts (`ConceptAUROC`, `ConceptAP`, `ConceptECE`) or pictures (`ConceptPrecision`, `ConceptRecall`). An
interval over concepts says how much concepts differ, not how few pictures there were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values
from seewhy.evaluate.where import ranking


@dataclass(frozen=True)
class ConceptAUROC(Metric):
    """For each concept, how often a picture that has it scores above one that has not; ties count half.

    Undefined for a concept that is in all pictures or in none, or has a score that is not finite. The mean of the
    values is the macro mean.
    """

    name = "concept_auroc"
    paper = "Mann and Whitney 1947 (U / number of pairs); one value per concept."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("scores", "presence")
    chance = "0.5, also for a constant score"

    def __call__(self, scores: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per concept, from scores of any scale and what is in the pictures (bool, or 0 and 1)."""
        scores, present = checked(scores, presence)
        finite = np.isfinite(scores).all(0)
        found = ranking.auroc(np.where(finite, scores, 0.0).T, present.T)
        return self.values(np.where(finite, found, np.nan))


@dataclass(frozen=True)
class ConceptAP(Metric):
    """For each concept, average precision down the list of pictures; tied pictures enter together.

    Sum over distinct scores of (recall gained) x (precision there), as scikit-learn has it, without interpolation.
    Undefined as `ConceptAUROC` is.
    """

    name = "concept_ap"
    paper = "Average precision of retrieval; one value per concept."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("scores", "presence")
    chance = "the share of pictures that have the concept (exactly, for a constant score)"

    def __call__(self, scores: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per concept; arguments as for `ConceptAUROC`."""
        scores, present = checked(scores, presence)
        defined = _both_kinds(present) & np.isfinite(scores).all(0)
        found = ranking.average_precision(np.where(defined, scores, 0.0).T, present.T)
        return self.values(np.where(defined, found, np.nan))


@dataclass(frozen=True)
class ConceptECE(Metric):
    """For each concept, how far its probability is from how often it is there: expected calibration error.

    Mean over pictures of |share present - mean probability| within bins of equal width, closed on the right. Finite
    samples push it up, by about sqrt(bins / n) at worst: compare at one n. A concept that is in all pictures or
    in none has a calibration too and keeps its value.
    """

    bins: int = 15

    name = "concept_ece"
    paper = (
        "Guo et al., ICML 2017 (arXiv 1706.04599), of the concept's probability rather than the top class's."
    )
    truth = "scene"
    direction = -1
    range = (0.0, 1.0)
    needs = ("probabilities", "presence")
    chance = "none: it judges the scale, and the share of pictures as a constant score has 0"

    def __post_init__(self) -> None:
        at_least_one("bins", self.bins)

    def __call__(self, probabilities: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per concept, from probabilities in 0 to 1."""
        chance, present = checked(probabilities, presence)
        if (outside := (chance < 0) | (chance > 1)).any():
            came = f"The scores go outside 0 to 1 (the first is {chance[outside][0]:g})."
            raise InputError(
                message(came, "Calibration asks for probabilities.", "Pass the sigmoid of logits.")
            )
        n, m = chance.shape
        defined = np.isfinite(chance).all(0) & (n > 0)
        filled = np.where(defined, chance, 0.0)
        bin_of = np.searchsorted(np.linspace(0, 1, self.bins + 1)[1:-1], filled, side="left")
        excess = (present - filled).ravel()  # summed in a bin: n_b (share present - mean probability)
        summed = np.bincount((bin_of + self.bins * np.arange(m)).ravel(), excess, minlength=self.bins * m)
        error = np.abs(summed.reshape(m, self.bins)).sum(1) / max(n, 1)
        return self.values(np.where(defined, error, np.nan))


@dataclass(frozen=True)
class ConceptPrecision(Metric):
    """For each picture, the share of its `k` highest concepts that are there.

    Undefined for a picture that has none of the concepts. Ties: the mean over all orders. No score can exceed
    min(1, number present / k); the mean of that ceiling and of chance are in the result's extras.
    """

    k: int = 5

    name = "concept_precision"
    paper = "Precision at k of retrieval; one value per picture."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("scores", "presence")
    chance = "the share of all concepts that are in the picture"

    def __post_init__(self) -> None:
        at_least_one("k", self.k)

    def __call__(self, scores: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per picture; arguments as for `ConceptAUROC`."""
        return _top(self, scores, presence, self.k, of_present=False)


@dataclass(frozen=True)
class ConceptRecall(Metric):
    """For each picture, the share of the concepts that are there found among its `k` highest; see the other."""

    k: int = 5

    name = "concept_recall"
    paper = "Recall at k of retrieval; one value per picture."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("scores", "presence")
    chance = "k / number of concepts"

    def __post_init__(self) -> None:
        at_least_one("k", self.k)

    def __call__(self, scores: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per picture; arguments as for `ConceptAUROC`."""
        return _top(self, scores, presence, self.k, of_present=True)


def auroc_matrix(scores: Float[np.ndarray, "n d"], presence: Bool[np.ndarray, "n m"]) -> np.ndarray:
    """(d, m): the AUROC of every score for every concept; NaN where it is not defined."""
    return auroc_of_ranks(ranked(scores), presence)


def ranked(scores: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Ranks of the pictures by each score, from 1, ties in the middle; NaN for a score that is not all finite."""
    finite = np.isfinite(scores).all(0)
    ranks: np.ndarray = np.where(finite, rankdata(np.where(finite, scores, 0.0), axis=0), np.nan)
    return ranks


def auroc_of_ranks(ranks: Float[np.ndarray, "n d"], presence: Bool[np.ndarray, "n m"]) -> np.ndarray:
    """`auroc_matrix` of scores that are ranked already."""
    areas = _area(ranks.T @ presence.astype(np.float64), presence)
    kept: np.ndarray = np.where(_both_kinds(presence), areas, np.nan)
    return kept


def expected_hits(
    scores: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"], count: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """How many of each row's `count` highest scores are present, as the mean over all orders of ties."""
    return np.where(count > 0, ranking.hits(scores, presence, np.maximum(count, 1)), 0.0)


def checked(scores: Any, presence: Any) -> tuple[Float[np.ndarray, "n m"], Bool[np.ndarray, "n m"]]:
    """Both as float64 and bool of one shape (pictures, concepts), or an error that says what came."""
    said, present = np.asarray(scores, np.float64), binary(presence)
    if said.ndim != 2 or said.shape != present.shape or not said.shape[1]:
        came = f"The scores have shape {said.shape}, the presence {present.shape}."
        raise InputError(
            message(came, "Both are (pictures, concepts).", "Pass one column per concept, in the same order.")
        )
    return said, present


def binary(presence: Any) -> np.ndarray:
    """Bool of what is bool or holds 0 and 1 alone."""
    array = np.asarray(presence)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        needed = "A concept is in a picture or is not: bool, or 0 and 1."
        raise InputError(
            message(f"The presence has {array.dtype} values other than 0 and 1.", needed, "Pass truth > 0.5.")
        )
    return array.astype(bool)


def at_least_one(what: str, number: int) -> None:
    """Refuse an option below 1."""
    if number < 1:
        raise InputError(message(f"{what} is {number}.", "It is at least 1."))


def bounds(best: np.ndarray, out_of: np.ndarray, chance: np.ndarray, defined: np.ndarray) -> dict[str, float]:
    """Means, over the defined pictures, of chance and of the highest value possible, best / out_of."""
    if not defined.any():
        return {"chance": float("nan"), "ceiling": float("nan")}
    return {
        "chance": float(chance[defined].mean()),
        "ceiling": float((best[defined] / out_of[defined]).mean()),
    }


def _top(metric: Metric, scores: Any, presence: Any, k: int, *, of_present: bool) -> Values:
    said, present = checked(scores, presence)
    n, m = said.shape
    if k > m:
        came = f"k is {k}, and there are {m} concepts."
        raise InputError(message(came, "At most all of them can be taken.", f"Pass k={m} or less."))
    finite = np.isfinite(said).all(1)
    count, there = np.full(n, k), present.sum(1)
    hits = expected_hits(np.where(finite[:, None], said, 0.0), present, count)
    out_of = there if of_present else count
    defined = finite & (there > 0)
    chance = np.full(n, k / m) if of_present else there / m
    limits: dict[str, Any] = bounds(np.minimum(there, k), out_of, chance, defined)
    return metric.values(np.where(defined, hits / np.maximum(out_of, 1), np.nan), **limits)


def _both_kinds(present: np.ndarray) -> np.ndarray:
    """(m,) whether some pictures have the concept and some have not."""
    return np.asarray(present.any(0) & ~present.all(0))


def _area(rank_sums: np.ndarray, present: np.ndarray) -> np.ndarray:
    """AUROC from the sum of the ranks of the pictures that have the concept."""
    positive = present.sum(0).astype(np.float64)
    pairs = positive * (len(present) - positive)
    area: np.ndarray = (rank_sums - positive * (positive + 1) / 2) / np.maximum(pairs, 1)
    return area
