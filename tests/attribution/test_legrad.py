"""LeGrad against its formula in plain steps, finite differences, and what must not change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.attribution.blocks import Blocks, blocks_of
from seewhy.attribution.legrad import LeGrad
from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported
from tests.attribution.small_vits import VITS, HandViT, made, pictures, size_of, timm_vit

SMALL = (24, 40)


def maps_of(answers: Any) -> np.ndarray:
    return np.stack([answer.map for answer in answers])


def slow_score(network: HandViT, tokens: Tensor, target: int, pool: str) -> Tensor:
    """s^l from the tokens of a block: the network's own reading, or the mean score of tokens one by one."""
    if pool == "model":
        return network.read(tokens)[0, target]
    chosen = tokens[0, 1:] if pool == "patches" else tokens[0]
    return torch.stack([network.head(network.norm(token))[target] for token in chosen]).mean()


def slow_legrad(network: HandViT, x: Tensor, target: int, pool: str, start: int = 0) -> np.ndarray:
    maps = []
    for picture in x.double():
        tokens, total = network.tokens(picture[None]), torch.zeros(())
        for i, block in enumerate(network.blocks):
            tokens = block(tokens)
            (gradient,) = torch.autograd.grad(
                slow_score(network, tokens, target, pool), block.weights, retain_graph=True
            )
            if i < start % len(network.blocks):
                continue
            heads, n, _ = gradient[0].shape
            for head in range(heads):
                for query in range(n):
                    total = total + gradient[0, head, query].clamp(min=0)[1:] / (heads * n)
        maps.append(total.reshape(picture.shape[1] // 8, picture.shape[2] // 8).detach())
    return torch.stack(maps).numpy()


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("pool", ["model", "patches", "all"])
@pytest.mark.parametrize("start", [0, -2])
def test_equals_the_formula_retyped_slowly(mean: bool, pool: Any, start: int) -> None:
    network, x = made(lambda: HandViT(3, mean=mean)), pictures(2, SMALL)
    answers = LeGrad(start_layer=start, pool=pool)(network, x, 2, preprocess=False)
    wanted = slow_legrad(network.double(), x, 2, pool, start)
    np.testing.assert_allclose(maps_of(answers), wanted, rtol=1e-4, atol=1e-6 * wanted.max())


def test_gradient_equals_finite_differences_of_the_score_in_the_weights() -> None:
    network, x = made(lambda: HandViT(1)).double(), pictures(1, SMALL).double()
    answer = LeGrad()(network, x[0], 2, preprocess=False)
    network(x)
    weights, h = network.blocks[0].weights, 1e-6
    slopes = torch.zeros_like(weights)
    with torch.no_grad():
        for head in range(weights.shape[1]):
            for key in range(weights.shape[3]):  # only the class token's row is read out
                ends = []
                for sign in (1, -1):
                    network.blocks[0].shift = torch.zeros_like(weights)
                    network.blocks[0].shift[0, head, 0, key] = sign * h
                    ends.append(network(x)[0, 2])
                slopes[0, head, 0, key] = (ends[0] - ends[1]) / (2 * h)
    wanted = slopes.clamp(min=0).mean((1, 2))[0, 1:].reshape(3, 5).numpy()
    np.testing.assert_allclose(answer.map, wanted, rtol=1e-4, atol=1e-8)


class Pooled(HandViT):
    """Read out by an attention of its own: one learned query over all tokens."""

    def __init__(self) -> None:
        super().__init__(3)
        self.query = nn.Parameter(torch.randn(1, 1, 12))
        self.weights: Tensor | None = None

    def read(self, tokens: Tensor) -> Tensor:
        normed = self.norm(tokens)
        self.weights = (self.query @ normed.transpose(1, 2)).softmax(-1)
        return self.head((self.weights @ normed).squeeze(1))


def test_pooler_is_asked_for_its_own_weights_over_each_blocks_tokens() -> None:
    network, x = made(Pooled), pictures(1, SMALL)
    answer = LeGrad()(network, x[0], 2, preprocess=False)
    tokens, wanted = network.double().tokens(x.double()), torch.zeros(())
    for block in network.blocks:
        tokens = block(tokens)
        (gradient,) = torch.autograd.grad(network.read(tokens)[0, 2], network.weights, retain_graph=True)
        wanted = wanted + gradient[0, 0].clamp(min=0)[1:]
    np.testing.assert_allclose(answer.map, wanted.reshape(3, 5).detach().numpy(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", VITS)
def test_runs_through_the_networks_own_norm_and_head(name: str) -> None:
    network, x = made(VITS[name]), pictures(2, size_of(name))
    answers = LeGrad()(network, x, 1, preprocess=False)
    assert answers[0].map.shape == ((4, 4) if name == "torchvision" else (4, 6))
    assert all((answer.map >= 0).all() and answer.map.any() for answer in answers)


@pytest.mark.parametrize("name", [name for name in VITS if "hugging" not in name])
def test_score_of_the_last_block_is_the_logit(name: str) -> None:
    backbone, x = Backbone(made(VITS[name])), pictures(2, size_of(name))
    blocks = blocks_of(backbone, size_of(name))
    assert isinstance(blocks, Blocks)
    with torch.no_grad(), blocks.outputs() as outputs:
        logits = backbone.logits(x)
    features, prefix = blocks.layers[-1].read(outputs[blocks.names[-1]])
    cut = blocks.split.cut(x)
    torch.testing.assert_close(features, cut.features)
    torch.testing.assert_close(blocks.split.tail(features, cut.rest), logits, atol=1e-5, rtol=1e-5)


def test_fused_and_written_out_attention_give_the_same_map() -> None:
    for makers in (
        (timm_vit, lambda: timm_vit(fused=False)),
        [VITS[f"hugging face {k}"] for k in ("sdpa", "eager")],
    ):
        one, other = (maps_of(LeGrad()(made(m), pictures(2), 0, preprocess=False)) for m in makers)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6 * one.max())


def test_block_with_zero_weights_changes_nothing() -> None:
    network, x = made(HandViT), pictures(2, SMALL)
    plain = maps_of(LeGrad()(network, x, 1, preprocess=False))
    block = type(network.blocks[0])(12, 3)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    network.blocks.append(block)
    np.testing.assert_allclose(maps_of(LeGrad()(network, x, 1, preprocess=False)), plain, rtol=1e-4)


def test_frozen_and_trainable_networks_give_the_same_bytes() -> None:
    network, x = made(VITS["registers"]), pictures(2)
    one = maps_of(LeGrad()(network.requires_grad_(True), x, 1, preprocess=False))
    other = maps_of(LeGrad()(network.requires_grad_(False), x, 1, preprocess=False))
    assert one.tobytes() == other.tobytes()


class Around(nn.Module):
    """Adds what a convolution sees past all blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.side = HandViT(), nn.Conv2d(3, 4, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.side(x).mean((2, 3))


def test_way_around_the_last_block_is_refused() -> None:
    with pytest.raises(NotSupported, match="reaches the logits around its last block 'inner.blocks.1'"):
        LeGrad()(made(Around), pictures(1, SMALL), 0, preprocess=False)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = HandViT(1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.inner.tokens(x)
        return self.inner.read(self.inner.blocks[0](self.inner.blocks[0](tokens)))


def test_block_that_is_used_twice_is_refused() -> None:
    with pytest.raises(NotSupported, match="no module around the attention 'inner.blocks.0'"):
        LeGrad()(made(Tied), pictures(1, SMALL), 0, preprocess=False)


def test_single_tokens_need_a_tail_that_can_be_cut() -> None:
    with pytest.raises(NotSupported, match="cannot be run on one token alone, as pool='all' needs"):
        LeGrad(pool="all")(made(VITS["hugging face sdpa"]), pictures(1), 0, preprocess=False)


def test_unknown_pool_is_refused() -> None:
    with pytest.raises(InputError, match="pool is 'mean'.*\n.*'model', 'patches', 'all'"):
        LeGrad(pool="mean")  # type: ignore[arg-type]
