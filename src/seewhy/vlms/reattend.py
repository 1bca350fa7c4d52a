"""What would the embedding be if the class token had looked here? Frozen-patch re-attention.

The picture runs once. Beside it run further class tokens, one for each row of a bias; in every block each of them
attends to the clean run's patches (their keys and values, unchanged) and to itself, with its row added:

    a_g = softmax([ q_g k_g ; q_g K^T + bias_g ] / ...),    z_g <- z_g + gain1(out(a_g [v_g ; V])), then MLP   (1)

A row of zeros retraces the clean class token exactly, since patches do not change with the row. One row costs
what one token costs, about 1/t of a picture of t patches. The form is ours; steering the class token's attention
instead of drawing on the picture is FALIP's (Zhuang et al., arXiv 2407.05578).

Where the tower ends in an attention pool (SigLIP, and CLIP's ResNets) the bias goes to its one query, after the clean
run; there nothing is frozen that would have moved.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.vlms.tower import Block, Heads, Pool, Tower, similarity


def why_not(tower: Tower) -> str | None:
    """None if the tower can, else the reason."""
    if tower.pool == "mean":
        return (
            "its embedding is the mean of its patches, so there is no token whose attention could be steered"
        )
    if tower.pool == "class" and tower.prefix != 1:
        return "it has further tokens beside the class token"
    return None


def reattend(tower: Tower, x: Float[Tensor, "b 3 H W"], bias: Float[Tensor, "g t"]) -> Float[Tensor, "b g d"]:
    """Raw embeddings, one for each picture and row of `bias`.

    Parameters
    ----------
    tower
        For which `why_not` gives None.
    x
        Normalised pictures of the tower's size.
    bias
        In single precision; added to logits over the patches, row by row of the grid.
    """
    tokens = tower.embed(x)
    if isinstance(tower.pool, Pool):
        for block in tower.blocks:
            tokens = block(tokens)
        return tower.project(_pooled(tower.pool, tower.final(tokens), bias, tower.prefix - tower.pool.unseen))
    steered = tokens[:, :1].expand(-1, len(bias), -1)
    for at, block in enumerate(tower.blocks):
        clean = block.attention.project(block.norm1(tokens))
        steered = _step(block, steered, clean, bias)
        if at + 1 < len(tower.blocks):
            tokens = block.finish(tokens, block.attention(*clean))
    return tower.project(tower.final(steered))


def weights(
    own: Float[Tensor, "b n g 1"], patches: Float[Tensor, "b n g t"], bias: Float[Tensor, "g t"]
) -> Float[Tensor, "b n g 1+t"]:
    """Attention of each row's token over itself, then over the patches; in single precision."""
    return torch.cat([own.float(), patches.float() + bias], -1).softmax(-1)


def _step(
    block: Block, steered: Float[Tensor, "b g c"], clean: Heads, bias: Float[Tensor, "g t"]
) -> Float[Tensor, "b g c"]:
    """One block of (1)."""
    _, keys, values = (part[:, :, 1:] for part in clean)
    q, k, v = block.attention.project(block.norm1(steered))
    own = similarity(q.unsqueeze(3), k.unsqueeze(3)).squeeze(3)
    share = weights(own, similarity(q, keys), bias).to(v.dtype)
    seen = share[..., :1] * v + share[..., 1:] @ values
    return block.finish(steered, block.attention.join(seen))


def _pooled(
    pool: Pool, tokens: Float[Tensor, "b t c"], bias: Float[Tensor, "g t"], prefix: int
) -> Float[Tensor, "b g d"]:
    q, k, v = pool.heads(tokens)
    logits = similarity(q, k)
    share = weights(logits[..., :prefix].expand(-1, -1, len(bias), -1), logits[..., prefix:], bias)
    return pool.after(pool.attention.join(share.to(v.dtype) @ v))
