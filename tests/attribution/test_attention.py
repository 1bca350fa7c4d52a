"""The tap: weights of fused and written-out attention, and a network that does not notice it."""

from __future__ import annotations

import threading

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seewhy.attribution.attention import AttentionTap, attention_weights, survey
from seewhy.backbones.base import Backbone
from tests.attribution.small_vits import VITS, HandBlock, HandViT, made, pictures, size_of, timm_vit

MASKS = ("none", "boolean", "added", "blind row")
KINDS = {"plain": {}, "causal": {"is_causal": True}, "scaled": {"scale": 0.3}}


def qkv(n_keys: int = 7, heads: int = 4, key_heads: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = lambda h, t: torch.randn(2, h, t, 8, generator=generator)  # noqa: E731
    return draw(heads, 5), draw(key_heads, n_keys), draw(key_heads, n_keys)


# torch takes a mask or is_causal, not both
@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        (k, m)
        for k in KINDS
        for m in ("none", "boolean", "added", "blind row")
        if (k, m == "none") != ("causal", False)
    ],
)
def test_tapped_fused_attention_equals_the_kernel(kind: str, mask: str) -> None:
    q, k, v = qkv()
    generator = torch.Generator().manual_seed(2)
    allowed = torch.rand(2, 1, 5, 7, generator=generator) > 0.3
    allowed[..., 0] = True
    if mask == "blind row":
        allowed[:, :, 2] = False
    given = {"none": None, "added": torch.randn(5, 7, generator=generator)}.get(mask, allowed)
    plain = F.scaled_dot_product_attention(q, k, v, given, **KINDS[kind])
    with AttentionTap() as tap:
        tapped = F.scaled_dot_product_attention(q, k, v, given, **KINDS[kind])
    torch.testing.assert_close(tapped, plain, atol=1e-6, rtol=1e-6)
    weights = tap.calls[0].weights
    torch.testing.assert_close(weights @ v, plain, atol=1e-6, rtol=1e-6)
    sums = weights.sum(-1)
    assert ((sums - 1).abs() < 1e-5).logical_or(sums == 0).all()


def test_tapped_grouped_queries_equal_the_kernel() -> None:
    q, k, v = qkv(key_heads=2)
    plain = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    with AttentionTap() as tap:
        tapped = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    torch.testing.assert_close(tapped, plain, atol=1e-6, rtol=1e-6)
    assert tap.calls[0].weights.shape == (2, 4, 5, 7)


def test_attention_weights_of_a_known_case() -> None:
    q = torch.tensor([[[1.0, 0.0]]])
    k = torch.tensor([[[2.0, 5.0], [0.0, 5.0]]])
    wanted = torch.tensor([[[0.8807970779778823, 0.11920292202211755]]])  # 1 / (1 + exp(-2)), and the rest
    torch.testing.assert_close(attention_weights(q, k, scale=1.0), wanted)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("masks", ["none", "attention", "heads", "padding", "both", "added"])
