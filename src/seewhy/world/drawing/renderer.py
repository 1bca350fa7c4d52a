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
from jaxtyping import Bool, Float16, UInt8

from seewhy.errors import InputError, message
from seewhy.world.drawing import patterns
from seewhy.world.drawing.creatures import painted
from seewhy.world.drawing.decoys import Canvas, centres, paint_decoy
from seewhy.world.drawing.shapes import OUTLINES, Plane, coverage, rotation
from seewhy.world.grammar import RGB, SLOTS
from seewhy.world.hashing import bits, field_key
from seewhy.world.scene import Creature, Item, Scene, Thing

BACKGROUND_ID = 0
DECOY_ID = 255
MIN_SIZE, MAX_SIZE = 8, 2048

# Sum of two uniform bytes, centred: its standard deviation is sqrt((256**2 - 1) / 6).
_NOISE_UNIT = 104.51156077163956


@dataclass(frozen=True, eq=False)
class Rendered:
    """A picture and the cause of each pixel.

    Attributes
    ----------
    rgb
        The picture.
    id_map
        Who is seen at each pixel, by at least half of it: 0 background, k + 1 `scene.items[k]`, 255 decoy.
    part_map
        Which part of a creature is seen there: 0 none, 1 body, k + 2 `SLOTS[k]`.
    coverage
        Share of each pixel within each item's outline, 0 to 1, whether or not something hides it.
    second_share
        Share of each pixel that an object's second colour has within its outline, hidden or not; 0 where it is
        solid, and for creatures.
    part_coverage
        For each creature in painting order, the shares of its body and of each slot's part; all zero where the
        slot is empty.
    decoy_coverage
        The same of the decoy; all zero without one.
    """

    rgb: UInt8[np.ndarray, "S S 3"]
    id_map: UInt8[np.ndarray, "S S"]
    part_map: UInt8[np.ndarray, "S S"]
    coverage: Float16[np.ndarray, "n S S"]
    second_share: Float16[np.ndarray, "n S S"]
    part_coverage: Float16[np.ndarray, "c 6 S S"]
    decoy_coverage: Float16[np.ndarray, "S S"]

    @property
    def visible(self) -> Bool[np.ndarray, "n S S"]:
        """Where each item is seen; with `background` and `decoy` these masks partition the picture."""
        ids = np.arange(1, len(self.coverage) + 1, dtype=np.uint8)
        seen: np.ndarray = self.id_map == ids[:, None, None]
        return seen

    @property
    def full(self) -> Bool[np.ndarray, "n S S"]:
        """Each item's whole extent, hidden parts included (its amodal mask)."""
        whole: np.ndarray = self.coverage >= 0.5
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
    n, n_creatures = len(scene.items), len(scene.creatures)
    id_map = np.zeros((size, size), np.uint8)
    part_map = np.zeros((size, size), np.uint8)
    covered = np.zeros((n, size, size), np.float16)
    second = np.zeros((n, size, size), np.float16)
    parts = np.zeros((n_creatures, 1 + len(SLOTS), size, size), np.float16)
    creature = 0
    for at, item in enumerate(scene.items):
        frame = _Frame.of(item, size)
        here = frame.rows, frame.columns
        if isinstance(item, Thing):
            share, other = _paint_thing(canvas, scene, item, frame)
            second[at][here] = other
            seen_part: Plane | int = 0
        else:
            share, seen_part = _paint_creature(canvas, item, frame, parts[creature])
            creature += 1
        covered[at][here] = share
        inside = share >= 0.5
        np.copyto(id_map[here], at + 1, where=inside)
        np.copyto(part_map[here], seen_part, where=inside, casting="unsafe")
    _light(canvas, scene)
    decoy_coverage = np.zeros((size, size), np.float16)
    if scene.decoy is not None:
        share = paint_decoy(canvas, scene.decoy)
        decoy_coverage[:] = share
        id_map[share >= 0.5] = DECOY_ID
        part_map[share >= 0.5] = 0
    return Rendered(_to_bytes(canvas, scene), id_map, part_map, covered, second, parts, decoy_coverage)


@dataclass(frozen=True, eq=False)
class _Frame:
    """The pixels that an item can touch, in its own coordinates; `pixels` is its radius in pixels."""

    rows: slice
    columns: slice
    u: Plane
    v: Plane
    pixels: float

    @classmethod
    def of(cls, item: Item, size: int) -> _Frame:
        rows, columns = (_span(at, item.radius, size) for at in (item.y, item.x))
        c, s = rotation(item.turn)
        dx = (centres(columns.start, columns.stop, size) - item.x)[None, :] / item.radius
        dy = (centres(rows.start, rows.stop, size) - item.y)[:, None] / item.radius
        return cls(rows, columns, dx * c + dy * s, dy * c - dx * s, item.radius * size)


