"""SmoothGrad: the gradient averaged over noisy copies of the picture (arXiv 1706.03825).

M = reduce_c  mean_i  d s / d x (x + e_i),   e_i ~ N(0, (level * (max x - min x))^2)                   (1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.saliency import Reduce, reduce_channels
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, message

Statistic = Literal["mean", "square", "variance"]


@METHODS.register("smoothgrad", aliases=("smooth_grad",))
@dataclass(frozen=True)
class SmoothGrad(Method):
    """The gradient without its jitter: a statistic of it over a neighbourhood of the picture.

    Parameters
    ----------
    n
        Noisy copies of each picture.
    level
        Standard deviation of the noise as a part of the picture's range.
    statistic
        "mean"; "square", the mean of squares (SquareGrad); "variance" (VarGrad, arXiv 1810.03292).
    antithetic
        Draw noise in pairs of opposite sign: what is even in the noise cancels, so the mean is exact where
        the gradient is linear. Ours; needs an even n.
    reduce
        How the channels of a pixel become one number; see `Saliency`.
    score
        "logit", "probability" or "log_odds".

    Notes
    -----
    n forward and n backward passes. All pictures get the same draws. With level 0 it is saliency.
    """

    n: int = 50
    level: float = 0.15
    statistic: Statistic = "mean"
    antithetic: bool = True
    reduce: Reduce = "abs_max"
    score: ScoreKind = "logit"

    name: ClassVar[str] = "smoothgrad"
    paper: ClassVar[str] = "Smilkov et al., 2017 (arXiv 1706.03825), section 2"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient"})
    unit: ClassVar[str] = "score per unit of normalised input"
    random: ClassVar[bool] = True
    expensive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.level < float("inf"):
            came = f"SmoothGrad got n={self.n}, level={self.level}."
            raise InputError(message(came, "n is at least 1 and level at least 0.", "Try n=50, level=0.15."))
        if self.antithetic and self.n % 2:
            came = f"SmoothGrad got n={self.n} with antithetic=True."
            raise InputError(message(came, "Pairs need an even n.", f"Pass n={self.n + 1}."))
        if self.statistic not in ("mean", "square", "variance"):
            came = f"SmoothGrad got statistic={self.statistic!r}."
            raise InputError(message(came, "It is 'mean', 'square' or 'variance'.", "Take 'mean'."))

    def attribute(self, question: Question) -> Raw:
        x = question.x
        n = self.n if self.level > 0 else 1
        sigma = self.level * (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))
        n_seeds = -(-n // 2) if self.antithetic else n
        seeds = torch.randint(2**62, (n_seeds,), generator=question.generator())
        first, second = (torch.zeros(x.shape, dtype=torch.float64, device=x.device) for _ in range(2))

        def work(start: int, stop: int) -> None:
            # Pictures run fastest, so that each noise is drawn about once.
            at = torch.arange(start, stop)
            who, which = (at % len(question)).to(x.device), at // len(question)
            noisy = x[who] + sigma[who, None, None, None] * self._noise(seeds, which, x)
            gradients = question.input_gradient(noisy, question.rows[who], self.score)[0].double()
            first.index_add_(0, who, gradients)
            second.index_add_(0, who, gradients.square())

        question.engine.run(len(question) * n, work)
        mean, square = first / n, second / n
        values = {"mean": mean, "square": square, "variance": (square - mean.square()).clamp(min=0)}
        signed = self.statistic == "mean" and self.reduce == "sum"
        return Raw(reduce_channels(values[self.statistic].float(), self.reduce), signed=signed)

    def _noise(self, seeds: Tensor, which: Int[Tensor, " m"], x: Tensor) -> Float[Tensor, "m c H W"]:
        """Standard normal noise number `which`, the same for every picture and device."""
        drawn = {}
        for number in set(which.tolist()):
            pair, negative = divmod(number, 2) if self.antithetic else (number, 0)
            generator = torch.Generator().manual_seed(int(seeds[pair]))
            noise = torch.randn(x.shape[1:], generator=generator)
            drawn[number] = -noise if negative else noise
        return torch.stack([drawn[number] for number in which.tolist()]).to(x.device, x.dtype)
