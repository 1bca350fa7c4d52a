"""Occlusion: what the score loses when a window is hidden (arXiv 1311.2901).

M_u = mean over the windows w that cover u of  s(x) - s(x with w filled)                               (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Question, Raw
from seewhy.attribution.targets import ScoreKind, score_of
from seewhy.errors import InputError, message
from seewhy.types import Size


@METHODS.register("occlusion", aliases=("sliding_window",))
@dataclass(frozen=True)
class Occlusion(Method):
    """The loss of score when a sliding window hides a part of the input.

    Parameters
    ----------
    window, stride
        Pixels of the model's input, (vertical, horizontal) or one number; default an eighth of each side, at
        least one pixel, and half a window. The last window is cut at the border.
    fill
        Value put in, in the model's normalised units: 0 is the mean colour of the training set.
    score
        "logit", "probability" or "log_odds".

    Notes
    -----
    (ceil((H - window) / stride) + 1) * (the same for W) forward passes. For a linear model the loss of each
    window is the sum of weight times (pixel - fill) over it.
    """

    window: int | tuple[int, int] | None = None
    stride: int | tuple[int, int] | None = None
    fill: float = 0.0
    score: ScoreKind = "logit"

    name: ClassVar[str] = "occlusion"
    paper: ClassVar[str] = "Zeiler and Fergus, ECCV 2014 (arXiv 1311.2901), section 4.2"
    kind: ClassVar = "effect"
    unit: ClassVar[str] = "score lost"
    expensive: ClassVar[bool] = True

    def attribute(self, question: Question) -> Raw:
        height, width = question.size
        window = _pair(self.window) or (max(1, height // 8), max(1, width // 8))
        stride = _pair(self.stride) or (max(1, window[0] // 2), max(1, window[1] // 2))
        tops, lefts = (_starts(extent, window[i], stride[i]) for i, extent in enumerate((height, width)))
        places = [(top, left) for top in tops for left in lefts]
        question.choices["window"] = (
            f"{window[1]}x{window[0]} px every {stride[1]}x{stride[0]}, fill {self.fill:g}"
        )
        before = score_of_question(question, self.score)
        maps = [self._one(question, i, places, window, float(before[i])) for i in range(len(question))]
        return Raw(torch.stack(maps))

    def _one(
        self, question: Question, i: int, places: list[tuple[int, int]], window: Size, before: float
    ) -> Float[Tensor, "H W"]:
        x, row = question.x[i], question.rows[i : i + 1]
        losses = torch.zeros(len(places), dtype=torch.float64)

        def work(start: int, stop: int) -> None:
            hidden = x.expand(stop - start, *x.shape).clone()
            for picture, (top, left) in zip(hidden, places[start:stop], strict=True):
                picture[:, top : top + window[0], left : left + window[1]] = self.fill
            losses[start:stop] = (
                before - question.scores(hidden, row.expand(len(hidden)), self.score).double().cpu()
            )

        question.engine.run(len(places), work)
        total = torch.zeros(question.size, dtype=torch.float64)
        covered = torch.zeros(question.size, dtype=torch.float64)
        for loss, (top, left) in zip(losses, places, strict=True):
            total[top : top + window[0], left : left + window[1]] += loss
            covered[top : top + window[0], left : left + window[1]] += 1
        return total / covered.clamp(min=1)


def score_of_question(question: Question, kind: ScoreKind) -> Float[Tensor, " b"]:
    """The score of the unchanged pictures, from the logits at hand."""
    return score_of(question.logits, question.rows, kind).double().cpu()


def _pair(value: int | tuple[int, int] | None) -> Size | None:
    if value is None:
        return None
    pair = (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
    if min(pair) < 1:
        raise InputError(
            message(f"The window or stride is {value}.", "It is at least 1 pixel.", "Pass a positive number.")
        )
    return pair


def _starts(extent: int, window: int, stride: int) -> list[int]:
    """Where windows start: every stride until one reaches the border."""
    starts = [0]
    while starts[-1] + window < extent:
        starts.append(starts[-1] + stride)
    return starts
