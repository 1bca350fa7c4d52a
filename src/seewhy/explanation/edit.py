"""What if a concept were absent, weaker or stronger here? Where logits are linear in the maps, arithmetic answers.

    logit_k = bias_k + rest_k + sum_m W[k, m] mean_u z_m(u)                                              (1)

so an edit of concept m in a region with cell weights r (0..1) moves every logit by a known amount; for "add",

    delta logit_k = W[k, m] amount sum_u r(u) / (h w)                                                    (2)

Source: Benou and Riklin-Raviv, CVPR 2025 (arXiv 2502.20134), local interventions; regions weighted by area, the other
operations and the amount that flips a decision are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from jaxtyping import Float

from seewhy.errors import InputError, did_you_mean, message
from seewhy.explanation.evidence import ConceptEvidence, Prediction

if TYPE_CHECKING:
    from seewhy.explanation.explanation import Explanation

Operation = Literal["add", "scale", "set"]

_DONE: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "add": lambda z, r, amount: z + amount * r,
    "scale": lambda z, r, amount: z * (1 + (amount - 1) * r),
    "set": lambda z, r, amount: z + r * (amount - z),
}


@dataclass(frozen=True, eq=False)
class Readout:
    """The linear layer from maps to logits, equation (1), for every class.

    Parameters
    ----------
    weight, bias
        W (K, M), in the order of the explanation's concepts by index, and bias (K,).
    rest
        What reaches each logit of this picture by another way, (K,); zero for a plain bottleneck.
    classes
        K names.
    """

    weight: Float[np.ndarray, "k m"]
    bias: Float[np.ndarray, " k"]
    rest: Float[np.ndarray, " k"]
    classes: tuple[str, ...]

    def logits(self, means: Float[np.ndarray, " m"]) -> Float[np.ndarray, " k"]:
        """(1) from the maps' means."""
        found: np.ndarray = self.bias + self.rest + self.weight @ means
        return found

    def predictions(self, logits: Float[np.ndarray, " k"], top_k: int = 5) -> tuple[Prediction, ...]:
        """The best classes, with softmax (one class: sigmoid) probabilities."""
        best = np.argsort(-logits, kind="stable")[:top_k]
        return tuple(self.prediction(logits, int(index)) for index in best)

    def prediction(self, logits: Float[np.ndarray, " k"], index: int) -> Prediction:
        """One class."""
        if len(logits) == 1:
            score = 1.0 / (1.0 + np.exp(-logits[0]))
        else:
            powers = np.exp(logits - logits.max())
            score = powers[index] / powers.sum()
        return Prediction(index, self.classes[index], float(logits[index]), float(score))


@dataclass(frozen=True, eq=False)
class Edit:
    """One change: `operation` with `amount` on a concept, where `region` (cell weights 0..1) is."""

    concept: str
    index: int
    operation: Operation
    amount: float
    region: Float[np.ndarray, "h w"]

    def __str__(self) -> str:
        sign = {"add": "+", "scale": "x", "set": "="}[self.operation]
        amount = f"{self.amount:+g}" if self.operation == "add" else f"{sign}{self.amount:g}"
        part = float(self.region.mean())
        return f"{self.concept} {amount}" + ("" if part >= 1 else f" in {part:.0%} of the picture")


def edited(answer: Explanation, edit: Edit) -> Explanation:
    """The explanation as it would be after an edit; see `Explanation.edit`."""
    assert answer.readout is not None
    concept = answer.concept(edit.index)
    z = _DONE[edit.operation](concept.map.astype(np.float64), edit.region, edit.amount)
    contribution, shares = share_of(z, float(answer.readout.weight[answer.target.index, edit.index]))
    new = replace(
        concept, map=z.astype(np.float32), contribution=contribution, shares=shares, percentile=None
    )
    concepts = tuple(new if one is concept else one for one in answer.concepts)
    logits = answer.readout.logits(_means(concepts, answer.readout.weight.shape[1]))
    rerun = answer.rerun
    return replace(
        answer,
        concepts=concepts,
        target=answer.readout.prediction(logits, answer.target.index),
        prediction=answer.readout.predictions(logits, max(1, len(answer.prediction))),
        edits=(*answer.edits, edit),
        edited_from=answer,
        rerun=None if rerun is None else lambda target: edited(rerun(target), edit),
        receipt=None,
    )


def share_of(z: Float[np.ndarray, "h w"], weight: float) -> tuple[float, Float[np.ndarray, "h w"]]:
    """A concept's contribution W mean z, and what each cell has of it."""
    shares = weight / z.size * np.asarray(z, np.float32).astype(np.float64)
    return float(shares.sum()), shares


def flip(answer: Explanation, index: int, winner: int, region: Float[np.ndarray, "h w"]) -> float | None:
    """The smallest amount to add to a concept in a region so that `winner` has the largest logit; None if none does.

    Along amount t logit k is l_k + d_k t by (2); each other class bounds t on one side.
    """
    assert answer.readout is not None
    readout = answer.readout
    logits = readout.logits(_means(answer.concepts, readout.weight.shape[1]))
    slope = readout.weight[:, index] * float(region.mean())
    low, high = -np.inf, np.inf
    for other in range(len(logits)):
        lead, gain = logits[winner] - logits[other], slope[winner] - slope[other]
        if other == winner:
            continue
        if gain == 0:
            if lead <= 0:
                return None
        elif gain > 0:
            low = max(low, -lead / gain)
        else:
            high = min(high, -lead / gain)
    if low >= high:
        return None
    if low < 0 < high:
        return 0.0
    # At the edge two classes are level; a thousandth beyond it (or half of what room there is) one leads.
    edge, room = (low, high - low) if low >= 0 else (high, low - high)
    beyond = np.sign(room) * min(abs(room) / 2, max(1e-3 * abs(edge), 1e-6))
    return float(edge + beyond)


def checked(operation: str, amount: float) -> tuple[Operation, float]:
    """An operation and its amount, or an error."""
    if operation not in _DONE:
        raise InputError(
            message(
                f"The operation is {operation!r}.",
                "It is 'add' (shifts a concept), 'scale' (multiplies it) or 'set' (fixes it).",
                did_you_mean(str(operation), _DONE) or "Leave it out for 'add'.",
            )
        )
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.number)) or not np.isfinite(amount):
        raise InputError(message(f"The amount is {amount!r}.", "It is a finite number.", "Pass -2.0, say."))
    return cast(Operation, operation), float(amount)


def _means(concepts: Sequence[ConceptEvidence], n: int) -> Float[np.ndarray, " m"]:
    means = np.zeros(n)
    for concept in concepts:
        means[concept.index] = concept.map.astype(np.float64).mean()
    return means
