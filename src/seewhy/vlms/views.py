"""Views of the image towers of open_clip, timm and Hugging Face, as `tower.Tower`.

Each function returns a view, or the reason why there is none, as the end of a sentence. Only public parts of the
modules are read; what a view leaves out shows when it does not replay the module's embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seewhy.types import Size
from seewhy.vlms.tower import Attention, Block, Pool, TokenMap, Tower, same


def open_clip_view(visual: nn.Module) -> Tower | str:
    """The `visual` of an open_clip model: its own transformer or ResNet, or one of timm."""
    kind = type(visual).__name__
    if kind == "VisionTransformer":
        return _open_clip_transformer(visual)
    if kind == "ModifiedResNet":
        return _open_clip_resnet(visual)
    if kind == "TimmModel":
        return _timm_transformer(visual)
    return f"its image tower is a {kind}, which Seewhy has no view of"


def hugging_face_view(model: Any) -> Tower | str:
    """A `CLIPModel` or `SiglipModel` of transformers."""
    kind = type(model).__name__
    if kind == "CLIPModel":
        return _hugging_face_clip(model.vision_model, model.visual_projection)
    if kind == "SiglipModel":
        return _hugging_face_siglip(model.vision_model)
    return f"it is a {kind}, which Seewhy has no view of"


def _open_clip_transformer(visual: Any) -> Tower | str:
    if visual.attn_pool is not None:
        return (
            "its image tower pools with several queries (as CoCa does), so no single token is its embedding"
        )
    if visual.pool_type not in ("tok", "avg"):
        return f"its image tower pools by {visual.pool_type!r}"
    blocks = [_torch_block(block) for block in visual.transformer.resblocks]
    if any(block is None for block in blocks):
        return "its blocks have an attention of their own kind (normed or scaled queries)"

    def embed(x: Tensor) -> Tensor:
        patches = visual.conv1(x).flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(patches.dtype).expand(len(x), 1, -1)
        tokens = torch.cat([first, patches], 1) + visual.positional_embedding.to(patches.dtype)
        placed: Tensor = visual.ln_pre(tokens)
        return placed

    def project(token: Tensor) -> Tensor:
        return token if visual.proj is None else token @ visual.proj

    late = visual.final_ln_after_pool
    return Tower(
        grid=tuple(visual.grid_size),
        prefix=1,
        embed=embed,
        blocks=tuple(block for block in blocks if block is not None),
        final=same if late else visual.ln_post,
        project=(lambda token: project(visual.ln_post(token))) if late else project,
        pool="class" if visual.pool_type == "tok" else "mean",
    )


def _open_clip_resnet(visual: Any) -> Tower | str:
    """The attention pool is the only attention; its query is the mean of the last map."""
    pool = visual.attnpool
    side = round((len(pool.positional_embedding) - 1) ** 0.5)

    def embed(x: Tensor) -> Tensor:
        x = visual.stem(x)
        for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            x = stage(x)
        patches = x.flatten(2).transpose(1, 2)
        tokens = torch.cat([patches.mean(1, keepdim=True), patches], 1)
        placed: Tensor = tokens + pool.positional_embedding.to(tokens.dtype)
        return placed

    attention = Attention(
        pool.num_heads, lambda t: (pool.q_proj(t), pool.k_proj(t), pool.v_proj(t)), pool.c_proj
    )
    return Tower(
        grid=(side, side),
        prefix=1,
        embed=embed,
        blocks=(),
        final=same,
        project=same,
        pool=Pool(attention, query=lambda tokens: tokens[:, :1], after=same),
    )


def _timm_transformer(visual: Any) -> Tower | str:
    """A vision transformer of timm inside open_clip, with an attention pool (SigLIP), a class token, or a mean."""
    trunk = visual.trunk
    if type(trunk).__name__ != "VisionTransformer":
        return f"its image tower is a {type(trunk).__name__} of timm"
    pooling = trunk.attn_pool
    if pooling is None and trunk.global_pool not in ("token", "avg"):
        return f"its image tower pools by {trunk.global_pool!r}"
    if pooling is not None and pooling.latent_len != 1:
        return "its image tower pools with several queries"

    def embed(x: Tensor) -> Tensor:
        tokens: Tensor = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(x)))
        return tokens

    def project(token: Tensor) -> Tensor:
        embedding: Tensor = visual.head(trunk.head(trunk.fc_norm(token)))
        return embedding

    return Tower(
        grid=tuple(trunk.patch_embed.grid_size),
        prefix=trunk.num_prefix_tokens,
        embed=embed,
        blocks=tuple(_timm_block(block) for block in trunk.blocks),
        final=trunk.norm,
        project=project,
        pool=_timm_pool(pooling, 0 if trunk.pool_include_prefix else trunk.num_prefix_tokens)
        if pooling is not None
        else "class"
        if trunk.global_pool == "token"
        else "mean",
    )


def _timm_block(block: Any) -> Block:
    attention = block.attn
    return Block(
        norm1=block.norm1,
        attention=Attention(attention.num_heads, lambda t: attention.qkv(t).chunk(3, dim=-1), attention.proj),
        gain1=block.ls1,
        norm2=block.norm2,
        mlp=block.mlp,
        gain2=block.ls2,
    )


def _timm_pool(pooling: Any, unseen: int) -> Pool:
    def qkv(tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        k, v = pooling.kv(tokens).chunk(2, dim=-1)
        return pooling.q(tokens), k, v

    def after(attended: Tensor) -> Tensor:
        return attended if pooling.mlp is None else attended + pooling.mlp(pooling.norm(attended))

    attention = Attention(pooling.num_heads, qkv, pooling.proj)
    return Pool(attention, lambda tokens: pooling.latent.expand(len(tokens), -1, -1), after, unseen)


def _hugging_face_clip(vision: Any, projection: TokenMap) -> Tower:
    def embed(x: Tensor) -> Tensor:
        tokens: Tensor = vision.pre_layrnorm(vision.embeddings(x))
        return tokens

    return Tower(
        grid=_grid(vision.config),
        prefix=1,
        embed=embed,
        blocks=tuple(_hugging_face_block(layer) for layer in vision.encoder.layers),
        final=vision.post_layernorm,
        project=projection,
        pool="class",
    )


def _hugging_face_siglip(vision: Any) -> Tower | str:
    if not hasattr(vision, "head"):
        return "its image tower came without the attention pool"
    head = vision.head

    def after(attended: Tensor) -> Tensor:
        embedding: Tensor = attended + head.mlp(head.layernorm(attended))
        return embedding

    return Tower(
        grid=_grid(vision.config),
        prefix=0,
        embed=vision.embeddings,
        blocks=tuple(_hugging_face_block(layer) for layer in vision.encoder.layers),
        final=vision.post_layernorm,
        project=same,
        pool=Pool(
            _torch_attention(head.attention), lambda tokens: head.probe.expand(len(tokens), -1, -1), after
        ),
    )


def _hugging_face_block(layer: Any) -> Block:
    attention = layer.self_attn
    return Block(
        norm1=layer.layer_norm1,
        attention=Attention(
            attention.num_heads,
            lambda t: (attention.q_proj(t), attention.k_proj(t), attention.v_proj(t)),
            attention.out_proj,
        ),
        gain1=same,
        norm2=layer.layer_norm2,
        mlp=layer.mlp,
        gain2=same,
    )


def _torch_block(block: Any) -> Block | None:
    """A block around torch's own attention; None for another kind."""
    if not isinstance(block.attn, nn.MultiheadAttention) or block.attn.in_proj_weight is None:
        return None
    return Block(
        norm1=block.ln_1,
        attention=_torch_attention(block.attn),
        gain1=block.ls_1,
        norm2=block.ln_2,
        mlp=block.mlp,
        gain2=block.ls_2,
    )


def _torch_attention(attention: nn.MultiheadAttention) -> Attention:
    def qkv(tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = nn.functional.linear(tokens, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        return q, k, v

    return Attention(attention.num_heads, qkv, attention.out_proj)


def _grid(config: Any) -> Size:
    side = config.image_size // config.patch_size
    return side, side
