"""Networks whose channels see one colour each, pictures of coloured squares, and the plain network asked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.images.preprocess import Preprocess

SIZE, CELL, GRID = (16, 24), 4, (4, 6)
COLOURS = ("red", "green", "blue")
CLASSES = ("warm", "cold")
WEIGHT, BIAS = [[3.0, 1.0, -2.0], [-1.0, 0.5, 4.0]], [0.1, -0.2]
RECIPE = Preprocess(SIZE, fit="stretch", mean=0.0, std=1.0)


def conv(weight: Tensor, stride: int = 1, bias: Sequence[float] | None = None) -> nn.Conv2d:
    """A convolution with these weights, without padding."""
    out, channels, side, _ = weight.shape
    made = nn.Conv2d(channels, out, side, stride, bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(torch.tensor(bias))
    return made


def seeing() -> nn.Conv2d:
    """Red, green and blue less the others, mean over 4 x 4 pixels: a square of one colour moves one channel."""
    mixed = 2 * torch.eye(3) - torch.ones(3, 3)
    return conv(mixed[:, :, None, None].expand(3, 3, CELL, CELL) / CELL**2, CELL)


def head(weight: Sequence[Sequence[float]], bias: Sequence[float] | None) -> nn.Sequential:
    linear = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weight))
        if bias is not None:
            linear.bias.copy_(torch.tensor(bias))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


def network(bias: bool = True) -> nn.Sequential:
    """Colours, then their means, then two classes: "1" is the layer."""
    return nn.Sequential(seeing(), nn.ReLU(), *head(WEIGHT, BIAS if bias else None)).eval()


def deeper() -> nn.Sequential:
    """The colours at "1"; at "3" red + green and blue; then the classes."""
    pairs = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])[:, :, None, None]
    last = head([[3.0, -2.0], [-1.0, 4.0]], [0.1, -0.2])
    return nn.Sequential(seeing(), nn.ReLU(), conv(pairs), nn.ReLU(), *last).eval()


def small(tail: Callable[[], nn.Module] | None = None, *, seed: int = 0, channels: int = 5) -> nn.Sequential:
    """A seeded network in double precision, split at "1": an affine tail, or another one."""
    rest = tail() if tail else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))
    made = nn.Sequential(nn.Conv2d(3, channels, 3, 2), nn.ReLU(), rest).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) / p[0].numel() ** 0.5)
    return made


def last_block() -> nn.Module:
    """A tail that is not affine."""
    layers = [nn.Conv2d(5, 6, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(6, 4), nn.Tanh())


def backbone(module: nn.Module | None = None, layer: str = "1") -> Backbone:
    return Backbone(module or network(), preprocess=RECIPE, classes=CLASSES, layer=layer)


class Around(nn.Module):
    """A class of its own for what goes around the features: the mean of the picture joins behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4) / 16, 4)
        self.act, self.join = nn.ReLU(), nn.Linear(6, 2)
        with torch.no_grad():
            self.join.weight.copy_(torch.tensor([[1.0, 2, -1, 3, 1, 0], [0, -2, 1, 1, -3, 2]]))
            self.join.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.act(self.stem(x)).mean((2, 3)), x.mean((2, 3)) ** 2], 1))


def around() -> Backbone:
    return Backbone(Around().eval(), preprocess=RECIPE, classes=CLASSES, layer="act")


def squares(levels: dict[tuple[int, int], tuple[str, int]]) -> np.ndarray:
    """Black with squares: {(row, column): (colour, level from 0 to 255)}."""
    picture = np.zeros((*SIZE, 3), np.uint8)
    for (y, x), (colour, level) in levels.items():
        picture[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL, COLOURS.index(colour)] = level
    return picture


def pictures(n: int, colours: Sequence[str] = COLOURS, *, seed: int = 0, most: int = 5) -> list[np.ndarray]:
    """`n` pictures of some squares; in turn mostly of the first colour, of the second and so on."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(n):
        cells = generator.permutation(GRID[0] * GRID[1])[: generator.integers(2, most + 1)]
        own = colours[i % len(colours)]
        named = [own, *(str(generator.choice([own, own, *colours])) for _ in cells[1:])]
        made.append(
            squares(
                {
                    (int(c) // GRID[1], int(c) % GRID[1]): (name, int(generator.integers(60, 256)))
                    for c, name in zip(cells, named, strict=True)
                }
            )
        )
    return made


def amounts(picture: np.ndarray) -> np.ndarray:
    """(3, 4, 6) what each colour's channel sees at each cell, by hand."""
    cells = picture.reshape(GRID[0], CELL, GRID[1], CELL, 3).mean((1, 3)) / 255
    return np.maximum(2 * cells - cells.sum(2, keepdims=True), 0).transpose(2, 0, 1)


def put(module: nn.Module, layer: str, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Logits of the plain network with what a layer returns changed on the way."""
    handle = module.get_submodule(layer).register_forward_hook(lambda _, __, output: change(output))
    try:
        with torch.no_grad():
            return module(x)
    finally:
        handle.remove()
