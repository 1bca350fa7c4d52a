"""Insertion and deletion: the score of a class while pixels are shown, or hidden, in the order of a map.

Petsiuk et al., BMVC 2018 (arXiv 1806.07421). Ours: one value per picture and no mean; both ends always on the
curve; 64 steps by default; cells in the order of the map and pixels of a cell at random, so that a coarse map
is not judged by how it was enlarged (`order="pixel"` is the paper's); ties at random, a map with ties getting the
mean of two draws that break them in opposite ways, and a constant map what random orders get; the same draws of one
picture for every method, so that differences are paired, and independent ones of different pictures.

Maps are taken with their sign: what speaks against the class is hidden, or shown, last.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.engine import Engine, Progress
from seewhy.attribution.fillers import FillName, filled
from seewhy.attribution.question import Question, Who
from seewhy.attribution.targets import ScoreKind
from seewhy.errors import InputError, message
from seewhy.evaluate.base import Curve, Metric, Truth, Values, chosen
from seewhy.evaluate.how_much.asking import (
    Network,
    ask,
    asked,
    blurred_as_published,
    checked,
    device_of,
    given_blank,
    per_picture,
)
from seewhy.evaluate.how_much.curves import (
    Normalise,
    Order,
    area,
    hidden_counts,
    normalised,
    orders_of,
    picture_key,
)

Score = Literal["probability", "logit", "margin"]
Fill = FillName | Literal["blur_11_5"] | float
"""As in `attribution.fillers`; "blur_11_5" is the paper's, a Gaussian of 11 pixels and standard deviation 5."""

_KINDS: dict[Score, ScoreKind] = {"probability": "probability", "logit": "logit", "margin": "log_odds"}

BLOCK = 64
"""Pictures whose orders are held at once."""


