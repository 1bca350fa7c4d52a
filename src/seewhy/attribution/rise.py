"""RISE: pixels whose presence goes with a high score, over random masks (arXiv 1806.07421).

M_u = sum_i (s_i - mean s)(m_iu - mean m_u) / sum_i (m_iu - mean m_u)^2,   s_i = s(x * m_i)            (1)

This is the slope of the score on each pixel's visibility. The paper's own estimator,

M_u = 1 / (N p) sum_i s_i m_iu                                                                         (2)

has the same expectation up to a positive factor and an offset, and more noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.base import METHODS, Method, Question, Raw
from seewhy.attribution.fillers import Fill, describe_fill, filled
from seewhy.attribution.masks import RandomGrids, Sampler
from seewhy.attribution.question import Who
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, message

Estimator = Literal["covariance", "paper"]

RENDERED = 64
"""Masks rendered at once when the map is formed; fixed, so that the map does not depend on the batch size."""


@METHODS.register("rise")
@dataclass(frozen=True)
class RISE(Method):
    """How the score changes with what random masks show of each place.

    Parameters
    ----------
    masks
        Number of masks, one forward pass each. Four masks a cell are the least for "sobol" to be at its best.
    grid
        Cells of a mask, one number or (rows, columns); at most the picture's pixels.
    p
        Probability that a cell is shown.
    estimator
        "covariance", equation (1), or "paper", equation (2).
    sampler
        "sobol": balanced masks from a scrambled Sobol sequence, which remove most of the noise that cells
        give each other where the score is nearly additive; "bernoulli": independent cells, the paper's.
    fill
        What is put in where a mask hides: 0, the paper's, is the mean colour of the training set in a
        normalised input; or "black", "white", "mean", "blur" (see `fillers.filled`).
    score
        "probability", the paper's, "logit" or "log_odds".

    Notes
    -----
    Needs nothing but scores. All pictures see the same masks. The masks are halved at random places of the
    sequence and the two maps' rank correlation is told: near 1, more masks would change little; near 0, the
    map is mostly noise.
    The covariance form with Sobol masks is ours; see benchmarks/rise_curves.py for what it gains.
    """

    masks: int = 2000
    grid: int | tuple[int, int] = 7
    p: float = 0.5
    estimator: Estimator = "covariance"
    sampler: Sampler = "sobol"
    fill: Fill = 0.0
    score: ScoreKind = "probability"

    name: ClassVar[str] = "rise"
    paper: ClassVar[str] = "Petsiuk et al., BMVC 2018 (arXiv 1806.07421), eq. 6"
    unit: ClassVar[str] = "score per visibility"
    random: ClassVar[bool] = True
    expensive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        grid = (self.grid, self.grid) if isinstance(self.grid, int) else self.grid
        if self.masks < 2 or len(grid) != 2 or min(grid) < 1 or not 0 < self.p < 1:
            came = f"RISE got masks={self.masks}, grid={self.grid}, p={self.p}."
            needed = "masks is at least 2, grid at least 1 cell a side, p between 0 and 1."
            raise InputError(message(came, needed, "Try masks=2000, grid=7, p=0.5."))
        for name, known in (("estimator", ("covariance", "paper")), ("sampler", ("sobol", "bernoulli"))):
            if getattr(self, name) not in known:
                came = f"RISE got {name}={getattr(self, name)!r}."
                raise InputError(message(came, f"It is {known[0]!r} or {known[1]!r}.", f"Take {known[0]!r}."))

    def attribute(self, question: Question) -> Raw:
        x, blank = question.x, filled(question, self.fill)
        cells = (self.grid, self.grid) if isinstance(self.grid, int) else self.grid
        masks = RandomGrids.draw(
            self.masks, cells, question.size, self.p, self.sampler, question.seed, x.device
        )
        question.choices["fill"] = describe_fill(self.fill)

        def change(who: Who, k: Int[Tensor, " m"]) -> Tensor:
            fill = blank if len(blank) == 1 else blank[who]
            return torch.lerp(fill, x[who], masks.render(k)[:, None].to(x.dtype))

        scores = question.scores_of_changed(self.masks, change, self.score)
        if self.estimator == "paper":
            sums = MaskedSums.over(masks, scores, torch.arange(self.masks))
            return Raw(sums.score_mask / (self.masks * self.p))
        halves = split_halves(masks, scores, question.seed)
        whole = halves[0] + halves[1]
        agreement = rank_correlation(halves[0].slopes(), halves[1].slopes())
        question.choices["agreement of halves"] = f"rank correlation {float(agreement.min()):.2f}" + (
            " or more" if len(question) > 1 else ""
        )
        return Raw(whole.slopes(), kinds=["effect"] * len(question))


@dataclass(frozen=True)
class MaskedSums:
    """Sums over masks from which both estimators follow; two sets of masks add up."""

    n: int
    score: Float[Tensor, " b"]
    mask: Float[Tensor, "H W"]
    mask_mask: Float[Tensor, "H W"]
    score_mask: Float[Tensor, "b H W"]

    @classmethod
    def over(cls, masks: RandomGrids, scores: Float[Tensor, "b n"], index: Int[Tensor, " m"]) -> MaskedSums:
        """Of the masks and scores numbered `index`, rendered a few at a time, summed in double precision."""
        index = index.to(scores.device)
        height, width = masks.rows.shape[1], masks.columns.shape[2]
        mask, mask_mask = (
            torch.zeros(height, width, dtype=torch.float64, device=scores.device) for _ in range(2)
        )
        score_mask = torch.zeros(len(scores), height * width, dtype=torch.float64, device=scores.device)
        for part in torch.split(index, RENDERED):
            rendered = masks.render(part)
            mask += rendered.sum(0)
            mask_mask += rendered.square().sum(0)
            score_mask += scores[:, part].to(rendered.dtype) @ rendered.flatten(1)
        maps = score_mask.view(len(scores), height, width)
        return cls(len(index), scores[:, index].double().sum(1), mask, mask_mask, maps)

    def __add__(self, other: MaskedSums) -> MaskedSums:
        return MaskedSums(
            self.n + other.n,
            self.score + other.score,
            self.mask + other.mask,
            self.mask_mask + other.mask_mask,
            self.score_mask + other.score_mask,
        )

    def slopes(self) -> Float[Tensor, "b H W"]:
        """Equation (1); 0 where every mask shows a pixel alike."""
        covariance = self.score_mask - self.score[:, None, None] * self.mask / self.n
        variance = self.mask_mask - self.mask.square() / self.n
        return torch.where(variance > 1e-9 * self.n, covariance / variance.clamp(min=1e-9), 0.0)


def split_halves(
    masks: RandomGrids, scores: Float[Tensor, "b n"], seed: int
) -> tuple[MaskedSums, MaskedSums]:
    """Sums over two random halves of the masks, scores taken from their mean (which slopes do not see)."""
    # Centred in double precision: single precision would lose small differences of large scores.
    centred = scores.double() - scores.double().mean(1, keepdim=True)
    order = torch.randperm(len(masks), generator=torch.Generator().manual_seed(seed + 1))
    first, second = order[::2].sort().values, order[1::2].sort().values
    return MaskedSums.over(masks, centred, first), MaskedSums.over(masks, centred, second)


def rank_correlation(one: Float[Tensor, "b H W"], other: Float[Tensor, "b H W"]) -> Float[Tensor, " b"]:
    """Spearman's, over at most 32 x 32 places (ties in the order of places); 0 for a constant map."""
    size = min(one.shape[1], 32), min(one.shape[2], 32)
    pooled = [torch.nn.functional.adaptive_avg_pool2d(maps, size).flatten(1) for maps in (one, other)]
    ranks = [maps.argsort(1).argsort(1).double() for maps in pooled]
    a, b = (r - r.mean(1, keepdim=True) for r in ranks)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp(min=1e-12)
