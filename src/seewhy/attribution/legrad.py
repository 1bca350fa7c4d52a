"""LeGrad: how sensitive a score read out after each block is to that block's attention (arXiv 2404.03214).

s^l = head(pool(norm(z^l))),   M = sum_l mean over heads and queries of (ds^l / dP^l)^+               (1)

z^l are the tokens that block l returns, and norm, pool and head the network's own: everything after its last
block, replayed on z^l in place of z^L.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.attention import AttentionTap, survey
from seewhy.attribution.attention_relevance import block_index, gradients_of, refuse_flat
from seewhy.attribution.base import METHODS, Method, Need, Question, Raw
from seewhy.attribution.blocks import Blocks, blocks_of
from seewhy.backbones import tree
from seewhy.backbones.base import Backbone
from seewhy.backbones.split import Cut, Rest
from seewhy.errors import InputError, message
from seewhy.types import Size

Pool = Literal["model", "patches", "all"]

_POOLING = {
    "model": "as the network reads them",
    "patches": "mean over the patches",
    "all": "mean over all tokens",
}


@METHODS.register("legrad")
@dataclass(frozen=True)
class LeGrad(Method):
    """Which patches' attention raises the score, block by block.

    Parameters
    ----------
    start_layer
        First block that counts, negative from the end. Default 0, all of them; the published code uses -2.
    pool
        How the tokens of a block become one score. "model", the default: as the network reads its last block,
        by class token or mean. "patches" and "all": the mean, over patches or over all tokens, of the score
        of each token alone; "all" is what the published code does whatever the network does.

    Notes
    -----
    One forward pass, then per block the tail behind the last block and a gradient through one block; with
    "patches" or "all" the tail runs once per token, on one token. Every s^l is a logit, so the map scales with
    the head. Where the class token alone is read, only its row of P^l has a gradient, and the mean over
    queries divides by the number of tokens all the same.

    The paper's head is a projection after a layer norm; ours is whatever follows the last block, found by
    replaying it, so that no name of a norm or head is asked for. The score of one token alone is that of a
    short sequence in which it stands at every place; for an affine head their mean is the score of the mean
    normalised token. The published maps are stretched to 0..1, ours are raw.
    """

    start_layer: int = 0
    pool: Pool = "model"

    name: ClassVar[str] = "legrad"
    paper: ClassVar[str] = "Bousselham et al., ICCV 2025 (arXiv 2404.03214), section 3"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient", "attention"})
    signed: ClassVar[bool] = False
    unit: ClassVar[str] = "logit per attention"

    def __post_init__(self) -> None:
        if self.pool not in _POOLING:
            raise InputError(
                message(
                    f"pool is {self.pool!r}.",
                    f"It is one of {', '.join(map(repr, _POOLING))}.",
                    "Leave it out to read the tokens as the network does.",
                )
            )

    def why_not(self, backbone: Backbone, size: Size | None = None) -> str | None:
        blocks = blocks_of(backbone, size or backbone.input_size)
        if isinstance(blocks, str):
            return blocks
        if self.pool != "model" and (blocks.split.realisation != "graph" or blocks.split.live):
            return (
                f"what follows its last block cannot be run on one token alone, as pool={self.pool!r} needs"
            )
        return None

    def attribute(self, question: Question) -> Raw:
        blocks = blocks_of(question.backbone, question.size)
        assert isinstance(blocks, Blocks), "refused before"
        first = block_index(self.start_layer, len(blocks.names))
        maps: list[Tensor] = []
        alive: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            gradients = self._gradients(question, blocks, first, slice(start, stop))
            alive.append(torch.stack([g.flatten(1).ne(0).any(1) for g in gradients]).any(0))
            summed = torch.stack([g.float().relu().mean((1, 2)) for g in gradients]).sum(0)
            layer = blocks.layers[-1]
            maps.append(summed[:, layer.prefix :].reshape(-1, *layer.grid))

        question.engine.run(len(question), work)
        refuse_flat(torch.cat(alive), question)
        question.choices["attention"] = f"{blocks.names[first]} to {blocks.names[-1]}"
        question.choices["pooling"] = _POOLING[self.pool]
        return Raw(torch.cat(maps))

    def _gradients(
        self, question: Question, blocks: Blocks, first: int, chunk: slice
    ) -> list[Float[Tensor, "b heads q k"]]:
        """ds^l / dP^l for every block from `first` on; with a pooler P^l are its weights over z^l."""
        x, rows = question.x[chunk], question.rows[chunk]
        with torch.enable_grad(), AttentionTap() as tap, blocks.outputs() as outputs:
            question.backbone.logits(x)
        question.cost.forwards += len(x) * (2 if blocks.split.live else 1)
        rest = blocks.rest(outputs[blocks.names[-1]], x)
        pooler = self.pool == "model" and survey(question.backbone, question.size).pooler
        gradients = []
        for layer, call in list(zip(blocks.layers, tap.calls, strict=False))[first:]:
            tokens = tree.at(outputs[layer.name], layer.path)
            behind = AttentionTap() if pooler else None
            with torch.enable_grad(), behind or nullcontext():
                score = self._score(question, blocks, tokens, rest, rows)
            call = behind.calls[-1] if behind is not None else call
            gradients.append(call.per_head(gradients_of(score, [call])[0]))
        return gradients

    def _score(
        self, question: Question, blocks: Blocks, tokens: Float[Tensor, "b n c"], rest: Rest, rows: Tensor
    ) -> Float[Tensor, " b"]:
        """s^l of equation 1 from the tokens of one block."""
        layer, split = replace(blocks.layers[-1], path=()), blocks.split
        if self.pool == "model":
            features, prefix = layer.read(tokens)
            question.cost.tail_backwards += len(tokens)
            return question.tail_scores(split, features, Cut(features, replace(rest, prefix=prefix)), rows)
        chosen = tokens[:, layer.prefix :] if self.pool == "patches" else tokens
        alone = chosen.flatten(0, 1).unsqueeze(1)
        prefix = alone.expand(-1, layer.prefix, -1)
        cut = Cut(alone.transpose(1, 2).unsqueeze(3), replace(rest, n=len(alone), prefix=prefix))
        question.cost.tail_backwards += len(alone)
        scores = question.tail_scores(split, cut.features, cut, rows.repeat_interleave(chosen.shape[1]))
        return scores.view(len(tokens), -1).mean(1)
