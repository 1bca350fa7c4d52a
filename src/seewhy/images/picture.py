"""The one form in which a picture travels inside Seewhy: upright RGB pixels, and what was done to get them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from seewhy.errors import InputError, message


@dataclass(frozen=True, eq=False)
class Picture:
    """An upright RGB picture as the user knows it: nothing cropped, resized or normalised yet.

    `notes` says in words what reading it changed ("turned upright by its EXIF tag", "alpha over white").
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    name: str = "picture"
    path: Path | None = None
    notes: tuple[str, ...] = ()
    label: str | None = None
    _sha256: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        p = self.pixels
        if p.ndim != 3 or p.shape[2] != 3 or p.dtype != np.uint8 or 0 in p.shape:
            raise InputError(
                message(
                    f"Picture pixels have shape {p.shape} and dtype {p.dtype}.",
                    "A Picture holds at least one pixel as uint8 (height, width, 3).",
                    "Pass other kinds of input to seewhy.read_images, which converts them.",
                )
            )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def sha256(self) -> str:
        """Hash of size and pixels, the same for the same picture however it was stored."""
        if not self._sha256:
            digest = hashlib.sha256(np.asarray(self.size, "<u4").tobytes())
            digest.update(np.ascontiguousarray(self.pixels).tobytes())
            self._sha256.append(digest.hexdigest())
        return self._sha256[0]

    def __repr__(self) -> str:
        return f"Picture({self.name!r}, {self.size[1]}x{self.size[0]})"
