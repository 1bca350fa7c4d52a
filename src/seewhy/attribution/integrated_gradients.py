"""Integrated Gradients: what each pixel adds on the straight way from a baseline (arXiv 1703.01365).

M = sum_c (x - x0)_c * sum_k w_k  d s / d x_c (x0 + t_k (x - x0))                                      (1)

with the nodes t_k and weights w_k of Gauss-Legendre quadrature on [0, 1]; sum(M) tends to s(x) - s(x0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.fillers import Fill, describe_fill, filled
from seewhy.attribution.shares import completeness
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, message


@METHODS.register("integrated_gradients", aliases=("ig",))
@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Each pixel's part in what sets the picture's score apart from a baseline's.

    Parameters
    ----------
    steps
        Nodes on the way, one forward and one backward pass each. Doubling halves the parts of the way that
        get so many nodes.
    baseline
        Where the way starts: the picture's own mean colour ("mean"), "black", "white", "blur" or a number in the
        model's units (see `fillers.filled`).
    tolerance
        Double the steps of each picture until its gap is at most this, or `max_steps` is reached.
    max_steps
        Where doubling ends.
    score
        "logit", "probability" or "log_odds".

    Notes
    -----
    The papers start in black. The default is ours, because black is no picture that a network knows: on a network
    trained on the world, maps from black do not agree with what it does without each thing (correlation 0.02 with
    exact Shapley values, 0.98 from the mean colour), and on a real one insertion less deletion is lower (CIFAR
    ResNet-20, blurred filling: 0.03 and 0.30). Measured by `python -m benchmarks accuracy.ig_baseline`.

    `gap` of the result is |sum(M) - (s(x) - s(x0))| / max(|s(x) - s(x0)|, 1e-6). The evidence counts as
    shares where the sum holds as tightly as totals must (`shares.completeness`), else as an estimate of them.
    """

    steps: int = 50
    baseline: Fill = "mean"
    tolerance: float | None = None
    max_steps: int = 800
    score: ScoreKind = "logit"

    name: ClassVar[str] = "integrated_gradients"
    paper: ClassVar[str] = "Sundararajan et al., ICML 2017 (arXiv 1703.01365), eq. 1 and 3"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient"})
    unit: ClassVar[str] = "score per pixel"
    expensive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.max_steps < self.steps:
            came = f"IntegratedGradients got steps={self.steps}, max_steps={self.max_steps}."
            raise InputError(message(came, "1 <= steps <= max_steps.", "Try steps=50, max_steps=800."))
        if self.tolerance is not None and not self.tolerance > 0:
            came = f"IntegratedGradients got tolerance={self.tolerance}."
            raise InputError(message(came, "It is a relative gap above 0.", "Try tolerance=0.01, or None."))

    def attribute(self, question: Question) -> Raw:
        baseline = self._baseline(question)
        start = self._scores_at(question, baseline)
        wanted = question.plain_scores(self.score) - start
        precise = torch.promote_types(question.x.dtype, torch.float32)
        maps = torch.zeros(len(question), *question.size, dtype=precise, device=question.x.device)
        used = torch.zeros(len(question), dtype=torch.long)
        active, steps = torch.arange(len(question), device=question.x.device), self.steps
        while len(active):
            maps[active] = self._integrate(question, baseline, active, steps)
            used[active.cpu()] = steps
            steps *= 2
            if self.tolerance is None or steps > self.max_steps:
                break
            gaps = (maps.double().sum((1, 2)) - wanted).abs() / wanted.abs().clamp(min=1e-6)
            active = active[gaps[active] > self.tolerance]
        question.choices["steps"] = ", ".join(str(count) for count in sorted(set(used.tolist())))
        gaps_and_kinds = completeness(maps, question.plain_scores(self.score), start)
        return Raw(maps, *gaps_and_kinds)

    def _baseline(self, question: Question) -> Float[Tensor, "b c H W"]:
        question.choices["baseline"] = describe_fill(self.baseline)
        return filled(question, self.baseline).expand_as(question.x)

    def _scores_at(self, question: Question, inputs: Float[Tensor, "b c H W"]) -> Float[Tensor, " b"]:
        return question.scores_of_changed(1, lambda who, _: inputs[who], self.score)[:, 0]

    def _integrate(
        self, question: Question, baseline: Tensor, active: Int[Tensor, " a"], steps: int
    ) -> Float[Tensor, "a H W"]:
        """Equation (1) for some of the pictures."""
        # At least single precision: nodes rounded to half precision would no longer integrate.
        precise = torch.promote_types(question.x.dtype, torch.float32)
        x0 = baseline[active].to(precise)
        way = question.x[active].to(precise) - x0
        nodes, weights = (t.to(way.device, way.dtype) for t in legendre(self.steps, steps // self.steps))
        precise = torch.promote_types(way.dtype, torch.float32)
        mean = torch.zeros(way.shape, dtype=precise, device=way.device)

        def work(start: int, stop: int) -> None:
            at = torch.arange(start, stop, device=way.device)
            who, k = at // steps, at % steps
            inputs = torch.addcmul(x0[who], nodes[k, None, None, None], way[who])
            inputs = inputs.to(question.x.dtype)
            gradients, _ = question.input_gradient(inputs, question.rows[active[who]], self.score)
            mean.index_add_(0, who, (weights[k, None, None, None] * gradients).to(precise))

        question.engine.run(len(active) * steps, work)
        return (way * mean).sum(1)


def legendre(n: int, parts: int = 1) -> tuple[Float[Tensor, " nodes"], Float[Tensor, " nodes"]]:
    """Nodes in (0, 1) and weights, which sum to 1, of n-point quadrature on each of equal parts; float64."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(n))
    starts = torch.arange(parts, dtype=torch.float64)[:, None]
    return ((starts + (nodes + 1) / 2) / parts).flatten(), (weights / 2 / parts).repeat(parts)