@dataclass(frozen=True)
class RemovalMetric(Metric):
    """What insertion, deletion and their difference share.

    Parameters
    ----------
    steps
        Equal steps of the curve; never more than pixels.
    fill
        What stands in for hidden pixels: a name, or a number in the units of the network's input.
    score
        "probability", "logit", or "margin": the logit against the log of the sum of the others'
        exponentials, which does not saturate.
    order
        "cell": the map's own cells (at most 32 a side), pixels of a cell at random. "pixel": the map enlarged.
    normalise
        "raw", "rel" (as a part of the whole picture's score) or "span" (0 at the filling, 1 at the picture).
    per_step
        Pixels a step, in place of `steps`.
    seed
        Of ties and of pixels in a cell, together with the picture's own bytes.
    """

    steps: int = 64
    fill: Fill = 0.0
    score: Score = "probability"
    order: Order = "cell"
    normalise: Normalise = "raw"
    per_step: int | None = None
    seed: int = 0

    truth: ClassVar[Truth] = "model"
    needs: ClassVar[tuple[str, ...]] = ("model", "pictures", "maps")
    chance: ClassVar[str] = "that of a constant map, which gets the mean of random orders; no closed form"
    hides: ClassVar[bool] = False
    shows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for what, value, known in (
            ("score", self.score, get_args(Score)),
            ("order", self.order, get_args(Order)),
            ("normalise", self.normalise, get_args(Normalise)),
        ):
            chosen(what, value, known)
        for what, number in (("steps", self.steps), ("per_step", self.per_step)):
            if number is not None and (isinstance(number, bool) or number != int(number) or number < 1):
                raise InputError(
                    message(
                        f"{what} is {number!r}.",
                        "It is a whole number, at least 1.",
                        "Leave it out for a default.",
                    )
                )

    def __call__(
        self,
        model: Network,
        pictures: Float[Tensor, "n c H W"],
        maps: Float[np.ndarray, "n h w"],
        targets: int | str | Sequence[int | str] = "predicted",
        *,
        blank: Tensor | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Values:
        """Values of single pictures, with their curves.

        Parameters
        ----------
        pictures
            Ready for the network. It runs in eval mode, without gradients, and is left as it was.
        maps
            One per picture, of any grid; the larger, the more important. A map with NaN or infinity makes its
            item undefined.
        targets
            A class, "predicted", or one of these per picture.
        blank
            A filling of your own in place of `fill`: (c, H, W), (n, c, H, W), or what broadcasts to it.
        batch_size
            Pictures in one pass; halved when memory runs out.
        progress
            Called with (done, total) pictures.

        Returns
        -------
        values
            `curve.x` is the share of pixels hidden (or shown), from 0 to 1; `extras["targets"]` the class that each
            item was asked about, None where it was not.

        Raises
        ------
        InputError
            If numbers or shapes of pictures, maps, targets and filling do not fit.
        """
        backbone = asked(model)
        pictures, maps = checked(pictures, maps)
        n, size = len(pictures), (pictures.shape[2], pictures.shape[3])
        each = per_picture(targets, n)
        given = None if blank is None else given_blank(blank, pictures)
        counts = hidden_counts(math.prod(size), self.steps, self.per_step)
        x = counts / counts[-1]
        y = np.full((n, len(x)), np.nan)
        finite = np.flatnonzero(np.isfinite(maps).all((1, 2)))
        engine = Engine.for_device(device_of(backbone, pictures), batch_size, size=size)
        forwards = 0
        classes: list[int | None] = [None] * n
        with backbone.undisturbed(), torch.no_grad():
            for start in range(0, len(finite), BLOCK):
                block = finite[start : start + BLOCK]
                question = ask(backbone, pictures[block], [each[i] for i in block], engine)
                filling = self._filling(question) if given is None else given[block].to(question.x)
                keys = [_key(pictures[i]) for i in block]
                y[block] = self._curves(question, filling, maps[block], keys, counts)
                for i, row in zip(block, question.rows.tolist(), strict=True):
                    classes[i] = int(row)
                forwards += question.cost.forwards
                if progress is not None:
                    progress(min(start + BLOCK, len(finite)), len(finite))
        settings = {} if blank is None else {"fill": "a filling of the caller's"}
        curve = Curve(x, y)
        values = self.values(area(x, y), forwards=forwards, curve=curve, settings=settings, targets=classes)
        return replace(values, range=self._range())

    @abstractmethod
    def _combined(
        self, hiding: Float[np.ndarray, "n t"], showing: Float[np.ndarray, "n t"]
    ) -> Float[np.ndarray, "n t"]:
        """The metric's curve from that of hiding and that of showing; what it does not ask for is NaN."""

    def _range(self) -> tuple[float, float]:
        if self.score == "probability" or self.normalise != "raw":
            return self.range
        return -math.inf, math.inf

    def _curves(
        self,
        question: Question,
        blank: Float[Tensor, "b c H W"],
        maps: Float[np.ndarray, "b h w"],
        keys: Sequence[int],
        counts: Int[np.ndarray, " t"],
    ) -> Float[np.ndarray, "b t"]:
        orders = [
            orders_of(each, question.size, self.order, self.seed, key)
            for each, key in zip(maps, keys, strict=True)
        ]
        owner = np.repeat(np.arange(len(maps)), [len(each) for each in orders])
        scores = self._scores(question, blank, np.concatenate(orders), owner, counts[1:-1])
        mean = np.zeros((len(maps), scores.shape[1]))
        np.add.at(mean, owner, scores)
        mean /= np.bincount(owner)[:, None]
        whole = question.plain_scores(_KINDS[self.score]).double().cpu().numpy()
        empty, between = mean[:, 0], len(counts) - 2
        curves = []
        for wanted, inner, ends in (
            (self.hides, mean[:, 1 : 1 + between], (whole, empty)),
            (self.shows, mean[:, mean.shape[1] - between :], (empty, whole)),
        ):
            full = np.column_stack([ends[0], inner, ends[1]]) if wanted else np.full_like(mean[:, :1], np.nan)
            curves.append(normalised(full, whole, empty, self.normalise))
        return self._combined(*curves)

    def _scores(
        self,
        question: Question,
        blank: Float[Tensor, "b c H W"],
        orders: Int[np.ndarray, "r H W"],
        owner: Int[np.ndarray, " r"],
        counts: Int[np.ndarray, " s"],
    ) -> Float[np.ndarray, "r v"]:
        """Scores of the blank, then while hiding, then while showing, whichever of them is asked for."""
        device = question.x.device
        whose = torch.from_numpy(owner).to(device)
        places = torch.from_numpy(orders.astype(np.int32)).to(device)
        limits = [np.array([orders[0].size])] + [counts] * (self.hides + self.shows)
        limit = torch.from_numpy(np.concatenate(limits)).to(device, torch.int32)
        shown = torch.zeros(len(limit), dtype=torch.bool, device=device)
        if self.shows:
            shown[len(limit) - len(counts) :] = True
        x, blank = question.x[whose], blank[whose]
        repeated = replace(question, x=x, rows=question.rows[whose], logits=question.logits[whose])

        def change(who: Who, k: Int[Tensor, " m"]) -> Tensor:
            kept = (places[who] >= limit[k][:, None, None]) ^ shown[k][:, None, None]
            return torch.where(kept[:, None], x[who], blank[who])

        found = repeated.scores_of_changed(len(limit), change, _KINDS[self.score])
        scores: np.ndarray = found.double().cpu().numpy()
        return scores

    def _filling(self, question: Question) -> Float[Tensor, "b c H W"]:
        return blurred_as_published(question.x) if self.fill == "blur_11_5" else filled(question, self.fill)


@dataclass(frozen=True)
class Deletion(RemovalMetric):
    """Area under the score while the strongest pixels are hidden first; less is better.

    `Deletion.published()` is the paper's protocol: 224 pixels a step, pixel by pixel, 0 as the filling.
    """

    name: ClassVar[str] = "deletion"
    paper: ClassVar[str] = "Petsiuk et al., BMVC 2018 (arXiv 1806.07421); orders by cell and scales are ours"
    direction: ClassVar[Literal[1, -1]] = -1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    hides: ClassVar[bool] = True

    @classmethod
    def published(cls) -> Self:
        """The options of the paper, which are meant for pictures of 224 pixels."""
        return cls(fill=0.0, order="pixel", per_step=224)

    def _combined(self, hiding: np.ndarray, showing: np.ndarray) -> np.ndarray:
        return hiding


@dataclass(frozen=True)
class Insertion(RemovalMetric):
    """Area under the score while the strongest pixels are shown first on an empty picture; more is better.

    `Insertion.published()` is the paper's protocol: 224 pixels a step, pixel by pixel, on a blurred picture.
    """

    fill: Fill = "blur"

    name: ClassVar[str] = "insertion"
    paper: ClassVar[str] = "Petsiuk et al., BMVC 2018 (arXiv 1806.07421); orders by cell and scales are ours"
    direction: ClassVar[Literal[1, -1]] = 1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    shows: ClassVar[bool] = True

    @classmethod
    def published(cls) -> Self:
        """The options of the paper, which are meant for pictures of 224 pixels."""
        return cls(fill="blur_11_5", order="pixel", per_step=224)

    def _combined(self, hiding: np.ndarray, showing: np.ndarray) -> np.ndarray:
        return showing


@dataclass(frozen=True)
class InsMinusDel(RemovalMetric):
    """Insertion minus deletion with the same filling and the same order; more is better, 0 by chance."""

    fill: Fill = "mean"

    name: ClassVar[str] = "ins_minus_del"
    paper: ClassVar[str] = "ours, from Petsiuk et al., BMVC 2018 (arXiv 1806.07421)"
    direction: ClassVar[Literal[1, -1]] = 1
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    chance: ClassVar[str] = "0"
    hides: ClassVar[bool] = True
    shows: ClassVar[bool] = True

    def _combined(self, hiding: np.ndarray, showing: np.ndarray) -> np.ndarray:
        gained: np.ndarray = showing - hiding
        return gained


def _key(picture: Float[Tensor, "c H W"]) -> int:
    return picture_key(picture.detach().cpu().contiguous().view(torch.uint8).numpy())
