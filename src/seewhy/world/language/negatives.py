"""Hard negatives: captions that differ from a true one in one point and are false of the scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from seewhy.world.grammar import BACKGROUNDS, PARTS
from seewhy.world.hashing import Draws
from seewhy.world.language.captions import INVERSE, Caption, plan_of, spoken
from seewhy.world.language.facts import ATTRIBUTES, holds
from seewhy.world.language.plan import Plan
from seewhy.world.language.words import NUMBERS, TOKEN_LIMIT, tokens
from seewhy.world.relations import RELATIONS
from seewhy.world.scene import Scene

KINDS = ("swap colours", "swap relation", "replace attribute", "wrong count")

_OPPOSITE = {**INVERSE, **{turned: name for name, turned in INVERSE.items()}}


@dataclass(frozen=True)
class HardNegative:
    """A false caption beside the true one that it was made from.

    Attributes
    ----------
    kind
        What was changed: "swap colours" of two objects, "swap relation" (its direction), "replace attribute" (or a
        part, or the background) or "wrong count".
    false, true
        The two captions: same level, same template, as long as each other or one word apart.
    """

    kind: str
    false: Caption
    true: Caption


def hard_negatives(scene: Scene, *, draw: int = 0) -> tuple[HardNegative, ...]:
    """Four different hard negatives, one of each kind where the scene allows.

    A scene of one object has no colours to swap and no relation: more attributes are replaced instead.

    Parameters
    ----------
    scene
        With at most twelve objects and creatures.
    draw
        Which of many such quadruples.

    Raises
    ------
    InputError
        If the scene has more things than captions count.
    """
    found: list[HardNegative] = []
    for kind in (*KINDS, *["replace attribute"] * 3):
        if len(found) == 4:
            break
        negative = _first(scene, kind, draw, {known.false.text for known in found})
        if negative is not None:
            found.append(negative)
    assert len(found) == 4, "every scene has a background, and seven others that it has not"
    return tuple(sorted(found, key=lambda negative: KINDS.index(negative.kind)))


def _first(scene: Scene, kind: str, draw: int, known: set[str]) -> HardNegative | None:
    """The first candidate, in the order of a hash, that is false, alike and new."""
    draws, name = Draws(scene.seed, scene.index), f"negative.{kind}"
    for true in _true_plans(scene, kind, draw, draws):
        changed = list(_changes(true, kind))
        order = sorted(range(len(changed)), key=lambda at: draws.uniform(name, (draw << 16) + at))
        original = spoken(true)
        for false in (spoken(changed[at]) for at in order):
            if false.text not in known and _alike(false, original) and not holds(scene, false.facts):
                return HardNegative(kind, false, original)
    return None


def _true_plans(scene: Scene, kind: str, draw: int, draws: Draws) -> Iterator[Plan]:
    """True captions that a negative of that kind can be made from: first as they are, then with nothing left out."""
    levels = {
        "swap colours": (3, 2),
        "swap relation": (4,),
        "replace attribute": (3, 4),
        "wrong count": (4, 0),
    }
    chosen = levels[kind]
    if draws.below(f"negative.{kind}.level", 2, draw) == 1:
        chosen = chosen[::-1]
    relations = tuple(INVERSE) if kind == "swap relation" else tuple(RELATIONS)
    for all_kept in (False, True):
        for level in chosen:
            yield plan_of(scene, level, draw=draw, all_kept=all_kept, relations=relations)


def _changes(plan: Plan, kind: str) -> Iterator[Plan]:
    if kind == "swap relation" and plan.relation in _OPPOSITE:
        yield replace(plan, relation=_OPPOSITE[plan.relation])
    if kind == "swap colours":
        said = [dict(mention.said).get("colour") for mention in plan.mentions]
        for at, other in combinations(range(len(said)), 2):
            first, second = said[at], said[other]
            if first and second and first != second:
                yield plan.with_said(at, "colour", second).with_said(other, "colour", first)
    if kind == "wrong count":
        for which, (name, n) in enumerate(plan.counts):
            # Not fewer than are named, or the caption would contradict itself.
            named = sum(f"{mention.kind}s" == name or name == "things" for mention in plan.mentions)
            for wrong in (n - 1, n + 1):
                if max(1, named) <= wrong < len(NUMBERS):
                    counts = (*plan.counts[:which], (name, wrong), *plan.counts[which + 1 :])
                    yield replace(plan, counts=counts)
    if kind == "replace attribute":
        for at, mention in enumerate(plan.mentions):
            for name, value in mention.said:
                for other_value in ATTRIBUTES[name] if name in ATTRIBUTES else PARTS[name]:
                    if other_value != value:
                        yield plan.with_said(at, name, other_value)
        if plan.background is not None:
            for background in BACKGROUNDS:
                if background != plan.background:
                    yield replace(plan, background=background)


def _alike(one: Caption, other: Caption) -> bool:
    """Whether both fit and have as many words, give or take one."""
    lengths = len(tokens(one.text)), len(tokens(other.text))
    return abs(lengths[0] - lengths[1]) <= 1 and max(lengths) + 2 <= TOKEN_LIMIT
