"""An embedding for each patch from a tower trained to give one for the picture: its last attention rewritten.

    maskclip    each patch keeps its own value: out(v), no attention               (Zhou et al., arXiv 2112.01071)
    clearclip   softmax(q q^T s) v, through out                                    (Lan et al., arXiv 2407.12442)
    naclip      softmax(k k^T s + w) v, through out, with
                w_ij = exp(-|p_i - p_j|^2 / (2 sigma^2)), sigma = 5 patches        (Hajimiri et al., arXiv 2404.08181)
    tokens      nothing rewritten: the patches as the model leaves them

with s = 1 / sqrt(width of a head) and p the patches' rows and columns; then the final norm and the projection. In the
first three the last block loses its residual path and its MLP. The class token is among the keys, w is zero for it.
The fourth is for models whose training spoke to patches, as that of seewhy/clip did.

Where the tower ends in an attention pool (SigLIP, and CLIP's ResNets), that pool is the last attention, and what
follows it follows each patch. Its one query says nothing of patches, so q-q attention is not to be had there; k-k
attention in a pool is ours. MaskCLIP itself leaves the positions out of a ResNet's values; here they stay in, as in
the model's own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.types import Size
from seewhy.vlms.tower import Attention, Heads, Pool, Tower, similarity

SIGMA = 5.0
"""Of NACLIP's neighbourhood, in patches; the paper's."""


def why_not(tower: Tower, mode: str) -> str | None:
    """None if the tower has this mode, else the reason."""
    if mode == "tokens" and isinstance(tower.pool, Pool):
        return "its patches reach the embedding only through a pool, of which 'maskclip' takes the values"
    if mode == "clearclip" and isinstance(tower.pool, Pool):
        return "its last attention is a pool with one query, so there are no queries of patches to compare"
    return None


def dense(tower: Tower, x: Float[Tensor, "b 3 H W"], mode: str) -> Float[Tensor, "b d gh gw"]:
    """Raw embeddings of the patches.

    Parameters
    ----------
    tower
        For which `why_not` gives None.
    x
        Normalised pictures of the tower's size.
    mode
        One of `base.MODES`.
    """
    omega = neighbours(tower.grid, SIGMA) if mode == "naclip" else None
    tokens = tower.embed(x)
    if isinstance(tower.pool, Pool):
        for block in tower.blocks:
            tokens = block(tokens)
        pool, seen_by = tower.pool, tower.final(tokens)[:, tower.pool.unseen :]
        seen = _rewritten(pool.attention, seen_by, mode, tower.prefix - pool.unseen, omega)
        return tower.on_grid(tower.project(pool.after(seen)))
    *first, last = tower.blocks
    for block in first:
        tokens = block(tokens)
    if mode == "tokens":
        return tower.on_grid(tower.project(tower.final(last(tokens)[:, tower.prefix :])))
    seen = last.gain1(_rewritten(last.attention, last.norm1(tokens), mode, tower.prefix, omega))
    return tower.on_grid(tower.project(tower.final(seen)))


def neighbours(grid: Size, sigma: float) -> Float[Tensor, "t t"]:
    """NACLIP's w for all pairs of patches, row by row; 1 on the diagonal."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in grid), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], 1)
    squared = (places[:, None] - places[None]).square().sum(-1)
    return torch.exp(-squared / (2 * sigma**2))


def _rewritten(
    attention: Attention, tokens: Tensor, mode: str, prefix: int, omega: Float[Tensor, "t t"] | None
) -> Float[Tensor, "b t c"]:
    """What the last attention brings to each patch."""
    heads = attention.project(tokens)
    if mode == "maskclip":
        return attention.join(heads[2][:, :, prefix:])
    return attention.join(self_attended(heads, mode, prefix, omega))


def self_attended(
    heads: Heads, mode: str, prefix: int, omega: Float[Tensor, "t t"] | None = None
) -> Float[Tensor, "b n t e"]:
    """q-q ("clearclip") or k-k ("naclip") attention of the patches over all tokens, with `omega` over patches."""
    q, k, v = heads
    own = q if mode == "clearclip" else k
    logits = similarity(own[:, :, prefix:], own).float()
    if omega is not None:
        logits[..., prefix:] += omega.to(logits.device)
    return logits.softmax(-1).to(v.dtype) @ v
