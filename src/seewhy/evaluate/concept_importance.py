"""Do the concepts that a head counts on belong to the class, and are they in the picture? Against annotated truth.

`CEM` asks it of each picture's decision, `CGIM` of the head's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from seewhy.errors import InputError, message
from seewhy.evaluate.base import Metric, Values
from seewhy.evaluate.concepts import ConceptAUROC, at_least_one, bounds, checked, expected_hits

CONSTANT = 1e-12
"""A row whose spread is below this part of its largest value is constant up to rounding."""


@dataclass(frozen=True)
class CEM(Metric):
    """Concept existence: the share of the `k` concepts that count most for the decision that are in the picture.

    Only concepts that speak for the class count, so that there can be fewer than `k`; undefined where none does.
    A picture that has none of the concepts scores 0: its decision rests on what is not there. Ties: the mean over
    all orders. The result's parameters have the mean `chance` (share of all concepts present) and `ceiling`
    (min(1, number present / number that count)) of the same pictures.
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
        share = np.where(count > 0, hits / np.maximum(count, 1), np.nan)
        best = np.minimum(count, present.sum(1))
        limits: dict[str, Any] = bounds(best, count, present.mean(1), count > 0)
        return self.values(share, **limits)


@dataclass(frozen=True)
class CGIM(Metric):
    """Global importance: correlation of a head's weights with how much each concept belongs to each class.

    Pearson's over the concepts of a class, or over the classes of a concept; undefined where either side is
    constant. Weights count per unit of their concept: pass those of standardised concepts.
    """

    over: Literal["class", "concept"] = "class"

    name = "cgim"
    paper = "The idea of arXiv 2501.19271; that paper's formula was not at hand, this one is ours."
    truth = "scene"
    direction = 1
    range = (-1.0, 1.0)
    needs = ("head", "truth")
    chance = "0"

    def __post_init__(self) -> None:
        if self.over not in ("class", "concept"):
            raise InputError(message(f"over is {self.over!r}.", "It is 'class' or 'concept'."))

    def __call__(self, weights: Float[np.ndarray, "k m"], truth: Float[np.ndarray, "k m"]) -> Values:
        """One value per class or concept; `truth` in 0 to 1, such as the share of a class's pictures."""
        x, y = _global(weights, truth)
        if self.over == "concept":
            x, y = x.T, y.T
        return self.values(_pearson(x, y))


@dataclass(frozen=True)
class CGIMAUROC(Metric):
    """For each class, the AUROC of its weights for the concepts that belong to it (truth above one half)."""

    name = "cgim_auroc"
    paper = "The idea of arXiv 2501.19271; that paper's formula was not at hand, this one is ours."
    truth = "scene"
    direction = 1
    range = (0.0, 1.0)
    needs = ("head", "truth")
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


def _pearson(x: Float[np.ndarray, "r c"], y: Float[np.ndarray, "r c"]) -> Float[np.ndarray, " r"]:
    """Of each row; NaN where a row is constant or not finite."""
    defined = np.isfinite(x).all(1) & np.isfinite(y).all(1) & (x.shape[1] > 1)
    centred = []
    for one in (x, y):
        one = np.where(defined[:, None], one, 0.0)
        middle = one - one.mean(1, keepdims=True)
        defined = defined & (np.abs(middle).max(1, initial=0) > CONSTANT * np.abs(one).max(1, initial=0))
        centred.append(middle)
    x, y = centred
    norm = np.where(defined, np.sqrt((x**2).sum(1) * (y**2).sum(1)), 1.0)
    return np.where(defined, np.clip((x * y).sum(1) / norm, -1, 1), np.nan)
