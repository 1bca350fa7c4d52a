"""Do the concepts that a head counts on belong to the class, and are they in the picture? Against annotated truth.

`CEM` asks it of each picture's decision, `CGIM` of the head's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values, chosen
from seewhy.evaluate.how_much.agreement import row_correlation
from seewhy.evaluate.what.concepts import ConceptAUROC, at_least_one, bounds, checked, expected_hits


@dataclass(frozen=True)
class CEM(Metric):
    """Concept existence: the share of the `k` concepts that count most for the decision that are in the picture.

    Only concepts that speak for the class count, so that there can be fewer than `k`; undefined where none does, and
    for a picture that has none of the concepts, on which no explanation can be right. Ties: the mean over all
    orders. The result's extras have the mean `chance` (share of all concepts present) and `ceiling` (min(1, number
    present / number that count)) of the same pictures.
    """

    k: int = 5

    name = "cem"
    paper = "The idea of arXiv 2501.19271; that paper's formula was not at hand, this one is ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("contributions", "presence")
    chance = "the share of all concepts that are in the picture"

    def __post_init__(self) -> None:
        at_least_one("k", self.k)

    def __call__(self, contributions: Float[np.ndarray, "n m"], presence: Bool[np.ndarray, "n m"]) -> Values:
        """One value per picture, from the contributions to its decision, signed."""
        said, present = checked(contributions, presence)
        finite = np.isfinite(said).all(1)
        count = np.where(finite, np.minimum(self.k, (said > 0).sum(1)), 0)
        hits = expected_hits(np.where(finite[:, None], said, 0.0), present, count)
        defined = (count > 0) & present.any(1)
        share = np.where(defined, hits / np.maximum(count, 1), np.nan)
        best = np.minimum(count, present.sum(1))
        limits: dict[str, Any] = bounds(best, count, present.mean(1), defined)
        return self.values(share, **limits)


@dataclass(frozen=True)
class CGIM(Metric):
    """Global importance: correlation of a head's weights with how much each concept belongs to each class.

    Pearson's over the concepts of a class, or over the classes of a concept; 0 where the weights are constant,
    undefined where the truth is, or where either is not finite. Weights count per unit of their concept: pass those
    of standardised concepts.
    """

    over: Literal["class", "concept"] = "class"

    name = "cgim"
    paper = "The idea of arXiv 2501.19271; that paper's formula was not at hand, this one is ours."
    truth = "scene"
    direction = 1
    range = (-1.0, 1.0)
    needs = ("weights", "truth")
    chance = "0"

    def __post_init__(self) -> None:
        chosen("over", self.over, ("class", "concept"))

    def __call__(self, weights: Float[np.ndarray, "k m"], truth: Float[np.ndarray, "k m"]) -> Values:
        """One value per class or concept; `truth` in 0 to 1, such as the share of a class's pictures."""
        x, y = _global(weights, truth)
        if self.over == "concept":
            x, y = x.T, y.T
        finite = np.isfinite(x).all(1) & np.isfinite(y).all(1)
        x, y = (np.where(finite[:, None], one, 0.0) for one in (x, y))
        return self.values(np.where(finite, row_correlation(x, y, np.ones(x.shape, bool)), np.nan))


@dataclass(frozen=True)
class CGIMAUROC(Metric):
    """For each class, the AUROC of its weights for the concepts that belong to it (truth above one half)."""

    name = "cgim_auroc"
    paper = "The idea of arXiv 2501.19271; that paper's formula was not at hand, this one is ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("weights", "truth")
    chance = "0.5"

    def __call__(self, weights: Float[np.ndarray, "k m"], truth: Float[np.ndarray, "k m"]) -> Values:
        """One value per class; arguments as for `CGIM`."""
        said, belongs = _global(weights, truth)
        return self.values(ConceptAUROC()(said.T, (belongs > 0.5).T).per_item)


def _global(weights: Any, truth: Any) -> tuple[Float[np.ndarray, "k m"], Float[np.ndarray, "k m"]]:
    said, belongs = np.asarray(weights, np.float64), np.asarray(truth, np.float64)
    if said.ndim != 2 or said.shape != belongs.shape:
        came = f"The weights have shape {said.shape}, the truth {belongs.shape}."
        raise InputError(message(came, "Both are (classes, concepts).", "Pass the head's weight matrix."))
    return said, belongs
