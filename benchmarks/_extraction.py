"""The extraction that is killed and made to fail: a real network on a folder of real pictures, where they are here.

Without SEEWHY_TEST_DATA a network with random weights sees generated pictures instead, and the result says so.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks._real import network
from seewhy.backbones.base import Backbone
from seewhy.concepts.store import FeatureStore, extract
from seewhy.images.preprocess import Preprocess

UNREADABLE = 7
"""The picture with this number is not one, so that failures have to survive as well."""


def build(folder: Path, n: int) -> tuple[Backbone, str]:
    """A network and, in `folder`, `n` picture files; with a sentence that says which."""
    data = Path(os.environ.get("SEEWHY_TEST_DATA", ""))
    if (data / "models").is_dir():
        module = network("resnet20_cifar10")
        with np.load(data / "cifar10" / "cifar10_subset.npz") as archive:
            pixels = archive["x_test"][:n]
        what = f"trained CIFAR ResNet-20 on {n} CIFAR-10 test pictures (PNG), picture {UNREADABLE} unreadable"
    else:
        module = _small()
        pixels = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), np.uint8)
        what = f"untrained small network on {n} generated pictures (PNG), picture {UNREADABLE} unreadable"
    folder.mkdir()
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"{i}.png")
    (folder / f"{UNREADABLE}.png").write_bytes(b"not a picture")
    return Backbone(module, name="small", preprocess=Preprocess(size=32)), what


def run(backbone: Backbone, pictures: Path, folder: Path, per_shard: int, **options: Any) -> FeatureStore:
    """Extract with everything fixed that the bytes depend on."""
    return extract(backbone, pictures, folder, per_shard=per_shard, batch_size=per_shard, **options)


def _small() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
        ).eval()  # fmt: skip
