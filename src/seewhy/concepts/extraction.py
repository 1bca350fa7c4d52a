"""The work behind a feature store: from the pictures of one shard to its arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from seewhy.backbones.base import Backbone
from seewhy.backbones.split import Split
from seewhy.errors import InputError, message
from seewhy.images.catalogue import Catalogue
from seewhy.images.picture import Picture
from seewhy.scale.job import Failure, Piece, Shard

StoredType = Literal["float16", "float32"]


@dataclass(frozen=True)
class Extraction:
    """What is done with one shard of pictures."""

    backbone: Backbone
    split: Split
    catalogue: Catalogue
    dtype: StoredType
    batch_size: int

    def __call__(self, shard: Shard) -> Piece:
        batches: list[dict[str, np.ndarray]] = [self._nothing()]
        kept: list[Picture] = []
        failed: list[Failure] = []
        for start in range(shard.start, shard.stop, self.batch_size):
            numbers, pictures = [], []
            for i in range(start, min(start + self.batch_size, shard.stop)):
                try:
                    pictures.append(self.catalogue.read(i))
                    numbers.append(i)
                except InputError as error:
                    failed.append(Failure(i, self.catalogue.name(i), str(error)))
            if not pictures:
                continue
            arrays, finite = self._run(pictures)
            for i, picture, good in zip(numbers, pictures, finite, strict=True):
                if good:
                    kept.append(picture)
                else:
                    failed.append(Failure(i, picture.name, "Its features or logits are not finite."))
            batches.append({name: array[finite] for name, array in arrays.items()})
        joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[-1]}
        failed.sort(key=lambda failure: failure.item)
        return Piece({**joined, **_about(kept)}, tuple(failed))

    def _run(self, pictures: Sequence[Picture]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The arrays of some pictures, and for which of them all numbers are finite."""
        batch = self.backbone.tensor(pictures)
        with self.backbone.undisturbed(), torch.no_grad():
            try:
                cut = self.split.cut(batch.x)
                logits = self.split.tail(cut.features, cut.rest).float()
            except torch.OutOfMemoryError as error:
                raise InputError(
                    message(
                        f"The memory does not hold {len(batch)} pictures at once on {batch.x.device}.",
                        f"batch_size is {self.batch_size}; it is kept to, because another one rounds otherwise.",
                        "Pass a smaller batch_size and another folder.",
                    )
                ) from error
        features = cut.features.float()
        finite = (features.flatten(1).isfinite().all(1) & logits.isfinite().all(1)).cpu().numpy()
        stored = features.to("cpu", getattr(torch, self.dtype))
        if not stored[torch.from_numpy(finite)].isfinite().all():
            largest = float(features[torch.from_numpy(finite).to(features.device)].abs().max())
            raise InputError(
                message(
                    f"A feature of {pictures[0].name} or the {len(pictures) - 1} after it is {largest:.4g}.",
                    f"{self.dtype} ends at {torch.finfo(stored.dtype).max:.6g}.",
                    "Pass dtype='float32' and another folder.",
                )
            )
        arrays = {
            "features": stored.numpy(),
            "logits": logits.cpu().numpy(),
            "geometry": np.array([(*g.original, g.sx, g.sy, g.tx, g.ty) for g in batch.geometries]),
        }
        return arrays, finite

    def _nothing(self) -> dict[str, np.ndarray]:
        """The arrays of a shard without pictures."""
        layer = self.split.layer
        return {
            "features": np.zeros((0, layer.channels, *layer.grid), self.dtype),
            "logits": np.zeros((0, self._n_classes()), np.float32),
            "geometry": np.zeros((0, 6)),
        }

    def _n_classes(self) -> int:
        probe = self.backbone.probe(self.backbone.input_size)

        def count() -> int:
            with torch.no_grad():
                return self.backbone.logits(probe.inputs[:1]).shape[1]

        return self.backbone.once("number of classes", count)


def _about(pictures: Sequence[Picture]) -> dict[str, np.ndarray]:
    """Texts as an array of bytes, because a shard holds arrays."""
    told = {
        "names": [picture.name for picture in pictures],
        "labels": [picture.label for picture in pictures],
        "sha256": [picture.sha256 for picture in pictures],
    }
    return {"about": np.frombuffer(json.dumps(told).encode(), np.uint8)}
