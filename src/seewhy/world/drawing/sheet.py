"""A scene to look at: the picture, which thing is seen where, and which part of a creature."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from seewhy.world.drawing.renderer import DECOY_ID, Rendered
from seewhy.world.grammar import SLOTS

BACKGROUND = (24, 24, 28)
THINGS = (
    *((230, 80, 80), (80, 170, 240), (250, 200, 70), (110, 200, 110)),
    *((200, 120, 230), (80, 215, 205), (240, 150, 80), (160, 160, 240)),
)
"""Colours of the items in painting order, from the first again after eight; they say nothing about the picture's."""
DECOY = (255, 255, 255)
PARTS = ((110, 110, 120), (240, 120, 170), (250, 200, 70), (80, 170, 240), (110, 200, 110), (200, 120, 230))
"""Colours of the body and the parts of the five slots."""

PANELS = ("picture", "things", "parts")
_GAP = 4
_SIDE = 288


def sheet(rendered: Rendered) -> UInt8[np.ndarray, "h w 3"]:
    """Picture, things and parts side by side, enlarged by a whole number to about 300 pixels if they are smaller."""
    assert len(PARTS) == 1 + len(SLOTS)
    things = np.array([BACKGROUND, *(THINGS[k % len(THINGS)] for k in range(DECOY_ID - 1)), DECOY], np.uint8)
    parts = np.array([BACKGROUND, *PARTS], np.uint8)
    panels = [rendered.rgb, things[rendered.id_map], parts[rendered.part_map]]
    zoom = max(1, _SIDE // len(rendered.rgb))
    large = [panel.repeat(zoom, 0).repeat(zoom, 1) for panel in panels]
    gap = np.full((len(large[0]), _GAP, 3), 255, np.uint8)
    return np.concatenate([large[0], gap, large[1], gap, large[2]], axis=1)
