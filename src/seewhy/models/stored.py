"""A survey whose features lie on the disk: for data sets that do not fit into memory, or jobs that may be killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.concepts.store import FeatureStore, extract
from seewhy.scale.job import Progress

THUMBNAILS = 1_000_000_000
"""Bytes that the thumbnails of a survey may take together."""


class StoredFeatures:
    """Features (n, c, h, w) read from a store picture by picture when they are asked for, as float32.

    Indexed by a list, an array or a tensor of picture numbers, like a tensor in memory.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.shape = torch.Size((store.n_images, store.channels, *store.grid))

    def __getitem__(self, index: Sequence[int] | np.ndarray | Tensor) -> Float[Tensor, "b c h w"]:
        chosen = np.asarray(index, np.int64).reshape(-1)
        out = torch.empty(len(chosen), *self.shape[1:])
        # Neighbours are read together, because each read opens a shard.
        order = np.argsort(chosen, kind="stable")
        breaks = np.flatnonzero(np.diff(chosen[order]) > 1) + 1
        for run in np.split(order, breaks) if len(order) else []:
            first, last = int(chosen[run[0]]), int(chosen[run[-1]])
            out[torch.from_numpy(run)] = self.store.features(first, last + 1)[
                torch.from_numpy(chosen[run] - first)
            ]
        return out

    def __len__(self) -> int:
        return self.shape[0]


def stored_features(
    backbone: Backbone,
    images: Any,
    folder: str | Path,
    *,
    at: str | None,
    batch_size: int | None,
    progress: Progress | None,
) -> StoredFeatures:
    """Extract features into a folder, go on with it, or open what is there; see `concepts.store.extract`."""
    return StoredFeatures(extract(backbone, images, folder, at=at, batch_size=batch_size, progress=progress))


def thumbnail_side(n: int, most: int) -> int:
    """Longest side in pixels at which the thumbnails of `n` pictures stay below `THUMBNAILS` bytes, from 32."""
    return int(min(most, max(32, (THUMBNAILS / (3 * max(n, 1))) ** 0.5)))
