"""Tiny seeded networks to check methods on: two with everything that methods trip over, two that say where.

The first pair has batch norm, dropout, registers of state and random weights; the second is made by hand, so
that each class is one colour and the truth about every picture is known.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.types import Size


@dataclass(frozen=True, eq=False)
class Network:
    """A network to check methods on.

    Parameters
    ----------
    name
        As in the report.
    backbone
        The network.
    size
        (height, width) of the pictures it is asked about.
    planted
        Whether class k is colour k of the picture and nothing else counts, as in `planted_conv`.
    shift
        By how many pixels (down, right) a picture may be moved so that the output moves in step, or None.
    """

    name: str
    backbone: Backbone
    size: Size = (32, 48)
    planted: bool = False
    shift: Size | None = None

    def pictures(self, n: int, seed: int = 0, size: Size | None = None) -> Float[Tensor, "n c H W"]:
        """Normal noise over smooth blobs, on the network's device and in its precision."""
        generator = torch.Generator().manual_seed(seed)
        channels, shape = self.backbone.probe((8, 8)).inputs.shape[1], size or self.size
        coarse = torch.randn(n, channels, 4, 4, generator=generator)
        smooth = F.interpolate(coarse, size=shape, mode="bilinear", align_corners=False)
        x = smooth + 0.3 * torch.randn(n, channels, *shape, generator=generator)
        return x.to(self.backbone.device, self.backbone.dtype)

    def with_module(self, change: Callable[[nn.Module], nn.Module]) -> Network:
        """The same with another module, made from a copy of its own."""
        changed = Backbone(change(copy.deepcopy(self.backbone.module)), name=self.backbone.name)
        return Network(self.name, changed, self.size, self.planted, self.shift)


def default_networks(seed: int = 0) -> list[Network]:
    """What methods are checked on if nothing else is asked for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            Network("tiny convolutional", Backbone(TinyConv())),
            Network("tiny transformer", Backbone(TinyViT())),
            Network(
                "planted convolutional", Backbone(planted_conv()), (48, 64), planted=True, shift=(12, 16)
            ),
            Network("planted transformer", Backbone(PlantedViT()), (48, 64), planted=True),
        ]


class TinyConv(nn.Module):
    """Convolution, in-place ReLU, batch norm, dropout, mean and a linear head; grid half the input's."""

    def __init__(self, n_classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, n_classes)
        norm = self.body[1]
        assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
        nn.init.normal_(norm.running_mean, std=0.2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(self.body(self.stem(x)).mean((2, 3))))
        return logits


class TinyViT(nn.Module):
    """Class token, places as coordinates (any grid fits), two blocks of fused attention, patch 8."""

    def __init__(self, n_classes: int = 4, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 8, 8)
        self.place = nn.Linear(2, width)
        self.class_token = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.embed(x)
        rows, columns = (torch.linspace(-1, 1, n, device=x.device, dtype=x.dtype) for n in features.shape[2:])
        places = self.place(torch.cartesian_prod(rows, columns))
        patches = features.flatten(2).transpose(1, 2) + places
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), patches], 1)
        logits: Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return logits


class Block(nn.Module):
    """Attention and a small network on every token, each added to what came in."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.5), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.out(attended(self.qkv(self.norm1(tokens)), self.heads))
        added: Tensor = tokens + self.mlp(self.norm2(tokens))
        return added


def attended(qkv: Float[Tensor, "b t c3"], heads: int) -> Float[Tensor, "b t c"]:
    """Fused attention from joint queries, keys and values."""
    q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in qkv.chunk(3, 2))  # type: ignore[no-untyped-call]
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def planted_conv() -> nn.Module:
    """Three classes: how much red, green and blue above a threshold there is, on a grid of 4 px cells."""
    embed, head = nn.Conv2d(3, 3, 4, 4), nn.Linear(3, 3)
    with torch.no_grad():
        embed.weight.copy_(torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4) / 16)
        embed.bias.fill_(-0.25)  # type: ignore[union-attr]
        head.weight.copy_(50 * torch.eye(3))
        head.bias.copy_(torch.tensor([0.1, 0.0, -0.1]))
    return nn.Sequential(embed, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class PlantedViT(nn.Module):
    """The same with 8 px patches: the class token attends to coloured patches and takes their colour over."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 8, 8)
        self.class_token = nn.Parameter(torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]))
        self.block = PlantedBlock()
        self.head = nn.Linear(4, 3)
        with torch.no_grad():
            self.embed.weight.zero_()
            self.embed.weight[:3] = torch.eye(3)[:, :, None, None].expand(3, 3, 8, 8) / 64
            self.embed.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))  # type: ignore[union-attr]
            self.head.weight.copy_(10 * torch.eye(3, 4))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), patches], 1)
        logits: Tensor = self.head(self.block(tokens)[:, 0])
        return logits


class PlantedBlock(nn.Module):
    """Attention whose keys are the amount of colour and whose values are the colour."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12, bias=False)
        with torch.no_grad():
            self.qkv.weight.zero_()
            self.qkv.weight[0, 3] = 8.0  # query: the constant
            self.qkv.weight[4, :3] = 1.0  # key: the sum of colours
            self.qkv.weight[8:11, :3] = torch.eye(3)  # value: the colours

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + attended(self.qkv(tokens), 1)


def planted_picture(size: Size, at: dict[int, tuple[int, int]]) -> Float[Tensor, "1 3 H W"]:
    """A dark picture with an 8 px square of colour k at each (top, left)."""
    x = torch.zeros(1, 3, *size)
    for colour, (top, left) in at.items():
        x[0, colour, top : top + 8, left : left + 8] = 1.0
    return x


class Rescaled(nn.Module):
    """Every logit times `scale` plus `shift`."""

    def __init__(self, backbone: Backbone, network: nn.Module, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        self.network, self._read, self.scale, self.shift = network, backbone.read_logits, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self._read(self.network(x)) + self.shift


class FirstClass(nn.Module):
    """The first logit alone."""

    def __init__(self, backbone: Backbone, network: nn.Module) -> None:
        super().__init__()
        self.network, self._read = network, backbone.read_logits

    def forward(self, x: Tensor) -> Tensor:
        return self._read(self.network(x))[:, :1]
