"""A map on its picture: pixels in, pixels out. The page's `maths/overlay.js` does the same arithmetic.

The picture is the original one, not cropped. Where a value is zero the picture shows through unchanged, and
what the model did not see is dimmed and hatched.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from seewhy.errors import InputError, message
from seewhy.explanation.answer import Answer
from seewhy.images.picture import Picture
from seewhy.types import Size
from seewhy.visualise.colours import Scale
from seewhy.visualise.scales import whole_scale

OPACITY = 0.75


def draw(
    answer: Answer,
    map_hw: Float[np.ndarray, "h w"] | None = None,
    *,
    scale: Scale | None = None,
    limit: float | None = None,
    opacity: float = OPACITY,
    size: Size | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw a map of `answer` on its picture.

    Parameters
    ----------
    map_hw
        A map on the answer's grid; None draws the map of the target.
    scale, limit
        What the colours mean; None takes the answer's own scale for its target. `limit` replaces the value of
        the full colour, so that several pictures can share it.
    opacity
        Of the strongest colour, 0 to 1.
    size
        (height, width) to draw at; None is the picture's own.
    """
    values = answer.where if map_hw is None else map_hw
    scale = scale or whole_scale(answer)
    if limit is not None:
        scale = replace(scale, limit=limit, note="")
    size = size or answer.image.size
    return overlay(
        picture_at(answer.image, size), answer.geometry.place(values, size), scale, opacity=opacity
    )


def overlay(
    pixels_hw3: UInt8[np.ndarray, "H W 3"],
    placed_hw: Float[np.ndarray, "H W"],
    scale: Scale,
    *,
    opacity: float = OPACITY,
) -> UInt8[np.ndarray, "H W 3"]:
    """Blend a placed map over a picture.

    alpha = opacity * sqrt(strength);  drawn = (1 - alpha) * picture + alpha * colour                    (1)

    with `strength` from `Scale.strength`. Pixels whose value is NaN were not seen and are drawn by `hatched`.

    Raises
    ------
    InputError
        If opacity is outside 0 to 1, or picture and map differ in size.

    Notes
    -----
    The square root, ours, keeps middling values visible; zero stays zero under it.
    """
    if not 0 <= opacity <= 1:
        raise InputError(message(f"opacity is {opacity}.", "It lies in 0 to 1.", f"Pass opacity={OPACITY}."))
    if pixels_hw3.shape[:2] != placed_hw.shape:
        raise InputError(
            message(
                f"The picture is {pixels_hw3.shape[:2]} and the map {placed_hw.shape}.",
                "Both have one size, (height, width).",
                "Place the map at the size of the picture with answer.place(size).",
            )
        )
    unseen = np.isnan(placed_hw)
    strength = np.nan_to_num(scale.strength(placed_hw), nan=0.0)
    alpha = (opacity * np.sqrt(strength))[..., None]
    drawn = (1 - alpha) * pixels_hw3 + alpha * scale.colours(placed_hw)
    if unseen.any():
        drawn[unseen] = hatched(pixels_hw3)[unseen]
    rounded: np.ndarray = np.floor(drawn + 0.5).astype(np.uint8)
    return rounded


def hatched(pixels_hw3: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 3"]:
    """The picture as drawn where the model did not see it: dimmed, under diagonal lines."""
    height, width = pixels_hw3.shape[:2]
    line = hatch_lines(height, width)[..., None]
    return np.where(line, 0.6 * pixels_hw3 + 0.4 * 220, 0.55 * pixels_hw3 + 0.45 * 125)


def hatch_lines(height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """Diagonal lines, one stroke in six, in strokes that grow with the picture."""
    stroke = max(1, int(max(height, width) / 320 + 0.5))
    diagonal = np.arange(height)[:, None] + np.arange(width)[None, :]
    return diagonal % (6 * stroke) < stroke


def display_size(size: Size, *, longest: int = 1024, shortest: int = 560) -> Size:
    """(height, width) to show a picture at: at most `longest` on its long side, small ones enlarged.

    Small pictures grow by a whole number, so that their pixels stay squares, to `shortest` or more if that
    is not beyond `longest`.
    """
    height, width = size
    long = max(size)
    if long > longest:
        return max(1, round(height * longest / long)), max(1, round(width * longest / long))
    times = max(1, min(-(-shortest // long), longest // long))
    return height * times, width * times


def picture_at(picture: Picture, size: Size) -> UInt8[np.ndarray, "H W 3"]:
    """The picture's pixels at another size: averaged when it shrinks, repeated when it grows."""
    if size == picture.size:
        return picture.pixels
    grows = size[0] >= picture.size[0] and size[1] >= picture.size[1]
    way = Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS
    resized = Image.fromarray(picture.pixels).resize((size[1], size[0]), way, reducing_gap=3.0)
    return np.asarray(resized, np.uint8)
