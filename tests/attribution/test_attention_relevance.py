"""Generic attention relevance against a slow re-typing of the paper, one picture at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.attention_relevance import AttentionRelevance, carried, pooled
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported
from tests.attribution.small_vits import VITS, HandViT, made, pictures, size_of, timm_vit

SMALL = (24, 40)


def slow_relevance(network: HandViT, x: Tensor, target: int, start: int = 0) -> np.ndarray:
    """Equations of the paper with full matrices and loops, in double precision."""
    maps = []
    for picture in x.double():
        logit = network(picture[None])[0, target]
        weights = [block.weights for block in network.blocks]
        gradients = torch.autograd.grad(logit, weights)
        n = weights[0].shape[-1]
        relevance = torch.eye(n, dtype=torch.float64)
        for weight, gradient in list(zip(weights, gradients, strict=True))[start:]:
            total = torch.zeros(n, n, dtype=torch.float64)
            for head in range(weight.shape[1]):
                total += (weight[0, head] * gradient[0, head]).clamp(min=0)
            relevance = relevance + (total / weight.shape[1]) @ relevance
        rows = range(1, n) if network.mean else [0]
        row = torch.stack([relevance[i] - torch.eye(n, dtype=torch.float64)[i] for i in rows]).mean(0)
        maps.append(row[1:].reshape(picture.shape[1] // 8, picture.shape[2] // 8).detach())
    return torch.stack(maps).numpy()


def maps_of(answers: Any) -> np.ndarray:
    return np.stack([answer.map for answer in answers])


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("start", [0, 1, -1])
def test_equals_the_paper_retyped_slowly(mean: bool, start: int) -> None:
    network, x = made(lambda: HandViT(3, mean=mean)), pictures(3, SMALL)
    answers = AttentionRelevance(start_layer=start)(network, x, 2, preprocess=False)
    wanted = slow_relevance(network.double(), x, 2, start)
    np.testing.assert_allclose(maps_of(answers), wanted, rtol=2e-4, atol=1e-6 * wanted.max())


def test_pooler_follows_the_rule_between_two_sets_of_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    blocks, pooler = [draw(2, 5, 5), draw(2, 5, 5)], draw(2, 3, 5)
    blocks[0][0, 1], blocks[1][0, 1] = 0, 0  # a token that attends to nothing keeps its identity
    for b in range(2):
        relevance = torch.eye(5, dtype=torch.float64)
        for block in blocks:
            relevance = relevance + block[b] @ relevance
        without = relevance - torch.eye(5, dtype=torch.float64)
        sums = without.sum(1, keepdim=True)
        normalised = torch.eye(5, dtype=torch.float64) + torch.nan_to_num(without / sums)
        torch.testing.assert_close(pooled(blocks, pooler)[b], (pooler[b] @ normalised).mean(0))


def test_carried_keeps_small_relevance_beside_the_identity() -> None:
    # 1e-12 beside a row that starts at 1/2 would be lost in single precision if the identity were subtracted.
    block = torch.full((1, 2, 2), 1e-12)
    torch.testing.assert_close(carried([block], torch.ones(1, 2).bool()), torch.full((1, 2), 1e-12))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("class token", "class token"),
        ("registers", "class token"),
        ("distilled", "mean of class token, prefix token 1"),
        ("mean", "mean of 24 patches"),
        ("pooler", "the pooler's queries"),
        ("torchvision", "class token"),
        ("open_clip", "class token"),
        ("hugging face eager", "class token"),
    ],
)
def test_reads_the_rows_that_the_logits_read(name: str, rows: str) -> None:
    answer = AttentionRelevance()(made(VITS[name]), pictures(1, size_of(name))[0], 1, preprocess=False)
    assert answer.meta.choices["rows"] == rows
    assert answer.map.shape == ((4, 4) if name == "torchvision" else (4, 6)) and answer.map.any()


@pytest.mark.parametrize("name", ["fused", "hugging face"])
def test_fused_and_written_out_attention_give_the_same_map(name: str) -> None:
    makers = {
        "fused": (timm_vit, lambda: timm_vit(fused=False)),
        "hugging face": (VITS["hugging face sdpa"], VITS["hugging face eager"]),
    }[name]
    one, other = (AttentionRelevance()(made(m), pictures(2), 0, preprocess=False) for m in makers)
    np.testing.assert_allclose(maps_of(one), maps_of(other), rtol=1e-3, atol=1e-6 * maps_of(one).max())


def test_block_with_zero_weights_changes_nothing() -> None:
    network, x = made(HandViT), pictures(2, SMALL)
    plain = maps_of(AttentionRelevance()(network, x, 1, preprocess=False))
    block = type(network.blocks[0])(12, 3)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    network.blocks.insert(1, block)
    np.testing.assert_allclose(
        maps_of(AttentionRelevance()(network, x, 1, preprocess=False)), plain, rtol=1e-4
    )


def test_zero_head_is_refused() -> None:
    network = made(HandViT)
    nn.init.zeros_(network.head.weight)
    with pytest.raises(NotSupported, match="gradient from the score to the attention is zero"):
        AttentionRelevance()(network, pictures(1, SMALL), 0, preprocess=False)


def test_convolutional_network_is_refused_by_name_and_reason() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with pytest.raises(NotSupported, match="'attention_relevance' does not work on Sequential: no attention"):
        AttentionRelevance()(network, pictures(1, SMALL), 0, preprocess=False)
    assert AttentionRelevance().why_not(Backbone(made(HandViT)), SMALL) is None


def test_block_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        InputError, match="Block 2 does not exist.*\n.*2 blocks with attention, 0 to 1 or -2 to -1"
    ):
        AttentionRelevance(start_layer=2)(made(HandViT), pictures(1, SMALL), 0, preprocess=False)
