"""Score-CAM: channels weighted by the score of the picture seen through them (arXiv 1910.01279).

M = ReLU( sum_d w_d A_d ),  w = softmax_d s(x * H_d),  H_d = minmax(enlarge(A_d))                       (1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.masks import bilinear
from seewhy.attribution.question import Who
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, message


@METHODS.register("scorecam", aliases=("score_cam",))
@dataclass(frozen=True)
class ScoreCAM(Method):
    """Where features lie that, kept alone, keep the score up; no gradient is used.

    Parameters
    ----------
    top_k
        Ask only for the channels with the largest norm; how much of the squared norm they hold is told.
    score
        "logit", "probability" or "log_odds".
    relu
        Cut negative values off, as the paper does.

    Notes
    -----
    1 + channels forward passes (1 + top_k). A masked picture exists only within its chunk. The paper subtracts
    the score of a baseline picture before the softmax, which does not change it.
    """

    top_k: int | None = None
    score: ScoreKind = "logit"
    relu: bool = True

    name: ClassVar[str] = "scorecam"
    paper: ClassVar[str] = "Wang et al., CVPR 2020 workshop (arXiv 1910.01279), eq. 5-7"
    needs: ClassVar[frozenset[Need]] = frozenset({"features"})
    unit: ClassVar[str] = "feature units"
    expensive: ClassVar[bool] = True
    exempt: ClassVar[Mapping[str, str]] = {"scales_with_logit": "its weights are a softmax of the scores"}

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            came = f"ScoreCAM got top_k={self.top_k}."
            raise InputError(message(came, "It is at least 1.", "Pass None to use every channel."))

    def attribute(self, question: Question) -> Raw:
        a = question.features()
        chosen = self._channels(question, a)
        kept = a.take_along_dim(chosen[:, :, None, None], 1)
        rows, columns = (
            bilinear(n, size).to(a.device) for n, size in zip(a.shape[2:], question.size, strict=True)
        )

        def change(who: Who, k: Int[Tensor, " m"]) -> Tensor:
            cells = kept[who][:, k][0] if isinstance(who, slice) else kept[who, k]
            seen = stretched(rows @ cells @ columns.T)
            return question.x[who] * seen[:, None].to(question.x.dtype)

        weights = question.scores_of_changed(kept.shape[1], change, self.score).softmax(1)
        maps = torch.einsum("bk,bkhw->bhw", weights.to(kept.dtype), kept)
        return Raw(maps.relu() if self.relu else maps, signed=not self.relu)

    def _channels(self, question: Question, a: Float[Tensor, "b d h w"]) -> Int[Tensor, "b k"]:
        """Which channels to ask for, the strongest first if not all."""
        n = a.shape[1]
        if self.top_k is None or self.top_k >= n:
            question.choices["channels"] = f"all {n}"
            return torch.arange(n, device=a.device).expand(len(a), n)
        power = a.square().sum((2, 3))
        top, chosen = power.topk(self.top_k, 1)
        coverage = top.sum(1) / power.sum(1).clamp(min=torch.finfo(power.dtype).tiny)
        question.choices["channels"] = (
            f"the {self.top_k} of {n} with the largest norm, which hold {100 * float(coverage.min()):.0f} % "
            "of the squared norm or more"
        )
        return chosen


def stretched(maps: Float[Tensor, "m H W"]) -> Float[Tensor, "m H W"]:
    """Each map's range stretched to 0..1; a constant map hides everything."""
    low, high = maps.aminmax(dim=2)
    low, high = low.amin(1)[:, None, None], high.amax(1)[:, None, None]
    return (maps - low) / (high - low).clamp(min=torch.finfo(maps.dtype).tiny)