def test_tapped_multi_head_attention_equals_torch(separate: bool, masks: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        sizes = {"kdim": 6, "vdim": 10} if separate else {}
        layer = nn.MultiheadAttention(8, 2, batch_first=True, **sizes).eval()
        nn.init.normal_(layer.in_proj_bias)
        q, k, v = (
            torch.randn(3, 4, 8),
            torch.randn(3, 5, sizes.get("kdim", 8)),
            torch.randn(3, 5, sizes.get("vdim", 8)),
        )
    forbidden = torch.tensor([[0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]).bool()
    padding = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    given: dict[str, Tensor] = {}
    if masks in ("attention", "both"):
        given["attn_mask"] = forbidden
    if masks == "heads":
        given["attn_mask"] = forbidden.repeat(6, 1, 1)
    if masks in ("padding", "both"):
        given["key_padding_mask"] = padding
    if masks == "added":
        given["attn_mask"] = torch.linspace(-1, 1, 20).view(4, 5)
    with torch.no_grad():
        plain, weights = layer(q, k, v, average_attn_weights=False, **given)
        with AttentionTap() as tap:
            tapped, again = layer(q, k, v, average_attn_weights=False, **given)
            averaged = layer(q, k, v, **given)[1]
            unweighted = layer(q, k, v, need_weights=False, **given)
    torch.testing.assert_close(tapped, plain, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(tap.calls[0].weights, weights, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(again, weights, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(averaged, weights.mean(1), atol=1e-6, rtol=1e-6)
    assert unweighted[1] is None and len(tap.calls) == 3


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", VITS)
def test_tap_does_not_change_a_network(name: str, frozen: bool, grad: bool) -> None:
    network, x = made(VITS[name]).requires_grad_(not frozen), pictures(2, size_of(name))
    backbone = Backbone(network)
    with torch.set_grad_enabled(grad):
        plain = backbone.logits(x)
        with AttentionTap() as tap:
            tapped = backbone.logits(x)
    # Rounding of another order of sums, carried through two blocks; 1e-6 was seen.
    torch.testing.assert_close(tapped, plain, atol=4e-6, rtol=0)
    assert len(tap.calls) == (3 if name == "pooler" else 2)
    for call in tap.calls:
        assert call.weights.requires_grad == grad
        torch.testing.assert_close(call.weights.sum(-1), torch.ones(call.weights.shape[:-1]))


@pytest.mark.parametrize("name", VITS)
def test_tapped_and_plain_are_one_function_in_double_precision(name: str) -> None:
    backbone, x = Backbone(made(VITS[name]).double()), pictures(2, size_of(name)).double()
    with torch.no_grad():
        plain = backbone.logits(x)
        with AttentionTap():
            tapped = backbone.logits(x)
    torch.testing.assert_close(tapped, plain, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", VITS)
def test_gradient_reaches_every_block_of_a_frozen_network(name: str) -> None:
    backbone = Backbone(made(VITS[name]).requires_grad_(False))
    with AttentionTap() as tap:
        logits = backbone.logits(pictures(2, size_of(name)))
    gradients = torch.autograd.grad(logits[:, 1].sum(), [call.weights for call in tap.calls])
    assert all(gradient.flatten(1).any(1).all() for gradient in gradients)


def test_gradient_passes_weights_that_change_precision_on_the_way() -> None:
    # The written-out attention of Hugging Face computes its softmax in single precision whatever the network's.
    backbone = Backbone(made(VITS["hugging face eager"]).double().requires_grad_(False))
    with AttentionTap() as tap:
        logits = backbone.logits(pictures(1).double())
    gradients = torch.autograd.grad(logits[:, 1].sum(), [call.weights for call in tap.calls])
    assert len(gradients) == 2 and all(gradient.any() for gradient in gradients)


def test_fused_and_written_out_attention_give_the_same_weights() -> None:
    x = pictures(2)
    taps = []
    for fused in (True, False):
        network = made(lambda fused=fused: timm_vit(fused=fused))
        with AttentionTap() as tap:
            network(x)
        taps.append(tap)
    for one, other in zip(taps[0].calls, taps[1].calls, strict=True):
        torch.testing.assert_close(one.weights, other.weights, atol=1e-6, rtol=1e-5)


def test_tapped_weights_are_those_of_a_hand_written_network() -> None:
    network = made(HandViT)
    with AttentionTap() as tap:
        network(pictures(2, (24, 40)))
    assert [call.weights.data_ptr() for call in tap.calls] == [b.weights.data_ptr() for b in network.blocks]


def test_torch_encoder_layers_are_seen_past_their_fast_path() -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    with torch.no_grad(), AttentionTap() as tap:
        layer(torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0)))
    assert [tuple(call.weights.shape) for call in tap.calls] == [(2, 4, 5, 5)]


def test_thread_that_does_not_own_the_tap_is_not_captured() -> None:
    network, x = made(VITS["class token"]), pictures(1)
    inside: list[Tensor] = []
    with AttentionTap() as tap:
        thread = threading.Thread(target=lambda: inside.append(network(x)))
        thread.start()
        thread.join()
    assert len(inside) == 1 and tap.calls == []


def test_softmax_that_meets_no_values_is_not_attention() -> None:
    with AttentionTap() as tap:
        gate = torch.ones(2, 3, 4, 4).softmax(-1)
        gate.sum()
    assert tap.calls == [] and tap.changed == [(2, 3, 4, 4)]


def test_dropout_left_on_in_evaluation_is_missed_and_told() -> None:
    q, k, v = qkv()
    with torch.random.fork_rng(devices=[]), AttentionTap() as tap:
        F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    assert tap.calls == [] and tap.missed == ["attention that drops weights at random"]


@pytest.mark.parametrize(
    ("name", "prefix", "grid"),
    [
        ("class token", 1, (4, 6)),
        ("registers", 5, (4, 6)),
        ("distilled", 2, (4, 6)),
        ("mean", 1, (4, 6)),
        ("pooler", 0, (4, 6)),
        ("torchvision", 1, (4, 4)),
        ("open_clip", 1, (4, 6)),
        ("hugging face sdpa", 1, (4, 6)),
        ("hugging face eager", 1, (4, 6)),
    ],
)
def test_survey_finds_grid_and_prefix(name: str, prefix: int, grid: tuple[int, int]) -> None:
    known = survey(Backbone(made(VITS[name])), size_of(name))
    assert (known.prefix, known.grid, len(known.modules), known.reason) == (prefix, grid, 2, None)
    assert known.pooler == (name == "pooler")


REFUSED = {
    "resnet18": "no attention is computed",
    "swin_tiny_patch4_window7_224": "inside windows",
    "cait_xxs24_224": "not over one set of tokens",
    "xcit_nano_12_p16_224": "not over one set of tokens",
}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_survey_says_why_not(name: str, fused: bool) -> None:
    options = {"depths": (1, 1, 1, 1)} if "swin" in name else {} if "resnet" in name else {"depth": 2}
    network = timm.create_model(name, num_classes=3, **options).eval()
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    assert REFUSED[name] in (survey(Backbone(network), (224, 224)).reason or "")


class TalkingHeads(nn.Module):
    """Mixes its attention weights over the heads before they meet the values."""

    def __init__(self, plain_blocks: int) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Conv2d(3, 8, 8, 8), nn.Linear(2, 2), nn.Linear(8, 3)
        self.plain = nn.Sequential(*(HandBlock(8, 2) for _ in range(plain_blocks)))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.plain(self.embed(x).flatten(2).transpose(1, 2))
        heads = tokens.reshape(*tokens.shape[:2], 2, 4).transpose(1, 2)
        weights = (heads @ heads.transpose(-2, -1)).softmax(-1)
        mixed = self.mix(weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) @ heads
        return self.head(mixed.transpose(1, 2).flatten(2).mean(1))


@pytest.mark.parametrize("plain_blocks", [0, 2])
def test_survey_refuses_mixed_weights_also_beside_plain_ones(plain_blocks: int) -> None:
    network = TalkingHeads(plain_blocks).eval()
    assert "mixed or changed" in (survey(Backbone(network), (24, 32)).reason or "")


def test_survey_refuses_a_compiled_network() -> None:
    compiled = torch.compile(made(HandViT))  # nothing is compiled before the first call
    assert "compiled or scripted" in (survey(Backbone(compiled), (24, 40)).reason or "")
