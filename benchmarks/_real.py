"""The real networks and photographs that benchmarks run on, found through SEEWHY_TEST_DATA."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


def data() -> Path:
    """The data folder, or a stop that says what is missing."""
    folder = Path(os.environ.get("SEEWHY_TEST_DATA", ""))
    if not (folder / "models").is_dir():
        raise SystemExit("set SEEWHY_TEST_DATA to the folder with the real networks and photographs")
    return folder


def network(name: str) -> nn.Module:
    """One of the folder's networks, in eval mode."""
    sys.path.insert(0, str(data()))
    try:
        from load import load
    finally:
        sys.path.remove(str(data()))
    module: nn.Module = load(name)[0]
    return module


def photographs(name: str, n: int) -> Tensor:
    """`n` photographs of the network's own kind, normalised as its description says."""
    recipe: dict[str, Any] = json.loads((data() / "models" / f"{name}.json").read_text())["preprocess"]
    size = recipe["size"]
    if size == 32:
        with np.load(data() / "cifar10" / "cifar10_subset.npz") as archive:
            pixels = archive["x_test"][:: 1000 // n][:n]
    else:
        files = sorted((data() / "imagenet_samples").glob("*.jpg"))
        pixels = np.stack([_square(file, size) for file in files[:: len(files) // n][:n]])
    mean, std = (torch.tensor(recipe[key]).view(-1, 1, 1) for key in ("mean", "std"))
    # Contiguous: the strides of the file would put the whole network into channels-last.
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    return (pictures.float() / 255 - mean) / std


def _square(file: Path, size: int) -> np.ndarray:
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    scale = size / 0.875 / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))
