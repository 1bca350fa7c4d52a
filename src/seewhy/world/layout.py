"""Where items may lie: wholly in the picture, off its four corners, and not too far into each other."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.world.grammar import CORNER_SIDE
from seewhy.world.hashing import Draws
from seewhy.world.scene import Item

Place = tuple[float, float]

_ATTEMPTS = 64
_ROUNDS = 16


def find_places(draws: Draws, radii: Sequence[float], overlap: float) -> list[Place] | None:
    """A centre for each radius by rejection, all places alike; None if sixteen rounds of 64 attempts find none.

    The first round goes in the order given, the others largest first. A place depends on nothing but the radii, so
    that what an item is says nothing about where it is.
    """
    for round_ in range(_ROUNDS):
        order = list(range(len(radii)))
        if round_:
            order.sort(key=lambda at: -radii[at])
        found = _one_round(draws, radii, order, overlap, f".{round_}" if round_ else "")
        if found is not None:
            return found
    return None


def is_free(x: float, y: float, radius: float, others: Sequence[tuple[Place, float]], overlap: float) -> bool:
    """Whether a disk there keeps off the corners and enters each other by at most `overlap` smaller radii."""
    # From the nearest corner of the picture, how far the disk's centre lies beyond that corner's square.
    dx, dy = (max(min(at, 1 - at) - CORNER_SIDE, 0.0) for at in (x, y))
    if dx * dx + dy * dy < radius * radius:
        return False
    for (ox, oy), other in others:
        apart = radius + other - overlap * min(radius, other)
        if (x - ox) * (x - ox) + (y - oy) * (y - oy) < apart * apart:
            return False
    return True


def violations(items: Sequence[Item], overlap: float) -> list[str]:
    """What breaks the rules of place, in words; empty if nothing does."""
    wrong = []
    for at, item in enumerate(items):
        name = f"item {item.id}"
        if not (item.radius <= item.x <= 1 - item.radius and item.radius <= item.y <= 1 - item.radius):
            wrong.append(f"{name} leaves the picture")
        elif not is_free(item.x, item.y, item.radius, (), overlap):
            wrong.append(f"{name} lies in a corner that is kept free for a decoy")
        for other in items[:at]:
            if not is_free(item.x, item.y, item.radius, [((other.x, other.y), other.radius)], overlap):
                clear = is_free(item.x, item.y, item.radius, (), overlap)
                if clear:
                    wrong.append(
                        f"{name} overlaps item {other.id} by more than {overlap:g} of the smaller radius"
                    )
    return wrong


def _one_round(
    draws: Draws, radii: Sequence[float], order: Sequence[int], overlap: float, suffix: str
) -> list[Place] | None:
    chosen: dict[int, Place] = {}
    for at in order:
        radius = radii[at]
        for attempt in range(_ATTEMPTS):
            x, y = (
                draws.uniform(name + suffix, at * _ATTEMPTS + attempt, radius, 1 - radius)
                for name in ("object.x", "object.y")
            )
            if is_free(x, y, radius, [(place, radii[other]) for other, place in chosen.items()], overlap):
                chosen[at] = (x, y)
                break
        else:
            return None
    return [chosen[at] for at in range(len(radii))]
