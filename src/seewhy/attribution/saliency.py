"""Saliency: how sensitive the score is to each pixel (arXiv 1312.6034).

M = reduce_c  d s / d x_c                                                                              (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, did_you_mean, message

Reduce = Literal["abs_max", "sum", "abs_sum", "l2", "positive_sum"]


@METHODS.register("saliency", aliases=("gradient", "vanilla_gradient"))
@dataclass(frozen=True)
class Saliency(Method):
    """The size of the score's gradient at each pixel of the model's input.

    Parameters
    ----------
    reduce
        How the channels of a pixel become one number: "abs_max" (the paper's), "sum" (signed), "abs_sum",
        "l2" or "positive_sum".
    score
        "logit", "probability" or "log_odds". The gradient of a probability mixes all classes and fades where
        the network is sure.

    Notes
    -----
    One forward and one backward pass. For a linear score the map is the size of its weights.
    """

    reduce: Reduce = "abs_max"
    score: ScoreKind = "logit"

    name: ClassVar[str] = "saliency"
    paper: ClassVar[str] = "Simonyan et al., ICLR 2014 workshop (arXiv 1312.6034), section 3.1"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient"})
    unit: ClassVar[str] = "score per unit of normalised input"

    def attribute(self, question: Question) -> Raw:
        gradients = gradients_at(question, self.score)
        return Raw(reduce_channels(gradients, self.reduce), signed=self.reduce == "sum")


def gradients_at(question: Question, kind: ScoreKind) -> Float[Tensor, "b c H W"]:
    """Gradient of the score at the pictures; a warning is left where it is zero."""
    parts: list[Tensor] = []

    def work(start: int, stop: int) -> None:
        gradient, _ = question.input_gradient(question.x[start:stop], question.rows[start:stop], kind)
        parts.append(gradient.float())

    question.engine.run(len(question), work)
    gradients = torch.cat(parts)
    if flat := [i for i, gradient in enumerate(gradients) if not gradient.any()]:
        question.warnings.append(f"the gradient is zero, and so is the map, for pictures {flat}")
    return gradients


def reduce_channels(values: Float[Tensor, "b c H W"], how: Reduce) -> Float[Tensor, "b H W"]:
    """One number a pixel; see `Saliency`.

    Raises
    ------
    InputError
        If there is no such reduction.
    """
    match how:
        case "abs_max":
            return values.abs().amax(1)
        case "sum":
            return values.sum(1)
        case "abs_sum":
            return values.abs().sum(1)
        case "l2":
            return values.square().sum(1).sqrt()
        case "positive_sum":
            return values.clamp(min=0).sum(1)
    known = get_args(Reduce)
    raise InputError(
        message(f"reduce is {how!r}.", did_you_mean(str(how), known), f"Known: {', '.join(known)}.")
    )
