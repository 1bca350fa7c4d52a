"""Pictures inside a page: small enough, as data: addresses, the same bytes every time."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from seewhy.types import Size
from seewhy.visualise.colours import Scale

SIDES = (1024, 800, 640, 512, 400, 320, 256, 192, 128)
QUALITIES = (84, 72)
LOSSLESS_PIXELS = 300_000
"""Above it PNG is not tried: it never wins on a photograph and costs time."""


def data_uri(pixels: UInt8[np.ndarray, "H W 3"], *, quality: int = 84, exact_up_to: int = 0) -> str:
    """An image as a data: address: WebP of `quality`, or PNG if that is no larger.

    PNG of at most `exact_up_to` bytes is taken in any case: it keeps the edges of drawings and of enlarged
    pixels.
    """
    image = Image.fromarray(pixels)
    best, kind = _encoded(image, "WEBP", quality=quality, method=4), "webp"
    if image.width * image.height <= LOSSLESS_PIXELS:
        exact = _encoded(image, "PNG", compress_level=6)
        if len(exact) <= max(len(best), exact_up_to):
            best, kind = exact, "png"
    return f"data:image/{kind};base64,{base64.b64encode(best).decode('ascii')}"


def ladder(size: Size, longest: int) -> list[tuple[int, int]]:
    """(longest side, quality) to try for a picture of `size`, best first."""
    sides = [side for side in SIDES if side <= longest] or [longest]
    # A picture smaller than the step is not drawn larger by it, so only the last of such steps counts.
    useful = [side for i, side in enumerate(sides) if i == len(sides) - 1 or sides[i + 1] < max(size)]
    return [(side, quality) for side in useful for quality in QUALITIES]


def scale_bar(scale: Scale) -> str:
    """The colours of a scale from its low end to its limit, as the map shows them at full opacity.

    Transparency grows towards zero as in the overlay, so what lies behind shows through there as well.
    """
    values = np.linspace(scale.low, scale.limit, 256)
    alpha = 255 * np.sqrt(scale.strength(values))
    rgba = np.floor(np.concatenate([scale.colours(values), alpha[:, None]], -1) + 0.5).astype(np.uint8)
    best = _encoded(Image.fromarray(rgba[None]), "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(best).decode('ascii')}"


def _encoded(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
