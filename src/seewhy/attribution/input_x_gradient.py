"""Input x gradient: the first-order share of each pixel (arXiv 1605.01713).

M = sum_c  x_c * d s / d x_c                                                                           (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.saliency import gradients_at
from seewhy.attribution.targets import ScoreKind


@METHODS.register("input_x_gradient", aliases=("gradient_x_input",))
@dataclass(frozen=True)
class InputXGradient(Method):
    """Each pixel's value in the model's units times the score's gradient there.

    Parameters
    ----------
    score
        "logit", "probability" or "log_odds".

    Notes
    -----
    One forward and one backward pass. A network of linear layers, ReLU and max pooling without biases is
    homogeneous, and the map sums to the logit; biases take a part that no pixel gets. On such layers the map
    equals layer-wise relevance propagation (LRP-0).
    """

    score: ScoreKind = "logit"

    name: ClassVar[str] = "input_x_gradient"
    paper: ClassVar[str] = "Shrikumar et al., 2016 (arXiv 1605.01713), section 2"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient"})
    unit: ClassVar[str] = "score per pixel"

    def attribute(self, question: Question) -> Raw:
        return Raw((question.x.float() * gradients_at(question, self.score)).sum(1))
