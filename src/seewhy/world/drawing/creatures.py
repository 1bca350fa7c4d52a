"""How a creature is put together: a body, an eye, and parts in up to five slots around it.

Lengths are in units of the creature's radius, u to the right (where it looks) and v down, before its flip and turn.
Ours; the idea of classes made of parts is FunnyBirds' (Hesse et al., ICCV 2023, arXiv 2308.06248).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from seewhy.world.drawing.shapes import BODY_OUTLINES, PART_OUTLINES, Plane, disk, rotation
from seewhy.world.grammar import PARTS, RGB
from seewhy.world.scene import Creature

BODY_RADIUS = 0.5
EYE = (0.24, -0.2, 0.075)
EYE_RGB: RGB = (20, 20, 24)

PART_AREA = 0.14
"""Area of every part at full length, in squares of the radius: variants differ in outline and colour, not in area."""

ANCHORS: dict[str, tuple[float, float, int]] = {
    "crest": (0.1, -0.6, 0),
    "beak": (0.6, -0.05, 0),
    "wing": (-0.12, 0.06, 0),
    "tail": (-0.6, 0.0, 48),
    "foot": (0.02, 0.6, 32),
}
"""Where each slot's part has its middle, and how far it is turned there (sixty-fourths)."""

_FIT: dict[str, tuple[float, float, float]] = {
    "wedge": (1.4400, 0.0000, 0.2500),
    "bumps": (1.2772, 0.0000, 0.0),
    "fork": (1.2473, 0.0000, -0.0350),
    "comb": (1.8190, 0.0, -0.0862),
    "drop": (1.2583, -0.2091, 0.0),
    "arch": (1.2215, 0.0000, -0.0799),
    "half": (1.4176, 0.0000, 0.0468),
    "hourglass": (1.1520, 0.0, 0.0000),
    "chevron": (1.3530, 0.0000, 0.4575),
    "lens": (1.4863, 0.0000, 0.0),
    "bar": (1.1400, 0.0000, 0.0),
    "twins": (1.3880, 0.0000, 0.0000),
    "tee": (1.3520, -0.2030, 0.0),
    "ell": (1.3500, -0.1222, 0.2222),
}
"""Of each outline: its area, and the middle (u, v) of that area, measured once on a fine grid."""


def painted(creature: Creature, u: Plane, v: Plane) -> Iterator[tuple[str, Plane, RGB]]:
    """What is painted, in order: ("body", "eye" or the slot; signed distance in radii; colour).

    `u` and `v` are the pixels in the creature's own coordinates, flip and turn undone.
    """
    outline = BODY_OUTLINES[creature.body]
    yield "body", outline(u / BODY_RADIUS, v / BODY_RADIUS) * BODY_RADIUS, creature.rgb
    eye_u, eye_v, eye = EYE
    yield "eye", disk((u - eye_u) / eye, (v - eye_v) / eye) * eye, EYE_RGB
    for part in creature.parts:
        name = PARTS[part.slot][part.variant][0]
        area, middle_u, middle_v = _FIT[name]
        scale = math.sqrt(PART_AREA / area) * part.scale
        at_u, at_v, turn = ANCHORS[part.slot]
        c, s = rotation(turn)
        du, dv = (u - at_u) / scale, (v - at_v) / scale
        yield (
            part.slot,
            PART_OUTLINES[name](du * c + dv * s + middle_u, dv * c - du * s + middle_v) * scale,
            part.rgb,
        )
