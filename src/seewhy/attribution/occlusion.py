"""Occlusion: what the score loses when a window is hidden (arXiv 1311.2901).

M_u = mean over the windows w that cover u of  s(x) - s(x with w filled)                               (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Question, Raw
from seewhy.attribution.fillers import Fill, describe_fill, filled
from seewhy.attribution.masks import Windows
from seewhy.attribution.question import Who
from seewhy.attribution.targets import ScoreKind
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
        least one pixel, and half a window. The last window is cut at the border; pixels that no window covers
        (a stride larger than the window) get 0.
    fill
        What is put in: a number in the model's units (0 is the mean colour of the training set), "black",
        "white", "mean" or "blur"; see `fillers.filled`.
    score
        "logit", "probability" or "log_odds".

    Notes
    -----
    1 + (ceil((H - window) / stride) + 1) * (the same for W) forward passes. For a linear model the loss of
    each window is the sum of weight times (pixel - fill) over it.
    """

    window: int | tuple[int, int] | None = None
    stride: int | tuple[int, int] | None = None
    fill: Fill = 0.0
    score: ScoreKind = "logit"

    name: ClassVar[str] = "occlusion"
    paper: ClassVar[str] = "Zeiler and Fergus, ECCV 2014 (arXiv 1311.2901), section 4.2"
    kind: ClassVar = "effect"
    unit: ClassVar[str] = "score lost"
    expensive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("window", "stride"):
            value = getattr(self, name)
            numbers = (value, value) if isinstance(value, int) else value
            if value is not None and (len(numbers) != 2 or min(numbers) < 1):
                came = f"Occlusion got {name}={value}."
                needed = "It is a number of pixels, at least 1, or (vertical, horizontal)."
                raise InputError(message(came, needed, "Leave it out for a default."))

    def attribute(self, question: Question) -> Raw:
        height, width = question.size
        window = _pair(self.window) or (max(1, height // 8), max(1, width // 8))
        stride = _pair(self.stride) or (max(1, window[0] // 2), max(1, window[1] // 2))
        question.choices["window"] = f"{window[1]}x{window[0]} px every {stride[1]}x{stride[0]}"
        question.choices["fill"] = describe_fill(self.fill)
        windows = Windows.slide(question.size, window, stride, question.x.device)
        x, blank = question.x, filled(question, self.fill)

        def change(who: Who, k: Int[Tensor, " m"]) -> Tensor:
            fill = blank if len(blank) == 1 else blank[who]
            return torch.where(windows.render(k)[:, None], fill, x[who])

        hidden = question.scores_of_changed(len(windows), change, self.score)
        return Raw(windows.spread(question.plain_scores(self.score)[:, None] - hidden))


def _pair(value: int | tuple[int, int] | None) -> Size | None:
    if value is None:
        return None
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
