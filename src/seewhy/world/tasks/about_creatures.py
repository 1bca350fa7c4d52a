"""Plans of the tasks about creatures: T4, T5, T10. One creature each, large enough to read its parts."""

from __future__ import annotations

from itertools import combinations

from seewhy.world.grammar import SLOTS
from seewhy.world.tasks.compose import Plan, Setting, Wanted, WantedCreature
from seewhy.world.tasks.kinds import KINDS, Kind

FEET = (("webbed", "padded"), ("clawed", "hoofed"))
"""T5: the feet of each of the two groups."""

HOMES = ("water", "grass")
"""T5: the background that goes with each group."""

CRESTS, TAILS = ("spiky", "horned"), ("barbed", "curled")
"""T10: crest and tail of each class; the two classes have the same two colours, the other way round."""

_RADIUS = (0.24, 0.32)
_OBJECTS = (0, 1, 2, 3)
_MISSING = 0.3
_SCALE = (0.75, 1.0)


def t4(at: Setting) -> Plan:
    """A creature of one of the 24 kinds; in three scenes of ten some parts are missing, never too many to tell.

    Each part has a length of its own: outlines of one area differ in their edges, where colours mix, and so much
    of each colour as lies there would tell a little about the kind.
    """
    kind = at.draws.pick("task.label", KINDS)
    shown = SLOTS
    if at.chance("task.missing", _MISSING):
        shown = at.draws.pick("task.shown", sufficient_sets(kind)[:-1])
    slots = tuple((slot, (getattr(kind, slot) if slot in shown else "none",)) for slot in SLOTS)
    return _portrait(at, WantedCreature(slots, _RADIUS, free=False, scale=_SCALE))


def t5(at: Setting) -> Plan:
    """A creature of one of two groups, told by its feet, on its group's background as often as the bias says."""
    group = at.draws.below("task.label", 2)
    home = group if at.chance("task.home", at.bias) else 1 - group
    return _portrait(at, WantedCreature((("foot", FEET[group]),), _RADIUS), (HOMES[home],))


def t10(at: Setting) -> Plan:
    """A creature whose tail says the same as its crest as often as the bias says."""
    label = at.draws.below("task.label", 2)
    tail = label if at.chance("task.agrees", at.bias) else 1 - label
    slots = (("crest", (CRESTS[label],)), ("tail", (TAILS[tail],)))
    return _portrait(at, WantedCreature(slots, _RADIUS))


def sufficient_sets(kind: Kind) -> tuple[tuple[str, ...], ...]:
    """All sets of slots whose parts no other kind has together, small ones first; the last is all five slots."""
    return tuple(
        slots
        for n in range(1, len(SLOTS) + 1)
        for slots in combinations(SLOTS, n)
        if not any(
            all(getattr(other, slot) == getattr(kind, slot) for slot in slots)
            for other in KINDS
            if other is not kind
        )
    )


def minimal_sets(kind: Kind) -> tuple[tuple[str, ...], ...]:
    """The sufficient sets of slots that hold no smaller one."""
    every = sufficient_sets(kind)
    return tuple(slots for slots in every if not any(set(other) < set(slots) for other in every))


def _portrait(at: Setting, creature: WantedCreature, backgrounds: tuple[str, ...] | None = None) -> Plan:
    n = at.n_objects(0, _OBJECTS, creatures=1)
    objects = (Wanted(sizes=("small",)),) * n
    return Plan(objects, backgrounds or at.grammar.backgrounds, (creature,))
