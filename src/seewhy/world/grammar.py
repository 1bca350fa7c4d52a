"""The words of the world: what a scene can be made of, and what each word looks like.

Identical scenes give identical bytes within one `WORLD_VERSION`. A word belongs to one group only, and what it
looks like is nobody else's look: object colours, part colours, coats and background hues are disjoint boxes of RGB,
so that a red thing is never a part of a creature.
"""

from __future__ import annotations

RGB = tuple[int, int, int]

WORLD_VERSION = "w1"

SHAPES = ("disk", "square", "triangle", "pentagon", "star", "cross", "ring", "crescent")
TEXTURES = ("solid", "striped", "dotted", "checkered", "speckled")
BACKGROUNDS = ("plain", "gradient", "stripes", "dots", "checker", "grass", "water", "bricks")
DECOYS = ("tag", "border", "watermark")
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
MAX_OBJECTS = 6
MAX_CREATURES = 2

CORNER_SIDE = 0.125
"""Side of the square that the sampler leaves free in each corner, where a decoy may lie."""


BODIES = ("round", "long", "blocky", "pear")

COATS: dict[str, RGB] = {
    "cream": (224, 204, 168),
    "lilac": (196, 178, 222),
    "sky": (168, 198, 224),
    "ash": (190, 190, 190),
}
"""Colour of a creature's body; like the kind of body it is never part of a label."""

PART_COLOURS: dict[str, RGB] = {
    "black": (34, 34, 40),
    "brown": (112, 66, 34),
    "pink": (240, 146, 186),
    "mint": (150, 236, 190),
}

PARTS: dict[str, dict[str, tuple[str, str]]] = {
    "crest": {
        "spiky": ("wedge", "black"),
        "tufted": ("bumps", "brown"),
        "horned": ("fork", "pink"),
        "crowned": ("comb", "mint"),
    },
    "beak": {
        "pointed": ("drop", "brown"),
        "hooked": ("arch", "pink"),
        "blunt": ("half", "mint"),
        "crossed": ("hourglass", "black"),
    },
    "wing": {
        "feathered": ("chevron", "pink"),
        "broad": ("lens", "mint"),
        "banded": ("bar", "black"),
        "spotted": ("twins", "brown"),
    },
    "tail": {
        "forked": ("fork", "mint"),
        "curled": ("arch", "black"),
        "fanned": ("half", "brown"),
        "barbed": ("tee", "pink"),
    },
    "foot": {
        "webbed": ("comb", "black"),
        "clawed": ("chevron", "brown"),
        "hoofed": ("ell", "pink"),
        "padded": ("twins", "mint"),
    },
}
"""A creature's slots, the variants of each, and their outline and colour. Every slot has each part colour once, and
every part covers the same area, so that amounts of colour say little about which creature it is."""

SLOTS = tuple(PARTS)


def darkened(rgb: RGB, percent: int) -> RGB:
    """`percent` of each channel, in whole numbers."""
    red, green, blue = (value * percent // 100 for value in rgb)
    return red, green, blue
