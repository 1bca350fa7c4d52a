"""Last-block rewrites against the towers' own layers, and against sums written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.errors import NotSupported
from seewhy.vlms.dense import neighbours, self_attended
from seewhy.vlms.tower import Tower
from tests.vlms import small

EVERY = (*small.TOKENS, *small.POOLS, *small.MEANS)
MODES = ("maskclip", "clearclip", "naclip")


@pytest.mark.parametrize("build", EVERY)
def test_the_view_replays_the_models_own_embedding(build: Callable[[], Any]) -> None:
    vlm = build()
    x, view = small.pictures(vlm), vlm._view()
    assert isinstance(view, Tower)
    with torch.no_grad():
        mine = nn.functional.normalize(view(x), dim=-1)
    assert torch.allclose(mine, vlm.encode_images(x), atol=1e-5)


@pytest.mark.parametrize("build", EVERY)
def test_a_batch_equals_its_pictures_and_every_patch_has_a_direction(build: Callable[[], Any]) -> None:
    vlm = build()
    x = small.pictures(vlm, 3)
    for mode in (*MODES, "tokens"):
        if vlm.why_not("dense", mode) is None:
            found = vlm.dense(x, mode)
            assert found.shape == (3, vlm.dim, *vlm.token_grid) and found.dtype == torch.float32
            assert torch.allclose(found.norm(dim=1), torch.ones(3, *vlm.token_grid), atol=1e-5)
            assert torch.allclose(vlm.dense(x[1:2], mode), found[1:2], atol=1e-4)


def blocks_before_the_last(vlm: Any, x: Tensor) -> tuple[Tensor, Any]:
    """Tokens before the last block of an open_clip transformer, by its own modules, and that block."""
    visual = vlm.model.visual
    *first, last = visual.transformer.resblocks
    tokens = visual._embeds(x)
    for block in first:
        tokens = block(tokens)
    return tokens, last


def as_rows(found: Tensor) -> Tensor:
    return found.flatten(2).transpose(1, 2)


def ended(vlm: Any, seen: Tensor) -> Tensor:
    visual = vlm.model.visual
    return nn.functional.normalize(visual.ln_post(seen) @ visual.proj, dim=-1)


def test_maskclip_is_the_last_attention_of_a_patch_that_is_alone() -> None:
    # Over a single key, attention is the value, whatever the query.
    vlm = small.class_token()
    x = small.pictures(vlm)
    with torch.no_grad():
        tokens, last = blocks_before_the_last(vlm, x)
        alone = last.ln_1(tokens[:, 1:]).reshape(-1, 1, 32)
        seen = last.ls_1(last.attn(alone, alone, alone)[0].reshape(2, 24, 32))
    assert torch.allclose(as_rows(vlm.dense(x, "maskclip")), ended(vlm, seen), atol=1e-5)


@pytest.mark.parametrize(("mode", "part"), [("clearclip", 0), ("naclip", 1)])
def test_self_attention_of_the_last_block_is_the_sum_written_out(mode: str, part: int) -> None:
    vlm = small.class_token()
    x = small.pictures(vlm, 1)
    with torch.no_grad():
        tokens, last = blocks_before_the_last(vlm, x)
        attention, heads = last.attn.double(), last.attn.num_heads
        projected = nn.functional.linear(
            last.ln_1(tokens).double(), attention.in_proj_weight, attention.in_proj_bias
        )[0]
        own, values = projected.chunk(3, -1)[part], projected.chunk(3, -1)[2]
        wide = 32 // heads
        seen = torch.zeros(24, 32, dtype=torch.float64)
        for patch in range(24):
            for head in range(heads):
                at = slice(head * wide, (head + 1) * wide)
                logits = []
                for other in range(25):
                    logit = float(own[patch + 1, at] @ own[other, at]) / math.sqrt(wide)
                    if mode == "naclip" and other > 0:
                        (r, c), (s, d) = divmod(patch, 6), divmod(other - 1, 6)
                        logit += math.exp(-((r - s) ** 2 + (c - d) ** 2) / 50)
                    logits.append(logit)
                share = torch.tensor(logits, dtype=torch.float64).softmax(0)
                seen[patch, at] = share @ values[:, at]
        seen = last.ls_1(attention.out_proj(seen)).float()
        last.attn.float()
    assert torch.allclose(as_rows(vlm.dense(x, mode))[0], ended(vlm, seen), atol=1e-5)


def test_naclip_without_neighbours_is_plain_attention_of_keys_to_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 7, 4, generator=generator) for _ in range(3))
    plain = nn.functional.scaled_dot_product_attention(k, k, v)[:, :, 1:]
    assert torch.allclose(self_attended((q, k, v), "naclip", 1, torch.zeros(6, 6)), plain, atol=1e-6)
    assert not torch.allclose(
        self_attended((q, k, v), "naclip", 1, neighbours((2, 3), 5.0)), plain, atol=1e-3
    )


def test_neighbours_are_a_gaussian_of_the_distance_of_patches() -> None:
    found = neighbours((2, 3), 5.0)
    assert torch.equal(found, found.T) and torch.equal(found.diagonal(), torch.ones(6))
    # Patch 0 is row 0, column 0; patch 5 is row 1, column 2.
    assert float(found[0, 5]) == pytest.approx(math.exp(-(1 + 4) / 50))
    assert float(found[1, 4]) == pytest.approx(math.exp(-1 / 50))
    assert torch.equal(neighbours((1, 1), 5.0), torch.ones(1, 1))


def test_rows_and_columns_are_those_of_the_picture() -> None:
    # With a single block, MaskCLIP mixes no patches: only the patch that changed may answer differently.
    vlm = small.open_clip_vlm(layers=1)
    x = small.pictures(vlm, 1)
    other = x.clone()
    other[:, :, 8:16, 40:48] += 1.0  # row 1 of 4, column 5 of 6
    moved = (vlm.dense(x, "maskclip") - vlm.dense(other, "maskclip")).norm(dim=1)[0] > 1e-5
    assert moved.nonzero().tolist() == [[1, 5]]


def test_siglips_patches_go_through_its_head_one_by_one() -> None:
    vlm = small.siglip()
    x, vision = small.pictures(vlm), vlm.model.vision_model
    with torch.no_grad():
        last = vision(x).last_hidden_state
        alone = torch.stack([vision.head(last[:, at : at + 1]) for at in range(16)], 1)
    expected = nn.functional.normalize(alone, dim=-1)
    assert torch.allclose(as_rows(vlm.dense(x, "maskclip")), expected, atol=1e-5)


def test_a_resnets_patches_are_its_pools_values() -> None:
    vlm = small.resnet()
    x, visual = small.pictures(vlm), vlm.model.visual
    pool = visual.attnpool
    with torch.no_grad():
        features = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(x)))))
        placed = features + pool.positional_embedding[1:].T.reshape(1, -1, 3, 3)
        kernels = [layer.weight[:, :, None, None] for layer in (pool.v_proj, pool.c_proj)]
        values = nn.functional.conv2d(placed, kernels[0], pool.v_proj.bias)
        expected = nn.functional.conv2d(values, kernels[1], pool.c_proj.bias)
    assert torch.allclose(vlm.dense(x, "maskclip"), nn.functional.normalize(expected, dim=1), atol=1e-5)


@pytest.mark.parametrize("build", small.POOLS)
def test_a_pool_has_no_queries_of_patches_and_no_finished_patches(build: Callable[[], Any]) -> None:
    vlm = build()
    assert vlm.why_not("dense") is None
    for mode, words in (("clearclip", "no queries of patches"), ("tokens", "only through a pool")):
        with pytest.raises(NotSupported, match=words):
            vlm.dense(small.pictures(vlm), mode)


def test_untouched_tokens_are_the_models_own() -> None:
    vlm = small.class_token()
    x, visual = small.pictures(vlm), vlm.model.visual
    with torch.no_grad():
        own = visual.ln_post(visual.transformer(visual._embeds(x)))[:, 1:] @ visual.proj
    expected = nn.functional.normalize(own, dim=-1)
    assert torch.allclose(as_rows(vlm.dense(x, "tokens")), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("build", [small.class_token, small.siglip])
def test_half_precision_points_the_same_way(build: Callable[[], Any], kind: torch.dtype) -> None:
    full, half = build(), build()
    half.model.to(kind)
    x = small.pictures(full)
    assert float((full.encode_images(x) * half.encode_images(x)).sum(1).min()) > 0.98
    found = half.dense(x, "naclip")
    assert found.dtype == torch.float32
    # These attentions are sharp, so a patch on the edge between two may fall to the other side.
    assert float((full.dense(x, "naclip") * found).sum(1).mean()) > 0.98
