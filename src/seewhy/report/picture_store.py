"""The pictures of a long page: each kept once at the end of it and shown wherever it is wanted, without a script.

A picture is an `<image>` of one hidden drawing; a place that shows it is a drawing of its own that refers to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from seewhy.report.markup import text
from seewhy.report.pictures import data_uri
from seewhy.types import Size

COARSE = 64
"""Pictures of fewer pixels a side are shown as squares, not smoothed: nothing is between their pixels."""


@dataclass(frozen=True)
class Kept:
    """A picture in the store: its number and its size (height, width) in pixels."""

    number: int
    size: Size


class PictureStore:
    """Pictures by their content; the same pixels are kept once.

    Attributes
    ----------
    n_bytes
        That the kept pictures take in the page.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}
        self._images: list[str] = []
        self.n_bytes = 0

    def keep(self, pixels: UInt8[np.ndarray, "H W 3"], longest: int, *, quality: int = 78) -> Kept:
        """Keep a picture at `longest` pixels a side at most; smaller ones stay as they are."""
        small = _reduced(pixels, longest)
        digest = hashlib.sha256(repr((small.shape, quality)).encode())
        digest.update(np.ascontiguousarray(small).tobytes())
        key = digest.digest()
        if key not in self._kept:
            kept = Kept(len(self._images) + 1, (small.shape[0], small.shape[1]))
            uri = data_uri(small, quality=quality, exact_up_to=1_000)
            coarse = ' class="coarse"' if max(kept.size) < COARSE else ""
            self._images.append(
                f'<image id="picture-{kept.number}" width="{kept.size[1]}" height="{kept.size[0]}"{coarse} '
                f'href="{uri}"/>'
            )
            self.n_bytes += len(self._images[-1])
            self._kept[key] = kept
        return self._kept[key]

    def markup(self) -> str:
        """The hidden drawing that holds the pictures; once in a page."""
        images = "\n".join(self._images)
        return f'<svg class="store" width="0" height="0" aria-hidden="true"><defs>\n{images}\n</defs></svg>'


def shown(kept: Kept, title: str, *, kind: str, over: str = "") -> str:
    """A kept picture, drawn at the size that the style of `kind` gives it.

    Parameters
    ----------
    title
        What it shows; the text of others.
    over
        Markup drawn over it, in pixels of the kept picture.
    """
    height, width = kept.size
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img"><title>{text(title, 200)}</title>'
        f'<use href="#picture-{kept.number}"/>{over}</svg>'
    )


def _reduced(pixels: UInt8[np.ndarray, "H W 3"], longest: int) -> UInt8[np.ndarray, "h w 3"]:
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), np.uint8)
