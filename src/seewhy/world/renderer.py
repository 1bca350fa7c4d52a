"""From a scene to its pixels, and to the cause of every pixel.

Determinism: float64 and + - * / sqrt floor min max abs alone, chance only from `hashing` under the field's
name. So the same scene and size are the same bytes everywhere, and a scene with one thing changed differs only
where that thing is or was. No sum, product or library call whose order of operations a machine could choose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float16, UInt8

from seewhy.errors import InputError, message
from seewhy.world import patterns
from seewhy.world.grammar import RGB
from seewhy.world.hashing import bits, field_key
from seewhy.world.scene import Decoy, Scene, Thing
from seewhy.world.shapes import OUTLINES, Plane, coverage, rotation

BACKGROUND_ID = 0
DECOY_ID = 255
MIN_SIZE, MAX_SIZE = 8, 2048

# Sum of two uniform bytes, centred: its standard deviation is sqrt((256**2 - 1) / 6).
_NOISE_UNIT = 104.51156077163956

Canvas = Float[np.ndarray, "3 H W"]


@dataclass(frozen=True, eq=False)
class Rendered:
    """A picture and the cause of each pixel.

    Attributes
    ----------
    rgb
        The picture.
    id_map
        Who is seen at each pixel, by at least half of it: 0 background, k + 1 `scene.objects[k]`, 255 decoy.
    object_coverage
        Share of each pixel within each object's outline, 0 to 1, whether or not something hides it.
    decoy_coverage
        The same of the decoy; all zero without one.
    """

    rgb: UInt8[np.ndarray, "S S 3"]
    id_map: UInt8[np.ndarray, "S S"]
    object_coverage: Float16[np.ndarray, "n S S"]
    decoy_coverage: Float16[np.ndarray, "S S"]

    @property
    def visible(self) -> Bool[np.ndarray, "n S S"]:
        """Where each object is seen; with `background` and `decoy` these masks partition the picture."""
        ids = np.arange(1, len(self.object_coverage) + 1, dtype=np.uint8)
        seen: np.ndarray = self.id_map == ids[:, None, None]
        return seen

    @property
    def full(self) -> Bool[np.ndarray, "n S S"]:
        """Each object's whole extent, hidden parts included (its amodal mask)."""
        whole: np.ndarray = self.object_coverage >= 0.5
        return whole

    @property
    def background(self) -> Bool[np.ndarray, "S S"]:
        """Where the background is seen."""
        seen: np.ndarray = self.id_map == BACKGROUND_ID
        return seen

    @property
    def decoy(self) -> Bool[np.ndarray, "S S"]:
        """Where the decoy is seen."""
        seen: np.ndarray = self.id_map == DECOY_ID
        return seen


def render(scene: Scene, size: int = 96) -> Rendered:
    """Draw a scene; every picture and mask is drawn at `size`, never resized.

    Parameters
    ----------
    scene
        From `sample_scene`, `Scene.from_dict` or by hand.
    size
        Side in pixels, 8 to 2048.

    Raises
    ------
    InputError
        If the size is not a whole number in that range.
    """
    _check_size(size)
    canvas = _background(scene, size)
    id_map = np.zeros((size, size), np.uint8)
    object_coverage = np.zeros((len(scene.objects), size, size), np.float16)
    for at, thing in enumerate(scene.objects):
        rows, columns, share = _paint(canvas, scene, thing)
        object_coverage[at, rows, columns] = share
        id_map[rows, columns][share >= 0.5] = at + 1
    _light(canvas, scene)
    decoy_coverage = np.zeros((size, size), np.float16)
    if scene.decoy is not None:
        share = _stamp(canvas, scene.decoy)
        decoy_coverage[:] = share
        id_map[share >= 0.5] = DECOY_ID
    return Rendered(_to_bytes(canvas, scene), id_map, object_coverage, decoy_coverage)


def _background(scene: Scene, size: int) -> Canvas:
    background = scene.background
    canvas = np.empty((3, size, size))
    if background.kind == "plain":
        for plane, value in zip(canvas, background.rgb, strict=True):
            plane[:] = value
        return canvas
    c, s = rotation(background.turn)
    centre = _centres(0, size, size) - 0.5
    u = centre[None, :] * c + centre[:, None] * s
    v = centre[:, None] * c - centre[None, :] * s
    if background.kind == "gradient":
        # A turned square reaches sqrt(0.5) from its centre.
        share = u * 0.70710678118654757 + 0.5
    else:
        share = _pattern(background.kind, u, v, background.period, 1.0 / size, 0)
    _mix(canvas, background.rgb, background.second, share)
    return canvas


