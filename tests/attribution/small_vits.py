"""Small transformers of every library and kind of pooling, seeded; and one written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import open_clip.transformer
import timm
import torch
import torchvision
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

Maker = Callable[[], nn.Module]
SIZE = (64, 96)


def timm_vit(name: str = "vit_tiny_patch16_224", *, fused: bool = True, **options: object) -> nn.Module:
    network = timm.create_model(name, img_size=SIZE, depth=2, num_classes=5, **options)
    for block in network.blocks:
        block.attn.fused_attn = fused
    return network


def torchvision_vit() -> nn.Module:
    network = torchvision.models.VisionTransformer(64, 16, 2, 4, 32, 64, num_classes=5)
    nn.init.normal_(network.heads.head.weight)  # zero as built, and with it every gradient
    return network


def open_clip_tower() -> nn.Module:
    return open_clip.transformer.VisionTransformer(
        image_size=SIZE, patch_size=16, width=32, layers=2, heads=4, mlp_ratio=2, output_dim=5
    )


def hugging_face_vit(attention: str) -> nn.Module:
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=SIZE,
        patch_size=16,
        num_labels=5,
        attn_implementation=attention,
    )
    return ViTForImageClassification(config)


VITS: dict[str, Maker] = {
    "class token": timm_vit,
    "class token, not fused": lambda: timm_vit(fused=False),
    "registers": lambda: timm_vit(reg_tokens=4),
    "distilled": lambda: timm_vit("deit_tiny_distilled_patch16_224"),
    "mean": lambda: timm_vit(global_pool="avg"),
    "pooler": lambda: timm_vit(global_pool="map", class_token=False),
    "torchvision": torchvision_vit,
    "open_clip": open_clip_tower,
    "hugging face sdpa": lambda: hugging_face_vit("sdpa"),
    "hugging face eager": lambda: hugging_face_vit("eager"),
}


def size_of(name: str) -> tuple[int, int]:
    return (64, 64) if name == "torchvision" else SIZE


def made(maker: Maker, seed: int = 0) -> nn.Module:
    """A network in eval mode with seeded weights of a size that makes its logits differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = maker().eval()
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return network


def pictures(n: int, size: tuple[int, int] = SIZE, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed))


class HandViT(nn.Module):
    """A transformer in plain steps that keeps its attention weights, for oracles; reads token 0 or the mean."""

    def __init__(self, depth: int = 2, width: int = 12, heads: int = 3, *, mean: bool = False) -> None:
        super().__init__()
        self.heads, self.mean = heads, mean
        self.embed = nn.Conv2d(3, width, 8, 8)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(HandBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4)

    def tokens(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(x.shape[0], -1, -1), patches], 1)

    def read(self, tokens: Tensor) -> Tensor:
        normed = self.norm(tokens)
        return self.head(normed[:, 1:].mean(1) if self.mean else normed[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.read(tokens)


class HandBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.weights: Tensor | None = None
        self.shift: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        b, n, c = tokens.shape
        q, k, v = (
            self.qkv(self.norm(tokens)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        )
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        # `shift` nudges the weights for finite differences; the kept weights are part of the graph.
        self.weights = weights if self.shift is None else weights + self.shift
        mixed = (self.weights @ v).transpose(1, 2).reshape(b, n, c)
        tokens = tokens + self.out(mixed)
        return tokens + self.mlp(tokens)
