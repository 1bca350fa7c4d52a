"""What a decoy looks like: a tag, a border or a watermark, painted over a finished scene and not lit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from seewhy.world.drawing.shapes import Plane, coverage, cross, ring
from seewhy.world.scene import Decoy

Canvas = Float[np.ndarray, "3 H W"]

_SHOWN_THROUGH = 0.5


def paint_decoy(canvas: Canvas, decoy: Decoy) -> Plane:
    """Put the decoy on the canvas; how much of each pixel lies within it."""
    if decoy.kind == "border":
        return _border(canvas, decoy)
    return _watermark(canvas, decoy) if decoy.kind == "watermark" else _tag(canvas, decoy)


def centres(start: int, stop: int, size: int) -> Float[np.ndarray, " n"]:
    """Pixel centres as shares of the picture's side."""
    return (np.arange(start, stop) + 0.5) / size


def _tag(canvas: Canvas, decoy: Decoy) -> Plane:
    """Two by two squares, by areas, so exact at any size."""
    size = canvas.shape[1]
    x0, y0, x1, y1 = decoy.box
    middle_x, middle_y = (x0 + x1) * 0.5, (y0 + y1) * 0.5
    left, right = _overlap(x0, middle_x, size)[None, :], _overlap(middle_x, x1, size)[None, :]
    top, bottom = _overlap(y0, middle_y, size)[:, None], _overlap(middle_y, y1, size)[:, None]
    first, second = top * left + bottom * right, top * right + bottom * left
    share: Plane = first + second
    for plane, one, other in zip(canvas, decoy.rgb, decoy.second, strict=True):
        plane *= 1.0 - share
        plane += first * one + second * other
    return share


def _border(canvas: Canvas, decoy: Decoy) -> Plane:
    size = canvas.shape[1]
    inside = _overlap(decoy.side / 4, 1.0 - decoy.side / 4, size)
    share: Plane = 1.0 - inside[:, None] * inside[None, :]
    for plane, value in zip(canvas, decoy.rgb, strict=True):
        plane += share * (value - plane)
    return share


def _watermark(canvas: Canvas, decoy: Decoy) -> Plane:
    """A cross in a ring, half of the scene shining through."""
    size = canvas.shape[1]
    x0, y0, x1, y1 = decoy.box
    radius = decoy.side * 0.5
    u = ((centres(0, size, size) - (x0 + x1) * 0.5) / radius)[None, :]
    v = ((centres(0, size, size) - (y0 + y1) * 0.5) / radius)[:, None]
    glyph = np.minimum(ring(u, v), cross(u / 0.6, v / 0.6) * 0.6)
    share = coverage(glyph * (radius * size))
    for plane, value in zip(canvas, decoy.rgb, strict=True):
        plane += (_SHOWN_THROUGH * share) * (value - plane)
    return share


def _overlap(low: float, high: float, size: int) -> Float[np.ndarray, " S"]:
    """Share of each pixel of one axis that [low, high] covers."""
    edge = np.arange(size + 1, dtype=np.float64)
    inside = np.minimum(edge[1:], high * size) - np.maximum(edge[:-1], low * size)
    share: np.ndarray = np.minimum(np.maximum(inside, 0.0), 1.0)
    return share
