"""Real photographs of the data folder as ready tensors, by the networks' own descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def _normalised(pixels: np.ndarray, meta: dict[str, Any]) -> Tensor:
    mean, std = (torch.tensor(meta["preprocess"][key]).view(-1, 1, 1) for key in ("mean", "std"))
    return (torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2) - mean) / std


def cifar(data: Path, meta: dict[str, Any], n: int, first: int = 0) -> Tensor:
    with np.load(data / "cifar10" / "cifar10_subset.npz") as archive:
        return _normalised(archive["x_test"][first : first + 97 * n : 97], meta)


def imagenet(data: Path, meta: dict[str, Any], n: int, size: tuple[int, int] = (224, 224)) -> Tensor:
    """Photographs covered by `size`, cut around the centre."""
    files = sorted((data / "imagenet_samples").glob("*.[jJ][pP]*[gG]"))[:: max(1, 150 // n)][:n]
    pictures = []
    for file in files:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        scale = max(size[0] / picture.height, size[1] / picture.width) * 8 / 7
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        left, top = (picture.width - size[1]) // 2, (picture.height - size[0]) // 2
        pictures.append(np.asarray(picture.crop((left, top, left + size[1], top + size[0]))))
    assert len(pictures) == n
    return _normalised(np.stack(pictures), meta)
