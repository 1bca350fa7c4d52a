"""Plans of the tasks whose labels speak of objects and backgrounds: T1 to T3b, T6 to T9, T11.

A plan draws the label first, then no more than the label needs; chance does the rest in `compose`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from seewhy.world.grammar import COLOURS, SHAPES, SIZES, TEXTURES
from seewhy.world.scene import Decoy
from seewhy.world.tasks.compose import Plan, Setting, Wanted, WantedCreature

FOUR_SHAPES = ("disk", "square", "triangle", "cross")
"""Classes of T6 and T7: each is the shape of one held-out pair, so that both have scenes in "ood-compose"."""

PAIRED_TEXTURES = ("striped", "dotted", "checkered", "speckled")
"""T7: the texture that goes with each of the four shapes."""

NULL_CONCEPTS = ("star", "cross", "speckled", "large", "bricks")
"""T9: concepts that say nothing about the label."""

TAG = Decoy("top_left")
"""T6: the mark of class 0."""

_KEY_PAIRS = (("red", "star"), ("red", "ring"), ("blue", "star"), ("blue", "ring"))
_T2_COUNTS = (2,) + (3,) * 6 + (4,) * 6 + (5,) * 6 + (6,)


AREAS = {
    "disk": math.pi,
    "square": 2.0,
    "triangle": 1.299,
    "pentagon": 2.378,
    "star": 1.123,
    "cross": 1.972,
    "ring": 2.191,
    "crescent": 1.451,
}
"""Area of each shape at radius 1."""

_MIDDLE_AREA, _STRETCH, _SIZE_TILT = 1.95, 0.059, 0.13

_LACK = {
    "disk": -0.476901,
    "square": -0.025318,
    "triangle": 0.406235,
    "pentagon": -0.198430,
    "star": 0.551826,
    "cross": -0.011219,
    "ring": -0.116529,
    "crescent": 0.295576,
}
"""log(_MIDDLE_AREA / area), written down: no two C libraries need agree about the last bit of a logarithm."""


def t1(at: Setting) -> Plan:
    """One striped object of a uniform shape among objects that are not striped.

    At one radius a disk covers nearly three times as much as a star, so that the area seen would tell the shape.
    Within its size's jitter the radius makes up for that as far as it can, and shapes with little area are large a
    little more often (less than 0.01 bit).
    """
    shape = at.draws.pick("task.label", SHAPES)
    chance, tilt = at.draws.uniform("task.size"), _SIZE_TILT * _LACK[shape]
    size = "small" if chance < 1 / 3 - tilt else "medium" if chance < 2 / 3 - tilt else "large"
    stretch = min(max(math.sqrt(_MIDDLE_AREA / AREAS[shape]), 1 - _STRETCH), 1 + _STRETCH)
    radius = SIZES[size] * stretch * at.draws.uniform("task.radius", 0, 0.98, 1.02)
    key = Wanted(shapes=(shape,), textures=("striped",), sizes=(size,), radius=radius, free=False)
    others = Wanted(textures=_without(TEXTURES, "striped"))
    creatures = _creatures(at)
    n = at.n_objects(1, creatures=len(creatures))
    return Plan((key, *(others,) * (n - 1)), at.grammar.backgrounds, creatures)


def t2(at: Setting) -> Plan:
    """A red star and a blue ring, or a red ring and a blue star; and mostly one more of these four.

    The third key is drawn alike for both labels, so that how often each colour and each shape occurs says nothing:
    yes has both pairs, no has one of them (by the third key) or none. Areas and places are drawn before shapes, and
    keys are solid (a texture is as fine as its object is small), so that the amount of red or blue, or where it is,
    does not tell a star from a ring either.
    """
    yes = at.draws.below("task.label", 2) == 1
    creatures = _creatures(at)[:1]
    n = at.n_objects(2, (2,) if at.grammar.counts == (2,) else _T2_COUNTS, len(creatures))
    keys = [_KEY_PAIRS[0], _KEY_PAIRS[3]] if yes else [_KEY_PAIRS[1], _KEY_PAIRS[2]]
    if n > 2 + at.split.novel:
        keys.append(at.draws.pick("task.third", _KEY_PAIRS))
    others = Wanted(avoid=_KEY_PAIRS)
    wanted = [_key(at, number, *pair) for number, pair in enumerate(keys)]
    return Plan((*wanted, *(others,) * (n - len(keys))), at.grammar.backgrounds, creatures)


_STEPS = ((0.0117, 0.0125), (0.0245, 0.0307))
"""Areas, in squares of the picture's side, that both a star (medium or large) and a ring (small or medium) have."""


