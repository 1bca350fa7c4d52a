"""Generic attention relevance: attention weighted by its gradient, carried through the blocks (arXiv 2103.15679).

A^l = mean over heads of (ds/dP^l * P^l)^+ ,    R = (I + A^L) ... (I + A^1)                            (1)
M = mean over the rows i that the logits read of (R - I)_i                                             (2)
M = A^pool N(R),  N(R) = I + (R - I) / rowsum(R - I),  where a pooler with queries of its own reads    (3)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy.attribution.attention import Attention, AttentionTap, survey
from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.targets import score_of
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported, message
from seewhy.types import Size


@METHODS.register("attention_relevance", aliases=("chefer", "generic_attention"))
@dataclass(frozen=True)
class AttentionRelevance(Method):
    """Which patches the tokens that the logits are read from drew their information from.

    Parameters
    ----------
    start_layer
        First block that counts, negative from the end. 0, the default, follows the information from the
        picture on; published CLIP examples use -1, the last block only.

    Notes
    -----
    One forward and one backward pass; memory for all attention weights. Relevance has no unit and grows
    faster than the gradient, once per block: the logit times two is not the map times two.

    The paper reads row 0, the class token. Ours: the rows read are those whose attention in the last block
    has a gradient, which is the class token, both tokens of a distilled network, or every patch under mean
    pooling, without asking for the kind of pooling; and the identity that R holds is taken off, which leaves
    a class token's row as it is and removes one constant from all patches under mean pooling. Equation 3 is
    the paper's rule for attention from one set of tokens to another. The rows are carried from the last block
    to the first, which is the same product with n^2 instead of n^3 steps per block.
    """

    start_layer: int = 0

    name: ClassVar[str] = "attention_relevance"
    paper: ClassVar[str] = "Chefer et al., ICCV 2021 (arXiv 2103.15679), eq. 5-10"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient", "attention"})
    signed: ClassVar[bool] = False
    unit: ClassVar[str] = "relevance"
    exempt: ClassVar[Mapping[str, str]] = {
        "scales_with_logit": "relevance multiplies gradients from block to block"
    }

    def why_not(self, backbone: Backbone, size: Size | None = None) -> str | None:
        return survey(backbone, size).reason

    def attribute(self, question: Question) -> Raw:
        known = survey(question.backbone, question.size)
        n_blocks = len(known.modules)
        first = block_index(self.start_layer, n_blocks)
        maps: list[Tensor] = []
        rows: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            calls, gradients = self._calls(question, start, stop)
            weighted = [
                weighted_attention(call.per_head(call.weights.detach()), call.per_head(gradient))
                for call, gradient in zip(calls[first:], gradients[first:], strict=True)
            ]
            read = gradients[n_blocks - 1].flatten(1, -3).ne(0).any(1).any(-1)
            pooler = weighted.pop() if known.pooler else None
            relevance = carried(weighted, read) if pooler is None else pooled(weighted, pooler)
            maps.append(relevance[:, known.prefix :].reshape(-1, *known.grid))
            rows.append(read)

        question.engine.run(len(question), work)
        read = torch.cat(rows)
        refuse_flat(read.any(1), question)
        question.choices["attention"] = f"blocks {first} to {n_blocks - 1} of {n_blocks}"
        question.choices["rows"] = (
            "the pooler's queries" if known.pooler else described_rows(read.any(0), known.prefix)
        )
        return Raw(torch.cat(maps))

    def _calls(self, question: Question, start: int, stop: int) -> tuple[list[Attention], list[Tensor]]:
        with torch.enable_grad(), AttentionTap() as tap:
            logits = question.backbone.logits(question.x[start:stop])
            score = score_of(logits, question.rows[start:stop])
        question.cost.forwards += stop - start
        gradients = gradients_of(score, tap.calls)
        question.cost.backwards += stop - start
        return tap.calls, gradients


def weighted_attention(
    weights: Float[Tensor, "b heads q k"], gradient: Float[Tensor, "b heads q k"]
) -> Float[Tensor, "b q k"]:
    """A of equation 1, in float32 at least."""
    wide = torch.promote_types(weights.dtype, torch.float32)
    return (weights.to(wide) * gradient.to(wide)).relu().mean(1)


def carried(weighted: Sequence[Float[Tensor, "b n n"]], rows: Bool[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Equation 2, from the last block to the first; zero for a picture of which no row is read."""
    start = rows.to(weighted[-1].dtype)
    start = start / start.sum(1, keepdim=True).clamp(min=1)
    return _gained(start, weighted)


def pooled(
    weighted: Sequence[Float[Tensor, "b n n"]], pooler: Float[Tensor, "b q n"]
) -> Float[Tensor, "b n"]:
    """Equation 3, averaged over the pooler's queries; a row of R that is the identity's stays so."""
    one, sums = torch.ones_like(pooler[:, 0]), torch.zeros_like(pooler[:, 0])
    for block in weighted:
        sums = sums + (block @ (one + sums).unsqueeze(2)).squeeze(2)
    query = pooler.mean(1)
    return query + _gained(torch.where(sums > 0, query / sums, 0.0), weighted)


def _gained(row: Float[Tensor, "b n"], weighted: Sequence[Float[Tensor, "b n n"]]) -> Float[Tensor, "b n"]:
    """row ((I + A^L) ... (I + A^1) - I), summed without the identity, beside which little would be left."""
    gained = torch.zeros_like(row)
    for block in reversed(weighted):
        gained = gained + ((row + gained).unsqueeze(1) @ block).squeeze(1)
    return gained


def gradients_of(score: Float[Tensor, " b"], calls: Sequence[Attention]) -> list[Tensor]:
    """Gradient of each picture's score in its attention weights, zero where none flows."""
    weights = [call.weights for call in calls]
    if not score.requires_grad:
        return [torch.zeros_like(weight) for weight in weights]
    with torch.enable_grad():
        found = torch.autograd.grad(score.sum(), weights, allow_unused=True)
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, found, strict=True)
    ]


def refuse_flat(alive: Bool[Tensor, " b"], question: Question) -> None:
    """Refuse if the score has no gradient in the attention of any picture; warn if of some."""
    if not alive.any():
        raise NotSupported(
            message(
                "The gradient from the score to the attention is zero for these pictures.",
                "A map from attention needs a gradient that is not.",
                "Check that the head is not initialised to zero.",
            )
        )
    if not alive.all():
        flat = (~alive).nonzero().flatten().tolist()
        question.warnings.append(f"the gradient is zero, and so is the map, for pictures {flat}")


def block_index(index: int, n: int) -> int:
    """A block by its number, negative from the end."""
    if not -n <= index < n:
        raise InputError(
            message(
                f"Block {index} does not exist.",
                f"The network has {n} blocks with attention, 0 to {n - 1} or {-n} to -1.",
                "Pass a number in that range.",
            )
        )
    return index % n


def described_rows(read: Bool[Tensor, " n"], prefix: int) -> str:
    """'class token', 'mean of 24 patches' or both, from which rows are read."""
    tokens, patches = read[:prefix].nonzero().flatten().tolist(), int(read[prefix:].sum())
    parts = ["class token" if token == 0 else f"prefix token {token}" for token in tokens]
    parts += [f"{patches} patches"] if patches else []
    return f"mean of {', '.join(parts)}" if len(tokens) + patches > 1 else parts[0]
