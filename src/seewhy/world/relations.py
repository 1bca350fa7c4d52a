"""How two objects of a scene lie and compare: seven relations, decided from the scene alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from seewhy.world.drawing.renderer import outline_distance
from seewhy.world.grammar import SIZES
from seewhy.world.scene import Scene, Thing

_TOUCHING_GRID = 192
_SIZES = tuple(SIZES)


def left_of(one: Thing, other: Thing) -> bool:
    """Whether the way from one centre to the other leads right, and further right than up or down.

    So of two objects one is left of, right of, above or below the other, never two of these, and on the exact
    diagonal none.
    """
    return other.x - one.x > abs(other.y - one.y)


def above(one: Thing, other: Thing) -> bool:
    """Whether the way from one centre to the other leads down, and further down than left or right."""
    return other.y - one.y > abs(other.x - one.x)


def touching(one: Thing, other: Thing) -> bool:
    """Whether the outlines meet or overlap: no gap wider than about a hundredth of the picture's side."""
    reach = one.radius + other.radius + 0.01
    if (one.x - other.x) ** 2 + (one.y - other.y) ** 2 > reach * reach:
        return False
    top, left, first = _distances(one)
    other_top, other_left, second = _distances(other)
    low, right = max(top, other_top), max(left, other_left)
    # The rectangles overlap wherever the disks come this near; each is cut to what both cover.
    height = min(top + first.shape[0], other_top + second.shape[0]) - low
    width = min(left + first.shape[1], other_left + second.shape[1]) - right
    if height <= 0 or width <= 0:
        return False
    first = first[low - top :, right - left :][:height, :width]
    second = second[low - other_top :, right - other_left :][:height, :width]
    # A point within one step of both outlines: the gap is at most two steps of the grid.
    return bool(np.maximum(first, second).min() <= 1.0)


def inside(one: Thing, other: Thing) -> bool:
    """Whether one's disk lies wholly within the other's; the sampler keeps objects further apart than that."""
    room = other.radius - one.radius
    return room >= 0 and (one.x - other.x) ** 2 + (one.y - other.y) ** 2 <= room * room


def same_colour(one: Thing, other: Thing) -> bool:
    """Whether both have the same colour word."""
    return one.colour == other.colour


def same_shape(one: Thing, other: Thing) -> bool:
    """Whether both have the same shape."""
    return one.shape == other.shape


def larger(one: Thing, other: Thing) -> bool:
    """Whether the first is of a larger size word than the second."""
    return _SIZES.index(one.size) > _SIZES.index(other.size)


RELATIONS: dict[str, Callable[[Thing, Thing], bool]] = {
    "left of": left_of,
    "above": above,
    "touching": touching,
    "inside": inside,
    "same colour": same_colour,
    "same shape": same_shape,
    "larger": larger,
}
"""Of one object to another; a relation is in a scene if two different objects stand in it."""


def related(scene: Scene, relation: str) -> tuple[tuple[Thing, Thing], ...]:
    """The pairs of different objects of which the relation holds, in painting order."""
    holds = RELATIONS[relation]
    return tuple(pair for pair in permutations(scene.objects, 2) if holds(*pair))


def _distances(thing: Thing) -> tuple[int, int, np.ndarray]:
    rows, columns, distance = outline_distance(thing, _TOUCHING_GRID)
    return rows.start, columns.start, distance
