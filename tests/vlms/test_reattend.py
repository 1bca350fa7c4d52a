"""Class tokens that look elsewhere: without a bias nothing moves, with one it is the modules' masked attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, NotSupported
from seewhy.vlms.reattend import weights
from tests.vlms import small


def patches(vlm: Any) -> int:
    rows, columns = vlm.token_grid
    return int(rows * columns)


def random_bias(vlm: Any, rows: int, strength: float = 3.0) -> Tensor:
    return strength * torch.randn(rows, patches(vlm), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("build", [*small.TOKENS, *small.POOLS])
def test_a_bias_of_zeros_gives_the_pictures_own_embedding(build: Callable[[], Any]) -> None:
    vlm = build()
    x = small.pictures(vlm)
    found = vlm.reattend(x, torch.zeros(3, patches(vlm)))
    assert torch.allclose(found, vlm.encode_images(x)[:, None].expand(-1, 3, -1), atol=1e-5)


@pytest.mark.parametrize("build", [*small.TOKENS, *small.POOLS])
def test_a_batch_equals_its_pictures_and_rows_one_by_one(build: Callable[[], Any]) -> None:
    vlm = build()
    x, bias = small.pictures(vlm, 3), random_bias(vlm, 4)
    together = vlm.reattend(x, bias)
    for i in range(3):
        for row in range(4):
            alone = vlm.reattend(x[i : i + 1], bias[row : row + 1])[0, 0]
            assert torch.allclose(together[i, row], alone, atol=1e-4)


@pytest.mark.parametrize("build", [small.class_token, small.late_norm])
def test_it_is_masked_attention_of_the_models_own_blocks(build: Callable[[], Any]) -> None:
    vlm = build()
    x, bias, visual = small.pictures(vlm, 1), random_bias(vlm, 3), vlm.model.visual
    expected = []
    with torch.no_grad():
        for row in bias:
            clean = visual._embeds(x)
            token = clean[:, :1]
            mask = torch.zeros(25, 25)
            mask[0, 1:] = row
            for block in visual.transformer.resblocks:
                # The block sees the clean patches beside this token; what it makes of the patches is left.
                token = block(torch.cat([token, clean[:, 1:]], 1), attn_mask=mask)[:, :1]
                clean = block(clean)
            expected.append((visual.ln_post(token) @ visual.proj)[0, 0])
    found = vlm.reattend(x, bias)[0]
    assert torch.allclose(found, nn.functional.normalize(torch.stack(expected), dim=-1), atol=1e-5)
    assert float((found - vlm.encode_images(x)).norm(dim=1).min()) > 0.05  # the bias did something


def test_siglips_probe_is_biased_as_torchs_own_attention_is() -> None:
    vlm = small.siglip()
    x, bias, head = small.pictures(vlm, 2), random_bias(vlm, 3), vlm.model.vision_model.head
    with torch.no_grad():
        last = vlm.model.vision_model(x).last_hidden_state
        probes = head.probe.expand(2, 3, -1)
        seen = head.attention(probes, last, last, attn_mask=bias)[0]
        expected = seen + head.mlp(head.layernorm(seen))
    assert torch.allclose(vlm.reattend(x, bias), nn.functional.normalize(expected, dim=-1), atol=1e-5)


def test_a_resnets_pool_is_biased_over_its_patches_and_not_over_their_mean() -> None:
    vlm = small.resnet()
    x, bias, visual = small.pictures(vlm, 1), random_bias(vlm, 2), vlm.model.visual
    pool = visual.attnpool
    with torch.no_grad():
        features = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(x)))))[0]
        tokens = torch.cat([features.mean((1, 2))[None], features.flatten(1).T]) + pool.positional_embedding
        width = pool.q_proj.out_features // pool.num_heads
        for row in range(2):
            seen = []
            for head in range(pool.num_heads):
                at = slice(head * width, (head + 1) * width)
                q, k, v = (layer(tokens)[:, at] for layer in (pool.q_proj, pool.k_proj, pool.v_proj))
                logits = k @ q[0] / width**0.5 + torch.cat([torch.zeros(1), bias[row]])
                seen.append(logits.softmax(0) @ v)
            expected = nn.functional.normalize(pool.c_proj(torch.cat(seen)), dim=0)
            assert torch.allclose(vlm.reattend(x, bias)[0, row], expected, atol=1e-5)


def test_a_large_bias_puts_the_attention_where_it_says() -> None:
    own = torch.randn(2, 3, 4, 1, generator=torch.Generator().manual_seed(0))
    logits = torch.randn(2, 3, 4, 9, generator=torch.Generator().manual_seed(1))
    bias = torch.zeros(4, 9)
    bias[torch.arange(4), torch.tensor([0, 8, 3, 3])] = 15.0
    share = weights(own, logits, bias)
    assert torch.allclose(share.sum(-1), torch.ones(2, 3, 4))
    for row, cell in enumerate([0, 8, 3, 3]):
        assert float(share[:, :, row, 1 + cell].min()) > 0.99


def test_looking_at_one_patch_alone_makes_every_other_patch_irrelevant() -> None:
    # SigLIP's probe under a huge bias sees one value, which is what MaskCLIP gives for that patch.
    vlm = small.siglip()
    x = small.pictures(vlm)
    found = vlm.reattend(x, 1e4 * torch.eye(16))
    alone = vlm.dense(x, "maskclip").flatten(2).transpose(1, 2)
    assert torch.allclose(found, alone, atol=1e-5)


@pytest.mark.parametrize("build", small.MEANS)
def test_without_a_class_token_the_reason_is_given(build: Callable[[], Any]) -> None:
    vlm = build()
    with pytest.raises(NotSupported) as caught:
        vlm.reattend(small.pictures(vlm), torch.zeros(1, 24))
    assert "small has no re-attention: its embedding is the mean of its patches" in str(caught.value)
    assert "It does encode_images, encode_texts, dense." in str(caught.value)


@pytest.mark.parametrize(
    ("bias", "words"),
    [
        (torch.zeros(1, 23), r"The bias is \(1, 23\).\n  small has 4 x 6 patches: a tensor \(g, 24\)"),
        (torch.zeros(0, 24), r"The bias is \(0, 24\)"),
        (torch.zeros(24), r"The bias is \(24,\)"),
        (torch.full((1, 24), float("-inf")), "Use -1e4 to exclude a patch"),
        ([0.0], "The bias is list"),
    ],
)
def test_a_bias_that_does_not_fit_is_refused(bias: Any, words: str) -> None:
    vlm = small.class_token()
    with pytest.raises(InputError, match=words):
        vlm.reattend(small.pictures(vlm), bias)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_points_the_same_way(kind: torch.dtype) -> None:
    full, half = small.class_token(), small.class_token()
    half.model.to(kind)
    x, bias = small.pictures(full), random_bias(full, 3)
    assert float((full.reattend(x, bias) * half.reattend(x, bias)).sum(-1).min()) > 0.95
