"""A small network with seeded weights, and pictures of three classes that it can tell apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import seewhy as sw

SIZE = (32, 48)
PREPROCESS = sw.Preprocess(size=SIZE, fit="stretch", mean=0.5, std=0.25)
NAMES = ["bright", "dark", "striped"]


def network(n_classes: int = 3, seed: int = 0) -> nn.Sequential:
    layers = [nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    made = nn.Sequential(*layers, nn.Linear(16, n_classes))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 7)
    return made.eval()


def seeing() -> nn.Sequential:
    """Four features by hand, of 4 x 4 pixels: magenta (never in a picture), white (never), brightness, stripes."""
    made = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    stripes = torch.tensor([1.0, 1.0, -1.0, -1.0])
    with torch.no_grad():
        convolution = made[0]
        convolution.weight.zero_()
        convolution.weight[0] += torch.tensor([1.0, -2.0, 1.0])[:, None, None] / 16
        convolution.weight[1:3] += 1 / 48
        convolution.weight[3] += stripes / 48
        convolution.bias.copy_(torch.tensor([-1.5, -1.5, 1.5, 0.5]))
        made[4].weight.copy_(torch.eye(4)[:3])
        made[4].bias.zero_()
    return made.eval()


def model() -> sw.Classifier:
    return sw.load(seeing(), preprocess=PREPROCESS)


def pictures(n: int = 20, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """`n` of each class: noise on a brighter, darker or faintly striped ground, not always easy to tell."""
    generator = np.random.default_rng(seed)
    flat, stripes = np.ones(SIZE), np.ones(SIZE) * (np.arange(SIZE[1]) % 4 < 2)
    grounds = [flat * 130.0, flat * 100.0, flat * 105.0 + 20 * stripes]
    every = [
        ground[..., None] + generator.normal(0, 15) + generator.normal(0, 30, (*SIZE, 3))
        for ground in grounds
        for _ in range(n)
    ]
    return [np.clip(one, 0, 255).astype(np.uint8) for one in every], [
        name for name in NAMES for _ in range(n)
    ]
