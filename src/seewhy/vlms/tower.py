"""One small view of an image tower: tokens, blocks, and how tokens become one embedding. No hooks, no patching.

A pre-norm transformer (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929) on tokens z:

    z <- z + gain1(attention(norm1(z)))                                                                (1)
    z <- z + gain2(mlp(norm2(z)))                                                                      (2)

then an embedding from the class token, from the mean of the patches, or from an attention pool with one query. A
convolutional tower is the same with no blocks: its last map is the patches, its mean the first token.

Everything is read from the module when it is called, so moved or changed weights are seen. That a view is right is
not believed but checked: it must replay the module's own embedding (`replays`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.types import Size

TokenMap = Callable[[Tensor], Tensor]
"""(..., c) to (..., c'), token by token."""

Heads = tuple[Float[Tensor, "b n t e"], Float[Tensor, "b n t e"], Float[Tensor, "b n t e"]]
"""Queries, keys and values of n heads."""


def same(x: Tensor) -> Tensor:
    """What a tower has where another has a layer scale or a projection."""
    return x


@dataclass(frozen=True)
class Attention:
    """The projections of one attention layer.

    Attributes
    ----------
    heads
        How many.
    qkv
        Tokens (b, t, c) to queries, keys and values, each (b, t, heads * e).
    out
        The projection after the heads are joined.
    """

    heads: int
    qkv: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    out: TokenMap

    def project(self, tokens: Float[Tensor, "b t c"]) -> Heads:
        """Queries, keys and values by head."""
        q, k, v = (self._split(part) for part in self.qkv(tokens))
        return q, k, v

    def join(self, values: Float[Tensor, "b n t e"]) -> Float[Tensor, "b t c"]:
        """The heads side by side, through the output projection."""
        return self.out(values.transpose(1, 2).flatten(2))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Float[Tensor, "b t c"]:
        """Plain attention."""
        return self.join(nn.functional.scaled_dot_product_attention(q, k, v))

    def _split(self, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b n t e"]:
        batch, tokens, _ = x.shape
        return x.reshape(batch, tokens, self.heads, -1).transpose(1, 2)


def similarity(one: Float[Tensor, "*b s e"], other: Float[Tensor, "*b t e"]) -> Float[Tensor, "*b s t"]:
    """Attention logits: inner products over the root of their length."""
    return one @ other.transpose(-2, -1) / math.sqrt(one.shape[-1])


@dataclass(frozen=True)
class Block:
    """One step (1), (2)."""

    norm1: TokenMap
    attention: Attention
    gain1: TokenMap
    norm2: TokenMap
    mlp: TokenMap
    gain2: TokenMap

    def finish(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """The tokens after the block, from those before it and what attention brought."""
        tokens = tokens + self.gain1(attended)
        return tokens + self.gain2(self.mlp(self.norm2(tokens)))

    def __call__(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
        return self.finish(tokens, self.attention(*self.attention.project(self.norm1(tokens))))


@dataclass(frozen=True)
class Pool:
    """Attention with one query per picture, and what follows it.

    Attributes
    ----------
    attention
        Its projections; they end in `attention.out`.
    query
        From the tokens (b, t, c) that it sees to the token that asks, (b, 1, c).
    after
        From what attention brought to the embedding.
    unseen
        How many first tokens it does not see.
    """

    attention: Attention
    query: TokenMap
    after: TokenMap
    unseen: int = 0

    def heads(self, tokens: Float[Tensor, "b t c"]) -> Heads:
        """The query (one token), and keys and values of the tokens that it sees."""
        tokens = tokens[:, self.unseen :]
        q = self.attention.project(self.query(tokens))[0]
        _, k, v = self.attention.project(tokens)
        return q, k, v

    def __call__(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b d"]:
        return self.after(self.attention(*self.heads(tokens)))[:, 0]


@dataclass(frozen=True)
class Tower:
    """An image tower in parts.

    Attributes
    ----------
    grid
        Rows and columns of patches.
    prefix
        How many tokens stand before the patches: 1 (a class token, or the mean of a map) or 0.
    embed
        From pictures to the tokens before the first block.
    blocks
        In order; none for a convolutional tower.
    final
        From a token after the last block to what is pooled: the final norm where it comes before pooling.
    project
        From what was pooled to the embedding: the projection, with the final norm where it comes after pooling.
    pool
        "class" takes the first token, "mean" the mean of the patches, a `Pool` attends.
    """

    grid: Size
    prefix: int
    embed: Callable[[Tensor], Float[Tensor, "b t c"]]
    blocks: tuple[Block, ...]
    final: TokenMap
    project: TokenMap
    pool: Literal["class", "mean"] | Pool

    def __call__(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        """The module's own embedding, through the view."""
        tokens = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.pooled(tokens)

    def pooled(self, tokens: Float[Tensor, "b t c"]) -> Float[Tensor, "b d"]:
        """From the tokens after the last block to the embedding."""
        tokens = self.final(tokens)
        if isinstance(self.pool, Pool):
            return self.project(self.pool(tokens))
        return self.project(tokens[:, 0] if self.pool == "class" else tokens[:, self.prefix :].mean(1))

    def on_grid(self, patches: Float[Tensor, "b t d"]) -> Float[Tensor, "b d gh gw"]:
        """Patches, row by row, as a map."""
        return patches.transpose(1, 2).reshape(len(patches), patches.shape[2], *self.grid)


def replays(tower: Tower, module: Callable[[Tensor], Tensor], size: Size, like: Tensor) -> float:
    """How far the view's unit embeddings are from the module's own (length of the difference), at most.

    Asked on two made-up pictures.

    Parameters
    ----------
    tower, module
        The view and what it views, from pictures to raw embeddings.
    size
        Of the pictures.
    like
        A tensor of the device and type to run on.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *size, generator=generator).to(like.device, like.dtype)
    one, other = (nn.functional.normalize(f(x).float(), dim=-1) for f in (tower, module))
    difference = (one - other).norm(dim=-1).max()
    return float(difference) if torch.isfinite(difference) else math.inf