def outline_distance(thing: Thing, size: int) -> tuple[slice, slice, Plane]:
    """Where an object can be, and the signed distance in pixels to its outline there (negative inside)."""
    frame = _Frame.of(thing, size)
    return frame.rows, frame.columns, OUTLINES[thing.shape](frame.u, frame.v) * frame.pixels


def _background(scene: Scene, size: int) -> Canvas:
    background = scene.background
    canvas = np.empty((3, size, size))
    if background.kind == "plain":
        for plane, value in zip(canvas, background.rgb, strict=True):
            plane[:] = value
        return canvas
    c, s = rotation(background.turn)
    centre = centres(0, size, size) - 0.5
    u = centre[None, :] * c + centre[:, None] * s
    v = centre[:, None] * c - centre[None, :] * s
    if background.kind == "gradient":
        # A turned square reaches sqrt(0.5) from its centre.
        share = u * 0.70710678118654757 + 0.5
    else:
        key = field_key(scene.seed, scene.index, "background.noise")
        share = _pattern(background.kind, u, v, background.period, 1.0 / size, key)
    _mix(canvas, background.rgb, background.second, share)
    return canvas


def _paint_thing(canvas: Canvas, scene: Scene, thing: Thing, frame: _Frame) -> tuple[Plane, Plane | float]:
    """Paint one object over the canvas; how much of each pixel it covers, and its second colour does."""
    share = coverage(OUTLINES[thing.shape](frame.u, frame.v) * frame.pixels)
    paint = np.empty((3, *share.shape))
    other: Plane | float = 0.0
    if thing.texture == "solid":
        for plane, value in zip(paint, thing.rgb, strict=True):
            plane[:] = value
    else:
        key = field_key(scene.seed, scene.index, "object.speckle", thing.id)
        pattern = _pattern(thing.texture, frame.u, frame.v, _PERIODS[thing.texture], 1.0 / frame.pixels, key)
        _mix(paint, thing.rgb, thing.second, pattern)
        other = pattern * share
    below = canvas[:, frame.rows, frame.columns]
    below += share * (paint - below)
    return share, other


def _paint_creature(
    canvas: Canvas, creature: Creature, frame: _Frame, parts: np.ndarray
) -> tuple[Plane, np.ndarray]:
    """Paint a creature over the canvas; how much of each pixel it covers, and which part is seen there."""
    below = canvas[:, frame.rows, frame.columns]
    whole = np.zeros(below.shape[1:])
    seen = np.ones(whole.shape, np.uint8)
    u = -frame.u if creature.flip else frame.u
    for name, distance, rgb in painted(creature, u, frame.v):
        share = coverage(distance * frame.pixels)
        for plane, value in zip(below, rgb, strict=True):
            plane += share * (value - plane)
        if name == "eye":
            continue
        at = 0 if name == "body" else SLOTS.index(name) + 1
        parts[at, frame.rows, frame.columns] = share
        seen[share >= 0.5] = at + 1
        whole += share - whole * share
    return whole, seen


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
    if kind == "water":
        return patterns.water(u, v, pixel)
    if kind == "bricks":
        return patterns.bricks(u, v, pixel)
    if kind == "grass":
        return patterns.grass(u, v, pixel, key)
    assert kind == "speckled", f"no pattern {kind!r}"
    return patterns.speckle(u, v, pixel, key)


def _light(canvas: Canvas, scene: Scene) -> None:
    c, s = rotation(8 * scene.lighting.direction)
    # Scaled so that the brightest point of the picture, an edge or a corner, gets 1 + strength.
    slope = 2.0 * scene.lighting.strength / (abs(c) + abs(s))
    centre = centres(0, canvas.shape[1], canvas.shape[1]) - 0.5
    canvas *= 1.0 + (centre[None, :] * (slope * c) + centre[:, None] * (slope * s))


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


def _span(at: float, radius: float, size: int) -> slice:
    """Pixels that an outline's soft edge can touch; sharp tips reach up to two pixels beyond the radius."""
    return slice(
        max(math.floor((at - radius) * size) - 2, 0), min(math.floor((at + radius) * size) + 3, size)
    )


def _check_size(size: Any) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(
            message(
                f"The size is {size!r}.",
                f"It is the picture's side in pixels, a whole number from {MIN_SIZE} to {MAX_SIZE}.",
                "Pass for example size=96.",
            )
        )