def _paint(canvas: Canvas, scene: Scene, thing: Thing) -> tuple[slice, slice, Plane]:
    """Paint one object over the canvas; where, and how much of each pixel there it covers."""
    size = canvas.shape[1]
    rows, columns = (_span(at, thing.radius, size) for at in (thing.y, thing.x))
    c, s = rotation(thing.turn)
    dx = (_centres(columns.start, columns.stop, size) - thing.x)[None, :] / thing.radius
    dy = (_centres(rows.start, rows.stop, size) - thing.y)[:, None] / thing.radius
    u, v = dx * c + dy * s, dy * c - dx * s
    share = coverage(OUTLINES[thing.shape](u, v) * (thing.radius * size))
    paint = np.empty((3, *share.shape))
    if thing.texture == "solid":
        for plane, value in zip(paint, thing.rgb, strict=True):
            plane[:] = value
    else:
        key = field_key(scene.seed, scene.index, "object.speckle", thing.id)
        period, pixel = _PERIODS[thing.texture], 1.0 / (thing.radius * size)
        _mix(paint, thing.rgb, thing.second, _pattern(thing.texture, u, v, period, pixel, key))
    below = canvas[:, rows, columns]
    below += share * (paint - below)
    return rows, columns, share


# Periods of object textures, in radii.
_PERIODS = {"striped": 0.5, "dotted": 0.55, "checkered": 0.8, "speckled": 0.3}


def _pattern(kind: str, u: Plane, v: Plane, period: float, pixel: float, key: int) -> Plane:
    """Share of the second colour; the same patterns dress objects and backgrounds."""
    u, v, pixel = u / period, v / period, pixel / period
    if kind in ("striped", "stripes"):
        return patterns.stripes(u, pixel)
    if kind in ("dotted", "dots"):
        return patterns.dots(u, v, pixel)
    if kind in ("checkered", "checker"):
        return patterns.checker(u, v, pixel)
    assert kind == "speckled", f"no pattern {kind!r}"
    return patterns.speckle(u, v, pixel, key)


def _light(canvas: Canvas, scene: Scene) -> None:
    c, s = rotation(8 * scene.lighting.direction)
    # Scaled so that the brightest point of the picture, an edge or a corner, gets 1 + strength.
    slope = 2.0 * scene.lighting.strength / (abs(c) + abs(s))
    centre = _centres(0, canvas.shape[1], canvas.shape[1]) - 0.5
    canvas *= 1.0 + (centre[None, :] * (slope * c) + centre[:, None] * (slope * s))


def _stamp(canvas: Canvas, decoy: Decoy) -> Plane:
    """Put the tag on the canvas; how much of each pixel it covers (areas, so exact at any size)."""
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


def _to_bytes(canvas: Canvas, scene: Scene) -> UInt8[np.ndarray, "S S 3"]:
    """Add the noise and round: pixel i of the picture owns hash value i, two bytes of it a channel."""
    size = canvas.shape[1]
    rgb = np.empty((size, size, 3), np.uint8)
    random = bits(field_key(scene.seed, scene.index, "noise"), size * size).reshape(size, size)
    strength = scene.noise / _NOISE_UNIT
    for channel, plane in enumerate(canvas):
        one, other = (
            (random >> np.uint64(16 * channel + shift)).astype(np.uint8).astype(np.float64)
            for shift in (0, 8)
        )
        value = np.floor(plane + 0.5 + (one + other - 255.0) * strength)
        rgb[:, :, channel] = np.minimum(np.maximum(value, 0.0), 255.0).astype(np.uint8)
    return rgb


def _mix(canvas: Canvas, first: RGB, second: RGB, share: Plane) -> None:
    for plane, one, other in zip(canvas, first, second, strict=True):
        plane[:] = one + share * float(other - one)


def _centres(start: int, stop: int, size: int) -> Float[np.ndarray, " n"]:
    """Pixel centres as shares of the picture's side."""
    return (np.arange(start, stop) + 0.5) / size


def _span(at: float, radius: float, size: int) -> slice:
    """Pixels that an outline's soft edge can touch; sharp tips reach up to two pixels beyond the radius."""
    return slice(
        max(math.floor((at - radius) * size) - 2, 0), min(math.floor((at + radius) * size) + 3, size)
    )


def _overlap(low: float, high: float, size: int) -> Float[np.ndarray, " S"]:
    """Share of each pixel of one axis that [low, high] covers."""
    edge = np.arange(size + 1, dtype=np.float64)
    inside = np.minimum(edge[1:], high * size) - np.maximum(edge[:-1], low * size)
    share: np.ndarray = np.minimum(np.maximum(inside, 0.0), 1.0)
    return share


def _check_size(size: Any) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(
            message(
                f"The size is {size!r}.",
                f"It is the picture's side in pixels, a whole number from {MIN_SIZE} to {MAX_SIZE}.",
                "Pass for example size=96.",
            )
        )
