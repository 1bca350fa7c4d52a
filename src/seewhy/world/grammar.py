"""The words of the world: what a scene can be made of, and what each word looks like.

First cut (`WORLD_VERSION` "w0"): creatures, the backgrounds grass, water and bricks, captions and edits come
with "w1". Identical scenes give identical bytes within one version.
"""

from __future__ import annotations

RGB = tuple[int, int, int]

WORLD_VERSION = "w0"

SHAPES = ("disk", "square", "triangle", "pentagon", "star", "cross", "ring", "crescent")
TEXTURES = ("solid", "striped", "dotted", "checkered", "speckled")
BACKGROUNDS = ("plain", "gradient", "stripes", "dots", "checker")
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")

COLOURS: dict[str, RGB] = {
    "red": (205, 40, 40),
    "orange": (235, 130, 30),
    "yellow": (238, 218, 50),
    "green": (50, 160, 60),
    "cyan": (50, 205, 215),
    "blue": (45, 75, 205),
    "purple": (145, 55, 175),
    "white": (242, 242, 242),
}
"""Middle of each colour's box; an object's colour lies within COLOUR_JITTER of it in every channel."""

HUES: dict[str, RGB] = {
    "grey": (125, 125, 125),
    "rose": (152, 112, 118),
    "sand": (150, 136, 106),
    "moss": (110, 132, 106),
    "slate": (98, 116, 142),
    "mauve": (128, 110, 142),
}
"""First colour of a background: muted, so that no background looks like an object's colour."""

SIZES: dict[str, float] = {"small": 0.07, "medium": 0.11, "large": 0.16}
"""Radius as a share of the picture's side, within SIZE_JITTER of it."""

COLOUR_JITTER = 12
SIZE_JITTER = 0.08
MAX_LIGHTING = 0.25
MAX_NOISE = 6.0
MAX_OBJECTS = 5

CORNER_SIDE = 0.125
"""Side of the square that the sampler leaves free in each corner, where a decoy may lie."""


def darkened(rgb: RGB, percent: int) -> RGB:
    """`percent` of each channel, in whole numbers."""
    red, green, blue = (value * percent // 100 for value in rgb)
    return red, green, blue
