"""No pointing at all: one cell, the whole picture. The teacher of Label-Free CBM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from seewhy.types import Size
from seewhy.vlms.base import VLM


@dataclass(frozen=True)
class Whole:
    """Embeddings of whole pictures, as a grid of one cell."""

    grid: ClassVar[Size] = (1, 1)
    kind: ClassVar[str] = "whole/1"

    def __call__(self, vlm: VLM, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 1 1 d"]:
        """The picture's own embedding."""
        return vlm.encode_images(x)[:, None, None]

    def describe(self) -> dict[str, Any]:
        """Its identity."""
        return {"kind": self.kind}
