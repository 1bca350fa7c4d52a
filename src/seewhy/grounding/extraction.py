"""The work behind a store of local embeddings: from the pictures of one shard to its arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, message
from seewhy.grounding.base import Prompter
from seewhy.grounding.red import red_share
from seewhy.grounding.rows import StoredType, encoded, half
from seewhy.images.catalogue import Catalogue
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.scale.job import Failure, Piece, Shard
from seewhy.types import Size
from seewhy.vlms.base import VLM

_UNIT = 1e-3
"""How far the norm of a unit row may be from one."""


@dataclass(frozen=True)
class Embedded:
    """What a VLM says of some pictures: of each cell and of the whole, and how red each one is."""

    local: Float[Tensor, "n gh gw d"]
    unprompted: Float[Tensor, "n d"]
    red: Float[Tensor, " n"]
    geometry: Float[np.ndarray, "n 6"]


@dataclass(frozen=True)
class Extraction:
    """What is done with one shard of pictures."""

    vlm: VLM
    prompter: Prompter
    view: Preprocess
    grid: Size
    catalogue: Catalogue
    dtype: StoredType
    batch_size: int

    def __call__(self, shard: Shard) -> Piece:
        batches = [self._arrays(self._nothing())]
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
            for some, of in self._embed(pictures, numbers, failed):
                batches.append(self._arrays(some))
                kept += of
        joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[-1]}
        failed.sort(key=lambda failure: failure.item)
        texts = about(*zip(*((p.name, p.label, p.sha256) for p in kept), strict=True)) if kept else about()
        return Piece({**joined, "about": texts}, tuple(failed))

    def _embed(
        self, pictures: Sequence[Picture], numbers: Sequence[int], failed: list[Failure]
    ) -> list[tuple[Embedded, Sequence[Picture]]]:
        """Some pictures at once; if that is refused, one by one, and those that are refused alone have failed."""
        if not pictures:
            return []
        try:
            return [(embed(self.vlm, self.prompter, self.view, self.grid, pictures), pictures)]
        except InputError as error:
            if len(pictures) == 1:
                failed.append(Failure(numbers[0], pictures[0].name, str(error)))
                return []
        except torch.OutOfMemoryError as error:
            raise InputError(
                message(
                    f"The memory does not hold {len(pictures)} pictures and their prompts on {self.vlm.device}.",
                    "batch_size is kept to, because another one rounds otherwise.",
                    "Pass a smaller batch_size, or a prompter with a smaller at_once, and another folder.",
                )
            ) from error
        each = zip(pictures, numbers, strict=True)
        return [found for picture, i in each for found in self._embed([picture], [i], failed)]

    def _arrays(self, found: Embedded) -> dict[str, np.ndarray]:
        return arrays(found, self.dtype)

    def _nothing(self) -> Embedded:
        """Of no picture."""
        dim = self.vlm.dim
        return Embedded(
            torch.zeros(0, *self.grid, dim), torch.zeros(0, dim), torch.zeros(0), np.zeros((0, 6))
        )


def embed(
    vlm: VLM, prompter: Prompter, view: Preprocess, grid: Size, pictures: Sequence[Picture]
) -> Embedded:
    """The embeddings of some pictures, on the CPU.

    Raises
    ------
    InputError
        If an embedding has another shape, is not finite or is not a unit vector, or as VLM and prompter do.
    """
    made = [view(picture) for picture in pictures]
    x = torch.stack([tensor for tensor, _ in made])
    found = Embedded(
        prompter(vlm, x.to(vlm.device)).float().cpu(),
        vlm.encode_images(x.to(vlm.device)).float().cpu(),
        red_share(x, view),
        np.array([(*g.original, g.sx, g.sy, g.tx, g.ty) for _, g in made], np.float64),
    )
    check_units(found.local, (len(pictures), *grid, vlm.dim), f"The prompter {type(prompter).__name__}")
    check_units(found.unprompted, (len(pictures), vlm.dim), vlm.name)
    return found


def check_units(rows: Tensor, shape: tuple[int, ...], who: str) -> None:
    """Refuse what are not unit rows of this shape."""
    if tuple(rows.shape) != shape:
        raise InputError(
            message(
                f"{who} gave embeddings of shape {tuple(rows.shape)}.",
                f"They must be {shape}.",
                "Check its grid and the VLM's dim.",
            )
        )
    norms = rows.norm(dim=-1)
    if not norms.isfinite().all():
        raise InputError(
            message(
                f"{who} gave embeddings that are not finite.",
                "Similarities are cosines of finite vectors.",
                "Check the picture, and half precision for overflow.",
            )
        )
    if norms.numel() and float((norms - 1).abs().max()) > _UNIT:
        raise InputError(
            message(
                f"{who} gave embeddings of norm {float(norms.min()):.4g} to {float(norms.max()):.4g}.",
                "Similarities are cosines of unit vectors.",
                "Divide each by its norm.",
            )
        )


def arrays(found: Embedded, dtype: StoredType) -> dict[str, np.ndarray]:
    """What a shard holds of some pictures."""
    rows = {
        **encoded("embeddings", found.local, dtype),
        **encoded("unprompted", found.unprompted, half(dtype)),
        "red": found.red,
    }
    return {**{name: array.numpy() for name, array in rows.items()}, "geometry": found.geometry}


def about(
    names: Sequence[str] = (), labels: Sequence[str | None] = (), sha256: Sequence[str] = ()
) -> np.ndarray:
    """Texts as an array of bytes, because a shard holds arrays."""
    told = {"names": list(names), "labels": list(labels), "sha256": list(sha256)}
    return np.frombuffer(json.dumps(told).encode(), np.uint8)
