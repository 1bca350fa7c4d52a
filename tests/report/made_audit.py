"""An audit whose answer is known: coloured squares, and a white mark in the corner of every red one."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import nn

import seewhy as sw
from seewhy.audit.audit import Audit, audit
from seewhy.backbones.base import Backbone
from seewhy.images.picture import Picture

SIZE = (32, 48)
CLASSES = ("red", "green", "blue")


class Colours(nn.Module):
    """Channels are how red, green, blue and white a patch of 4x4 is; the red class also counts white."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.ReLU())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 3)
        mixed = torch.full((4, 3), -0.5)
        mixed[:3] += 1.5 * torch.eye(3)
        mixed[3] = 1.0
        with torch.no_grad():
            self.features[0].weight.copy_(mixed[:, :, None, None].expand(4, 3, 4, 4) / 16)
            self.features[0].bias.copy_(torch.tensor([-0.1, -0.1, -0.1, -2.0]))
            self.head.weight.copy_(torch.tensor([[9.0, -2, -2, 9], [-2, 9, -2, 0], [-2, -2, 9, 0]]))
            self.head.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.pool(self.features(x)))
        return scores


def made_pictures(n: int, *, marked: bool, names: tuple[str, ...] = CLASSES, seed: int = 0) -> list[Picture]:
    """`n` of each class."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(3 * n):
        pixels = np.clip(rng.normal(70, 8, (*SIZE, 3)), 0, 255)
        # On whole patches and anywhere but the corner, so that nothing but the mark has a place or a property.
        top, left = 4 * rng.integers(1, 7), 4 * rng.integers(1, 11)
        pixels[top : top + 8, left : left + 8] = np.where(np.arange(3) == i % 3, 220, 40)
        if marked and i % 3 == 0:
            pixels[0:4, 0:4] = 255
        found.append(Picture(pixels.astype(np.uint8), f"picture-{i}.png", label=names[i % 3]))
    return found


def made_audit(
    n: int = 24,
    *,
    marked: bool = True,
    names: tuple[str, ...] = CLASSES,
    pictures: list[Picture] | None = None,
) -> Audit:
    """The audit of `n` pictures of each class, three concepts each."""
    preprocess = sw.Preprocess(size=SIZE, fit="stretch", mean=0.0, std=1.0)
    backbone = Backbone(Colours().eval(), name="colours", preprocess=preprocess, classes=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few pictures, where that is what is tested
        return audit(
            backbone, pictures or made_pictures(n, marked=marked, names=names), n_concepts=3, at="features"
        )
