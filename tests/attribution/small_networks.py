"""Networks small enough to explain by hand, and one ordinary small CNN with seeded weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seewhy.attribution.base import Method
from seewhy.backbones.base import Backbone
from seewhy.explanation.attribution_map import AttributionMap


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class LinearPicture(nn.Module):
    """logit_k = <W_k, x> + b_k."""

    def __init__(self, size: tuple[int, int], classes: int = 3, channels: int = 3, seed: int = 5) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw(classes, channels, *size, seed=seed))
        self.bias = nn.Parameter(draw(classes, seed=seed + 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("kchw,bchw->bk", self.weight, x) + self.bias


class QuadraticPicture(LinearPicture):
    """logit_k = <W_k, x^2> + b_k: its gradient is 2 W_k x."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * x)


class ConstantPicture(nn.Module):
    """Logits that no pixel changes, though each is touched."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits + 0.0 * x.sum((1, 2, 3))[:, None]


class SmallCNN(nn.Module):
    """Two strided convolutions, then global pooling and a linear head, or (`deep=True`) a nonlinear one."""

    def __init__(self, classes: int = 4, *, deep: bool = False, bias: bool = True, seed: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=bias), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1, bias=bias), nn.ReLU())
        hidden: list[nn.Module] = [nn.Linear(8, 8), nn.Tanh()] if deep else []
        self.head = nn.Sequential(*hidden, nn.Linear(8, classes, bias=bias))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def explain(
    method: Method, model: nn.Module | Backbone, x: Tensor, target: int | list[int] = 0, **options: object
) -> list[AttributionMap]:
    """The maps for a batch of ready tensors."""
    return list(method(model, x, target, preprocess=False, **options))


def maps_of(
    method: Method, model: nn.Module | Backbone, x: Tensor, target: int | list[int] = 0, **options: object
) -> Tensor:
    """Only the numbers, stacked."""
    return torch.stack([torch.tensor(m.map.copy()) for m in explain(method, model, x, target, **options)])