def _key(at: Setting, number: int, colour: str, shape: str) -> Wanted:
    step = at.draws.below("task.area.step", 2, number)
    area = at.draws.uniform("task.area", number, *_STEPS[step])
    size = tuple(SIZES)[step + (shape == "star")]
    radius, room = (math.sqrt(area / AREAS[each]) for each in (shape, "star"))
    return Wanted(
        (shape,), (colour,), textures=("solid",), sizes=(size,), radius=radius, room=room, free=False
    )


def t3a(at: Setting) -> Plan:
    """Checkered or grass: as many scenes with neither as with one or both."""
    if at.draws.below("task.label", 2) == 0:
        return _t3(at, False, False)
    return _t3(at, *at.draws.pick("task.cell", ((True, False), (False, True), (True, True))))


def t3b(at: Setting) -> Plan:
    """Checkered or grass but not both: the four cases equally often."""
    return _t3(at, at.draws.below("task.checkered", 2) == 1, at.draws.below("task.grass", 2) == 1)


def _t3(at: Setting, checkered: bool, grass: bool) -> Plan:
    plain = Wanted(textures=_without(TEXTURES, "checkered"))
    creatures = _creatures(at)
    n = at.n_objects(1, creatures=len(creatures))
    key = replace(plain, textures=("checkered",) if checkered else plain.textures, free=False)
    backgrounds = ("grass",) if grass else _without(at.grammar.backgrounds, "grass")
    return Plan((key, *(plain,) * (n - 1)), backgrounds, creatures)


def t6(at: Setting) -> Plan:
    """One large object of four shapes; a tag in a corner goes with class 0 as far as the bias says.

    Class 0 has it in a share `bias` of its scenes. The other classes never have it from bias 0.9 on; below, their
    share rises to a half at bias 0.5, where the tag says nothing.
    """
    label = at.draws.below("task.label", 4)
    share = at.bias if label == 0 else min(max((0.9 - at.bias) * 1.25, 0.0), 1.0)
    key = Wanted(shapes=(FOUR_SHAPES[label],), sizes=("large",), free=False)
    others = Wanted(sizes=("small", "medium"))
    n = at.n_objects(1)
    decoy = TAG if at.chance("task.tag", share) else None
    return Plan((key, *(others,) * (n - 1)), at.grammar.backgrounds, decoy=decoy)


def t7(at: Setting) -> Plan:
    """One large object of four shapes, whose texture goes with the shape in a share `bias` of the scenes."""
    label = at.draws.below("task.label", 4)
    agrees = at.chance("task.agrees", at.bias)
    texture = label if agrees else (label + 1 + at.draws.below("task.texture", 3)) % 4
    key = Wanted(shapes=(FOUR_SHAPES[label],), textures=(PAIRED_TEXTURES[texture],), sizes=("large",))
    return Plan((key,), at.grammar.backgrounds)


def t8(at: Setting) -> Plan:
    """Anything that the world has."""
    creatures = _creatures(at)
    n = at.n_objects(0, creatures=len(creatures))
    return Plan((Wanted(),) * n, at.grammar.backgrounds, creatures)


def t9(at: Setting) -> Plan:
    """At least one green object, or none; shapes, sizes, textures and backgrounds are drawn apart from it."""
    creatures = _creatures(at)
    n = at.n_objects(1, creatures=len(creatures))
    others = Wanted(colours=_without(tuple(COLOURS), "green"))
    green = at.draws.below("task.label", 2) == 1
    key = replace(others, colours=("green",) if green else others.colours, free=False)
    return Plan((key, *(others,) * (n - 1)), at.grammar.backgrounds, creatures)


def t11(at: Setting) -> Plan:
    """Red, star and water each in half of the scenes, in all eight ways; red and star may be one object."""
    red, star, water = (at.draws.below(f"task.{name}", 2) == 1 for name in ("red", "star", "water"))
    creatures = _creatures(at)[:1]
    n = at.n_objects(2, creatures=len(creatures))
    bearer = at.draws.below("task.bearer", n)
    things = tuple(
        Wanted(
            colours=("red",) if red and number == 0 else _without(tuple(COLOURS), "red"),
            shapes=("star",) if star and number == bearer else _without(SHAPES, "star"),
            free=number not in (0, bearer),
        )
        for number in range(n)
    )
    backgrounds = ("water",) if water else _without(at.grammar.backgrounds, "water")
    return Plan(things, backgrounds, creatures)


def _creatures(at: Setting) -> tuple[WantedCreature, ...]:
    return (WantedCreature(),) * at.draws.pick("creatures", at.grammar.creatures)


def _without(words: tuple[str, ...], word: str) -> tuple[str, ...]:
    return tuple(each for each in words if each != word)
