"""Properties of a picture as a whole that a network can cheat with: its light, its colours, its format."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from seewhy.images.picture import Picture

PROPERTIES = {
    "brightness": "mean luma, 0 to 1",
    "contrast": "standard deviation of the luma",
    "colourfulness": "mean distance of the channels from the luma",
    "warmth": "mean red minus mean blue",
    "sharpness": "mean step of the luma between neighbours, over the contrast",
    "size": "logarithm of the number of pixels",
    "aspect": "logarithm of width over height",
    "border": "how much the outermost pixels differ from their mean: 0 for a plain frame",
}
"""Name -> what it is."""


def properties(picture: Picture) -> dict[str, float]:
    """Every property of a picture, finite for every picture (a single pixel too).

    >>> grey = Picture(np.full((4, 6, 3), 51, np.uint8))
    >>> found = properties(grey)
    >>> round(found["brightness"], 3), round(found["contrast"], 3), round(found["border"], 3)
    (0.2, 0.0, 0.0)
    """
    small = _reduced(picture.pixels).astype(np.float64) / 255
    luma = small @ np.array([0.299, 0.587, 0.114])
    contrast = float(luma.std())
    steps = [float(np.abs(np.diff(luma, axis=axis)).mean()) for axis in (0, 1) if luma.shape[axis] > 1]
    height, width = picture.size
    return {
        "brightness": float(luma.mean()),
        "contrast": contrast,
        "colourfulness": float(np.abs(small - luma[..., None]).mean()),
        "warmth": float((small[..., 0] - small[..., 2]).mean()),
        "sharpness": sum(steps) / len(steps) / contrast if steps and contrast > 1e-6 else 0.0,
        "size": math.log(height * width),
        "aspect": math.log(width / height),
        "border": _border(luma),
    }


def _reduced(pixels: UInt8[np.ndarray, "H W 3"], longest: int = 512) -> UInt8[np.ndarray, "h w 3"]:
    """Every n-th pixel, so that a large photograph costs no more than a small one."""
    step = math.ceil(max(pixels.shape[:2]) / longest)
    return pixels[::step, ::step]


def _border(luma: Float[np.ndarray, "h w"]) -> float:
    edge = np.concatenate([luma[0], luma[-1], luma[:, 0], luma[:, -1]])
    return float(edge.std())
