"""One question to a network, and the means with which methods answer it: scores, gradients, features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.attribution.engine import Cost, Engine
from seewhy.attribution.targets import ScoreKind, score_of
from seewhy.backbones.base import Backbone
from seewhy.backbones.split import Cut, Split
from seewhy.errors import NotSupported, message
from seewhy.types import Size

Who = slice | Tensor
"""Some of the pictures of a question; a slice of one stands for a chunk that is made of this picture alone."""


@dataclass(frozen=True)
class Expansion:
    """A score around its features: the value s, the gradient G at the features A, and s with A set to zero.

    `bias` is NaN unless it was asked for.
    """

    features: Float[Tensor, "b d h w"]
    gradients: Float[Tensor, "b d h w"]
    scores: Float[Tensor, " b"]
    bias: Float[Tensor, " b"]


@dataclass
class Question:
    """One call of a method: the network, the input, the classes asked for, and the means to answer."""

    backbone: Backbone
    x: Float[Tensor, "b c H W"]
    rows: Int[Tensor, " b"]
    logits: Float[Tensor, "b k"]
    engine: Engine
    at: str | None = None
    seed: int = 0
    cost: Cost = field(default_factory=Cost)
    choices: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def size(self) -> Size:
        """(height, width) of the network's input."""
        return self.x.shape[2], self.x.shape[3]

    def __len__(self) -> int:
        return len(self.x)

    def generator(self) -> torch.Generator:
        """A private stream of random numbers, on the CPU so that every device draws the same."""
        return torch.Generator().manual_seed(self.seed)

    def scores(
        self, x: Float[Tensor, "n c H W"], rows: Int[Tensor, " n"], kind: ScoreKind = "logit"
    ) -> Float[Tensor, " n"]:
        """Run the network on any input; gradients flow if enabled."""
        scores = score_of(self.backbone.logits(x), rows, kind)
        self.cost.forwards += len(x)
        return scores

    def scores_of_changed(
        self, n: int, change: Callable[[Who, Int[Tensor, " m"]], Tensor], kind: ScoreKind = "logit"
    ) -> Float[Tensor, "b n"]:
        """Scores of `n` changed versions of every picture.

        `change(who, k)` gives the m inputs that are versions k (m,) of the pictures `who`, where `t[who]` of
        a tensor with one row a picture has m rows, or one that stands for all m. Chunks run over pictures
        and versions alike, so that small jobs fill them too.
        """
        total = len(self) * n
        precise = torch.promote_types(self.logits.dtype, torch.float32)
        scores = torch.empty(total, dtype=precise, device=self.x.device)

        def work(start: int, stop: int) -> None:
            at = torch.arange(start, stop, device=self.x.device)
            first, last = start // n, (stop - 1) // n
            who: Who = slice(first, first + 1) if first == last else at // n
            inputs = change(who, at % n)
            scores[start:stop] = self.scores(inputs, self.rows[who].expand(len(at)), kind).to(precise)

        self.engine.run(total, work)
        return scores.view(len(self), n)

    def plain_scores(self, kind: ScoreKind = "logit") -> Float[Tensor, " b"]:
        """The score of the pictures as they are, from the logits at hand."""
        precise = torch.promote_types(self.logits.dtype, torch.float32)
        return score_of(self.logits, self.rows, kind).to(precise)

    def input_gradient(
        self, x: Float[Tensor, "n c H W"], rows: Int[Tensor, " n"], kind: ScoreKind = "logit"
    ) -> tuple[Float[Tensor, "n c H W"], Float[Tensor, " n"]]:
        """Gradient of the score with respect to the input, and the score; parameters get no gradient.

        Raises
        ------
        NotSupported
            If no gradient can flow from the score to the input.
        """
        x = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            scores = self.scores(x, rows, kind)
            gradient = None
            if scores.requires_grad:
                (gradient,) = torch.autograd.grad(scores.sum(), x, allow_unused=True)
        if gradient is None:
            raise NotSupported(
                message(
                    f"No gradient flows from the score of {self.backbone.name} to its input.",
                    "A gradient method needs every step between them to be differentiable.",
                    "Look for no_grad, detach or rounding in the model, or take occlusion or rise.",
                )
            )
        self.cost.backwards += len(x)
        return gradient, scores.detach()

    def split(self) -> Split:
        """The split at the layer asked for (or chosen), told in the result's choices."""
        candidate = self.backbone.layer(self.at, size=self.size)
        split = self.backbone.split(self.at, size=self.size)
        how = "given" if self.at or self.backbone.given_layer else "chosen: the last layer with a gradient"
        note = "" if candidate.sealed else "; part of the picture reaches the logits around it"
        self.choices["layer"] = f"{candidate.layer.describe()}, {how}{note}"
        self.choices["split"] = split.realisation + (
            f" ({split.why_replacement})" if split.why_replacement else ""
        )
        return split

    def tail_scores(
        self, split: Split, features: Tensor, cut: Cut, rows: Tensor, kind: ScoreKind = "logit"
    ) -> Float[Tensor, " n"]:
        """Score from features on; gradients flow if enabled."""
        scores = score_of(split.tail(features, cut.rest), rows, kind)
        if split.realisation == "graph":
            self.cost.tail_forwards += len(features)
        else:
            self.cost.forwards += len(features)
        return scores

    def features_and_gradients(
        self, kind: ScoreKind = "logit"
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b d h w"]]:
        """Features A of the layer and G = d score / d A, both channel first; refused if G is zero."""
        expansion = self.expand(kind)
        return expansion.features, expansion.gradients

    def features(self) -> Float[Tensor, "b d h w"]:
        """Features A of the layer, channel first."""
        split = self.split()
        features: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            cut = split.cut(self.x[start:stop])
            self.cost.forwards += stop - start
            features.append(cut.features.float())

        self.engine.run(len(self), work)
        return torch.cat(features)

    def expand(self, kind: ScoreKind = "logit", *, bias: bool = False) -> Expansion:
        """Features and gradients of the layer with the score, and on request the score without features."""
        split = self.split()
        parts: list[tuple[Tensor, ...]] = []

        def work(start: int, stop: int) -> None:
            cut = split.cut(self.x[start:stop])
            self.cost.forwards += stop - start
            rows = self.rows[start:stop]
            leaf = cut.features.detach().clone().requires_grad_()
            with torch.enable_grad():
                score = self.tail_scores(split, leaf, cut, rows, kind)
                (gradient,) = torch.autograd.grad(score.sum(), leaf)
            self.cost.tail_backwards += stop - start
            without = (
                self.tail_scores(split, torch.zeros_like(leaf), cut, rows, kind)
                if bias
                else torch.full_like(score, torch.nan)
            )
            parts.append(tuple(t.detach().float() for t in (leaf, gradient, score, without)))

        self.engine.run(len(self), work)
        expansion = Expansion(*(torch.cat(column) for column in zip(*parts, strict=True)))
        flat = [i for i, gradient in enumerate(expansion.gradients) if not gradient.any()]
        if len(flat) == len(self):
            raise NotSupported(
                message(
                    f"The gradient from the score to {split.layer.name!r} is zero for these pictures.",
                    "A map from this layer needs a gradient that is not.",
                    "The score may be saturated: explain the logit, or another layer=.",
                )
            )
        if flat:
            self.warnings.append(f"the gradient is zero, and so is the map, for pictures {flat}")
        return expansion
